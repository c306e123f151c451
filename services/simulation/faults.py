"""What goes wrong in a simulated system, and how often?"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, Self


def _rate(what: str) -> Any:
    return field(default=0.0, metadata={"what": what})


@dataclass(frozen=True)
class Faults:
    """Rates, each from 0 (never) to 1 (always)."""

    crash: float = _rate("a process dies, at any await: for each process and second")
    pause: float = _rate("a process stands still for a while: for each process and second")
    clock: float = _rate("the clock of a process jumps: for each process and second")

    poison: float = _rate(
        "the handler of an agent or a read model fails on an event: for each handler and event"
    )
    outage: float = _rate("a provider does not answer for long: for each provider and second")
    provider: float = _rate(
        "a provider fails, before or after it has done what was asked, or late: for each request and kind"
    )
    webhook: float = _rate("a webhook comes twice, late, never or out of turn: for each attempt and kind")

    loss: float = _rate("a message of the bus does not come: for each message and subscriber")
    repeat: float = _rate("it comes again")
    reorder: float = _rate("it comes after the next one")
    delay: float = _rate("it comes late")
    partition: float = _rate("one who uses the bus is cut off for a while: for each publishing")
    wipe: float = _rate("the bus loses all that it has, and its stream: for each publishing")

    refuse: float = _rate("the store does not take a call: for each call")
    unanswered: float = _rate("the call is done, but its answer is lost: for each call")
    slow: float = _rate("the store is slow: for each call")
    down: float = _rate(
        "the store breaks down, with all that is in flight, and is away for a while: for each call"
    )

    staff: float = _rate(
        "pickers do not find what is listed, parcels are split and booked anew: of orders that can"
    )

    def __post_init__(self) -> None:
        for each in fields(self):
            rate = getattr(self, each.name)
            if not 0 <= rate <= 1:
                raise ValueError(f"{each.name}={rate}: a rate is from 0 to 1")

    @classmethod
    def parse(cls, words: str) -> Self:
        """`mild`, `loss=0.05,crash=0.02`, `all,wipe=0`: a later word has the last say."""
        faults = cls()
        for word in words.split(","):
            faults = faults.with_word(word.strip())
        return faults

    def of_messages(self) -> Self:
        """Only what befalls messages of the bus."""
        rates = {name: getattr(self, name) for name in ("loss", "repeat", "reorder", "delay")}
        return type(self)(**rates)

    def with_word(self, word: str) -> Self:
        """With the rates of a preset, or with one rate."""
        name, given, rate = word.partition("=")
        if not given and name in PRESETS:
            return replace(self, **PRESETS[name])
        names = [each.name for each in fields(self)]
        if name in names and not given:
            raise ValueError(f"{name}: a rate is missing, for example {name}={PRESETS['all'][name]:g}")
        if name not in names:
            raise ValueError(
                f"{word or 'nothing'}: say {', '.join(PRESETS)} or <name>=<rate>, of {', '.join(names)}"
            )
        try:
            return replace(self, **{name: float(rate)})
        except ValueError:
            raise ValueError(f"{word}: a rate is a number from 0 to 1") from None


_MILD = {
    "crash": 0.01,
    "pause": 0.005,
    "clock": 0.005,
    "poison": 0.0002,
    "outage": 0.002,
    "provider": 0.01,
    "webhook": 0.01,
    "loss": 0.01,
    "repeat": 0.01,
    "reorder": 0.01,
    "delay": 0.01,
    "partition": 0.002,
    "wipe": 0.0005,
    "refuse": 0.002,
    "unanswered": 0.002,
    "slow": 0.005,
    "down": 0.0002,
    "staff": 0.1,
}
PRESETS: dict[str, dict[str, float]] = {
    "none": dict.fromkeys(_MILD, 0.0),
    "mild": _MILD,
    "all": {name: rate * 5 for name, rate in _MILD.items()},
}

"""What goes wrong in a simulated system, and how often?"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Self


@dataclass(frozen=True)
class Faults:
    """Rates, each from 0 (never) to 1 (always)."""

    crash: float = 0.0
    """A process dies, at any await: for each process and second."""
    pause: float = 0.0
    """A process stands still for a while: for each process and second."""
    clock: float = 0.0
    """The clock of a process jumps: for each process and second."""

    poison: float = 0.0
    """The handler of an agent or a read model fails on an event, whenever it takes it: for each and event."""
    outage: float = 0.0
    """A provider does not answer for long: for each provider and second."""
    provider: float = 0.0
    """A provider fails: before or after it has done what was asked, or late: for each request and kind."""
    webhook: float = 0.0
    """A webhook is sent twice, late, not at all or after the next one: for each attempt and kind."""

    loss: float = 0.0
    """A message of the bus does not come: for each message and subscriber, as the next three."""
    repeat: float = 0.0
    reorder: float = 0.0
    delay: float = 0.0
    partition: float = 0.0
    """One who uses the bus is cut off for a while: for each publishing, as the next."""
    wipe: float = 0.0
    """The bus loses all that it has, and its stream."""

    refuse: float = 0.0
    """The store does not take a call: for each call, as the next three."""
    unanswered: float = 0.0
    """The call is done, but its answer is lost."""
    slow: float = 0.0
    down: float = 0.0
    """The store breaks down, with all that is in flight, and is away for a while."""

    def __post_init__(self) -> None:
        for field in fields(self):
            rate = getattr(self, field.name)
            if not 0 <= rate <= 1:
                raise ValueError(f"{field.name}={rate}: a rate is from 0 to 1")

    @classmethod
    def parse(cls, words: str) -> Self:
        """`mild`, `loss=0.05,crash=0.02`, `all,wipe=0`: a later word has the last say."""
        faults = cls()
        for word in filter(None, (each.strip() for each in words.split(","))):
            faults = faults.with_word(word)
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
        names = [field.name for field in fields(self)]
        if name not in names or not given:
            raise ValueError(f"{word}: say {', '.join(PRESETS)} or <name>=<rate>, of {', '.join(names)}")
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
}
PRESETS: dict[str, dict[str, float]] = {
    "none": dict.fromkeys(_MILD, 0.0),
    "mild": _MILD,
    "all": {name: rate * 5 for name, rate in _MILD.items()},
}

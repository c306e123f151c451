"""How does one write down a rule of an aggregate? Given these events, when this command, then those events.

stock = Specification(STOCK)
stock.given(StockReceived(...)).when(ReserveStock(...)).then(StockReserved(...))
stock.given().when(AdjustStock(...)).then_refused("adjust_within_available")
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from domain.kernel import Command, Decider, Event, Refused

C = TypeVar("C", bound=Command)
E = TypeVar("E", bound=Event)
S = TypeVar("S")


def _listed(events: tuple[Event, ...]) -> str:
    return "".join(f"\n    {event!r}" for event in events) or "\n    nothing"


@dataclass(frozen=True, slots=True)
class Outcome(Generic[C, E, S]):
    """What a command came to: events, or a refusal."""

    decider: Decider[C, E, S]
    before: S
    events: tuple[E, ...]
    refused: Refused | None

    def then(self, *expected: E) -> None:
        """Exactly these events, in this order; none at all if none are named."""
        if self.refused is not None:
            raise AssertionError(f"refused by {self.refused.rule}: {self.refused.message}")
        if self.events != expected:
            raise AssertionError(f"expected:{_listed(expected)}\nfound:{_listed(self.events)}")

    def then_nothing(self) -> None:
        self.then()

    def then_refused(self, rule: str) -> str:
        """Refused by `rule`; returns the message, for those who care for its words."""
        if self.refused is None:
            raise AssertionError(f"expected a refusal by {rule}\nfound:{_listed(self.events)}")
        if self.refused.rule != rule:
            raise AssertionError(f"expected a refusal by {rule}, found {self.refused.rule}")
        return self.refused.message

    @property
    def state(self) -> S:
        """The state after it."""
        return self.decider.fold(self.events, self.before)


@dataclass(frozen=True, slots=True)
class Given(Generic[C, E, S]):
    """An aggregate with a history."""

    decider: Decider[C, E, S]
    state: S

    def when(self, command: C) -> Outcome[C, E, S]:
        try:
            events = self.decider.decide(command, self.state)
        except Refused as refused:
            return Outcome(self.decider, self.state, (), refused)
        return Outcome(self.decider, self.state, events, None)


@dataclass(frozen=True, slots=True)
class Specification(Generic[C, E, S]):
    """Of one aggregate."""

    decider: Decider[C, E, S]

    def given(self, *events: E) -> Given[C, E, S]:
        return Given(self.decider, self.decider.fold(events))

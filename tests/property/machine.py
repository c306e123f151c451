"""What do the state machines of all aggregates share? A stream, and that the state is its fold."""

from __future__ import annotations

from typing import Any, ClassVar

from hypothesis.stateful import RuleBasedStateMachine, invariant

from domain.aggregates import AnyDecider
from domain.kernel import Command, Event, Refused


class AggregateMachine(RuleBasedStateMachine):
    """Sends commands to one aggregate; a subclass has the rules and a model of a few plain variables."""

    decider: ClassVar[AnyDecider]

    def __init__(self) -> None:
        super().__init__()
        self.state: Any = self.decider.initial
        self.stream: list[Event] = []

    def send(self, command: Command) -> list[str] | str:
        """Decide and append; the names of the new events, or of the rule that refused."""
        try:
            events = self.decider.decide(command, self.state)
        except Refused as refused:
            return refused.rule
        self.stream.extend(events)
        self.state = self.decider.fold(events, self.state)
        return [type(event).__name__ for event in events]

    def newest(self, count: int) -> list[Any]:
        """The last `count` events of the stream."""
        return list(self.stream[len(self.stream) - count :])

    @invariant()
    def the_state_is_the_fold_of_the_stream(self) -> None:
        assert self.decider.fold(self.stream) == self.state

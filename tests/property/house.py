"""All agents and their deciders, run together in memory, with deadlines: a command, then all that follows."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from domain.aggregates import aggregate_of
from domain.deadline import ReachDeadline
from domain.kernel import Command, Event, Fact, Refused
from domain.payment import Dispute, Movement, RecordProviderPayment
from domain.streams import deadline_stream, order_stream
from services.agents.registered import AGENTS

START = datetime(2026, 1, 1, tzinfo=UTC)
ORDER = order_stream("m", "o1")
"""The one order that there is."""


class House:
    """Streams, agents' processes and deadlines, in memory: a command, then all that follows.

    Of a `slow` one agents hear of what happened only in `go_on`: commands overtake them.
    """

    def __init__(self, *, slow: bool = False) -> None:
        self.slow = slow
        self.unheard: deque[tuple[str, Event, str]] = deque()
        self.heard = 0
        self.states: dict[str, Any] = {}
        self.processes: dict[tuple[str, str], Any] = {}
        self.deadlines: dict[tuple[str, str, str], datetime] = {}
        self.events: list[tuple[str, Event]] = []
        self.now = START

    def state(self, stream: str) -> Any:
        return self.states.get(stream, aggregate_of(stream).initial)

    def send(self, stream: str, command: Command) -> None:
        self.send_all([(stream, command)])

    def send_all(self, targets: list[tuple[str, Command]]) -> None:
        """As one append."""
        self.unheard.extend((*each, "") for each in self._carry_out(targets))
        if not self.slow:
            self.go_on()

    def go_on(self, most: int = 10**9) -> None:
        """Agents hear of so many events more."""
        while self.unheard and most:
            most -= 1
            stream, event, cause = self.unheard.popleft()
            self.heard += 1
            fact = Fact(
                self.heard,
                stream,
                1,
                event,
                "m",
                "c1",
                cause,
                UUID(int=self.heard),
                self.now,
                self.now,
            )
            for agent in AGENTS:
                mine = fact.category != "deadline" or event.agent == agent.name  # type: ignore[attr-defined]
                if mine and isinstance(event, agent.interests):
                    self.unheard.extend((*each, fact.event_id) for each in self._react(agent, fact))

    def _react(self, agent: Any, fact: Fact) -> list[tuple[str, Event]]:
        key = getattr(fact.event, "key", None) or ORDER
        reaction = agent.react(self.processes.get((agent.name, key), agent.initial), fact)
        self.processes[agent.name, key] = reaction.process
        for each in reaction.deadlines:
            self.deadlines.pop((agent.name, each.key, each.name), None)
            if each.due_at:
                self.deadlines[agent.name, each.key, each.name] = each.due_at
        came = []
        for group in reaction.commands:
            came += self._carry_out([(target.stream, target.command) for target in group.targets])
        return came

    def _carry_out(self, targets: list[tuple[str, Command]]) -> list[tuple[str, Event]]:
        """All or nothing; a refusal is an outcome that agents must bear."""
        came: list[tuple[str, Event]] = []
        states = dict(self.states)
        try:
            for stream, command in targets:
                decider = aggregate_of(stream)
                events = decider.decide(command, states.get(stream, decider.initial))
                states[stream] = decider.fold(events, states.get(stream, decider.initial))
                came += [(stream, event) for event in events]
        except Refused:
            return []
        if any(event.refusal for _, event in came):  # it stands instead of all others
            came = [(stream, event) for stream, event in came if event.refusal]
            states = dict(self.states)
            for stream, event in came:
                decider = aggregate_of(stream)
                states[stream] = decider.evolve(states.get(stream, decider.initial), event)
        self.states = states
        self.events += came
        return came

    def wait(self, seconds: float) -> None:
        """Time passes; deadlines come in their order."""
        until = self.now + timedelta(seconds=seconds)
        while due := sorted((at, who) for who, at in self.deadlines.items() if at <= until):
            at, (agent, key, name) = due[0]
            del self.deadlines[agent, key, name]
            self.now = max(self.now, at)
            command = ReachDeadline(agent=agent, key=key, name=name, due_at=at)
            self.send(deadline_stream("m", agent, key, name), command)
        self.now = until


@dataclass
class Books:
    """What the provider really holds and took of a payment."""

    status: Any = "pending"
    authorized: int = 0
    captures: dict[str, int] = field(default_factory=dict)
    refunds: dict[str, int] = field(default_factory=dict)
    failed_captures: set[str] = field(default_factory=set)
    failed_refunds: set[str] = field(default_factory=set)
    in_parts: bool = True
    voided: bool = False
    void_refused: str = ""
    void_refusals: int = 0
    disputes: dict[str, tuple[int, Any]] = field(default_factory=dict)
    """Cents, and `open`, `won` or `lost`."""

    @property
    def taken(self) -> int:
        return sum(self.captures.values()) - sum(self.refunds.values())

    @property
    def disputed(self) -> int:
        """What the bank has taken back, for good or until it is decided."""
        return sum(cents for cents, status in self.disputes.values() if status != "won")

    @property
    def held(self) -> int:
        """Neither taken nor let go."""
        return 0 if self.voided else self.authorized - sum(self.captures.values())

    def capture(self, name: str, cents: int, *, last: bool) -> None:
        """With the last one goes what it leaves; a card that is captured once has no other."""
        assert cents <= self.held, f"{cents} of {self.held} are to be captured"
        assert last or self.in_parts or cents == self.held, f"a card is captured once: {cents} of {self.held}"
        self.captures[name] = cents
        self.voided |= last and self.held > 0

    def letter(self, payment: str) -> RecordProviderPayment:
        def movements(done: dict[str, int], failed: set[str]) -> tuple[Movement, ...]:
            good = [Movement(reference=r, amount_cents=c, succeeded=True) for r, c in done.items()]
            bad = [Movement(reference=r, amount_cents=0, succeeded=False) for r in sorted(failed)]
            return (*good, *bad)

        return RecordProviderPayment(
            payment_id=payment,
            provider_reference="x",
            status=self.status,
            amount_cents=self.authorized,
            captures=movements(self.captures, self.failed_captures),
            refunds=movements(self.refunds, self.failed_refunds),
            in_parts=self.in_parts,
            voided=self.voided,
            void_refused=self.void_refused,
            disputes=tuple(
                Dispute(dispute_id=name, amount_cents=cents, status=status)
                for name, (cents, status) in self.disputes.items()
            ),
        )

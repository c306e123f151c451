"""What is known about the causes of some events: rows of several tables, and how they are linked by ids.

The ids of commands are not stored with their events; they are computed from what caused them, as whoever gave
the command did.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from domain.aggregates import PARTS
from domain.kernel import Deadline, Fact, Group
from eventstore.log import StoredEvent
from eventstore.seams import derived_id, key_id
from services.agents.agent import order_key
from services.agents.registered import AGENTS
from services.audit.stored import Unreadable, decoded
from services.gateways.registered import GATEWAYS as REGISTERED

EVENTS_MAX = 2_000
"""Of one order that a tree tells of; what is beyond is cut, and said to be."""
KEYED_BY = frozenset(category for agent in AGENTS for category in agent.keyed_by)
GATEWAYS = {each.actor: each for each in REGISTERED}
AGENT_OF = {agent.name: agent for agent in AGENTS}
ACTORS = tuple(dict.fromkeys((*AGENT_OF, *(each.name for each in GATEWAYS.values()))))
"""Who may have done something because of an event, in the order in which it is told."""


class Recorded(NamedTuple):
    """A reaction as it was recorded: which rules decided it, and the commands that it made."""

    rule_version: int
    groups: tuple[Group, ...]


class Replayed(NamedTuple):
    """A reaction as today's rules decide it: its commands and deadlines, and the facts that it builds on."""

    groups: tuple[Group, ...]
    deadlines: tuple[Deadline, ...]
    taken: tuple[int, ...]


class Entry(NamedTuple):
    """The ledger's, of a command: its positions (first > last: it appended nothing), and the answer to it."""

    first: int
    last: int
    answer: dict[str, Any]
    recorded_at: datetime


class Arrival(NamedTuple):
    """A webhook: when it came, how often it matched nothing, and since when it is matched."""

    received_at: datetime
    attempts: int
    matched_at: datetime | None


class OpenCall(NamedTuple):
    attempts: int
    next_at: datetime


Whose = tuple[int, str]
"""A position and the agent or gateway that did something because of it."""


@dataclass(slots=True)
class Trail:
    """Everything that is known about some events and what is between them; `cut`: there is more than
    `events_max`. `whole` are the keys of which all was read that agents know, `long` those whose streams are
    too long for that.

    With `order`, the key of one, it is the story of that alone: events of other orders that it shares a
    decision with are put `aside`, until all of its own is there.
    """

    events_max: int = EVENTS_MAX
    order: str = ""
    stored: dict[int, StoredEvent] = field(default_factory=dict)
    facts: dict[int, Fact] = field(default_factory=dict)
    positions: dict[str, int] = field(default_factory=dict)
    recorded: dict[Whose, Recorded] = field(default_factory=dict)
    replayed: dict[Whose, Replayed] = field(default_factory=dict)
    ledger: dict[UUID, Entry] = field(default_factory=dict)
    webhooks: dict[tuple[str, str], Arrival] = field(default_factory=dict)
    open_calls: dict[Whose, OpenCall] = field(default_factory=dict)
    pending: dict[tuple[str, str, str], datetime] = field(default_factory=dict)
    parked: set[Whose] = field(default_factory=set)
    whole: set[str] = field(default_factory=set)
    long: set[str] = field(default_factory=set)
    aside: dict[int, StoredEvent] = field(default_factory=dict)
    cut: bool = False

    def add(self, rows: Iterable[Sequence[Any]], *, of_others: bool = False) -> list[Fact]:
        """Those of the stored events that were not known yet, as far as there is room."""
        new = []
        for stored in sorted(StoredEvent(*row) for row in rows):
            if stored.position in self.facts:
                continue
            fact = decoded(stored)
            if not of_others and self.is_of_another(fact):
                self.aside[stored.position] = stored
                continue
            if len(self.facts) >= self.events_max:
                self.cut = True
                break
            self.stored[fact.position], self.facts[fact.position] = stored, fact
            self.positions[fact.event_id] = fact.position
            new.append(fact)
        return new

    def add_aside(self) -> None:
        """What was put aside, as far as there is room: it leads no further, so nothing is cut without it."""
        room = self.events_max - len(self.facts)
        fitting = sorted(self.aside.keys() - self.facts.keys())[: max(0, room)]
        self.add([self.aside[position] for position in fitting], of_others=True)
        self.aside = {position: row for position, row in self.aside.items() if position not in self.facts}

    def is_of_another(self, fact: Fact) -> bool:
        """Whether it is told in the story of an order, and is another order's."""
        key = key_of(fact)
        return bool(self.order) and key.startswith("order-") and key != self.order


def command_of_agent(fact: Fact, agent: str, ordinal: int) -> UUID:
    """The id of a command that an agent gave because of `fact`."""
    return derived_id(fact.id, "agent", agent, str(ordinal))


def commands_of_gateway(cause: Fact, gateway: str) -> dict[str, UUID]:
    """The ids of what a gateway records of a request."""
    return {what: derived_id(cause.id, "gateway", gateway, what) for what in ("outcome", "unavailable")}


def key_of(fact: Fact) -> str:
    """What an event is about, as agents know it: the stream of an order, or of whatever else it is of."""
    return fact.stream if isinstance(fact.event, Unreadable) else order_key(fact)


def is_followed(key: str) -> bool:
    """Whether agents have processes of it: then all that they heard of it is little, and is read whole."""
    category, _, parts = key.partition("-")
    return category in KEYED_BY and len(parts.split(".")) == len(PARTS[category])


def command_of_deadline(event: Any) -> UUID:
    return key_id("deadline", event.agent, event.key, event.name, event.due_at.isoformat())


def command_of_words(fact: Fact) -> UUID:
    """The id of a played command, which is made of the words that the event tells as its cause."""
    return key_id(*fact.causation.split(":"))


def request_of(fact: Fact) -> UUID | None:
    """The id of the command that came in over HTTP, if the event is one's."""
    kind, _, text = fact.causation.partition(":")
    try:
        return UUID(text) if kind == "request" else None
    except ValueError:
        return None


def is_event_id(causation: str) -> bool:
    return len(causation) == 36 and causation.count("-") == 4

"""What is known of the causes of an order's events? All that is stored about them, read by keys alone.

From the order's own stream it goes on to what each event led to: reactions of agents by the event's position,
their commands by ids that are computed (the ledger says at which positions those appended), the streams of
payments, parcels and deadlines by their names. The agents are pure, so they are asked again: what they take of
each fact, and which deadlines they set, is recorded nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import structlog

from domain.kernel import Deadline, Fact, Group
from domain.order import OrderPlaced
from domain.streams import deadline_stream, order_stream, payment_stream
from eventstore.codec import decode
from eventstore.log import StoredEvent
from eventstore.queries import load_queries
from eventstore.seams import derived_id, key_id
from projections.generations import Connection
from services.agents.agent import Agent
from services.agents.reactions import decode_groups, encode_groups, parker
from services.gateways.carrier import CARRIER_GATEWAY
from services.gateways.payment import PAYMENT_GATEWAY
from services.processes import AGENTS

EVENTS_MAX = 2_000
"""Of one order that a tree tells of; what is beyond is cut, and said to be."""
ROUNDS_MAX = 12
WINDOW, WINDOW_SECONDS = 50_000, 2
"""How far around the time that an event's id holds it is looked for: positions, and before it, seconds."""
GATEWAYS = {each.actor: each for each in (PAYMENT_GATEWAY, CARRIER_GATEWAY)}
QUERIES = load_queries("services.audit", "causes.sql")
logger = structlog.get_logger()
_BY_NAME = {agent.name: agent for agent in AGENTS}
ACTORS = (*_BY_NAME, *(each.name for each in GATEWAYS.values()))
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
    """The ledger's, of a command: its positions (first > last: it appended nothing), and what it was answered."""

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
    `events_max`."""

    events_max: int = EVENTS_MAX
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
    cut: bool = False

    def add(self, rows: Iterable[Sequence[Any]]) -> list[Fact]:
        """Those of the stored events that were not known yet, as far as there is room."""
        new = []
        for row in rows:
            stored = StoredEvent(*row)
            if stored.position in self.facts:
                continue
            if len(self.facts) >= self.events_max:
                self.cut = True
                break
            fact = decode(stored)
            self.stored[fact.position], self.facts[fact.position] = stored, fact
            self.positions[fact.event_id] = fact.position
            new.append(fact)
        return new


def command_of_agent(fact: Fact, agent: str, ordinal: int) -> UUID:
    """The id of a command that an agent gave because of `fact`."""
    return derived_id(fact.id, "agent", agent, str(ordinal))


def commands_of_gateway(cause: Fact, gateway: str) -> dict[str, UUID]:
    """The ids of what a gateway records of a request."""
    return {what: derived_id(cause.id, "gateway", gateway, what) for what in ("outcome", "unavailable")}


def order_of(fact: Fact) -> str | None:
    """The stream of the order that an event is about, if it is about one."""
    event: Any = fact.event
    if fact.category == "deadline":
        return str(event.key)
    order_id = getattr(event, "order_id", None)
    return None if order_id is None else order_stream(fact.merchant, order_id)


class TrailReader:
    """Reads in one transaction of the caller's, which is bound to whom it reads for."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def of_order(self, merchant: str, order_id: str, trail: Trail) -> None:
        """Add all events about an order to `trail`, and what is known between them."""
        new = trail.add(await self._fetch("read_streams", streams=[order_stream(merchant, order_id)]))
        new += await self._by_timeline(merchant, order_id, trail)
        known: set[str] = set()
        for _ in range(ROUNDS_MAX):
            if not new or trail.cut:
                break
            await self._read_reactions(trail, new)
            _replay(trail, order_stream(merchant, order_id))
            streams = (_streams_of(trail, new) | _deadlines_in(trail, merchant)) - known
            known |= streams
            rows = await self._fetch("read_streams", streams=sorted(streams)) if streams else []
            new = trail.add([*rows, *await self._read_appended(trail, new)])
        await self._read_between(trail)

    async def one(self, position: int, trail: Trail) -> Fact | None:
        """Add one event."""
        trail.add(await self._fetch("read_positions", positions=[position]))
        return trail.facts.get(position)

    async def newest(self, stream: str, limit: int, trail: Trail) -> list[Fact]:
        return trail.add(await self._fetch("read_newest", stream=stream, limit=limit))

    async def stream(self, stream: str, trail: Trail) -> list[Fact]:
        return trail.add(await self._fetch("read_streams", streams=[stream]))

    async def between(self, trail: Trail) -> None:
        """What is known of events that are about no order."""
        await self._read_reactions(trail, list(trail.facts.values()))
        await self._read_between(trail)

    async def position_of(self, event_id: UUID) -> int | None:
        """Where the event is, by the time that its id holds; None if it is not there."""
        made_at = datetime.fromtimestamp((event_id.int >> 80) / 1000, UTC)
        ((near,),) = await self._fetch("position_at", at=made_at - timedelta(seconds=WINDOW_SECONDS))
        rows = await self._fetch("find_event", after=near, event_id=str(event_id), limit=WINDOW)
        return rows[0][0] if rows else None

    async def _by_timeline(self, merchant: str, order_id: str, trail: Trail) -> list[Fact]:
        """A shorter way to most of it, where the read model is made; what it lacks is found without it."""
        if not (await self._fetch("has_timeline"))[0][0]:
            return []
        rows = await self._fetch("read_timeline", merchant=merchant, order_id=order_id)
        return trail.add(await self._fetch("read_positions", positions=[position for (position,) in rows]))

    async def _read_reactions(self, trail: Trail, new: list[Fact]) -> None:
        positions = [fact.position for fact in new]
        rows = await self._fetch("read_reactions", agents=list(_BY_NAME), positions=positions)
        for agent, position, _, rule_version, commands in rows:
            trail.recorded[position, agent] = Recorded(rule_version, decode_groups(commands))
        ids = [
            command_of_agent(trail.facts[position], agent, ordinal)
            for agent, position, *_ in rows
            for ordinal in range(len(trail.recorded[position, agent].groups))
        ]
        await self._read_ledger(trail, ids)

    async def _read_appended(self, trail: Trail, new: list[Fact]) -> list[Any]:
        """Events of the commands that agents gave because of `new`: where the ledger says, else in the stream."""
        here = {fact.position for fact in new}
        positions: list[int] = []
        streams, causes = [], []
        for (position, agent), recorded in trail.recorded.items():
            if position not in here:
                continue
            fact = trail.facts[position]
            for ordinal, group in enumerate(recorded.groups):
                entry = trail.ledger.get(command_of_agent(fact, agent, ordinal))
                if entry:
                    positions += range(entry.first, min(entry.last, entry.first + EVENTS_MAX) + 1)
                else:
                    streams += [target.stream for target in group.targets]
                    causes += [fact.event_id for _ in group.targets]
        rows = await self._fetch("read_positions", positions=positions) if positions else []
        if streams:
            rows += await self._fetch("read_effects", streams=streams, causes=causes)
        return rows

    async def _read_between(self, trail: Trail) -> None:
        """The ledger's entries of all other commands, webhooks, calls that are open, deadlines that wait."""
        facts = list(trail.facts.values())
        await self._read_ledger(trail, _other_commands(trail))
        told = {
            (GATEWAYS[fact.actor].name, fact.causation)
            for fact in facts
            if fact.actor in GATEWAYS and fact.causation not in trail.positions
        }
        for provider, webhook_id, *rest in await self._fetch(
            "read_webhooks", providers=[p for p, _ in told], ids=[i for _, i in told]
        ):
            trail.webhooks[provider, webhook_id] = Arrival(*rest)
        for gateway, position, *rest in await self._fetch(
            "read_open_calls", gateways=[each.name for each in GATEWAYS.values()], positions=list(trail.facts)
        ):
            trail.open_calls[position, gateway] = OpenCall(*rest)
        keys = sorted({key for fact in facts if (key := order_of(fact))})
        for agent, key, name, due_at in await self._fetch("read_pending", agents=list(_BY_NAME), keys=keys):
            trail.pending[agent, key, name] = due_at
        followers = {parker(name): name for name in _BY_NAME}
        for follower, position in await self._fetch("read_parked", followers=list(followers), keys=keys):
            trail.parked.add((position, followers[follower]))

    async def _read_ledger(self, trail: Trail, ids: list[UUID]) -> None:
        for command_id, _, first, last, answer, recorded_at in await self._fetch("read_commands", ids=ids):
            trail.ledger[command_id] = Entry(first, last, _object(answer), recorded_at)

    async def _fetch(self, query: str, **arguments: Any) -> list[Any]:
        text = getattr(QUERIES, query).sql.encode()
        limited = {"limit": EVENTS_MAX + 1, **arguments}
        cursor = await self._connection.execute(text, limited, prepare=False)
        return list(await cursor.fetchall())


def _object(answer: bytes) -> dict[str, Any]:
    try:
        told = orjson.loads(answer) if answer else {}
    except orjson.JSONDecodeError:
        return {}
    return told if isinstance(told, dict) else {}


def _other_commands(trail: Trail) -> list[UUID]:
    """The ids of commands that are no agent's, as far as they can be computed from their events."""
    ids: list[UUID] = []
    for fact in trail.facts.values():
        event: Any = fact.event
        ids += filter(None, (request_of(fact),))
        if fact.actor in GATEWAYS and fact.causation in trail.positions:
            cause = trail.facts[trail.positions[fact.causation]]
            ids += commands_of_gateway(cause, GATEWAYS[fact.actor].name).values()
        if fact.category == "deadline":
            ids.append(command_of_deadline(event))
        if fact.causation not in trail.positions:
            ids.append(command_of_words(fact))
    return ids


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


def _streams_of(trail: Trail, new: list[Fact]) -> set[str]:
    """Streams that are about one order alone: of its payments and its parcels."""
    streams: set[str] = set()
    for fact in new:
        if fact.category in ("order", "payment", "shipment"):
            streams.add(fact.stream)
        if isinstance(fact.event, OrderPlaced):
            streams |= {payment_stream(fact.merchant, each.payment_id) for each in fact.event.portions}
        for name in _BY_NAME:
            recorded = trail.recorded.get((fact.position, name))
            for group in recorded.groups if recorded else ():
                streams |= {t.stream for t in group.targets if not t.stream.startswith("stock-")}
    return streams


def _deadlines_in(trail: Trail, merchant: str) -> set[str]:
    return {
        deadline_stream(merchant, agent, deadline.key, deadline.name)
        for (_, agent), reaction in trail.replayed.items()
        for deadline in reaction.deadlines
        if deadline.due_at is not None
    }


def _replay(trail: Trail, key: str) -> None:
    """Ask each agent again what it makes of the order's facts, in the order of the log."""
    facts = [
        trail.facts[position] for position in sorted(trail.facts) if order_of(trail.facts[position]) == key
    ]
    for agent in AGENTS:
        for fact in facts:
            trail.replayed.pop((fact.position, agent.name), None)
        _replay_one(trail, agent, facts)


def _replay_one(trail: Trail, agent: Agent, facts: list[Fact]) -> None:
    process = agent.initial
    taken: tuple[int, ...] = ()
    for fact in facts:
        if not _hears(agent, fact):
            continue
        try:
            reaction = agent.react(process, fact)
        except Exception as error:  # noqa: BLE001 - today's rules may not take what older ones left: then it parks
            logger.info("not_replayed", agent=agent.name, position=fact.position, error=type(error).__name__)
            continue
        if reaction.process is not process or reaction.commands or reaction.deadlines:
            taken = (*taken, fact.position)
            trail.replayed[fact.position, agent.name] = Replayed(reaction.commands, reaction.deadlines, taken)
        process = reaction.process


def _hears(agent: Agent, fact: Fact) -> bool:
    """A deadline is for the agent that asked for it."""
    event: Any = fact.event
    return isinstance(event, agent.interests) and (fact.category != "deadline" or event.agent == agent.name)


def same_commands(recorded: Recorded, replayed: Replayed | None) -> bool:
    """Whether today's rules give the very commands that were recorded."""
    return replayed is not None and encode_groups(recorded.groups) == encode_groups(replayed.groups)


def rules_of(agent: str) -> int:
    """The version of an agent's rules today; 0 for one that is no more."""
    return _BY_NAME[agent].rule_version if agent in _BY_NAME else 0

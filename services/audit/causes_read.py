"""What is known of the causes of some events? All that is stored about them, read by keys alone.

Of an order, a cart or a product that an event is about all is read that its agents know: that is little. From
there it goes on to what each event led to: reactions of agents by the event's position, their commands by ids
that are computed (the ledger says at which positions those appended), the streams of payments, parcels and
deadlines by their names. And back to what led to it, one cause at a time, by the id that the event tells.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from domain.aggregates import OF_AN_ORDER
from domain.kernel import Fact
from domain.order import OrderPlaced
from domain.streams import deadline_stream, payment_stream, stream_parts
from eventstore.log import StoredEvent
from eventstore.queries import load_queries
from projections.generations import Connection
from services.agents.reactions import decode_groups, parker
from services.audit.causes_replay import replay
from services.audit.causes_trail import (
    AGENT_OF,
    EVENTS_MAX,
    GATEWAYS,
    Arrival,
    Entry,
    OpenCall,
    Recorded,
    Trail,
    command_of_agent,
    command_of_deadline,
    command_of_words,
    commands_of_gateway,
    is_event_id,
    is_followed,
    key_of,
    request_of,
)
from services.audit.stored import Unreadable, fetch

ROUNDS_MAX = 12
LONG = 500
"""Events of a cart or a product that is not read whole any more: its events are followed one by one."""
READ_MAX = 10_000
"""Events that are read of all streams that are opened at once."""
CAUSES_MAX = 50
"""Events that are looked for by their ids alone, in a tree: each takes a look at many positions."""
WINDOW, WINDOW_SECONDS = 50_000, 2
"""How far around the time that an event's id holds it is looked for: positions, and before it, seconds."""
QUERIES = load_queries("services.audit", "causes.sql")


class TrailReader:
    """Reads in one transaction of the caller's, which is bound to whom it reads for."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def follow(self, trail: Trail, keys: Iterable[str] = ()) -> None:
        """Add all about these keys and those that the events are about, what came of all of them, what led to
        them, and what is known between them. In the story of one order no other is followed."""
        new = [*trail.facts.values(), *await self._open(trail, set(keys))]
        known: set[str] = set()
        for _ in range(ROUNDS_MAX):
            new += await self._open(trail, {key_of(fact) for fact in new})
            if not new or trail.cut:
                break
            await self._read_reactions(trail, new)
            replay(trail)
            streams = (_streams_of(trail, new) | _deadlines_in(trail)) - known - trail.whole - trail.long
            known |= streams
            rows = await self._fetch("read_streams", streams=sorted(streams)) if streams else []
            trail.cut |= len(rows) == READ_MAX
            new = trail.add([*rows, *await self._read_appended(trail, new)])
        trail.cut |= bool(new)
        if any(key_of(cause) in trail.whole for cause in await self._read_causes(trail)):
            replay(trail)
        trail.add_aside()
        await self._read_between(trail)

    async def one(self, position: int, trail: Trail) -> Fact | None:
        """Add one event."""
        trail.add(await self._fetch("read_positions", positions=[position]))
        return trail.facts.get(position)

    async def newest(self, stream: str, limit: int, trail: Trail) -> list[Fact]:
        return trail.add(await self._fetch("read_newest", stream=stream, limit=limit))

    async def stream(self, stream: str, trail: Trail) -> list[Fact]:
        return trail.add(await self._fetch("read_streams", streams=[stream]))

    async def position_of(self, event_id: str) -> int | None:
        """Where the event is, by the time that its id holds; None if it is not there, or for no such id."""
        return next(iter(await self._positions_of([event_id])), None)

    async def _positions_of(self, event_ids: Iterable[str]) -> list[int]:
        """Of those that are there; all are looked for at once."""
        made = {each: at for each in event_ids if (at := _made_at(each))}
        if not made:
            return []
        since = [at - timedelta(seconds=WINDOW_SECONDS) for at in made.values()]
        rows = await self._fetch("find_events", ids=list(made), ats=since, window=WINDOW)
        return [position for (position,) in rows]

    async def head(self) -> int:
        """Up to where in the log all of this looks."""
        ((head,),) = await self._fetch("read_head")
        return int(head)

    async def _open(self, trail: Trail, keys: set[str]) -> list[Fact]:
        """Add all that stands in the streams of these keys, of those that agents have processes of."""
        fresh = sorted(key for key in keys - trail.whole - trail.long if is_followed(key))
        if not fresh or trail.cut:
            return []
        rows = [StoredEvent(*row) for row in await self._fetch("read_streams", streams=fresh)]
        trail.cut |= len(rows) == READ_MAX
        lengths = Counter(row.stream for row in rows)
        trail.long.update(key for key in fresh if lengths[key] > LONG and not key.startswith("order-"))
        trail.whole.update(set(fresh) - trail.long)
        rows = [row for row in rows if row.stream in trail.whole]
        return trail.add([*rows, *await self._by_timeline(fresh)])

    async def _by_timeline(self, keys: list[str]) -> list[Any]:
        """A shorter way to most of an order, where the read model is made; what it lacks is found without."""
        orders = [stream_parts(key) for key in keys if key.startswith("order-")]
        if not orders or not (await self._fetch("has_timeline"))[0][0]:
            return []
        merchants, ids = [merchant for merchant, _ in orders], [order_id for _, order_id in orders]
        rows = await self._fetch("read_timeline", merchants=merchants, order_ids=ids)
        return await self._fetch("read_positions", positions=[position for (position,) in rows])

    async def _read_causes(self, trail: Trail) -> list[Fact]:
        """Add the causes of all that, and theirs, as far back as they are told; at most CAUSES_MAX."""
        causes: list[Fact] = []
        looked_for: set[str] = set()
        new = list(trail.facts.values())
        while new and not trail.cut:
            wanted = dict.fromkeys(fact.causation for fact in new if is_event_id(fact.causation))
            unknown = [each for each in wanted if each not in trail.positions and each not in looked_for]
            unknown = unknown[: CAUSES_MAX - len(looked_for)]
            looked_for.update(unknown)
            found = await self._positions_of(unknown)
            rows = await self._fetch("read_positions", positions=found) if found else []
            new = trail.add(rows, of_others=True)
            causes += new
            await self._read_reactions(trail, new)
        return causes

    async def _read_reactions(self, trail: Trail, new: list[Fact]) -> None:
        positions = [fact.position for fact in new]
        rows = await self._fetch(
            "read_reactions", agents=list(AGENT_OF), positions=positions, limit=len(AGENT_OF) * len(positions)
        )
        for agent, position, _, rule_version, commands in rows:
            trail.recorded[position, agent] = Recorded(rule_version, decode_groups(commands))
        ids = [
            command_of_agent(trail.facts[position], agent, ordinal)
            for agent, position, *_ in rows
            for ordinal in range(len(trail.recorded[position, agent].groups))
        ]
        await self._read_ledger(trail, ids)

    async def _read_appended(self, trail: Trail, new: list[Fact]) -> list[Any]:
        """Events of the commands that agents gave because of `new`: by the ledger, else in the stream."""
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
                    trail.cut |= entry.last - entry.first > EVENTS_MAX
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
        keys = sorted(trail.whole)
        for agent, key, name, due_at in await self._fetch("read_pending", agents=list(AGENT_OF), keys=keys):
            trail.pending[agent, key, name] = due_at
        followers = {parker(name): name for name in AGENT_OF}
        for follower, position in await self._fetch(
            "read_parked", followers=list(followers), positions=list(trail.facts)
        ):
            trail.parked.add((position, followers[follower]))

    async def _read_ledger(self, trail: Trail, ids: list[UUID]) -> None:
        for command_id, _, first, last, answer, recorded_at in await self._fetch(
            "read_commands", ids=ids, limit=len(ids)
        ):
            trail.ledger[command_id] = Entry(first, last, _object(answer), recorded_at)

    async def _fetch(self, query: str, **arguments: Any) -> list[Any]:
        limited = {"limit": EVENTS_MAX + 1, "all_limit": READ_MAX, **arguments}
        return list(await fetch(self._connection, getattr(QUERIES, query).sql, limited))


def _made_at(event_id: str) -> datetime | None:
    """The time that an id holds; None for no such id."""
    try:
        return datetime.fromtimestamp((UUID(event_id).int >> 80) / 1000, UTC)
    except (ValueError, OverflowError):
        return None


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
        if fact.category == "deadline" and not isinstance(event, Unreadable):
            ids.append(command_of_deadline(event))
        if fact.causation not in trail.positions:
            ids.append(command_of_words(fact))
    return ids


def _streams_of(trail: Trail, new: list[Fact]) -> set[str]:
    """Streams that are about one order alone, such as those of its payments and its parcels."""
    streams: set[str] = set()
    for fact in new:
        if fact.category in OF_AN_ORDER:
            streams.add(fact.stream)
        if isinstance(fact.event, OrderPlaced):
            streams |= {payment_stream(fact.merchant, each.payment_id) for each in fact.event.portions}
        for name in AGENT_OF:
            recorded = trail.recorded.get((fact.position, name))
            for group in recorded.groups if recorded else ():
                streams |= {t.stream for t in group.targets if t.stream.partition("-")[0] in OF_AN_ORDER}
    return streams


def _deadlines_in(trail: Trail) -> set[str]:
    return {
        deadline_stream(trail.facts[position].merchant, agent, deadline.key, deadline.name)
        for (position, agent), reaction in trail.replayed.items()
        for deadline in reaction.deadlines
        if deadline.due_at is not None
    }

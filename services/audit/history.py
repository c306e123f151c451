"""How is the history of the log searched? In steps, each of bounded work, each of which says how far it
came.

A stream has the log's own index. Any other key leads through the blocks that hold it (`history_index`);
what is younger than the last block is read as it is. So a search for what is not there reads blocks'
names, not events, and whoever asked goes on where the step ended.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from eventstore.log import StoredEvent
from eventstore.queries import load_queries
from eventstore.statements import Pool
from services.audit.filters import EventFilter
from services.audit.history_index import BLOCK
from services.audit.stored import fetch

STEP = 500
"""Events of a step, at most."""
DATA_BYTES = 4 << 20
SCAN_BLOCKS = 2_000
"""How many blocks' names a step looks at."""
READ_BLOCKS = 64
SCAN_EVENTS = 10_000
"""How many events that no block describes yet a step reads."""
STEPS_OF_A_PAGE = 20
MOMENT_STEP = 50_000
"""How many events that no block describes yet are searched for a time at once."""
_QUERIES = load_queries("services.audit", "history.sql")
_HEAD = "SELECT log_head()"
_BIND = "SELECT set_config('tillroll.merchant', %s, true), set_config('tillroll.reach', %s, true)"
_stored = partial(tuple.__new__, StoredEvent)
Events = Sequence[StoredEvent]


@dataclass(frozen=True, slots=True)
class Reach:
    """Whose events are seen: of one merchant, or of all. The database holds whoever reads to it."""

    merchant: str = ""

    @property
    def bound(self) -> tuple[str, str]:
        return self.merchant, "" if self.merchant else "all"


@dataclass(slots=True)
class Step:
    """Some events in order, and the position up to which all that fit were found."""

    events: list[StoredEvent]
    reached: int


@dataclass(slots=True)
class Found:
    """A page of events; `reached` is how far the search came, `whole` whether that is the end."""

    events: list[StoredEvent] = field(default_factory=list)
    reached: int = 0
    whole: bool = False


class History:
    """Reads as the role `tillroll_audit`: each step is one transaction, bound to a merchant or to all."""

    def __init__(self, pool: Pool, reach: Reach) -> None:
        self.reach = reach
        self._pool = pool

    async def head(self) -> int:
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_HEAD)).fetchone()
        return int(row[0]) if row else 0

    async def position_at(self, moment: datetime) -> int:
        """The last position before the log came past that time: what it held then, by the appenders'
        clocks.

        Bound to nobody: when the log came past a time is no merchant's secret, and the database tells no
        more.
        """
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute(_BIND, Reach().bound)
            head = int((await (await connection.execute(_HEAD)).fetchone() or (0,))[0])
            rows = await _rows(connection, "block_after", moment=moment)
            after = int(rows[0][0] * BLOCK if rows else (await _rows(connection, "read_indexed"))[0][0])
        while after < head:  # a step each, as the index may be far behind
            until = min(after + MOMENT_STEP, head)
            async with self._pool.connection() as connection, connection.transaction():
                await connection.execute(_BIND, Reach().bound)
                rows = await _rows(connection, "first_after", after=after, until=until, moment=moment)
            if rows:
                return int(rows[0][0]) - 1
            after = until
        return head

    async def events(self, positions: Sequence[int]) -> list[StoredEvent]:
        """The events at these positions, of those that are seen."""
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute(_BIND, self.reach.bound)
            rows = await _rows(connection, "read_positions", positions=list(positions))
        return list(map(_stored, rows))

    async def page(self, wanted: EventFilter, after: int, until: int, limit: int) -> Found:
        """Up to `limit` events after `after`; fewer, and not whole, where they lie too far apart."""
        found = Found(reached=after)
        for _ in range(STEPS_OF_A_PAGE):
            step = await self.step(wanted, found.reached, until, limit - len(found.events))
            found.events += step.events
            found.reached = step.reached
            found.whole = found.reached >= until
            if found.whole or len(found.events) >= limit:
                break
        return found

    async def stream(
        self, wanted: EventFilter, after: int, until: int, limit: int = STEP
    ) -> AsyncIterator[Step]:
        """All steps from `after` to `until`, however many; one of them is in memory at a time."""
        while after < until:
            step = await self.step(wanted, after, until, limit)
            yield step
            after = step.reached

    async def streams(self, searches: Sequence[EventFilter], after: int, until: int) -> AsyncIterator[Step]:
        """The same of several searches at once: what any of them finds, each event once, in order."""
        while after < until:
            steps = [await self.step(each, after, until) for each in searches]
            reached = min(step.reached for step in steps)
            found = {event.position: event for step in steps for event in step.events}
            yield Step([found[position] for position in sorted(found) if position <= reached], reached)
            after = reached

    async def length(self, stream: str, position: int) -> int:
        """How many events a stream had at a position, of those that are seen."""
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute(_BIND, self.reach.bound)
            return int((await _rows(connection, "count_stream", stream=stream, position=position))[0][0])

    async def step(self, wanted: EventFilter, after: int, until: int, limit: int = STEP) -> Step:
        """The next events, at most `limit`, and how far the search came: at least one position further."""
        if after >= until:
            return Step([], after)
        if self.reach.merchant:
            own = wanted.bound_to(self.reach.merchant)
            if own is None:
                return Step([], until)
            wanted = own
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute(_BIND, self.reach.bound)
            return await _step(connection, wanted, after, until, min(limit, STEP))


async def _step(
    connection: AsyncConnection[TupleRow], wanted: EventFilter, after: int, until: int, limit: int
) -> Step:
    if wanted.stream is not None:
        events, end = await _read(connection, "read_stream", wanted, after, until, limit)
        return _kept(wanted, events, end)
    keys = wanted.keys()
    if not keys and not wanted.timed:
        end = min(until, after + SCAN_EVENTS)
        events, end = await _read(connection, "read_range", wanted, after, end, limit)
        return _kept(wanted, events, end)
    indexed = int((await _rows(connection, "read_indexed"))[0][0])
    if after >= indexed:
        end = min(until, after + SCAN_EVENTS)
        events, end = await _read(connection, "read_range", wanted, after, end, limit)
        return _kept(wanted, events, end)
    return await _by_blocks(connection, wanted, keys, after, min(until, indexed), limit)


async def _by_blocks(
    connection: AsyncConnection[TupleRow],
    wanted: EventFilter,
    keys: list[int],
    after: int,
    until: int,
    limit: int,
) -> Step:
    last = (until - 1) // BLOCK
    arguments = {
        "first": after // BLOCK,
        "last": last,
        "scan": SCAN_BLOCKS,
        **{name: value for name, value in wanted.arguments().items() if name.endswith(("_from", "_until"))},
    }
    if keys:
        rows = await _rows(connection, "find_blocks", lead=keys[0], others=keys[1:], **arguments)
    else:
        rows = await _rows(connection, "find_times", **arguments)
    fitting = [block for block, fits in rows if fits]
    seen = (rows[-1][0] + 1) * BLOCK if len(rows) == SCAN_BLOCKS else until
    chosen = fitting[:READ_BLOCKS]
    if len(fitting) > READ_BLOCKS:
        seen = (chosen[-1] + 1) * BLOCK
    end = min(until, seen)
    if not chosen:
        return Step([], end)
    lows = [max(block * BLOCK, after) for block in chosen]
    highs = [min((block + 1) * BLOCK, end) for block in chosen]
    events, end = await _read(connection, "read_blocks", wanted, after, end, limit, lows=lows, highs=highs)
    return _kept(wanted, events, end)


async def _read(
    connection: AsyncConnection[TupleRow],
    query: str,
    wanted: EventFilter,
    after: int,
    until: int,
    limit: int,
    **more: Any,
) -> tuple[list[StoredEvent], int]:
    """The events, and how far they go: to `until`, unless there may be more than fit into a step."""
    arguments = {
        **wanted.arguments(),
        "after": after,
        "until": until,
        "limit": limit + 1,
        "data_bytes": DATA_BYTES,
        **more,
    }
    rows = await _rows(connection, query, **arguments)
    events = list(map(_stored, rows))
    bytes_ = sum(len(event.data) for event in events)
    if len(events) > limit:
        events = events[:limit]
    elif bytes_ <= DATA_BYTES:
        return events, until
    return events, events[-1].position


def _kept(wanted: EventFilter, events: list[StoredEvent], end: int) -> Step:
    return Step([event for event in events if wanted.keeps(event)], end)


async def _rows(connection: AsyncConnection[TupleRow], query: str, **arguments: Any) -> list[TupleRow]:
    """Planned anew, with the filters that there are."""
    return await fetch(connection, getattr(_QUERIES, query).sql, arguments, binary=True)

"""What did each event change a row by? The read model's own handler and SQL are asked, one event at a time.

They work on temporary tables. What is of one owner (an order, mostly) never depends on what is of another,
and rows that several share are sums: so each owner gets a merchant of its own there, by which shared rows
fall apart into one for each, and the first events of all owners are merged together, then the second of each.
So a day of a thousand orders takes as many steps as its longest order has events.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from psycopg.sql import SQL, Identifier

from domain.kernel import Fact
from eventstore.log import StoredEvent
from projections.advance import HANDLERS_OWN, said
from projections.columns import columns, take_columns
from projections.generations import Connection
from projections.read_model import Rows, statement, table_of
from services.audit.numbers_found import Found
from services.audit.numbers_table import (
    QUERIES,
    CannotExplain,
    CannotRead,
    Shape,
    Standing,
    conditions,
    fetch,
)
from services.audit.stored import Unreadable, decoded, is_no_event

TEMPORARY = "why"
PARTS_MAX = 1_000
"""Of which one answer tells; the rest is summed up."""
DECODED_MAX = 2_000
"""Events that are held decoded at a time, unless one owner alone has more."""
STEPS_IN_FLIGHT = 200
_PREPARE = (
    b"SET LOCAL search_path = pg_temp, public; SET LOCAL enable_seqscan = off;"
    b" SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off"
)
Group = list[Fact]


@dataclass(slots=True)
class Column:
    """Of a numeric column: what the events that changed it come to, and the first of them after a position.

    `parts` are (position, by how much), sorted and at most PARTS_MAX after `tidy`; `count_after` says how
    many there are of these in all, and `ahead` what those up to the position come to.
    """

    after: int = 0
    sum: int = 0
    count: int = 0
    count_after: int = 0
    ahead: int = 0
    last: int | None = None
    by_type: dict[str, tuple[int, int]] = field(default_factory=dict)
    parts: list[tuple[int, int]] = field(default_factory=list)

    def take(self, position: int, kind: str, part: int) -> None:
        events, sum_ = self.by_type.get(kind, (0, 0))
        self.by_type[kind] = (events + 1, sum_ + part)
        self.sum += part
        self.count += 1
        self.last = max(position, self.last or 0)
        if position <= self.after:
            self.ahead += part
            return
        self.count_after += 1
        self.parts.append((position, part))
        if len(self.parts) >= 2 * PARTS_MAX:
            self.tidy()

    def tidy(self) -> None:
        """However many there are, those that are told of need no more room."""
        self.parts.sort()
        del self.parts[PARTS_MAX:]


@dataclass(slots=True)
class Merged:
    """All numeric columns of a row; `made_by` is the event after which it was there, None if none made it."""

    columns: dict[str, Column]
    events: int = 0
    made_by: int | None = None

    def take(
        self, fact: Fact, before: Sequence[int | None] | None, after: Sequence[int | None] | None
    ) -> None:
        if after is not None and (self.made_by is None or fact.position < self.made_by):
            self.made_by = fact.position
        empty = (None,) * len(self.columns)
        for column, was, now in zip(self.columns.values(), before or empty, after or empty, strict=True):
            if part := (now or 0) - (was or 0):
                column.take(fact.position, type(fact.event).__name__, part)


async def merge(
    connection: Connection,
    shape: Shape,
    row: Mapping[str, Any],
    standing: Standing,
    found: Found,
    after: int = 0,
) -> Merged:
    """In the caller's transaction, which must be rolled back: then nothing stays of it."""
    take_columns(connection)
    await connection.execute(_PREPARE)
    await connection.execute(statement(shape.model.name, "create_tables", TEMPORARY))
    await _check_columns(connection, shape)
    merged = Merged({name: Column(after) for name in shape.numbers})
    steps = _Steps(connection, shape, row, merged, apart=found.apart)
    async with aclosing(_chunks(connection, found)) as chunks:
        async for chunk in chunks:
            groups = await _read(connection, standing, chunk)
            merged.events += sum(map(len, groups))
            try:
                await steps.take(groups)
            except HANDLERS_OWN as error:
                raise _fails(shape, error) from None
    for column in merged.columns.values():
        column.tidy()
    return merged


async def _check_columns(connection: Connection, shape: Shape) -> None:
    """Raises CannotExplain where the table is not one that this read model makes."""
    made = {
        name for name, *_ in await fetch(connection, "read_shape", table=table_of(shape.table, TEMPORARY))
    }
    if others := {*shape.numbers, *shape.key} - made:
        raise CannotExplain(
            f"{shape.table} has {', '.join(sorted(others))}, which this version of Tillroll does not make:"
            f" another built it, or somebody altered it; `tillroll rebuild {shape.model.name}` makes it anew"
        )


async def _chunks(connection: Connection, found: Found) -> AsyncGenerator[list[list[int]]]:
    """The positions of each owner, of as many owners at a time as may be in memory; what is not apart is one
    owner's, and comes piece by piece."""
    chunk: list[list[int]] = []
    held, owner = 0, None
    async with connection.cursor("found_events") as cursor:
        cursor.itersize = DECODED_MAX
        await cursor.execute(QUERIES.read_found.sql.encode(), {"apart": found.apart})
        async for whose, position in cursor:
            another = whose != owner if found.apart else held >= DECODED_MAX
            if another and held >= DECODED_MAX:
                yield chunk
                chunk, held = [], 0
            if another or not chunk:
                chunk.append([])
            chunk[-1].append(position)
            held, owner = held + 1, whose
    if chunk:
        yield chunk


async def _read(connection: Connection, standing: Standing, chunk: list[list[int]]) -> list[Group]:
    """The facts of each owner that the row has taken. Personal fields stay sealed: no number needs them."""
    rows = await fetch(connection, "read_events", positions=[each for group in chunk for each in group])
    facts = {fact.position: fact for fact in (_fact(StoredEvent(*each)) for each in rows)}
    groups = [[facts[position] for position in group if position in facts] for group in chunk]
    return [[fact for fact in group if standing.has_taken(fact)] for group in groups]


def _fact(event: StoredEvent) -> Fact:
    fact = decoded(event)
    if not isinstance(fact.event, Unreadable):
        return fact
    raise CannotRead(is_no_event(event))


def _fails(shape: Shape, error: Exception) -> CannotRead:
    return CannotRead(
        f"{shape.model.name} fails on events that it has taken ({said(error, private=True)}): another version"
        " of Tillroll took them, or somebody altered them (`tillroll verify` tells)"
    )


class _Steps:
    """Merges the first event of each group, then the second of each, and looks at the row after each step."""

    def __init__(
        self, connection: Connection, shape: Shape, row: Mapping[str, Any], merged: Merged, *, apart: bool
    ) -> None:
        self._connection = connection
        self._shape = shape
        self._merged = merged
        self._apart = apart
        key = {name: row[name] for name in shape.key if not (apart and name == "merchant")}
        self._key = key
        self._before: dict[str | None, Any] = {}
        owner = Identifier("merchant") if apart else SQL("NULL")
        self._look = SQL("SELECT {} FROM {} WHERE {} AND {}").format(
            SQL(", ").join([owner, *map(Identifier, shape.numbers)]),
            Identifier(table_of(shape.table, TEMPORARY)),
            conditions(key),
            SQL("merchant = ANY(%(owners)s)") if apart else SQL("true"),
        )

    async def take(self, groups: list[Group]) -> None:
        """Of some owners; the next ones are others, but where all are one owner's."""
        if self._apart:
            await self._forget()
            groups = [
                [fact._replace(merchant=str(number)) for fact in group] for number, group in enumerate(groups)
            ]
        length = max(map(len, groups), default=0)
        for start in range(0, length, STEPS_IN_FLIGHT):
            steps = [
                [group[at] for group in groups if at < len(group)]
                for at in range(start, min(start + STEPS_IN_FLIGHT, length))
            ]
            for facts, rows in zip(steps, await self._merge(steps), strict=True):
                self._compare(facts, {owner: numbers for owner, *numbers in rows})

    async def _merge(self, steps: list[list[Fact]]) -> list[list[Any]]:
        """The row, or rows, after each step; all steps are sent without waiting for what comes of one."""
        cursors = []
        async with self._connection.pipeline():
            for facts in steps:
                in_order = sorted(facts, key=lambda fact: fact.position)
                for name, rows in self._project(in_order).items():
                    if rows:
                        text = statement(self._shape.model.name, name, TEMPORARY)
                        await self._connection.execute(text, columns(rows))
                cursor = self._connection.cursor()
                owners = [fact.merchant for fact in facts]
                await cursor.execute(self._look, {**self._key, "owners": owners})
                cursors.append(cursor)
        return [list(await cursor.fetchall()) for cursor in cursors]

    def _project(self, facts: list[Fact]) -> Rows:
        try:
            return self._shape.model.project(facts)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the handler's own
            raise _fails(self._shape, error) from None

    async def _forget(self) -> None:
        if self._before:
            tables = SQL(", ").join(map(Identifier, self._shape.model.tables_of(TEMPORARY)))
            await self._connection.execute(SQL("TRUNCATE {}").format(tables))
        self._before = {}

    def _compare(self, facts: list[Fact], after: dict[str | None, Any]) -> None:
        for fact in facts:
            owner = fact.merchant if self._apart else None
            was, now = self._before.get(owner), after.get(owner)
            if was != now:
                self._merged.take(fact, was, now)
            self._before[owner] = now

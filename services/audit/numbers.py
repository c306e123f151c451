"""Why is a number in a read model what it is? The events that make it up, adding up exactly to it.

One mechanism for every numeric column of every read model: the events that could have made the row
(`numbers_found`) are merged anew, one at a time, by the read model's own handler and SQL (`numbers_merge`);
an event's part is what the column changed by. Whether the parts add up to what the table shows is checked,
and said: where they do not, the table is not what the log says.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.pq import TransactionStatus

from projections.generations import Connection
from services.audit.numbers_found import EVENTS_MAX, find, find_in_log
from services.audit.numbers_merge import Merged, merge
from services.audit.numbers_table import CannotExplain, Shape, fetch, read_row, read_table

_BEGIN = b"BEGIN ISOLATION LEVEL REPEATABLE READ"
Key = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """An event, by how much it changed the number, and what the number was after it."""

    position: int
    type: str
    stream: str
    occurred_at: datetime
    event_id: UUID
    part: int
    value: int


@dataclass(frozen=True, slots=True)
class OfType:
    """What all events of one type come to."""

    type: str
    events: int
    part: int


@dataclass(frozen=True, slots=True)
class Explained:
    """A number with its events.

    `value` is what the table shows, `sum` what the events make. `made_by` is the event that made the row,
    `set_by` the last one that changed the number, each by its position. `formula` is SQL, of a column that is
    generated from others. `parts` are at most PARTS_MAX; there are more after `more_after`, if it is given.
    `found_in` says where the events were found, `events` how many were looked at, `position` up to where the
    row has taken the log.
    """

    table: str
    read_model: str
    key: dict[str, Any]
    column: str
    value: int | None
    sum: int
    formula: str | None
    made_by: int | None
    set_by: int | None
    by_type: tuple[OfType, ...]
    parts: tuple[Part, ...]
    parts_count: int
    more_after: int | None
    found_in: str
    events: int
    position: int

    @property
    def adds_up(self) -> bool:
        return self.sum == (self.value or 0)


async def explain(
    connection: Connection,
    table: str,
    key: Key,
    column: str,
    *,
    after: int = 0,
    whole: bool = False,
    events_max: int = EVENTS_MAX,
) -> Explained:
    """The parts after the position `after` of one number. `whole` reads the log for them, whatever the key
    tells.

    `key` may be a part of the row's key that tells it. The connection is bound to whom it reads for; nothing
    stays of what is done on it. Raises CannotExplain.
    """
    async with rolled_back(connection):
        row = await explain_row(
            connection, table, key, after=after, whole=whole, wanted=column, events_max=events_max
        )
        return await row.of(connection, column)


@asynccontextmanager
async def rolled_back(connection: Connection) -> AsyncIterator[None]:
    """One snapshot; within the caller's transaction, where there is one."""
    inner = connection.info.transaction_status != TransactionStatus.IDLE
    await connection.execute(b"SAVEPOINT explaining" if inner else _BEGIN)
    try:
        yield
    finally:
        if not connection.closed:
            await connection.execute(b"ROLLBACK TO SAVEPOINT explaining" if inner else b"ROLLBACK")


@dataclass(frozen=True, slots=True)
class Row:
    """All numbers of a row, with their events."""

    shape: Shape
    row: dict[str, Any]
    merged: Merged
    found_in: str
    position: int

    def adds_up(self, column: str) -> bool:
        return self.merged.columns[column].sum == (self.row[column] or 0)

    async def of(self, connection: Connection, column: str) -> Explained:
        """One of them."""
        taken = self.merged.columns[column]
        return Explained(
            self.shape.table,
            self.shape.model.name,
            {name: self.row[name] for name in self.shape.key},
            column,
            self.row[column],
            taken.sum,
            self.shape.formulas.get(column),
            self.merged.made_by,
            taken.last or self.merged.made_by,
            tuple(OfType(name, *each) for name, each in sorted(taken.by_type.items())),
            await _titled(connection, taken.parts, taken.ahead),
            taken.count,
            taken.parts[-1][0] if taken.count_after > len(taken.parts) else None,
            self.found_in,
            self.merged.events,
            self.position,
        )


async def explain_row(
    connection: Connection,
    table: str,
    key: Key,
    *,
    after: int = 0,
    whole: bool = False,
    wanted: str | None = None,
    events_max: int = EVENTS_MAX,
) -> Row:
    """In the caller's transaction, which is to be rolled back. Raises CannotExplain.

    Where what was found by the key makes no such row, or does not add up, in the column `wanted` or in any,
    the log is read.
    """
    shape, standing = await read_table(connection, table)
    if wanted is not None and wanted not in shape.numbers:
        raise CannotExplain(
            f"{table} has no number {wanted}; it has {', '.join(shape.numbers) or 'none'}", missing=True
        )
    row = await read_row(connection, shape, key)
    await connection.execute("SAVEPOINT finding")
    found = await find(connection, shape, row, standing, events_max)
    if not whole:
        merged = await merge(connection, shape, row, standing, found, after)
        explained = Row(shape, row, merged, found.how, standing.end)
        columns = shape.numbers if wanted is None else (wanted,)
        if merged.made_by is not None and all(map(explained.adds_up, columns)):
            return explained
    await connection.execute("ROLLBACK TO SAVEPOINT finding")
    found = await find_in_log(connection, shape, row, standing, found, events_max)
    merged = await merge(connection, shape, row, standing, found, after)
    return Row(shape, row, merged, found.how, standing.end)


async def _titled(connection: Connection, shown: list[tuple[int, int]], ahead: int) -> tuple[Part, ...]:
    positions = [position for position, _ in shown]
    titles = {row[0]: row for row in await fetch(connection, "read_titles", positions=positions)}
    parts = []
    for position, part in shown:
        ahead += part
        _, type_, stream, occurred_at, event_id = titles[position]
        parts.append(Part(position, type_, stream, occurred_at, event_id, part, ahead))
    return tuple(parts)

"""Which row of which read model is it about, with which columns, and how far is that read model?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.sql import SQL, Composable, Identifier

from domain.kernel import Fact
from eventstore.partitions import Partitions
from eventstore.queries import load_queries
from projections.generations import Connection
from projections.read_model import ReadModel, concerns, table_of
from projections.read_models import READ_MODELS
from services.audit import stored

QUERIES = load_queries("services.audit", "numbers.sql")
MODEL_OF: dict[str, ReadModel] = {table: each for each in READ_MODELS.values() for table in each.tables}
"""Table -> the read model that it is of."""


class CannotExplain(Exception):
    """There is no such number, or it can't be told which one is meant; the message says what to do."""

    expected = True

    def __init__(self, message: str, *, missing: bool = False) -> None:
        super().__init__(message)
        self.missing = missing
        """Whether it is that nothing of that name or key is there."""


class CannotRead(CannotExplain):
    """An event that the number is made of is none to this version, or its handler fails on it: nobody's
    mistake who asked."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A table of a read model: its key, in order, its numeric columns, and how columns are generated."""

    table: str
    model: ReadModel
    generation: int
    key: tuple[str, ...]
    numbers: tuple[str, ...]
    formulas: Mapping[str, str]

    @property
    def has_merchant(self) -> bool:
        return "merchant" in self.key


@dataclass(frozen=True, slots=True)
class Standing:
    """Up to where the live rows have taken the log, by partition."""

    ranges: tuple[tuple[Partitions, int], ...]

    @property
    def end(self) -> int:
        return max(position for _, position in self.ranges)

    def has_taken(self, fact: Fact) -> bool:
        return any(concerns(part, fact) and fact.position <= position for part, position in self.ranges)


async def fetch(connection: Connection, query: str, **arguments: Any) -> list[tuple[Any, ...]]:
    """The rows of a statement of `numbers.sql`, planned for these very arguments."""
    return list(await stored.fetch(connection, getattr(QUERIES, query).sql, arguments))


async def execute(connection: Connection, query: str, **arguments: Any) -> int:
    """As `fetch`, of a statement that sets something down: how many rows."""
    cursor = await connection.execute(getattr(QUERIES, query).sql.encode(), arguments, prepare=False)
    return cursor.rowcount


async def read_table(connection: Connection, table: str) -> tuple[Shape, Standing]:
    """Raises CannotExplain for a table that no read model has, or that is not made yet."""
    model = MODEL_OF.get(table)
    if model is None:
        raise CannotExplain(
            f"no read model has a table {table}; there are {', '.join(MODEL_OF)}", missing=True
        )
    rows = await fetch(connection, "read_standing", name=model.name)
    if not rows:
        raise CannotExplain(f"{model.name} was never made: the projector makes it", missing=True)
    generation = rows[0][0]
    ranges = tuple((Partitions(first, last), position) for _, first, last, position in rows)
    return await _read_shape(connection, table, model, generation), Standing(ranges)


async def _read_shape(connection: Connection, table: str, model: ReadModel, generation: int) -> Shape:
    columns = await fetch(connection, "read_shape", table=table_of(table, generation))
    key = sorted((number, name) for name, _, number, _ in columns if number is not None)
    return Shape(
        table,
        model,
        generation,
        tuple(name for _, name in key),
        tuple(name for name, numeric, _, _ in columns if numeric),
        {name: formula for name, _, _, formula in columns if formula},
    )


async def read_row(connection: Connection, shape: Shape, given: Mapping[str, Any]) -> dict[str, Any]:
    """The one row with these values in its key; a part of the key will do where it tells the row. Of the
    generation itself, as the view may show another one by now.

    Raises CannotExplain where there is none, or more than one.
    """
    if unknown := given.keys() - set(shape.key):
        raise CannotExplain(
            f"{shape.table} is told apart by {', '.join(shape.key)}, not by {', '.join(sorted(unknown))}"
        )
    _refuse_other_days(given)
    statement = SQL("SELECT * FROM {} WHERE {} ORDER BY {} LIMIT 3").format(
        Identifier(table_of(shape.table, shape.generation)),
        conditions(given),
        SQL(", ").join(map(Identifier, shape.key)),
    )
    try:
        async with connection.cursor(row_factory=dict_row) as cursor:
            rows = await (await cursor.execute(statement, dict(given), prepare=False)).fetchall()
    except psycopg.DataError as error:
        raise CannotExplain(f"{told(given)}: {error.diag.message_primary or error}") from None
    if len(rows) == 1:
        return rows[0]
    if not rows:
        raise CannotExplain(f"{shape.table} has no row with {told(given)}", missing=True)
    missing = [name for name in shape.key if name not in given]
    examples = " or ".join(told({name: row[name] for name in missing}) for row in rows[:2])
    raise CannotExplain(f"{shape.table} has several rows with {told(given)}: say {examples}")


def _refuse_other_days(given: Mapping[str, Any]) -> None:
    """Postgres would take 01.02.2026 for a day, too, and for which depends on its settings."""
    try:
        date.fromisoformat(str(given.get("day", "2018-03-01")))
    except ValueError:
        raise CannotExplain(f"{given['day']} is no day: write it as 2018-03-01") from None


def conditions(names: Sequence[str] | Mapping[str, Any]) -> Composable:
    """`a = %(a)s AND b = %(b)s`; true where there are none."""
    if not names:
        return SQL("true")
    return SQL(" AND ").join(SQL("{} = {}").format(Identifier(n), SQL(f"%({n})s")) for n in names)


def told(key: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in key.items()) or "any key"

"""Which generation of a read model is live, and how is one made, switched to and dropped?

The view that bears the read model's name shows the live generation's table.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import psycopg
import structlog
from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow

from eventstore.partitions import PARTITIONS, Partitions, covered
from eventstore.queries import load_queries
from eventstore.statements import Rows, undone
from projections.read_model import ReadModel, statement, table_of

Connection = AsyncConnection[TupleRow]
_QUERIES = load_queries("projections", "registry.sql", "projector.sql")
DROP_TIMEOUT = "2s"
logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Generation:
    number: int
    version: int


@cache
def sql_of(query: str) -> bytes:
    """A statement of `registry.sql` or `projector.sql`."""
    text: str = getattr(_QUERIES, query).sql
    return text.encode()


async def run(connection: Connection, query: str, **arguments: Any) -> list[TupleRow]:
    """The rows of a statement of `registry.sql` or `projector.sql`; none for one that has no result."""
    cursor = await connection.execute(sql_of(query), arguments)
    return await cursor.fetchall() if cursor.description else []


async def live_generations(connection: Connection) -> dict[str, Generation]:
    return generations_in(await run(connection, "read_live"))


def generations_in(rows: Rows) -> dict[str, Generation]:
    """By read model, of the rows of `read_live`."""
    return {name: Generation(*rest) for name, *rest in rows}


async def make_missing(connection: Connection, models: Iterable[ReadModel]) -> None:
    """Give each read model that has no live generation a first one, to be filled from the log's beginning."""
    async with connection.transaction():
        await run(connection, "lock_registry")
        live = await live_generations(connection)
        for model in models:
            if model.name not in live:
                number = await make_generation(connection, model, live=True)
                await show(connection, model, number)


async def make_generation(connection: Connection, model: ReadModel, *, live: bool = False) -> int:
    """Empty tables, a checkpoint at 0, an entry in the registry; within the caller's transaction."""
    rows = await run(connection, "add_generation", model=model.name, version=model.version, live=live)
    number: int = rows[0][0]
    await connection.execute(statement(model.name, "create_tables", number))
    for table in model.tables_of(number):
        await run(connection, "protect", table=table)
    await run(connection, "add_checkpoint", follower=model.follower(number))
    return number


async def tidy(connection: Connection, model: ReadModel, number: int) -> None:
    """So that the planner knows from the first read on how much there is, and indexes answer by themselves:
    else not before Postgres comes to it of its own accord, a minute later or more, as it then does with what
    is too large for the time that a statement may take."""
    for table in model.tables_of(number):
        for step in ("ANALYZE", "VACUUM"):
            try:
                await connection.execute(sql.SQL(step + " {}").format(sql.Identifier(table)))
            except (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable):
                logger.warning("read_model_not_tidied", table=table, step=step)


async def show(connection: Connection, model: ReadModel, number: int) -> None:
    """Let the views show that generation; within the caller's transaction."""
    for table in model.tables:
        view = sql.Identifier(table)
        await connection.execute(sql.SQL("DROP VIEW IF EXISTS {}").format(view))
        await connection.execute(
            sql.SQL("CREATE VIEW {} WITH (security_invoker = true) AS SELECT * FROM {}").format(
                view, sql.Identifier(table_of(table, number))
            )
        )
        await connection.execute(sql.SQL("GRANT SELECT ON {} TO tillroll_query, tillroll_audit").format(view))


async def make_live(connection: Connection, model: ReadModel, number: int) -> None:
    """The registry's part of a switch; within the caller's transaction."""
    await run(connection, "switch_live", name=model.name, generation=number)
    await run(connection, "make_live", name=model.name, generation=number)


async def lock_checkpoints(connection: Connection, follower: str) -> list[int]:
    """The positions of all its checkpoints, if it has any; nobody moves them until the transaction ends.

    A part that was cut off a checkpoint while that one was waited for is not seen by the same statement, so
    look again until there is no such part. What is locked is not cut any more: each look locks more.
    """
    for _ in range(PARTITIONS):
        rows = await run(connection, "lock_checkpoints", follower=follower)
        if not rows or covered([Partitions(first, last) for first, last, _ in rows]) == PARTITIONS:
            return [position for *_, position in rows]
    raise AssertionError(f"the checkpoints of {follower} do not cover {PARTITIONS} partitions")


@asynccontextmanager
async def sole_builder(connection: Connection, name: str) -> AsyncIterator[bool]:
    """Whether nobody else builds a generation of the read model; until the end nobody else will."""
    key = {"key": f"rebuild {name}"}
    async with undone(connection, sql_of("end_to_build"), key):
        rows = await run(connection, "try_to_build", **key)
        yield rows[0][0]


async def drop_others(connection: Connection, model: ReadModel) -> None:
    """Drop every generation but the live one: what a rebuild replaced, or a killed one left behind.

    Only for the sole builder: another's half-built generation is not live either. One that somebody still
    reads, as `verify` may for long, is left to the next who comes here: nobody must wait for its end.
    """
    for number, live in await run(connection, "read_generations", name=model.name):
        if not live:
            try:
                await _drop(connection, model, number)
            except psycopg.errors.LockNotAvailable:
                logger.info("generation_left", read_model=model.name, generation=number, why="it is read")


async def _drop(connection: Connection, model: ReadModel, number: int) -> None:
    async with connection.transaction():
        await connection.execute(f"SET LOCAL lock_timeout = '{DROP_TIMEOUT}'".encode())
        await run(connection, "lock_registry")
        await run(connection, "remove_generation", name=model.name, generation=number)
        await run(connection, "remove_follower", follower=model.follower(number))
        for table in model.tables_of(number):
            await connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(table)))

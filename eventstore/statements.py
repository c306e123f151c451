"""How do followers keep what they keep? By named statements, each a transaction of its own.

`PostgresDatabase` runs them as the `.sql` files say. The simulation has a twin which holds the same tables in
memory and answers the same names; one suite compares the two.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from eventstore.queries import load_queries

Pool = AsyncConnectionPool[AsyncConnection[TupleRow]]
Rows = Sequence[tuple[Any, ...]]


@asynccontextmanager
async def undone(
    connection: AsyncConnection[TupleRow], statement: bytes, arguments: Mapping[str, Any] | None = None
) -> AsyncIterator[None]:
    """What the block sets or locks for its session is taken back by `statement`, however it ends.

    Where that fails, or is cancelled, the connection is closed, so that the next who has it from the pool
    inherits nothing.
    """
    taken_back = False
    try:
        yield
    finally:
        try:
            await connection.rollback()
            await connection.execute(statement, arguments)
            taken_back = True
        except psycopg.Error:
            pass  # the session ends, and with it what it had
        finally:
            if not taken_back:
                await connection.close()


class Statements(Protocol):
    """The statements of some `.sql` files."""

    async def run(self, name: str, **arguments: Any) -> Rows:
        """Run the statement of that name; its rows, or none. Raises psycopg.Error."""

    def relaxed(self) -> AbstractAsyncContextManager[Statements]:
        """The same on a connection of their own, whose commits do not wait for the disk: a crash of the
        database may take the last of them back, in order."""


class Database(Protocol):
    """Where followers keep their places, their work in hand and what they put aside."""

    def statements(self, package: str, *files: str) -> Statements:
        """Those of `sql/<file>` in that package."""


class PostgresDatabase:
    """See `Database`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def statements(self, package: str, *files: str) -> Statements:
        return _PostgresStatements(self._pool, load_queries(package, *files))


class _PostgresStatements:
    def __init__(self, pool: Pool, queries: Any) -> None:
        self._pool = pool
        self._queries = queries

    async def run(self, name: str, **arguments: Any) -> Rows:
        async with self._pool.connection() as connection:
            return await _run(connection, self._queries, name, arguments)

    @asynccontextmanager
    async def relaxed(self) -> AsyncIterator[Statements]:
        async with (
            self._pool.connection() as connection,
            undone(connection, b"RESET synchronous_commit"),
        ):
            await connection.execute(b"SET synchronous_commit = off")
            yield _OnConnection(connection, self._queries)


class _OnConnection:
    def __init__(self, connection: AsyncConnection[TupleRow], queries: Any) -> None:
        self._connection = connection
        self._queries = queries

    async def run(self, name: str, **arguments: Any) -> Rows:
        return await _run(self._connection, self._queries, name, arguments)

    @asynccontextmanager
    async def relaxed(self) -> AsyncIterator[Statements]:
        yield self


async def _run(
    connection: AsyncConnection[TupleRow], queries: Any, name: str, arguments: dict[str, Any]
) -> Rows:
    sql: str = getattr(queries, name).sql
    cursor = await connection.execute(sql.encode(), arguments, prepare=True, binary=True)
    return await cursor.fetchall() if cursor.description else ()

"""How do the access tables get asked? By a statement's name, each a transaction, but for `of_user`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import TupleRow, dict_row

from eventstore.queries import load_queries
from eventstore.statements import Pool

Row = dict[str, Any]
_QUERIES = load_queries("services.access", "credentials.sql", "sessions.sql", "keys.sql")


class Statements:
    """Those of a connection."""

    def __init__(self, connection: AsyncConnection[TupleRow]) -> None:
        self._connection = connection

    async def rows(self, name: str, **arguments: Any) -> list[Row]:
        sql: str = getattr(_QUERIES, name).sql
        cursor = self._connection.cursor(row_factory=dict_row)
        await cursor.execute(sql.encode(), arguments, prepare=True)
        return await cursor.fetchall() if cursor.description else []

    async def row(self, name: str, **arguments: Any) -> Row | None:
        found = await self.rows(name, **arguments)
        return found[0] if found else None


class Store:
    """The tables of migration 0005: secrets as digests, hashes or sealed, and nothing else."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.asked = 0

    async def rows(self, name: str, **arguments: Any) -> list[Row]:
        self.asked += 1
        async with self._pool.connection() as connection:
            return await Statements(connection).rows(name, **arguments)

    async def row(self, name: str, **arguments: Any) -> Row | None:
        found = await self.rows(name, **arguments)
        return found[0] if found else None

    @asynccontextmanager
    async def of_user(self, user_id: str) -> AsyncIterator[Statements]:
        """Several statements about a user, all or (where this raises) none; one such transaction at a time.

        Each statement sees what was committed before it: also what the one before it had to wait for.
        """
        self.asked += 1
        async with self._pool.connection() as connection, connection.transaction():
            statements = Statements(connection)
            await statements.rows("lock_user", user_id=user_id)
            yield statements

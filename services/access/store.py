"""How do the access tables get asked? By a statement's name, each statement a transaction of its own."""

from __future__ import annotations

from typing import Any

from psycopg.rows import dict_row

from eventstore.checkpoints import Pool
from eventstore.queries import load_queries

Row = dict[str, Any]
_QUERIES = load_queries("services.access", "credentials.sql", "sessions.sql", "keys.sql")


class Store:
    """The tables of migration 0005: secrets as digests, hashes or sealed, and nothing else."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.asked = 0

    async def rows(self, name: str, **arguments: Any) -> list[Row]:
        self.asked += 1
        sql: str = getattr(_QUERIES, name).sql
        async with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=dict_row)
            await cursor.execute(sql.encode(), arguments, prepare=True)
            return await cursor.fetchall() if cursor.description else []

    async def row(self, name: str, **arguments: Any) -> Row | None:
        found = await self.rows(name, **arguments)
        return found[0] if found else None

"""How is something done by one process alone, while others stand by?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from eventstore.queries import load_queries
from eventstore.statements import Pool, undone
from services.audit.folding import Connection

LOOK_SECONDS = 1.0
_QUERIES = load_queries("services.audit", "alone.sql")


@asynccontextmanager
async def alone(pool: Pool, name: str) -> AsyncIterator[Connection]:
    """Wait until nobody else does it; nobody else will, as long as the connection that this gives lasts."""
    end = _QUERIES.end_alone.sql.encode()
    async with pool.connection() as connection, undone(connection, end, {"name": name}):
        while True:
            cursor = await connection.execute(_QUERIES.try_alone.sql.encode(), {"name": name})
            row = await cursor.fetchone()
            if row and row[0]:
                break
            await asyncio.sleep(LOOK_SECONDS)
        yield connection

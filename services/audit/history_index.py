"""Who fills the index of the log's history? One of the projectors, block by block behind the log's head.

A block's rows come in one transaction, and the last block's end is the position: so there is no checkpoint that
could differ from what it stands for. Another projector stands by, and takes over within a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import Any

import psycopg

from eventstore.log import Log, StoredEvent
from eventstore.queries import load_queries
from eventstore.statements import Pool
from services.audit.filters import keys_in

BLOCK = 128
"""Positions of a block: as in `history.sql`."""
PAGE = 40 * BLOCK
REST_SECONDS = 1.0
_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('history index', 0))"
_UNLOCK = b"SELECT pg_advisory_unlock(hashtextextended('history index', 0))"
_QUERIES = load_queries("services.audit", "history.sql")
Connection = psycopg.AsyncConnection[Any]


class HistoryIndex:
    """`run` until cancelled, or until infrastructure fails: then run again."""

    def __init__(self, log: Log, pool: Pool, page: int = PAGE) -> None:
        self._log = log
        self._pool = pool
        self._page = page

    async def run(self) -> None:
        async with self._pool.connection() as connection:
            while not (await (await connection.execute(_LOCK)).fetchone() or (False,))[0]:
                await asyncio.sleep(REST_SECONDS)
            try:
                while True:
                    if not await self.advance(connection):
                        await asyncio.sleep(REST_SECONDS)
            finally:
                if not connection.closed:
                    await connection.execute(_UNLOCK)

    async def catch_up(self) -> None:
        """Up to the last full block of this moment; for who is alone."""
        async with self._pool.connection() as connection:
            while await self.advance(connection):
                pass

    async def advance(self, connection: Connection) -> bool:
        """Describe the next full blocks; False where there is none."""
        after = int((await _one(connection, "read_indexed"))[0])
        events = await self._log.read(after, self._page)
        full = len(events) - len(events) % BLOCK
        if not full:
            return False
        async with connection.transaction():
            await _add(connection, events[:full])
        return True


async def _add(connection: Connection, events: Sequence[StoredEvent]) -> None:
    first = (events[0].position - 1) // BLOCK
    before = await _one(connection, "read_until", block=first - 1)
    until: datetime | None = before[0] if before else None
    blocks: list[tuple[Any, ...]] = []
    keys: list[int] = []
    key_blocks: list[int] = []
    rest = iter(events)
    number = first
    while block := list(islice(rest, BLOCK)):
        recorded = [event.recorded_at for event in block]
        occurred = [event.occurred_at for event in block]
        until = max(*recorded, until) if until else max(recorded)
        blocks.append((number, min(recorded), until, min(occurred), max(occurred)))
        own = {key for event in block for key in keys_in(event)}
        keys += own
        key_blocks += [number] * len(own)
        number += 1
        await asyncio.sleep(0)  # all else of the process has its turn
    names = ("blocks", "recorded_firsts", "recorded_untils", "occurred_firsts", "occurred_lasts")
    columns = dict(zip(names, map(list, zip(*blocks, strict=True)), strict=True))
    await connection.execute(_QUERIES.add_blocks.sql.encode(), columns)
    arguments = {"keys": keys, "key_blocks": key_blocks}
    await connection.execute(_QUERIES.add_keys.sql.encode(), arguments)


async def _one(connection: Connection, query: str, **arguments: Any) -> Any:
    return await (await connection.execute(getattr(_QUERIES, query).sql.encode(), arguments)).fetchone()

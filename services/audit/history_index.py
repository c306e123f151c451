"""Who fills the index of the log's history? One of the projectors, block by block behind the log's head.

A block's rows come in one transaction, and the last block's end is the position: so there is no
checkpoint that could differ from what it stands for. Another projector stands by, and takes over within a
second. It may come late, as what it has not described yet is searched without it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from eventstore.log import StoredEvent
from eventstore.pace import at_leisure
from eventstore.postgres import PostgresLog
from eventstore.queries import load_queries
from eventstore.statements import Pool
from services.audit.alone import alone
from services.audit.filters import keys_in
from services.audit.folding import Connection

BLOCK = 128
"""Positions of a block: as in `history.sql`."""
PAGE = 40 * BLOCK
REST_SECONDS = 1.0
SHARE = 0.1
"""Of the time: some thousand events a second."""
_QUERIES = load_queries("services.audit", "history.sql")


class HistoryIndex:
    """`run` until cancelled, or until infrastructure fails: then run again."""

    def __init__(self, log: PostgresLog, pool: Pool, page: int = PAGE) -> None:
        self._log = log
        self._pool = pool
        self._page = page

    async def run(self, share: float = SHARE) -> None:
        """Take `share` of the time at most."""
        async with alone(self._pool, "history index") as connection:
            while True:
                async with at_leisure(share):
                    more = await self.advance(connection)
                if not more:
                    await asyncio.sleep(REST_SECONDS)

    async def catch_up(self) -> None:
        """Up to the last full block of this moment; for who is alone."""
        async with self._pool.connection() as connection:
            while await self.advance(connection):
                pass

    async def advance(self, connection: Connection) -> bool:
        """Describe the next full blocks; False where there is none."""
        after = int((await _one(connection, "read_indexed"))[0])
        head = await self._log.head()
        end = min(head - head % BLOCK, after + self._page)
        if end <= after:
            return False
        described: list[Described] = []
        while (position := after + len(described)) < end:
            events = await self._log.read_range(position, end)
            described += [_described(event) for event in events]
            await asyncio.sleep(0)  # all else of the process has its turn
        async with connection.transaction():
            await _add(connection, after // BLOCK, described)
        return True


class Described(NamedTuple):
    """Of an event what the index keeps: it may be large."""

    recorded_at: datetime
    occurred_at: datetime
    keys: frozenset[int]


def _described(event: StoredEvent) -> Described:
    return Described(event.recorded_at, event.occurred_at, frozenset(keys_in(event)))


async def _add(connection: Connection, first: int, described: Sequence[Described]) -> None:
    """The rows of the blocks from `first` on."""
    before = await _one(connection, "read_until", block=first - 1)
    until: datetime | None = before[0] if before else None
    blocks: list[tuple[Any, ...]] = []
    keys: list[int] = []
    key_blocks: list[int] = []
    for number, start in enumerate(range(0, len(described), BLOCK), first):
        block = described[start : start + BLOCK]
        recorded = [each.recorded_at for each in block]
        occurred = [each.occurred_at for each in block]
        until = max(*recorded, until) if until else max(recorded)
        blocks.append((number, min(recorded), until, min(occurred), max(occurred)))
        own = frozenset[int]().union(*(each.keys for each in block))
        keys += own
        key_blocks += [number] * len(own)
    names = ("blocks", "recorded_firsts", "recorded_untils", "occurred_firsts", "occurred_lasts")
    columns = dict(zip(names, map(list, zip(*blocks, strict=True)), strict=True))
    await connection.execute(_QUERIES.add_blocks.sql.encode(), columns)
    arguments = {"keys": keys, "key_blocks": key_blocks}
    await connection.execute(_QUERIES.add_keys.sql.encode(), arguments)


async def _one(connection: Connection, query: str, **arguments: Any) -> Any:
    return await (await connection.execute(getattr(_QUERIES, query).sql.encode(), arguments)).fetchone()

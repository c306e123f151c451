"""How do several processes limit rates together? Each counts by itself, and tells Postgres every 150 ms.

One statement adds up all counts that moved and answers with what all processes have counted. A hit costs no
query; the price is that a process learns of the others' hits late. So for one key and one window, all
processes together let in more than the limit, but never more than

    limit + processes x what comes to one of them between two of its tellings

because whoever has told once that the limit is reached, or is told so, lets in no more. (An interval lasts as
long as `SHARE_SECONDS` and the statement itself.) Where Postgres is away, each process limits by itself, so
that up to processes x limit get in; nothing fails, and what was counted is told afterwards. An answer of
Postgres that is lost makes the same hits count twice: that is too strict, for one window.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import blake2b

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from eventstore.postgres import make_pool
from eventstore.queries import load_queries
from eventstore.statements import Pool
from eventstore.tasks import end_tasks
from services.web.rate_counts import CountKey, RateCounts, Told

SHARE_SECONDS = 0.15
SWEEP_SECONDS = 60.0
PATIENCE_SECONDS = 5.0
KEYS_MAX = 5_000
"""Told at once; the rest is told the next time."""
_QUERIES = load_queries("services", "rates.sql")
logger = structlog.get_logger()


class SharedRates:
    """Shares the counts of this process with those of the others on the database."""

    def __init__(
        self, counts: RateCounts, database_url: str, *, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self._counts = counts
        self._patience_seconds = patience_seconds
        # a connection of its own: under load, reads keep the others
        self._pool = make_pool(database_url, max_size=1, statement_seconds=patience_seconds)
        self._away = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[SharedRates]:
        """Shares again and again meanwhile."""
        async with self._pool:
            sharing = asyncio.create_task(self._keep_sharing())
            try:
                yield self
            finally:
                await end_tasks(sharing)

    async def _keep_sharing(self) -> None:
        clock = asyncio.get_running_loop().time
        sweep_at = clock()
        while True:
            await asyncio.sleep(SHARE_SECONDS)
            await self.try_to_share()
            if clock() >= sweep_at:
                sweep_at = clock() + SWEEP_SECONDS
                await self.try_to_sweep()

    async def try_to_share(self) -> bool:
        """Whether it could be done; if not, each process limits by itself until it can."""
        try:
            await self.share()
        except (psycopg.Error, PoolTimeout, OSError) as error:
            if not self._away:
                logger.warning("rates_not_shared", error=str(error))
            self._away = True
        else:
            self._away = False
        return not self._away

    async def try_to_sweep(self) -> None:
        self._counts.sweep()
        if not self._away:
            try:
                await self.sweep()
            except (psycopg.Error, PoolTimeout, OSError) as error:
                logger.warning("rates_not_swept", error=str(error))

    async def share(self) -> None:
        """Tell what moved, and take in what all have counted. Raises what psycopg raises."""
        moved = {
            (_digest(at), at.window): (at, count.unsent, int(count.ends_at))
            for at, count in self._counts.moved(KEYS_MAX).items()
        }
        if not moved:
            return
        told = sorted(moved)
        arguments = {
            "keys": [key for key, _ in told],
            "windows": [window for _, window in told],
            "hits": [moved[each][1] for each in told],
            "ends": [moved[each][2] for each in told],
        }
        async with self._pool.connection(timeout=self._patience_seconds) as connection:
            cursor = await connection.execute(_QUERIES.share_rates.sql.encode(), arguments)
            rows = await cursor.fetchall()
        for at, hits, _ in moved.values():
            self._counts.sent(at, hits)
        self._counts.told([Told(moved[key, window][0], hits, before) for key, window, hits, before in rows])

    async def sweep(self) -> None:
        """Forget old windows in the database."""
        await sweep_rates(self._pool, int(self._counts.now), self._patience_seconds)


async def sweep_rates(pool: Pool, now: int, patience_seconds: float | None = None) -> None:
    """Forget the windows that are over; `now` in seconds since 1970."""
    async with pool.connection(timeout=patience_seconds) as connection:
        await connection.execute(_QUERIES.sweep_rates.sql.encode(), {"now": now})


def _digest(at: CountKey) -> bytes:
    return blake2b(at.key.encode(), digest_size=16).digest()

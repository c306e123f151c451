"""How long is it kept who came in, once that is over: sessions, single-use tokens, counts of rates?"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from eventstore.seams import Clock
from eventstore.statements import Pool
from services.access.store import Store
from services.rates import sweep_rates

SWEEP_SECONDS = 3_600.0
KEPT = timedelta(days=7)
"""After its end: for who looks into what happened."""
logger = structlog.get_logger()


async def keep_forgetting(pool: Pool, clock: Clock) -> None:
    """Once an hour, until cancelled; `pool` is of the role `access`. Several that do so do no harm."""
    while True:
        try:
            await forget(pool, clock.now())
        except (psycopg.Error, PoolTimeout, OSError) as error:
            logger.warning("access_not_swept", error=str(error))
        await asyncio.sleep(SWEEP_SECONDS)


async def forget(pool: Pool, now: datetime) -> None:
    """Whatever was over `KEPT` before, and windows of rates that nobody asks about any more."""
    store = Store(pool)
    await store.rows("forget_sessions", before=now - KEPT)
    await store.rows("forget_single_use_tokens", before=now - KEPT)
    await sweep_rates(pool, int(now.timestamp()))

"""How long does the ledger know a command? As long as the setting says; then its key counts as a new one."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from eventstore.queries import load_queries
from eventstore.seams import Clock
from eventstore.statements import Pool

BATCH = 5_000
PAUSE_SECONDS = 0.2
SWEEP_SECONDS = 3_600.0
_QUERIES = load_queries("services", "scheduler.sql")
logger = structlog.get_logger()


async def keep_sweeping(pool: Pool, clock: Clock, days: int) -> None:
    """Once an hour, until cancelled. Several that do so do no harm."""
    while True:
        try:
            swept = await sweep(pool, clock.now() - timedelta(days=days))
            logger.info("ledger_swept", entries=swept)
        except (psycopg.Error, PoolTimeout, OSError) as error:
            logger.warning("ledger_not_swept", error=str(error))
        await asyncio.sleep(SWEEP_SECONDS)


async def sweep(pool: Pool, before: datetime, batch: int = BATCH) -> int:
    """Forget what was recorded before then, in batches with pauses, so that appends hardly notice."""
    total = 0
    while True:
        async with pool.connection() as connection:
            arguments = {"before": before, "limit": batch}
            cursor = await connection.execute(_QUERIES.sweep_ledger.sql.encode(), arguments)
            row = await cursor.fetchone()
        swept = row[0] if row else 0
        total += swept
        if swept < batch:
            return total
        await asyncio.sleep(PAUSE_SECONDS)

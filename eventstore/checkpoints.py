"""Where a follower is, kept in the same transaction as its effects, under a lease with a fencing number."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from eventstore.queries import load_queries
from eventstore.tasks import end_tasks

LEASE_SECONDS = 5.0
Pool = AsyncConnectionPool[AsyncConnection[TupleRow]]
logger = structlog.get_logger()
_QUERIES = load_queries("eventstore", "checkpoints.sql")


class LeaseLost(Exception):
    """Another worker follows in our place, since we did not renew in time; nothing was changed."""


@dataclass(slots=True)
class Checkpoint:
    """A follower's place in the log while its lease is held; see `holding`."""

    follower: str
    lease: int
    position: int
    done: int
    lost: bool = False

    def check(self) -> None:
        """Raises LeaseLost once a renewal found the lease to be another's: for who has nothing to move."""
        if self.lost:
            raise LeaseLost(f"{self.follower} is followed by another worker now")

    async def move(
        self, connection: AsyncConnection[TupleRow], position: int, done: int | None = None
    ) -> None:
        """Move to `position` in the transaction that is open on `connection`; LeaseLost if it is not ours.

        Call `moved` once that transaction is committed.
        """
        arguments = {
            "follower": self.follower,
            "lease": self.lease,
            "was": self.position,
            "position": position,
            "done": position if done is None else done,
        }
        cursor = await connection.execute(_QUERIES.move_checkpoint.sql.encode(), arguments, prepare=True)
        if await cursor.fetchone() is None:
            raise LeaseLost(f"{self.follower} is followed by another worker now")

    def moved(self, position: int, done: int | None = None) -> None:
        self.position = position
        self.done = position if done is None else done


@asynccontextmanager
async def holding(pool: Pool, follower: str, *, start: int = 0) -> AsyncIterator[Checkpoint]:
    """Wait for the follower's lease, then hold and renew it; a new follower begins after `start`."""
    await _run(pool, "create_checkpoint", follower=follower, position=start)
    row = None
    while row is None:
        row = await _run(pool, "take_lease", follower=follower, seconds=LEASE_SECONDS)
        await asyncio.sleep(0 if row else LEASE_SECONDS / 10)
    checkpoint = Checkpoint(follower, *row)
    renewing = asyncio.create_task(_renew(pool, checkpoint))
    try:
        yield checkpoint
    finally:
        await end_tasks(renewing)
        await _run(pool, "release_lease", follower=follower, lease=checkpoint.lease)


async def _renew(pool: Pool, checkpoint: Checkpoint) -> None:
    """Renew three times a lease. If that fails, the compare-and-set of the next move decides."""
    while True:
        await asyncio.sleep(LEASE_SECONDS / 3)
        try:
            held = await _run(
                pool,
                "renew_lease",
                follower=checkpoint.follower,
                lease=checkpoint.lease,
                seconds=LEASE_SECONDS,
            )
            checkpoint.lost = held is None
        except (psycopg.Error, OSError, TimeoutError) as error:
            logger.warning("lease_not_renewed", follower=checkpoint.follower, error=str(error))


async def _run(pool: Pool, query: str, **arguments: Any) -> TupleRow | None:
    async with pool.connection() as connection:
        cursor = await connection.execute(getattr(_QUERIES, query).sql.encode(), arguments)
        return await cursor.fetchone() if cursor.description else None


async def read_checkpoints(pool: Pool) -> list[dict[str, Any]]:
    """All followers: follower, position, done, alive (its lease is held), moved_at."""
    async with pool.connection() as connection:
        cursor = await connection.execute(_QUERIES.read_checkpoints.sql.encode())
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in await cursor.fetchall()]

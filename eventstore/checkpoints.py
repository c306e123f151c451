"""Where a follower is, kept in the same transaction as its effects, under a lease with a fencing number."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from eventstore.queries import load_queries
from eventstore.statements import Database, Pool, Statements
from eventstore.tasks import end_tasks, finish

LEASE_SECONDS = 5.0
logger = structlog.get_logger()
_QUERIES = load_queries("eventstore", "checkpoints.sql")


class LeaseLost(Exception):
    """Another worker follows in our place, since we did not renew in time; nothing was changed."""


@dataclass(slots=True)
class Checkpoint:
    """A follower's place in the log while its lease is held; see `holding`.

    `held_until`: by the loop's time, until when it is ours for certain.
    """

    follower: str
    lease: int
    position: int
    done: int
    statements: Statements = field(repr=False)
    held_until: float
    lost: bool = False

    def check(self) -> None:
        """Raises LeaseLost once a renewal found the lease to be another's: for who has nothing to move."""
        if self.lost:
            raise LeaseLost(f"{self.follower} is followed by another worker now")

    def check_held(self) -> None:
        """Raises LeaseLost as soon as the lease may be another's: for who is about to do outside what no
        compare-and-set can refuse. Whoever stood still past its lease goes on before any renewal tells it so.
        """
        self.check()
        if asyncio.get_running_loop().time() >= self.held_until:
            raise LeaseLost(f"the lease of {self.follower} was not renewed in time")

    async def move(self, position: int) -> None:
        """Move to `position`, all done; LeaseLost if it is not ours. A crash of the database may undo it."""
        place = {"follower": self.follower, "lease": self.lease, "was": self.position}
        if not await self.statements.run("move_checkpoint", **place, position=position, done=position):
            raise LeaseLost(f"{self.follower} is followed by another worker now")
        self.moved(position)

    def moved(self, position: int, done: int | None = None) -> None:
        """It stands there now, by a statement of its follower's own."""
        self.position = position
        self.done = position if done is None else done


@asynccontextmanager
async def holding(database: Database, follower: str, *, start: int = 0) -> AsyncIterator[Checkpoint]:
    """Wait for the follower's lease, then hold and renew it; a new follower begins after `start`."""
    statements = database.statements("eventstore", "checkpoints.sql")
    await statements.run("create_checkpoint", follower=follower, position=start)
    taken: list[Checkpoint] = []

    async def take() -> None:
        until = asyncio.get_running_loop().time() + LEASE_SECONDS
        rows = await statements.run("take_lease", follower=follower, seconds=LEASE_SECONDS)
        taken.extend(
            Checkpoint(follower, lease, position, done, statements, until) for lease, position, done in rows
        )

    try:
        await finish(take())  # who is cancelled meanwhile knows what there is to release
        while not taken:
            await asyncio.sleep(LEASE_SECONDS / 10)
            await finish(take())
        renewing = asyncio.create_task(_renew(taken[0]))
        try:
            yield taken[0]
        finally:
            await end_tasks(renewing)
    finally:  # it may be that others insist meanwhile
        for checkpoint in taken:
            await finish(statements.run("release_lease", follower=follower, lease=checkpoint.lease))


async def _renew(checkpoint: Checkpoint) -> None:
    """Renew three times a lease. If that fails, the compare-and-set of the next move decides."""
    lease = {"follower": checkpoint.follower, "lease": checkpoint.lease, "seconds": LEASE_SECONDS}
    while True:
        await asyncio.sleep(LEASE_SECONDS / 3)
        asked_at = asyncio.get_running_loop().time()
        try:
            checkpoint.lost = not await checkpoint.statements.run("renew_lease", **lease)
            checkpoint.held_until = asked_at + LEASE_SECONDS
        except (psycopg.Error, PoolTimeout, OSError, TimeoutError) as error:
            logger.warning("lease_not_renewed", follower=checkpoint.follower, error=str(error))


async def read_checkpoints(pool: Pool) -> list[dict[str, Any]]:
    """All followers, in each range of partitions: follower, first_partition, last_partition, position, done,
    alive (its lease is held), moved_at, worker (host:pid, of those who share)."""
    async with pool.connection() as connection:
        cursor = await connection.execute(_QUERIES.read_checkpoints.sql.encode())
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in await cursor.fetchall()]

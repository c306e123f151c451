"""Which partitions of a follower does a worker move? Its share, once nobody else holds it.

Between two pages a worker brings what it holds to its share, by `refresh`: it makes one place of those that
adjoin and stand at the same position, gives back what is another's share by now, and takes what of its own
nobody holds. Meanwhile a task renews the leases and looks who lives.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from eventstore.checkpoints import LEASE_SECONDS, LeaseLost
from eventstore.partitions import Partitions, covered
from eventstore.shares import Place, Worker, adjoining, merge, ours_beside, release, take
from eventstore.statements import Database, Statements
from eventstore.tasks import end_tasks

LOOK_SECONDS, LACKING_SECONDS = 1.0, 0.1
"""How often a worker looks what is its own: when it has all of it, and when it has not."""
AWAY = (psycopg.Error, PoolTimeout, OSError, TimeoutError)
logger = structlog.get_logger()


class Sharing:
    """`places` are ours to move; see `sharing`."""

    def __init__(self, statements: Statements, follower: str) -> None:
        self._statements = statements
        self._follower = follower
        self._worker = Worker(statements, [follower])
        self._turn = asyncio.Lock()
        self._lost = False
        self.places: list[Place] = []

    @property
    def look_seconds(self) -> float:
        """How long what is held may be moved before the next `refresh`."""
        return LACKING_SECONDS if self._lacks else LOOK_SECONDS

    @property
    def misfits(self) -> list[Place]:
        """What the next `refresh` gives back."""
        return [each for each in self.places if not each.partitions.within(self._share)]

    def check(self) -> None:
        """Raises LeaseLost once a renewal found a place to be another's: for who has nothing to move."""
        if self._lost:
            raise LeaseLost(f"some partitions of {self._follower} are followed by another worker now")

    def groups(self) -> list[tuple[list[Place], int | None]]:
        """Who moves together, the last first, each with the position of those before it, if there are any."""
        together: dict[int, list[Place]] = {}
        for place in sorted(self.places, key=lambda each: (each.position, each.partitions)):
            together.setdefault(place.position, []).append(place)
        ends = [*list(together)[1:], None]
        return list(zip(together.values(), ends, strict=False))

    def place_of(self, partition: int) -> Place:
        return next(each for each in self.places if partition in each.partitions)

    async def refresh(self) -> list[Place]:
        """Bring what is held to our share: what was taken just now. Raises LeaseLost."""
        async with self._turn:
            if self._lacks:  # perhaps somebody has just died, and our share is another
                await self._look()
            self.check()
            for run in adjoining(self.places):
                await self._merge(run)
            misfits = self.misfits
            self.places = [each for each in self.places if each not in misfits]
            await release(self._statements, misfits)
            wanted = {self._follower: self._share} if self._share and self._lacks else {}
            taken = await take(self._statements, wanted, self._worker.number)
            self.places = ours_beside(self.places, taken) + taken
            return taken

    async def join(self) -> None:
        await self._worker.join()

    async def leave(self) -> None:
        """Give all back, and let others have our share."""
        async with self._turn:
            self.places = []
            try:
                await self._worker.leave()
            except AWAY as error:
                logger.warning("share_not_left", follower=self._follower, error=str(error))

    async def stand_aside(self) -> None:
        """For who can't go on, where another may: as long as anybody else is there, he has our share."""
        await self.leave()
        alone = False
        while not alone:
            await asyncio.sleep(LOOK_SECONDS)
            alone = await self._worker.is_alone()
        await self.join()

    async def keep(self) -> None:
        """Renew what is held, and look who shares it; until cancelled.

        If that fails, the compare-and-set of the next page decides.
        """
        while True:
            await asyncio.sleep(LEASE_SECONDS / 5)
            try:
                async with self._turn:
                    await self._look()
            except AWAY as error:
                logger.warning("leases_not_renewed", follower=self._follower, error=str(error))

    @property
    def _share(self) -> Partitions | None:
        return self._worker.share_of(self._follower)

    @property
    def _lacks(self) -> bool:
        """Whether some of our share is not ours yet."""
        return self._share is not None and covered([each.partitions for each in self.places]) < len(
            self._share
        )

    async def _look(self) -> None:
        self._lost = bool(await self._worker.look(self.places)) or self._lost

    async def _merge(self, run: list[Place]) -> None:
        ((partitions, lease),) = await merge(self._statements, [run])
        first, *rest = run
        first.partitions, first.lease, first.done = partitions, lease, min(each.done for each in run)
        self.places = [each for each in self.places if each not in rest]


@asynccontextmanager
async def sharing(database: Database, follower: str) -> AsyncIterator[Sharing]:
    """Share the follower with all others who do, until the block ends; a new follower begins at the start."""
    statements = database.statements("eventstore", "checkpoints.sql", "shares.sql")
    await statements.run("create_checkpoint", follower=follower, position=0)
    shared = Sharing(statements, follower)
    try:
        await shared.join()
        keeping = asyncio.create_task(shared.keep())
        try:
            yield shared
        finally:
            await end_tasks(keeping)
    finally:
        await shared.leave()

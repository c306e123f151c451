"""Which read models does a worker move, in which partitions? Its share, once nobody else holds it.

Between two pages it gives back what is another's share by now, takes what of its own share is free, and makes
one checkpoint of those that adjoin and stand at the same position.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from eventstore.checkpoints import LEASE_SECONDS, LeaseLost
from eventstore.partitions import Partitions, covered
from eventstore.shares import (
    Lease,
    Worker,
    adjoining,
    lease_of,
    merge,
    ours_beside,
    release,
    share_statements,
    take,
)
from projections.advance import Moved
from projections.generations import generations_in
from projections.page import Follow
from projections.read_model import ReadModel
from projections.session import ReadModelDatabase, Session

Wanted = dict[str, Follow]
"""By follower: a read model's generation with our share of it."""
logger = structlog.get_logger()
AWAY = (psycopg.Error, PoolTimeout, OSError)


class Holding:
    """`follows` are ours to move, each with its range; call `refresh` between pages, once in a while."""

    def __init__(self, database: ReadModelDatabase, models: Iterable[ReadModel], page: int) -> None:
        self._models = {model.name: model for model in models}
        self._page = page
        self._statements = share_statements(database)
        self._worker = Worker(self._statements, [model.team for model in self._models.values()])
        self._counted: set[tuple[str, int]] = set()
        self._lacks = False
        self._lost: set[Lease] = set()
        self._turn = asyncio.Lock()
        """A renewal that is under way must not take hold again of what is given back meanwhile."""
        self.follows: list[Follow] = []

    @property
    def complete(self) -> bool:
        """Whether all of our share was ours to take."""
        return not self._lacks

    async def keep(self) -> None:
        """Renew what is held, and look who shares it; until cancelled.

        If that fails, the compare-and-set of the next page decides. What was fenced is seen here, too, since
        there may be no next page for long.
        """
        while True:
            await asyncio.sleep(LEASE_SECONDS / 5)
            try:
                async with self._turn:
                    await self._look()
            except AWAY as error:
                logger.warning("leases_not_renewed", error=str(error))

    async def join(self) -> None:
        await self._worker.join()

    async def refresh(self, session: Session) -> bool:
        """Bring what is held to our share of what is live; whether that changed anything. Raises Moved."""
        async with self._turn:
            return await self._refresh(session)

    async def _refresh(self, session: Session) -> bool:
        if self._lacks:  # perhaps somebody has just died, and our share is another
            await self._look()
        wanted = await self._wanted(session)
        before = [(each.follower, each.partitions, each.lease) for each in self.follows]
        misfits = [
            each
            for each in self.follows
            if lease_of(each) in self._lost or not _fits(each, wanted.get(each.follower))
        ]
        self._lost = set()
        if misfits:
            self.follows = [each for each in self.follows if each not in misfits]
            await release(self._statements, misfits)
        await self._take(session, self._lacking(wanted))
        await self._merge()
        self._lacks = bool(self._lacking(wanted))
        return before != [(each.follower, each.partitions, each.lease) for each in self.follows]

    async def outdated(self, session: Session) -> list[str]:
        """The read models whose live generation was made by other code than this."""
        live = generations_in(await session.run("read_live"))
        return [name for name, model in self._models.items() if live[name].version != model.version]

    async def give_back(self) -> None:
        """All that is held. If that fails, the leases end by themselves."""
        async with self._turn:
            self.follows = []
            with suppress(*AWAY):
                await self._worker.give_back()

    async def leave(self) -> None:
        """Give all back, and let others have our share."""
        self.follows = []
        try:
            await self._worker.leave()
        except AWAY as error:
            logger.warning("share_not_left", error=str(error))

    async def is_alone(self) -> bool:
        return await self._worker.is_alone()

    async def count(self, session: Session, follow: Follow, attempts: int) -> None:
        """Keep how often the page that comes next was begun, before its handler sees it."""
        await session.run(
            "count_attempt",
            follower=follow.follower,
            first=follow.partitions.first,
            last=follow.partitions.last,
            position=follow.position,
            attempts=attempts,
        )
        self._counted.add((follow.follower, follow.position))

    async def _look(self) -> None:
        self._lost.update(map(lease_of, await self._worker.look(self.follows)))

    async def _wanted(self, session: Session) -> Wanted:
        """Our share of each live generation that this code can follow."""
        live = generations_in(await session.run("read_live"))
        return {
            model.follower(live[name].number): Follow(model, live[name].number, partitions=part)
            for name, model in self._models.items()
            if name in live and live[name].version == model.version
            if (part := self._worker.share_of(model.team))
        }

    def _lacking(self, wanted: Wanted) -> Wanted:
        """What of our share we don't hold all of."""
        held: dict[str, list[Partitions]] = {}
        for each in self.follows:
            held.setdefault(each.follower, []).append(each.partitions)
        return {
            name: follow
            for name, follow in wanted.items()
            if covered(held.get(name, [])) < len(follow.partitions)
        }

    async def _take(self, session: Session, lacking: Wanted) -> None:
        shares = {name: follow.partitions for name, follow in lacking.items()}
        taken = await take(self._statements, shares, self._worker.number)
        if not taken:
            return
        self.follows = ours_beside(self.follows, taken)
        names = list(lacking)
        parked: dict[str, set[str]] = {}
        for follower, key in await session.run("read_parked", followers=names):
            parked.setdefault(follower, set()).add(key)
        attempts = {
            (follower, first): times
            for follower, first, times in await session.run("read_attempts", followers=names)
        }
        for place in taken:
            follow = replace(lacking[place.follower], parked=set(parked.get(place.follower, ())))
            follow.lease, follow.position, follow.partitions = place.lease, place.position, place.partitions
            times = attempts.get((place.follower, place.partitions.first), 0)
            if times and (place.follower, place.position) not in self._counted:
                # the page that comes next was begun, and whoever began it did not live to end it
                follow.attempts, follow.careful_until = times, place.position + self._page
            self.follows.append(follow)

    async def _merge(self) -> None:
        runs = adjoining([each for each in self.follows if not each.attempts])
        if not runs:
            return
        try:
            merged = await merge(self._statements, runs)
        except LeaseLost as lost:
            raise Moved(str(lost)) from None
        for (first, *rest), (partitions, lease) in zip(runs, merged, strict=True):
            first.partitions, first.lease = partitions, lease
            first.parked.update(*(each.parked for each in rest))
            self.follows = [each for each in self.follows if each not in rest]


def _fits(follow: Follow, share: Follow | None) -> bool:
    return share is not None and follow.partitions.within(share.partitions)

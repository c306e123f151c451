"""Who moves the read models after the log? One runner in the projector process, for all of them.

Near the head it waits for news, moves what there is and rests a little; far behind it takes big pages and
prepares the next one while the database merges the last. Of several runners one moves each read model, under
a lease; the others stand by.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from eventstore.checkpoints import LEASE_SECONDS
from eventstore.codec import UnknownEvent, known_part
from eventstore.feed import Feed
from eventstore.keyring import Keyring
from eventstore.log import StoredEvent
from eventstore.statements import Pool
from eventstore.tasks import end_tasks
from projections.advance import Advancer, Follow, Moved, Work
from projections.compare import compare
from projections.generations import Connection, drop_others, live_generations, make_missing, run, sole_builder
from projections.read_model import ReadModel
from projections.read_models import READ_MODELS

__all__ = ["ProjectionRunner", "compare"]

PAGE = 5_000
SMALL_PAGE = 500
REST_SECONDS_MAX = 0.005
"""After a small page the runner rests as long as it worked, and no longer than this. So pages come close upon
one another while the machine has time, and hold more events when it has not."""
STANDBY_SECONDS = 1.0
CAREFUL_DIVISOR, CAREFUL_ATTEMPTS = 8, 8
"""A page that was begun and never ended is taken in eighths, and so on; at last its first event is parked."""
logger = structlog.get_logger()
Prepared = tuple[Sequence[StoredEvent], list[Work]]


class ProjectionRunner:
    """`run` until cancelled, or until infrastructure fails: then run again, and it goes on where it was."""

    def __init__(
        self,
        feed: Feed,
        pool: Pool,
        keyring: Keyring,
        *,
        models: Iterable[ReadModel] = READ_MODELS.values(),
        page: int = PAGE,
    ) -> None:
        self._feed = feed
        self._pool = pool
        self._keyring = keyring
        self._models = {model.name: model for model in models}
        self._page = page
        self._follows: list[Follow] = []
        self._ahead: tuple[int, asyncio.Task[Prepared]] | None = None
        self._began = 0.0  # when the work on the last page began

    async def run(self) -> None:
        async with self._pool.connection() as connection:
            await make_missing(connection, self._models.values())
            for model in self._models.values():
                async with sole_builder(connection, model.name) as alone:
                    if alone:  # else a rebuild is running, which clears up by itself
                        await drop_others(connection, model)
            advancer = Advancer(connection, self._keyring, self._feed.fact)
            renewing = asyncio.create_task(self._renew())
            try:
                await self._follow_live(connection, started=True)
                while True:
                    try:
                        await self._turns(advancer, connection)
                    except UnknownEvent as error:
                        # a newer worker wrote it, and may go on in our place: let it have the leases
                        logger.warning("halted", error=str(error))
                        await self._forget_ahead()
                        await self._release()
                        await asyncio.sleep(STANDBY_SECONDS)
                    await self._follow_live(connection)
            finally:
                await end_tasks(renewing)
                await self._forget_ahead()
                await self._release()

    async def _follow_live(self, connection: Connection, *, started: bool = False) -> None:
        """Take the leases of the live generations that are not followed, as far as nobody holds them."""
        live = await live_generations(connection)
        wanted: dict[str, Follow] = {}
        for name, model in self._models.items():
            generation = live.get(name)
            if generation and generation.version == model.version:
                wanted[model.follower(generation.number)] = Follow(model, generation.number)
            elif started:
                logger.warning("outdated", read_model=name, remedy=f"run `tillroll rebuild {name}`")
        self._follows = [follow for follow in self._follows if follow.follower in wanted]
        names = list(wanted.keys() - {follow.follower for follow in self._follows})
        taken = await run(connection, "take_leases", followers=names, seconds=LEASE_SECONDS)
        for follower, lease, position, attempts in taken:
            follow = wanted[follower]
            follow.lease, follow.position = lease, position
            if started and attempts:
                # the page that comes next was begun, and whoever began it did not live to end it
                follow.attempts, follow.careful_until = attempts, position + self._page
            self._follows.append(follow)
        for follower, key in await run(connection, "read_parked", followers=names):
            wanted[follower].parked.add(key)

    async def _release(self) -> None:
        """Give back what is held. If that fails, the leases end by themselves."""
        follows, self._follows = self._follows, []
        if follows:
            with suppress(psycopg.Error, PoolTimeout, OSError):
                async with self._pool.connection() as connection:
                    await run(connection, "release_leases", **_held(follows))

    async def _renew(self) -> None:
        """Three times a lease. If that fails, the compare-and-set of the next move decides."""
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            try:
                async with self._pool.connection() as connection:
                    await run(connection, "renew_leases", seconds=LEASE_SECONDS, **_held(self._follows))
            except (psycopg.Error, PoolTimeout, OSError) as error:
                logger.warning("leases_not_renewed", error=str(error))

    async def _turns(self, advancer: Advancer, connection: Connection) -> None:
        """Move what is followed; for a while where not all is, or nothing moves, and until a switch is met.

        A page finds a switch out by failing. Where no page comes, the caller has to look for it.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + STANDBY_SECONDS
        moved = 0
        try:
            while loop.time() < until or (moved and len(self._follows) == len(self._models)):
                moved = 0
                for group, end in self._groups():
                    if group[0].attempts:
                        moved += await self._move_carefully(advancer, connection, group[0])
                    else:
                        moved += await self._move(advancer, connection, group, end)
                if not self._follows:
                    await asyncio.sleep(STANDBY_SECONDS)
                elif moved < SMALL_PAGE:
                    await asyncio.sleep(min(REST_SECONDS_MAX, loop.time() - self._began))
        except Moved:
            await self._forget_ahead()
            await self._release()

    def _groups(self) -> list[tuple[list[Follow], int | None]]:
        """Who moves together, the last first, each with the position of those before it, if there are any."""
        together: dict[int, list[Follow]] = {}
        for follow in self._follows:
            if not follow.attempts:
                together.setdefault(follow.position, []).append(follow)
        places = sorted(together)
        groups = [(together[at], end) for at, end in zip(places, [*places[1:], None], strict=False)]
        return [*groups, *(([follow], None) for follow in self._follows if follow.attempts)]

    async def _move(
        self, advancer: Advancer, connection: Connection, group: list[Follow], end: int | None
    ) -> int:
        """Move a group by a page, but not past `end`, where it joins those before it."""
        alone = len(group) == len(self._follows)
        prepared = await self._prepared(group[0].position) if alone else None
        if prepared is None:
            await self._forget_ahead()
            limit = self._page if end is None else min(self._page, end - group[0].position)
            events: Sequence[StoredEvent] = await self._feed.page(
                group[0].position, limit, wait_seconds=1.0 if alone else 0.0
            )
            self._began = asyncio.get_running_loop().time()
            if events:
                events = known_part(events)
                await self._count_first(connection, group)
            prepared = events, await advancer.prepare(group, events) if events else []
        events, works = prepared
        if not events:
            return 0
        if alone and len(events) == self._page:
            after = events[-1].position
            self._ahead = after, asyncio.create_task(self._look_ahead(advancer, group, after))
        if not await advancer.advance(group, events, works):
            await self._forget_ahead()  # it was prepared without what is parked now
        return len(events)

    async def _count_first(self, connection: Connection, group: list[Follow]) -> None:
        """Count the first page of a worker before any handler sees it. Later ones are the next worker's."""
        for follow in group:
            if not follow.counted:
                place = {"follower": follow.follower, "position": follow.position}
                await run(connection, "count_attempt", attempts=1, **place)
                follow.counted = True

    async def _prepared(self, position: int) -> Prepared | None:
        """What was prepared while the last page was merged, if it is the page after `position`."""
        if self._ahead is None or self._ahead[0] != position:
            return None
        (_, reading), self._ahead = self._ahead, None
        return await reading

    async def _look_ahead(self, advancer: Advancer, group: list[Follow], after: int) -> Prepared:
        events = known_part(await self._feed.page(after, self._page, wait_seconds=0.0))
        return events, await advancer.prepare(group, events) if events else []

    async def _forget_ahead(self) -> None:
        ahead, self._ahead = self._ahead, None
        if ahead:
            await end_tasks(ahead[1])

    async def _move_carefully(self, advancer: Advancer, connection: Connection, follow: Follow) -> int:
        """Over a page that killed a worker before: alone, in ever smaller pages, each counted."""
        limit = max(1, self._page // CAREFUL_DIVISOR**follow.attempts)
        events = known_part(await self._feed.page(follow.position, limit, wait_seconds=0.0))
        if not events:
            return 0
        if follow.attempts >= CAREFUL_ATTEMPTS:
            await advancer.park(follow, events[:1], "its handler ends the process, again and again")
            follow.attempts = 0
            return 1
        await run(
            connection,
            "count_attempt",
            follower=follow.follower,
            position=follow.position,
            attempts=follow.attempts + 1,
        )
        await advancer.advance([follow], events)
        if follow.position >= follow.careful_until:
            follow.attempts = 0
        return len(events)


def _held(follows: Sequence[Follow]) -> dict[str, list[Any]]:
    return {"followers": [each.follower for each in follows], "leases": [each.lease for each in follows]}

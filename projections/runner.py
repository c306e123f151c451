"""Who moves the read models after the log? One runner in the projector process, for all of them.

Near the head it waits for news, moves what there is and rests a little; far behind it takes big pages and
prepares the next one while the database merges the last. Several runners share each read model by the hash of
what its events are about (`holding.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack

import psycopg
import structlog

from eventstore.codec import UnknownEvent, known_part
from eventstore.feed import Feed
from eventstore.keyring import Keyring
from eventstore.log import StoredEvent
from eventstore.tasks import drop_task, end_tasks
from projections.advance import Advancer, Moved
from projections.compare import compare
from projections.holding import Holding
from projections.page import Follow, Work
from projections.read_model import ReadModel
from projections.read_models import READ_MODELS
from projections.session import ReadModelDatabase, Session

__all__ = ["ProjectionRunner", "compare"]

PAGE = 5_000
SMALL_PAGE = 500
REST_SECONDS_MAX = 0.005
"""After a small page the runner rests as long as it worked, and no longer than this. So pages come close upon
one another while the machine has time, and hold more events when it has not."""
STANDBY_SECONDS, LACKING_SECONDS = 1.0, 0.1
"""How often a runner looks what is its own: when it has all of it, and when it has not."""
CAREFUL_DIVISOR, CAREFUL_ATTEMPTS = 8, 8
"""A page that was begun and never ended is taken in eighths, and so on; at last its first event is parked."""
logger = structlog.get_logger()
Prepared = tuple[Sequence[StoredEvent], list[Work]]


class ProjectionRunner:
    """`run` until cancelled, or until infrastructure fails: then run again, and it goes on where it was."""

    def __init__(
        self,
        feed: Feed,
        database: ReadModelDatabase,
        keyring: Keyring,
        *,
        models: Iterable[ReadModel] = READ_MODELS.values(),
        page: int = PAGE,
    ) -> None:
        self._feed = feed
        self._database = database
        self._keyring = keyring
        self._models = tuple(models)
        self._page = page
        self._holding = Holding(database, self._models, page)
        self._ahead: tuple[int, asyncio.Task[Prepared]] | None = None
        self._began = 0.0  # when the work on the last page began

    async def run(self) -> None:
        async with self._database.session() as session, AsyncExitStack() as at_the_end:
            await self._make_ready(session)
            advancer = Advancer(session, self._keyring, self._feed.fact)
            at_the_end.push_async_callback(self._holding.leave)
            await self._holding.join()
            at_the_end.push_async_callback(end_tasks, asyncio.create_task(self._holding.keep()))
            at_the_end.push_async_callback(self._forget_ahead)
            while True:
                try:
                    await self._turns(advancer, session)
                except Moved:
                    await self._forget_ahead()
                    await self._holding.give_back()
                except UnknownEvent as error:
                    logger.warning("halted", error=str(error))
                    await self._forget_ahead()
                    await self._stand_aside()
                except psycopg.errors.DeadlockDetected as error:
                    logger.warning("page_repeated", error=str(error))  # nothing has moved
                    await self._forget_ahead()

    async def _make_ready(self, session: Session) -> None:
        await session.make_ready(self._models)
        for name in await self._holding.outdated(session):
            logger.warning("outdated", read_model=name, remedy=f"run `tillroll rebuild {name}`")

    async def _stand_aside(self) -> None:
        """A newer worker wrote it, and may go on in our place: while there is any other, it has our share."""
        await self._holding.leave()
        alone = False
        while not alone:
            await asyncio.sleep(STANDBY_SECONDS)
            alone = await self._holding.is_alone()
        await self._holding.join()

    async def _turns(self, advancer: Advancer, session: Session) -> None:
        """Look what is ours, then move it for a while: not for long where something is still to be had."""
        if await self._holding.refresh(session):
            await self._forget_ahead()  # it was prepared for other partitions
        loop = asyncio.get_running_loop()
        until = loop.time() + (STANDBY_SECONDS if self._holding.complete else LACKING_SECONDS)
        while loop.time() < until:
            moved = await self._move_all(advancer, session)
            if not self._follows:
                await asyncio.sleep(max(0.0, until - loop.time()))
            elif moved < SMALL_PAGE:
                await asyncio.sleep(min(REST_SECONDS_MAX, loop.time() - self._began))

    async def _move_all(self, advancer: Advancer, session: Session) -> int:
        """A page for each group; but whoever has come up with those before goes on together with them."""
        moved = 0
        for group, end in self._groups():
            if group[0].attempts:
                moved += await self._move_carefully(advancer, session, group[0])
            else:
                moved += await self._move(advancer, session, group, end)
                if group[0].position == end:
                    break
        return moved

    @property
    def _follows(self) -> list[Follow]:
        return self._holding.follows

    def _groups(self) -> list[tuple[list[Follow], int | None]]:
        """Who moves together, the last first, each with the position of those before it, if there are any."""
        together: dict[int, list[Follow]] = {}
        for follow in self._follows:
            if not follow.attempts:
                together.setdefault(follow.position, []).append(follow)
        places = sorted(together)
        groups = [(together[at], end) for at, end in zip(places, [*places[1:], None], strict=False)]
        return [*groups, *(([follow], None) for follow in self._follows if follow.attempts)]

    async def _move(self, advancer: Advancer, session: Session, group: list[Follow], end: int | None) -> int:
        """Move a group by a page, but not past `end`, where it joins those before it."""
        alone = len(group) == len(self._follows)
        prepared = await self._prepared(group[0].position) if alone else None
        if prepared is None:
            await self._forget_ahead()
            limit = self._page if end is None else min(self._page, end - group[0].position)
            events: Sequence[StoredEvent] = await self._feed.page(
                group[0].position, limit, wait_seconds=1.0 if alone else 0.0
            )
            if events:  # else nothing has begun: to rest for no time, again and again, would be to spin
                self._began = asyncio.get_running_loop().time()
                events = known_part(events)
                await self._count_first(session, group)
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

    async def _count_first(self, session: Session, group: list[Follow]) -> None:
        """Count the first page of a worker before any handler sees it. Later ones are the next worker's."""
        for follow in group:
            if not follow.counted:
                await self._holding.count(session, follow, 1)
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
            await drop_task(ahead[1])

    async def _move_carefully(self, advancer: Advancer, session: Session, follow: Follow) -> int:
        """Over a page that killed a worker before: alone, in ever smaller pages, each counted."""
        limit = max(1, self._page // CAREFUL_DIVISOR**follow.attempts)
        events = known_part(await self._feed.page(follow.position, limit, wait_seconds=0.0))
        if not events:
            if await self._feed.log_head() <= follow.position:  # what killed that worker lies behind us
                follow.attempts = 0
            return 0
        if follow.attempts >= CAREFUL_ATTEMPTS:
            await advancer.park(follow, events[:1], "its handler ends the process, again and again")
            follow.attempts = 0
            return 1
        await self._holding.count(session, follow, follow.attempts + 1)
        await advancer.advance([follow], events)
        if follow.position >= follow.careful_until:
            follow.attempts = 0
        return len(events)

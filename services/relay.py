"""The relay: follows the log and publishes it, in order, page by page; a second relay is hot standby.

Woken by the NOTIFY of a batch, with a slow poll as the safety net. Its checkpoint moves only after all
acknowledgements; one that is far behind jumps to the head and lets followers read the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import psycopg
import structlog

from eventstore.bus import Bus, BusUnavailable
from eventstore.checkpoints import Checkpoint, holding
from eventstore.connections import connect
from eventstore.log import Log
from eventstore.pace import Pace
from eventstore.statements import Database
from eventstore.tasks import TaskGroup, end_tasks

PAGE = 500
FAR_BEHIND = 50_000
POLL_SECONDS = 1.0
MOVE_EVENTS = 2_000
"""The checkpoint moves after so many events, or when all is quiet: publishing again does no harm."""
PAGE_SECONDS, PAGE_SECONDS_EACH, PAGE_SECONDS_MAX = 0.005, 0.002, 0.03
"""Up to 500 events a second a page follows soon upon the last; heavier trade, which our own followers read
from the log, goes out in larger ones."""
logger = structlog.get_logger()


class RelayedBus(Bus, Protocol):
    """A bus that has to be made ready for publishing."""

    async def ensure_stream(self) -> None:
        """Have what is published kept for a while; raises BusUnavailable."""


class Commits(Protocol):
    """Who tells that something was committed."""

    async def listen(self, on_commit: Callable[[], None]) -> None:
        """Call `on_commit` after each, and whenever one may have been missed, until cancelled."""


class NotifiedCommits:
    """By the NOTIFY of each batch of appends; comes back after a lost connection."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url

    async def listen(self, on_commit: Callable[[], None]) -> None:
        while True:
            with suppress(psycopg.OperationalError, OSError):
                connection = await connect(self._database_url)
                async with connection:
                    await connection.execute("LISTEN tillroll_events")
                    on_commit()
                    async for _ in connection.notifies():
                        on_commit()
            await asyncio.sleep(0.5)


class Relay:
    """`run` publishes until it is cancelled."""

    def __init__(self, log: Log, bus: RelayedBus, database: Database, commits: Commits) -> None:
        self._log = log
        self._bus = bus
        self._database = database
        self._commits = commits
        self._committed = asyncio.Event()
        self._published = 0

    async def run(self) -> None:
        async with holding(self._database, "relay") as checkpoint, TaskGroup() as tasks:
            listening = tasks.create_task(self._commits.listen(self._committed.set))
            try:
                await self._publish(checkpoint)
            finally:
                await end_tasks(listening)

    async def _publish(self, checkpoint: Checkpoint) -> None:
        prepared = False
        pace = Pace(PAGE_SECONDS, seconds_each=PAGE_SECONDS_EACH, seconds_max=PAGE_SECONDS_MAX)
        self._published = checkpoint.position
        taken = 0
        while True:
            await pace.turn(taken if taken < PAGE else 0)  # no rest while it is behind
            self._committed.clear()
            checkpoint.check()
            try:
                if not prepared:
                    await self._bus.ensure_stream()
                    await self._skip_if_far_behind(checkpoint)
                    prepared = True
                taken = await self._publish_page(checkpoint)
            except (BusUnavailable, psycopg.OperationalError) as error:
                logger.warning("relay_waits", error=str(error))
                prepared = False
                await asyncio.sleep(0.5)
                continue
            if taken < PAGE:
                await self._wait(checkpoint)

    async def _publish_page(self, checkpoint: Checkpoint) -> int:
        """Publish what there is, up to a page; how many events."""
        page = await self._log.read(self._published, PAGE)
        if page:
            await self._bus.publish(page)
            self._published = page[-1].position
        if self._published - checkpoint.position >= MOVE_EVENTS:
            await checkpoint.move(self._published)
        return len(page)

    async def _wait(self, checkpoint: Checkpoint) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await self._committed.wait()
            return
        if self._published > checkpoint.position:
            await checkpoint.move(self._published)

    async def _skip_if_far_behind(self, checkpoint: Checkpoint) -> None:
        head = await self._log.head()
        if head - self._published > FAR_BEHIND:
            logger.info("relay_jumps", position=checkpoint.position, head=head)
            await checkpoint.move(head)
            self._published = head

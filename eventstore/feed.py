"""The one reader of a process: all its followers take the log from here, in order and without a gap.

Positions have no gaps. So an event at the next position is taken from the bus at once, a lower one is
dropped, and a higher one means that some were missed: they are read from the log. The log is also asked for
its head once a second, so that a lost last message is noticed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import islice

import structlog

from domain.kernel import Fact
from eventstore.bus import Bus
from eventstore.codec import decode
from eventstore.log import PAGE, Log, StoredEvent
from eventstore.tasks import end_tasks

CAPACITY = 5_000
HEAD_SECONDS = 1.0
logger = structlog.get_logger()


class Feed:
    """Events of the log from the bus or, where that is behind, from the log itself.

    Use as `async with feed.running():`; then any number of followers call `page`.
    """

    def __init__(self, log: Log, bus: Bus, capacity: int = CAPACITY) -> None:
        self._log = log
        self._bus = bus
        self._recent: deque[StoredEvent] = deque(maxlen=capacity)
        self._facts: dict[int, Fact] = {}
        self._news = asyncio.Event()
        self._behind = asyncio.Event()
        self.head = 0
        """The highest position that is known here; all up to it can be had."""
        self.last_checked = 0.0
        """When the log was last asked for its head, on the loop's clock."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Feed]:
        self.head = await self._log.head()
        async with self._bus.subscribe(self._take, self._behind.set):
            catching_up = asyncio.create_task(self._catch_up())
            try:
                yield self
            finally:
                await end_tasks(catching_up)

    async def page(self, after: int, limit: int = PAGE, wait_seconds: float = 1.0) -> list[StoredEvent]:
        """Up to `limit` events after `after`; waits for the first one, at most `wait_seconds`."""
        if after >= self.head and wait_seconds:
            news = self._news
            with suppress(TimeoutError):
                # not wait_for: Python 3.11's may swallow a cancellation that comes with the news
                async with asyncio.timeout(wait_seconds):
                    await news.wait()
        if after >= self.head:
            return []
        first = self._recent[0].position if self._recent else self.head + 1
        if after + 1 >= first:
            start = after + 1 - first
            return list(islice(self._recent, start, start + limit))
        return await self._log.read(after, limit)

    async def read(self, after: int, limit: int) -> list[StoredEvent]:
        """Events of any age, straight from the log."""
        return await self._log.read(after, limit)

    def fact(self, stored: StoredEvent) -> Fact:
        """The decoded event; decoded once for all followers of the process."""
        fact = self._facts.get(stored.position)
        if fact is None:
            fact = decode(stored)
            if len(self._facts) > CAPACITY:
                self._facts.clear()
            self._facts[stored.position] = fact
        return fact

    def _take(self, event: StoredEvent) -> None:
        if event.position == self.head + 1:
            self._recent.append(event)
            self.head = event.position
            self._announce()
        elif event.position > self.head:
            self._behind.set()

    def _announce(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def _catch_up(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(HEAD_SECONDS):
                    await self._behind.wait()
            self._behind.clear()
            try:
                while missed := await self._log.read(self.head, PAGE):
                    self._take_missed(missed)
                self.last_checked = asyncio.get_running_loop().time()
            except Exception as error:  # noqa: BLE001 - whatever it is, the log is asked again in a second
                logger.warning("feed_cannot_read", error=str(error))
                await asyncio.sleep(HEAD_SECONDS)

    def _take_missed(self, missed: list[StoredEvent]) -> None:
        for event in missed:
            if event.position == self.head + 1:  # the bus may have been faster meanwhile
                self._recent.append(event)
                self.head = event.position
        self._announce()

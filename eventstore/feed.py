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
from eventstore.log import MAX_DATA_BYTES, PAGE, Log, StoredEvent
from eventstore.tasks import end_tasks

CAPACITY = 5_000
RECENT_BYTES = 32 << 20
FACTS_BYTES = 8 << 20
PAGE_BYTES = 4 << 20
"""Of stored data; only very large events meet these bounds. Decoded, an event takes ten times as much."""
HEAD_SECONDS = 1.0
BUSY_PER_SECOND = 400.0
CALM_SECONDS = 3
LOOK_SECONDS = 0.005
logger = structlog.get_logger()


class Feed:
    """Events of the log from the bus or, where that is behind or trade is heavy, from the log itself.

    Use as `async with feed.running():`; then any number of followers call `page`.

    A message an event is fast and dear; a page of the log is slower by milliseconds and, event for event, a
    tenth of the price. While more than `busy` events come in a second the bus is left alone, and followers'
    own pace decides when the log is read.
    """

    def __init__(self, log: Log, bus: Bus, capacity: int = CAPACITY, busy: float = BUSY_PER_SECOND) -> None:
        self._log = log
        self._bus = bus
        self._busy_per_second = busy
        self._capacity = capacity
        self._recent: deque[StoredEvent] = deque()
        self._recent_bytes = 0
        self._facts: dict[int, Fact] = {}
        self._facts_bytes = 0
        self._news = asyncio.Event()
        self._behind = asyncio.Event()
        self._reading = asyncio.Lock()
        self._resting_until = 0.0
        self.busy = False
        """Whether events are read from the log only, since trade is heavy."""
        self.head = 0
        """The highest position that is known here; all up to it can be had."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Feed]:
        self.head = await self._log.head()
        following = asyncio.create_task(self._follow())
        try:
            yield self
        finally:
            await end_tasks(following)

    async def page(self, after: int, limit: int = PAGE, wait_seconds: float = 1.0) -> list[StoredEvent]:
        """Up to `limit` events after `after`; waits for the first one, at most `wait_seconds`.

        Fewer, though there are more, where their data would be more than `PAGE_BYTES`.
        """
        if after >= self.head and wait_seconds:
            with suppress(TimeoutError):
                # not wait_for: Python 3.11's may swallow a cancellation that comes with the news
                async with asyncio.timeout(wait_seconds):
                    await self._wait_past(after)
        if after >= self.head:
            return []
        first = self._recent[0].position if self._recent else self.head + 1
        if after + 1 >= first:
            start = after + 1 - first
            return _within_bytes(list(islice(self._recent, start, start + limit)))
        return _within_bytes(await self._log.read(after, limit))

    async def _wait_past(self, after: int) -> None:
        while after >= self.head:
            if self.busy:
                await self._look()
            else:
                await self._news.wait()

    async def _look(self) -> None:
        """Read on for all who wait: one of them looks, and after a look in vain all rest."""
        loop = asyncio.get_running_loop()
        if (rest := self._resting_until - loop.time()) > 0:
            await asyncio.sleep(rest)
        elif self._reading.locked():
            async with self._reading:
                pass
        elif not await self._read_on():
            self._resting_until = loop.time() + LOOK_SECONDS

    async def log_head(self) -> int:
        """The highest position of the log, which may not be here yet."""
        return await self._log.head()

    async def read(self, after: int, limit: int) -> list[StoredEvent]:
        """Events of any age, straight from the log."""
        return await self._log.read(after, limit)

    def fact(self, stored: StoredEvent) -> Fact:
        """The decoded event; decoded once for all followers of the process."""
        fact = self._facts.get(stored.position)
        if fact is None:
            fact = decode(stored)
            self._facts_bytes += len(stored.data)
            if len(self._facts) > CAPACITY or self._facts_bytes > FACTS_BYTES:
                self._facts.clear()
                self._facts_bytes = len(stored.data)
            self._facts[stored.position] = fact
        return fact

    async def _follow(self) -> None:
        """The bus while trade is light, else the log alone; by turns, as long as the process lives."""
        while True:
            async with self._bus.subscribe(self._take, self._behind.set):
                await self._listen_while_light()
            self.busy = True
            self._announce()  # whoever waits for news of the bus looks for himself from now on
            try:
                await self._watch_while_heavy()
            finally:
                self.busy = False

    async def _listen_while_light(self) -> None:
        """Catch up in doubt, and once a second, so that a lost last message is noticed."""
        loop = asyncio.get_running_loop()
        since, start = loop.time(), self.head
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(HEAD_SECONDS):
                    await self._behind.wait()
            self._behind.clear()
            with suppress(_LogAway):
                while await self._read_on() == PAGE:
                    pass
            if (spent := loop.time() - since) >= HEAD_SECONDS:
                if self.head - start > self._busy_per_second * spent:
                    return
                since, start = loop.time(), self.head

    async def _watch_while_heavy(self) -> None:
        """Followers read on by themselves; here only in case that none does."""
        calm = 0
        while calm < CALM_SECONDS:
            start = self.head
            await asyncio.sleep(HEAD_SECONDS)
            with suppress(_LogAway):
                while await self._read_on() == PAGE:
                    pass
            calm = 0 if self.head - start > self._busy_per_second / 2 else calm + 1

    async def _read_on(self) -> int:
        """Read what follows the head from the log, one reader at a time; how many events."""
        async with self._reading:
            try:
                missed = await self._log.read(self.head, PAGE)
            except Exception as error:
                logger.warning("feed_cannot_read", error=str(error))
                await asyncio.sleep(HEAD_SECONDS)
                raise _LogAway from error
        for event in missed:
            if event.position == self.head + 1:  # the bus may have been faster meanwhile
                self._keep(event)
        if missed:
            self._announce()
        return len(missed)

    def _take(self, event: StoredEvent) -> None:
        if event.position == self.head + 1:
            self._keep(event)
            self._announce()
        elif event.position > self.head:
            self._behind.set()

    def _keep(self, event: StoredEvent) -> None:
        """The next event is the head now; the oldest ones make room for it."""
        self._recent.append(event)
        self._recent_bytes += len(event.data)
        while len(self._recent) > self._capacity or self._recent_bytes > RECENT_BYTES:
            self._recent_bytes -= len(self._recent.popleft().data)
        self.head = event.position

    def _announce(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


def _within_bytes(page: list[StoredEvent]) -> list[StoredEvent]:
    """The first events of the page, as many as their data allow; at least one."""
    if len(page) <= PAGE_BYTES // MAX_DATA_BYTES:
        return page
    size = 0
    for index, event in enumerate(page):
        size += len(event.data)
        if size > PAGE_BYTES:
            return page[: max(1, index)]
    return page


class _LogAway(OSError):
    """The log could not be read; it was waited a little."""

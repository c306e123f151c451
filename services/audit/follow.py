"""How does one follow the log over HTTP? As server-sent events, each with the position token to go on from.

One connection of the process hears of commits. Each reader pulls: the next page is read once the one
before is sent, so a slow reader holds a page and no more. Where nothing comes a heart-beat does, which
also says how far the search came; a reader that comes back with it as `Last-Event-ID` misses nothing and
gets nothing twice.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import orjson
import psycopg
from psycopg_pool import PoolTimeout

from eventstore.log import LogIdentity
from eventstore.tasks import end_tasks
from services.audit.desk import Desk
from services.audit.filters import EventFilter
from services.audit.shown import envelopes
from services.relay import NotifiedCommits

HEART_BEAT_SECONDS = 15.0
LOOK_SECONDS = 1.0
BREATH_SECONDS = 0.1
"""Between two looks at the log of one who follows: what is committed meanwhile comes together."""
STREAMS_MAX = 10
"""That one user, or one key, has open at a time in one process of the API."""
PAGE = 100
RETRY_MS = 2_000
_AWAY = (psycopg.OperationalError, PoolTimeout, OSError)


class Streams:
    """How many streams each user or key has open: one of them must not take all the places."""

    def __init__(self, most: int = STREAMS_MAX) -> None:
        self._most = most
        self._open: Counter[str] = Counter()

    def has_room(self, actor: str) -> bool:
        return self._open[actor] < self._most

    @contextmanager
    def one(self, actor: str) -> Iterator[None]:
        """Counted as long as it is open."""
        self._open[actor] += 1
        try:
            yield
        finally:
            self._open[actor] -= 1
            if not self._open[actor]:
                del self._open[actor]


class News:
    """Wakes who waits for commits; use as `async with News(database_url).running()`. `end` ends all who
    follow."""

    def __init__(self, database_url: str) -> None:
        self._commits = NotifiedCommits(database_url)
        self._news = asyncio.Event()
        self.ended = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[News]:
        listening = asyncio.create_task(self._commits.listen(self._announce))
        try:
            yield self
        finally:
            self.end()
            await end_tasks(listening)

    async def wait(self, seconds: float) -> None:
        """Until something was committed, or it ends, or so long."""
        news = self._news
        if not self.ended:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await news.wait()

    def end(self) -> None:
        self.ended = True
        self._announce()

    def _announce(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


async def coming(
    desk: Desk,
    wanted: EventFilter,
    after: int,
    news: News,
    heart_beat: float = HEART_BEAT_SECONDS,
    until: int | None = None,
) -> AsyncIterator[tuple[list[dict[str, Any]], int]]:
    """The events after `after` and all that come, a few at a time, each time with how far the search came;
    none of them where nothing came for a heart-beat. It ends when `news` does, or at `until`."""
    loop = asyncio.get_running_loop()
    said = loop.time()
    while not news.ended and (until is None or after < until):
        head = await desk.history.head()
        head = head if until is None else min(head, until)
        step = await desk.history.step(wanted, after, head, PAGE)
        moved, after = step.reached > after, step.reached
        if step.events or loop.time() - said >= heart_beat:
            yield await envelopes(step.events, desk.opening), after
            said = loop.time()
        if after >= head:
            if not moved:
                await news.wait(min(LOOK_SECONDS, heart_beat))
            await asyncio.sleep(min(BREATH_SECONDS, heart_beat))


async def follow(
    desk: Desk,
    wanted: EventFilter,
    after: int,
    news: News,
    identity: LogIdentity,
    may: Callable[[], Awaitable[bool]],
    heart_beat: float = HEART_BEAT_SECONDS,
    until: int | None = None,
) -> AsyncIterator[bytes]:
    """The same as server-sent events, as long as `may` says so, which is asked once a heart-beat.

    Where the log can't be reached it ends: the reader comes back, and goes on where it was.
    """
    loop = asyncio.get_running_loop()
    asked = loop.time()
    yield b"retry: %d\n\n" % RETRY_MS
    with suppress(*_AWAY):
        async for shown, reached in coming(desk, wanted, after, news, heart_beat, until):
            if loop.time() - asked >= heart_beat:
                if not await may():
                    return
                asked = loop.time()
            beat = b": heart-beat\nid: %s\n\n" % identity.token(reached).encode()
            yield b"".join(_message(identity, each) for each in shown) or beat


def _message(identity: LogIdentity, shown: dict[str, Any]) -> bytes:
    return b"id: %s\ndata: %s\n\n" % (identity.token(shown["position"]).encode(), orjson.dumps(shown))

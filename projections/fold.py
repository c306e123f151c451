"""How is a generation filled, beside the one that serves? Page by page from the log, never through a bus.

Three things go on at a time: the log gives a page, the one before is decoded and made into rows, and the one
before that is merged. Large pages cost less, as what happens to a row in one of them is merged at once.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from domain.aggregates import EVENT_TYPES
from eventstore.ahead import Ahead
from eventstore.codec import decode
from eventstore.keyring import Keyring
from eventstore.log import StoredEvent
from eventstore.postgres import PostgresLog
from eventstore.tasks import drop_task
from projections.advance import Advancer
from projections.generations import Connection
from projections.page import Follow, Work, kinds_of
from projections.session import PostgresSession

PAGE = 20_000
COLLECT_AFTER = 1_000_000
"""New objects, more than the pages at hand are made of: they go as they came, and have no cycles. To walk
them would take a fifth of the time."""
Progress = Callable[[str, int, int], None]
"""(what, done, of how many)"""


def no_progress(what: str, done: int, total: int) -> None:
    """For those who don't want to know."""


class Fold:
    """Moves generations that stand at the same position over the log."""

    def __init__(
        self,
        connection: Connection,
        log: PostgresLog,
        keyring: Keyring,
        follows: Sequence[Follow],
        page: int = PAGE,
    ) -> None:
        self._advancer = Advancer(PostgresSession(connection), keyring, decode)
        self._log = log
        self._follows = follows
        self._page = page
        # an event of a type that this code does not know must come, and halt it
        self._unwanted = EVENT_TYPES.keys() - kinds_of(follows)

    @property
    def position(self) -> int:
        return self._follows[0].position

    async def until(self, end: int, what: str, progress: Progress = no_progress) -> None:
        """Move to `end`, which is not past the head. While a page is merged, the next one is prepared."""
        with _seldom_collecting():
            async with Ahead(lambda after: self._read(after, end), self.position, end) as pages:
                await self._follow(pages, end, what, progress)

    async def _follow(self, pages: Ahead, end: int, what: str, progress: Progress) -> None:
        events, works = await self._take(pages)
        while events:
            last = events[-1].position
            ahead = asyncio.create_task(self._take(pages))
            try:
                whole = await self._advancer.advance(self._follows, events, works)
                events, works = await ahead
            finally:
                await drop_task(ahead)
            if events and not whole:  # it was prepared without what is parked now
                works = await self._advancer.prepare(self._follows, events)
            progress(what, last, end)

    async def _read(self, after: int, end: int) -> Sequence[StoredEvent]:
        return await self._log.read_range(after, min(after + self._page, end), self._unwanted)

    async def _take(self, pages: Ahead) -> tuple[Sequence[StoredEvent], list[Work]]:
        events = await pages.next()
        return events, await self._advancer.prepare(self._follows, events) if events else []


@contextmanager
def _seldom_collecting() -> Iterator[None]:
    before = gc.get_threshold()
    if before[0] >= COLLECT_AFTER:  # another fold of this process has seen to it, and puts it back
        yield
        return
    gc.set_threshold(COLLECT_AFTER, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)

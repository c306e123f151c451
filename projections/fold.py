"""How is a generation filled, beside the one that serves? Page by page from the log, never through a bus."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from eventstore.codec import decode
from eventstore.keyring import Keyring
from eventstore.log import Log, StoredEvent
from eventstore.tasks import end_tasks
from projections.advance import Advancer
from projections.generations import Connection
from projections.page import Follow, Work

PAGE = 5_000
Progress = Callable[[str, int, int], None]
"""(what, done, of how many)"""


def no_progress(what: str, done: int, total: int) -> None:
    """For those who don't want to know."""


class Fold:
    """Moves generations that stand at the same position over the log."""

    def __init__(
        self, connection: Connection, log: Log, keyring: Keyring, follows: Sequence[Follow], page: int = PAGE
    ) -> None:
        self._advancer = Advancer(connection, keyring, decode)
        self._log = log
        self._follows = follows
        self._page = page

    @property
    def position(self) -> int:
        return self._follows[0].position

    async def until(self, end: int, what: str, progress: Progress = no_progress) -> None:
        """Move to `end`. While the database merges a page, the next one is prepared."""
        events, works = await self._take(self.position, end)
        while events:
            last = events[-1].position
            ahead = asyncio.create_task(self._take(last, end))
            try:
                whole = await self._advancer.advance(self._follows, events, works)
                events, works = await ahead
            finally:
                await end_tasks(ahead)
            if events and not whole:  # it was prepared without what is parked now
                works = await self._advancer.prepare(self._follows, events)
            progress(what, last, end)

    async def _take(self, after: int, end: int) -> tuple[list[StoredEvent], list[Work]]:
        limit = min(self._page, end - after)
        events = await self._log.read(after, limit) if limit > 0 else []
        return events, await self._advancer.prepare(self._follows, events) if events else []

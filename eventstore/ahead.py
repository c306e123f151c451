"""How is the log read from far behind at full speed? The next page comes in while this one is worked on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from eventstore.log import StoredEvent
from eventstore.tasks import drop_task

Page = Sequence[StoredEvent]
ReadAfter = Callable[[int], Coroutine[Any, Any, Page]]
"""Reads the events after a position: at least one, where there are some."""


class Ahead:
    """The pages from `after` to `end`, at most one ahead of who takes them.

    Use as `async with Ahead(...) as pages:`, and take `await pages.next()` until it is empty. A page comes in
    whenever the loop has a turn: who works on one for long gives others theirs.
    """

    def __init__(self, read: ReadAfter, after: int, end: int) -> None:
        self._read = read
        self._end = end
        self._coming = self._begin(after)

    async def __aenter__(self) -> Ahead:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._coming:
            await drop_task(self._coming)

    async def next(self) -> Page:
        """The next page, empty at the end."""
        if self._coming is None:
            return ()
        page = await self._coming
        self._coming = self._begin(page[-1].position)
        return page

    def _begin(self, after: int) -> asyncio.Task[Page] | None:
        return asyncio.create_task(self._read(after)) if after < self._end else None

"""How often may something be done that costs almost the same for one item as for a hundred? Or that may come
late?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def at_leisure(share: float) -> AsyncIterator[None]:
    """Rest after a piece of work, so that such pieces take `share` of the time at most: 0 < share <= 1.

    What may come late leaves the cores to what may not. Where they are busy a piece takes longer, and so
    does the rest.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    yield
    await asyncio.sleep((loop.time() - began) * (1 / share - 1))


class Pace:
    """At most one turn each `seconds`; what comes meanwhile is taken together. The first turn is at once.

    On two cores a dozen processes wake one another with every event: without a pace they spend their time on
    pages of one. With `seconds_each` the pace slows with what the last turn took, to `seconds_max` at most:
    below `1 / seconds_each` items a second turns stay short, above it they grow as long as they may.
    """

    def __init__(self, seconds: float, *, seconds_each: float = 0.0, seconds_max: float = 1.0) -> None:
        self._seconds = seconds
        self._seconds_each = seconds_each
        self._seconds_max = seconds_max
        self._last = float("-inf")

    async def turn(self, taken: int = 0) -> None:
        """Wait for the next turn; `taken` is how many items the last one took."""
        loop = asyncio.get_running_loop()
        wait = self._last + self.pause(taken) - loop.time()
        if wait > 0:
            await asyncio.sleep(wait)
        self._last = loop.time()

    def pause(self, taken: int) -> float:
        """Seconds from a turn that took so many to the next."""
        return min(self._seconds + taken * self._seconds_each, self._seconds_max)

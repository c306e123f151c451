"""How often may something be done that costs almost the same for one item as for a hundred?"""

from __future__ import annotations

import asyncio


class Pace:
    """At most one turn each `seconds`; what comes meanwhile is taken together. The first turn is at once.

    On two cores a dozen processes wake one another with every event: without a pace they spend their time on
    pages of one.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last = float("-inf")

    async def turn(self) -> None:
        loop = asyncio.get_running_loop()
        wait = self._last + self._seconds - loop.time()
        if wait > 0:
            await asyncio.sleep(wait)
        self._last = loop.time()

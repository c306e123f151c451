"""How many may work at once, and how many may wait for it? The rest is told to come later, at once."""

from __future__ import annotations

import asyncio
from collections import deque


class NoSlot(Exception):
    """There are too many, or the wait was too long."""


class Slots:
    """Places in the work, given in the order in which they were asked for."""

    def __init__(self, places: int, *, waiting_max: int, wait_seconds: float) -> None:
        self._free = places
        self._waiting: deque[asyncio.Future[bool]] = deque()
        self._waiting_max = waiting_max
        self._wait_seconds = wait_seconds

    @property
    def free(self) -> int:
        return self._free

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def take(self, *, back: bool = False) -> None:
        """Take a place; `give` it back. Raises NoSlot.

        Who comes `back` from a rest is let in before those who wait, and is never one too many.
        """
        if self._free and not self._waiting:
            self._free -= 1
            return
        if len(self._waiting) >= self._waiting_max and not back:
            raise NoSlot
        await self._wait(back)

    async def _wait(self, back: bool) -> None:
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[bool] = loop.create_future()
        (self._waiting.appendleft if back else self._waiting.append)(turn)
        timer = loop.call_later(self._wait_seconds, self._expire, turn)
        try:
            if not await turn:
                raise NoSlot
        except asyncio.CancelledError:
            if turn in self._waiting:
                self._waiting.remove(turn)
            elif not turn.cancelled() and turn.result():
                self.give()  # it was given in the very moment
            raise
        finally:
            timer.cancel()

    def give(self) -> None:
        """To who waits longest, else it is free."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # it is, where its task is being cancelled
                turn.set_result(True)
                return
        self._free += 1

    def _expire(self, turn: asyncio.Future[bool]) -> None:
        if not turn.done():
            self._waiting.remove(turn)
            turn.set_result(False)

"""How does one simulated process ask another: with delay, and with answers that never come?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, TypeVar

from services.simulation.clock import SeededRandom
from services.simulation.faults import Faults
from services.simulation.loop import SimulatedLoop
from services.simulation.processes import Processes

T = TypeVar("T")
DELAY_SECONDS_MAX, LATE_SECONDS_MAX = 0.004, 15.0
NEVER_SECONDS = 3_600.0


class Unreachable(OSError):
    """Nobody listens there, or the request was lost on its way: nothing was done."""


class Network:
    """`ask` runs work in another process, as a server would, and brings back what it returned or raised."""

    def __init__(
        self, loop: SimulatedLoop, processes: Processes, random: SeededRandom, faults: Faults
    ) -> None:
        self._loop = loop
        self._processes = processes
        self._random: Random = random.stream("network")
        self.faults = faults

    async def ask(self, name: str, work: Callable[[], Awaitable[T]], timeout_s: float) -> T:
        """Raises TimeoutError when no answer came (it may be done), Unreachable when nobody was asked."""
        async with asyncio.timeout(timeout_s):
            answer: asyncio.Future[T] = self._loop.create_future()
            if not self._is_lost():
                arrive, context = self._arrive, self._loop.outside.context
                self._loop.call_later(self._way(), arrive, name, work, answer, context=context)
            result = await answer
            if self._is_lost():
                await asyncio.sleep(NEVER_SECONDS)
            await asyncio.sleep(self._way())
            return result

    def _arrive(self, name: str, work: Callable[[], Awaitable[T]], answer: asyncio.Future[T]) -> None:
        """Also where whoever asked has given up or died meanwhile."""
        if self._processes.alive(name) and self._random.random() >= self.faults.refuse:
            self._loop.create_task(_serve(work, answer), context=self._processes[name].context.copy())
        elif not answer.done():
            answer.set_exception(Unreachable(f"{name} does not answer"))

    def _is_lost(self) -> bool:
        return self._random.random() < self.faults.unanswered

    def _way(self) -> float:
        """Seconds; now and then longer than anybody waits."""
        late = self._random.random() < self.faults.slow
        return self._random.random() * (LATE_SECONDS_MAX if late else DELAY_SECONDS_MAX)


async def _serve(work: Callable[[], Awaitable[Any]], answer: asyncio.Future[Any]) -> None:
    try:
        result = await work()
    except Exception as error:  # noqa: BLE001 - it is for whoever asked
        if not answer.done():
            answer.set_exception(error)
    else:
        if not answer.done():
            answer.set_result(result)

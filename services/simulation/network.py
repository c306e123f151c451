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
DELAY_SECONDS_MAX = 0.004
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
            await self._pass()
            if not self._processes.alive(name) or self._random.random() < self.faults.refuse:
                raise Unreachable(f"{name} does not answer")
            answer: asyncio.Future[T] = self._loop.create_future()
            context = self._processes[name].context.copy()
            self._loop.create_task(_serve(work, answer), context=context)
            result = await answer
            await self._pass()
            return result

    async def _pass(self) -> None:
        """Through the network: now and then not at all."""
        if self._random.random() < self.faults.unanswered:
            await asyncio.sleep(NEVER_SECONDS)
        await asyncio.sleep(self._random.random() * DELAY_SECONDS_MAX)


async def _serve(work: Callable[[], Awaitable[Any]], answer: asyncio.Future[Any]) -> None:
    try:
        result = await work()
    except Exception as error:  # noqa: BLE001 - it is for whoever asked
        if not answer.done():
            answer.set_exception(error)
    else:
        if not answer.done():
            answer.set_result(result)

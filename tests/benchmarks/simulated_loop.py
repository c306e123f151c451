"""What does the simulated loop cost, beside asyncio's own? `python -m tests.benchmarks.simulated_loop`"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Coroutine
from typing import Any

from eventstore.tasks import TaskGroup
from services.simulation.loop import SimulatedLoop

RUNS = 5
Work = Callable[[], Coroutine[Any, Any, None]]


async def _crowd(one: Work) -> None:
    await asyncio.gather(*(one() for _ in range(20)))


async def steps() -> None:
    for _ in range(10_000):
        await asyncio.sleep(0)


async def queues() -> None:
    there, back = asyncio.Queue[int](), asyncio.Queue[int]()

    async def echo() -> None:
        while number := await there.get():
            await back.put(number)

    echoing = asyncio.create_task(echo())
    for number in range(1, 1000):
        await there.put(number)
        await back.get()
    await there.put(0)
    await echoing


async def time_outs() -> None:
    for _ in range(1000):
        news = asyncio.Event()
        async with asyncio.timeout(5):
            asyncio.get_running_loop().call_later(1e-5, news.set)
            await news.wait()


async def groups() -> None:
    for _ in range(200):
        async with TaskGroup() as tasks:
            for _ in range(5):
                tasks.create_task(asyncio.sleep(0))


def _seconds(run: Callable[[], object]) -> float:
    before = time.process_time()
    run()
    return time.process_time() - before


def main() -> None:
    """Side by side in one run, interleaved; CPU seconds, medians."""
    for work in (steps, queues, time_outs, groups):
        plain, simulated = [], []
        for _ in range(RUNS):
            plain.append(_seconds(lambda work=work: asyncio.run(_crowd(work))))
            loop = SimulatedLoop(1)
            simulated.append(_seconds(lambda work=work, loop=loop: loop.run(_crowd(work))))
        ours, theirs = statistics.median(simulated), statistics.median(plain)
        rate = loop.steps / ours
        print(f"{work.__name__:>10}: {rate:9,.0f} handles a second, {theirs / ours:.2f} of asyncio's speed")


if __name__ == "__main__":
    main()

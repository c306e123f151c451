"""The nemesis troubles all processes, at any await, and starts the dead again."""

from __future__ import annotations

import asyncio

import pytest

from eventstore.tasks import TaskGroup
from services.simulation.clock import SeededRandom, SimulatedClock
from services.simulation.failures import RunFailed
from services.simulation.faults import Faults
from services.simulation.loop import SimulatedLoop
from services.simulation.nemesis import Nemesis
from services.simulation.processes import Main, Processes


async def fails_in_a_group() -> None:
    async def fails() -> None:
        await asyncio.sleep(1)
        raise OSError("away")

    async with TaskGroup() as tasks:
        tasks.create_task(fails())
        tasks.create_task(asyncio.sleep(60))


def trouble(main: Main, faults: str, seconds: float, *forgiven: type[Exception]) -> tuple[Nemesis, Processes]:
    chance = SeededRandom(1)
    loop = SimulatedLoop(chance.stream("loop"))
    processes = Processes(loop, forgiven)
    nemesis = Nemesis(processes, SimulatedClock(loop), chance.stream("nemesis"), Faults.parse(faults))

    async def play() -> None:
        processes.start("p", main)
        troubling = asyncio.create_task(nemesis.run())
        await asyncio.sleep(seconds)
        troubling.cancel()

    loop.run(play())
    return nemesis, processes


def test_it_kills_at_every_await_and_starts_again() -> None:
    deaths: dict[int, int] = dict.fromkeys(range(10), 0)
    lives: list[list[int]] = []

    async def main() -> None:
        life: list[int] = []
        lives.append(life)
        while True:
            for step in range(10):
                life.append(step)
                await asyncio.sleep(0 if step else 0.1)

    trouble(main, "crash=0.5", 600)
    for life in lives[:-1]:
        if life:
            deaths[life[-1]] += 1
    assert len(lives) > 100
    assert all(deaths.values())


def test_it_pauses_and_sets_clocks() -> None:
    gaps: list[float] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(0.1)
            gaps.append(loop.time() - before)

    nemesis, _ = trouble(main, "pause=0.1,clock=0.1", 600)
    assert max(gaps) > 5
    assert abs(nemesis._clock._ahead["p"]) > 1


def test_who_ends_by_a_forgiven_error_is_started_again() -> None:
    _, processes = trouble(fails_in_a_group, "none", 60, OSError)
    assert len(processes.exits) > 15
    with pytest.raises(RunFailed, match="task p"):
        trouble(fails_in_a_group, "none", 60, ValueError)

"""Time and ids of a simulated system come from its seed, and each process has a clock of its own."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from services.simulation.clock import START, SeededIds, SeededRandom, SimulatedClock
from services.simulation.loop import SimulatedLoop
from services.simulation.processes import Processes


def test_clocks_of_processes_jump_by_themselves() -> None:
    loop = SimulatedLoop(1)
    clock, processes = SimulatedClock(loop), Processes(loop)
    seen: dict[str, timedelta] = {}

    async def look(name: str) -> None:
        await asyncio.sleep(100)
        seen[name] = clock.now() - START

    async def main() -> None:
        for name in "ab":
            processes.start(name, lambda name=name: look(name))
        clock.jump("a", -3600)
        await look("world")
        await asyncio.sleep(1)

    loop.run(main())
    assert timedelta(seconds=-3500) <= seen["a"] < timedelta(seconds=-3499)
    assert timedelta(seconds=100) <= seen["b"] < timedelta(seconds=101)
    assert timedelta(seconds=100) <= seen["world"] < timedelta(seconds=101)


def test_ids_are_uuids_of_version_seven_that_sort_as_they_were_made() -> None:
    loop = SimulatedLoop(1)
    ids = SeededIds(SimulatedClock(loop), SeededRandom(1).stream("ids"))
    made = [ids.new() for _ in range(10_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert {(each.version, each.variant) for each in made} == {(7, "specified in RFC 4122")}
    loop.close()


def test_streams_of_chance_are_independent() -> None:
    one, two = SeededRandom(1), SeededRandom(1)
    one.stream("a").random()
    assert one.stream("b").random() == two.stream("b").random()
    assert one.stream("a").random() != two.stream("a").random()
    assert SeededRandom(2).stream("b").random() != SeededRandom(1).stream("b").random()

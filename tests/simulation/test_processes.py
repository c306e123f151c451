"""Simulated processes die, stop and start again as real ones do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from eventstore.tasks import TaskGroup
from services.simulation.failures import Deadlock, RunFailed
from services.simulation.loop import BOOT_SECONDS, SimulatedLoop
from services.simulation.process import Process
from services.simulation.processes import Processes
from tests.patience import HANGS

SEEDS = range(20)
Play = Callable[[SimulatedLoop, Processes], Coroutine[Any, Any, None]]


def play(work: Play, seed: int = 1) -> SimulatedLoop:
    loop = SimulatedLoop(seed)
    loop.run(work(loop, Processes(loop)))
    return loop


class Ticker:
    """A process that writes down what it does, with a child, a timer and `finally` blocks."""

    def __init__(self) -> None:
        self.ticks = 0
        self.callbacks = 0
        self.finals = 0

    async def main(self) -> None:
        try:
            async with TaskGroup() as tasks:
                tasks.create_task(self.tick())
                tasks.create_task(self.tick())
        finally:
            self.finals += 1
            await asyncio.sleep(0)

    async def tick(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                loop.call_later(0.05, self.called)
                async with asyncio.timeout(HANGS):
                    await asyncio.sleep(0.1)
                self.ticks += 1
        finally:
            self.finals += 1

    def called(self) -> None:
        self.callbacks += 1
        asyncio.get_running_loop().call_later(0.01, self.called_again)

    def called_again(self) -> None:
        self.callbacks += 1


def test_what_is_killed_runs_nothing_more() -> None:
    ticker = Ticker()

    async def work(loop: SimulatedLoop, processes: Processes) -> None:
        processes.start("ticker", ticker.main)
        await asyncio.sleep(10)
        assert ticker.ticks > 100
        processes.kill("ticker")
        before = (ticker.ticks, ticker.callbacks)
        await asyncio.sleep(10)
        assert before == (ticker.ticks, ticker.callbacks)
        assert ticker.finals == 0
        assert not processes.alive("ticker")

    play(work)


def test_a_process_dies_just_before_its_nth_step() -> None:
    done: list[int] = []

    async def main() -> None:
        while True:
            done.append(1)
            await asyncio.sleep(0)

    async def work(loop: SimulatedLoop, processes: Processes) -> None:
        died: list[str] = []
        loop.on_death.append(lambda process: died.append(process.name))
        for steps in range(1, 30):
            done.clear()
            processes.start("p", main)
            processes.kill_after_steps("p", steps)
            await asyncio.sleep(1)
            assert len(done) == steps - 1
            assert died == ["p"] * steps

    play(work)


def test_a_paused_process_goes_on_where_it_was() -> None:
    async def work(loop: SimulatedLoop, processes: Processes) -> None:
        ticker = Ticker()
        processes.start("ticker", ticker.main)
        await asyncio.sleep(10)
        processes.pause("ticker")
        before = (ticker.ticks, ticker.callbacks)
        await asyncio.sleep(10)
        assert before == (ticker.ticks, ticker.callbacks)
        processes.resume("ticker")
        await asyncio.sleep(10)
        assert ticker.ticks > before[0] + 100
        assert ticker.callbacks > before[1] + 100

    for seed in SEEDS:
        play(work, seed)


def test_who_was_paused_too_long_meets_its_time_out() -> None:
    async def main() -> None:
        async with asyncio.timeout(2):
            await asyncio.sleep(1)

    async def work(loop: SimulatedLoop, processes: Processes) -> None:
        process = processes.start("p", main)
        await asyncio.sleep(0.5)
        processes.pause("p")
        await asyncio.sleep(5)
        processes.resume("p")
        assert process.main
        with pytest.raises(TimeoutError):
            await process.main

    for seed in SEEDS:
        play(work, seed)


def test_a_restarted_process_is_a_new_one() -> None:
    ticker = Ticker()

    async def work(loop: SimulatedLoop, processes: Processes) -> None:
        first = processes.start("ticker", ticker.main)
        await asyncio.sleep(1)
        second = processes.restart("ticker")
        before = ticker.ticks
        await asyncio.sleep(1)
        assert (first.dead, second.dead, ticker.finals) == (True, False, 0)
        assert 0 < ticker.ticks - before <= 20

    play(work)


def test_a_future_of_a_dead_process_may_be_set() -> None:
    async def work(loop: SimulatedLoop, processes: Processes) -> None:
        answers: list[asyncio.Future[None]] = []
        woken: list[str] = []

        async def main() -> None:
            answers.append(loop.create_future())
            answers.append(loop.create_future())
            asyncio.get_running_loop().call_soon(answers[1].add_done_callback, woken.append)
            await answers[0]
            woken.append("main")

        processes.start("p", main)
        await asyncio.sleep(1)
        processes.kill("p")
        answers[0].set_exception(OSError("too late"))
        answers[1].set_exception(OSError("too late"))
        answers.clear()
        await asyncio.sleep(1)
        assert not woken

    play(work)


def test_callbacks_belong_to_who_asked_for_them() -> None:
    async def work(loop: SimulatedLoop, processes: Processes) -> None:
        shared: asyncio.Future[None] = loop.create_future()
        seen: dict[str, str] = {}

        async def main() -> None:
            shared.add_done_callback(lambda _: seen.update(asked=loop.process.name))
            loop.call_later(1, lambda: seen.update(timer=loop.process.name))
            shared.add_done_callback(lambda _: asyncio.create_task(child()))
            await shared
            seen["step"] = loop.process.name

        async def child() -> None:
            seen["child"] = loop.process.name

        processes.start("p", main)
        shared.add_done_callback(lambda _: seen.update(outside=loop.process.name))
        await asyncio.sleep(0.5)
        shared.set_result(None)
        await asyncio.sleep(2)
        assert seen == {"asked": "p", "timer": "p", "child": "p", "step": "p", "outside": "world"}

    play(work)


def test_the_error_of_a_process_fails_the_run_unless_it_is_taken() -> None:
    async def main() -> None:
        raise ValueError("no")

    async def untaken(loop: SimulatedLoop, processes: Processes) -> None:
        processes.start("p", main)
        await asyncio.sleep(1)

    async def taken(loop: SimulatedLoop, processes: Processes) -> None:
        process = processes.start("p", main)
        assert process.main
        with pytest.raises(ValueError, match="no"):
            await process.main
        assert not processes.alive("p")

    with pytest.raises(RunFailed, match="task p"):
        play(untaken)
    play(taken)


def test_what_was_ready_when_its_process_died_does_not_run() -> None:
    async def work(loop: SimulatedLoop, processes: Processes) -> None:
        turns = turns_at_death = 0

        def note(_: Process) -> None:
            nonlocal turns_at_death
            turns_at_death = turns

        async def spin() -> None:
            nonlocal turns
            while True:
                turns += 1
                loop.call_soon(called)
                await asyncio.sleep(0)

        def called() -> None:
            nonlocal turns
            turns += 1

        async def main() -> None:
            async with TaskGroup() as tasks:
                for _ in range(5):
                    tasks.create_task(spin())

        loop.on_death.append(note)
        for how in (processes.kill, lambda name: processes.kill_after_steps(name, 1)):
            processes.start("p", main)
            await asyncio.sleep(0.001)
            how("p")
            await asyncio.sleep(1)
            assert 0 < turns == turns_at_death
            assert not processes.alive("p")

    for seed in SEEDS:
        play(work, seed)


def test_timers_of_the_dead_take_no_time() -> None:
    async def work(loop: SimulatedLoop, processes: Processes) -> None:
        processes.start("p", lambda: asyncio.sleep(3600))
        await asyncio.sleep(1)
        processes.kill("p")
        await loop.create_future()

    loop = SimulatedLoop(1)
    with pytest.raises(Deadlock, match="main of world"):
        loop.run(work(loop, Processes(loop)))
    assert loop.time() < BOOT_SECONDS + 2

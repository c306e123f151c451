"""The line to the simulated store does a call once, fails as its faults say, and outlives its clients."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

import pytest
from psycopg import OperationalError

from services.simulation.clock import START, SeededRandom, SimulatedClock
from services.simulation.faults import Faults
from services.simulation.loop import SimulatedLoop
from services.simulation.processes import Processes
from services.simulation.store_line import StoreLine

SEEDS = range(30)
Work = Callable[[SimulatedLoop, StoreLine], Coroutine[Any, Any, None]]


def play(work: Work, faults: str = "none", seed: int = 1) -> None:
    chance = SeededRandom(seed)
    loop = SimulatedLoop(chance.stream("loop"))
    loop.run(work(loop, StoreLine(loop, chance.stream("store"), Faults.parse(faults))))


async def outcomes(loop: SimulatedLoop, line: StoreLine, calls: int = 300) -> Counter[tuple[bool, bool]]:
    """How many calls were (answered, done)."""
    done: set[int] = set()
    seen: Counter[tuple[bool, bool]] = Counter()

    async def call(number: int) -> None:
        try:
            answered = await line.call(loop.process, lambda: done.add(number)) is None
        except OperationalError:
            answered = False
        seen[answered, number in done] += 1

    await asyncio.gather(*(call(number) for number in range(calls)))
    return seen


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        ("none", {(True, True)}),
        ("slow=0.1", {(True, True)}),
        ("refuse=0.1", {(True, True), (False, False)}),
        ("unanswered=0.1", {(True, True), (False, True)}),
        ("down=0.01", {(True, True), (False, True), (False, False)}),
    ],
)
def test_calls_fail_before_and_after_they_are_done(faults: str, expected: set[tuple[bool, bool]]) -> None:
    async def work(loop: SimulatedLoop, line: StoreLine) -> None:
        assert set(await outcomes(loop, line)) == expected

    play(work, faults)


def test_a_works_error_is_its_callers() -> None:
    async def work(loop: SimulatedLoop, line: StoreLine) -> None:
        with pytest.raises(ZeroDivisionError):
            await line.call(loop.process, lambda: 1 / 0)

    play(work)


def test_a_call_takes_time_and_is_done_between() -> None:
    async def work(loop: SimulatedLoop, line: StoreLine) -> None:
        before = loop.time()
        at = await line.call(loop.process, loop.time)
        assert before < at < loop.time()

    play(work)


def test_a_work_is_done_by_the_servers_clock() -> None:
    async def work(loop: SimulatedLoop, line: StoreLine) -> None:
        clock, seen = SimulatedClock(loop), list[timedelta]()
        clock.jump("world", -3600)
        assert clock.now() < START
        calls = [line.call(loop.process, lambda: seen.append(clock.now() - START)) for _ in range(20)]
        calling = asyncio.gather(*calls, return_exceptions=True)
        while len(line._in_flight) < 20:
            await asyncio.sleep(0.0001)
        line.go_down(0)
        await calling
        assert 3 <= len(seen) < 20
        assert all(timedelta(0) < each < timedelta(seconds=1) for each in seen)

    play(work)


def test_all_in_flight_fails_when_the_server_breaks_down_and_half_of_it_is_done() -> None:
    async def work(loop: SimulatedLoop, line: StoreLine) -> None:
        told: list[str] = []
        line.on_down.append(lambda: told.append(loop.process.name))
        calling = asyncio.create_task(outcomes(loop, line, 100))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        while len(line._in_flight) < 100:
            await asyncio.sleep(0)
        line.go_down(1)
        seen = await calling
        assert seen[True, True] == 0
        assert 30 <= seen[False, True] <= 70
        assert told == ["store"]
        assert set(await outcomes(loop, line)) == {(False, False)}
        await asyncio.sleep(2)
        assert set(await outcomes(loop, line)) == {(True, True)}

    play(work)


@pytest.mark.parametrize("how", ["kill", "cancel"])
def test_what_a_dead_or_impatient_client_sent_may_still_be_done(how: str) -> None:
    seen: set[tuple[bool, bool]] = set()

    async def work(loop: SimulatedLoop, line: StoreLine) -> None:
        processes, done, answered = Processes(loop), list[int](), list[int]()

        async def main() -> None:
            async with asyncio.timeout(0.0015 if how == "cancel" else None):
                await line.call(loop.process, lambda: done.append(1))
            answered.append(1)

        process = processes.start("client", main)
        await asyncio.sleep(0.0015)
        if how == "kill":
            processes.kill("client")
        await asyncio.sleep(1)
        if process.main and process.main.done():
            process.main.exception()
        seen.add((bool(done), bool(answered)))

    for seed in range(100):
        play(work, seed=seed)
    assert seen == {(False, False), (True, False), (True, True)}


def test_a_call_that_is_on_its_way_when_its_client_dies_is_done_or_not() -> None:
    seen: set[bool] = set()

    async def work(loop: SimulatedLoop, line: StoreLine) -> None:
        processes, done = Processes(loop), list[int]()
        processes.start("client", lambda: line.call(loop.process, lambda: done.append(1)))
        while not line._in_flight:
            await asyncio.sleep(0)
        assert not done
        processes.kill("client")
        await asyncio.sleep(1)
        seen.add(bool(done))

    for seed in SEEDS:
        play(work, seed=seed)
    assert seen == {False, True}


def test_faults_are_said_in_words() -> None:
    assert Faults.parse("none") == Faults()
    assert Faults.parse("loss=0.5, crash=0.25") == Faults(loss=0.5, crash=0.25)
    assert Faults.parse("all,loss=0").loss == 0
    assert Faults.parse("loss=1,mild").loss == Faults.parse("mild").loss
    with pytest.raises(ValueError, match="nothing: say none, mild"):
        Faults.parse("")
    for words in ("nothing", "loss", "loss=2", "loss=x", "none=1"):
        with pytest.raises(ValueError, match=words.split("=")[0] if words != "loss=x" else "x"):
            Faults.parse(words)

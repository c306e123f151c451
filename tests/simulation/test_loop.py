"""The simulated loop keeps asyncio's promises, runs in all orders it may, and alike for the same seed."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator

import pytest

from eventstore.tasks import TaskGroup, end_tasks
from services.simulation.failures import Deadlock, RunFailed, StepsExceeded, Unsimulated
from services.simulation.loop import BOOT_SECONDS, SimulatedLoop

SEEDS = range(30)


async def fails() -> None:
    raise ValueError("no")


def test_time_passes_at_once() -> None:
    async def main() -> float:
        before = asyncio.get_running_loop().time()
        await asyncio.sleep(86_400)
        return asyncio.get_running_loop().time() - before

    began = time.monotonic()
    assert 86_400 <= SimulatedLoop(1).run(main()) < 86_401
    assert time.monotonic() - began < 3600


def test_tasks_run_in_all_orders() -> None:
    async def main() -> str:
        order: list[str] = []

        async def say(word: str) -> None:
            order.append(word)
            await asyncio.sleep(0)
            order.append(word)

        async with TaskGroup() as tasks:
            for word in "ab":
                tasks.create_task(say(word))
        return "".join(order)

    seen = {SimulatedLoop(seed).run(main()) for seed in SEEDS}
    assert seen == {"aabb", "abab", "abba", "baab", "baba", "bbaa"}


def test_callbacks_keep_their_order_and_no_step_overtakes_an_earlier_one() -> None:
    async def main() -> list[object]:
        loop, order = asyncio.get_running_loop(), list[object]()
        done = loop.create_future()
        for number in range(5):
            done.add_done_callback(lambda _, number=number: order.append(number))

        async def wait() -> None:
            await done
            order.append("step")

        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0.1)
        done.set_result(None)
        loop.call_soon(order.append, 5)
        await waiting
        return [each for each in order if each != "step"] + order[:5]

    for seed in SEEDS:
        assert SimulatedLoop(seed).run(main()) == [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4]


def test_a_callback_may_be_run_before_or_after_an_earlier_step() -> None:
    async def main() -> str:
        order: list[str] = []

        async def say() -> None:
            order.append("step")

        step = asyncio.create_task(say())
        asyncio.get_running_loop().call_soon(order.append, "callback")
        await asyncio.sleep(1)
        await step
        return " ".join(order)

    assert {SimulatedLoop(seed).run(main()) for seed in SEEDS} == {"step callback", "callback step"}


def test_a_timer_that_is_due_may_run_before_or_after_an_earlier_step() -> None:
    async def main() -> str:
        order: list[str] = []

        async def say() -> None:
            order.append("step")

        asyncio.get_running_loop().call_later(0, order.append, "timer")
        step = asyncio.create_task(say())
        await asyncio.sleep(1)
        await step
        return " ".join(order)

    assert {SimulatedLoop(seed).run(main()) for seed in SEEDS} == {"step timer", "timer step"}


def test_nobody_starves() -> None:
    async def main() -> int:
        turns = 0

        async def spin() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        spinning = [asyncio.create_task(spin()) for _ in range(10)]
        for _ in range(100):
            await asyncio.sleep(0)
        await asyncio.sleep(0.001)  # timers do not starve either
        await end_tasks(*spinning)
        return turns

    assert all(500 < SimulatedLoop(seed, steps_max=100_000).run(main()) < 5000 for seed in SEEDS)


def test_a_cancellation_may_come_in_the_moment_when_what_is_waited_for_comes() -> None:
    async def main() -> bool:
        done = asyncio.Event()
        met: list[bool] = []

        async def wait() -> None:
            try:
                async with asyncio.timeout(1.0):
                    await done.wait()
            except TimeoutError:
                met.append(done.is_set())

        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0.999)
        done.set()
        await waiting
        return any(met)

    assert {SimulatedLoop(seed).run(main()) for seed in range(100)} == {False, True}


def test_sets_of_tasks_are_iterated_alike() -> None:
    async def main() -> list[str]:
        tasks = {asyncio.create_task(asyncio.sleep(1), name=str(number)) for number in range(50)}
        done, _ = await asyncio.wait(tasks)
        return [task.get_name() for task in done]

    padding = [bytearray(number) for number in range(1000)]  # other addresses
    first = SimulatedLoop(1).run(main())
    del padding
    assert SimulatedLoop(1).run(main()) == first


def test_primitives_work() -> None:
    async def main() -> list[int]:
        lock, slots, got = asyncio.Lock(), asyncio.Semaphore(2), list[int]()
        queue: asyncio.Queue[int] = asyncio.Queue(1)

        async def put(number: int) -> None:
            async with slots, lock:
                await queue.put(number)

        async with TaskGroup() as tasks:
            for number in range(10):
                tasks.create_task(put(number))
            for _ in range(10):
                got.append(await queue.get())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await queue.get()
        assert await asyncio.gather(asyncio.sleep(1, 1), asyncio.sleep(2, 2)) == [1, 2]
        assert await asyncio.shield(asyncio.sleep(1, 3)) == 3
        return got

    orders = [SimulatedLoop(seed).run(main()) for seed in SEEDS]
    assert all(sorted(order) == list(range(10)) for order in orders)
    assert len({tuple(order) for order in orders}) > 20


def test_a_group_ends_by_its_error() -> None:
    async def main() -> None:
        async with TaskGroup() as tasks:
            tasks.create_task(asyncio.sleep(60))
            tasks.create_task(fails())

    for seed in SEEDS:
        with pytest.raises(ExceptionGroup):
            SimulatedLoop(seed).run(main())


def test_end_tasks_insists() -> None:
    async def deaf_once() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(60)

    async def main() -> bool:
        task = asyncio.create_task(deaf_once())
        await asyncio.sleep(0.1)
        await end_tasks(task)
        return task.cancelled()

    assert SimulatedLoop(1).run(main())


def test_cancelled_timers_are_forgotten() -> None:
    async def main() -> int:
        for _ in range(10_000):
            async with asyncio.timeout(3600):
                await asyncio.sleep(0)
        return len(loop._timers.heap)

    loop = SimulatedLoop(1)
    assert loop.run(main()) < 300


def test_a_deadlock_says_who_waits_and_where() -> None:
    async def first(mine: asyncio.Lock, other: asyncio.Lock) -> None:
        async with mine:
            await asyncio.sleep(1)
            async with other:
                pass

    async def main() -> None:
        one, two = asyncio.Lock(), asyncio.Lock()
        tasks = [asyncio.create_task(first(one, two), name="left")]
        tasks.append(asyncio.create_task(first(two, one), name="right"))
        await asyncio.gather(*tasks)

    with pytest.raises(Deadlock) as told:
        SimulatedLoop(1).run(main())
    assert "left of world: test_loop.py" in str(told.value)
    assert "first -> Lock.acquire" in str(told.value)


def test_cancelled_timers_take_no_time() -> None:
    async def main() -> None:
        async with asyncio.timeout(3600):
            await asyncio.sleep(1)
        await asyncio.Event().wait()

    loop = SimulatedLoop(1)
    with pytest.raises(Deadlock):
        loop.run(main())
    assert loop.time() < BOOT_SECONDS + 2


def test_what_spins_comes_to_an_end() -> None:
    async def main() -> None:
        while True:
            await asyncio.sleep(0)

    with pytest.raises(StepsExceeded, match="no end after 1234 steps"):
        SimulatedLoop(1, steps_max=1234).run(main())


def test_errors_that_nobody_takes_fail_the_run() -> None:
    kept: list[asyncio.Task[None]] = []

    async def keep_and_drop() -> None:
        kept.append(asyncio.create_task(fails(), name="kept"))
        asyncio.create_task(fails(), name="dropped")  # noqa: RUF006 - that is the point
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await asyncio.sleep(1)

    with pytest.raises(RunFailed, match="kept") as told:
        SimulatedLoop(1).run(keep_and_drop())
    assert "dropped" in str(told.value)
    assert "ZeroDivisionError" in str(told.value)


def test_threads_and_sockets_are_refused() -> None:
    async def main() -> None:
        with pytest.raises(Unsimulated, match="wants a thread"):
            await asyncio.to_thread(time.sleep, 1)
        with pytest.raises(Unsimulated):
            await asyncio.open_connection("localhost", 1)

    SimulatedLoop(1).run(main())


def test_what_is_left_at_the_end_leaves_without_a_word(recwarn: pytest.WarningsRecorder) -> None:
    said: list[str] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
                await asyncio.sleep(1)
        finally:
            said.append("generator")
            await asyncio.sleep(1)

    async def stubborn() -> None:
        while True:
            try:
                async for _ in numbers():
                    pass
            except Exception:  # noqa: BLE001
                said.append("an error")
            finally:
                never_awaited = fails()
                for _ in range(3):
                    await asyncio.sleep(0)
                asyncio.create_task(fails())  # noqa: RUF006
                await asyncio.sleep(1)
                await never_awaited

    async def main() -> None:
        asyncio.create_task(stubborn())  # noqa: RUF006
        await asyncio.sleep(10)
        asyncio.create_task(stubborn())  # noqa: RUF006 - has not begun

    SimulatedLoop(1).run(main())
    gc.collect()
    assert "an error" not in said
    assert not recwarn.list

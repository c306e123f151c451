"""One seed, one history: whatever the hash seed of Python, the addresses of objects, and what ran before."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from psycopg import OperationalError

from eventstore.tasks import TaskGroup, end_tasks
from services.simulation.store_line import StoreLine
from tests.simulation.test_simulated_bus import Town, fed

ROOT = Path(__file__).parents[2]
SEEDS = range(3)


class Mill:
    """A process with a bit of everything that asyncio has."""

    def __init__(self, town: Town, line: StoreLine) -> None:
        self.town = town
        self.line = line
        self.history: list[object] = []

    async def main(self) -> None:
        self.lock, self.slots = asyncio.Lock(), asyncio.Semaphore(3)
        self.queue: asyncio.Queue[int] = asyncio.Queue(5)
        async with TaskGroup() as tasks:
            for number in range(4):
                tasks.create_task(self.put(number))
                tasks.create_task(self.get(number))
            tasks.create_task(self.race())

    async def put(self, number: int) -> None:
        while True:
            async with self.slots, self.lock:
                await self.queue.put(number)
            try:
                self.history.append(await self.line.call(self.town.loop.process, lambda: number))
            except OperationalError as error:
                self.history.append(str(error))

    async def get(self, number: int) -> None:
        while True:
            try:
                async with asyncio.timeout(0.05):
                    self.history.append((number, await self.queue.get()))
                    await asyncio.sleep(number * 0.02)
            except TimeoutError:
                self.history.append("late")

    async def race(self) -> None:
        """Sets of tasks and of futures, first ones, cancellations."""
        loop = asyncio.get_running_loop()
        while True:
            racers = {asyncio.create_task(asyncio.sleep(0.01), name=str(number)) for number in range(9)}
            futures = {loop.create_future() for _ in range(9)}
            for future in futures:
                loop.call_later(0.01, lambda future=future: future.done() or future.set_result(1))
            done, late = await asyncio.wait(racers | futures, return_when=asyncio.FIRST_COMPLETED)
            self.history.append([self.town.loop.time(), *map(hash, done)])
            await end_tasks(*(each for each in late if isinstance(each, asyncio.Task)))


def digest_of(seed: int) -> str:
    """Of the schedule, and of what happened."""
    town = Town(seed, "all,crash=0.2,partition=0.05,down=0.002,pause=0.05")
    line = StoreLine(town.loop, town.nemesis._random, town.faults)
    mill = Mill(town, line)

    async def main() -> None:
        town.processes.start("mill", mill.main)
        await fed(town, 150)

    town.run(main())
    assert len(mill.history) > 300
    return f"{town.loop.digest} {sha256(repr(mill.history).encode()).hexdigest()}"


def digests_elsewhere(hash_seed: str) -> list[str]:
    """As another interpreter says them."""
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", __name__]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.split("\n")[:-1]


def test_one_seed_one_history() -> None:
    digests = [digest_of(seed) for seed in SEEDS]
    assert len(set(digests)) == len(SEEDS)
    assert digests == [digest_of(seed) for seed in SEEDS]
    assert digests == digests_elsewhere("1") == digests_elsewhere("4711")


if __name__ == "__main__":
    for each in SEEDS:
        print(digest_of(each))

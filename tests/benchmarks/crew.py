"""How is a contender measured in one process and in two? By processes that wait to be told, and start
together.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

SAY_SECONDS_MAX = 120.0
STOP_SECONDS = 5.0
PROCESSES = 2


class WorkerFailed(RuntimeError):
    """A process of a contender ended, or said nothing; the message has its last words."""


@dataclass(frozen=True, slots=True)
class Crew:
    """The processes of one contender; see `worker` for what is said between them and here."""

    processes: list[Process]
    log: Path

    async def measure(self, processes: int, writers: int, seconds: float) -> float:
        """Appends a second of so many writers, shared among so many processes."""
        at_work = self.processes[:processes]
        for each in at_work:
            await self._tell(each, f"{writers // processes} {seconds}")
        for each in at_work:
            assert await self._hear(each) == "ready"
        for each in at_work:
            await self._tell(each, "go")
        return sum([float(await self._hear(each)) for each in at_work])

    async def _tell(self, process: Process, text: str) -> None:
        assert process.stdin is not None
        process.stdin.write(f"{text}\n".encode())
        with contextlib.suppress(ConnectionError):  # it will be missed when it should answer
            await process.stdin.drain()

    async def _hear(self, process: Process) -> str:
        assert process.stdout is not None
        async with asyncio.timeout(SAY_SECONDS_MAX):
            line = await process.stdout.readline()
        if not line:
            raise WorkerFailed(f"{self.log.stem} ended: {self.log.read_text()[-500:]}")
        return line.decode().strip()


@asynccontextmanager
async def crew(
    name: str, arguments: Sequence[str | Path], directory: Path, *, cwd: Path | None = None
) -> AsyncIterator[Crew]:
    """Two processes with these arguments, up one after the other; what they complain of is in a file."""
    log = directory / f"{name}.log"
    found = Crew([], log)
    with log.open("ab") as complaints:
        try:
            for _ in range(PROCESSES):
                process = await asyncio.create_subprocess_exec(
                    *map(str, arguments), stdin=PIPE, stdout=PIPE, stderr=complaints, cwd=cwd
                )
                found.processes.append(process)
                assert await found._hear(process) == "up"
            yield found
        finally:
            for process in found.processes:
                await _end(process)


async def _end(process: Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    if process.returncode is None:
        process.kill()
        await process.wait()


def python_worker(name: str, address: str) -> list[str]:
    return [sys.executable, "-m", "tests.benchmarks.worker", name, address]

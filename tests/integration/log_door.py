"""A log as another process has it, over a pipe: `python -m tests.integration.log_door`, and `RemoteLog`.

`kill` ends that process in the middle of whatever it does; who waits for it then hears `Gone`.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import pickle
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from psycopg_pool.base import AttemptWithBackoff

from eventstore.log import PAGE, STREAM_LIMIT, Append, Content, LogIdentity, Outcome, StoredEvent
from eventstore.postgres import PostgresLog
from tests.contract.appends import StillClock

ROOT = Path(__file__).parents[2]
HEAD_BYTES = 4


class Gone(Exception):
    """The process ended before it answered."""


class RemoteLog:
    """See `eventstore.log.Log`. `name` is what Postgres calls its connections."""

    identity: LogIdentity

    def __init__(self, name: str) -> None:
        self.name = name
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self.killed = False

    async def start(self) -> RemoteLog:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.integration.log_door",
            cwd=ROOT, env=os.environ | {"PGAPPNAME": self.name},
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        self._listening = asyncio.create_task(self._listen())
        return self

    async def open(self, url: str) -> None:
        """Serve the log at `url`."""
        self.identity = await self._ask("open", url)

    async def close(self) -> None:
        """Leave that log; whatever waits is finished."""
        await self._ask("close")

    async def append(self, append: Append) -> Outcome:
        outcome: Outcome = await self._ask("append", append)
        return outcome

    async def read(self, after: int, limit: int = PAGE) -> list[StoredEvent]:
        events: list[StoredEvent] = await self._ask("read", after, limit)
        return events

    async def read_streams(
        self, wanted: Sequence[tuple[str, int]], limit: int = STREAM_LIMIT
    ) -> list[list[StoredEvent]]:
        streams: list[list[StoredEvent]] = await self._ask("read_streams", wanted, limit)
        return streams

    async def read_contents(
        self, wanted: Sequence[tuple[str, int]], limit: int = STREAM_LIMIT
    ) -> list[list[Content]]:
        streams: list[list[Content]] = await self._ask("read_contents", wanted, limit)
        return streams

    async def head(self) -> int:
        return int(await self._ask("head"))

    async def present(self) -> tuple[LogIdentity, bool]:
        present: tuple[LogIdentity, bool] = await self._ask("present")
        return present

    def kill(self) -> None:
        self.killed = True
        self._process.kill()

    async def stop(self) -> None:
        """Let the process end; returns when it has."""
        assert self._process.stdin
        self._process.stdin.close()
        await self._process.wait()
        await self._listening

    async def _ask(self, method: str, *arguments: Any) -> Any:
        if self._listening.done():
            raise Gone(self.name)
        assert self._process.stdin
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._process.stdin.write(_framed((number, method, arguments)))
        return await answer

    async def _listen(self) -> None:
        assert self._process.stdout
        while (message := await _receive(self._process.stdout)) is not None:
            number, answer, error = message
            waiting = self._waiting.pop(number)
            if waiting.done():
                continue
            if error:
                waiting.set_exception(error)
            else:
                waiting.set_result(answer)
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(Gone(self.name))
        self._waiting.clear()


def _framed(message: Any) -> bytes:
    content = pickle.dumps(message)
    return len(content).to_bytes(HEAD_BYTES) + content


async def _receive(stream: asyncio.StreamReader) -> Any:
    """The next message; None at the end."""
    try:
        return pickle.loads(await stream.readexactly(int.from_bytes(await stream.readexactly(HEAD_BYTES))))
    except asyncio.IncompleteReadError:
        return None


class _Server:
    """Serves one log at a time to whoever started this process."""

    def __init__(self) -> None:
        self._log: PostgresLog | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        loop = asyncio.get_running_loop()
        asked = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(asked), sys.stdin)
        while (message := await _receive(asked)) is not None:
            task = asyncio.create_task(self._answer(*message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        await self._close()

    async def _answer(self, number: int, method: str, arguments: tuple[Any, ...]) -> None:
        answer, failed = None, None
        try:
            answer = await self._do(method, arguments)
        except Exception as error:  # noqa: BLE001 - whoever asked must hear of it
            failed = error
        sys.stdout.buffer.write(_framed((number, answer, failed)))
        sys.stdout.buffer.flush()

    async def _do(self, method: str, arguments: tuple[Any, ...]) -> Any:
        if method == "open":
            self._log = await PostgresLog.connect(arguments[0], StillClock())
            return self._log.identity
        if method == "close":
            return await self._close()
        return await getattr(self._log, method)(*arguments)

    async def _close(self) -> None:
        log, self._log = self._log, None
        if log:
            await log.close()


if __name__ == "__main__":
    # a pool tries to connect again after a moment, not after seconds: the server is up again soon
    AttemptWithBackoff.INITIAL_DELAY, AttemptWithBackoff.DELAY_BACKOFF = 0.02, 1.2
    asyncio.run(_Server().serve())

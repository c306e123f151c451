"""Who appends, and how, in a process of its own? Ours, the `eventsourcing` library's recorder, UmaDB's
client.

Each makes its appends before the clock starts (`prepare`), and then lets so many writers append them, each
of whom waits for its answer before it sends the next (`run`). The library and UmaDB's client have threads
as writers, ours tasks of its event loop, as in the system.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import umadb
from eventsourcing.persistence import InfrastructureFactory, StoredEvent
from eventsourcing.utils import Environment
from psycopg.conninfo import conninfo_to_dict

from eventstore.log import Append
from eventstore.postgres import PostgresLog
from tests.benchmarks.shapes import DATA, EVENTS, METADATA, TYPE, enough, make_append, next_id, stream_name

Work = TypeVar("Work")


class Rival(Protocol):
    """One contender in this process."""

    async def prepare(self, writers: int, seconds: float) -> None:
        """Make what will be appended."""

    async def run(self, writers: int, seconds: float) -> float:
        """Appends a second."""

    async def close(self) -> None: ...


class Ours:
    """The log as the system uses it: one appender a process, a task a writer."""

    def __init__(self, log: PostgresLog) -> None:
        self._log = log
        self._ready: list[Append] = []

    @classmethod
    async def connect(cls, database_url: str) -> Ours:
        return cls(await PostgresLog.connect(database_url))

    async def prepare(self, writers: int, seconds: float) -> None:
        self._ready = [make_append() for _ in range(enough(writers, seconds))]

    async def run(self, writers: int, seconds: float) -> float:
        ready, count = self._ready, 0
        deadline = (started := time.perf_counter()) + seconds

        async def write() -> None:
            nonlocal count
            while time.perf_counter() < deadline:
                await self._log.append(ready.pop())
                count += 1

        await asyncio.gather(*(write() for _ in range(writers)))
        return count / (time.perf_counter() - started)

    async def close(self) -> None:
        await self._log.close()


class _Threads:
    """What the two with threads share."""

    def __init__(self) -> None:
        self._ready: list[Any] = []

    def make(self) -> Any:
        raise NotImplementedError

    def append(self, work: Any) -> None:
        raise NotImplementedError

    async def prepare(self, writers: int, seconds: float) -> None:
        self._ready = [self.make() for _ in range(enough(writers, seconds))]

    async def run(self, writers: int, seconds: float) -> float:
        return await asyncio.to_thread(run_threads, writers, seconds, self._ready, self.append)


def run_threads(writers: int, seconds: float, ready: list[Work], append: Callable[[Work], None]) -> float:
    """Appends a second of `writers` threads that append for so long."""
    counts = [0] * writers
    begin = threading.Barrier(writers + 1)
    deadline = 0.0

    def work(at: int) -> None:
        begin.wait()
        while time.perf_counter() < deadline:
            append(ready.pop())
            counts[at] += 1

    threads = [threading.Thread(target=work, args=(at,)) for at in range(writers)]
    for thread in threads:
        thread.start()
    deadline = (started := time.perf_counter()) + seconds
    begin.wait()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - started)


class Library(_Threads):
    """`eventsourcing.postgres` with its defaults, in a database of its own."""

    def __init__(self, database_url: str) -> None:
        super().__init__()
        self._factory: Any = InfrastructureFactory.construct(library_environment(database_url))
        self._recorder = self._factory.application_recorder()

    @classmethod
    async def connect(cls, database_url: str) -> Library:
        return cls(database_url)

    def make(self) -> list[StoredEvent]:
        stream = next_id()
        return [StoredEvent(stream, version, TYPE, DATA) for version in range(1, EVENTS + 1)]

    def append(self, work: list[StoredEvent]) -> None:
        self._recorder.insert_events(work)

    async def close(self) -> None:
        self._factory.close()


def library_environment(database_url: str) -> Environment:
    """Where the library keeps its events, with its defaults otherwise."""
    parts = conninfo_to_dict(database_url)
    names = {"DBNAME": "dbname", "HOST": "host", "USER": "user", "PASSWORD": "password"}
    settings = {f"POSTGRES_{name}": str(parts[part]) for name, part in names.items()}
    return Environment("bench", {**settings, "PERSISTENCE_MODULE": "eventsourcing.postgres"})


class Umadb(_Threads):
    """UmaDB's own client, for its server at `address`."""

    def __init__(self, address: str) -> None:
        super().__init__()
        # one client for all threads: with one each it is slower
        self._client = umadb.Client(f"http://{address}")
        self._metadata = {"row": METADATA.decode()}

    @classmethod
    async def connect(cls, address: str) -> Umadb:
        return cls(address)

    def make(self) -> tuple[list[umadb.Event], umadb.AppendCondition]:
        tags = [stream_name(next_id())]
        # the promise that ours gives: the stream must stand where it is expected
        condition = umadb.AppendCondition(umadb.Query([umadb.QueryItem(tags=tags)]))
        return [umadb.Event(TYPE, DATA, tags, next_id(), self._metadata) for _ in range(EVENTS)], condition

    def append(self, work: tuple[list[umadb.Event], umadb.AppendCondition]) -> None:
        self._client.append(*work)

    async def close(self) -> None:
        pass

"""Who else appends? The `eventsourcing` library's Postgres recorder as it comes, and UmaDB; with threads."""

from __future__ import annotations

import asyncio
import os
import socket
import sysconfig
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import umadb
from eventsourcing.persistence import InfrastructureFactory, StoredEvent
from eventsourcing.utils import Environment
from psycopg.conninfo import conninfo_to_dict

from services.embedded.children import Child, spawn
from tests.benchmarks.shapes import DATA, EVENTS, METADATA, TYPE, enough, next_id, stream_name

Work = TypeVar("Work")


def run_threads(
    writers: int, seconds: float, make: Callable[[], Work], append: Callable[[Work], None]
) -> float:
    """Appends a second of `writers` threads that append for so long what was made before."""
    work_at_hand = [make() for _ in range(enough(writers, seconds))]
    counts = [0] * writers
    ready = threading.Barrier(writers + 1)
    deadline = 0.0

    def work(at: int) -> None:
        ready.wait()
        while time.perf_counter() < deadline:
            append(work_at_hand.pop())
            counts[at] += 1

    threads = [threading.Thread(target=work, args=(at,)) for at in range(writers)]
    for thread in threads:
        thread.start()
    deadline = (started := time.perf_counter()) + seconds
    ready.wait()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - started)


class Library:
    """`eventsourcing.postgres` with its defaults, in a database of its own."""

    def __init__(self, database_url: str) -> None:
        parts = conninfo_to_dict(database_url)
        settings = {"POSTGRES_DBNAME": parts["dbname"], "POSTGRES_HOST": parts["host"],
                    "POSTGRES_USER": parts["user"], "POSTGRES_PASSWORD": parts["password"]}  # fmt: skip
        environment = {name: str(value) for name, value in settings.items()}
        environment["PERSISTENCE_MODULE"] = "eventsourcing.postgres"
        self._factory: Any = InfrastructureFactory.construct(Environment("bench", environment))
        self._recorder = self._factory.application_recorder()

    def _make(self) -> list[StoredEvent]:
        stream = next_id()
        return [StoredEvent(stream, version, TYPE, DATA) for version in range(1, EVENTS + 1)]

    def _append(self, events: list[StoredEvent]) -> None:
        self._recorder.insert_events(events)

    async def measure(self, writers: int, seconds: float) -> float:
        return await asyncio.to_thread(run_threads, writers, seconds, self._make, self._append)

    async def close(self) -> None:
        self._factory.close()


class Umadb:
    """The server of the wheel `umadb` on loopback, durable as it comes, and its own client."""

    def __init__(self, server: Child, address: str, log: int) -> None:
        self._server = server
        self._log = log
        # one client for all threads: with one each it is slower
        self._client = umadb.Client(f"http://{address}")
        self._metadata = {"row": METADATA.decode()}

    @classmethod
    async def start(cls, directory: Path) -> Umadb:
        """Start a server and wait until it answers."""
        directory.mkdir()
        address = f"127.0.0.1:{_free_port()}"
        log = os.open(directory / "log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        program = Path(sysconfig.get_path("scripts")) / "umadb"
        arguments: list[str | Path] = [program, "--listen", address, "--db-path", directory / "uma.db"]
        server = spawn(arguments, environment=os.environ, output=log)
        while True:
            try:
                found = cls(server, address, log)
                found._client.head()
            except umadb.TransportError:
                assert server.alive, (directory / "log").read_text()
                await asyncio.sleep(0.05)
            else:
                return found

    def _make(self) -> tuple[list[umadb.Event], umadb.AppendCondition]:
        tags = [stream_name(next_id())]
        # the promise that ours gives: the stream must stand where it is expected
        condition = umadb.AppendCondition(umadb.Query([umadb.QueryItem(tags=tags)]))
        return [umadb.Event(TYPE, DATA, tags, next_id(), self._metadata) for _ in range(EVENTS)], condition

    def _append(self, work: tuple[list[umadb.Event], umadb.AppendCondition]) -> None:
        self._client.append(*work)

    async def measure(self, writers: int, seconds: float) -> float:
        return await asyncio.to_thread(run_threads, writers, seconds, self._make, self._append)

    async def close(self) -> None:
        await self._server.stop()
        os.close(self._log)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

"""The Postgres log under trial: two appenders here and two in other processes, and what may befall them.

The server is the trial's own, because it is killed. Each log is a fresh database, a copy of a migrated one
with a constraint by which the database itself refuses some appends; a mutant is that, changed by `mutation`.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

import psutil
import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import PoolTimeout

from eventstore.log import Appended, LogUnavailable, StoredEvent
from eventstore.postgres import PostgresLog
from eventstore.schema import migrate
from services.embedded import PostgresServer
from tests.contract.appends import StillClock
from tests.contract.log_calls import POISON_TYPE, Key
from tests.integration.log_door import Gone, RemoteLog
from tests.patience import HANGS

TEMPLATE = "model_template"
REMOTE = (2, 3)
_numbers = itertools.count(1)
_ROWS = """
SELECT position, stream, version, type, schema, data, merchant, correlation, causation, metadata, event_id,
       occurred_at, recorded_at, leaf_hash FROM events ORDER BY position
"""
_LEDGER = "SELECT merchant, command_id, first_position, last_position, fingerprint, answer FROM commands"
_OF_WRITER = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
_BACKENDS = """
SELECT pid FROM pg_stat_activity
WHERE datname = %s AND pid <> pg_backend_pid() AND query LIKE '%%append_batch%%' ORDER BY pid
"""


class PostgresSystem:
    """See `log_machine.System`. Its processes stay from log to log; `start` before use, `stop` at the end."""

    troubles: tuple[type[Exception], ...] = (Gone, LogUnavailable, PoolTimeout, psycopg.OperationalError)

    def __init__(self, server: PostgresServer, runner: asyncio.Runner) -> None:
        self.server = server
        self.mutation: Sequence[str] = ()
        self._runner = runner
        self._remote: dict[int, RemoteLog] = {}
        self.doors: list[Any] = []

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(work)

    async def start(self) -> None:
        await self.server.start()
        await self.execute("postgres", f"CREATE DATABASE {TEMPLATE}")
        migrate(self.server.dsn_for(TEMPLATE))
        await self.execute(TEMPLATE, f"ALTER TABLE events ADD CHECK (type <> '{POISON_TYPE}')")
        for door in REMOTE:
            self._remote[door] = await _new_writer(door)

    async def stop(self) -> None:
        for writer in self._remote.values():
            await writer.stop()
        await self.server.stop()

    async def open(self) -> None:
        self._name = f"model_{next(_numbers)}"
        copy = f"CREATE DATABASE {self._name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY"
        await self.execute("postgres", copy)
        for statement in self.mutation:
            await self.execute(self._name, statement)
        self.url = self.server.dsn_for(self._name)
        here = [await PostgresLog.connect(self.url, StillClock()) for _ in range(2)]
        for writer in self._remote.values():
            await writer.open(self.url)
        self.doors = [*here, *self._remote.values()]
        self._restless = False

    async def close(self) -> None:
        await asyncio.gather(*(door.close() for door in self.doors))
        await self.execute("postgres", f"DROP DATABASE {self._name} WITH (FORCE)")

    async def strike(self, kind: str) -> None:
        if kind == "caller":
            self._restless = True
        if kind == "backend":
            await self._kill_backend()
        if "postgres" in kind:
            await self._kill_postgres()
        if "writer" in kind:
            random.choice(list(self._remote.values())).kill()
        if "postgres" in kind:
            await self.server.start()

    async def _kill_postgres(self) -> None:
        assert self.server.pid
        postmaster = psutil.Process(self.server.pid)
        children = postmaster.children()
        for process in (postmaster, *children):  # it first, or it would begin to recover
            process.kill()
        await self.server.wait()

    async def _kill_backend(self) -> None:
        """One backend is killed; Postgres then ends all others and recovers. Returns when it has."""
        async with await self._connect("postgres") as watch:
            cursor = await watch.execute(_BACKENDS, (self._name,))
            pids = [pid for (pid,) in await cursor.fetchall()]
            if not pids:
                return
            os.kill(random.choice(pids), signal.SIGKILL)
            try:
                while True:
                    await watch.execute("SELECT 1")
                    await asyncio.sleep(0.001)
            except psycopg.OperationalError:
                pass
        await self._fetch("SELECT 1")

    async def mend(self) -> None:
        if self._restless:
            # what a caller no longer waits for may still be under way
            await self.doors[1].close()
            self.doors[1] = await PostgresLog.connect(self.url, StillClock())
            self._restless = False
        for door, writer in self._remote.items():
            if not writer.killed:
                continue
            await writer.stop()
            while (await self._fetch(_OF_WRITER, (writer.name,)))[0][0]:
                await asyncio.sleep(0.002)
            self._remote[door] = self.doors[door] = await _new_writer(door)
            await self._remote[door].open(self.url)

    async def rows(self) -> list[StoredEvent]:
        return [StoredEvent(*row) for row in await self._fetch(_ROWS)]

    async def ledger(self) -> Mapping[Key, Appended]:
        rows = await self._fetch(_LEDGER)
        return {
            (merchant, command_id): Appended(first, last, True, bytes(fingerprint), bytes(answer))
            for merchant, command_id, first, last, fingerprint, answer in rows
        }

    async def _fetch(self, query: str, arguments: Sequence[Any] = ()) -> list[TupleRow]:
        """Read beside the doors; while Postgres recovers, wait for it."""
        async with asyncio.timeout(HANGS):
            while True:
                try:
                    async with await self._connect(self._name) as connection:
                        return await (await connection.execute(query.encode(), arguments)).fetchall()
                except psycopg.OperationalError:
                    await asyncio.sleep(0.01)

    async def execute(self, database: str, statement: str) -> None:
        async with await self._connect(database) as connection:
            await connection.execute(statement.encode())

    async def _connect(self, database: str) -> psycopg.AsyncConnection[TupleRow]:
        return await psycopg.AsyncConnection.connect(
            self.server.dsn_for(database), autocommit=True, options="-c timezone=UTC"
        )


async def _new_writer(door: int) -> RemoteLog:
    return await RemoteLog(f"writer-{door}-{next(_numbers)}").start()

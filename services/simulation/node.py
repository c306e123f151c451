"""What is a simulated process of ours made of? Production's parts, on a simulated server and bus."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any, TypeVar

from commands.executor import Executor
from eventstore.appender import Appender
from eventstore.feed import Feed
from eventstore.keyring import Keyring, MemoryKeyStore
from eventstore.log import PAGE, STREAM_LIMIT, Append, Appended, Content, LogIdentity, Outcome, StoredEvent
from eventstore.memory import MemoryLog
from eventstore.seams import Clock, Ids
from eventstore.statements import Rows, Statements
from projections.read_model import ReadModel
from projections.session import Call, Session
from services.relay import RelayedBus
from services.simulation.process import Process
from services.simulation.store_line import StoreLine
from services.simulation.tables import Tables

T = TypeVar("T")
MASTER_KEY = bytes(range(32))
"""Of a log that lives as long as a simulation."""


class Line:
    """A process's way to the database's server."""

    def __init__(self, store: StoreLine, process: Process) -> None:
        self._store = store
        self._process = process

    async def call(self, work: Callable[[], T]) -> T:
        """Have `work` done there, all at once; raises psycopg.OperationalError, done or not."""
        return await self._store.call(self._process, work)


@dataclass(slots=True)
class Server:
    """What the database holds: the log, what followers keep, and the keys."""

    log: MemoryLog
    tables: Tables
    keys: MemoryKeyStore


class _Door:
    """See `eventstore.appender.Door`."""

    def __init__(self, line: Line, server: Server, clock: Clock) -> None:
        self._line = line
        self._server = server
        self._clock = clock

    async def commit(self, appends: list[Append]) -> list[Outcome]:
        batch, now = tuple(appends), self._clock.now()

        def work() -> list[Outcome]:
            outcomes = [self._server.log.commit(append, now) for append in batch]
            if any(isinstance(each, Appended) and not each.repeated for each in outcomes):
                self._server.tables.sync()  # one write-ahead log: all that was committed before is there, too
            return outcomes

        return await self._line.call(work)

    async def close(self) -> None:
        pass


class _Appender(Appender):
    """Production's, but for what it opens."""

    def __init__(self, line: Line, server: Server, clock: Clock) -> None:
        super().__init__("", server.log.identity, clock)
        self._line = line
        self._server = server

    async def open(self) -> _Door:
        await self._line.call(lambda: None)
        return _Door(self._line, self._server, self._clock)


class SimulatedLog:
    """See `eventstore.log.Log`: appends through an appender, reads over the line."""

    def __init__(self, line: Line, server: Server, clock: Clock) -> None:
        self.identity: LogIdentity = server.log.identity
        self._line = line
        self._log = server.log
        self._appender = _Appender(line, server, clock)

    async def start(self) -> None:
        await self._appender.start()

    async def append(self, append: Append) -> Outcome:
        return await self._appender.append(append)

    async def read(self, after: int, limit: int = PAGE) -> list[StoredEvent]:
        return await self._line.call(lambda: self._log.events[after : after + limit])

    async def read_streams(
        self, wanted: Sequence[tuple[str, int]], limit: int = STREAM_LIMIT
    ) -> list[list[StoredEvent]]:
        asked = tuple(wanted)
        return await self._line.call(lambda: [self._log.rest_of(name, after, limit) for name, after in asked])

    async def read_contents(
        self, wanted: Sequence[tuple[str, int]], limit: int = STREAM_LIMIT
    ) -> list[list[Content]]:
        asked = tuple(wanted)
        return await self._line.call(
            lambda: [self._log.contents_of(name, after, limit) for name, after in asked]
        )

    async def head(self) -> int:
        return await self._line.call(lambda: len(self._log.events))

    async def present(self) -> tuple[LogIdentity, bool]:
        return await self._line.call(lambda: (self._log.identity, True))


class SimulatedDatabase:
    """See `projections.session.ReadModelDatabase`."""

    def __init__(self, line: Line, tables: Tables) -> None:
        self._line = line
        self._tables = tables

    def statements(self, package: str, *files: str) -> Statements:
        return _Statements(self._line, self._tables, relaxed=False)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        yield _Session(self._line, self._tables)


class _Statements:
    def __init__(self, line: Line, tables: Tables, *, relaxed: bool) -> None:
        self._line = line
        self._tables = tables
        self._relaxed = relaxed

    async def run(self, name: str, **arguments: Any) -> Rows:
        return await self._line.call(lambda: self._tables.run(name, arguments, relaxed=self._relaxed))

    @asynccontextmanager
    async def relaxed(self) -> AsyncIterator[Statements]:
        yield _Statements(self._line, self._tables, relaxed=True)


class _Session:
    """See `projections.session.Session`."""

    def __init__(self, line: Line, tables: Tables) -> None:
        self._line = line
        self._tables = tables

    async def make_ready(self, models: Iterable[ReadModel]) -> None:
        await self._line.call(lambda: self._tables.transaction(lambda: self._tables.make_missing(models)))

    async def run(self, name: str, **arguments: Any) -> Rows:
        return await self._line.call(lambda: self._tables.run(name, arguments))

    async def write(self, calls: Sequence[Call]) -> None:
        await self._line.call(lambda: self._tables.write(calls))


class _KeyStore:
    """See `eventstore.keyring.KeyStore`."""

    def __init__(self, line: Line, server: Server) -> None:
        self._line = line
        self._server = server

    async def load(self, subjects: list[str]) -> dict[str, bytes | None]:
        return await self._line.call(lambda: self._server.keys.found(subjects))

    async def create(self, wrapped: dict[str, bytes]) -> dict[str, bytes | None]:
        def work() -> dict[str, bytes | None]:
            self._server.tables.sync()
            return self._server.keys.kept(wrapped)

        return await self._line.call(work)


class Node:
    """The parts of one life of a process; see `services.context.ProcessContext`."""

    def __init__(
        self, line: Line, server: Server, bus: RelayedBus, clock: Clock, ids: Ids, random: Random
    ) -> None:
        self.name = ""
        self.clock = clock
        self.ids = ids
        self.random = random
        self.bus = bus
        self.log = SimulatedLog(line, server, clock)
        self.identity = self.log.identity
        self.database = SimulatedDatabase(line, server.tables)
        self.keyring = Keyring(MASTER_KEY, _KeyStore(line, server), random=random.randbytes)
        self.executor = Executor(self.log, ids, self.keyring)
        self.feed = Feed(self.log, bus)

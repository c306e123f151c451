"""The log in Postgres: appends through the group-commit appender, reads through a pool.

A page is one statement, so one snapshot; and since positions are given under a lock that is held until the
commit is visible, a snapshot that has a position has all below it.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, TypeVar

from psycopg import AsyncConnection, DataError, OperationalError
from psycopg.pq import PipelineStatus
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from eventstore.appender import Appender
from eventstore.connections import STATEMENT_SECONDS, connect, read_identity, read_parameters
from eventstore.log import (
    MAX_VERSION,
    PAGE,
    STREAM_LIMIT,
    Append,
    Content,
    LogDamaged,
    LogIdentity,
    Outcome,
    StoredEvent,
)
from eventstore.queries import load_queries
from eventstore.seams import Clock
from eventstore.statements import PostgresDatabase

RANGE_BYTES = 8 << 20
"""Of stored data in memory at a time; decoded, an event takes ten times as much."""
_QUERIES = load_queries("eventstore", "log.sql")
_stored: Callable[[Sequence[Any]], StoredEvent] = partial(tuple.__new__, StoredEvent)
"""As `StoredEvent._make`, without its Python: a page has thousands of rows."""
_content: Callable[[Sequence[Any]], Content] = partial(tuple.__new__, Content)
R = TypeVar("R", StoredEvent, Content)


def make_pool(
    database_url: str,
    *,
    max_size: int = 8,
    statement_seconds: float = STATEMENT_SECONDS,
    options: str = "",
) -> AsyncConnectionPool[AsyncConnection[TupleRow]]:
    """A closed pool of autocommit connections in UTC with a statement time-out, and further `options`."""
    return AsyncConnectionPool(
        min_size=1,
        max_size=max_size,
        open=False,
        timeout=20,
        kwargs={"autocommit": True, **read_parameters(database_url, statement_seconds, options)},
        check=check_usable,
    )


async def check_usable(connection: AsyncConnection[TupleRow]) -> None:
    """Raise if the connection is of no use any more; the pool then takes another. A look, no round trip.

    One that the server closed has something to read. One whose user was cancelled while it entered pipeline
    mode is still in it (psycopg 3.3.9 may yield there though nothing is waited for): nobody sees rows on it.
    """
    if connection.pgconn.pipeline_status != PipelineStatus.OFF:
        await connection.close()  # else the pool, which takes it for idle, keeps it
        raise OperationalError("this connection was left in pipeline mode")
    look = select.poll()
    look.register(connection.fileno(), select.POLLIN)
    if look.poll(0):
        await AsyncConnectionPool.check_connection(connection)


class PostgresLog:
    """See `eventstore.log.Log`. Use as `async with PostgresLog.open(url) as log`."""

    def __init__(self, database_url: str, identity: LogIdentity, clock: Clock | None = None) -> None:
        self.identity = identity
        self.pool = make_pool(database_url)
        self.database = PostgresDatabase(self.pool)
        self._appender = Appender(database_url, identity, clock)

    @classmethod
    async def connect(cls, database_url: str, clock: Clock | None = None) -> PostgresLog:
        """The log at `database_url`, ready for use; `close` it at the end."""
        connection = await connect(database_url)
        try:
            identity, _ = await read_identity(connection)
        finally:
            await connection.close()
        log = cls(database_url, identity, clock)
        await log.pool.open()
        await log._appender.start()
        return log

    async def close(self) -> None:
        await self._appender.stop()
        await self.pool.close()

    async def __aenter__(self) -> PostgresLog:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def append(self, append: Append) -> Outcome:
        return await self._appender.append(append)

    async def read(self, after: int, limit: int = PAGE) -> list[StoredEvent]:
        try:
            rows = await self._fetch(_QUERIES.read_log.sql, {"after": after, "limit": limit})
        except DataError:
            raise await self._damage(after, after + limit) from None
        events = list(map(_stored, rows))
        # ordered and unique, so the last position tells whether one is missing
        if events and events[-1].position != after + len(events):
            raise await self._damage(after, events[-1].position)
        return events

    async def read_range(
        self, after: int, end: int, without: Collection[str] = (), data_bytes: int = RANGE_BYTES
    ) -> list[StoredEvent]:
        """The events after `after` up to `end`, which is not past the head, but those of the types `without`.

        The last one is there whatever its type, and says how far the page goes: not to `end` where the data
        would be more than `data_bytes`. Those that are left out are counted, so none is missing.
        """
        unwanted = list(without)
        while True:
            arguments = {"after": after, "end": end, "without": unwanted}
            ((count, size),) = await self._fetch_once(_QUERIES.measure_range.sql, arguments)
            if count != end - after:
                raise await self._damage(after, end)
            if size <= data_bytes or count == 1:
                break
            end = after + count // 2
        try:
            events = list(map(_stored, await self._fetch_once(_QUERIES.read_range.sql, arguments)))
        except DataError:
            raise await self._damage(after, end) from None
        if not events or events[-1].position != end:
            raise await self._damage(after, end)
        return events

    async def _damage(self, after: int, end: int) -> LogDamaged:
        """What is wrong first after `after` up to `end`."""
        rows = await self._fetch_once(_QUERIES.find_damage.sql, {"after": after, "end": end})
        if rows:
            ((position, missing),) = rows
            return LogDamaged("is missing" if missing else "has no time that can be read", position)
        ((count, _),) = await self._fetch_once(
            _QUERIES.measure_range.sql, {"after": after, "end": end, "without": []}
        )
        return LogDamaged("is missing", after + count + 1)

    async def read_streams(
        self, wanted: Sequence[tuple[str, int]], limit: int = STREAM_LIMIT
    ) -> list[list[StoredEvent]]:
        return await self._rests(_QUERIES.read_streams.sql, _stored, wanted, limit)

    async def read_contents(
        self, wanted: Sequence[tuple[str, int]], limit: int = STREAM_LIMIT
    ) -> list[list[Content]]:
        return await self._rests(_QUERIES.read_contents.sql, _content, wanted, limit)

    async def _rests(
        self, sql: str, row_of: Callable[[Sequence[Any]], R], wanted: Sequence[tuple[str, int]], limit: int
    ) -> list[list[R]]:
        streams: list[list[R]] = [[] for _ in wanted]
        arguments = {
            "streams": [name for name, _ in wanted],
            "versions": [version for _, version in wanted],
            "limit": limit,
        }
        for row in await self._fetch(sql, arguments):
            streams[row[-1] - 1].append(row_of(row[:-1]))
        for (name, after), events in zip(wanted, streams, strict=True):
            if events and events[-1].version != after + len(events):
                await self._check_beginning(name, events)
        return streams

    async def _check_beginning(self, name: str, events: Sequence[StoredEvent | Content]) -> None:
        """Unless the stream begins here (it may begin anywhere), an event is missing."""
        arguments = {"streams": [name], "versions": [-MAX_VERSION - 1], "limit": 1}
        (first,) = await self._fetch(_QUERIES.read_contents.sql, arguments)
        if first[0] != events[0].version or events[-1].version != events[0].version + len(events) - 1:
            raise LogDamaged(f"versions of {name} are missing")

    async def head(self) -> int:
        rows = await self._fetch(_QUERIES.read_head.sql, {})
        return int(rows[0][0])

    async def present(self) -> tuple[LogIdentity, bool]:
        async with self.pool.connection() as connection:
            return await read_identity(connection)

    async def _fetch(self, sql: str, arguments: dict[str, Any], *, prepare: bool = True) -> list[TupleRow]:
        async with self.pool.connection() as connection:
            cursor = await connection.execute(sql.encode(), arguments, prepare=prepare, binary=True)
            return await cursor.fetchall()

    async def _fetch_once(self, sql: str, arguments: dict[str, Any]) -> list[TupleRow]:
        """Planned for these very arguments: a long list of types is looked up by hash then, not searched."""
        return await self._fetch(sql, arguments, prepare=False)

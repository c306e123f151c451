"""What takes batches of 1,000 rows, on two connections at once, into the same full table?

No lock, no expected versions, no ledger, no answer to anybody. `Batched` begins where ours does, with
appends, and encodes and hashes their rows as ours does. `Ready` is the ceiling of the server alone: its rows
are bytes before the clock starts, in one `INSERT ... VALUES`, or in one `COPY`.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Sequence
from struct import pack
from typing import Generic, TypeVar

import psycopg
from psycopg.pq import ExecStatus, Format

from eventstore.arrays import POSTGRES_EPOCH_US
from eventstore.leaf import leaf_hash_of, microseconds
from eventstore.log import Append, StoredEvent
from eventstore.wire import RowTypes, encode_batch
from tests.benchmarks.shapes import EVENTS, OCCURRED, make_append

ROWS = 1_000
CONNECTIONS = 2
COLUMNS = tuple(StoredEvent._fields)
TYPES = ("bigint", "text", "bigint", "text", "integer", "bytea", "text", "text", "text", "bytea", "uuid",
         "timestamptz", "timestamptz", "bytea")  # fmt: skip
_NUMBERS = [f"${number}::{type_}" for number, type_ in enumerate(TYPES * ROWS, 1)]
_VALUES = ",".join(
    f"({','.join(_NUMBERS[start : start + len(TYPES)])})" for start in range(0, len(_NUMBERS), len(TYPES))
)
INSERT = f"INSERT INTO events ({','.join(COLUMNS)}) VALUES {_VALUES}"
INSERT_ARRAY = """
INSERT INTO events
SELECT $1::bigint + e.number, e.stream, e.version, e.type, e.schema, e.data, e.merchant, e.correlation,
       e.causation, e.metadata, e.event_id, e.occurred_at, $2::timestamptz, e.leaf_hash
FROM unnest($3::new_event[]) WITH ORDINALITY AS e (
    append, stream, version, type, schema, data, merchant, correlation, causation, metadata, event_id,
    occurred_at, leaf_hash, number
)
"""
TYPES_OF_ROWS = "SELECT 'new_append'::regtype::oid, 'new_stream'::regtype::oid, 'new_event'::regtype::oid"
COPY = f"COPY events ({','.join(COLUMNS)}) FROM STDIN BINARY"
_TIME = pack(">q", microseconds(OCCURRED) - POSTGRES_EPOCH_US)

Work = TypeVar("Work")
Row = Sequence[bytes]
Send = Callable[[psycopg.Connection, bytes | list[bytes]], None]


def make_rows(first_position: int) -> list[Row]:
    """A batch of rows of the same shape as the appends', in Postgres' binary format."""
    rows: list[Row] = []
    position = first_position
    while len(rows) < ROWS:
        append = make_append()
        (stream,) = append.streams
        for version, new in enumerate(stream.events, 1):
            event = StoredEvent(
                position, stream.stream, version, new.type, new.schema, new.data, append.merchant,
                append.correlation, append.causation, append.metadata, new.event_id, OCCURRED, OCCURRED, b"",
            )  # fmt: skip
            rows.append(_columns(event))
            position += 1
    return rows[:ROWS]


def _columns(event: StoredEvent) -> Row:
    return (
        pack(">q", event.position), event.stream.encode(), pack(">q", event.version), event.type.encode(),
        pack(">i", event.schema), event.data, event.merchant.encode(), event.correlation.encode(),
        event.causation.encode(), event.metadata, event.event_id.bytes, _TIME, _TIME, leaf_hash_of(event),
    )  # fmt: skip


def as_parameters(rows: list[Row]) -> list[bytes]:
    return list(itertools.chain.from_iterable(rows))


def as_copy(rows: list[Row]) -> bytes:
    count = pack(">h", len(COLUMNS))
    body = b"".join(count + b"".join(pack(">i", len(each)) + each for each in row) for row in rows)
    return b"PGCOPY\n\xff\r\n\x00" + bytes(8) + body + pack(">h", -1)


def send_insert(connection: psycopg.Connection, batch: bytes | list[bytes]) -> None:
    assert isinstance(batch, list)
    result = connection.pgconn.exec_prepared(b"batch", batch, [Format.BINARY] * len(batch))
    assert result.status == ExecStatus.COMMAND_OK, result.error_message


def send_copy(connection: psycopg.Connection, batch: bytes | list[bytes]) -> None:
    assert isinstance(batch, bytes)
    pgconn = connection.pgconn
    pgconn.exec_(COPY.encode())
    pgconn.put_copy_data(batch)
    pgconn.put_copy_end()
    while result := pgconn.get_result():
        assert result.status == ExecStatus.COMMAND_OK, result.error_message


class _Connections(Generic[Work]):
    """Two connections to a database of its own, each with a thread that sends what is at hand."""

    def __init__(self, database_url: str) -> None:
        self.connections = [psycopg.connect(database_url, autocommit=True) for _ in range(CONNECTIONS)]

    def send(self, connection: psycopg.Connection, work: Work) -> None:
        raise NotImplementedError

    def run(self, ready: list[Work]) -> float:
        """Batches a second."""
        count = len(ready)
        started = time.perf_counter()
        threads = [threading.Thread(target=self._drain, args=(each, ready)) for each in self.connections]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return count / (time.perf_counter() - started)

    def _drain(self, connection: psycopg.Connection, ready: list[Work]) -> None:
        while True:
            try:
                work = ready.pop()
            except IndexError:
                return
            self.send(connection, work)

    async def close(self) -> None:
        for connection in self.connections:
            connection.close()


class Ready(_Connections[bytes | list[bytes]]):
    """Rows that are bytes already."""

    def __init__(self, database_url: str, *, copy: bool = False) -> None:
        super().__init__(database_url)
        self._send: Send = send_copy if copy else send_insert
        self._encode: Callable[[list[Row]], bytes | list[bytes]] = as_copy if copy else as_parameters
        self._position = 1
        for connection in self.connections:
            if not copy:
                connection.pgconn.prepare(b"batch", INSERT.encode())

    def send(self, connection: psycopg.Connection, work: bytes | list[bytes]) -> None:
        self._send(connection, work)

    async def measure(self, batches: int) -> float:
        """Appends of three events a second, in rows."""
        ready = []
        for _ in range(batches):
            ready.append(self._encode(make_rows(self._position)))
            self._position += ROWS
        return await asyncio.to_thread(self.run, ready) * ROWS / EVENTS


class Batched(_Connections[tuple[int, list[Append]]]):
    """Rows that are made of appends, by the encoder that ours has too, and inserted from one array."""

    def __init__(self, database_url: str) -> None:
        super().__init__(database_url)
        self._appends = -(-ROWS // EVENTS)
        self._position = 0
        for connection in self.connections:
            connection.pgconn.prepare(b"batch", INSERT_ARRAY.encode())
        row = self.connections[0].execute(TYPES_OF_ROWS).fetchone()
        assert row is not None
        self._types = RowTypes(*row)

    def send(self, connection: psycopg.Connection, work: tuple[int, list[Append]]) -> None:
        position, appends = work
        _, recorded_at, _, _, rows = encode_batch(appends, 1, OCCURRED, self._types)
        send_insert(connection, [pack(">q", position), recorded_at, rows])

    async def measure(self, batches: int) -> float:
        """Appends of three events a second."""
        ready = []
        for _ in range(batches):
            ready.append((self._position, [make_append() for _ in range(self._appends)]))
            self._position += self._appends * EVENTS
        return await asyncio.to_thread(self.run, ready) * self._appends

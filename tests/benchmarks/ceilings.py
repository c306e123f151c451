"""What could the full table take at most? Rows in batches of 1,000, ready-made, on two connections at once.

No lock, no expected versions, no ledger, no answer to anybody: the server does nothing but take rows, and
whatever the client has to compute (ids, hashes, encoding) is done before the clock starts.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Sequence
from struct import pack

import psycopg
from psycopg.pq import ExecStatus, Format

from eventstore.arrays import POSTGRES_EPOCH_US
from eventstore.leaf import leaf_hash_of, microseconds
from eventstore.log import StoredEvent
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
COPY = f"COPY events ({','.join(COLUMNS)}) FROM STDIN BINARY"
_TIME = pack(">q", microseconds(OCCURRED) - POSTGRES_EPOCH_US)

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


class Ceiling:
    """Batches into the table `events` of a database of its own."""

    def __init__(self, database_url: str, *, copy: bool = False) -> None:
        self._connections = [psycopg.connect(database_url, autocommit=True) for _ in range(CONNECTIONS)]
        self._send: Send = send_copy if copy else send_insert
        self._encode: Callable[[list[Row]], bytes | list[bytes]] = as_copy if copy else as_parameters
        self._position = 1
        for connection in self._connections:
            if not copy:
                connection.pgconn.prepare(b"batch", INSERT.encode())

    async def measure(self, batches: int) -> float:
        """Rows a second, as appends of three events."""
        ready = []
        for _ in range(batches):
            ready.append(self._encode(make_rows(self._position)))
            self._position += ROWS
        return await asyncio.to_thread(self._run, ready) / EVENTS

    def _run(self, ready: list[bytes | list[bytes]]) -> float:
        count = len(ready)
        started = time.perf_counter()
        threads = [threading.Thread(target=self._drain, args=(each, ready)) for each in self._connections]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return count * ROWS / (time.perf_counter() - started)

    def _drain(self, connection: psycopg.Connection, ready: list[bytes | list[bytes]]) -> None:
        while ready:
            self._send(connection, ready.pop())

    async def close(self) -> None:
        for connection in self._connections:
            connection.close()

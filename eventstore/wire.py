"""How a batch of appends travels: the arguments of `append_batch` in Postgres' binary format, and its answer.

Written by hand because it is the hottest path: through psycopg's adapters the same call costs ten times the
CPU. What is the same for all events of an append, or of a stream, is encoded once, for the row and for the
leaf hash; the tests hold the hashes against `leaf_hash_of`, which reads the row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from struct import pack
from typing import Any

import orjson
import psycopg
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from eventstore.arrays import (
    POSTGRES_EPOCH_US,
    UUID_HEAD,
    array,
    bytea,
    bytea_head,
    int4,
    int8,
    length,
    text,
    timestamptz,
    uuid,
)
from eventstore.connections import Connection
from eventstore.leaf import LEAF_PREFIX, decimal, framed, microseconds
from eventstore.line import Line
from eventstore.log import Append, Appended, Conflict, EpochChanged, Outcome, StreamAppend

_STATEMENT = b"append_batch_call"
_PREPARE = "PREPARE append_batch_call AS SELECT * FROM append_batch($1, $2, $3, $4, $5)"
_TYPES = "SELECT 'new_append'::regtype::oid, 'new_stream'::regtype::oid, 'new_event'::regtype::oid"
_UUID_BYTES, _LEAF_BYTES, _INT8_COLUMN_BYTES = 16, 32, 16
_APPEND_COLUMNS, _STREAM_COLUMNS, _EVENT_COLUMNS = (pack(">i", columns) for columns in (6, 4, 13))
_LEAF_HEAD = bytea_head(_LEAF_BYTES)


@dataclass(frozen=True, slots=True)
class RowTypes:
    """The oids of the composite types that `append_batch` takes; they differ between databases."""

    new_append: int
    new_stream: int
    new_event: int


@dataclass(slots=True)
class _Rows:
    """The rows of a batch, each part after its length."""

    appends: list[bytes] = field(default_factory=list)
    streams: list[bytes] = field(default_factory=list)
    events: list[bytes] = field(default_factory=list)
    append_count: int = 0
    stream_count: int = 0
    event_count: int = 0


@lru_cache(maxsize=1024)
def _kind(type_: str, schema: int) -> tuple[bytes, bytes]:
    """Type and schema, and what comes next: in the leaf, and in the row."""
    name = type_.encode()
    return framed(name) + decimal(schema) + length(_UUID_BYTES), text(name) + int4(schema)


@lru_cache(maxsize=1024)
def _version(version: int) -> tuple[bytes, bytes]:
    """A version in the leaf, and in the row."""
    return decimal(version), int8(version)


def encode_batch(
    appends: Sequence[Append], epoch: int, recorded_at: datetime, types: RowTypes
) -> tuple[bytes, bytes, bytes, bytes, bytes]:
    """The arguments of `append_batch` in the binary wire format, hashed and stamped."""
    recorded_us = microseconds(recorded_at)
    recorded = decimal(recorded_us)
    rows = _Rows()
    for append in appends:
        _add_append(rows, append, recorded)
    return (
        pack(">i", epoch),
        pack(">q", recorded_us - POSTGRES_EPOCH_US),
        array(types.new_append, rows.append_count, rows.appends),
        array(types.new_stream, rows.stream_count, rows.streams),
        array(types.new_event, rows.event_count, rows.events),
    )


def _add_append(rows: _Rows, append: Append, recorded: bytes) -> None:
    merchant, correlation = append.merchant.encode(), append.correlation.encode()
    causation, metadata = append.causation.encode(), append.metadata
    occurred_us = microseconds(append.occurred_at)
    merchant_column = text(merchant)
    leaf_middle = b"".join((
        decimal(occurred_us), recorded, framed(merchant), framed(correlation), framed(causation),
        framed(metadata),
    ))  # fmt: skip
    row_middle = b"".join((merchant_column, text(correlation), text(causation), bytea(metadata), UUID_HEAD))
    row_end = timestamptz(occurred_us) + _LEAF_HEAD
    before = rows.event_count
    rows.append_count += 1
    number = int4(rows.append_count)
    for each in append.streams:
        _add_stream(rows, each, number, leaf_middle, row_middle, row_end)
    row = b"".join((
        _APPEND_COLUMNS, uuid(append.command_id.bytes), merchant_column, bytea(append.fingerprint),
        bytea(append.answer), int4(before), int4(rows.event_count - before),
    ))  # fmt: skip
    rows.appends += (length(len(row)), row)


def _add_stream(
    rows: _Rows, append: StreamAppend, number: bytes, leaf_middle: bytes, row_middle: bytes, row_end: bytes
) -> None:
    name = append.stream.encode()
    start = number + text(name)
    expected = append.expected_version
    row = _STREAM_COLUMNS + start + int8(expected) + int8(expected if append.begins_anywhere else 0)
    rows.streams += (length(len(row)), row)
    rows.stream_count += 1
    row_start = _EVENT_COLUMNS + start
    leaf_start = LEAF_PREFIX + framed(name)
    fixed = len(row_start) + _INT8_COLUMN_BYTES + len(row_middle) + _UUID_BYTES + len(row_end) + _LEAF_BYTES
    events = rows.events
    for version, event in enumerate(append.events, expected + 1):
        type_, schema, data, event_id = event
        leaf_version, row_version = _version(version)
        leaf_kind, row_kind = _kind(type_, schema)
        id_ = event_id.bytes
        size = len(data)
        head = bytea_head(size)
        leaf = sha256(
            b"".join((leaf_start, leaf_version, leaf_kind, id_, leaf_middle, length(size), data))
        ).digest()
        events += (
            length(fixed + len(row_kind) + len(head) + size), row_start, row_version, row_kind, head, data,
            row_middle, id_, row_end, leaf,
        )  # fmt: skip
    rows.event_count += len(append.events)


def decode_outcomes(appends: Sequence[Append], result: PGresult) -> list[Outcome]:
    """One outcome for each append, from the answer of `append_batch`: heads before and after, exceptions."""
    before, after = result.get_value(0, 0), result.get_value(0, 1)
    assert before is not None
    assert after is not None
    head, end = int(before), int(after)
    exceptions = result.get_value(0, 2)
    special = {row["ordinal"]: _exception(row) for row in orjson.loads(exceptions)} if exceptions else {}
    outcomes: list[Outcome] = []
    for ordinal, append in enumerate(appends, 1):
        exception = special.get(ordinal)
        if exception:
            outcomes.append(exception)
            continue
        first = head + 1
        head += append.event_count
        outcomes.append(Appended(first, head))
    assert head == end, f"the batch ends at {end}, its appends at {head}"
    return outcomes


def _exception(row: dict[str, Any]) -> Outcome:
    if row["outcome"] == "conflict":
        return Conflict(row["stream"], row["actual_version"])
    fingerprint, answer = (bytes.fromhex(row[name][2:]) for name in ("fingerprint", "answer"))
    return Appended(row["first_position"], row["last_position"], True, fingerprint, answer)


async def prepare_append(connection: Connection) -> RowTypes:
    """Make a connection ready for `call_append`."""
    await connection.execute(_PREPARE)
    row = await (await connection.execute(_TYPES)).fetchone()
    assert row is not None
    return RowTypes(*row)


async def call_append(line: Line, arguments: Sequence[bytes], statement: bytes = _STATEMENT) -> PGresult:
    """Run `append_batch`, or what calls it. Raises EpochChanged, or psycopg's own errors."""
    result = await line.call(statement, arguments)
    if result.status != ExecStatus.TUPLES_OK:
        error = psycopg.errors.error_from_result(result)
        if isinstance(error, psycopg.errors.ObjectNotInPrerequisiteState):
            raise EpochChanged(str(error))
        raise error
    return result

"""How a batch of appends travels: the arguments of `append_batch` in Postgres' binary format, and its answer.

Written by hand because it is the hottest path: through psycopg's adapters the same call costs three times
the CPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from struct import pack
from typing import Any

import orjson
import psycopg
from psycopg.generators import execute
from psycopg.pq import ExecStatus, Format

from eventstore.arrays import POSTGRES_EPOCH_US, array, bytea, int4, int8, text, timestamptz, uuid
from eventstore.connections import Connection
from eventstore.leaf import leaf_hash, microseconds
from eventstore.log import Append, Appended, Conflict, EpochChanged, Outcome

_STATEMENT = b"append_batch_call"
_PREPARE = "PREPARE append_batch_call AS SELECT * FROM append_batch($1, $2, $3, $4, $5)"
_TYPES = "SELECT 'new_append'::regtype::oid, 'new_stream'::regtype::oid, 'new_event'::regtype::oid"


@dataclass(frozen=True, slots=True)
class RowTypes:
    """The oids of the composite types that `append_batch` takes; they differ between databases."""

    new_append: int
    new_stream: int
    new_event: int


def encode_batch(
    appends: Sequence[Append], epoch: int, recorded_at: datetime, types: RowTypes
) -> tuple[bytes, bytes, bytes, bytes, bytes]:
    """The arguments of `append_batch` in the binary wire format, hashed and stamped."""
    recorded_us = microseconds(recorded_at)
    recorded = b"%d" % recorded_us
    append_rows: list[bytes] = []
    stream_rows: list[bytes] = []
    event_rows: list[bytes] = []
    three, five, thirteen = (pack(">i", columns) for columns in (3, 5, 13))
    for ordinal, append in enumerate(appends, 1):
        merchant, correlation = append.merchant.encode(), append.correlation.encode()
        causation, metadata = append.causation.encode(), append.metadata
        occurred_us = microseconds(append.occurred_at)
        occurred = b"%d" % occurred_us
        number, merchant_column = int4(ordinal), text(merchant)
        same = merchant_column + text(correlation) + text(causation) + bytea(metadata)
        count = 0
        for each in append.streams:
            stream = each.stream.encode()
            stream_column = text(stream)
            version = each.expected_version
            stream_rows.append(three + number + stream_column + int8(version))
            count += len(each.events)
            for event in each.events:
                version += 1
                type_, id_ = event.type.encode(), event.event_id.bytes
                leaf = leaf_hash(
                    stream, version, type_, event.schema, id_, occurred, recorded, merchant, correlation,
                    causation, metadata, event.data,
                )  # fmt: skip
                event_rows.append(
                    b"".join((
                        thirteen, number, stream_column, int8(version), text(type_), int4(event.schema),
                        bytea(event.data), same, uuid(id_), timestamptz(occurred_us), bytea(leaf),
                    ))
                )  # fmt: skip
        append_rows.append(
            b"".join((
                five, uuid(append.command_id.bytes), merchant_column, bytea(append.fingerprint),
                bytea(append.answer), int4(count),
            ))
        )  # fmt: skip
    return (
        pack(">i", epoch),
        pack(">q", recorded_us - POSTGRES_EPOCH_US),
        array(types.new_append, append_rows),
        array(types.new_stream, stream_rows),
        array(types.new_event, event_rows),
    )


def decode_outcomes(
    appends: Sequence[Append], head: int, end: int, exceptions: bytes | None
) -> list[Outcome]:
    """One outcome for each append, from the answer of `append_batch`."""
    special = {row["ordinal"]: _exception(row) for row in orjson.loads(exceptions or b"[]")}
    outcomes: list[Outcome] = []
    for ordinal, append in enumerate(appends, 1):
        exception = special.get(ordinal)
        if exception:
            outcomes.append(exception)
            continue
        count = append.event_count
        outcomes.append(Appended(head + 1, head + count))
        head += count
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


async def call_append(connection: Connection, arguments: Sequence[bytes]) -> tuple[int, int, bytes | None]:
    """Run `append_batch`: the head before, the head after, the exceptions as JSON.

    Raises EpochChanged, or psycopg's own errors.
    """
    binary = [Format.BINARY] * len(arguments)
    connection.pgconn.send_query_prepared(_STATEMENT, arguments, binary, Format.TEXT)
    result = (await connection.wait(execute(connection.pgconn)))[-1]
    if result.status != ExecStatus.TUPLES_OK:
        error = psycopg.errors.error_from_result(result)
        if isinstance(error, psycopg.errors.ObjectNotInPrerequisiteState):
            raise EpochChanged(str(error))
        raise error
    head, end = result.get_value(0, 0), result.get_value(0, 1)
    assert head is not None
    assert end is not None
    return int(head), int(end), result.get_value(0, 2)

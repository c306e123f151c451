"""The leaf hash of an event: what a Merkle tree over the log is built from (RFC 6962 leaf, prefix 0x00).

SHA-256(0x00 || stream, version, type, schema, event_id, occurred_at, recorded_at, merchant, correlation,
causation, metadata, data), each field preceded by its length as four bytes, big-endian. Integers are their
decimal text; times are microseconds since 1970-01-01 UTC as decimal text; the id is its 16 bytes.
The position is not in it: position = leaf index + 1.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from struct import Struct

from eventstore.log import StoredEvent

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LENGTHS = Struct(">12I").pack


def microseconds(moment: datetime) -> int:
    """Whole microseconds from 1970-01-01 UTC to `moment`."""
    return (moment - _EPOCH) // _MICROSECOND


def leaf_hash(
    stream: bytes,
    version: int,
    type_: bytes,
    schema: int,
    event_id: bytes,
    occurred_us: bytes,
    recorded_us: bytes,
    merchant: bytes,
    correlation: bytes,
    causation: bytes,
    metadata: bytes,
    data: bytes,
) -> bytes:
    """32 bytes; texts come as UTF-8 and times as decimal text, since the caller needs them once a batch."""
    fields = (
        stream,
        b"%d" % version,
        type_,
        b"%d" % schema,
        event_id,
        occurred_us,
        recorded_us,
        merchant,
        correlation,
        causation,
        metadata,
        data,
    )
    lengths = _LENGTHS(*map(len, fields))
    parts = [b"\x00"]
    for at, field in enumerate(fields):
        parts += (lengths[4 * at : 4 * at + 4], field)
    return sha256(b"".join(parts)).digest()


def leaf_hash_of(event: StoredEvent) -> bytes:
    """The leaf hash that a stored event should have."""
    return leaf_hash(
        event.stream.encode(),
        event.version,
        event.type.encode(),
        event.schema,
        event.event_id.bytes,
        b"%d" % microseconds(event.occurred_at),
        b"%d" % microseconds(event.recorded_at),
        event.merchant.encode(),
        event.correlation.encode(),
        event.causation.encode(),
        event.metadata,
        event.data,
    )

"""The leaf hash of an event: what a Merkle tree over the log is built from (RFC 6962 leaf, prefix 0x00).

SHA-256(0x00 || stream, version, type, schema, event_id, occurred_at, recorded_at, merchant, correlation,
causation, metadata, data), each field preceded by its length as four bytes, big-endian. Integers are their
decimal text; times are microseconds since 1970-01-01 UTC as decimal text; the id is its 16 bytes.
The position is not in it: position = leaf index + 1.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256

from eventstore.arrays import length
from eventstore.log import StoredEvent

LEAF_PREFIX = b"\x00"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(moment: datetime) -> int:
    """Whole microseconds from 1970-01-01 UTC to `moment`."""
    return (moment - _EPOCH) // _MICROSECOND


def framed(field: bytes) -> bytes:
    """A field with its length before it."""
    return length(len(field)) + field


def decimal(number: int) -> bytes:
    """A number as a field: its decimal text, framed."""
    return framed(b"%d" % number)


def leaf_hash_of(event: StoredEvent) -> bytes:
    """The leaf hash that a stored event should have: 32 bytes."""
    fields = (
        framed(event.stream.encode()),
        decimal(event.version),
        framed(event.type.encode()),
        decimal(event.schema),
        framed(event.event_id.bytes),
        decimal(microseconds(event.occurred_at)),
        decimal(microseconds(event.recorded_at)),
        framed(event.merchant.encode()),
        framed(event.correlation.encode()),
        framed(event.causation.encode()),
        framed(event.metadata),
        framed(event.data),
    )
    return sha256(LEAF_PREFIX + b"".join(fields)).digest()

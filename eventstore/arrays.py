"""Postgres arrays built straight in the binary wire format: one join instead of an adapter call an element.

psycopg adapts each element of a list by itself (about 1 us each); a batch of appends has thousands. Composite
rows are sequences of (type oid, length, bytes); the constants here are those pairs for each column type.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct, pack

BYTEA, INT8, INT4, TEXT, TIMESTAMPTZ, UUID = 17, 20, 23, 25, 1184, 2950
POSTGRES_EPOCH_US = 946_684_800_000_000

_CACHED = 4096
_TEXT = [pack(">Ii", TEXT, size) for size in range(_CACHED)]
_BYTEA = [pack(">Ii", BYTEA, size) for size in range(_CACHED)]
_LENGTH = [pack(">i", size) for size in range(_CACHED)]
_INT4 = Struct(">Iii").pack
_INT8 = Struct(">Iiq").pack
_UUID_HEAD = pack(">Ii", UUID, 16)


def text(value: bytes) -> bytes:
    """A text column of UTF-8 bytes, as a part of a composite row."""
    size = len(value)
    return (_TEXT[size] if size < _CACHED else pack(">Ii", TEXT, size)) + value


def bytea(value: bytes) -> bytes:
    size = len(value)
    return (_BYTEA[size] if size < _CACHED else pack(">Ii", BYTEA, size)) + value


def int4(value: int) -> bytes:
    return _INT4(INT4, 4, value)


def int8(value: int) -> bytes:
    return _INT8(INT8, 8, value)


def uuid(value: bytes) -> bytes:
    """A uuid column of its 16 bytes."""
    return _UUID_HEAD + value


def timestamptz(microseconds: int) -> bytes:
    """A timestamptz column of microseconds since 1970-01-01 UTC."""
    return _INT8(TIMESTAMPTZ, 8, microseconds - POSTGRES_EPOCH_US)


def array(element_oid: int, elements: Sequence[bytes]) -> bytes:
    """A one-dimensional array of encoded elements, none of them NULL."""
    if not elements:
        return pack(">iiI", 0, 0, element_oid)
    parts = [pack(">iiIii", 1, 0, element_oid, len(elements), 1)]
    for element in elements:
        size = len(element)
        parts.append(_LENGTH[size] if size < _CACHED else pack(">i", size))
        parts.append(element)
    return b"".join(parts)

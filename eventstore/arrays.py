"""How are Postgres' composite arrays built fast? Straight in the binary wire format, from ready-made parts.

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
_LONG = Struct(">i").pack
_HEAD = Struct(">Ii").pack
_INT4 = Struct(">Iii").pack
_INT8 = Struct(">Iiq").pack
UUID_HEAD = pack(">Ii", UUID, 16)


def length(size: int) -> bytes:
    """A length as four bytes, big-endian."""
    return _LENGTH[size] if size < _CACHED else _LONG(size)


def bytea_head(size: int) -> bytes:
    """What stands before the bytes of a bytea column."""
    return _BYTEA[size] if size < _CACHED else _HEAD(BYTEA, size)


def text(value: bytes) -> bytes:
    """A text column of UTF-8 bytes, as a part of a composite row."""
    size = len(value)
    return (_TEXT[size] if size < _CACHED else _HEAD(TEXT, size)) + value


def bytea(value: bytes) -> bytes:
    return bytea_head(len(value)) + value


def int4(value: int) -> bytes:
    return _INT4(INT4, 4, value)


def int8(value: int) -> bytes:
    return _INT8(INT8, 8, value)


def uuid(value: bytes) -> bytes:
    """A uuid column of its 16 bytes."""
    return UUID_HEAD + value


def timestamptz(microseconds: int) -> bytes:
    """A timestamptz column of microseconds since 1970-01-01 UTC."""
    return _INT8(TIMESTAMPTZ, 8, microseconds - POSTGRES_EPOCH_US)


def array(element_oid: int, count: int, elements: Sequence[bytes]) -> bytes:
    """A one-dimensional array of `count` elements, none of them NULL; each part follows its length."""
    if not count:
        return pack(">iiI", 0, 0, element_oid)
    return pack(">iiIii", 1, 0, element_oid, count, 1) + b"".join(elements)

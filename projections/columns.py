"""How do rows become the array parameters of a statement? A column at a time, in Postgres' binary format.

psycopg adapts each element of a list by itself, and takes the array's type from what happens to stand in it;
here the type comes from the field's annotation, and a column is one join of bytes: a quarter of the cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from operator import attrgetter
from struct import Struct, pack
from typing import Any

from psycopg import AsyncConnection
from psycopg.adapt import Dumper, PyFormat
from psycopg.pq import Format

_NULL = b"\xff\xff\xff\xff"
_KNOWN_MAX, _KNOWN_LENGTH_MAX = 20_000, 100
_known: dict[str | None, bytes] = {}
_INT8 = Struct(">iq").pack
_INT4 = Struct(">ii").pack
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_BOOL = {True: b"\x00\x00\x00\x01\x01", False: b"\x00\x00\x00\x01\x00", None: _NULL}


@dataclass(frozen=True, slots=True)
class Column:
    """An encoded array and the oid of its type."""

    oid: int
    data: bytes


def _text(value: str | None) -> bytes:
    """A text with its length before it. The ids of a batch stand in many columns of many read models."""
    if value is None:
        return _NULL
    raw = value.encode()
    element = pack(">i", len(raw)) + raw
    if len(raw) <= _KNOWN_LENGTH_MAX:
        if len(_known) >= _KNOWN_MAX:
            _known.clear()
        _known[value] = element
    return element


def forget_texts() -> None:
    """Of those that are remembered, some may be of somebody who was erased."""
    _known.clear()


def _texts(values: Iterable[str | None]) -> list[bytes]:
    known = _known.get
    return [known(value) or _text(value) for value in values]


def _integers(values: Iterable[int | None]) -> list[bytes]:
    return [_NULL if value is None else _INT8(8, value) for value in values]


def _booleans(values: Iterable[bool | None]) -> list[bytes]:
    return [_BOOL[value] for value in values]


def _moments(values: Iterable[datetime | None]) -> list[bytes]:
    return [_NULL if value is None else _INT8(8, (value - _EPOCH) // _MICROSECOND) for value in values]


def _days(values: Iterable[date | None]) -> list[bytes]:
    first = _EPOCH.date()
    return [_NULL if value is None else _INT4(4, (value - first).days) for value in values]


_KINDS: dict[str, tuple[int, int, Callable[[Iterable[Any]], list[bytes]]]] = {
    # annotation: oid of the array, oid of its elements, how they are encoded
    "str": (1009, 25, _texts),
    "int": (1016, 20, _integers),
    "bool": (1000, 16, _booleans),
    "datetime": (1185, 1184, _moments),
    "date": (1182, 1082, _days),
}


def encode(kind: str, values: Sequence[Any]) -> Column:
    """A column of `str`, `int`, `bool`, `datetime` or `date` values, each of which may be None."""
    array, element, parts = _KINDS[kind]
    head = pack(">iiIii", 1, 1, element, len(values), 1)
    return Column(array, b"".join((head, *parts(values))))


Shape = tuple[tuple[tuple[str, str], ...], Callable[[Any], tuple[Any, ...]]]
_SHAPES: dict[type[Any], Shape] = {}


def _shape(row_type: type[Any]) -> Shape:
    """The fields of a row class with their kinds, and what reads them all at once."""
    shape = _SHAPES.get(row_type)
    if shape is None:
        if issubclass(row_type, tuple):
            kinds = {name: _kind_of(row_type.__annotations__[name]) for name in row_type._fields}  # type: ignore[attr-defined]
        else:
            kinds = {each.name: _kind_of(each.type) for each in fields(row_type)}
        shape = _SHAPES[row_type] = (tuple(kinds.items()), attrgetter(*kinds))
    return shape


def _kind_of(annotation: Any) -> str:
    """`str | None` is `str`; annotations are texts, or hold one."""
    text = getattr(annotation, "__forward_arg__", annotation)
    return str(text).removesuffix(" | None")


def columns(rows: Sequence[Any]) -> dict[str, Column]:
    """The parameters of a statement that takes these rows; there must be one.

    Rows are named tuples, or dataclasses of two fields or more.
    """
    named, read = _shape(type(rows[0]))
    by_column = zip(*rows, strict=True) if isinstance(rows[0], tuple) else zip(*map(read, rows), strict=True)
    return {name: encode(kind, values) for (name, kind), values in zip(named, by_column, strict=True)}


class ColumnDumper(Dumper):
    """Hands a `Column` to psycopg as it is."""

    format = Format.BINARY

    def get_key(self, obj: Column, format: PyFormat) -> Any:  # noqa: A002 - psycopg's name
        return (self.cls, obj.oid)

    def upgrade(self, obj: Column, format: PyFormat) -> Dumper:  # noqa: A002 - psycopg's name
        dumper = ColumnDumper(self.cls)
        dumper.oid = obj.oid
        return dumper

    def dump(self, obj: Column) -> bytes:
        return obj.data


def take_columns(connection: AsyncConnection[Any]) -> None:
    """So that this connection does. Said to all at once, it would miss those that are open already."""
    connection.adapters.register_dumper(Column, ColumnDumper)

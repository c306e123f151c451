"""Do rows arrive in Postgres' arrays as they were? (`test_projections` proves it against the server.)"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from psycopg.adapt import Transformer
from psycopg.pq import Format

from projections.columns import Column, columns, encode


def decoded(column: Column) -> object:
    """What psycopg reads back from the binary array."""
    transformer = Transformer()
    return transformer.get_loader(column.oid, Format.BINARY).load(column.data)


def test_every_kind_comes_back_with_its_nulls() -> None:
    moment = datetime(2018, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
    cases = {
        "str": ["", "São Paulo", None, "x" * 5000, "x" * 5000],
        "int": [0, -1, 2**62, None],
        "bool": [True, False, None],
        "datetime": [moment, None, datetime(1970, 1, 1, tzinfo=UTC)],
        "date": [date(2018, 3, 1), None, date(1999, 12, 31)],
    }
    for kind, values in cases.items():
        assert decoded(encode(kind, values)) == values, kind


def test_a_time_in_another_zone_is_the_same_moment() -> None:
    moment = datetime(2018, 3, 1, 9, tzinfo=timezone(timedelta(hours=-3)))
    assert decoded(encode("datetime", [moment])) == [datetime(2018, 3, 1, 12, tzinfo=UTC)]


def test_a_number_that_the_column_can_not_hold_is_an_error_of_the_row() -> None:
    with pytest.raises(struct.error):
        encode("int", [2**63])


def test_the_types_come_from_the_row_class_not_from_what_stands_in_it() -> None:
    @dataclass(slots=True)
    class Row:
        name: str | None
        count: int | None

    taken = columns([Row(None, None), Row(None, None)])
    assert [column.oid for column in taken.values()] == [1009, 1016]

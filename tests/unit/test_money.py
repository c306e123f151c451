"""Do the parts of an amount always add up, and is an amount read to the cent?"""

from __future__ import annotations

import pytest

from domain.money import format_cents, parse_cents, split_by_largest_remainder


@pytest.mark.parametrize(
    ("total", "parts_of", "parts"),
    [
        (100, [1, 1, 1], (34, 33, 33)),
        (100, [1], (100,)),
        (0, [3, 1], (0, 0)),
        (1, [0, 5, 0], (0, 1, 0)),
        (5, [0, 0], (3, 2)),
        (10, [1, 2, 4], (1, 3, 6)),
        (2, [1, 1, 1], (1, 1, 0)),
    ],
)
def test_splits_by_largest_remainder(total: int, parts_of: list[int], parts: tuple[int, ...]) -> None:
    assert split_by_largest_remainder(total, parts_of) == parts


@pytest.mark.parametrize(("total", "parts_of"), [(-1, [1]), (1, []), (1, [1, -1])])
def test_refuses_to_split_what_has_no_parts(total: int, parts_of: list[int]) -> None:
    with pytest.raises(ValueError, match="negative"):
        split_by_largest_remainder(total, parts_of)


@pytest.mark.parametrize(
    ("text", "cents"),
    [
        ("58.9", 5890),
        ("3999.90", 399990),
        ("3999.9", 399990),
        ("0", 0),
        ("0.0", 0),
        ("7", 700),
        ("0.01", 1),
        ("1.1000", 110),
        ("00012.30", 1230),
        ("99999999999999999999999999999999.99", 9999999999999999999999999999999999),
    ],
)
def test_reads_an_amount(text: str, cents: int) -> None:
    assert parse_cents(text) == cents


@pytest.mark.parametrize(
    "text",
    ["", "-1", "-0.01", "+1", "0.001", "1.005", "1e3", "1_000", "1,50", "1.2.3", ".", ".5", "5.", " 5"],
)
def test_refuses_what_is_no_amount(text: str) -> None:
    with pytest.raises(ValueError, match="is not an amount"):
        parse_cents(text)


@pytest.mark.parametrize("text", ["5 ", "5\n", "nan", "inf", "0x10", "٣", "5.٣", "R$ 5", "1e999999999"])
def test_refuses_what_other_readers_take_for_a_number(text: str) -> None:
    with pytest.raises(ValueError, match="is not an amount"):
        parse_cents(text)


def test_writes_two_places_and_a_sign() -> None:
    assert [format_cents(cents) for cents in (5890, 5, 0, -5, -12345)] == [
        "58.90",
        "0.05",
        "0.00",
        "-0.05",
        "-123.45",
    ]

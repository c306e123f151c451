"""Does a catalogue come out of a CSV file as it went in, and is nothing in it calculated by a spreadsheet?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.product.csv_form import RowRefused, header_of, row_of
from domain.product.csv_file import joined, parted, read, written

GOOD = {"product_id": "MUG", "name": "Mug", "sku": "MUG-RED"}


@given(st.text(max_size=20))
def test_a_cell_is_read_as_it_was_written_and_is_no_formula(cell: str) -> None:
    assert read(written(cell)) == cell
    assert not written(cell).startswith(("=", "+", "-", "@", "\t", "\r"))


@given(st.lists(st.text(min_size=1, max_size=8), max_size=4))
def test_a_list_is_parted_as_it_was_joined(parts: list[str]) -> None:
    assert parted(joined(parts)) == parts


def test_a_row_says_all_of_a_variant() -> None:
    row = row_of(
        {
            **GOOD,
            "options": "colour|size",
            "option_values": r"red\|blue|L",
            "gtin": "4006381-333931",
            "weight_g": "350",
            "prices": "web EUR 1990|shop USD 2190",
            "channels": "web|shop",
            "status": "active",
        }
    )
    assert row.variant.options == ("red|blue", "L")
    assert row.variant.gtin == "4006381333931"
    assert [(each.channel, each.currency, each.price_cents) for each in row.prices] == [
        ("web", "EUR", 1990),
        ("shop", "USD", 2190),
    ]
    assert (row.channels, row.status) == (("web", "shop"), "active")


@pytest.mark.parametrize(
    ("cells", "column", "said"),
    [
        ({"sku": ""}, "sku", "each row needs"),
        ({"gtin": "4006381333932"}, "gtin", "should be 1"),
        ({"weight_g": "1.5"}, "weight_g", "digits alone"),
        ({"prices": "web 19.90"}, "prices", "web EUR 1990"),
        ({"prices": "Web EUR 1990"}, "prices", "pattern"),
        ({"channels": "Web"}, "channels", "lower case"),
        ({"status": "on sale"}, "status", "draft, active or archived"),
        ({"product_id": "a/b"}, "product_id", "no slash"),
        ({"name": "x" * 501}, "name", "500"),
        ({"sku": " x"}, "sku", "pattern"),
        ({"option_values": "x" * 61}, "option_values", "60"),
    ],
)
def test_what_is_wrong_is_told_with_its_column(cells: dict[str, str], column: str, said: str) -> None:
    with pytest.raises(RowRefused) as refused:
        row_of({**GOOD, **cells})
    assert refused.value.column == column
    assert said in refused.value.message


@pytest.mark.parametrize("header", [["name", "sku"], ["product_id", "name", "sku", "colour"], ["sku", "sku"]])
def test_a_header_has_known_columns_once(header: list[str]) -> None:
    with pytest.raises(RowRefused):
        header_of(header)

"""Do the parts of any amount add up, and is any text an amount or clearly none?"""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from domain.money import format_cents, parse_cents, split_by_largest_remainder

totals = st.integers(0, 10**15)
weights = st.lists(st.integers(0, 10**15), min_size=1, max_size=8)


@given(total=totals, parts_of=weights)
def test_parts_add_up_and_are_a_unit_at_most_from_their_share(total: int, parts_of: list[int]) -> None:
    parts = split_by_largest_remainder(total, parts_of)
    assert sum(parts) == total
    shares = parts_of if any(parts_of) else [1] * len(parts_of)
    whole = sum(shares)
    assert all(abs(part * whole - total * share) < whole for part, share in zip(parts, shares, strict=True))


@given(total=totals, parts_of=weights)
def test_a_larger_share_never_gets_less(total: int, parts_of: list[int]) -> None:
    parts = split_by_largest_remainder(total, sorted(parts_of, reverse=True))
    assert list(parts) == sorted(parts, reverse=True)


@given(text=st.text(max_size=12) | st.from_regex(r"[-+]?\d*[.,eE_]?\d*", fullmatch=True))
def test_anything_is_an_amount_or_a_value_error(text: str) -> None:
    with suppress(ValueError):
        assert parse_cents(text) >= 0


@given(cents=totals)
def test_reads_back_what_it_wrote(cents: int) -> None:
    assert parse_cents(format_cents(cents)) == cents

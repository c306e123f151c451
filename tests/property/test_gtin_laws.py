"""Is the domain's rule of GTINs the one that the library of the field has? On any digits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from stdnum import ean

from domain.product.gtin import LENGTHS, check_digit, is_gtin

digits = st.text("0123456789", min_size=1, max_size=16)
bodies = st.sampled_from(LENGTHS).flatmap(
    lambda length: st.text("0123456789", min_size=length - 1, max_size=length - 1)
)


@given(digits)
def test_a_gtin_here_is_one_there(text: str) -> None:
    assert is_gtin(text) == ean.is_valid(text)


@given(bodies)
def test_the_check_digit_makes_a_gtin_and_no_other_does(body: str) -> None:
    good = [last for last in "0123456789" if is_gtin(body + last)]
    assert good == [check_digit(body)] == [ean.calc_check_digit(body)]
    assert ean.is_valid(body + good[0])


@given(st.text(max_size=15))
def test_no_other_text_is_one(text: str) -> None:
    assert not is_gtin(text) or (text.isascii() and text.isdigit())

"""Does what a checkout paid add up again, per payment and per merchant, however it is divided?"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from services.play.division import divide

cents = st.integers(0, 10**9)
dues = st.lists(cents, min_size=1, max_size=6)
payments = st.lists(cents, min_size=1, max_size=15)


@settings(deadline=None)
@given(dues, payments)
def test_divided_payments_add_up_per_payment_and_per_merchant(due: list[int], paid: list[int]) -> None:
    division = divide(due, paid)
    assert [sum(parts) for parts in division.portions] == paid
    for index, amount in enumerate(due):
        portions = [parts[index] for parts in division.portions]
        assert min(portions) >= 0
        assert sum(portions) == amount + division.adjustments[index]


@settings(deadline=None)
@given(dues, payments)
def test_adjustments_add_up_and_have_one_direction(due: list[int], paid: list[int]) -> None:
    adjustments = divide(due, paid).adjustments
    assert sum(adjustments) == sum(paid) - sum(due)
    assert min(adjustments) >= 0 or max(adjustments) <= 0


@settings(deadline=None)
@given(dues, st.lists(cents, max_size=5))
def test_nothing_is_adjusted_where_paid_is_due(due: list[int], weights: list[int]) -> None:
    total = sum(due)
    paid = [min(total, weight) // (len(weights) or 1) for weight in weights]
    paid.append(total - sum(paid))
    division = divide(due, paid)
    assert not any(division.adjustments)


def test_the_last_payment_takes_what_remains() -> None:
    # proportional shares of each row by itself would leave a cent over at one merchant and short at another
    assert divide([333, 333, 334], [500, 500]).adjustments == (0, 0, 0)
    assert divide([1, 1], [1, 1]).portions == ((1, 0), (0, 1))


def test_portions_of_zero_are_kept() -> None:
    assert divide([100, 100], [200, 0]).portions == ((100, 100), (0, 0))


def test_the_difference_is_divided_by_what_is_due() -> None:
    assert divide([3000, 1000], [4100]).adjustments == (75, 25)
    assert divide([3000, 1000], [3999]).adjustments == (-1, 0)


def test_nothing_paid_is_nothing_adjusted() -> None:
    division = divide([100, 200], [])
    assert (division.adjustments, division.portions) == ((0, 0), ())


def test_nothing_due_makes_all_of_it_a_surcharge() -> None:
    assert divide([0], [7211]).adjustments == (7211,)

"""Which price held when, and what is the lowest that must be shown beside a reduction?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from domain.product.price_history import Points, PricePoint, lowest_price, point_at, prior_price

MAY = datetime(2024, 5, 1, tzinfo=UTC)


def day(number: float) -> datetime:
    return MAY + timedelta(days=number)


def points(*pairs: tuple[float, int]) -> Points:
    return tuple(PricePoint(valid_from=day(at), price_cents=cents) for at, cents in pairs)


def test_a_price_holds_until_the_next() -> None:
    history = points((0, 100), (10, 80))
    assert point_at(history, day(-1)) is None
    assert [point_at(history, day(at)).price_cents for at in (0, 9.9, 10, 99)] == [100, 100, 80, 80]  # type: ignore[union-attr]


def test_eu_omnibus_lowest_price_of_30_days() -> None:
    history = points((0, 100), (10, 80), (12, 120), (60, 110))
    assert lowest_price(history, day(-1)) is None
    assert lowest_price(history, day(0)) == 100
    assert lowest_price(history, day(11)) == 80
    assert lowest_price(history, day(40)) == 80
    assert lowest_price(history, day(41.9)) == 80, "it held until less than 30 days ago"
    assert lowest_price(history, day(42.1)) == 120
    assert lowest_price(history, day(60)) == 110


def test_a_price_from_long_before_that_held_into_the_30_days_counts() -> None:
    assert lowest_price(points((0, 50), (100, 90)), day(129)) == 50
    assert lowest_price(points((0, 50), (100, 90)), day(130.1)) == 90


def test_eu_omnibus_prior_price_of_a_reduction() -> None:
    """Raised for some days only to be reduced: the price before that must be shown."""
    history = points((0, 100), (50, 140), (55, 110))
    assert prior_price(history, day(55)) == 100
    assert prior_price(history, day(70)) == 100
    assert prior_price(history, day(52)) is None, "a rise is no reduction"
    assert prior_price(points((0, 100)), day(1)) is None
    assert prior_price((), day(1)) is None
    assert prior_price(points((0, 100), (90, 70)), day(95)) == 100


def test_what_was_never_shown_is_no_prior_price() -> None:
    """A price to come, below the present one, says nothing of the days before."""
    history = points((0, 100), (50, 90), (60, 10))
    assert prior_price(history, day(51)) == 100
    assert lowest_price(history, day(51)) == 90

"""Which price holds when? Points in time from which one holds, for a SKU on a channel in a currency.

Rule of the lowest price: Directive 98/6/EC, article 6a (the EU's Omnibus directive): whoever announces a
reduction says with it the lowest price of the 30 days before it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from pydantic import AwareDatetime

from domain.kernel import Value
from domain.money import Cents

LOOK_BACK = timedelta(days=30)
KEPT = LOOK_BACK + timedelta(days=1)
"""Of the past, what a decision may still ask for; all of it stands in the log."""


class PricePoint(Value):
    """From `valid_from` on a unit costs `price_cents`, until the next point."""

    valid_from: AwareDatetime
    price_cents: Cents


Points = tuple[PricePoint, ...]
"""In the order of their times, no two at the same."""


def point_at(points: Points, at: datetime) -> PricePoint | None:
    """The one that holds at that time."""
    return next((point for point in reversed(points) if point.valid_from <= at), None)


def lowest_price(points: Points, at: datetime) -> int | None:
    """In minor units, the lowest that held at any time of the 30 days up to `at`; None if none did.

    One that was set before these days, and held into them, counts.
    """
    return _lowest(points, at - LOOK_BACK, (point for point in points if point.valid_from <= at))


def prior_price(points: Points, at: datetime) -> int | None:
    """What must be shown beside the price at `at`, if that is a reduction: the lowest of the 30 days before
    it began. None if it is none.
    """
    now = point_at(points, at)
    if now is None:
        return None
    earlier = tuple(point for point in points if point.valid_from < now.valid_from)
    if not earlier or earlier[-1].price_cents <= now.price_cents:
        return None
    return _lowest(earlier, now.valid_from - LOOK_BACK, earlier)


def with_point(points: Points, point: PricePoint, set_at: datetime) -> Points:
    """The points with one more, which takes the place of one at the same time; long past ones fall away."""
    others = (each for each in points if each.valid_from != point.valid_from)
    return _recent(tuple(sorted((*others, point), key=lambda each: each.valid_from)), set_at - KEPT)


def without_point(points: Points, valid_from: datetime) -> Points:
    return tuple(each for each in points if each.valid_from != valid_from)


def _lowest(points: Points, since: datetime, among: Iterable[PricePoint]) -> int | None:
    held = point_at(points, since)
    return min((each.price_cents for each in among if each.valid_from > since or each == held), default=None)


def _recent(points: Points, since: datetime) -> Points:
    held = point_at(points, since)
    return tuple(each for each in points if each.valid_from > since or each == held)

"""How many carts were started, completed, abandoned, on each day (UTC) on which that happened?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date

from domain.cart.events import CartAbandoned, CartExpired, CheckoutCompleted, CheckoutStarted
from domain.kernel import Event, Fact
from projections.read_model import ReadModel, Rows


@dataclass(slots=True)
class CartDay:
    """What to add to a day."""

    merchant: str
    day: date
    started_count: int = 0
    completed_count: int = 0
    abandoned_count: int = 0
    expired_count: int = 0


_COUNTS: dict[type[Event], str] = {
    CheckoutStarted: "started_count",
    CheckoutCompleted: "completed_count",
    CartAbandoned: "abandoned_count",
    CartExpired: "expired_count",
}


def project(facts: Sequence[Fact]) -> Rows:
    days: dict[tuple[str, date], CartDay] = {}
    for fact in facts:
        key = fact.merchant, fact.occurred_at.astimezone(UTC).date()
        day = days.setdefault(key, CartDay(*key))
        count = _COUNTS[type(fact.event)]
        setattr(day, count, getattr(day, count) + 1)
    return {"add_cart_days": list(days.values())}


CARTS_BY_DAY = ReadModel("carts_by_day", ("carts_by_day",), tuple(_COUNTS), project, shared_rows=True)

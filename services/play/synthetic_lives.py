"""How can an order's life go, as the stamps of a row tell it, and how often does each go that way?

The weights are the rates of the Olist dataset, per 100,000 orders or so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Final


@dataclass(frozen=True, slots=True)
class Life:
    """The status and stamps of an order; `has_items` is False for those that never became a sale."""

    status: str
    purchased_at: datetime
    approved_at: datetime | None
    carrier_at: datetime | None
    delivered_at: datetime | None
    estimated_at: datetime
    has_items: bool = True


@dataclass(frozen=True, slots=True)
class Usual:
    """The stamps of a life in which all goes well; what goes otherwise is told as a difference to it."""

    chance: Random
    purchased_at: datetime
    approved_at: datetime
    carrier_at: datetime
    delivered_at: datetime
    estimated_at: datetime

    def later(self, at: datetime, hours_min: float, hours_max: float) -> datetime:
        seconds = self.chance.randrange(int(3600 * hours_min), int(3600 * hours_max))
        return at + timedelta(seconds=seconds)

    def earlier(self, at: datetime, hours_min: float, hours_max: float) -> datetime:
        return at - (self.later(at, hours_min, hours_max) - at)

    def delivered(self) -> Life:
        return Life(
            "delivered",
            self.purchased_at,
            self.approved_at,
            self.carrier_at,
            self.delivered_at,
            self.estimated_at,
        )

    def undelivered(self, status: str) -> Life:
        return replace(self.delivered(), status=status, delivered_at=None)

    def kept(self, status: str, *, has_items: bool = True) -> Life:
        """Approved, and never handed over."""
        return replace(self.undelivered(status), carrier_at=None, has_items=has_items)

    def unapproved(self, status: str, *, has_items: bool = True) -> Life:
        return replace(self.kept(status, has_items=has_items), approved_at=None)


def usual(chance: Random, purchased_at: datetime) -> Usual:
    """Some are approved after days, some handed over after more than the seller's limit."""
    slow_approval = chance.random() < 0.18
    approved = purchased_at + timedelta(
        seconds=chance.randrange(86_400, 345_600) if slow_approval else chance.randrange(300, 72_000)
    )
    slow_seller = chance.random() < 0.12
    carrier = approved + timedelta(
        seconds=chance.randrange(432_000, 777_600) if slow_seller else chance.randrange(14_400, 345_600)
    )
    delivered = carrier + timedelta(seconds=chance.randrange(86_400, 1_036_800))
    promised = purchased_at.replace(hour=0, minute=0, second=0) + timedelta(days=chance.randrange(20, 36))
    return Usual(chance, purchased_at, approved, carrier, delivered, promised)


def _shipped_before_approved(u: Usual) -> Life:
    approved = u.later(u.purchased_at, 40, 70)
    return replace(u.delivered(), approved_at=approved, carrier_at=u.earlier(approved, 1, 30))


def _approved_after_weeks(u: Usual) -> Life:
    approved = u.later(u.purchased_at, 240, 384)
    return replace(
        u.delivered(),
        approved_at=approved,
        carrier_at=u.later(approved, 2, 20),
        delivered_at=u.later(approved, 30, 90),
    )


LIVES: Final[dict[str, tuple[int, Callable[[Usual], Life]]]] = {
    "delivered": (89_000, Usual.delivered),
    "delivered_late": (
        6_500,
        lambda u: replace(u.delivered(), delivered_at=u.later(u.estimated_at, 25, 400)),
    ),
    "delivered_on_the_promised_day": (
        1_200,
        lambda u: replace(u.delivered(), delivered_at=u.later(u.estimated_at, 1, 23)),
    ),
    "approved_at_once": (1_400, lambda u: replace(u.delivered(), approved_at=u.purchased_at)),
    "approved_after_weeks": (40, _approved_after_weeks),
    "shipped_before_approved": (1_250, _shipped_before_approved),
    "shipped_before_purchase": (
        200,
        lambda u: replace(u.delivered(), carrier_at=u.earlier(u.purchased_at, 1, 50)),
    ),
    "delivered_before_shipped": (
        20,
        lambda u: replace(u.delivered(), delivered_at=u.earlier(u.carrier_at, 0.5, 3)),
    ),
    "delivered_before_approved": (
        90,
        lambda u: replace(u.delivered(), approved_at=u.later(u.delivered_at, 5, 50)),
    ),
    "delivered_undated": (8, lambda u: u.undelivered("delivered")),
    "delivered_never_approved": (15, lambda u: replace(u.delivered(), approved_at=None)),
    "delivered_never_handed_over": (2, lambda u: replace(u.delivered(), carrier_at=None)),
    "shipped": (1_100, lambda u: u.undelivered("shipped")),
    "invoiced": (310, lambda u: u.kept("invoiced")),
    "invoiced_without_items": (5, lambda u: u.kept("invoiced", has_items=False)),
    "processing": (300, lambda u: u.kept("processing")),
    "approved": (3, lambda u: u.kept("approved")),
    "created": (5, lambda u: u.unapproved("created")),
    "canceled": (250, lambda u: u.kept("canceled")),
    "canceled_never_approved": (60, lambda u: u.unapproved("canceled")),
    "canceled_after_hand_over": (30, lambda u: u.undelivered("canceled")),
    "canceled_after_delivery": (6, lambda u: replace(u.delivered(), status="canceled")),
    "canceled_without_items": (30, lambda u: u.kept("canceled", has_items=False)),
    "canceled_never_approved_without_items": (
        100,
        lambda u: u.unapproved("canceled", has_items=False),
    ),
    "unavailable": (8, lambda u: u.kept("unavailable")),
    "unavailable_without_items": (300, lambda u: u.kept("unavailable", has_items=False)),
}

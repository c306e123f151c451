"""What happens to a checkout after it is placed, when is it told, and what must be done to it?

A fact keeps the time of its row as `happened_at`, and is told no earlier than its predecessor: the dataset
has parcels that were shipped before they were paid, or even bought. A fact without a time is told as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from domain.kernel import Command
from domain.order import CancelReason
from services.play.rows import OrderRow


@dataclass(frozen=True, slots=True)
class Place:
    """Place the checkout's orders."""


@dataclass(frozen=True, slots=True)
class Advance:
    """Only the business clock moves; the worlds tell what is then due."""


@dataclass(frozen=True, slots=True)
class Prepare:
    """Start the preparation of the checkout's orders."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel the checkout's orders."""

    reason: CancelReason
    note: str


@dataclass(frozen=True, slots=True)
class Tell:
    """Have this carried out on one stream of the checkout's first merchant."""

    stream: str
    command: Command


Action: TypeAlias = Place | Advance | Prepare | Cancel | Tell


@dataclass(frozen=True, slots=True)
class Step:
    """Move the checkout's clock to `at`, do the action, and wait until the checkout is at rest."""

    at: datetime
    action: Action


@dataclass(frozen=True, slots=True)
class Story:
    """`authorize` and `facts` are what the worlds' scenarios hold for every payment and every parcel."""

    authorize: dict[str, Any]
    facts: tuple[dict[str, Any], ...]
    steps: tuple[Step, ...]


_PAID_FOR = frozenset({"approved", "processing", "invoiced", "shipped", "delivered"})
_CALLED_OFF = frozenset({"canceled", "unavailable"})


def is_dispatched(order: OrderRow) -> bool:
    """The carrier had the parcel, by a stamp or by the status."""
    return bool(order.carrier_at or order.delivered_at) or order.status in ("shipped", "delivered")


def is_called_off(order: OrderRow) -> bool:
    return order.status in _CALLED_OFF


def is_authorized(order: OrderRow) -> bool:
    """The payment was approved, be it at an unknown time: what is dispatched or prepared was paid for."""
    return order.approved_at is not None or order.status in _PAID_FOR or is_dispatched(order)


def wire_time(at: datetime) -> str:
    """RFC 3339 with `Z`."""
    return at.isoformat().replace("+00:00", "Z")


def tell(order: OrderRow) -> Story:
    """The story of the row, the same for each of the checkout's merchant orders."""
    steps = [Step(order.purchased_at, Place())]

    def advance(at: datetime) -> str:
        if at > steps[-1].at:
            steps.append(Step(at, Advance()))
        return wire_time(steps[-1].at)

    authorize = _authorize(order, advance(order.approved_at or order.purchased_at))
    if order.status == "processing" and not is_dispatched(order):
        steps.append(Step(steps[-1].at, Prepare()))
    facts = []
    for kind, happened_at in _carrier_facts(order):
        told_at = advance(happened_at or _told_undated(order, after=steps[-1].at))
        facts.append(_fact(kind, told_at, happened_at))
    if is_called_off(order) and not is_dispatched(order):
        steps.append(Step(steps[-1].at, _cancel(order)))
    return Story(authorize, tuple(facts), tuple(steps))


def _authorize(order: OrderRow, told_at: str) -> dict[str, Any]:
    return {
        "outcome": "authorized" if is_authorized(order) else "never",
        "told_at": told_at,
        "happened_at": wire_time(order.approved_at) if order.approved_at else None,
        "reason": None,
    }


def _carrier_facts(order: OrderRow) -> list[tuple[str, datetime | None]]:
    """What the carrier will say, in the order of a parcel's way, with the times of the row."""
    facts: list[tuple[str, datetime | None]] = []
    delivered = order.delivered_at is not None or order.status == "delivered"
    # a delivery without a hand-over is told alone: the shipment infers that it was dispatched
    if order.carrier_at or (is_dispatched(order) and not delivered):
        facts.append(("collected", order.carrier_at))
    if delivered:
        facts.append(("delivered", order.delivered_at))
    if is_called_off(order) and is_dispatched(order):
        facts.append(("returned", None))
    return facts


def _fact(kind: str, told_at: str, happened_at: datetime | None) -> dict[str, Any]:
    return {
        "type": kind,
        "told_at": told_at,
        "happened_at": wire_time(happened_at) if happened_at else None,
    }


def _told_undated(order: OrderRow, after: datetime) -> datetime:
    """A fact whose time nobody knows is told on the promised day, or a day after the one before it."""
    promised = order.estimated_at
    return promised if promised and promised > after else after + timedelta(days=1)


def _cancel(order: OrderRow) -> Cancel:
    """At the last stamp of the row, as the dataset does not say when an order was called off."""
    reason: CancelReason = "stock" if order.status == "unavailable" else "customer"
    return Cancel(reason, f"the source says {order.status}")

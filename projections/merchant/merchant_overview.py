"""How does a merchant stand: orders by status, money by currency, units on hand?

Rows of a merchant are shared by all of its orders, so they only take differences: the status that an order
had before is remembered in `overview_orders`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from domain.inventory import (
    ReservationRestored,
    StockAdjusted,
    StockCountSettled,
    StockPickedShort,
    StockReceived,
    StockReturned,
    StockSent,
    StockShipped,
    StockWrittenOff,
)
from domain.inventory.quantities import change_of
from domain.kernel import Event, Fact
from domain.order import (
    OrderCancelled,
    OrderCompleted,
    OrderConfirmed,
    OrderPlaced,
    OrderReserved,
    OrderShipped,
)
from domain.payment import (
    AuthorizationExpired,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentRefunded,
    PaymentVoided,
)
from projections.read_model import ReadModel, Rows

_STATUS: dict[type[Event], str] = {
    OrderReserved: "reserved",
    OrderConfirmed: "confirmed",
    OrderShipped: "shipped",
    OrderCompleted: "completed",
    OrderCancelled: "cancelled",
}
_MONEY: dict[type[Event], str] = {
    PaymentAuthorized: "authorized_cents",
    PaymentCaptured: "captured_cents",
    PaymentRefunded: "refunded_cents",
    PaymentVoided: "voided_cents",
    AuthorizationExpired: "expired_cents",
}
_STOCK: tuple[type[Event], ...] = (
    StockReceived,
    StockAdjusted,
    StockShipped,
    StockReturned,
    StockWrittenOff,
    StockSent,
    StockPickedShort,
    StockCountSettled,
    ReservationRestored,
)


@dataclass(slots=True)
class PlacedOrder:
    merchant: str
    order_id: str
    currency: str
    total_cents: int


@dataclass(slots=True)
class OrderStatus:
    merchant: str
    order_id: str
    status: str


@dataclass(slots=True)
class OrderMoney:
    """What to add to the sums in the order's currency."""

    merchant: str
    order_id: str
    authorized_cents: int = 0
    captured_cents: int = 0
    refunded_cents: int = 0
    voided_cents: int = 0
    expired_cents: int = 0


@dataclass(slots=True)
class StockUnits:
    merchant: str
    units_on_hand: int = 0


def project(facts: Sequence[Fact]) -> Rows:
    placed: list[PlacedOrder] = []
    statuses: dict[tuple[str, str], OrderStatus] = {}
    money: dict[tuple[str, str], OrderMoney] = {}
    stock: dict[str, StockUnits] = {}
    for fact in facts:
        event: Any = fact.event
        kind, merchant = type(event), fact.merchant
        if kind is OrderPlaced:
            placed.append(PlacedOrder(merchant, event.order_id, event.currency, event.total_cents))
        elif kind in _STATUS:
            key = (merchant, event.order_id)
            statuses[key] = OrderStatus(*key, _STATUS[kind])
        elif kind in _MONEY:
            key = (merchant, event.order_id)
            sums = money.get(key) or money.setdefault(key, OrderMoney(*key))
            column = _MONEY[kind]
            setattr(sums, column, getattr(sums, column) + event.amount_cents)
        else:
            stock.setdefault(merchant, StockUnits(merchant)).units_on_hand += change_of(event).on_hand
    return {
        "remember_orders": placed,
        "add_placed": placed,
        "move_statuses": list(statuses.values()),
        "add_money": list(money.values()),
        "add_stock": list(stock.values()),
    }


MERCHANT_OVERVIEW = ReadModel(
    "merchant_overview",
    ("merchant_overview", "merchant_money", "overview_orders"),
    (OrderPlaced, *_STATUS, *_MONEY, *_STOCK),
    project,
    shared_rows=True,
)

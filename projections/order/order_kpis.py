"""How does trade go, by the quarter of an hour: orders, what they come to, how many are called off or late?

Quarters, as every time zone begins its day with one: a query adds them up to days, weeks and months of the
zone that it is asked in. Whatever becomes of an order counts in the quarter in which it was placed, so that
rates are those of the orders of a time; what is captured and given back counts where it happened, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.carrier import ShipmentDelivered
from domain.kernel import Fact
from domain.order import OrderCancelled, OrderEdited, OrderLinesCancelled, OrderPlaced
from domain.payment import PaymentCaptured, PaymentRefunded
from projections.read_model import ReadModel, Rows


@dataclass(slots=True)
class KpiOrder:
    """What is to be known of an order later on."""

    merchant: str
    order_id: str
    currency: str
    quarter: datetime
    estimated_delivery_at: datetime | None
    total_cents: int


@dataclass(slots=True)
class Placed:
    merchant: str
    quarter: datetime
    currency: str
    orders_count: int = 0
    units_count: int = 0
    ordered_cents: int = 0


@dataclass(slots=True)
class Move:
    """What became of an order, to be added to the quarter of its placing."""

    merchant: str
    order_id: str
    change_cents: int = 0
    units_change: int = 0
    cancelled_count: int = 0
    returned_count: int = 0
    refunded_of_orders_cents: int = 0


@dataclass(slots=True)
class Money:
    """What was captured and given back of an order in a quarter."""

    merchant: str
    order_id: str
    quarter: datetime
    captured_cents: int = 0
    refunded_cents: int = 0


@dataclass(slots=True)
class Delivery:
    merchant: str
    order_id: str
    delivered_at: datetime


def quarter_of(moment: datetime) -> datetime:
    """The beginning of its quarter of an hour."""
    return moment.replace(minute=moment.minute - moment.minute % 15, second=0, microsecond=0)


class _Batch:
    def __init__(self) -> None:
        self.orders: list[KpiOrder] = []
        self.placed: dict[tuple[str, datetime, str], Placed] = {}
        self.moves: dict[tuple[str, str], Move] = {}
        self.money: dict[tuple[str, str, datetime], Money] = {}
        self.deliveries: list[Delivery] = []

    def place(self, event: OrderPlaced, fact: Fact) -> None:
        quarter = quarter_of(fact.occurred_at)
        ids = (fact.merchant, event.order_id, event.currency)
        self.orders.append(KpiOrder(*ids, quarter, event.estimated_delivery_at, event.total_cents))
        key = (fact.merchant, quarter, event.currency)
        row = self.placed.get(key) or self.placed.setdefault(key, Placed(*key))
        row.orders_count += 1
        row.units_count += sum(line.quantity for line in event.lines)
        row.ordered_cents += event.total_cents

    def move(self, event: Any, fact: Fact) -> Move:
        key = (fact.merchant, event.order_id)
        return self.moves.get(key) or self.moves.setdefault(key, Move(*key))

    def moved_money(self, event: PaymentCaptured | PaymentRefunded, fact: Fact) -> Money:
        key = (fact.merchant, event.order_id, quarter_of(fact.occurred_at))
        return self.money.get(key) or self.money.setdefault(key, Money(*key))

    def take(self, event: Any, fact: Fact) -> None:
        match event:
            case OrderPlaced():
                self.place(event, fact)
            case OrderCancelled(reason=reason):
                move = self.move(event, fact)
                move.cancelled_count += reason != "returned"
                move.returned_count += reason == "returned"
            case OrderLinesCancelled() | OrderEdited():
                move = self.move(event, fact)
                move.change_cents += event.change_cents
                move.units_change += sum(each.change for each in event.units)
            case PaymentCaptured(amount_cents=cents):
                self.moved_money(event, fact).captured_cents += cents
            case PaymentRefunded(amount_cents=cents):
                self.moved_money(event, fact).refunded_cents += cents
                self.move(event, fact).refunded_of_orders_cents += cents
            case ShipmentDelivered(order_id=order_id, happened_at=at):
                self.deliveries.append(Delivery(fact.merchant, order_id, at or fact.occurred_at))


def project(facts: Sequence[Fact]) -> Rows:
    batch = _Batch()
    for fact in facts:
        batch.take(fact.event, fact)
    moves = list(batch.moves.values())
    return {
        "remember_kpi_orders": batch.orders,
        "add_placed": list(batch.placed.values()),
        "change_kpi_orders": moves,
        "add_moves": moves,
        "add_money": list(batch.money.values()),
        "add_deliveries": batch.deliveries,
    }


ORDER_KPIS = ReadModel(
    "order_kpis",
    ("order_kpis", "kpi_orders"),
    (
        OrderPlaced,
        OrderCancelled,
        OrderLinesCancelled,
        OrderEdited,
        PaymentCaptured,
        PaymentRefunded,
        ShipmentDelivered,
    ),
    project,
    version=2,
    shared_rows=True,
)

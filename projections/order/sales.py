"""What was sold: by day (UTC), by product and by category, for each currency by itself?

Sales count on the day of their order; what was called off or given back counts on the day when that happened,
so that a day which is over never changes. Of an order that ends cancelled, as one that came back does, what
was captured stays a sale until it is refunded, and all else is cancelled: it comes to captured less refunded.
So with units that are called off, and with an edit that makes an order cheaper: what was not captured of
them is cancelled. An edit that makes it dearer is a sale of its own day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date
from typing import Any

from domain.kernel import Fact
from domain.order import OrderCancelled, OrderEdited, OrderLinesCancelled, OrderPlaced
from domain.payment import PaymentCaptured, PaymentRefunded
from projections.read_model import ReadModel, Rows

NO_CATEGORY = "(none)"


@dataclass(slots=True)
class SoldOrderRow:
    """What a later cancellation, capture or refund needs to know of its order."""

    merchant: str
    order_id: str
    currency: str
    total_cents: int


@dataclass(slots=True)
class SoldLineRow:
    merchant: str
    order_id: str
    sku: str
    category: str
    units_count: int
    gross_cents: int


@dataclass(slots=True)
class DaySales:
    merchant: str
    day: date
    currency: str
    orders_count: int = 0
    units_count: int = 0
    gross_cents: int = 0
    shipping_cents: int = 0
    adjustment_cents: int = 0


@dataclass(slots=True)
class NamedSales:
    """Of a product (`name` is its SKU) or of a category."""

    merchant: str
    name: str
    currency: str
    orders_count: int = 0
    units_count: int = 0
    gross_cents: int = 0
    shipping_cents: int = 0


@dataclass(slots=True)
class CancelledOrder:
    """`captured_cents` are those of the same batch from before; the table knows those of earlier ones."""

    merchant: str
    order_id: str
    day: date
    captured_cents: int


@dataclass(slots=True)
class ChangedOrder:
    """An order that comes to more or less than before, the `place`-th of its batch; `captured_cents` are
    those since the place before."""

    merchant: str
    order_id: str
    place: int
    day: date
    change_cents: int
    captured_cents: int


@dataclass(slots=True)
class ChangedLine:
    merchant: str
    order_id: str
    sku: str
    category: str
    units_change: int
    gross_change_cents: int
    cancelled_units_count: int
    cancelled_cents: int


@dataclass(slots=True)
class Capture:
    """What was captured of an order that was not cancelled in this batch, or was cancelled before."""

    merchant: str
    order_id: str
    day: date
    captured_cents: int = 0


@dataclass(slots=True)
class Refund:
    merchant: str
    order_id: str
    day: date
    refunded_cents: int = 0


Named = dict[tuple[str, str, str], NamedSales]


class _Batch:
    def __init__(self) -> None:
        self.orders: list[SoldOrderRow] = []
        self.lines: dict[tuple[str, str, str, str], SoldLineRow] = {}
        self.days: dict[tuple[str, date, str], DaySales] = {}
        self.products: Named = {}
        self.categories: Named = {}
        self.cancelled: list[CancelledOrder] = []
        self.changed: list[ChangedOrder] = []
        self.changed_lines: dict[tuple[str, str, str, str], ChangedLine] = {}
        self.captures: dict[tuple[str, str], dict[date, Capture]] = {}
        self.refunds: dict[tuple[str, str, date], Refund] = {}

    def sold(self, event: OrderPlaced, fact: Fact) -> None:
        merchant, order_id, currency = fact.merchant, event.order_id, event.currency
        self.orders.append(SoldOrderRow(merchant, order_id, currency, event.total_cents))
        key = (merchant, _day(fact), currency)
        day = self.days.get(key) or self.days.setdefault(key, DaySales(*key))
        day.orders_count += 1
        day.adjustment_cents += sum(each.signed_cents for each in event.adjustments)
        seen: set[tuple[str, str]] = set()
        for line in event.lines:
            units, category = line.quantity, line.category or NO_CATEGORY
            gross, shipping = units * line.unit_price_cents, units * line.unit_shipping_cents
            day.units_count += units
            day.gross_cents += gross
            day.shipping_cents += shipping
            row_key = (merchant, order_id, line.sku, category)
            row = self.lines.get(row_key) or self.lines.setdefault(row_key, SoldLineRow(*row_key, 0, 0))
            row.units_count += units
            row.gross_cents += gross
            for kind, table, name in (("s", self.products, line.sku), ("c", self.categories, category)):
                named = table.setdefault((merchant, name, currency), NamedSales(merchant, name, currency))
                named.orders_count += (kind, name) not in seen
                named.units_count += units
                named.gross_cents += gross
                named.shipping_cents += shipping
                seen.add((kind, name))

    def captured(self, event: PaymentCaptured, fact: Fact) -> None:
        key, day = (fact.merchant, event.order_id), _day(fact)
        capture = self.captures.setdefault(key, {}).setdefault(day, Capture(*key, day))
        capture.captured_cents += event.amount_cents

    def called_off(self, event: OrderCancelled, fact: Fact) -> None:
        key = (fact.merchant, event.order_id)
        self.cancelled.append(CancelledOrder(*key, _day(fact), self._captured_before(key)))

    def _captured_before(self, key: tuple[str, str]) -> int:
        return sum(each.captured_cents for each in self.captures.pop(key, {}).values())

    def altered(self, event: OrderLinesCancelled | OrderEdited, fact: Fact) -> None:
        key = (fact.merchant, event.order_id)
        captured = self._captured_before(key)
        self.changed.append(ChangedOrder(*key, len(self.changed), _day(fact), event.change_cents, captured))
        grows = event.change_cents >= 0 and isinstance(event, OrderEdited)
        if isinstance(event, OrderEdited) and grows:
            self._sold_more(event, fact)
        for each in event.products:
            line_key = (*key, each.sku, each.category or NO_CATEGORY)
            line = self.changed_lines.setdefault(line_key, ChangedLine(*line_key, 0, 0, 0, 0))
            line.units_change += each.units_change
            line.gross_change_cents += each.items_change_cents
            if not grows:
                line.cancelled_units_count -= each.units_change
                line.cancelled_cents -= each.items_change_cents

    def _sold_more(self, event: OrderEdited, fact: Fact) -> None:
        merchant, currency = fact.merchant, event.currency
        key = (merchant, _day(fact), currency)
        day = self.days.get(key) or self.days.setdefault(key, DaySales(*key))
        day.gross_cents += event.items_change_cents
        day.shipping_cents += event.shipping_change_cents
        for each in event.products:
            day.units_count += each.units_change
            for table, name in ((self.products, each.sku), (self.categories, each.category or NO_CATEGORY)):
                named = table.setdefault((merchant, name, currency), NamedSales(merchant, name, currency))
                named.units_count += each.units_change
                named.gross_cents += each.items_change_cents
                named.shipping_cents += each.shipping_change_cents


def _day(fact: Fact) -> date:
    return fact.occurred_at.astimezone(UTC).date()


def project(facts: Sequence[Fact]) -> Rows:
    batch = _Batch()
    for fact in facts:
        event: Any = fact.event
        match event:
            case OrderPlaced():
                batch.sold(event, fact)
            case OrderCancelled():
                batch.called_off(event, fact)
            case OrderLinesCancelled() | OrderEdited():
                batch.altered(event, fact)
            case PaymentCaptured():
                batch.captured(event, fact)
            case PaymentRefunded(order_id=order_id, amount_cents=cents):
                key = (fact.merchant, order_id, _day(fact))
                batch.refunds.setdefault(key, Refund(*key)).refunded_cents += cents
    return {
        "remember_orders": batch.orders,
        "remember_lines": list(batch.lines.values()),
        "add_days": list(batch.days.values()),
        "add_products": list(batch.products.values()),
        "add_categories": list(batch.categories.values()),
        "change_days": batch.changed,
        "change_orders": batch.changed,
        "change_products": list(batch.changed_lines.values()),
        "change_categories": list(batch.changed_lines.values()),
        "change_lines": list(batch.changed_lines.values()),
        "cancel_days": batch.cancelled,
        "cancel_products": batch.cancelled,
        "cancel_categories": batch.cancelled,
        "capture_days": [each for days in batch.captures.values() for each in days.values()],
        "refund_days": list(batch.refunds.values()),
    }


SALES = ReadModel(
    "sales",
    ("sales_by_day", "sales_by_product", "sales_by_category", "sold_orders", "sold_lines"),
    (OrderPlaced, OrderCancelled, OrderLinesCancelled, OrderEdited, PaymentCaptured, PaymentRefunded),
    project,
    version=3,
    shared_rows=True,
)

"""What was bought with each order, line by line, on the terms of that day?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.kernel import Fact
from domain.order import OrderPlaced
from projections.read_model import ReadModel, Rows


@dataclass(slots=True)
class OrderLineRow:
    merchant: str
    order_id: str
    line: int
    checkout_id: str
    sku: str
    name: str
    category: str | None
    quantity: int
    currency: str
    unit_price_cents: int
    unit_shipping_cents: int
    warehouse: str
    ship_by: datetime | None
    placed_at: datetime


def _lines(event: OrderPlaced, fact: Fact) -> list[OrderLineRow]:
    return [
        OrderLineRow(
            fact.merchant,
            event.order_id,
            line.line,
            event.checkout_id,
            line.sku,
            line.name,
            line.category,
            line.quantity,
            event.currency,
            line.unit_price_cents,
            line.unit_shipping_cents,
            line.warehouse,
            line.ship_by,
            fact.occurred_at,
        )
        for line in event.lines
    ]


def project(facts: Sequence[Fact]) -> Rows:
    events: list[tuple[Any, Fact]] = [(fact.event, fact) for fact in facts]
    return {"insert_order_lines": [row for event, fact in events for row in _lines(event, fact)]}


ORDER_LINES = ReadModel("order_lines", ("order_lines",), (OrderPlaced,), project)

"""What was bought with each order, line by line, on the terms of that day?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from domain.kernel import Fact
from domain.order import Line, OrderEdited, OrderLinesCancelled, OrderPlaced
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


class LeftOver(NamedTuple):
    """Units that are left of a line."""

    merchant: str
    order_id: str
    line: int
    quantity: int


class Gone(NamedTuple):
    merchant: str
    order_id: str
    line: int


def _line(line: Line, event: OrderPlaced | OrderEdited, fact: Fact) -> OrderLineRow:
    return OrderLineRow(
        fact.merchant,
        event.order_id,
        line.line,
        event.checkout_id if isinstance(event, OrderPlaced) else fact.correlation,
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


def _change(changed: dict[Gone, OrderLineRow | int], event: Any, fact: Fact) -> None:
    """What stands of a line after it: the whole row, or its units; 0 is none."""
    ids = (fact.merchant, event.order_id)
    if isinstance(event, OrderEdited):
        changed.update({Gone(*ids, line.line): _line(line, event, fact) for line in event.lines})
        changed.update({Gone(*ids, number): 0 for number in event.removed})
        return
    for cut in event.lines:
        before = changed.get(Gone(*ids, cut.line))
        left: OrderLineRow | int = cut.left
        if isinstance(before, OrderLineRow) and cut.left:
            left = replace(before, quantity=cut.left)
        changed[Gone(*ids, cut.line)] = left


def project(facts: Sequence[Fact]) -> Rows:
    """What changes a line comes after what makes it, also in one batch: the last change is what stands."""
    placed: list[OrderLineRow] = []
    changed: dict[Gone, OrderLineRow | int] = {}
    for fact in facts:
        event: Any = fact.event
        if isinstance(event, OrderPlaced):
            placed += [_line(line, event, fact) for line in event.lines]
        else:
            _change(changed, event, fact)
    return {
        "insert_order_lines": placed,
        "replace_order_lines": [row for row in changed.values() if isinstance(row, OrderLineRow)],
        "cut_order_lines": [
            LeftOver(*key, left) for key, left in changed.items() if isinstance(left, int) and left
        ],
        "delete_order_lines": [key for key, left in changed.items() if left == 0],
    }


ORDER_LINES = ReadModel(
    "order_lines", ("order_lines",), (OrderPlaced, OrderEdited, OrderLinesCancelled), project, version=2
)

"""What is ordered of suppliers, what of it came, and what is wrong with it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from domain.inventory.purchase_order import (
    PURCHASE,
    PurchaseDiscrepancyOpened,
    PurchaseDiscrepancyResolved,
    PurchaseOrderCancelled,
    PurchaseOrderClosed,
    PurchaseOrderPlaced,
    PurchaseReceived,
)
from domain.kernel import Fact
from projections.read_model import ReadModel, Rows


class PlacedPurchase(NamedTuple):
    merchant: str
    purchase_id: str
    supplier: str
    warehouse: str
    currency: str
    note: str
    placed_at: datetime
    expected_at: datetime | None


class PurchaseLineRow(NamedTuple):
    merchant: str
    purchase_id: str
    sku: str
    quantity: int
    unit_cost_cents: int


@dataclass(slots=True)
class ReceivedUnits:
    """What to add to a line."""

    merchant: str
    purchase_id: str
    sku: str
    received: int = 0
    damaged: int = 0


@dataclass(slots=True)
class DiscrepancyChange:
    """What to add to a discrepancy, and what is known of it from now on (None: as it was)."""

    merchant: str
    purchase_id: str
    sku: str
    kind: str
    opened: int = 0
    resolved: int = 0
    resolution: str | None = None
    note: str | None = None
    opened_at: datetime | None = None
    resolved_at: datetime | None = None


@dataclass(slots=True)
class Touched:
    """A purchase order whose sums are to be taken anew; how it ended, if it did."""

    merchant: str
    purchase_id: str
    ended: str | None = None
    ended_at: datetime | None = None


class _Batch:
    def __init__(self) -> None:
        self.placed: list[PlacedPurchase] = []
        self.lines: list[PurchaseLineRow] = []
        self.received: dict[tuple[str, str, str], ReceivedUnits] = {}
        self.discrepancies: dict[tuple[str, str, str, str], DiscrepancyChange] = {}
        self.touched: dict[tuple[str, str], Touched] = {}

    def take(self, fact: Fact) -> None:
        event, merchant = fact.event, fact.merchant
        key = (merchant, event.purchase_id)  # type: ignore[attr-defined]
        touched = self.touched.setdefault(key, Touched(*key))
        match event:
            case PurchaseOrderPlaced():
                self.place(event, fact)
            case PurchaseReceived(items=items):
                for item in items:
                    row = self.received.setdefault((*key, item.sku), ReceivedUnits(*key, item.sku))
                    row.received += item.units
                    row.damaged += item.damaged
            case PurchaseDiscrepancyOpened():
                change = self.change(event, fact)
                change.opened += event.quantity
                change.opened_at = change.opened_at or fact.occurred_at
            case PurchaseDiscrepancyResolved():
                change = self.change(event, fact)
                change.resolved += event.quantity
                change.resolution, change.note = event.resolution, event.note
                change.resolved_at = fact.occurred_at
            case PurchaseOrderClosed():
                touched.ended, touched.ended_at = "closed", fact.occurred_at
            case PurchaseOrderCancelled():
                touched.ended, touched.ended_at = "cancelled", fact.occurred_at

    def place(self, event: PurchaseOrderPlaced, fact: Fact) -> None:
        key = (fact.merchant, event.purchase_id)
        told = (event.supplier, event.warehouse, event.currency, event.note)
        self.placed.append(PlacedPurchase(*key, *told, fact.occurred_at, event.expected_at))
        for line in event.lines:
            self.lines.append(PurchaseLineRow(*key, line.sku, line.quantity, line.unit_cost_cents))

    def change(
        self, event: PurchaseDiscrepancyOpened | PurchaseDiscrepancyResolved, fact: Fact
    ) -> DiscrepancyChange:
        key = (fact.merchant, event.purchase_id, event.sku, event.kind)
        return self.discrepancies.setdefault(key, DiscrepancyChange(*key))


def project(facts: Sequence[Fact]) -> Rows:
    batch = _Batch()
    for fact in facts:
        batch.take(fact)
    return {
        "place_purchases": batch.placed,
        "insert_purchase_lines": batch.lines,
        "add_received": list(batch.received.values()),
        "change_discrepancies": list(batch.discrepancies.values()),
        "sum_up_purchases": list(batch.touched.values()),
    }


PURCHASES = ReadModel(
    "purchases", ("purchases", "purchase_lines", "purchase_discrepancies"), PURCHASE.events, project
)

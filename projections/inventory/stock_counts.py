"""What did a stocktake find in each stock, beside what the books said, and were they corrected by it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.inventory.stock_events import (
    StockCountCancelled,
    StockCounted,
    StockCountSettled,
    StockCountStarted,
)
from domain.kernel import Fact
from projections.read_model import ReadModel, Rows


@dataclass(slots=True)
class CountChange:
    """What is known of a count from now on; None: as it was."""

    merchant: str
    sku: str
    warehouse: str
    stocktake_id: str
    status: str | None = None
    began_with: int | None = None
    expected: int | None = None
    counted: int | None = None
    moved: int | None = None
    started_at: datetime | None = None
    counted_at: datetime | None = None


def project(facts: Sequence[Fact]) -> Rows:
    changes: dict[tuple[str, str, str, str], CountChange] = {}
    for fact in facts:
        event: Any = fact.event
        key = (fact.merchant, event.sku, event.warehouse, event.stocktake_id)
        change = changes.setdefault(key, CountChange(*key))
        match event:
            case StockCountStarted(expected=expected):
                change.status, change.began_with, change.started_at = "open", expected, fact.occurred_at
            case StockCounted():
                change.status, change.counted_at = "counted", fact.occurred_at
                change.expected, change.counted, change.moved = event.expected, event.counted, event.moved
            case StockCountSettled():
                change.status = "settled"
            case StockCountCancelled():
                change.status = "cancelled"
    return {"change_counts": list(changes.values())}


STOCK_COUNTS = ReadModel(
    "stock_counts",
    ("stock_counts",),
    (StockCountStarted, StockCounted, StockCountSettled, StockCountCancelled),
    project,
)

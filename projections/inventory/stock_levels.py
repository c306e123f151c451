"""How much of each SKU lies in each warehouse, and what of it is promised, kept back, or still to come?

A hold says what it is from now on, so the level's change depends on the hold before: holds have a table of
their own (`stock_holds`: what is held for which order, until when), and levels get the differences.
`stock_backorders` is the line of those who wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.inventory.quantities import NONE, change_of
from domain.inventory.stock_events import (
    BackorderCancelled,
    Backordered,
    BackorderFilled,
    ExpectedStockArrived,
    ExpectedStockCancelled,
    ReservationExpired,
    ReservationRenewed,
    ReservationRestored,
    StockAdjusted,
    StockAllocated,
    StockCountSettled,
    StockExpected,
    StockMoved,
    StockPickedShort,
    StockReceived,
    StockReleased,
    StockReserved,
    StockReturned,
    StockRulesSet,
    StockSent,
    StockShipped,
    StockWrittenOff,
)
from domain.kernel import Event, Fact
from projections.read_model import ReadModel, Rows

Key = tuple[str, str, str]


@dataclass(slots=True)
class StockDelta:
    """What to add to a level."""

    merchant: str
    sku: str
    warehouse: str
    on_hand: int = 0
    quality_control: int = 0
    damaged: int = 0
    safety_stock: int = 0
    incoming: int = 0
    backordered: int = 0
    backorder_limit: int = 0
    reorder_point: int = 0


@dataclass(slots=True)
class HoldChange:
    """What is held for an order from now on: `quantity` (None: what was held before), less `taken`.

    Held until `expires_at`; None is allocated, for good.
    """

    merchant: str
    sku: str
    warehouse: str
    order_id: str
    quantity: int | None = None
    expires_at: datetime | None = None
    taken: int = 0


@dataclass(slots=True)
class LineChange:
    """What an order waits for from now on: `quantity` (None: what it did before), less `taken`."""

    merchant: str
    sku: str
    warehouse: str
    order_id: str
    quantity: int | None = None
    expires_at: datetime | None = None
    since: datetime | None = None
    position: int | None = None
    taken: int = 0


class _Batch:
    """The changes of a batch of facts, by what they change."""

    def __init__(self) -> None:
        self.levels: dict[Key, StockDelta] = {}
        self.holds: dict[tuple[str, str, str, str], HoldChange] = {}
        self.lines: dict[tuple[str, str, str, str], LineChange] = {}

    def take(self, event: Any, fact: Fact) -> None:
        change = change_of(event)
        if change is not NONE:
            level = self.level(event, fact)
            level.on_hand += change.on_hand
            level.quality_control += change.quality_control
            level.damaged += change.damaged
            level.safety_stock += change.safety_stock
            level.incoming += change.incoming
            level.backordered += change.backordered
        match event:
            case StockReserved() | ReservationRenewed():
                self.hold(event, fact, event.quantity, event.expires_at)
            case StockAllocated():
                self.hold(event, fact, event.quantity, None)
            case ReservationRestored():
                self.hold(event, fact, event.held, event.expires_at)
            case StockShipped():
                self.let_go(event, fact, event.quantity - event.uncommitted)
            case StockReleased() | ReservationExpired() | StockPickedShort():
                self.let_go(event, fact, event.quantity)
            case StockRulesSet(rules=rules, was=was):
                level = self.level(event, fact)
                level.backorder_limit += rules.backorder_limit - was.backorder_limit
                level.reorder_point += rules.reorder_point - was.reorder_point
            case _:
                self.line_up(event, fact)

    def line_up(self, event: Any, fact: Fact) -> None:
        match event:
            case Backordered():
                self.wait(event, fact)
            case BackorderFilled():
                self.wait_no_more(event, fact)
                self.hold(event, fact, event.held, event.expires_at)
            case BackorderCancelled():
                self.wait_no_more(event, fact)

    def level(self, event: Any, fact: Fact) -> StockDelta:
        key = (fact.merchant, event.sku, event.warehouse)
        return self.levels.get(key) or self.levels.setdefault(key, StockDelta(*key))

    def hold(self, event: Any, fact: Fact, quantity: int, expires_at: datetime | None) -> None:
        key = (fact.merchant, event.sku, event.warehouse, event.order_id)
        self.holds[key] = HoldChange(*key, quantity, expires_at)

    def let_go(self, event: Any, fact: Fact, taken: int) -> None:
        key = (fact.merchant, event.sku, event.warehouse, event.order_id)
        hold = self.holds.get(key) or self.holds.setdefault(key, HoldChange(*key))
        hold.taken += taken

    def wait(self, event: Backordered, fact: Fact) -> None:
        key = (fact.merchant, event.sku, event.warehouse, event.order_id)
        self.lines[key] = LineChange(*key, event.quantity, event.expires_at, fact.occurred_at, fact.position)

    def wait_no_more(self, event: BackorderFilled | BackorderCancelled, fact: Fact) -> None:
        key = (fact.merchant, event.sku, event.warehouse, event.order_id)
        line = self.lines.get(key) or self.lines.setdefault(key, LineChange(*key))
        line.taken += event.quantity


EVENTS: tuple[type[Event], ...] = (
    StockReceived,
    StockAdjusted,
    StockReserved,
    StockAllocated,
    ReservationExpired,
    StockReleased,
    StockShipped,
    StockReturned,
    StockMoved,
    StockWrittenOff,
    StockRulesSet,
    ReservationRenewed,
    ReservationRestored,
    StockPickedShort,
    Backordered,
    BackorderFilled,
    BackorderCancelled,
    StockExpected,
    ExpectedStockArrived,
    ExpectedStockCancelled,
    StockSent,
    StockCountSettled,
)


def project(facts: Sequence[Fact]) -> Rows:
    batch = _Batch()
    for fact in facts:
        batch.take(fact.event, fact)
    return {
        "add_levels": list(batch.levels.values()),
        "change_holds": list(batch.holds.values()),
        "change_backorders": list(batch.lines.values()),
    }


STOCK_LEVELS = ReadModel(
    "stock_levels", ("stock_levels", "stock_holds", "stock_backorders"), EVENTS, project, version=4, sums=True
)

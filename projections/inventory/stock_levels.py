"""How much of each SKU lies in each warehouse, and what of it is reserved, allocated or held back?

A hold says what it is from now on, so the level's change depends on the hold before: holds have a table of
their own (`stock_holds`: what is held for which order, until when), and levels get the differences.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.inventory import (
    ReservationExpired,
    StockAdjusted,
    StockAllocated,
    StockReceived,
    StockReleased,
    StockReserved,
    StockReturned,
    StockShipped,
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


class _Batch:
    """The changes of a batch of facts, by what they change."""

    def __init__(self) -> None:
        self.levels: dict[Key, StockDelta] = {}
        self.holds: dict[tuple[str, str, str, str], HoldChange] = {}

    def level(self, event: Any, fact: Fact) -> StockDelta:
        key = (fact.merchant, event.sku, event.warehouse)
        return self.levels.get(key) or self.levels.setdefault(key, StockDelta(*key))

    def hold(self, event: Any, fact: Fact, quantity: int, expires_at: datetime | None = None) -> None:
        key = (fact.merchant, event.sku, event.warehouse, event.order_id)
        self.holds[key] = HoldChange(*key, quantity, expires_at)

    def take(self, event: Any, fact: Fact, taken: int) -> None:
        key = (fact.merchant, event.sku, event.warehouse, event.order_id)
        hold = self.holds.get(key) or self.holds.setdefault(key, HoldChange(*key))
        hold.taken += taken


def _received(batch: _Batch, event: StockReceived, fact: Fact) -> None:
    batch.level(event, fact).on_hand += event.quantity


def _adjusted(batch: _Batch, event: StockAdjusted, fact: Fact) -> None:
    batch.level(event, fact).on_hand += event.delta


def _reserved(batch: _Batch, event: StockReserved, fact: Fact) -> None:
    batch.hold(event, fact, event.quantity, event.expires_at)


def _allocated(batch: _Batch, event: StockAllocated, fact: Fact) -> None:
    batch.hold(event, fact, event.quantity)


def _let_go(batch: _Batch, event: StockReleased | ReservationExpired, fact: Fact) -> None:
    batch.hold(event, fact, 0)


def _shipped(batch: _Batch, event: StockShipped, fact: Fact) -> None:
    batch.level(event, fact).on_hand -= event.quantity
    batch.take(event, fact, event.quantity - event.uncommitted)


def _returned(batch: _Batch, event: StockReturned, fact: Fact) -> None:
    level = batch.level(event, fact)
    level.on_hand += event.quantity
    level.quality_control += event.quantity


_CHANGES: dict[type[Event], Callable[[_Batch, Any, Fact], None]] = {
    StockReceived: _received,
    StockAdjusted: _adjusted,
    StockReserved: _reserved,
    StockAllocated: _allocated,
    ReservationExpired: _let_go,
    StockReleased: _let_go,
    StockShipped: _shipped,
    StockReturned: _returned,
}


def project(facts: Sequence[Fact]) -> Rows:
    batch = _Batch()
    for fact in facts:
        _CHANGES[type(fact.event)](batch, fact.event, fact)
    return {"add_levels": list(batch.levels.values()), "change_holds": list(batch.holds.values())}


STOCK_LEVELS = ReadModel("stock_levels", ("stock_levels", "stock_holds"), tuple(_CHANGES), project)

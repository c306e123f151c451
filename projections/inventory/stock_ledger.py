"""Why is it 47? Each movement of a stock: its cause, by how much it changed what, and what it was then.

What an event changes of a hold depends on the hold before. Inside a batch that is known; what of it is of the
time before the batch, the SQL looks up in the ledger itself (`stock_ledger.sql`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from domain.inventory.quantities import change_of
from domain.inventory.stock import STOCK
from domain.inventory.stock_events import (
    BackorderFilled,
    ReservationExpired,
    ReservationRenewed,
    ReservationRestored,
    StockAllocated,
    StockPickedShort,
    StockReleased,
    StockReserved,
    StockShipped,
)
from domain.kernel import Event, Fact
from projections.read_model import ReadModel, Rows


class Movement(NamedTuple):
    """One event of one stock; `…_change` is what it adds.

    Of what was held for the order before the batch, `loose` units go with it, or with `loose_all` whatever is
    left of it after `loose_before` units went earlier in the batch. `held` and `held_allocated` is what is
    held for the order after it; None where that depends on the time before the batch.
    """

    merchant: str
    sku: str
    warehouse: str
    position: int
    type: str
    order_id: str | None
    reference: str | None
    reason: str | None
    note: str | None
    occurred_at: datetime
    recorded_at: datetime
    causation: str
    actor: str
    on_hand_change: int
    reserved_change: int
    allocated_change: int
    quality_control_change: int
    damaged_change: int
    safety_stock_change: int
    incoming_change: int
    backordered_change: int
    loose: int
    loose_all: bool
    loose_before: int
    held: int | None
    held_allocated: bool | None


@dataclass(slots=True)
class _Hold:
    """What is held for an order within the batch; `units` is None as long as it is what was held before, less
    `taken`."""

    units: int | None = None
    allocated: bool = False
    taken: int = 0


class _Moved(NamedTuple):
    reserved: int = 0
    allocated: int = 0
    loose: int = 0
    loose_all: bool = False
    loose_before: int = 0


def _set(hold: _Hold, units: int, *, allocated: bool) -> _Moved:
    """So much is held from now on, whatever was held before."""
    was, was_allocated, before = hold.units, hold.allocated, hold.taken
    hold.units, hold.allocated = units, allocated
    reserved, committed = (0, units) if allocated else (units, 0)
    if was is None:
        return _Moved(reserved, committed, 0, loose_all=True, loose_before=before)
    return _Moved(
        reserved - (0 if was_allocated else was), committed - (was if was_allocated else 0), 0, False, before
    )


def _take(hold: _Hold, units: int) -> _Moved:
    """So much less is held from now on."""
    if hold.units is None:
        hold.taken += units
        return _Moved(loose=units, loose_before=hold.taken - units)
    hold.units -= units
    return _Moved(*((0, -units) if hold.allocated else (-units, 0)), loose_before=hold.taken)


def _held(event: Event, hold: _Hold) -> _Moved:
    match event:
        case StockReserved(quantity=quantity) | ReservationRenewed(quantity=quantity):
            return _set(hold, quantity, allocated=False)
        case StockAllocated(quantity=quantity):
            return _set(hold, quantity, allocated=True)
        case ReservationRestored() | BackorderFilled():
            held, expires_at = event.held, event.expires_at
            return _set(hold, held, allocated=expires_at is None)
        case StockShipped(quantity=quantity, uncommitted=uncommitted):
            return _take(hold, quantity - uncommitted)
        case StockReleased(quantity=quantity) | ReservationExpired(quantity=quantity):
            return _take(hold, quantity)
        case StockPickedShort(quantity=quantity):
            return _take(hold, quantity)
    return _Moved(loose_before=hold.taken)


def _reference(event: Any) -> str | None:
    return getattr(event, "reference", None) or getattr(event, "stocktake_id", None)


def _row(fact: Fact, holds: dict[tuple[str, str, str, str], _Hold]) -> Movement:
    event: Any = fact.event
    order_id: str | None = getattr(event, "order_id", None)
    key = (fact.merchant, event.sku, event.warehouse)
    hold = holds.setdefault((*key, order_id or ""), _Hold())
    moved = _held(event, hold) if order_id else _Moved()
    change = change_of(event)
    return Movement(
        *key,
        fact.position,
        type(event).__name__,
        order_id,
        _reference(event),
        getattr(event, "reason", None),
        getattr(event, "note", None) or None,
        fact.occurred_at,
        fact.recorded_at,
        fact.causation,
        fact.actor,
        change.on_hand,
        moved.reserved,
        moved.allocated,
        change.quality_control,
        change.damaged,
        change.safety_stock,
        change.incoming,
        change.backordered,
        moved.loose,
        moved.loose_all,
        moved.loose_before,
        hold.units if order_id else 0,
        hold.allocated if order_id and hold.units is not None else None,
    )


def project(facts: Sequence[Fact]) -> Rows:
    holds: dict[tuple[str, str, str, str], _Hold] = {}
    return {"insert_stock_ledger": [_row(fact, holds) for fact in facts]}


STOCK_LEDGER = ReadModel("stock_ledger", ("stock_ledger",), STOCK.events, project, version=3)

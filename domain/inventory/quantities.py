"""By how much does each event change the quantities of a stock?

One table for all who add up: the stock itself, its levels, its ledger. What is held for orders is not here,
as an event says there what is held from now on (`stock_state`).
"""

from __future__ import annotations

from typing import NamedTuple

from domain.inventory.stock_events import (
    BackorderCancelled,
    Backordered,
    BackorderFilled,
    Bucket,
    ExpectedStockArrived,
    ExpectedStockCancelled,
    ReservationRestored,
    StockAdjusted,
    StockCountSettled,
    StockEvent,
    StockExpected,
    StockMoved,
    StockPickedShort,
    StockReceived,
    StockReturned,
    StockRulesSet,
    StockSent,
    StockShipped,
    StockWrittenOff,
)


class Change(NamedTuple):
    """Units to add to each quantity."""

    on_hand: int = 0
    quality_control: int = 0
    damaged: int = 0
    safety_stock: int = 0
    incoming: int = 0
    backordered: int = 0


NONE = Change()


def _moved(event: StockMoved) -> Change:
    def into(bucket: Bucket) -> int:
        return event.quantity * ((event.target == bucket) - (event.source == bucket))

    return Change(quality_control=into("quality_control"), damaged=into("damaged"))


def _written_off(event: StockWrittenOff) -> Change:
    lost = -event.quantity
    if event.source == "damaged":
        return Change(on_hand=lost, damaged=lost)
    return Change(on_hand=lost, quality_control=lost)


def change_of(event: StockEvent) -> Change:
    match event:
        case StockReceived(quantity=quantity) | ReservationRestored(quantity=quantity):
            return Change(on_hand=quantity)
        case StockAdjusted(delta=delta) | StockCountSettled(difference=delta):
            return Change(on_hand=delta)
        case StockShipped(quantity=quantity) | StockSent(quantity=quantity):
            return Change(on_hand=-quantity)
        case StockReturned(quantity=quantity):
            return Change(on_hand=quantity, quality_control=quantity)
        case StockPickedShort(quantity=quantity, reason="missing"):
            return Change(on_hand=-quantity)
        case StockPickedShort(quantity=quantity):
            return Change(damaged=quantity)
        case StockMoved():
            return _moved(event)
        case StockWrittenOff():
            return _written_off(event)
        case StockRulesSet(rules=rules, was=was):
            return Change(safety_stock=rules.safety_stock - was.safety_stock)
        case StockExpected(quantity=quantity):
            return Change(incoming=quantity)
        case ExpectedStockArrived(quantity=quantity) | ExpectedStockCancelled(quantity=quantity):
            return Change(incoming=-quantity)
        case Backordered(quantity=quantity):
            return Change(backordered=quantity)
        case BackorderFilled(quantity=quantity) | BackorderCancelled(quantity=quantity):
            return Change(backordered=-quantity)
        case _:
            return NONE

"""Who gets which units? Reservations, allocations, and the line of those who wait for more to come.

Check and commit are one decision, so that two buyers never get the last unit. Whoever waits goes first: a new
order stands behind them, and after any decision nobody waits for units that are there.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from domain.inventory.stock_commands import AllocateStock, ReserveStock
from domain.inventory.stock_events import (
    Backordered,
    BackorderFilled,
    ReservationExpired,
    StockAllocated,
    StockAllocationRefused,
    StockEvent,
    StockReservationRefused,
    StockReserved,
)
from domain.inventory.stock_state import Held, Stock, Waiting, evolve_all

Events = tuple[StockEvent, ...]


def place_of(command: ReserveStock | AllocateStock) -> dict[str, str]:
    return {"sku": command.sku, "warehouse": command.warehouse}


def _expired(command: ReserveStock | AllocateStock, stock: Stock, wanted: int) -> dict[str, Held]:
    """Others' reservations past their time, the oldest first, until `wanted` would be free."""
    lapsed = (
        (at, order, held)
        for order, held in stock.held.items()
        if (at := held.expires_at) and at <= command.now and order != command.order_id
    )
    freed: dict[str, Held] = {}
    available = stock.available
    for _, order, held in sorted(lapsed, key=lambda each: each[:2]):
        if available >= wanted:
            break
        freed[order] = held
        available += held.quantity
    return freed


def _promise(
    command: ReserveStock | AllocateStock,
    stock: Stock,
    promised: StockEvent,
    refused: type[StockReservationRefused | StockAllocationRefused],
) -> Events:
    """Check and commit in one decision, so that two buyers never get the last unit."""
    place = place_of(command)
    own = stock.held.get(command.order_id)
    own_quantity = own.quantity if own else 0
    wanted = command.quantity - own_quantity + command.keep
    freed = _expired(command, stock, wanted) if stock.available < wanted else {}
    available = stock.available + sum(held.quantity for held in freed.values())
    if available < wanted:
        free = available + own_quantity
        return (refused(order_id=command.order_id, wanted=command.quantity, available=free, **place),)
    expired = (ReservationExpired(order_id=o, quantity=h.quantity, **place) for o, h in freed.items())
    return (*expired, promised)


def allocate(command: AllocateStock, stock: Stock) -> Events:
    allocated = StockAllocated(order_id=command.order_id, quantity=command.quantity, **place_of(command))
    held = stock.held.get(command.order_id)
    if held and held.expires_at is None and held.quantity >= command.quantity:
        return ()  # a redelivered command changes nothing; a change of the order may want more
    if held and held.quantity >= command.quantity:
        return (allocated,)  # what was promised is kept, also where units were lost since
    # the reservation lapsed and was given away, or was of less: take what is there now, or say no
    events = _promise(command, stock, allocated, StockAllocationRefused)
    if events[-1] is not allocated:
        return events
    return (*events[:-1], *_out_of_line(command, stock), allocated)


def _out_of_line(command: AllocateStock, stock: Stock) -> Iterator[StockEvent]:
    for each in stock.waiting:
        if each.order_id == command.order_id:
            yield _filled(each, stock, **place_of(command))


def reserve(command: ReserveStock, stock: Stock) -> Events:
    if command.order_id in stock.held or _waits(command.order_id, stock):
        return ()  # a redelivered command changes nothing
    served = _serve_line(command, stock) if stock.waiting else ()
    left = evolve_all(stock, served)
    if left.waiting:
        return (*served, _wait(command, left))
    promised = StockReserved(
        order_id=command.order_id,
        quantity=command.quantity,
        expires_at=command.expires_at,
        **place_of(command),
    )
    events = _promise(command, left, promised, StockReservationRefused)
    if isinstance(events[-1], StockReservationRefused):
        events = (_wait(command, left),)
    return (*served, *events)


def _waits(order_id: str, stock: Stock) -> bool:
    return any(each.order_id == order_id for each in stock.waiting)


def _serve_line(command: ReserveStock, stock: Stock) -> Events:
    """What has lapsed by now goes to those who wait, if it is enough for the first of them."""
    owed = stock.backordered + command.quantity
    freed = _expired(command, stock, owed) if stock.available < owed else {}
    expired: Events = tuple(
        ReservationExpired(order_id=o, quantity=h.quantity, **place_of(command)) for o, h in freed.items()
    )
    filled = tuple(fill(evolve_all(stock, expired), **place_of(command)))
    return (*expired, *filled) if filled else ()


def _wait(command: ReserveStock, stock: Stock) -> StockEvent:
    """In line, if there is room in it; else no."""
    place = place_of(command)
    if not command.waits or stock.backordered + command.quantity > stock.rules.backorder_limit:
        free = 0 if stock.waiting else stock.available + _lapsed(command, stock)
        room = max(0, stock.rules.backorder_limit - stock.backordered)
        return StockReservationRefused(
            order_id=command.order_id, wanted=command.quantity, available=free, room=room, **place
        )
    expires_at = command.now + timedelta(days=stock.rules.backorder_days)
    return Backordered(
        order_id=command.order_id,
        quantity=command.quantity,
        expires_at=expires_at,
        correlation=command.correlation,
        clock=command.clock,
        **place,
    )


class Promisable(NamedTuple):
    """Units that an order may have, at most: `free` now, or up to `room` by waiting for all that it wants."""

    free: int = 0
    room: int = 0


def promisable(stock: Stock, now: datetime) -> Promisable:
    """What `reserve` would say to an order of now, which may wait: what has lapsed by then is free, and who
    waits goes first."""
    lapsed = (held.quantity for _, held in stock.held.items() if held.expires_at and held.expires_at <= now)
    free, owed = stock.available + sum(lapsed), stock.backordered
    for each in stock.waiting:
        if free < each.quantity:
            return Promisable(0, max(0, stock.rules.backorder_limit - owed))
        free -= each.quantity
        owed -= each.quantity
    return Promisable(max(0, free), max(0, stock.rules.backorder_limit - owed))


def _lapsed(command: ReserveStock, stock: Stock) -> int:
    wanted = command.quantity + command.keep
    return sum(held.quantity for held in _expired(command, stock, wanted).values())


def fill(stock: Stock, sku: str, warehouse: str) -> Iterator[StockEvent]:
    """What is there goes to those who wait, in the order of their coming; nobody is passed over."""
    available = stock.available
    for each in stock.waiting:
        if available < each.quantity:
            return
        available -= each.quantity
        yield _filled(each, stock, sku, warehouse)


def _filled(waiting: Waiting, stock: Stock, sku: str, warehouse: str) -> BackorderFilled:
    held = stock.held.get(waiting.order_id)
    return BackorderFilled(
        order_id=waiting.order_id,
        sku=sku,
        warehouse=warehouse,
        quantity=waiting.quantity,
        held=waiting.quantity + (held.quantity if held else 0),
        expires_at=None if held and held.expires_at is None else waiting.expires_at,
        correlation=waiting.correlation,
        clock=waiting.clock,
    )

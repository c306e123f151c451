"""Stock of one SKU in one warehouse: what may be promised to orders, and what has been.

on hand = available + committed (reserved or allocated) + unavailable (in quality control), always.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import AwareDatetime, Field

from domain.kernel import Command, Decider, Event, Quantity, Refused
from domain.persistent_map import Draft, PersistentMap

Id = Annotated[str, Field(min_length=1, max_length=200)]
AdjustReason: TypeAlias = Literal["count", "damage", "loss", "found", "correction", "other"]
Delta = Annotated[int, Field(ge=-(10**9), le=10**9)]


class StockReceived(Event):
    sku: Id
    warehouse: Id
    quantity: Quantity
    reference: str = ""


class StockAdjusted(Event):
    sku: Id
    warehouse: Id
    delta: Delta
    reason: AdjustReason
    note: str = ""


class StockReserved(Event):
    order_id: Id
    sku: Id
    warehouse: Id
    quantity: Quantity
    expires_at: AwareDatetime


class StockReservationRefused(Event):
    refusal = True
    order_id: Id
    sku: Id
    warehouse: Id
    wanted: Quantity
    available: int


class ReservationExpired(Event):
    order_id: Id
    sku: Id
    warehouse: Id
    quantity: Quantity


class StockAllocated(Event):
    """Reserved stock is committed to a confirmed order; it expires no more."""

    order_id: Id
    sku: Id
    warehouse: Id
    quantity: Quantity


class StockAllocationRefused(Event):
    """The reservation was gone, or was of less, and the stock too, when the order was confirmed."""

    refusal = True
    order_id: Id
    sku: Id
    warehouse: Id
    wanted: Quantity
    available: int


class StockReleased(Event):
    order_id: Id
    sku: Id
    warehouse: Id
    quantity: Quantity


class StockShipped(Event):
    """`quantity` left the warehouse; `uncommitted` of it was not held for the order (a contradiction).

    What was held beyond it stays held: it may go with the next parcel.
    """

    order_id: Id
    sku: Id
    warehouse: Id
    quantity: Quantity
    uncommitted: Annotated[int, Field(ge=0)] = 0


class StockReturned(Event):
    """A parcel came back; its goods wait in quality control and are not for sale."""

    order_id: Id
    sku: Id
    warehouse: Id
    quantity: Quantity


StockEvent: TypeAlias = (
    StockReceived
    | StockAdjusted
    | StockReserved
    | StockReservationRefused
    | ReservationExpired
    | StockAllocated
    | StockAllocationRefused
    | StockReleased
    | StockShipped
    | StockReturned
)


class ReceiveStock(Command):
    sku: Id
    warehouse: Id
    quantity: Quantity
    reference: str = ""


class AdjustStock(Command):
    sku: Id
    warehouse: Id
    delta: Delta
    reason: AdjustReason
    note: str = ""


class ReserveStock(Command):
    """Hold `quantity` for the order until `expires_at`; what has expired by `now` counts as free."""

    order_id: Id
    sku: Id
    warehouse: Id
    quantity: Quantity
    now: AwareDatetime
    expires_at: AwareDatetime


class ExpireReservation(Command):
    order_id: Id
    sku: Id
    warehouse: Id


class AllocateStock(Command):
    order_id: Id
    sku: Id
    warehouse: Id
    quantity: Quantity
    now: AwareDatetime


class ReleaseStock(Command):
    order_id: Id
    sku: Id
    warehouse: Id


class ShipStock(Command):
    """A fact: the units left. Never refused, even if they were held for nobody."""

    order_id: Id
    sku: Id
    warehouse: Id
    quantity: Quantity


class ReturnStock(Command):
    order_id: Id
    sku: Id
    warehouse: Id
    quantity: Quantity


StockCommand: TypeAlias = (
    ReceiveStock
    | AdjustStock
    | ReserveStock
    | ExpireReservation
    | AllocateStock
    | ReleaseStock
    | ShipStock
    | ReturnStock
)


@dataclass(frozen=True, slots=True)
class Held:
    """What is held for one order; `expires_at` is None once it is allocated."""

    quantity: int
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Stock:
    on_hand: int = 0
    committed: int = 0
    quality_control: int = 0
    held: PersistentMap[str, Held] = field(default_factory=PersistentMap)

    @property
    def available(self) -> int:
        return self.on_hand - self.committed - self.quality_control


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
) -> tuple[StockEvent, ...]:
    """Check and commit in one decision, so that two buyers never get the last unit."""
    place = {"sku": command.sku, "warehouse": command.warehouse}
    own = stock.held.get(command.order_id)
    own_quantity = own.quantity if own else 0
    wanted = command.quantity - own_quantity
    freed = _expired(command, stock, wanted) if stock.available < wanted else {}
    available = stock.available + sum(held.quantity for held in freed.values())
    if available < wanted:
        free = available + own_quantity
        return (refused(order_id=command.order_id, wanted=command.quantity, available=free, **place),)
    expired = (ReservationExpired(order_id=o, quantity=h.quantity, **place) for o, h in freed.items())
    return (*expired, promised)


def _allocate(command: AllocateStock, stock: Stock) -> tuple[StockEvent, ...]:
    allocated = StockAllocated(
        order_id=command.order_id, sku=command.sku, warehouse=command.warehouse, quantity=command.quantity
    )
    held = stock.held.get(command.order_id)
    if held and held.expires_at is None:
        return ()  # a redelivered command changes nothing
    if held and held.quantity >= command.quantity:
        return (allocated,)  # what was promised is kept, also where units were lost since
    # the reservation lapsed and was given away, or was of less: take what is there now, or say no
    return _promise(command, stock, allocated, StockAllocationRefused)


def _adjust(command: AdjustStock, stock: Stock) -> tuple[StockEvent, ...]:
    spoken_for = stock.committed + stock.quality_control
    if command.delta == 0:
        raise Refused("adjust_changes_something", "an adjustment by 0 changes nothing")
    if command.delta < 0 and stock.on_hand + command.delta < spoken_for:
        held = f", {spoken_for} are held: cancel those orders first" if spoken_for else ""
        raise Refused(
            "adjust_within_available",
            f"{stock.available} of {stock.on_hand} units of {command.sku} are available in warehouse"
            f" {command.warehouse}, so they can't be adjusted by {command.delta}{held}",
        )
    return (StockAdjusted(**dict(command)),)


def decide(command: StockCommand, stock: Stock) -> tuple[StockEvent, ...]:
    match command:
        case ReceiveStock():
            return (StockReceived(**dict(command)),)
        case AdjustStock():
            return _adjust(command, stock)
        case ReserveStock(order_id=order) if order in stock.held:
            return ()  # a redelivered command changes nothing
        case ReserveStock():
            fields = dict(command)
            del fields["now"]
            return _promise(command, stock, StockReserved(**fields), StockReservationRefused)
        case AllocateStock():
            return _allocate(command, stock)
        case ShipStock(order_id=order, quantity=quantity):
            held = stock.held.get(order)
            uncommitted = max(0, quantity - (held.quantity if held else 0))
            return (StockShipped(**dict(command), uncommitted=uncommitted),)
        case ReturnStock():
            return (StockReturned(**dict(command)),)
        case ExpireReservation(order_id=order) if (held := stock.held.get(order)) and held.expires_at:
            return (ReservationExpired(**dict(command), quantity=held.quantity),)
        case ReleaseStock(order_id=order) if held := stock.held.get(order):
            return (StockReleased(**dict(command), quantity=held.quantity),)
    return ()  # nothing is held for the order: released, shipped or expired before


@dataclass(slots=True)
class _Count:
    """A stock between two events: changed in place, as a stream may be long and a copy costs more than most
    events change."""

    on_hand: int
    committed: int
    quality_control: int
    held: Draft[str, Held]

    def hold(self, order: str, held: Held | None) -> None:
        """`held`, and nothing else, is held for the order."""
        before = self.held.get(order)
        self.held.put(order, held)
        self.committed += (held.quantity if held else 0) - (before.quantity if before else 0)

    def happen(self, event: StockEvent) -> None:
        match event:
            case StockReserved(order_id=order, quantity=quantity, expires_at=expires_at):
                self.hold(order, Held(quantity, expires_at))
            case StockAllocated(order_id=order, quantity=quantity):
                self.hold(order, Held(quantity, None))
            case StockShipped(order_id=order, quantity=quantity):
                held = self.held.get(order)
                kept = max(0, held.quantity - quantity) if held else 0
                self.hold(order, replace(held, quantity=kept) if held and kept else None)
                self.on_hand -= quantity
            case ReservationExpired(order_id=order) | StockReleased(order_id=order):
                self.hold(order, None)
            case StockReceived(quantity=quantity):
                self.on_hand += quantity
            case StockAdjusted(delta=delta):
                self.on_hand += delta
            case StockReturned(quantity=quantity):
                self.on_hand += quantity
                self.quality_control += quantity
            case StockReservationRefused() | StockAllocationRefused():
                pass


def evolve_all(stock: Stock, events: Iterable[StockEvent]) -> Stock:
    count = _Count(stock.on_hand, stock.committed, stock.quality_control, Draft(stock.held))
    for event in events:
        count.happen(event)
    return Stock(count.on_hand, count.committed, count.quality_control, count.held.done())


def evolve(stock: Stock, event: StockEvent) -> Stock:
    return evolve_all(stock, (event,))


STOCK: Decider[StockCommand, StockEvent, Stock] = Decider(
    "stock",
    decide,
    evolve,
    Stock(),
    events=StockEvent.__args__,
    commands=StockCommand.__args__,
    parts=("merchant", "sku", "warehouse"),
    evolve_all=evolve_all,
)

AGGREGATES = (STOCK,)
PERMISSIONS = ("stock:read", "stock:write")

"""The inventory agent: holds stock for orders, commits it, lets it go, and books it out when it ships."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta

from pydantic import AwareDatetime

from domain.carrier import ShipmentDispatched, ShipmentReturned
from domain.deadline import DeadlineReached
from domain.inventory import (
    AllocateStock,
    ExpireReservation,
    ReleaseStock,
    ReserveStock,
    ReturnStock,
    ShipStock,
    StockAllocated,
)
from domain.kernel import Command, Deadline, Fact, Group, Reaction, Target, Value
from domain.order import (
    OrderCancelled,
    OrderConfirmed,
    OrderEditConfirmed,
    OrderEditDeclined,
    OrderEdited,
    OrderLinesCancelled,
    OrderPlaced,
    UnitsChange,
)
from domain.streams import stock_stream
from services.agents.agent import Agent, order_key

RESERVATION = "reservation"


class Item(Value):
    sku: str
    warehouse: str
    quantity: int


class InventoryProcess(Value):
    """What the order needs from stock."""

    order_id: str = ""
    items: tuple[Item, ...] = ()
    confirmed: bool = False
    reserved_until: AwareDatetime | None = None
    growth: tuple[Item, ...] = ()
    grown: frozenset[str] = frozenset()
    undone: bool = False

    def units_of(self, item: Item) -> int:
        """How many of a product in a warehouse the order wants."""
        mine = (i.quantity for i in self.items if (i.sku, i.warehouse) == (item.sku, item.warehouse))
        return next(mine, 0)

    def with_units(self, changes: Iterable[UnitsChange]) -> InventoryProcess:
        """Other units are wanted; what a change set took beyond them is theirs now."""
        items = {(each.sku, each.warehouse): each.quantity for each in self.items}
        for each in changes:
            place = (each.sku, each.warehouse)
            items[place] = items.get(place, 0) + each.change
        kept = tuple(Item(sku=s, warehouse=w, quantity=n) for (s, w), n in sorted(items.items()) if n > 0)
        return self.model_copy(update={"items": kept, "growth": (), "grown": frozenset(), "undone": False})


def _for_all(fact: Fact, items: tuple[Item, ...], command: Callable[[Item], Command]) -> tuple[Group, ...]:
    """One command for each item, carried out all or not at all."""
    targets = (Target(stock_stream(fact.merchant, item.sku, item.warehouse), command(item)) for item in items)
    return (Group(tuple(targets)),) if items else ()


def _placed(event: OrderPlaced, fact: Fact) -> Reaction[InventoryProcess]:
    wanted: Counter[tuple[str, str]] = Counter()
    for line in event.lines:
        wanted[line.sku, line.warehouse] += line.quantity
    items = tuple(Item(sku=s, warehouse=w, quantity=n) for (s, w), n in sorted(wanted.items()))
    expires_at = fact.occurred_at + timedelta(seconds=event.terms.reservation_valid_s)

    def reserve(item: Item) -> Command:
        return ReserveStock(
            order_id=event.order_id, now=fact.occurred_at, expires_at=expires_at, **dict(item)
        )

    return Reaction(
        InventoryProcess(order_id=event.order_id, items=items, reserved_until=expires_at),
        _for_all(fact, items, reserve),
        (Deadline(order_key(fact), RESERVATION, expires_at),) if items else (),
    )


def _hold(process: InventoryProcess, item: Item, quantity: int, fact: Fact) -> tuple[Target, ...]:
    """From now on so many units are held, whatever was: let go and taken again in one decision."""
    stream = stock_stream(fact.merchant, item.sku, item.warehouse)
    place = {"order_id": process.order_id, "sku": item.sku, "warehouse": item.warehouse}
    released = Target(stream, ReleaseStock(**place))
    until = process.reserved_until
    if quantity and (process.confirmed or until is None):
        allocate = AllocateStock(**place, quantity=quantity, now=fact.occurred_at)
        return (released, Target(stream, allocate))
    if quantity and until is not None and until > fact.occurred_at:
        reserve = ReserveStock(**place, quantity=quantity, now=fact.occurred_at, expires_at=until)
        return (released, Target(stream, reserve))
    return (released,)


def _hold_all(process: InventoryProcess, wanted: Iterable[tuple[Item, int]], fact: Fact) -> tuple[Group, ...]:
    """Of each product so many units: all, or as it was."""
    targets = [target for item, units in wanted for target in _hold(process, item, units, fact)]
    return (Group(tuple(targets)),) if targets else ()


def _changed(
    process: InventoryProcess, changes: tuple[UnitsChange, ...], fact: Fact
) -> Reaction[InventoryProcess]:
    """What is not wanted any more is let go; what is wanted more was taken before."""
    process = process.with_units(changes)
    fewer = (Item(sku=c.sku, warehouse=c.warehouse, quantity=0) for c in changes if c.change < 0)
    return Reaction(process, _hold_all(process, [(item, process.units_of(item)) for item in fewer], fact))


def _grow(process: InventoryProcess, event: OrderEditConfirmed, fact: Fact) -> Reaction[InventoryProcess]:
    """What a change set wants beyond what the order has is committed to it: all, or nothing."""
    growth = tuple(Item(sku=c.sku, warehouse=c.warehouse, quantity=c.change) for c in event.units)
    wanted = [(item, process.units_of(item) + item.quantity) for item in growth]
    process = process.model_copy(update={"growth": growth, "grown": frozenset(), "undone": False})
    return Reaction(process, _hold_all(process, wanted, fact))


def _grown(process: InventoryProcess, event: StockAllocated, fact: Fact) -> Reaction[InventoryProcess]:
    """It is committed to the change set: and let go again, where that came to nothing meanwhile."""
    place = f"{event.sku} {event.warehouse}"
    mine = [i for i in process.growth if f"{i.sku} {i.warehouse}" == place]
    if not mine or place in process.grown or event.quantity != process.units_of(mine[0]) + mine[0].quantity:
        return Reaction(process)
    if process.undone:
        return Reaction(process, _hold_all(process, [(mine[0], process.units_of(mine[0]))], fact))
    return Reaction(process.model_copy(update={"grown": process.grown | {place}}))


def _undone(process: InventoryProcess, fact: Fact) -> Reaction[InventoryProcess]:
    """The change set came to nothing: what it has taken is let go, and what it will yet take, too."""
    taken = [i for i in process.growth if f"{i.sku} {i.warehouse}" in process.grown]
    left = tuple(i for i in process.growth if i not in taken)
    process = process.model_copy(update={"growth": left, "grown": frozenset(), "undone": True})
    return Reaction(process, _hold_all(process, [(item, process.units_of(item)) for item in taken], fact))


def react(process: InventoryProcess, fact: Fact) -> Reaction[InventoryProcess]:
    order_id, items = process.order_id, process.items
    no_deadline = (Deadline(order_key(fact), RESERVATION, None),) if items else ()

    def place(item: Item) -> dict[str, str]:
        return {"order_id": order_id, "sku": item.sku, "warehouse": item.warehouse}

    match fact.event:
        case OrderPlaced() as event if not process.order_id:
            return _placed(event, fact)
        case OrderConfirmed():
            commands = _for_all(
                fact, items, lambda i: AllocateStock(**place(i), quantity=i.quantity, now=fact.occurred_at)
            )
            return Reaction(process.model_copy(update={"confirmed": True}), commands, no_deadline)
        case OrderCancelled():
            return Reaction(process, _for_all(fact, items, lambda i: ReleaseStock(**place(i))), no_deadline)
        case OrderLinesCancelled(units=units) | OrderEdited(units=units):
            return _changed(process, units, fact)
        case OrderEditConfirmed() as event if event.units:
            return _grow(process, event, fact)
        case StockAllocated() as event if process.growth:
            return _grown(process, event, fact)
        case OrderEditDeclined() if process.growth:
            return _undone(process, fact)
        case DeadlineReached(name="reservation") if not process.confirmed:
            return Reaction(process, _for_all(fact, items, lambda i: ExpireReservation(**place(i))))
        case ShipmentDispatched():
            return Reaction(
                process, _for_all(fact, items, lambda i: ShipStock(**place(i), quantity=i.quantity))
            )
        case ShipmentReturned():
            return Reaction(
                process, _for_all(fact, items, lambda i: ReturnStock(**place(i), quantity=i.quantity))
            )
        case _:
            return Reaction(process)


INVENTORY_AGENT = Agent(
    name="inventory",
    context="inventory",
    initial=InventoryProcess(),
    interests=(
        OrderPlaced,
        OrderConfirmed,
        OrderCancelled,
        OrderLinesCancelled,
        OrderEditConfirmed,
        OrderEdited,
        OrderEditDeclined,
        StockAllocated,
        DeadlineReached,
        ShipmentDispatched,
        ShipmentReturned,
    ),
    react=react,
    rule_version=2,
)

AGENTS = (INVENTORY_AGENT,)

"""The inventory agent: holds stock for orders, commits it, lets it go, and books it out when it ships."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

from domain.carrier import ShipmentDispatched, ShipmentReturned
from domain.deadline import DeadlineReached
from domain.inventory import (
    AllocateStock,
    ExpireReservation,
    ReleaseStock,
    ReserveStock,
    ReturnStock,
    ShipStock,
)
from domain.kernel import Command, Deadline, Fact, Group, Reaction, Target, Value
from domain.order import OrderCancelled, OrderConfirmed, OrderPlaced
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
        InventoryProcess(order_id=event.order_id, items=items),
        _for_all(fact, items, reserve),
        (Deadline(order_key(fact), RESERVATION, expires_at),) if items else (),
    )


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
        DeadlineReached,
        ShipmentDispatched,
        ShipmentReturned,
    ),
    react=react,
)

AGENTS = (INVENTORY_AGENT,)

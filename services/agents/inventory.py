"""The inventory agent: holds stock for orders, commits it, lets it go, and books it out when it ships."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from domain.carrier import ShipmentDispatched, ShipmentReturned
from domain.deadline import DeadlineReached
from domain.inventory import (
    AllocateStock,
    Backordered,
    BackorderFilled,
    CancelBackorder,
    ExpireReservation,
    ReleaseStock,
    RenewReservation,
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
    """What the order needs from stock, and for which of it (`SKU warehouse`) it waits in line.

    `valid_s`: for how long a reservation holds until the order is confirmed.
    """

    order_id: str = ""
    items: tuple[Item, ...] = ()
    valid_s: int = 0
    waits_for: frozenset[str] = frozenset()
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
            order_id=event.order_id,
            now=fact.occurred_at,
            expires_at=expires_at,
            correlation=fact.correlation,
            clock=fact.clock,
            **dict(item),
        )

    return Reaction(
        InventoryProcess(order_id=event.order_id, items=items, valid_s=event.terms.reservation_valid_s),
        _for_all(fact, items, reserve),
        (Deadline(order_key(fact), RESERVATION, expires_at),) if items else (),
    )


def _held_until(process: InventoryProcess, fact: Fact, expires_at: datetime) -> Reaction[InventoryProcess]:
    """What is reserved by now stays so until then, since other stock of the order is still to come."""

    def renew(item: Item) -> Command:
        place = {"order_id": process.order_id, "sku": item.sku, "warehouse": item.warehouse}
        return RenewReservation(**place, expires_at=expires_at)

    deadline = Deadline(order_key(fact), RESERVATION, expires_at)
    return Reaction(process, _for_all(fact, process.items, renew), (deadline,))


def _waiting(process: InventoryProcess, event: Backordered, fact: Fact) -> Reaction[InventoryProcess]:
    waits_for = process.waits_for | {f"{event.sku} {event.warehouse}"}
    return _held_until(process.model_copy(update={"waits_for": waits_for}), fact, event.expires_at)


def _filled(process: InventoryProcess, event: BackorderFilled, fact: Fact) -> Reaction[InventoryProcess]:
    """Once all of it is there, the time until it is to be confirmed begins."""
    waits_for = process.waits_for - {f"{event.sku} {event.warehouse}"}
    process = process.model_copy(update={"waits_for": waits_for})
    if waits_for or process.confirmed:
        return Reaction(process)
    return _held_until(process, fact, fact.occurred_at + timedelta(seconds=process.valid_s))


def _lapsed(process: InventoryProcess, fact: Fact) -> Reaction[InventoryProcess]:
    """The time is over: what is reserved is let go, what is waited for is waited for no more."""
    place = [{"order_id": process.order_id, "sku": i.sku, "warehouse": i.warehouse} for i in process.items]
    commands: list[ExpireReservation | CancelBackorder] = [ExpireReservation(**each) for each in place]
    if process.waits_for:
        commands += [CancelBackorder(**each, reason="expired") for each in place]
    targets = tuple(Target(stock_stream(fact.merchant, c.sku, c.warehouse), c) for c in commands)
    return Reaction(process, (Group(targets),) if targets else ())


def _in_parcel(event: ShipmentDispatched | ShipmentReturned, process: InventoryProcess) -> tuple[Item, ...]:
    """What the parcel says is in it; nothing where it is all of the order, or of one that nobody placed."""
    return tuple(Item(**dict(line)) for line in event.lines) if process.order_id else ()


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
        case Backordered() as event if not process.confirmed:
            return _waiting(process, event, fact)
        case BackorderFilled() as event:
            return _filled(process, event, fact)
        case DeadlineReached(name="reservation") if not process.confirmed:
            return _lapsed(process, fact)
        case ShipmentDispatched() as event:
            sent = _in_parcel(event, process) or items
            return Reaction(
                process, _for_all(fact, sent, lambda i: ShipStock(**place(i), quantity=i.quantity))
            )
        case ShipmentReturned() as event:
            back = _in_parcel(event, process) or items
            return Reaction(
                process, _for_all(fact, back, lambda i: ReturnStock(**place(i), quantity=i.quantity))
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
        Backordered,
        BackorderFilled,
        DeadlineReached,
        ShipmentDispatched,
        ShipmentReturned,
    ),
    react=react,
    rule_version=2,
)

AGENTS = (INVENTORY_AGENT,)

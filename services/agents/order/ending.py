"""How far are the order's parcels, and is it over with them: all where they should be, or all back?"""

from __future__ import annotations

from domain.carrier import ShipmentDispatched
from domain.kernel import Command, Fact, Reaction
from domain.order import CancelOrder, CompleteOrder, OpenOrderDiscrepancy, ParcelUnits, RecordDispatch
from services.agents.order.process import OrderProcess, Parcel, Trouble, now


def dispatched(process: OrderProcess, event: ShipmentDispatched, fact: Fact) -> Reaction[OrderProcess]:
    """Which of the order's lines that was, and whether anything is left to be sent, the order says. A parcel
    that does not say what is in it has all."""
    process = parcel_reached(process, event.shipment_id, "dispatched")
    if not event.lines:
        process = counted(process, event.shipment_id, shipped=True)
        return now(process, fact, RecordDispatch(order_id=process.order_id))
    units = tuple(ParcelUnits(**dict(line)) for line in event.lines)
    ids = {"order_id": process.order_id, "shipment_id": event.shipment_id}
    return now(process, fact, RecordDispatch(**ids, units=units))


def parcel_reached(process: OrderProcess, shipment_id: str, reached: Parcel) -> OrderProcess:
    return process.model_copy(update={"parcels": {**process.parcels, shipment_id: reached}})


def counted(process: OrderProcess, shipment_id: str, *, shipped: bool) -> OrderProcess:
    update = {"counted": process.counted | {shipment_id}, "shipped": shipped or process.shipped}
    return process.model_copy(update=update)


def arrived(process: OrderProcess, fact: Fact) -> Reaction[OrderProcess]:
    """The order is over with the last of its parcels: that is where it should be, or all of them are back."""
    return ended_if_settled(process, fact) if process.returned else completed(process, fact)


def completed(process: OrderProcess, fact: Fact) -> Reaction[OrderProcess]:
    if process.delivered and process.is_paid:
        return now(process, fact, CompleteOrder(order_id=process.order_id))
    return Reaction(process)


def ended_if_settled(process: OrderProcess, fact: Fact, *commands: Command) -> Reaction[OrderProcess]:
    """An order that came back is over once its money is settled."""
    if process.returned and process.is_settled:
        commands = (*commands, CancelOrder(order_id=process.order_id, reason="returned"))
    return now(process, fact, *commands)


def against_books(process: OrderProcess, fact: Fact, kind: Trouble, about: str) -> OpenOrderDiscrepancy:
    """`about` is the payment or the parcel. The order is told by which event, to know it again."""
    return OpenOrderDiscrepancy(order_id=process.order_id, kind=kind, about=about, fact=fact.event_id)


def contradicted(process: OrderProcess, fact: Fact, kind: Trouble, about: str) -> Reaction[OrderProcess]:
    return ended_if_settled(process, fact, against_books(process, fact, kind, about))

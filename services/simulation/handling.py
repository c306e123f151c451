"""What does staff do with an order's parcel in a simulation? It splits it, or gives its label back and has it
booked anew; and in the evening it sees to what is undone."""

from __future__ import annotations

from collections.abc import Iterator

from commands.carrier.shipments import both_parcels
from domain.allocation import SHORT_PICK
from domain.carrier import Rebook, Shipment, SplitParcel, VoidLabel
from domain.kernel import Group, one
from domain.order import Order, ReleaseOrder
from domain.streams import order_stream, shipment_stream
from services.simulation.acts import Act, Step, as_it_is
from services.simulation.node import Node
from services.simulation.plan import PlannedOrder

LOOK_SECONDS = 0.5


def acts_of(order: PlannedOrder) -> Iterator[Act]:
    """Once there is such a parcel; staff is told no where it is gone by then, or its order cancelled."""
    handling = order.handling
    if handling is None:
        return

    async def is_there(node: Node) -> bool:
        return bool((await _parcel(node, order)).order_id)

    async def has_label(node: Node) -> bool:
        return bool((await _parcel(node, order)).tracking_number)

    async def is_without(node: Node) -> bool:
        return (await _parcel(node, order)).void in ("done", "refused")

    if handling.kind == "split":
        yield Act(handling.after_s, "split", _splitting(order), is_there)
        return
    void = one(_stream(order), VoidLabel(shipment_id=order.order_id))
    yield Act(handling.after_s, "give back the label of", as_it_is(void), has_label)
    yield Act(LOOK_SECONDS, "book anew", _rebooking(order), is_without)


def left_undone(order: PlannedOrder, evening: int) -> Iterator[Act]:
    """Labels that came back late are replaced; where units were found nowhere, their order goes without."""

    async def waits(node: Node) -> bool:
        parcel = await _parcel(node, order)
        return parcel.void == "done" and not (parcel.called_off or parcel.dispatched)

    async def is_short(node: Node) -> bool:
        return bool(_short_holds(await _order(node, order)))

    async def release(node: Node) -> Group:
        (hold, *_) = _short_holds(await _order(node, order))
        return one(
            order_stream(order.merchant, order.order_id), ReleaseOrder(order_id=order.order_id, hold_id=hold)
        )

    if order.handling:
        yield Act(0.0, f"book anew in evening {evening}", _rebooking(order), waits)
    if order.short_units:
        yield Act(0.0, f"do without in evening {evening}", release, is_short)


def _rebooking(order: PlannedOrder) -> Step:
    return as_it_is(one(_stream(order), Rebook(shipment_id=order.order_id)))


def _splitting(order: PlannedOrder) -> Step:
    """A unit of its first line goes in a parcel of its own, which the carrier fetches at once."""

    async def step(node: Node) -> Group:
        parcel = await _parcel(node, order)
        taken = tuple(line.model_copy(update={"quantity": 1}) for line in parcel.lines[:1])
        split = SplitParcel(shipment_id=order.order_id, into=f"{order.order_id}-b", lines=taken)
        return both_parcels(order.merchant, split, parcel)

    return step


def _stream(order: PlannedOrder) -> str:
    return shipment_stream(order.merchant, order.order_id)


async def _parcel(node: Node, order: PlannedOrder) -> Shipment:
    """The first of the order's."""
    (loaded,) = await node.executor.states.load([_stream(order)])
    parcel: Shipment = loaded.state
    return parcel


async def _order(node: Node, order: PlannedOrder) -> Order:
    (loaded,) = await node.executor.states.load([order_stream(order.merchant, order.order_id)])
    state: Order = loaded.state
    return state


def _short_holds(order: Order) -> list[str]:
    return sorted(hold for hold in order.holds if hold.startswith(SHORT_PICK))

"""An order of one merchant: what was bought on which terms, and how far its life has come.

Only the lifecycle is decided here (placed, reserved, confirmed, shipped, cancelled, completed), with what
holds it up and what changes it; the status of payment and of fulfilment are derived from the payments and
shipments themselves. Read `events.py`, then `commands.py`, `state.py` and the decisions, which this file puts
together.
"""

from __future__ import annotations

from domain.kernel import Decider, Refused
from domain.order.cancelling import ALLOCATION_CUT, cancel, cancel_lines, cancel_rest, edit_over
from domain.order.change_set import edit
from domain.order.commands import (
    AddOrderNote,
    AddOrderPayment,
    ApplyOrderEdit,
    CancelOrder,
    CancelOrderLines,
    CancelOrderRest,
    CompleteOrder,
    ConfirmOrder,
    ConfirmOrderEdit,
    DeclineOrderEdit,
    DropOrderPayment,
    HoldOrder,
    MarkReserved,
    OpenOrderDiscrepancy,
    OrderCommand,
    PlaceOrder,
    ProposeOrderEdit,
    RecordDispatch,
    ReleaseOrder,
    ResolveOrderDiscrepancy,
    StartPreparation,
    TagOrder,
    UntagOrder,
)
from domain.order.discrepancies import contradictions, open_discrepancy, resolve, sent_against
from domain.order.events import (
    OrderAddressChanged,
    OrderAddressProposed,
    OrderCancelled,
    OrderCompleted,
    OrderConfirmed,
    OrderDiscrepancyOpened,
    OrderDiscrepancyResolved,
    OrderEditConfirmed,
    OrderEditDeclined,
    OrderEdited,
    OrderEditProposed,
    OrderEvent,
    OrderHeld,
    OrderLinesCancelled,
    OrderNoteAdded,
    OrderParcelUnwanted,
    OrderPartShipped,
    OrderPaymentAdded,
    OrderPaymentDropped,
    OrderPaymentReduced,
    OrderPlaced,
    OrderPreparationStarted,
    OrderReleased,
    OrderReserved,
    OrderShipped,
    OrderTagged,
    OrderUntagged,
)
from domain.order.goods import Goods
from domain.order.handling import handle, told_holds
from domain.order.missing import Missing
from domain.order.paying import pay
from domain.order.placing import place
from domain.order.state import (
    UNSHIPPED,
    Due,
    Order,
    Proposal,
    Status,
    counted,
    evolve,
    order_total,
    sent_after,
)
from domain.order.values import (
    AddLine,
    Adjustment,
    CancelReason,
    Change,
    Channel,
    DeclineReason,
    DiscrepancyKind,
    DropReason,
    HoldReason,
    Id,
    Line,
    LineCut,
    LineQuantity,
    MethodName,
    NoteText,
    ParcelUnits,
    PaymentChange,
    Portion,
    ProductChange,
    RemoveLine,
    SetQuantity,
    SetShipping,
    Signed,
    Tag,
    Terms,
    UnitsChange,
    Validity,
)

__all__ = [
    "ALLOCATION_CUT",
    "ORDER",
    "UNSHIPPED",
    "AddLine",
    "AddOrderNote",
    "AddOrderPayment",
    "Adjustment",
    "ApplyOrderEdit",
    "CancelOrder",
    "CancelOrderLines",
    "CancelOrderRest",
    "CancelReason",
    "Change",
    "Channel",
    "CompleteOrder",
    "ConfirmOrder",
    "ConfirmOrderEdit",
    "DeclineOrderEdit",
    "DeclineReason",
    "DiscrepancyKind",
    "DropOrderPayment",
    "DropReason",
    "Due",
    "Goods",
    "HoldOrder",
    "HoldReason",
    "Id",
    "Line",
    "LineCut",
    "LineQuantity",
    "MarkReserved",
    "MethodName",
    "Missing",
    "NoteText",
    "OpenOrderDiscrepancy",
    "Order",
    "OrderAddressChanged",
    "OrderAddressProposed",
    "OrderCancelled",
    "OrderCommand",
    "OrderCompleted",
    "OrderConfirmed",
    "OrderDiscrepancyOpened",
    "OrderDiscrepancyResolved",
    "OrderEditConfirmed",
    "OrderEditDeclined",
    "OrderEditProposed",
    "OrderEdited",
    "OrderEvent",
    "OrderHeld",
    "OrderLinesCancelled",
    "OrderNoteAdded",
    "OrderParcelUnwanted",
    "OrderPartShipped",
    "OrderPaymentAdded",
    "OrderPaymentDropped",
    "OrderPaymentReduced",
    "OrderPlaced",
    "OrderPreparationStarted",
    "OrderReleased",
    "OrderReserved",
    "OrderShipped",
    "OrderTagged",
    "OrderUntagged",
    "ParcelUnits",
    "PaymentChange",
    "PlaceOrder",
    "Portion",
    "ProductChange",
    "Proposal",
    "ProposeOrderEdit",
    "RecordDispatch",
    "ReleaseOrder",
    "RemoveLine",
    "ResolveOrderDiscrepancy",
    "SetQuantity",
    "SetShipping",
    "Signed",
    "StartPreparation",
    "Status",
    "Tag",
    "TagOrder",
    "Terms",
    "UnitsChange",
    "UntagOrder",
    "Validity",
    "decide",
    "evolve",
    "order_total",
]


def _dispatched_whole(command: RecordDispatch, order: Order) -> bool:
    """Whether nothing is left to be sent once this parcel is."""
    sent = sent_after(order, command.units)
    return not command.units or all(
        sent.get(number, 0) >= line.quantity for number, line in order.lines.items()
    )


def _dispatch(command: RecordDispatch, order: Order) -> tuple[OrderEvent, ...]:
    order_id = command.order_id
    shipment_id = command.shipment_id or order_id
    if order.status == "cancelled":
        if order.dispatched:
            return ()  # it came back, and was cancelled for that
        # the carrier took it all the same: true, and against our books
        return sent_against("shipped_after_cancel", order_id, shipment_id, order)
    if shipment_id in order.parcels:
        return ()
    wanted = counted(order, command.units)
    against = contradictions(command, shipment_id, order, wanted)
    if order.status not in UNSHIPPED:
        return against
    if _dispatched_whole(command, order):
        shipped = OrderShipped(order_id=order_id, shipment_id=shipment_id)
        return (*edit_over(order_id, order, "shipped"), shipped, *against)
    if not wanted:
        return (OrderParcelUnwanted(order_id=order_id, shipment_id=shipment_id), *against)
    return (OrderPartShipped(order_id=order_id, shipment_id=shipment_id, units=wanted), *against)


def _prepare(command: StartPreparation, order: Order) -> tuple[OrderEvent, ...]:
    if order.status != "confirmed":
        raise Refused(
            "prepare_confirmed", f"the order is {order.status}; only a confirmed one can be prepared"
        )
    if order.holds:
        raise Refused("prepare_not_held", f"the order is held by {told_holds(order)}; release it first")
    return () if order.preparing else (OrderPreparationStarted(order_id=command.order_id),)


def _live(command: OrderCommand, order: Order) -> tuple[OrderEvent, ...]:
    """The steps of an order's life."""
    match command, order.status:
        case MarkReserved(order_id=order_id), "placed":
            return (OrderReserved(order_id=order_id),)
        case ConfirmOrder(order_id=order_id), "placed" | "reserved":
            return (OrderConfirmed(order_id=order_id),)
        case StartPreparation(), _:
            return _prepare(command, order)
        case RecordDispatch(), _:
            return _dispatch(command, order)
        case CompleteOrder(order_id=order_id), "shipped":
            return (OrderCompleted(order_id=order_id),)
        case CompleteOrder(), "placed" | "reserved" | "confirmed" | "cancelled":
            raise Refused("complete_shipped", f"the order is {order.status}; only a shipped one completes")
    return ()  # said before: a repeated command changes nothing


def decide(command: OrderCommand, order: Order) -> tuple[OrderEvent, ...]:
    if isinstance(command, PlaceOrder):
        if order.status != "none":
            raise Refused(
                "order_id_unique", f"order {command.order_id} was placed before and is {order.status}"
            )
        return (place(command),)
    if order.status == "none":
        raise Refused("order_exists", f"there is no order {command.order_id}")
    match command:
        case CancelOrder():
            return cancel(command, order)
        case CancelOrderLines():
            return cancel_lines(command, order)
        case CancelOrderRest():
            return cancel_rest(command, order)
        case HoldOrder() | ReleaseOrder() | AddOrderNote() | TagOrder() | UntagOrder():
            return handle(command, order)
        case AddOrderPayment() | DropOrderPayment():
            return pay(command, order)
        case ProposeOrderEdit() | ConfirmOrderEdit() | DeclineOrderEdit() | ApplyOrderEdit():
            return edit(command, order)
        case OpenOrderDiscrepancy():
            return open_discrepancy(command, order)
        case ResolveOrderDiscrepancy():
            return resolve(command, order)
    return _live(command, order)


ORDER: Decider[OrderCommand, OrderEvent, Order] = Decider(
    "order",
    decide,
    evolve,
    Order(),
    events=OrderEvent.__args__,
    commands=OrderCommand.__args__,
    evolve_version=2,
    parts=("merchant", "order_id"),
)

AGGREGATES = (ORDER,)
PERMISSIONS = ("orders:read", "sales:read", "orders:write", "orders:fulfil", "orders:manage")
CUSTOMER_PERMISSIONS = ("orders:read", "orders:write")

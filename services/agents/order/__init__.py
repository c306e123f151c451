"""The order agent: moves an order's life on as stock, payments and parcels tell how they fare."""

from __future__ import annotations

from dataclasses import replace

from domain.allocation import (
    SHORT_PICK,
    AllocationChangeFailed,
    AllocationChangePlanned,
    AllocationChangeSettled,
    AllocationFailed,
    AllocationPlanned,
    AllocationRevised,
)
from domain.carrier import LabelRefused, ShipmentDelivered, ShipmentDispatched, ShipmentReturned
from domain.cart.events import CheckoutOrderRequested
from domain.cart.orders import place_order_of
from domain.deadline import DeadlineReached
from domain.inventory import (
    BackorderCancelled,
    BackorderFilled,
    ReservationExpired,
    StockAllocated,
    StockAllocationRefused,
    StockReservationRefused,
    StockReserved,
)
from domain.kernel import Fact, Reaction, one
from domain.order import (
    CancelOrder,
    ConfirmOrder,
    DeclineOrderEdit,
    OrderCancelled,
    OrderConfirmed,
    OrderEditConfirmed,
    OrderEditDeclined,
    OrderEdited,
    OrderEditProposed,
    OrderLinesCancelled,
    OrderPartShipped,
    OrderPaymentAdded,
    OrderPaymentDropped,
    OrderPaymentReduced,
    OrderPlaced,
    OrderReleased,
    OrderReserved,
    OrderShipped,
)
from domain.payment import (
    AuthorizationExpired,
    CaptureFailed,
    DisputeLost,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    PaymentVoided,
    RefundFailed,
    VoidFailed,
)
from domain.streams import order_stream
from domain.warehouse.pick_list import PickShorted
from services.agents.agent import Agent
from services.agents.order.change_sets import (
    CHANGE,
    awaits,
    came,
    carried_on,
    changed,
    deadline,
    decline,
    over,
    settled,
    under_way,
)
from services.agents.order.ending import arrived, contradicted, counted, dispatched, parcel_reached
from services.agents.order.goods import (
    change_planned,
    cut_missing,
    picked_short,
    placed,
    planned,
    replanned,
    reserved,
)
from services.agents.order.money import money_moved, paying
from services.agents.order.process import OrderProcess, now


def react(process: OrderProcess, fact: Fact) -> Reaction[OrderProcess]:
    order_id = process.order_id
    match fact.event:
        case CheckoutOrderRequested() as event:
            stream = order_stream(event.merchant, event.order_id)
            return Reaction(process, (one(stream, place_order_of(event)),))
        case OrderPlaced() as event if not process.order_id:
            return placed(event, fact)
        case _ if not order_id:
            return Reaction(process)  # of an order that nobody placed here
        case StockReserved(sku=sku, warehouse=warehouse) | BackorderFilled(sku=sku, warehouse=warehouse) if (
            process.to_reserve
        ):
            return reserved(process, process.to_reserve - {f"{sku} {warehouse}"}, fact)
        case AllocationPlanned() as event:
            return Reaction(planned(process, event))
        case AllocationFailed():
            return now(process, fact, CancelOrder(order_id=order_id, reason="stock"))
        case StockReservationRefused() if process.allocated:
            return Reaction(process)  # it is planned anew; the end of that is told
        case StockAllocationRefused() if process.beside and fact.causation == process.beside:
            return Reaction(process)  # so is this
        case AllocationChangePlanned():
            return Reaction(process.model_copy(update={"beside": fact.event_id}))
        case AllocationRevised() as event:
            return replanned(process, event, fact)
        case AllocationChangeSettled() | AllocationChangeFailed() as event:
            return change_planned(process, event, fact)
        case OrderReleased(hold_id=hold_id) if hold_id.startswith(SHORT_PICK):
            return cut_missing(process, hold_id, fact)
        case PickShorted() as event if not process.allocated:
            return picked_short(process, event, fact)
        case OrderReserved() if process.is_authorized:
            return now(process, fact, ConfirmOrder(order_id=order_id))
        case OrderPaymentAdded() | OrderPaymentReduced() | OrderPaymentDropped() as event:
            return paying(process, event, fact)
        case OrderConfirmed():
            return Reaction(process.model_copy(update={"confirmed": True}))
        case OrderCancelled():
            return Reaction(process.model_copy(update={"cancelled": True}))
        case OrderLinesCancelled() | OrderEdited() as event:
            carried = carried_on(process, changed(process, event), fact)
            return replace(carried, deadlines=over(event, fact))
        case OrderEditProposed(change_set_id=change_set_id, expires_at=expires_at):
            return Reaction(process, (), deadline(fact, change_set_id, expires_at))
        case OrderEditConfirmed() as event if event.units or event.payments:
            return Reaction(under_way(process, event, fact))
        case OrderEditDeclined(change_set_id=change_set_id):
            return Reaction(settled(process), (), deadline(fact, change_set_id, None))
        case DeadlineReached(name=name) if name.startswith(CHANGE):
            expired = {"order_id": order_id, "change_set_id": name.removeprefix(CHANGE)}
            return now(process, fact, DeclineOrderEdit(**expired, reason="expired"))
        case StockAllocated(sku=sku, warehouse=warehouse, quantity=quantity):
            place = f"{sku} {warehouse}"
            expected = awaits(process, place, quantity, fact)
            return came(process, fact, place=place) if expected else Reaction(process)
        case StockAllocationRefused(sku=sku, warehouse=warehouse, wanted=wanted) if awaits(
            process, f"{sku} {warehouse}", wanted, fact
        ):
            return decline(process, fact, "stock")
        case StockAllocationRefused() if fact.causation in process.asked_before:
            return Reaction(process)  # so did what it was asked for
        case StockReservationRefused() | StockAllocationRefused():
            return now(process, fact, CancelOrder(order_id=order_id, reason="stock"))
        case BackorderCancelled(reason=reason) if reason != "released":
            return now(process, fact, CancelOrder(order_id=order_id, reason="stock"))
        case ReservationExpired() if not process.confirmed:
            return now(process, fact, CancelOrder(order_id=order_id, reason="expired"))
        case LabelRefused(shipment_id=parcel):
            return contradicted(process, fact, "not_shippable", parcel)
        case ShipmentDispatched() as event:
            return dispatched(process, event, fact)
        case OrderPartShipped(shipment_id=parcel):
            return Reaction(counted(process, parcel, shipped=False))
        case OrderShipped(shipment_id=parcel):
            return arrived(counted(process, parcel, shipped=True), fact)
        case ShipmentDelivered(shipment_id=parcel) if process.parcels.get(parcel) != "returned":
            return arrived(parcel_reached(process, parcel, "delivered"), fact)
        case ShipmentReturned(shipment_id=parcel):
            return arrived(parcel_reached(process, parcel, "returned"), fact)
        case _:
            return money_moved(process, fact)  # late and repeated events are normal


ORDER_AGENT = Agent(
    name="order",
    context="order",
    initial=OrderProcess(),
    interests=(
        CheckoutOrderRequested,
        OrderPlaced,
        OrderReserved,
        OrderConfirmed,
        OrderPaymentAdded,
        OrderPaymentReduced,
        OrderPaymentDropped,
        OrderCancelled,
        AllocationPlanned,
        AllocationFailed,
        AllocationRevised,
        AllocationChangePlanned,
        AllocationChangeSettled,
        AllocationChangeFailed,
        PickShorted,
        OrderReleased,
        OrderLinesCancelled,
        OrderEditProposed,
        OrderEditConfirmed,
        OrderEdited,
        OrderEditDeclined,
        DeadlineReached,
        StockAllocated,
        StockReserved,
        StockReservationRefused,
        StockAllocationRefused,
        ReservationExpired,
        BackorderCancelled,
        BackorderFilled,
        PaymentAuthorized,
        PaymentDeclined,
        AuthorizationExpired,
        PaymentCaptured,
        CaptureFailed,
        PaymentRefunded,
        DisputeLost,
        RefundFailed,
        PaymentVoided,
        VoidFailed,
        LabelRefused,
        OrderPartShipped,
        OrderShipped,
        ShipmentDispatched,
        ShipmentDelivered,
        ShipmentReturned,
    ),
    react=react,
    rule_version=16,
)


AGENTS = (ORDER_AGENT,)

"""The order agent: moves an order's life on as stock, payments and parcels tell how they fare."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from domain.allocation import AllocationFailed, AllocationPlanned
from domain.carrier import LabelRefused, ShipmentDelivered, ShipmentDispatched, ShipmentReturned
from domain.cart.events import CheckoutOrderRequested
from domain.cart.orders import place_order_of
from domain.inventory import (
    BackorderCancelled,
    BackorderFilled,
    ReservationExpired,
    StockAllocationRefused,
    StockReservationRefused,
    StockReserved,
)
from domain.kernel import Command, Fact, Reaction, Value, one
from domain.order import (
    CancelOrder,
    CancelOrderLines,
    CompleteOrder,
    ConfirmOrder,
    LineQuantity,
    MarkReserved,
    OpenOrderDiscrepancy,
    OrderCancelled,
    OrderConfirmed,
    OrderPlaced,
    OrderReserved,
    RecordDispatch,
)
from domain.payment import (
    AuthorizationExpired,
    CaptureFailed,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    PaymentVoided,
    RefundFailed,
    VoidFailed,
)
from domain.streams import order_stream
from services.agents.agent import Agent, order_key

Trouble = Literal["not_captured", "not_refunded", "not_voided", "not_shippable"]


TO_PLAN = frozenset({""})
"""Stands for what is to be reserved of an order until it is planned."""


class OrderProcess(Value):
    """What the order waits for, and its money by payment id, in minor units.

    `released` are payments of which nothing is held: declined, voided, expired, or their capture failed.
    """

    order_id: str = ""
    to_reserve: frozenset[str] = frozenset()
    short: tuple[LineQuantity, ...] = ()
    allocated: bool = False
    due: dict[str, int] = Field(default_factory=dict)
    authorized: frozenset[str] = frozenset()
    captured: dict[str, int] = Field(default_factory=dict)
    refunded: dict[str, int] = Field(default_factory=dict)
    released: frozenset[str] = frozenset()
    confirmed: bool = False
    dispatched: bool = False
    delivered: bool = False
    returned: bool = False
    cancelled: bool = False

    @property
    def is_paid(self) -> bool:
        return all(self.captured.get(payment, 0) >= cents for payment, cents in self.due.items())

    @property
    def is_settled(self) -> bool:
        """Nothing is held, taken or about to be: what was taken went back."""
        return all(self._is_settled(payment) for payment in self.due)

    def _is_settled(self, payment: str) -> bool:
        if payment in self.captured:
            return self.refunded.get(payment, 0) >= self.captured[payment]
        return payment in self.released or payment not in self.authorized


def _now(process: OrderProcess, fact: Fact, *commands: Command) -> Reaction[OrderProcess]:
    return Reaction(process, tuple(one(order_key(fact), command) for command in commands))


def _placed(event: OrderPlaced, fact: Fact) -> Reaction[OrderProcess]:
    lines = frozenset(f"{line.sku} {line.warehouse}" for line in event.lines)
    process = OrderProcess(
        order_id=event.order_id,
        to_reserve=TO_PLAN if event.allocation and lines else lines,
        allocated=event.allocation is not None,
        due={portion.payment_id: portion.amount_cents for portion in event.portions},
    )
    if process.to_reserve:
        return Reaction(process)
    return _now(process, fact, MarkReserved(order_id=event.order_id))


def _planned(process: OrderProcess, event: AllocationPlanned) -> OrderProcess:
    """What is to be reserved, by the last plan; and what the order will not get."""
    return process.model_copy(
        update={
            "to_reserve": frozenset(f"{pick.sku} {pick.warehouse}" for pick in event.picks),
            "short": tuple(LineQuantity(line=each.line, quantity=each.quantity) for each in event.short),
        }
    )


def _reserved(process: OrderProcess, place: str, fact: Fact) -> Reaction[OrderProcess]:
    left = process.to_reserve - {place}
    process = process.model_copy(update={"to_reserve": left})
    if left:
        return Reaction(process)
    reserved = MarkReserved(order_id=process.order_id)
    if not process.short:
        return _now(process, fact, reserved)
    cut = CancelOrderLines(
        order_id=process.order_id, cancel_id="allocation", reason="stock", lines=process.short
    )
    return _now(process, fact, reserved, cut)


def _added(sums: dict[str, int], payment_id: str, cents: int) -> dict[str, int]:
    return {**sums, payment_id: sums.get(payment_id, 0) + cents}


def _completed(process: OrderProcess, fact: Fact) -> Reaction[OrderProcess]:
    if process.delivered and process.is_paid and not process.returned:
        return _now(process, fact, CompleteOrder(order_id=process.order_id))
    return Reaction(process)


def _ended_if_settled(process: OrderProcess, fact: Fact, *commands: Command) -> Reaction[OrderProcess]:
    """An order that came back is over once its money is settled."""
    if process.returned and process.is_settled:
        commands = (*commands, CancelOrder(order_id=process.order_id, reason="returned"))
    return _now(process, fact, *commands)


def _contradicted(process: OrderProcess, fact: Fact, kind: Trouble) -> Reaction[OrderProcess]:
    return _ended_if_settled(process, fact, OpenOrderDiscrepancy(order_id=process.order_id, kind=kind))


def _authorized(process: OrderProcess, event: PaymentAuthorized, fact: Fact) -> Reaction[OrderProcess]:
    due = process.due.get(event.payment_id, 0)
    if event.amount_cents < due:
        note = f"{event.amount_cents} of {due} cents were authorised"
        process = process.model_copy(update={"authorized": process.authorized | {event.payment_id}})
        return _now(process, fact, CancelOrder(order_id=process.order_id, reason="declined", note=note))
    if event.payment_id in process.authorized:
        return Reaction(process)
    process = process.model_copy(update={"authorized": process.authorized | {event.payment_id}})
    if process.due.keys() <= process.authorized:
        return _now(process, fact, ConfirmOrder(order_id=process.order_id))
    return Reaction(process)


def _released(process: OrderProcess, payment_id: str) -> OrderProcess:
    return process.model_copy(update={"released": process.released | {payment_id}})


def _voided(process: OrderProcess, fact: Fact) -> Reaction[OrderProcess]:
    """Mostly we asked for it. If not, the order is not paid for any more."""
    if process.cancelled or process.dispatched or process.returned:
        return _ended_if_settled(process, fact)
    note = "the payment was voided at the provider"
    return _now(process, fact, CancelOrder(order_id=process.order_id, reason="declined", note=note))


def _money(process: OrderProcess, fact: Fact) -> Reaction[OrderProcess]:
    match fact.event:
        case PaymentAuthorized() as event:
            return _authorized(process, event, fact)
        case PaymentDeclined(payment_id=payment, reason=reason):
            cancel = CancelOrder(order_id=process.order_id, reason="declined", note=reason)
            return _now(_released(process, payment), fact, cancel)
        case AuthorizationExpired(payment_id=payment):
            cancel = CancelOrder(order_id=process.order_id, reason="expired")
            return _now(_released(process, payment), fact, cancel)
        case PaymentCaptured(payment_id=payment, amount_cents=cents):
            captured = _added(process.captured, payment, cents)
            return _completed(process.model_copy(update={"captured": captured}), fact)
        case PaymentRefunded(payment_id=payment, amount_cents=cents):
            refunded = _added(process.refunded, payment, cents)
            return _ended_if_settled(process.model_copy(update={"refunded": refunded}), fact)
        case PaymentVoided(payment_id=payment):
            return _voided(_released(process, payment), fact)
        case CaptureFailed(payment_id=payment):
            return _contradicted(_released(process, payment), fact, "not_captured")
        case RefundFailed():
            return _contradicted(process, fact, "not_refunded")
        case VoidFailed(payment_id=payment) if payment not in {*process.captured, *process.released}:
            return _contradicted(process, fact, "not_voided")
    return Reaction(process)


def react(process: OrderProcess, fact: Fact) -> Reaction[OrderProcess]:
    order_id = process.order_id
    match fact.event:
        case CheckoutOrderRequested() as event:
            stream = order_stream(event.merchant, event.order_id)
            return Reaction(process, (one(stream, place_order_of(event)),))
        case OrderPlaced() as event if not process.order_id:
            return _placed(event, fact)
        case _ if not order_id:
            return Reaction(process)  # of an order that nobody placed here
        case StockReserved(sku=sku, warehouse=warehouse) | BackorderFilled(sku=sku, warehouse=warehouse) if (
            process.to_reserve
        ):
            return _reserved(process, f"{sku} {warehouse}", fact)
        case AllocationPlanned() as event:
            return Reaction(_planned(process, event))
        case AllocationFailed():
            return _now(process, fact, CancelOrder(order_id=order_id, reason="stock"))
        case StockReservationRefused() if process.allocated:
            return Reaction(process)  # it is planned anew; the end of that is told
        case OrderReserved() if process.due.keys() <= process.authorized:
            return _now(process, fact, ConfirmOrder(order_id=order_id))
        case OrderConfirmed():
            return Reaction(process.model_copy(update={"confirmed": True}))
        case OrderCancelled():
            return Reaction(process.model_copy(update={"cancelled": True}))
        case StockReservationRefused() | StockAllocationRefused():
            return _now(process, fact, CancelOrder(order_id=order_id, reason="stock"))
        case BackorderCancelled(reason=reason) if reason != "released":
            return _now(process, fact, CancelOrder(order_id=order_id, reason="stock"))
        case ReservationExpired() if not process.confirmed:
            return _now(process, fact, CancelOrder(order_id=order_id, reason="expired"))
        case LabelRefused():
            return _contradicted(process, fact, "not_shippable")
        case ShipmentDispatched():
            process = process.model_copy(update={"dispatched": True})
            return _now(process, fact, RecordDispatch(order_id=order_id))
        case ShipmentDelivered():
            return _completed(process.model_copy(update={"delivered": True}), fact)
        case ShipmentReturned():
            return _ended_if_settled(process.model_copy(update={"returned": True}), fact)
        case _:
            return _money(process, fact)  # late and repeated events are normal


ORDER_AGENT = Agent(
    name="order",
    context="order",
    initial=OrderProcess(),
    interests=(
        CheckoutOrderRequested,
        OrderPlaced,
        OrderReserved,
        OrderConfirmed,
        OrderCancelled,
        AllocationPlanned,
        AllocationFailed,
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
        RefundFailed,
        PaymentVoided,
        VoidFailed,
        LabelRefused,
        ShipmentDispatched,
        ShipmentDelivered,
        ShipmentReturned,
    ),
    react=react,
    rule_version=3,
)

AGENTS = (ORDER_AGENT,)

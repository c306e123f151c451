"""The order agent: moves an order's life on as stock, payments and parcels tell how they fare."""

from __future__ import annotations

from domain.kernel import Command, Fact, Reaction, Value, one
from domain.order import (
    CancelOrder,
    CompleteOrder,
    ConfirmOrder,
    MarkReserved,
    OpenOrderDiscrepancy,
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
    RefundFailed,
)
from domain.shipment import ShipmentDelivered, ShipmentDispatched, ShipmentReturned
from domain.stock import ReservationExpired, StockAllocationRefused, StockReservationRefused, StockReserved
from services.agents.agent import Agent, order_key


class OrderProcess(Value):
    """What the order still waits for; `not_captured` are the payments of which a capture failed."""

    order_id: str = ""
    to_reserve: frozenset[str] = frozenset()
    to_authorize: frozenset[str] = frozenset()
    to_capture: frozenset[str] = frozenset()
    to_refund: frozenset[str] = frozenset()
    not_captured: frozenset[str] = frozenset()
    confirmed: bool = False
    delivered: bool = False
    returned: bool = False

    @property
    def owed(self) -> frozenset[str]:
        """What to wait for once it came back: payments that are captured, or that will be."""
        never_captured = self.to_capture & (self.to_authorize | self.not_captured)
        return self.to_refund - never_captured


def _now(process: OrderProcess, fact: Fact, *commands: Command) -> Reaction[OrderProcess]:
    return Reaction(process, tuple(one(order_key(fact), command) for command in commands))


def _placed(event: OrderPlaced, fact: Fact) -> Reaction[OrderProcess]:
    payments = frozenset(portion.payment_id for portion in event.portions)
    process = OrderProcess(
        order_id=event.order_id,
        to_reserve=frozenset(f"{line.sku} {line.warehouse}" for line in event.lines),
        to_authorize=payments,
        to_capture=payments,
        to_refund=payments,
    )
    return (
        Reaction(process)
        if process.to_reserve
        else _now(process, fact, MarkReserved(order_id=event.order_id))
    )


def _completed(process: OrderProcess, fact: Fact) -> Reaction[OrderProcess]:
    if process.delivered and not process.to_capture:
        return _now(process, fact, CompleteOrder(order_id=process.order_id))
    return Reaction(process)


def _cancelled_if_refunded(process: OrderProcess, fact: Fact, *commands: Command) -> Reaction[OrderProcess]:
    if process.returned and not process.owed:
        commands = (*commands, CancelOrder(order_id=process.order_id, reason="returned"))
    return _now(process, fact, *commands)


def react(process: OrderProcess, fact: Fact) -> Reaction[OrderProcess]:
    order_id = process.order_id
    match fact.event:
        case OrderPlaced() as event if not process.order_id:
            return _placed(event, fact)
        case _ if not order_id:
            return Reaction(process)  # of an order that nobody placed here
        case StockReserved(sku=sku, warehouse=warehouse) if process.to_reserve:
            left = process.to_reserve - {f"{sku} {warehouse}"}
            process = process.model_copy(update={"to_reserve": left})
            return Reaction(process) if left else _now(process, fact, MarkReserved(order_id=order_id))
        case OrderReserved() if not process.to_authorize:
            return _now(process, fact, ConfirmOrder(order_id=order_id))
        case PaymentAuthorized(payment_id=payment) if payment in process.to_authorize:
            left = process.to_authorize - {payment}
            process = process.model_copy(update={"to_authorize": left})
            return Reaction(process) if left else _now(process, fact, ConfirmOrder(order_id=order_id))
        case OrderConfirmed():
            return Reaction(process.model_copy(update={"confirmed": True}))
        case StockReservationRefused() | StockAllocationRefused():
            return _now(process, fact, CancelOrder(order_id=order_id, reason="stock"))
        case PaymentDeclined(reason=reason):
            return _now(process, fact, CancelOrder(order_id=order_id, reason="declined", note=reason))
        case ReservationExpired() if not process.confirmed:
            return _now(process, fact, CancelOrder(order_id=order_id, reason="expired"))
        case AuthorizationExpired():
            return _now(process, fact, CancelOrder(order_id=order_id, reason="expired"))
        case ShipmentDispatched():
            return _now(process, fact, RecordDispatch(order_id=order_id))
        case PaymentCaptured(payment_id=payment):
            left = process.to_capture - {payment}
            return _completed(process.model_copy(update={"to_capture": left}), fact)
        case ShipmentDelivered():
            return _completed(process.model_copy(update={"delivered": True}), fact)
        case CaptureFailed(payment_id=payment):
            process = process.model_copy(update={"not_captured": process.not_captured | {payment}})
            unpaid = OpenOrderDiscrepancy(order_id=order_id, kind="not_captured")
            return _cancelled_if_refunded(process, fact, unpaid)
        case RefundFailed():
            return _now(process, fact, OpenOrderDiscrepancy(order_id=order_id, kind="not_refunded"))
        case PaymentRefunded(payment_id=payment):
            left = process.to_refund - {payment}
            return _cancelled_if_refunded(process.model_copy(update={"to_refund": left}), fact)
        case ShipmentReturned():
            return _cancelled_if_refunded(process.model_copy(update={"returned": True}), fact)
        case _:
            return Reaction(process)  # late and repeated events are normal


ORDER_AGENT = Agent(
    name="order",
    context="order",
    initial=OrderProcess(),
    interests=(
        OrderPlaced,
        OrderReserved,
        OrderConfirmed,
        StockReserved,
        StockReservationRefused,
        StockAllocationRefused,
        ReservationExpired,
        PaymentAuthorized,
        PaymentDeclined,
        AuthorizationExpired,
        PaymentCaptured,
        CaptureFailed,
        PaymentRefunded,
        RefundFailed,
        ShipmentDispatched,
        ShipmentDelivered,
        ShipmentReturned,
    ),
    react=react,
)

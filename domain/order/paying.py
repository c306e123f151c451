"""Which payments bring an order's money? More can be added, as far as others do not bring it already."""

from __future__ import annotations

from domain.kernel import Refused
from domain.order.commands import AddOrderPayment, DropOrderPayment
from domain.order.events import OrderEvent, OrderPaymentAdded, OrderPaymentDropped, OrderPaymentReduced
from domain.order.state import Order

OPEN = ("placed", "reserved", "confirmed", "shipped")
Paying = AddOrderPayment | DropOrderPayment


def pay(command: Paying, order: Order) -> tuple[OrderEvent, ...]:
    match command:
        case AddOrderPayment():
            return _add(command, order)
        case DropOrderPayment():
            return _drop(command, order)


def _drop(command: DropOrderPayment, order: Order) -> tuple[OrderEvent, ...]:
    due = order.payments.get(command.payment_id)
    if order.status not in OPEN or due is None:
        return ()
    ids = {"order_id": command.order_id, "payment_id": command.payment_id, "reason": command.reason}
    if not command.brought_cents:
        return (OrderPaymentDropped(**ids),)
    less = command.brought_cents < due.amount_cents
    return (OrderPaymentReduced(**ids, amount_cents=command.brought_cents),) if less else ()


def _add(command: AddOrderPayment, order: Order) -> tuple[OrderEvent, ...]:
    name = f"payment {command.payment_id}"
    known = order.payments.get(command.payment_id)
    if known and (known.method, known.amount_cents) == (command.method, command.amount_cents):
        return ()
    if known or command.payment_id in order.dropped:
        raise Refused("payments_unique", f"the order has a {name} already: take another name")
    if order.status not in OPEN:
        raise Refused("pay_open_order", f"the order is {order.status}; it takes no further payment")
    brought = sum(due.amount_cents for due in order.payments.values())
    if brought + command.amount_cents > order.total_cents:
        left = max(0, order.total_cents - brought)
        raise Refused(
            "payments_within_total",
            f"payments of {brought} cents are to bring the order's {order.total_cents} cents: at most {left}"
            " cents can be added",
        )
    return (OrderPaymentAdded(**dict(command)),)

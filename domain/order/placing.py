"""May an order be placed as it is? What it comes to must be what is paid."""

from __future__ import annotations

from domain.kernel import Refused
from domain.money import MOST_CENTS
from domain.order.commands import PlaceOrder
from domain.order.events import OrderPlaced
from domain.order.state import order_total


def place(command: PlaceOrder) -> OrderPlaced:
    total = order_total(command.lines, command.adjustments)
    paid = sum(portion.amount_cents for portion in command.portions)
    if not command.lines and not command.imported:
        raise Refused("order_has_lines", "an order needs at least one line; only an import may have none")
    if total < 0:
        raise Refused(
            "total_not_negative", f"the order's total is {total} cents; shortfalls exceed what is due"
        )
    if total > MOST_CENTS:
        raise Refused(
            "total_within_limit", f"the order's total is {total} cents; at most {MOST_CENTS} may be"
        )
    if command.on_account and command.portions:
        raise Refused("paid_or_on_account", "an order on account has no payments; drop one or the other")
    if not command.on_account and paid != total:
        raise Refused(
            "paid_equals_total", f"payments are {paid} cents but the order's total is {total} cents"
        )
    if len({portion.payment_id for portion in command.portions}) != len(command.portions):
        raise Refused("payments_unique", "two payments of the order have the same payment_id")
    if len({line.line for line in command.lines}) != len(command.lines):
        raise Refused("lines_unique", "two lines of the order have the same number")
    fields = {name: getattr(command, name) for name in PlaceOrder.model_fields}
    return OrderPlaced(**fields, total_cents=total)

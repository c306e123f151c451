"""An order of one merchant: what was bought on which terms, and how far its life has come.

Only the lifecycle is decided here (placed, reserved, confirmed, shipped, cancelled, completed); the status of
payment and of fulfilment are derived from the payments and shipments themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal, TypeAlias

from pydantic import AwareDatetime, Field, PositiveInt

from domain.kernel import Command, Decider, Event, Quantity, Refused, Value
from domain.money import MOST_CENTS, Cents, Currency
from domain.personal import Customer, Personal

Id = Annotated[str, Field(min_length=1, max_length=200)]
CancelReason: TypeAlias = Literal[
    "customer", "declined", "fraud", "stock", "staff", "expired", "returned", "other"
]


class Line(Value):
    """Equal units of one product; what may change later (name, price, category) is snapshotted here."""

    line: PositiveInt
    sku: Id
    name: str = ""
    category: str | None = None
    quantity: Quantity
    unit_price_cents: Cents
    unit_shipping_cents: Cents = 0
    warehouse: Id = "main"
    ship_by: AwareDatetime | None = None

    @property
    def total_cents(self) -> int:
        return self.quantity * (self.unit_price_cents + self.unit_shipping_cents)


class Adjustment(Value):
    """What makes the books add up where paid differs from due: a surcharge adds, a shortfall takes off."""

    kind: Literal["surcharge", "shortfall"]
    amount_cents: Annotated[int, Field(gt=0, le=MOST_CENTS)]

    @property
    def signed_cents(self) -> int:
        return self.amount_cents if self.kind == "surcharge" else -self.amount_cents


class Portion(Value):
    """One payment towards the order: a card, a voucher, a bank slip."""

    payment_id: Id
    method: Id
    amount_cents: Cents
    installments: Annotated[int, Field(ge=0)] = 1
    sequence: PositiveInt = 1


Validity = Annotated[int, Field(gt=0, le=10 * 366 * 86400)]
"""Seconds; at most ten years, so that a time and its validity are always a date."""


class Terms(Value):
    """How long what is held for the order stays held, as its merchant's settings were when it was placed."""

    reservation_valid_s: Validity = 3600
    authorization_valid_s: Validity = 5 * 86400


class OrderPlaced(Event):
    order_id: Id
    checkout_id: Id
    subject: Id
    customer: Personal[Customer]
    ship_to_state: str
    currency: Currency
    lines: tuple[Line, ...]
    adjustments: tuple[Adjustment, ...] = ()
    portions: tuple[Portion, ...]
    on_account: bool = False
    total_cents: Cents
    estimated_delivery_at: AwareDatetime | None = None
    terms: Terms
    imported: bool = False


class OrderReserved(Event):
    """All stock of the order is reserved: it may be paid."""

    order_id: Id


class OrderConfirmed(Event):
    order_id: Id


class OrderPreparationStarted(Event):
    order_id: Id


class OrderShipped(Event):
    order_id: Id


class OrderCancelled(Event):
    order_id: Id
    reason: CancelReason
    note: str = ""


class OrderCompleted(Event):
    order_id: Id


class OrderDiscrepancyOpened(Event):
    """A provider's fact contradicts the order; a person must look."""

    order_id: Id
    kind: Literal["shipped_after_cancel", "not_captured", "not_refunded", "not_voided", "not_shippable"]


OrderEvent: TypeAlias = (
    OrderPlaced
    | OrderReserved
    | OrderConfirmed
    | OrderPreparationStarted
    | OrderShipped
    | OrderCancelled
    | OrderCompleted
    | OrderDiscrepancyOpened
)


class PlaceOrder(Command):
    """Place an order; `total_cents` must be lines + shipping + surcharges - shortfalls, and what is paid."""

    creates = True
    order_id: Id
    checkout_id: Id
    subject: Id
    customer: Personal[Customer]
    ship_to_state: str = ""
    currency: Currency
    lines: tuple[Line, ...]
    adjustments: tuple[Adjustment, ...] = ()
    portions: tuple[Portion, ...] = ()
    on_account: bool = False
    estimated_delivery_at: AwareDatetime | None = None
    terms: Terms = Terms()
    imported: bool = False


class MarkReserved(Command):
    order_id: Id


class ConfirmOrder(Command):
    order_id: Id


class StartPreparation(Command):
    order_id: Id


class RecordDispatch(Command):
    """A parcel of the order is with the carrier: a fact, which is never refused."""

    order_id: Id


class CancelOrder(Command):
    order_id: Id
    reason: CancelReason
    note: str = ""


class CompleteOrder(Command):
    order_id: Id


class OpenOrderDiscrepancy(Command):
    """Money or goods of the order could not be moved: a fact, which is never refused."""

    order_id: Id
    kind: Literal["not_captured", "not_refunded", "not_voided", "not_shippable"]


OrderCommand: TypeAlias = (
    PlaceOrder
    | MarkReserved
    | ConfirmOrder
    | StartPreparation
    | RecordDispatch
    | CancelOrder
    | CompleteOrder
    | OpenOrderDiscrepancy
)
Status: TypeAlias = Literal["none", "placed", "reserved", "confirmed", "shipped", "cancelled", "completed"]


@dataclass(frozen=True, slots=True)
class Order:
    status: Status = "none"
    preparing: bool = False
    dispatched: bool = False
    discrepancies: frozenset[str] = frozenset()


def order_total(lines: Sequence[Line], adjustments: Sequence[Adjustment]) -> int:
    """Minor units due: lines with their shipping, plus surcharges, less shortfalls; may be negative."""
    return sum(line.total_cents for line in lines) + sum(each.signed_cents for each in adjustments)


def _place(command: PlaceOrder) -> OrderPlaced:
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


def _cancel(command: CancelOrder, order: Order) -> tuple[OrderEvent, ...]:
    returned = command.reason == "returned"
    match order.status:
        case "cancelled":
            return ()
        case "placed" | "reserved" | "confirmed":
            pass
        case "shipped" | "completed" if returned:
            pass
        case "shipped":
            raise Refused(
                "cancel_before_shipping", "the order is shipped; it can only come back through the carrier"
            )
        case _:
            raise Refused("cancel_before_shipping", f"the order is {order.status}; it can't be cancelled")
    return (OrderCancelled(order_id=command.order_id, reason=command.reason, note=command.note),)


def decide(command: OrderCommand, order: Order) -> tuple[OrderEvent, ...]:
    if isinstance(command, PlaceOrder):
        if order.status != "none":
            raise Refused(
                "order_id_unique", f"order {command.order_id} was placed before and is {order.status}"
            )
        return (_place(command),)
    if order.status == "none":
        raise Refused("order_exists", f"there is no order {command.order_id}")
    match command, order.status:
        case MarkReserved(order_id=order_id), "placed":
            return (OrderReserved(order_id=order_id),)
        case ConfirmOrder(order_id=order_id), "placed" | "reserved":
            return (OrderConfirmed(order_id=order_id),)
        case StartPreparation(order_id=order_id), "confirmed":
            return () if order.preparing else (OrderPreparationStarted(order_id=order_id),)
        case StartPreparation(), status:
            raise Refused("prepare_confirmed", f"the order is {status}; only a confirmed one can be prepared")
        case RecordDispatch(order_id=order_id), "cancelled":
            if "shipped_after_cancel" in order.discrepancies or order.dispatched:
                return ()  # told before, or it came back and was cancelled for that
            # the carrier took it all the same: true, and against our books
            return (OrderDiscrepancyOpened(order_id=order_id, kind="shipped_after_cancel"),)
        case RecordDispatch(order_id=order_id), "placed" | "reserved" | "confirmed":
            return (OrderShipped(order_id=order_id),)
        case CancelOrder(), _:
            return _cancel(command, order)
        case CompleteOrder(order_id=order_id), "shipped":
            return (OrderCompleted(order_id=order_id),)
        case CompleteOrder(), "placed" | "reserved" | "confirmed" | "cancelled":
            raise Refused("complete_shipped", f"the order is {order.status}; only a shipped one completes")
        case OpenOrderDiscrepancy(order_id=order_id, kind=kind), _ if kind not in order.discrepancies:
            return (OrderDiscrepancyOpened(order_id=order_id, kind=kind),)
    return ()  # said before: a repeated command changes nothing


def evolve(order: Order, event: OrderEvent) -> Order:
    match event:
        case OrderPlaced():
            return Order(status="placed")
        case OrderReserved():
            return replace(order, status="reserved")
        case OrderConfirmed():
            return replace(order, status="confirmed")
        case OrderPreparationStarted():
            return replace(order, preparing=True)
        case OrderShipped():
            return replace(order, status="shipped", dispatched=True)
        case OrderCancelled():
            return replace(order, status="cancelled")
        case OrderCompleted():
            return replace(order, status="completed")
        case OrderDiscrepancyOpened(kind=kind):
            return replace(order, discrepancies=order.discrepancies | {kind})


ORDER: Decider[OrderCommand, OrderEvent, Order] = Decider(
    "order",
    decide,
    evolve,
    Order(),
    events=OrderEvent.__args__,
    commands=OrderCommand.__args__,
    parts=("merchant", "order_id"),
)

AGGREGATES = (ORDER,)
PERMISSIONS = ("orders:read", "sales:read", "orders:write", "orders:fulfil")
CUSTOMER_PERMISSIONS = ("orders:read", "orders:write")

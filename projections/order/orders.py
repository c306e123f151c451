"""Which orders does a merchant have, and how far are they: placed, paid, shipped, delivered, called off?

The lifecycle status is the order's own. The statuses of payment and of fulfilment are derived in the table
from what its payments and parcels came to (see `orders.sql`); whether anything is left to be sent, the order
says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from domain.carrier import (
    LabelVoided,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentRequested,
    ShipmentReturned,
)
from domain.erasure import SubjectErased
from domain.kernel import Event, Fact
from domain.order import (
    OrderAddressChanged,
    OrderCancelled,
    OrderCompleted,
    OrderConfirmed,
    OrderDiscrepancyOpened,
    OrderDiscrepancyResolved,
    OrderEdited,
    OrderHeld,
    OrderLinesCancelled,
    OrderPaymentAdded,
    OrderPaymentDropped,
    OrderPlaced,
    OrderPreparationStarted,
    OrderReleased,
    OrderReserved,
    OrderShipped,
)
from domain.payment import (
    AuthorizationExpired,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    PaymentVoided,
)
from domain.personal import Customer
from projections.read_model import ReadModel, Rows

PERSON = {
    "customer_id": "customer_id",
    "customer_unique_id": "customer_unique_id",
    "ship_to_name": "name",
    "ship_to_street": "street",
    "ship_to_zip_prefix": "zip_prefix",
    "ship_to_city": "city",
    "ship_to_country": "country",
    "ship_to_phone": "phone",
    "ship_to_email": "email",
    "ship_to_note": "note",
}
"""Personal column -> what it shows of the customer; NULL once that is erased."""


@dataclass(slots=True)
class OrderProgress:
    """What happened to an order: sums to add, and what is known from now on (None: as it was)."""

    merchant: str
    order_id: str
    status: str | None = None
    cancel_reason: str | None = None
    cancel_note: str | None = None
    preparing: bool | None = None
    holds_count: int = 0
    lines_count: int = 0
    units_count: int = 0
    payments_count: int = 0
    items_cents: int = 0
    shipping_cents: int = 0
    adjustment_cents: int | None = None
    total_cents: int = 0
    authorized_count: int = 0
    declined_count: int = 0
    voided_count: int = 0
    expired_count: int = 0
    captures_count: int = 0
    authorized_cents: int = 0
    captured_cents: int = 0
    refunded_cents: int = 0
    voided_cents: int = 0
    expired_cents: int = 0
    shipments_count: int = 0
    labels_voided_count: int = 0
    dispatched_count: int = 0
    delivered_count: int = 0
    returned_count: int = 0
    confirmed_at: datetime | None = None
    approved_at: datetime | None = None
    dispatched_at: datetime | None = None
    delivered_at: datetime | None = None
    cancelled_at: datetime | None = None
    completed_at: datetime | None = None


@dataclass(slots=True)
class OrderRow:
    """An order as it is placed."""

    merchant: str
    order_id: str
    checkout_id: str
    subject: str
    customer_id: str | None
    customer_unique_id: str | None
    ship_to_name: str | None
    ship_to_street: str | None
    ship_to_zip_prefix: str | None
    ship_to_city: str | None
    ship_to_country: str | None
    ship_to_phone: str | None
    ship_to_email: str | None
    ship_to_note: str | None
    ship_to_state: str
    currency: str
    channel: str
    shipping_method: str
    imported: bool
    on_account: bool
    lines_count: int
    units_count: int
    payments_count: int
    items_cents: int
    shipping_cents: int
    adjustment_cents: int
    total_cents: int
    placed_at: datetime
    estimated_delivery_at: datetime | None


class AddressRow(NamedTuple):
    """Where an order goes from now on."""

    merchant: str
    order_id: str
    customer_id: str | None
    customer_unique_id: str | None
    ship_to_name: str | None
    ship_to_street: str | None
    ship_to_zip_prefix: str | None
    ship_to_city: str | None
    ship_to_country: str | None
    ship_to_phone: str | None
    ship_to_email: str | None
    ship_to_note: str | None
    ship_to_state: str


class Contradicted(NamedTuple):
    """Kinds of discrepancies, by spaces: those that were `told` of now, and which of them are `open` then."""

    merchant: str
    order_id: str
    told: str
    open: str


class ErasedSubject(NamedTuple):
    """Whose plain columns are to be NULL, in all rows that there are."""

    subject: str


def _person(known: Any) -> dict[str, Any]:
    """By column."""
    if not isinstance(known, Customer):
        return dict.fromkeys(PERSON)
    return {column: getattr(known, name) for column, name in PERSON.items()}


def _row(event: OrderPlaced, fact: Fact) -> OrderRow:
    lines = event.lines
    return OrderRow(
        merchant=fact.merchant,
        order_id=event.order_id,
        checkout_id=event.checkout_id,
        subject=event.subject,
        **_person(event.customer),
        ship_to_state=event.ship_to_state,
        currency=event.currency,
        channel=event.channel,
        shipping_method=event.shipping_method,
        imported=event.imported,
        on_account=event.on_account,
        lines_count=len(lines),
        units_count=sum(line.quantity for line in lines),
        payments_count=len(event.portions),
        items_cents=sum(line.quantity * line.unit_price_cents for line in lines),
        shipping_cents=sum(line.quantity * line.unit_shipping_cents for line in lines),
        adjustment_cents=sum(each.signed_cents for each in event.adjustments),
        total_cents=event.total_cents,
        placed_at=fact.occurred_at,
        estimated_delivery_at=event.estimated_delivery_at,
    )


def latest(before: datetime | None, now: datetime | None) -> datetime | None:
    """The later of two times, of which either may be unknown."""
    return now if before is None or (now is not None and now > before) else before


def earliest(before: datetime | None, now: datetime | None) -> datetime | None:
    return now if before is None or (now is not None and now < before) else before


def _reserved(order: OrderProgress, _: Any, __: Fact) -> None:
    order.status = "reserved"


def _confirmed(order: OrderProgress, _: Any, fact: Fact) -> None:
    order.status = "confirmed"
    order.confirmed_at = fact.occurred_at


def _preparing(order: OrderProgress, _: Any, __: Fact) -> None:
    order.preparing = True


def _shipped(order: OrderProgress, _: Any, __: Fact) -> None:
    order.status = "shipped"


def _cancelled(order: OrderProgress, event: OrderCancelled, fact: Fact) -> None:
    order.status = "cancelled"
    order.cancel_reason, order.cancel_note = event.reason, event.note
    order.cancelled_at = fact.occurred_at


def _completed(order: OrderProgress, _: Any, fact: Fact) -> None:
    order.status = "completed"
    order.completed_at = fact.occurred_at


def _held(order: OrderProgress, _: Any, __: Fact) -> None:
    order.holds_count += 1


def _released(order: OrderProgress, _: Any, __: Fact) -> None:
    order.holds_count -= 1


def _changed(order: OrderProgress, event: OrderLinesCancelled | OrderEdited, _: Fact) -> None:
    order.lines_count += event.lines_change
    order.units_count += sum(each.change for each in event.units)
    order.payments_count += sum(each.change_cents == each.amount_cents > 0 for each in event.payments)
    order.items_cents += event.items_change_cents
    order.shipping_cents += event.shipping_change_cents
    order.adjustment_cents = event.adjustment_cents
    order.total_cents += event.change_cents


def _payment_added(order: OrderProgress, _: Any, __: Fact) -> None:
    order.payments_count += 1


def _payment_dropped(order: OrderProgress, event: OrderPaymentDropped, _: Fact) -> None:
    """As if it had never been: its end says nothing of the payments that there are."""
    order.payments_count -= 1
    order.authorized_count -= event.reason != "declined"
    order.declined_count -= event.reason == "declined"
    order.expired_count -= event.reason == "expired"
    order.voided_count -= event.reason == "voided"


def _authorized(order: OrderProgress, event: PaymentAuthorized, _: Fact) -> None:
    order.authorized_count += 1
    order.authorized_cents += event.amount_cents
    order.approved_at = latest(order.approved_at, event.happened_at)


def _declined(order: OrderProgress, _: Any, __: Fact) -> None:
    order.declined_count += 1


def _captured(order: OrderProgress, event: PaymentCaptured, _: Fact) -> None:
    order.captures_count += 1
    order.captured_cents += event.amount_cents


def _refunded(order: OrderProgress, event: PaymentRefunded, _: Fact) -> None:
    order.refunded_cents += event.amount_cents


def _voided(order: OrderProgress, event: PaymentVoided, _: Fact) -> None:
    order.voided_count += 1
    order.voided_cents += event.amount_cents


def _expired(order: OrderProgress, event: AuthorizationExpired, _: Fact) -> None:
    order.expired_count += 1
    order.expired_cents += event.amount_cents


def _requested(order: OrderProgress, _: Any, __: Fact) -> None:
    order.shipments_count += 1


def _label_voided(order: OrderProgress, event: LabelVoided, _: Fact) -> None:
    if event.surplus:
        return
    order.labels_voided_count += 1


def _dispatched(order: OrderProgress, event: ShipmentDispatched, _: Fact) -> None:
    order.dispatched_count += 1
    order.dispatched_at = earliest(order.dispatched_at, event.happened_at)


def _delivered(order: OrderProgress, event: ShipmentDelivered, _: Fact) -> None:
    order.delivered_count += 1
    order.delivered_at = latest(order.delivered_at, event.happened_at)


def _returned(order: OrderProgress, _: Any, __: Fact) -> None:
    order.returned_count += 1


MOVES: dict[type[Event], Callable[[OrderProgress, Any, Fact], None]] = {
    OrderReserved: _reserved,
    OrderConfirmed: _confirmed,
    OrderPreparationStarted: _preparing,
    OrderShipped: _shipped,
    OrderCancelled: _cancelled,
    OrderCompleted: _completed,
    OrderHeld: _held,
    OrderReleased: _released,
    OrderLinesCancelled: _changed,
    OrderEdited: _changed,
    OrderPaymentAdded: _payment_added,
    OrderPaymentDropped: _payment_dropped,
    PaymentAuthorized: _authorized,
    PaymentDeclined: _declined,
    PaymentCaptured: _captured,
    PaymentRefunded: _refunded,
    PaymentVoided: _voided,
    AuthorizationExpired: _expired,
    ShipmentRequested: _requested,
    LabelVoided: _label_voided,
    ShipmentDispatched: _dispatched,
    ShipmentDelivered: _delivered,
    ShipmentReturned: _returned,
}
"""What each fact after the placing changes. A table and not a `match`: it is the hottest path of all."""


def progress(facts: Sequence[Fact]) -> list[OrderProgress]:
    """One row for each order that moved, whether it was placed in this batch or long before."""
    moved: dict[tuple[str, str], OrderProgress] = {}
    for fact in facts:
        event: Any = fact.event
        move = MOVES.get(type(event))
        if move is None:
            continue
        key = (fact.merchant, event.order_id)
        order = moved.get(key)
        if order is None:
            order = moved[key] = OrderProgress(*key)
        move(order, event, fact)
    return list(moved.values())


def placed(facts: Sequence[Fact]) -> list[OrderRow]:
    return [_row(fact.event, fact) for fact in facts if isinstance(fact.event, OrderPlaced)]


def addressed(facts: Sequence[Fact]) -> list[AddressRow]:
    """Of an order whose address changed more than once the last stands."""
    last: dict[tuple[str, str], AddressRow] = {}
    for fact in facts:
        event = fact.event
        if isinstance(event, OrderAddressChanged):
            key = (fact.merchant, event.order_id)
            last[key] = AddressRow(*key, **_person(event.customer), ship_to_state=event.ship_to_state)
    return list(last.values())


def contradicted(facts: Sequence[Fact]) -> list[Contradicted]:
    """Of each order the kinds in the order in which they were told last. One of which facts remain is open as
    it was."""
    told: dict[tuple[str, str], dict[str, bool]] = {}
    for fact in facts:
        event = fact.event
        if isinstance(event, OrderDiscrepancyResolved) and event.remaining:
            continue
        if isinstance(event, OrderDiscrepancyOpened | OrderDiscrepancyResolved):
            kinds = told.setdefault((fact.merchant, event.order_id), {})
            kinds.pop(event.kind, None)
            kinds[event.kind] = isinstance(event, OrderDiscrepancyOpened)
    return [
        Contradicted(*key, " ".join(kinds), " ".join(kind for kind, is_open in kinds.items() if is_open))
        for key, kinds in told.items()
    ]


def erased(facts: Sequence[Fact]) -> list[ErasedSubject]:
    """Whoever is erased on a page is placed on it without plain columns (`page.py`): this may come last."""
    return [ErasedSubject(fact.event.subject) for fact in facts if isinstance(fact.event, SubjectErased)]


def project(facts: Sequence[Fact]) -> Rows:
    return {
        "place_orders": placed(facts),
        "move_orders": progress(facts),
        "readdress_orders": addressed(facts),
        "contradict_orders": contradicted(facts),
        "erase_orders": erased(facts),
    }


ORDERS = ReadModel(
    name="orders",
    tables=("orders",),
    events=(
        OrderPlaced,
        OrderAddressChanged,
        OrderDiscrepancyOpened,
        OrderDiscrepancyResolved,
        SubjectErased,
        *MOVES,
    ),
    project=project,
    version=10,
    personal={"orders": tuple(PERSON)},
)

"""What happens to an order. A class's name and fields are the storage format."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import AwareDatetime, Field

from domain.allocation.rules import AllocationTerms
from domain.kernel import Event
from domain.money import Cents, Currency
from domain.order.values import (
    Adjustment,
    CancelReason,
    Channel,
    DeclineReason,
    DiscrepancyKind,
    DropReason,
    HoldReason,
    Id,
    Line,
    LineCut,
    MethodName,
    NoteText,
    ParcelUnits,
    PaymentChange,
    Portion,
    ProductChange,
    Signed,
    Tag,
    Terms,
    UnitsChange,
)
from domain.personal import Customer, Personal


class OrderPlaced(Event):
    """`allocation`: by which rules its warehouses are chosen; None where its lines name them."""

    schema_version = 5
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
    channel: Channel = ""
    shipping_method: MethodName = ""
    allocation: AllocationTerms | None = None


class OrderReserved(Event):
    """All stock of the order is reserved: it may be paid."""

    order_id: Id


class OrderConfirmed(Event):
    order_id: Id


class OrderPreparationStarted(Event):
    order_id: Id


class OrderShipped(Event):
    """Nothing is left to be sent: all that was is in this parcel; or, without one, it was called off."""

    schema_version = 2
    order_id: Id
    shipment_id: str = ""


class OrderCancelled(Event):
    order_id: Id
    reason: CancelReason
    note: str = ""


class OrderCompleted(Event):
    order_id: Id


class OrderDiscrepancyOpened(Event):
    """A provider's fact contradicts the order; a person must look, unless a later fact mends it.

    `about` is the payment or the parcel that it is of. `fact` names what says so, the same however often that
    is told: an event, or the parcel that left. Both are empty where nobody said.
    """

    schema_version = 4
    order_id: Id
    kind: DiscrepancyKind
    about: str = ""
    fact: str = ""


class OrderDiscrepancyResolved(Event):
    """All that was told `about` a payment or parcel until now may stand: a person says why, or later facts
    mended it. `remaining` others of its kind are open. Where `about` is None, all of its kind may.
    """

    schema_version = 2
    order_id: Id
    kind: DiscrepancyKind
    reason: str
    about: str | None = None
    remaining: Annotated[int, Field(ge=0)] = 0


class OrderHeld(Event):
    """It may not be fulfilled until every hold of it is released; what is reserved for it stays so."""

    schema_version = 2

    order_id: Id
    hold_id: Id
    reason: HoldReason
    note: str = ""


class OrderReleased(Event):
    """A hold is lifted; `remaining` others stand."""

    schema_version = 2

    order_id: Id
    hold_id: Id
    reason: HoldReason
    note: str = ""
    remaining: Annotated[int, Field(ge=0)]


class OrderNoteAdded(Event):
    """For the merchant's own people; who wrote it is the event's actor."""

    order_id: Id
    note_id: Id
    subject: Id
    text: Personal[NoteText]


class OrderTagged(Event):
    order_id: Id
    tag: Tag


class OrderUntagged(Event):
    order_id: Id
    tag: Tag


class OrderPartShipped(Event):
    """A parcel with some of the units is with the carrier; others are still to be sent.

    `units` are what was wanted of what is in it.
    """

    order_id: Id
    shipment_id: Id
    units: tuple[ParcelUnits, ...]


class OrderParcelUnwanted(Event):
    """A parcel is with the carrier, of whose units none is wanted any more: also what is wanted later is not
    in it."""

    order_id: Id
    shipment_id: Id


class OrderLinesCancelled(Event):
    """Units that were not sent are called off, with their part of what was added or let go on the whole.

    `adjustment_cents` is what is left of that, `total_cents` what is left of all, `change_cents` below zero.
    """

    order_id: Id
    cancel_id: Id
    reason: CancelReason
    note: str = ""
    lines: tuple[LineCut, ...]
    units: tuple[UnitsChange, ...]
    products: tuple[ProductChange, ...]
    payments: tuple[PaymentChange, ...]
    items_change_cents: Signed
    shipping_change_cents: Signed
    lines_change: int
    adjustment_cents: Signed
    change_cents: Signed
    total_cents: Cents


class OrderEditProposed(Event):
    """A change set, and all that it would come to: nothing is changed until it is confirmed.

    `lines` are those that would be new or other than they are, `removed` the numbers of those that would go.
    """

    order_id: Id
    change_set_id: Id
    note: str = ""
    lines: tuple[Line, ...] = ()
    removed: tuple[int, ...] = ()
    units: tuple[UnitsChange, ...] = ()
    products: tuple[ProductChange, ...] = ()
    payments: tuple[PaymentChange, ...] = ()
    items_change_cents: Signed
    shipping_change_cents: Signed
    lines_change: int
    adjustment_cents: Signed
    change_cents: Signed
    total_cents: Cents
    expires_at: AwareDatetime


class OrderAddressProposed(Event):
    """Where the parcel would go, as a part of the change set."""

    schema_version = 2
    order_id: Id
    change_set_id: Id
    subject: Id
    customer: Personal[Customer]
    ship_to_state: str


class OrderEditConfirmed(Event):
    """What it needs is asked for: units to reserve, money to authorise. Then it is applied, or declined."""

    order_id: Id
    change_set_id: Id
    currency: Currency
    units: tuple[UnitsChange, ...] = ()
    payments: tuple[PaymentChange, ...] = ()


class OrderEdited(Event):
    """The order is changed, in everything as it was proposed."""

    order_id: Id
    change_set_id: Id
    currency: Currency
    lines: tuple[Line, ...] = ()
    removed: tuple[int, ...] = ()
    units: tuple[UnitsChange, ...] = ()
    products: tuple[ProductChange, ...] = ()
    payments: tuple[PaymentChange, ...] = ()
    items_change_cents: Signed
    shipping_change_cents: Signed
    lines_change: int
    adjustment_cents: Signed
    change_cents: Signed
    total_cents: Cents


class OrderAddressChanged(Event):
    schema_version = 2
    order_id: Id
    change_set_id: Id
    subject: Id
    customer: Personal[Customer]
    ship_to_state: str


class OrderEditDeclined(Event):
    """The change set came to nothing; what was `extended` or added for it is let go."""

    order_id: Id
    change_set_id: Id
    reason: DeclineReason
    note: str = ""
    confirmed: bool = False
    units: tuple[UnitsChange, ...] = ()
    payments: tuple[PaymentChange, ...] = ()


class OrderPaymentAdded(Event):
    """A further payment is to bring some of the order's money."""

    order_id: Id
    payment_id: Id
    method: Id
    amount_cents: Cents


class OrderPaymentDropped(Event):
    """Nothing comes of a payment: others may bring its money."""

    order_id: Id
    payment_id: Id
    reason: DropReason


class OrderPaymentReduced(Event):
    """Of a payment only `amount_cents` came, and no more will: others may bring the rest."""

    order_id: Id
    payment_id: Id
    amount_cents: Cents
    reason: DropReason


OrderEvent: TypeAlias = (
    OrderPlaced
    | OrderPaymentAdded
    | OrderPaymentDropped
    | OrderPaymentReduced
    | OrderReserved
    | OrderConfirmed
    | OrderPreparationStarted
    | OrderShipped
    | OrderCancelled
    | OrderCompleted
    | OrderDiscrepancyOpened
    | OrderDiscrepancyResolved
    | OrderHeld
    | OrderReleased
    | OrderNoteAdded
    | OrderTagged
    | OrderUntagged
    | OrderPartShipped
    | OrderParcelUnwanted
    | OrderLinesCancelled
    | OrderEditProposed
    | OrderAddressProposed
    | OrderEditConfirmed
    | OrderEdited
    | OrderAddressChanged
    | OrderEditDeclined
)

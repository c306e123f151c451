"""What may be asked of an order, by people, by agents, and by facts from outside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from pydantic import AwareDatetime, Field, NonNegativeInt, PositiveInt

from domain.allocation.rules import AllocationTerms
from domain.kernel import Command
from domain.money import Cents, Currency
from domain.order.values import (
    Adjustment,
    CancelReason,
    Change,
    Channel,
    DeclineReason,
    DropReason,
    HoldReason,
    Id,
    Line,
    LineQuantity,
    MethodName,
    NoteText,
    ParcelUnits,
    Portion,
    Tag,
    Terms,
)
from domain.personal import Customer, Personal


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
    channel: Channel = ""
    shipping_method: MethodName = ""
    allocation: AllocationTerms | None = None


class MarkReserved(Command):
    order_id: Id


class ConfirmOrder(Command):
    order_id: Id


class StartPreparation(Command):
    order_id: Id


class RecordDispatch(Command):
    """A parcel of the order is with the carrier: a fact, which is never refused.

    Without `units` it has all that was not sent before.
    """

    order_id: Id
    shipment_id: str = ""
    units: tuple[ParcelUnits, ...] = ()


class CancelOrder(Command):
    order_id: Id
    reason: CancelReason
    note: str = ""


class AddOrderPayment(Command):
    """A further payment is asked for, beside those that the order was placed with."""

    order_id: Id
    payment_id: Id
    method: Id
    amount_cents: Cents


class DropOrderPayment(Command):
    """A fact: nothing more comes of the payment than `brought_cents`, and others may bring the rest."""

    order_id: Id
    payment_id: Id
    reason: DropReason
    brought_cents: Cents = 0


class CancelOrderRest(Command):
    """Call off all that is not shipped, as it can't be had or is not paid for: the whole order, where no part
    of it is."""

    order_id: Id
    cancel_id: Id
    reason: CancelReason
    note: str = ""


class CompleteOrder(Command):
    order_id: Id


class OpenOrderDiscrepancy(Command):
    """Money or goods of the order could not be moved: a fact, which is never refused.

    `about` is the payment or the parcel, `fact` the event that says so: it is told once.
    """

    order_id: Id
    kind: Literal["not_captured", "not_refunded", "not_voided", "not_shippable", "shipped_though_missing"]
    about: str = ""
    fact: str = ""


class ResolveOrderDiscrepancy(Command):
    """A person has looked, and says why it may stand: what this last `fact` tells of, or the only one of its
    kind. Or all that is `about` a payment is mended, as the order's agent says."""

    order_id: Id
    kind: str
    reason: str
    fact: str = ""
    about: str | None = None


class HoldOrder(Command):
    order_id: Id
    hold_id: Id
    reason: HoldReason
    note: str = ""


class ReleaseOrder(Command):
    """Lift one hold; others stand."""

    order_id: Id
    hold_id: Id
    note: str = ""


class AddOrderNote(Command):
    order_id: Id
    note_id: Id
    subject: Id
    text: Personal[NoteText]


class TagOrder(Command):
    order_id: Id
    tag: Tag


class UntagOrder(Command):
    order_id: Id
    tag: Tag


class CancelOrderLines(Command):
    """Call off units that are not shipped; all of them is the whole order.

    `unfound`: it is a fact that they can't be had. Then it is of what is left of them, and a change under way
    is over. `had` are the units of lines that can: as many stay, whatever else was called off meanwhile. What
    was told of one of the lines in `skus` may be another's of the same product by now; of one that comes
    from the same `warehouse`, where no plan says from where.
    """

    order_id: Id
    cancel_id: Id
    reason: CancelReason
    note: str = ""
    lines: tuple[LineQuantity, ...]
    unfound: bool = False
    had: Mapping[PositiveInt, NonNegativeInt] = Field(default_factory=dict)
    skus: Mapping[PositiveInt, Id] = Field(default_factory=dict)
    warehouse: Id | None = None


class ProposeOrderEdit(Command):
    """What would it come to? `method` is how more money would be paid (None: as the first payment).

    `customer`, of `subject`, is another place to send it to, where it is given.
    """

    order_id: Id
    change_set_id: Id
    changes: tuple[Change, ...] = ()
    subject: str = ""
    customer: Personal[Customer] | None = None
    ship_to_state: str = ""
    note: str = ""
    method: Id | None = None
    now: AwareDatetime
    expires_at: AwareDatetime


class ConfirmOrderEdit(Command):
    order_id: Id
    change_set_id: Id
    now: AwareDatetime


class DeclineOrderEdit(Command):
    order_id: Id
    change_set_id: Id
    reason: DeclineReason
    note: str = ""


class ApplyOrderEdit(Command):
    """What it needed is there: the units are reserved, the money authorised."""

    order_id: Id
    change_set_id: Id


OrderCommand: TypeAlias = (
    AddOrderPayment
    | DropOrderPayment
    | PlaceOrder
    | MarkReserved
    | ConfirmOrder
    | StartPreparation
    | RecordDispatch
    | CancelOrder
    | CancelOrderRest
    | CompleteOrder
    | OpenOrderDiscrepancy
    | ResolveOrderDiscrepancy
    | HoldOrder
    | ReleaseOrder
    | AddOrderNote
    | TagOrder
    | UntagOrder
    | CancelOrderLines
    | ProposeOrderEdit
    | ConfirmOrderEdit
    | DeclineOrderEdit
    | ApplyOrderEdit
)

"""What is known of an order: its state, and how events make it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from domain.order.events import (
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
from domain.order.values import Adjustment, Line, ParcelUnits, PaymentChange

Status: TypeAlias = Literal["none", "placed", "reserved", "confirmed", "shipped", "cancelled", "completed"]
UNSHIPPED = ("placed", "reserved", "confirmed")


@dataclass(frozen=True, slots=True)
class Due:
    """What one payment is to bring, in minor units."""

    method: str
    amount_cents: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """The change set that is open; `confirmed` once it is being carried out."""

    edit: OrderEditProposed
    address: OrderAddressProposed | None = None
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """`lines` by their number, `sent` the units of each that are shipped; `holds` those that stand, by id,
    with their reasons. `change_sets` are those that are over, and how they ended.
    `allocated`: by rules, whose plan says what is sent from where. `dropped`: payments that came to nothing.
    `called_off` are units of each line that were wanted once, but for those that were nowhere.
    `discrepancies` are those that are open, by kind: the last fact about each payment or parcel; `told` the
    facts that each kind was ever told by, and what each is about.
    """

    status: Status = "none"
    preparing: bool = False
    dispatched: bool = False
    discrepancies: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    told: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    currency: str = ""
    on_account: bool = False
    allocated: bool = False
    lines: Mapping[int, Line] = field(default_factory=dict)
    sent: Mapping[int, int] = field(default_factory=dict)
    adjustment_cents: int = 0
    payments: Mapping[str, Due] = field(default_factory=dict)
    dropped: frozenset[str] = frozenset()
    parcels: frozenset[str] = frozenset()
    holds: Mapping[str, str] = field(default_factory=dict)
    released: frozenset[str] = frozenset()
    notes: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    cancels: frozenset[str] = frozenset()
    called_off: Mapping[int, int] = field(default_factory=dict)
    proposal: Proposal | None = None
    change_sets: Mapping[str, str] = field(default_factory=dict)

    @property
    def total_cents(self) -> int:
        return sum(line.total_cents for line in self.lines.values()) + self.adjustment_cents

    def left(self, line: int) -> int:
        """Units of a line that are not shipped."""
        return self.lines[line].quantity - self.sent.get(line, 0)

    @property
    def units_left(self) -> int:
        return sum(max(0, self.left(line)) for line in self.lines)


def order_total(lines: Sequence[Line], adjustments: Sequence[Adjustment]) -> int:
    """Minor units due: lines with their shipping, plus surcharges, less shortfalls; may be negative."""
    return sum(line.total_cents for line in lines) + sum(each.signed_cents for each in adjustments)


def sent_after(order: Order, units: Iterable[ParcelUnits]) -> dict[int, int]:
    """Units sent of each line once those of a parcel are: of lines alike, the first ones first. From where
    they leave is the plan's matter, where the order is allocated by rules."""
    sent = dict(order.sent)
    for parcel in units:
        quantity = parcel.quantity
        for number, line in sorted(order.lines.items()):
            here = order.allocated or line.warehouse == parcel.warehouse
            if here and line.sku == parcel.sku:
                taken = max(0, min(quantity, line.quantity - sent.get(number, 0)))
                sent[number] = sent.get(number, 0) + taken
                quantity -= taken
    return sent


def counted(order: Order, units: Iterable[ParcelUnits]) -> tuple[ParcelUnits, ...]:
    """Of what is in a parcel, the units that were wanted."""
    wanted = []
    for parcel in units:
        sent = sent_after(order, (parcel,))
        moved = sum(sent.values()) - sum(order.sent.values())
        wanted += [parcel.model_copy(update={"quantity": moved})] if moved else []
        order = replace(order, sent=sent)
    return tuple(wanted)


def _due(order: Order, changes: Iterable[PaymentChange]) -> dict[str, Due]:
    return {**order.payments, **{each.payment_id: Due(each.method, each.amount_cents) for each in changes}}


def _placed(event: OrderPlaced) -> Order:
    return Order(
        status="placed",
        currency=event.currency,
        on_account=event.on_account,
        allocated=event.allocation is not None,
        lines={line.line: line for line in event.lines},
        adjustment_cents=sum(each.signed_cents for each in event.adjustments),
        payments={each.payment_id: Due(each.method, each.amount_cents) for each in event.portions},
    )


def _cut(order: Order, event: OrderLinesCancelled) -> Order:
    left = {each.line: each.left for each in event.lines}
    lines = {
        number: line.model_copy(update={"quantity": left[number]}) if number in left else line
        for number, line in order.lines.items()
        if left.get(number, 1)
    }
    return replace(
        order,
        lines=lines,
        sent={number: units for number, units in order.sent.items() if number in lines},
        adjustment_cents=event.adjustment_cents,
        payments=_due(order, event.payments),
        cancels=order.cancels | {event.cancel_id},
        called_off=order.called_off if event.reason == "stock" else _called_off(order, lines),
    )


def _called_off(order: Order, after: Mapping[int, Line]) -> dict[int, int]:
    fewer = {
        number: line.quantity - (after[number].quantity if number in after else 0)
        for number, line in order.lines.items()
    }
    return {
        number: units
        for number in {*order.called_off, *fewer}
        if (units := order.called_off.get(number, 0) + max(0, fewer.get(number, 0)))
    }


def edited(order: Order, lines: Iterable[Line], removed: Iterable[int]) -> dict[int, Line]:
    """The lines by number, with these new or other than they were, and without those."""
    after = {**order.lines, **{line.line: line for line in lines}}
    return {number: line for number, line in after.items() if number not in frozenset(removed)}


def _ended(order: Order, change_set_id: str, how: str) -> Order:
    return replace(order, proposal=None, change_sets={**order.change_sets, change_set_id: how})


def _contradicted(order: Order, event: OrderDiscrepancyOpened) -> Order:
    kind, fact, about = event.kind, event.fact, event.about
    told = {**order.told, kind: {**order.told.get(kind, {}), fact: about}}
    unresolved = {**order.discrepancies, kind: {**order.discrepancies.get(kind, {}), about: fact}}
    return replace(order, discrepancies=unresolved, told=told)


def _resolved(order: Order, event: OrderDiscrepancyResolved) -> Order:
    before = order.discrepancies.get(event.kind, {})
    left = {about: fact for about, fact in before.items() if event.about not in (None, about)}
    unresolved = {**order.discrepancies, event.kind: left}
    return replace(order, discrepancies={kind: some for kind, some in unresolved.items() if some})


def _handled(order: Order, event: OrderEvent) -> Order:
    """What people do about an order beside its life."""
    match event:
        case OrderHeld(hold_id=hold_id, reason=reason):
            return replace(order, holds={**order.holds, hold_id: reason})
        case OrderReleased(hold_id=hold_id):
            holds = {each: reason for each, reason in order.holds.items() if each != hold_id}
            return replace(order, holds=holds, released=order.released | {hold_id})
        case OrderNoteAdded(note_id=note_id):
            return replace(order, notes=order.notes | {note_id})
        case OrderTagged(tag=tag):
            return replace(order, tags=order.tags | {tag})
        case OrderUntagged(tag=tag):
            return replace(order, tags=order.tags - {tag})
        case OrderDiscrepancyResolved():
            return _resolved(order, event)
    return order


def _changed(order: Order, event: OrderEvent) -> Order:
    """What becomes of the order's lines and money, and of what is proposed of them."""
    match event:
        case OrderLinesCancelled():
            return _cut(order, event)
        case OrderEditProposed():
            return replace(order, proposal=Proposal(event))
        case OrderAddressProposed():
            return replace(order, proposal=order.proposal and replace(order.proposal, address=event))
        case OrderEditConfirmed():
            return replace(order, proposal=order.proposal and replace(order.proposal, confirmed=True))
        case OrderEdited(change_set_id=change_set_id):
            lines = edited(order, event.lines, event.removed)
            changed = replace(
                order,
                lines=lines,
                called_off=_called_off(order, lines),
                adjustment_cents=event.adjustment_cents,
                payments=_due(order, event.payments),
            )
            return _ended(changed, change_set_id, "applied")
        case OrderEditDeclined(change_set_id=change_set_id, reason=reason):
            return _ended(order, change_set_id, reason)
    return _handled(order, event)


def evolve(order: Order, event: OrderEvent) -> Order:
    match event:
        case OrderPlaced():
            return _placed(event)
        case OrderReserved():
            return replace(order, status="reserved")
        case OrderConfirmed():
            return replace(order, status="confirmed")
        case OrderPreparationStarted():
            return replace(order, preparing=True)
        case OrderPartShipped(shipment_id=shipment_id, units=units):
            parcels = order.parcels | {shipment_id}
            return replace(order, dispatched=True, parcels=parcels, sent=sent_after(order, units))
        case OrderParcelUnwanted(shipment_id=shipment_id):
            return replace(order, parcels=order.parcels | {shipment_id})
        case OrderShipped(shipment_id=shipment_id):
            sent = {number: line.quantity for number, line in order.lines.items()}
            parcels = order.parcels.union({shipment_id} - {""})
            return replace(order, status="shipped", dispatched=True, parcels=parcels, sent=sent)
        case OrderCancelled():
            released = order.released.union(order.holds)
            return replace(order, status="cancelled", holds={}, released=released)
        case OrderCompleted():
            return replace(order, status="completed")
        case OrderPaymentAdded(payment_id=payment_id):
            due = Due(event.method, event.amount_cents)
            return replace(order, payments={**order.payments, payment_id: due})
        case OrderPaymentReduced(payment_id=payment_id, amount_cents=cents):
            known = order.payments.get(payment_id)
            due = Due(known.method if known else "", cents)
            return replace(order, payments={**order.payments, payment_id: due})
        case OrderPaymentDropped(payment_id=payment_id):
            left = {each: due for each, due in order.payments.items() if each != payment_id}
            return replace(order, payments=left, dropped=order.dropped | {payment_id})
        case OrderDiscrepancyOpened():
            return _contradicted(order, event)
    return _changed(order, event)

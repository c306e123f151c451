"""The order agent: moves an order's life on as stock, payments and parcels tell how they fare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

from pydantic import Field, model_validator

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
from domain.kernel import Command, Deadline, Event, Fact, Reaction, Value, one
from domain.order import (
    ALLOCATION_CUT,
    ApplyOrderEdit,
    CancelOrder,
    CancelOrderLines,
    CancelOrderRest,
    CompleteOrder,
    ConfirmOrder,
    DeclineOrderEdit,
    DeclineReason,
    DropOrderPayment,
    DropReason,
    HoldOrder,
    LineQuantity,
    MarkReserved,
    Missing,
    OpenOrderDiscrepancy,
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
    ParcelUnits,
    RecordDispatch,
)
from domain.order.missing import by_line
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
from services.agents.agent import Agent, order_key

CHANGE = "change "
Trouble = Literal["not_refunded", "not_voided", "not_shippable"]
Parcel = Literal["dispatched", "delivered", "returned"]

PLAN = "plan"
"""Stands among what a change set awaits for its units, where these are planned by rules."""
TO_PLAN = frozenset({""})
"""Stands for what is to be reserved of an order until it is planned."""


class OrderProcess(Value):
    """What the order waits for, and its money by payment id, in minor units.

    `released` are payments of which nothing is held: declined, voided, expired, or their capture failed;
    `added` those that the order was not placed with. `due` is what each is to bring, `to_pay` what all are
    to: None on account, and of a process of before. `units` are those that are wanted, by `SKU warehouse`;
    `parcels` those that left, and how far they came; `counted` those of them that have something of the
    order, as it says; `shipped`: with them nothing is left to be sent. While the change set `change` is
    carried out, as its event `asked_by` says, `awaited_units` are those that must be allocated for it, and
    `awaited_money` is what must be authorised, by payment id. `missing`: which units are nowhere; `beside` is
    the last event of the plan that asked for units beside those of the order.
    """

    order_id: str = ""
    to_reserve: frozenset[str] = frozenset()
    short: tuple[LineQuantity, ...] = ()
    allocated: bool = False
    missing: Missing = Missing()
    beside: str = ""
    due: dict[str, int] = Field(default_factory=dict)
    to_pay: int | None = None
    authorized: frozenset[str] = frozenset()
    captured: dict[str, int] = Field(default_factory=dict)
    refunded: dict[str, int] = Field(default_factory=dict)
    released: frozenset[str] = frozenset()
    units: dict[str, int] = Field(default_factory=dict)
    change: str = ""
    awaited_units: dict[str, int] = Field(default_factory=dict)
    asked_by: str = ""
    awaited_money: dict[str, int] = Field(default_factory=dict)
    confirmed: bool = False
    added: frozenset[str] = frozenset()
    parcels: dict[str, Parcel] = Field(default_factory=dict)
    counted: frozenset[str] = frozenset()
    shipped: bool = False
    cancelled: bool = False

    @model_validator(mode="before")
    @classmethod
    def _as_it_was_kept(cls, kept: Any) -> Any:
        """While all of an order left in one parcel; and while every parcel counted."""
        if not isinstance(kept, Mapping) or "counted" in kept:
            return kept
        if "dispatched" not in kept:
            return {**kept, "counted": frozenset(kept.get("parcels", ()))}
        known = {
            name: each for name, each in kept.items() if name not in ("dispatched", "delivered", "returned")
        }
        reached = [name for name in ("dispatched", "delivered", "returned") if kept[name]]
        parcels = {kept["order_id"]: reached[-1]} if reached else {}
        return {**known, "parcels": parcels, "counted": frozenset(parcels), "shipped": bool(reached)}

    @property
    def dispatched(self) -> bool:
        return bool(self.parcels)

    @property
    def returned(self) -> bool:
        """All that was sent of it came back, and nothing more will be."""
        return self.shipped and self._reached == {"returned"}

    @property
    def delivered(self) -> bool:
        """All that is not on its way back is with the customer, and nothing more will be sent."""
        return self.shipped and self._reached in ({"delivered"}, {"delivered", "returned"})

    @property
    def _reached(self) -> set[Parcel]:
        """How far the parcels are that have something of it: all, where the order has not said which."""
        counted = self.counted or self.parcels
        return {reached for parcel, reached in self.parcels.items() if parcel in counted}

    @property
    def is_paid(self) -> bool:
        """By those payments that are to bring it, together."""
        brought = sum(self.captured.get(payment, 0) for payment in self.due.keys() | self.added)
        return brought >= (sum(self.due.values()) if self.to_pay is None else self.to_pay)

    @property
    def is_authorized(self) -> bool:
        """All that it was placed with is, but for what is to bring nothing any more, and was let go."""
        return all(
            payment in self.authorized or payment in self.added or (payment in self.released and not cents)
            for payment, cents in self.due.items()
        )

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


def _units(event: OrderPlaced) -> dict[str, int]:
    units: Counter[str] = Counter()
    for line in event.lines:
        units[f"{line.sku} {line.warehouse}"] += line.quantity
    return dict(units)


def _changed(process: OrderProcess, event: OrderLinesCancelled | OrderEdited) -> OrderProcess:
    """Other units, other money; a change set that was under way is over."""
    units = dict(process.units)
    for each in event.units:
        place = f"{each.sku} {each.warehouse}"
        units[place] = max(0, units.get(place, 0) + each.change)
    due = {**process.due, **{each.payment_id: each.amount_cents for each in event.payments}}
    to_pay = event.total_cents if process.to_pay is not None else None
    update = {"units": units, "due": due, "to_pay": to_pay, "missing": process.missing.now_wanted(event)}
    return _settled(process.model_copy(update=update))


def _carried_on(before: OrderProcess, process: OrderProcess, fact: Fact) -> Reaction[OrderProcess]:
    """It may have waited for nothing but stock that is called off now."""
    if before.allocated or not before.to_reserve:
        return _completed(process, fact)
    left = frozenset(place for place in before.to_reserve if process.units.get(place))
    process = process.model_copy(update={"to_reserve": left})
    return Reaction(process) if left else _now(process, fact, MarkReserved(order_id=process.order_id))


def _settled(process: OrderProcess) -> OrderProcess:
    none = {"change": "", "awaited_units": {}, "asked_by": "", "awaited_money": {}}
    return process.model_copy(update=none)


def _deadline(fact: Fact, change_set_id: str, due_at: datetime | None) -> tuple[Deadline, ...]:
    return (Deadline(order_key(fact), CHANGE + change_set_id, due_at),)


def _under_way(process: OrderProcess, event: OrderEditConfirmed, fact: Fact) -> OrderProcess:
    """What a change set waits for: that its units are allocated, and its money authorised."""
    places = {f"{each.sku} {each.warehouse}": each.change for each in event.units}
    units = {place: process.units.get(place, 0) + more for place, more in places.items()}
    return process.model_copy(
        update={
            "change": event.change_set_id,
            "awaited_units": {PLAN: 1} if process.allocated and units else units,
            "asked_by": fact.event_id,
            "awaited_money": {each.payment_id: each.amount_cents for each in event.payments},
        }
    )


def _awaits(process: OrderProcess, place: str, units: int, fact: Fact) -> bool:
    """Whether stock says that to the change set. One that was under way before it was known which event asks
    for it, is known by the units that are to be held."""
    if process.asked_by:
        return place in process.awaited_units and fact.causation == process.asked_by
    return process.awaited_units.get(place) == units


def _came(process: OrderProcess, fact: Fact, place: str = "", payment_id: str = "") -> Reaction[OrderProcess]:
    """Something that a change set waited for; with the last of it the change set is applied."""
    units = {each: quantity for each, quantity in process.awaited_units.items() if each != place}
    money = {each: cents for each, cents in process.awaited_money.items() if each != payment_id}
    process = process.model_copy(update={"awaited_units": units, "awaited_money": money})
    if units or money:
        return Reaction(process)
    return _now(process, fact, ApplyOrderEdit(order_id=process.order_id, change_set_id=process.change))


def _declined(
    process: OrderProcess, fact: Fact, reason: DeclineReason, note: str = ""
) -> Reaction[OrderProcess]:
    ids = {"order_id": process.order_id, "change_set_id": process.change}
    return _now(process, fact, DeclineOrderEdit(**ids, reason=reason, note=note))


def _placed(event: OrderPlaced, fact: Fact) -> Reaction[OrderProcess]:
    lines = frozenset(f"{line.sku} {line.warehouse}" for line in event.lines)
    process = OrderProcess(
        order_id=event.order_id,
        to_reserve=TO_PLAN if event.allocation and lines else lines,
        allocated=event.allocation is not None,
        missing=_wanted(event),
        due={portion.payment_id: portion.amount_cents for portion in event.portions},
        to_pay=None if event.on_account else event.total_cents,
        units=_units(event),
    )
    if process.to_reserve:
        return Reaction(process)
    return _now(process, fact, MarkReserved(order_id=event.order_id))


def _wanted(event: OrderPlaced) -> Missing:
    ships = event.allocation is None or event.allocation.rules.when_short == "ship_available"
    return Missing(ships=ships, wanted=by_line(event.lines) if event.allocation else {})


def _planned(process: OrderProcess, event: AllocationPlanned) -> OrderProcess:
    """What is to be reserved, by the last plan; and what the order will not get."""
    return process.model_copy(
        update={
            "missing": process.missing.now_planned(event.picks),
            "to_reserve": frozenset(f"{pick.sku} {pick.warehouse}" for pick in event.picks),
            "short": tuple(LineQuantity(line=each.line, quantity=each.quantity) for each in event.short),
        }
    )


def _reserved(process: OrderProcess, left: frozenset[str], fact: Fact) -> Reaction[OrderProcess]:
    """`left` is still to be reserved."""
    process = process.model_copy(update={"to_reserve": left})
    if left:
        return Reaction(process)
    reserved = MarkReserved(order_id=process.order_id)
    if not process.short:
        return _now(process, fact, reserved)
    cut = CancelOrderLines(
        order_id=process.order_id, cancel_id=ALLOCATION_CUT, reason="stock", lines=process.short
    )
    return _now(process, fact, reserved, cut)


def _replanned(process: OrderProcess, event: AllocationRevised, fact: Fact) -> Reaction[OrderProcess]:
    """What is called off is waited for no more."""
    process = process.model_copy(update={"missing": process.missing.now_planned(event.picks)})
    left = process.to_reserve & {f"{pick.sku} {pick.warehouse}" for pick in event.picks}
    return _reserved(process, left, fact) if left != process.to_reserve else Reaction(process)


def _change_planned(
    process: OrderProcess, event: AllocationChangeSettled | AllocationChangeFailed, fact: Fact
) -> Reaction[OrderProcess]:
    """Of a change set that waits for it; or instead of short picks, of which some may be nowhere."""
    if event.change_id == process.change:
        failed = isinstance(event, AllocationChangeFailed)
        return _declined(process, fact, "stock") if failed else _came(process, fact, place=PLAN)
    if not event.change_id.startswith(SHORT_PICK):
        return Reaction(process)
    process = process.model_copy(update={"missing": process.missing.now_told(event.missing)})
    if process.missing.ships or not process.missing.lines:
        return _cut_missing(process, event.change_id, fact)
    told = ", ".join(f"{each.quantity} of line {each.line}" for each in process.missing.lines)
    note = f"not found, and nowhere else: {told}; released, the order goes without them"
    hold = HoldOrder(order_id=process.order_id, hold_id=event.change_id, reason="stock", note=note)
    return _now(process, fact, hold)


def _of_pick(fact: Fact) -> str:
    return f"{SHORT_PICK}{fact.event_id}"


def _cut_missing(process: OrderProcess, cancel_id: str, fact: Fact) -> Reaction[OrderProcess]:
    lines = process.missing.lines
    process = process.model_copy(update={"missing": process.missing.dealt_with()})
    if not lines:
        return Reaction(process)
    ids = {"order_id": process.order_id, "cancel_id": cancel_id}
    return _now(process, fact, CancelOrderLines(**ids, reason="stock", lines=lines, unfound=True))


def _added(sums: dict[str, int], payment_id: str, cents: int) -> dict[str, int]:
    return {**sums, payment_id: sums.get(payment_id, 0) + cents}


def _dispatched(process: OrderProcess, event: ShipmentDispatched, fact: Fact) -> Reaction[OrderProcess]:
    """Which of the order's lines that was, and whether anything is left to be sent, the order says. A parcel
    that does not say what is in it has all."""
    process = _parcel(process, event.shipment_id, "dispatched")
    if not event.lines:
        process = _counted(process, event.shipment_id, shipped=True)
        return _now(process, fact, RecordDispatch(order_id=process.order_id))
    units = tuple(ParcelUnits(**dict(line)) for line in event.lines)
    ids = {"order_id": process.order_id, "shipment_id": event.shipment_id}
    return _now(process, fact, RecordDispatch(**ids, units=units))


def _parcel(process: OrderProcess, shipment_id: str, reached: Parcel) -> OrderProcess:
    return process.model_copy(update={"parcels": {**process.parcels, shipment_id: reached}})


def _counted(process: OrderProcess, shipment_id: str, *, shipped: bool) -> OrderProcess:
    update = {"counted": process.counted | {shipment_id}, "shipped": shipped or process.shipped}
    return process.model_copy(update=update)


def _arrived(process: OrderProcess, fact: Fact) -> Reaction[OrderProcess]:
    """The order is over with the last of its parcels: that is where it should be, or all of them are back."""
    return _ended_if_settled(process, fact) if process.returned else _completed(process, fact)


def _completed(process: OrderProcess, fact: Fact) -> Reaction[OrderProcess]:
    if process.delivered and process.is_paid:
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
    wanted = process.awaited_money.get(event.payment_id)
    if wanted is not None:
        process = process.model_copy(update={"authorized": process.authorized | {event.payment_id}})
        if event.amount_cents < wanted:
            note = f"{event.amount_cents} of {wanted} cents were authorised"
            return _declined(process, fact, "declined", note)
        return _came(process, fact, payment_id=event.payment_id)
    if event.amount_cents < due and event.payment_id not in process.added:
        note = f"{event.amount_cents} of {due} cents were authorised"
        process = process.model_copy(update={"authorized": process.authorized | {event.payment_id}})
        return _now(process, fact, CancelOrder(order_id=process.order_id, reason="declined", note=note))
    if event.payment_id in process.authorized:
        return Reaction(process)
    process = process.model_copy(update={"authorized": process.authorized | {event.payment_id}})
    if process.is_authorized and event.payment_id not in process.added:
        return _now(process, fact, ConfirmOrder(order_id=process.order_id))
    return Reaction(process)


def _released(process: OrderProcess, payment_id: str) -> OrderProcess:
    return process.model_copy(update={"released": process.released | {payment_id}})


def _voided(process: OrderProcess, payment_id: str, fact: Fact) -> Reaction[OrderProcess]:
    """Mostly we asked for it. If not, the order is not paid for any more."""
    note = "the payment was voided at the provider"
    if payment_id in process.awaited_money:
        return _declined(process, fact, "declined", note)
    if process.cancelled or process.shipped:
        return _ended_if_settled(process, fact)
    if not process.due.get(payment_id):  # it was called off, and may have been the last to be waited for
        waits = process.confirmed or process.to_reserve or not process.is_authorized
        return Reaction(process) if waits else _now(process, fact, ConfirmOrder(order_id=process.order_id))
    return _unpaid(process, payment_id, "declined", note, fact)


def _unpaid(
    process: OrderProcess, payment_id: str, reason: Literal["declined", "expired"], note: str, fact: Fact
) -> Reaction[OrderProcess]:
    """Nothing more comes of the payment: what is not sent yet is not sent any more, unless it is paid for."""
    order_id = process.order_id
    if not process.dispatched:
        return _now(process, fact, CancelOrder(order_id=order_id, reason=reason, note=note))
    if process.shipped or process.captured.get(payment_id, 0) >= process.due.get(payment_id, 0):
        return Reaction(process)
    rest = CancelOrderRest(order_id=order_id, cancel_id=f"{payment_id}.{reason}", reason=reason, note=note)
    return _now(process, fact, rest)


def _over(event: OrderLinesCancelled | OrderEdited, fact: Fact) -> tuple[Deadline, ...]:
    return _deadline(fact, event.change_set_id, None) if isinstance(event, OrderEdited) else ()


ENDS: dict[type[Event], DropReason] = {
    PaymentDeclined: "declined",
    AuthorizationExpired: "expired",
    PaymentVoided: "voided",
}
"""Of a payment of which nothing was captured."""


def _ended(process: OrderProcess, event: Any) -> DropOrderPayment | None:
    """Of a payment that was added nothing comes: the order does without, or takes another."""
    added = type(event) in ENDS and event.payment_id in process.added
    if not added or process.captured.get(event.payment_id):
        return None
    return _drop(process, event.payment_id, ENDS[type(event)])


def _drop(process: OrderProcess, payment_id: str, reason: DropReason) -> DropOrderPayment:
    brought = process.captured.get(payment_id, 0)
    ids = {"order_id": process.order_id, "payment_id": payment_id}
    return DropOrderPayment(**ids, reason=reason, brought_cents=brought)


def _paying(
    process: OrderProcess, event: OrderPaymentAdded | OrderPaymentReduced | OrderPaymentDropped, fact: Fact
) -> Reaction[OrderProcess]:
    """Which payments are to bring its money; it may have waited for one that is none of them any more."""
    payment_id, due, added = event.payment_id, dict(process.due), process.added
    if isinstance(event, OrderPaymentDropped):
        due.pop(payment_id, None)
        added = added - {payment_id}
    else:
        due[payment_id] = event.amount_cents
    if isinstance(event, OrderPaymentAdded):
        added = added | {payment_id}
    return _completed(process.model_copy(update={"due": due, "added": added}), fact)


def _not_captured(process: OrderProcess, payment_id: str, fact: Fact) -> Reaction[OrderProcess]:
    """Against our books; another payment may bring the money that it did not."""
    told = OpenOrderDiscrepancy(order_id=process.order_id, kind="not_captured")
    if process.returned:
        return _ended_if_settled(process, fact, told)
    return _now(process, fact, told, _drop(process, payment_id, "not_captured"))


def _money(process: OrderProcess, fact: Fact) -> Reaction[OrderProcess]:
    if ended := _ended(process, fact.event):
        return _now(_released(process, ended.payment_id), fact, ended)
    match fact.event:
        case PaymentAuthorized() as event:
            return _authorized(process, event, fact)
        case PaymentDeclined(payment_id=payment, reason=reason) if payment in process.awaited_money:
            return _declined(_released(process, payment), fact, "declined", reason)
        case AuthorizationExpired(payment_id=payment) if payment in process.awaited_money:
            return _declined(_released(process, payment), fact, "declined", "the authorisation has expired")
        case PaymentDeclined(payment_id=payment) | AuthorizationExpired(payment_id=payment) if not (
            process.due.get(payment)
        ):
            return Reaction(_released(process, payment))  # of a change set that came to nothing
        case PaymentDeclined(payment_id=payment, reason=reason):
            cancel = CancelOrder(order_id=process.order_id, reason="declined", note=reason)
            return _now(_released(process, payment), fact, cancel)
        case AuthorizationExpired(payment_id=payment):
            return _unpaid(_released(process, payment), payment, "expired", "", fact)
        case PaymentCaptured(payment_id=payment, amount_cents=cents):
            captured = _added(process.captured, payment, cents)
            return _arrived(process.model_copy(update={"captured": captured}), fact)
        case PaymentRefunded(payment_id=payment, amount_cents=cents):
            refunded = _added(process.refunded, payment, cents)
            return _ended_if_settled(process.model_copy(update={"refunded": refunded}), fact)
        case DisputeLost(payment_id=payment, amount_cents=cents):  # the bank has given it back, not we
            refunded = _added(process.refunded, payment, cents)
            return _ended_if_settled(process.model_copy(update={"refunded": refunded}), fact)
        case PaymentVoided(payment_id=payment):
            return _voided(_released(process, payment), payment, fact)
        case CaptureFailed(payment_id=payment):
            return _not_captured(_released(process, payment), payment, fact)
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
            return _reserved(process, process.to_reserve - {f"{sku} {warehouse}"}, fact)
        case AllocationPlanned() as event:
            return Reaction(_planned(process, event))
        case AllocationFailed():
            return _now(process, fact, CancelOrder(order_id=order_id, reason="stock"))
        case StockReservationRefused() if process.allocated:
            return Reaction(process)  # it is planned anew; the end of that is told
        case StockAllocationRefused() if process.beside and fact.causation == process.beside:
            return Reaction(process)  # so is this
        case AllocationChangePlanned():
            return Reaction(process.model_copy(update={"beside": fact.event_id}))
        case AllocationRevised() as event:
            return _replanned(process, event, fact)
        case AllocationChangeSettled() | AllocationChangeFailed() as event:
            return _change_planned(process, event, fact)
        case OrderReleased(hold_id=hold_id) if hold_id.startswith(SHORT_PICK):
            return _cut_missing(process, hold_id, fact)
        case PickShorted() as event if not process.allocated:
            missing = process.missing.now_told([event])
            return _cut_missing(process.model_copy(update={"missing": missing}), _of_pick(fact), fact)
        case OrderReserved() if process.is_authorized:
            return _now(process, fact, ConfirmOrder(order_id=order_id))
        case OrderPaymentAdded() | OrderPaymentReduced() | OrderPaymentDropped() as event:
            return _paying(process, event, fact)
        case OrderConfirmed():
            return Reaction(process.model_copy(update={"confirmed": True}))
        case OrderCancelled():
            return Reaction(process.model_copy(update={"cancelled": True}))
        case OrderLinesCancelled() | OrderEdited() as event:
            changed = _carried_on(process, _changed(process, event), fact)
            return replace(changed, deadlines=_over(event, fact))
        case OrderEditProposed(change_set_id=change_set_id, expires_at=expires_at):
            return Reaction(process, (), _deadline(fact, change_set_id, expires_at))
        case OrderEditConfirmed() as event if event.units or event.payments:
            return Reaction(_under_way(process, event, fact))
        case OrderEditDeclined(change_set_id=change_set_id):
            return Reaction(_settled(process), (), _deadline(fact, change_set_id, None))
        case DeadlineReached(name=name) if name.startswith(CHANGE):
            expired = {"order_id": order_id, "change_set_id": name.removeprefix(CHANGE)}
            return _now(process, fact, DeclineOrderEdit(**expired, reason="expired"))
        case StockAllocated(sku=sku, warehouse=warehouse, quantity=quantity):
            place = f"{sku} {warehouse}"
            expected = _awaits(process, place, quantity, fact)
            return _came(process, fact, place=place) if expected else Reaction(process)
        case StockAllocationRefused(sku=sku, warehouse=warehouse, wanted=wanted) if _awaits(
            process, f"{sku} {warehouse}", wanted, fact
        ):
            return _declined(process, fact, "stock")
        case StockReservationRefused() | StockAllocationRefused():
            return _now(process, fact, CancelOrder(order_id=order_id, reason="stock"))
        case BackorderCancelled(reason=reason) if reason != "released":
            return _now(process, fact, CancelOrder(order_id=order_id, reason="stock"))
        case ReservationExpired() if not process.confirmed:
            return _now(process, fact, CancelOrder(order_id=order_id, reason="expired"))
        case LabelRefused():
            return _contradicted(process, fact, "not_shippable")
        case ShipmentDispatched() as event:
            return _dispatched(process, event, fact)
        case OrderPartShipped(shipment_id=parcel):
            return Reaction(_counted(process, parcel, shipped=False))
        case OrderShipped(shipment_id=parcel):
            return _arrived(_counted(process, parcel, shipped=True), fact)
        case ShipmentDelivered(shipment_id=parcel) if process.parcels.get(parcel) != "returned":
            return _arrived(_parcel(process, parcel, "delivered"), fact)
        case ShipmentReturned(shipment_id=parcel):
            return _arrived(_parcel(process, parcel, "returned"), fact)
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
    rule_version=11,
)

AGENTS = (ORDER_AGENT,)

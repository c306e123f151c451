"""The payment agent: authorises once stock is held, captures each parcel's part when it leaves, gives money
back for what comes back or is called off, and lets go of what will never be taken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from pydantic import Field, model_validator

from domain.carrier import ShipmentReturned
from domain.deadline import DeadlineReached
from domain.kernel import Command, Deadline, Fact, Group, Reaction, Target, Value, one
from domain.order import (
    Goods,
    OrderCancelled,
    OrderEditConfirmed,
    OrderEditDeclined,
    OrderEdited,
    OrderLinesCancelled,
    OrderPartShipped,
    OrderPaymentDropped,
    OrderPaymentReduced,
    OrderPlaced,
    OrderReserved,
    OrderShipped,
    PaymentChange,
    Portion,
)
from domain.payment import (
    REVERSAL_PAUSES,
    AuthorizationRequested,
    CaptureFailed,
    CustomerActionRequired,
    DisputeWon,
    ExpireAuthorization,
    ExpireCustomerAction,
    PaymentAuthorized,
    PaymentCaptured,
    RefundFailed,
    RefundRequested,
    RequestAuthorization,
    RequestCapture,
    RequestRefund,
    RequestReversal,
    RequestVoid,
    VoidFailed,
)
from domain.payment.method import stored_method
from domain.payment.taking import Taking, came_back, to_capture, to_refund
from domain.streams import payment_stream
from services.agents.agent import Agent, order_key

AUTHORIZATION, REVERSAL, ACTION = "authorization ", "reversal ", "action "
ACTION_VALID = timedelta(hours=1)
"""How long a customer has for what the bank wants of them, where the provider does not say."""


class PaymentProcess(Value):
    """The order's payments, and where it is; `tries` counts reversals that failed, by payment id.

    `added` are payments that the order was not placed with; `acting` those that wait for their customer.
    `proposed` are those of a change set that is not applied: nothing of them is taken; `dropped` those of one
    that came to nothing. `goods` is how far the order's units are, `takings` what was taken of each payment.
    """

    order_id: str = ""
    currency: str = ""
    subject: str = ""
    portions: tuple[Portion, ...] = ()
    valid_s: int = 0
    requested: bool = False
    authorized: frozenset[str] = frozenset()
    added: frozenset[str] = frozenset()
    acting: frozenset[str] = frozenset()
    tries: dict[str, int] = Field(default_factory=dict)
    cancelled: bool = False
    returned: bool = False
    proposed: frozenset[str] = frozenset()
    dropped: frozenset[str] = frozenset()
    goods: Goods = Goods()
    takings: dict[str, Taking] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _of_one_parcel(cls, kept: Any) -> Any:
        """As it was kept while all of an order left in one parcel, and was captured at once."""
        if not isinstance(kept, Mapping) or "dispatched" not in kept:
            return kept
        known = {
            name: each for name, each in kept.items() if name not in ("dispatched", "captured", "to_refund")
        }
        takings = {}
        for portion in kept["portions"] if kept["dispatched"] else ():
            name, cents = (
                portion["payment_id"],
                portion["amount_cents"] + kept["to_refund"].get(portion["payment_id"], 0),
            )
            taken = name in kept["captured"]
            pending = {} if taken else {f"{name}.capture": cents}
            takings[name] = {"taken_cents": cents if taken else 0, "pending": pending, "captures_count": 1}
        goods = {"parcels": {kept["order_id"]: {}}, "all_sent": True} if kept["dispatched"] else {}
        return {**known, "goods": goods, "takings": takings}

    @property
    def is_owed(self) -> bool:
        """Whatever is held or taken must go back."""
        return self.cancelled or self.returned


def _each(fact: Fact, commands: Iterable[Command]) -> tuple[Group, ...]:
    """A group for each payment: one that is refused must not hold up another."""
    return tuple(one(payment_stream(fact.merchant, each.payment_id), each) for each in commands)  # type: ignore[attr-defined]


def _reverse(fact: Fact, *payment_ids: str) -> tuple[Group, ...]:
    return _each(fact, [RequestReversal(payment_id=each) for each in payment_ids])


def _reverse_all(process: PaymentProcess, fact: Fact) -> tuple[Group, ...]:
    """Those that were asked for."""
    asked = [each.payment_id for each in process.portions]
    return _reverse(fact, *(each for each in asked if process.requested or each in process.added))


def _taking(process: PaymentProcess, payment_id: str, **changed: Any) -> PaymentProcess:
    taking = process.takings.get(payment_id, Taking()).model_copy(update=changed)
    return process.model_copy(update={"takings": {**process.takings, payment_id: taking}})


def _due_of(process: PaymentProcess) -> dict[str, Taking]:
    """The payments that the order is to be paid by: not those of a change set that is not applied."""
    return {
        each.payment_id: process.takings.get(each.payment_id, Taking()).model_copy(
            update={"due_cents": each.amount_cents}
        )
        for each in process.portions
        if each.payment_id not in process.proposed | process.dropped
    }


def _capture(process: PaymentProcess, fact: Fact) -> Reaction[PaymentProcess]:
    """The part of what is sent by now. Captures are numbered, so that each has an id of its own for ever."""
    commands: list[Command] = []
    for payment_id, cents in to_capture(_due_of(process), process.authorized, process.goods).items():
        taking = process.takings.get(payment_id, Taking())
        number = taking.captures_count + 1
        name = f"{payment_id}.capture" + (f".{number}" if number > 1 else "")
        asked = {"pending": {**taking.pending, name: cents}, "captures_count": number}
        process = _taking(process, payment_id, **asked)
        commands.append(
            RequestCapture(
                payment_id=payment_id,
                capture_id=name,
                amount_cents=cents,
                rest=True,
                last=process.goods.all_sent,
            )
        )
    return Reaction(process, _each(fact, commands))


def _refund(process: PaymentProcess, fact: Fact) -> Reaction[PaymentProcess]:
    """What is owed of what was taken by now; of what is about to be taken, once it is."""
    commands: list[Command] = []
    for payment_id, more in came_back(_due_of(process), process.goods).items():
        back = process.takings.get(payment_id, Taking()).back_cents + more
        process = _taking(process, payment_id, back_cents=back)
    for payment_id, cents in to_refund(_due_of(process)).items():
        name = f"{payment_id}.change.{fact.event_id}"
        refunds = process.takings[payment_id].refunds
        process = _taking(process, payment_id, refunds={**refunds, name: cents})
        refund = RequestRefund(payment_id=payment_id, refund_id=name, amount_cents=cents, rest=True)
        commands.append(refund)
    return Reaction(process, _each(fact, commands))


def _let_go(process: PaymentProcess, fact: Fact) -> Reaction[PaymentProcess]:
    """What is held and will never be taken, once nothing is left to be sent."""
    spare = [name for name, each in _due_of(process).items() if each.is_idle and process.goods.all_sent]
    for payment_id in spare:
        process = _taking(process, payment_id, let_go=True)
    return Reaction(process, _each(fact, [RequestVoid(payment_id=each) for each in spare]))


def _settle(process: PaymentProcess, fact: Fact, *, capture: bool = True) -> Reaction[PaymentProcess]:
    """All that is to be asked of providers now, as the goods and what is due stand."""
    commands: tuple[Group, ...] = ()
    for step in (_capture, _refund, _let_go) if capture else (_refund, _let_go):
        reaction = step(process, fact)
        process, commands = reaction.process, (*commands, *reaction.commands)
    return Reaction(process, commands)


def _authorize(process: PaymentProcess, fact: Fact) -> Reaction[PaymentProcess]:
    targets = tuple(
        Target(
            payment_stream(fact.merchant, portion.payment_id),
            RequestAuthorization(
                payment_id=portion.payment_id,
                order_id=process.order_id,
                amount_cents=portion.amount_cents,
                currency=process.currency,
                method=portion.method,
                subject=process.subject if stored_method(portion.method) else "",
                installments=portion.installments,
            ),
        )
        for portion in process.portions
        if portion.payment_id not in process.added
    )
    commands = (Group(targets),) if targets else ()
    return Reaction(process.model_copy(update={"requested": True}), commands)


def _authorized(process: PaymentProcess, event: PaymentAuthorized, fact: Fact) -> Reaction[PaymentProcess]:
    payment_id = event.payment_id
    acted = process.acting & {payment_id}
    over = tuple(Deadline(order_key(fact), ACTION + each, None) for each in acted)
    process = process.model_copy(
        update={"authorized": process.authorized | {payment_id}, "acting": process.acting - acted}
    )
    process = _taking(process, payment_id, held_cents=event.amount_cents, in_parts=event.in_parts)
    if process.is_owed:
        return Reaction(process, _reverse(fact, payment_id), over)
    if process.goods.any_sent:  # too late for the dispatch to have it captured
        return replace(_settle(process, fact), deadlines=over)
    expires_at = fact.occurred_at + timedelta(seconds=process.valid_s)
    return Reaction(process, (), (*over, Deadline(order_key(fact), AUTHORIZATION + payment_id, expires_at)))


def _added(process: PaymentProcess, event: AuthorizationRequested) -> Reaction[PaymentProcess]:
    """A person had it asked for, beside those that the order was placed with."""
    if event.payment_id in {each.payment_id for each in process.portions} | process.dropped:
        return Reaction(process)
    portion = Portion(
        payment_id=event.payment_id,
        method=event.method,
        amount_cents=event.amount_cents,
        installments=event.installments,
        sequence=len(process.portions) + 1,
    )
    update = {"portions": (*process.portions, portion), "added": process.added | {event.payment_id}}
    return Reaction(process.model_copy(update=update))


def _action(process: PaymentProcess, event: CustomerActionRequired, fact: Fact) -> Reaction[PaymentProcess]:
    """The customer's time is bounded: what they do not come for is let go."""
    due_at = event.expires_at or fact.occurred_at + ACTION_VALID
    process = process.model_copy(update={"acting": process.acting | {event.payment_id}})
    return Reaction(process, (), (Deadline(order_key(fact), ACTION + event.payment_id, due_at),))


def _no_deadlines(process: PaymentProcess, fact: Fact) -> tuple[Deadline, ...]:
    return tuple(
        Deadline(order_key(fact), AUTHORIZATION + payment, None) for payment in sorted(process.authorized)
    )


def _try_again(
    process: PaymentProcess, event: RefundFailed | VoidFailed, fact: Fact
) -> Reaction[PaymentProcess]:
    """What the provider would not give back is asked for again, ever later; then it is for a person."""
    payment_id, asked = event.payment_id, True
    if not (process.is_owed or payment_id in process.dropped):
        process, asked = _not_given(process, event)
    tried = process.tries.get(payment_id, 0)
    if not asked or tried >= len(REVERSAL_PAUSES):
        return Reaction(process)
    process = process.model_copy(update={"tries": {**process.tries, payment_id: tried + 1}})
    due_at = fact.occurred_at + REVERSAL_PAUSES[tried]
    return Reaction(process, (), (Deadline(order_key(fact), REVERSAL + payment_id, due_at),))


def _not_given(process: PaymentProcess, event: RefundFailed | VoidFailed) -> tuple[PaymentProcess, bool]:
    """Whether we had asked for it: then it is owed again."""
    taking = process.takings.get(event.payment_id, Taking())
    if isinstance(event, VoidFailed):
        return _taking(process, event.payment_id, let_go=False), taking.let_go
    refunds = {name: cents for name, cents in taking.refunds.items() if name != event.refund_id}
    return _taking(process, event.payment_id, refunds=refunds), refunds != taking.refunds


def _granted(process: PaymentProcess, event: RefundRequested) -> PaymentProcess:
    """So much of it will be given back: less than we asked for, where the bank holds a part of it."""
    taking = process.takings.get(event.payment_id, Taking())
    if event.refund_id not in taking.refunds:
        return process  # a person's
    refunds = {**taking.refunds, event.refund_id: event.amount_cents}
    granted = taking.granted | {event.refund_id}
    return _taking(process, event.payment_id, refunds=refunds, granted=granted)


def _won(process: PaymentProcess, payment_id: str, fact: Fact) -> Reaction[PaymentProcess]:
    """What could not be given back while it was disputed is asked for again: by its name, as it may have been
    granted by now."""
    if process.is_owed or payment_id in process.dropped:
        return Reaction(process, _reverse(fact, payment_id))
    taking = process.takings.get(payment_id, Taking())
    again = [
        RequestRefund(payment_id=payment_id, refund_id=name, amount_cents=cents, rest=True)
        for name, cents in taking.refunds.items()
        if name not in taking.granted
    ]
    more = _refund(process, fact)
    return replace(more, commands=(*_each(fact, again), *more.commands))


def _ask_again(process: PaymentProcess, payment_id: str, fact: Fact) -> Reaction[PaymentProcess]:
    if process.is_owed or payment_id in process.dropped:
        return Reaction(process, _reverse(fact, payment_id))
    return _settle(process, fact, capture=False)


def _propose(process: PaymentProcess, event: OrderEditConfirmed, fact: Fact) -> Reaction[PaymentProcess]:
    """A change set needs more money: it is authorised beside what there is, captured if it comes true."""
    asked = [
        RequestAuthorization(
            payment_id=each.payment_id,
            order_id=event.order_id,
            amount_cents=each.amount_cents,
            currency=event.currency,
            method=each.method,
            subject=process.subject if stored_method(each.method) else "",
        )
        for each in event.payments
    ]
    proposed = process.proposed.union(each.payment_id for each in event.payments)
    return Reaction(process.model_copy(update={"proposed": proposed}), _each(fact, asked))


def _drop(process: PaymentProcess, event: OrderEditDeclined, fact: Fact) -> Reaction[PaymentProcess]:
    """The change set came to nothing: what was authorised for it is let go, now or once it is."""
    gone = sorted(each.payment_id for each in event.payments if each.payment_id in process.proposed)
    update = {
        "proposed": process.proposed.difference(gone),
        "dropped": process.dropped.union(gone),
        "portions": tuple(each for each in process.portions if each.payment_id not in gone),
    }
    return Reaction(process.model_copy(update=update), _reverse(fact, *gone))


def _gone(process: PaymentProcess, payment_id: str, fact: Fact) -> Reaction[PaymentProcess]:
    """Nothing comes of it any more: what is held of it is let go, what is taken late is given back. Others
    bring its part."""
    update = {
        "proposed": process.proposed - {payment_id},
        "dropped": process.dropped | {payment_id},
        "portions": tuple(each for each in process.portions if each.payment_id != payment_id),
    }
    process = process.model_copy(update=update)
    if process.is_owed:
        return Reaction(process)  # all is given back as it is
    settled = _settle(process, fact)
    return replace(settled, commands=(*_reverse(fact, payment_id), *settled.commands))


def _reduced(process: PaymentProcess, event: OrderPaymentReduced, fact: Fact) -> Reaction[PaymentProcess]:
    """No more of it will be taken."""
    portions = tuple(
        each.model_copy(update={"amount_cents": event.amount_cents})
        if each.payment_id == event.payment_id
        else each
        for each in process.portions
    )
    process = process.model_copy(update={"portions": portions})
    return Reaction(process) if process.is_owed else _settle(process, fact)


def _due(process: PaymentProcess, changes: tuple[PaymentChange, ...]) -> PaymentProcess:
    """Other amounts are due from now on; a new payment is one of the order's."""
    due = {each.payment_id: each for each in changes}
    known = {each.payment_id for each in process.portions}
    new = tuple(
        Portion(payment_id=each.payment_id, method=each.method, amount_cents=each.amount_cents)
        for each in changes
        if each.payment_id not in known
    )
    portions = tuple(
        each.model_copy(update={"amount_cents": due[each.payment_id].amount_cents})
        if each.payment_id in due
        else each
        for each in (*process.portions, *new)
    )
    return process.model_copy(update={"portions": portions, "proposed": process.proposed.difference(due)})


def _changed(
    process: PaymentProcess, event: OrderLinesCancelled | OrderEdited, fact: Fact
) -> Reaction[PaymentProcess]:
    """Less, or more, is captured from now on; what was taken too much goes back. A payment that is to bring
    nothing is let go."""
    process = _due(process, event.payments)
    process = process.model_copy(update={"goods": process.goods.changed(event)})
    if process.is_owed:
        return Reaction(process)
    empty = [each.payment_id for each in event.payments if not each.amount_cents and process.requested]
    empty = [each for each in empty if not process.takings.get(each, Taking()).captures_count]
    for payment_id in empty:
        process = _taking(process, payment_id, let_go=True)
    settled = _settle(process, fact, capture=False)
    return replace(settled, commands=(*_reverse(fact, *empty), *settled.commands))


def _left(process: PaymentProcess, goods: Goods, fact: Fact) -> Reaction[PaymentProcess]:
    """A parcel's part of the money is taken; with the last of the goods all that is left."""
    process = process.model_copy(update={"goods": goods})
    if process.is_owed:
        return Reaction(process)
    reaction = _all_back(process, fact) if goods.all_back else _settle(process, fact)
    return replace(reaction, deadlines=_no_deadlines(process, fact) if goods.all_sent else ())


def _returned(process: PaymentProcess, shipment_id: str, fact: Fact) -> Reaction[PaymentProcess]:
    """What came back is given back its part of the money; all, once all is back."""
    process = process.model_copy(update={"goods": process.goods.returned(shipment_id)})
    if process.goods.all_back:
        return _all_back(process, fact)
    return Reaction(process) if process.is_owed else _refund(process, fact)


def _all_back(process: PaymentProcess, fact: Fact) -> Reaction[PaymentProcess]:
    return Reaction(process.model_copy(update={"returned": True}), _reverse_all(process, fact))


def _captured(process: PaymentProcess, event: PaymentCaptured, fact: Fact) -> Reaction[PaymentProcess]:
    """What was called off, or came back, while it was on its way to be captured is given back."""
    taking = process.takings.get(event.payment_id, Taking())
    pending = {name: cents for name, cents in taking.pending.items() if name != event.capture_id}
    taken = {"taken_cents": taking.taken_cents + event.amount_cents, "pending": pending}
    process = _taking(process, event.payment_id, **taken)
    if process.is_owed or event.payment_id in process.dropped:
        return Reaction(process, _reverse(fact, event.payment_id))
    return _settle(process, fact, capture=False)


def _not_captured(process: PaymentProcess, event: CaptureFailed, fact: Fact) -> Reaction[PaymentProcess]:
    taking = process.takings.get(event.payment_id, Taking())
    pending = {name: cents for name, cents in taking.pending.items() if name != event.capture_id}
    process = _taking(process, event.payment_id, pending=pending)
    owed = process.is_owed or event.payment_id in process.dropped
    return Reaction(process, _reverse(fact, event.payment_id) if owed else ())


def react(process: PaymentProcess, fact: Fact) -> Reaction[PaymentProcess]:
    match fact.event:
        case PaymentAuthorized(payment_id=payment_id) if payment_id in process.dropped:
            return Reaction(process, _reverse(fact, payment_id))
        case PaymentCaptured() as event:
            return _captured(process, event, fact)
        case OrderPlaced() as event if not process.order_id:
            return Reaction(
                PaymentProcess(
                    order_id=event.order_id,
                    currency=event.currency,
                    subject=event.subject,
                    portions=event.portions,
                    valid_s=event.terms.authorization_valid_s,
                    goods=Goods.of(event),
                )
            )
        case OrderReserved() if not process.requested:
            return _authorize(process, fact)
        case AuthorizationRequested() as event if process.order_id:
            return _added(process, event)
        case CustomerActionRequired() as event:
            return _action(process, event, fact)
        case DeadlineReached(name=name) if name.startswith(ACTION):
            expire_action = ExpireCustomerAction(payment_id=name.removeprefix(ACTION))
            return Reaction(process, _each(fact, [expire_action]))
        case PaymentAuthorized() as event:
            return _authorized(process, event, fact)
        case DeadlineReached(name=name) if name.startswith(AUTHORIZATION) and not process.goods.all_sent:
            expire = ExpireAuthorization(payment_id=name.removeprefix(AUTHORIZATION))
            return Reaction(process, _each(fact, [expire]))
        case DeadlineReached(name=name) if name.startswith(REVERSAL):
            return _ask_again(process, name.removeprefix(REVERSAL), fact)
        case OrderPartShipped(shipment_id=parcel, units=units):
            return _left(process, process.goods.left(parcel, units), fact)
        case OrderShipped(shipment_id=parcel):
            return _left(process, process.goods.left_with_all(parcel), fact)
        case CaptureFailed() as event:
            return _not_captured(process, event, fact)
        case RefundFailed() | VoidFailed() as event:
            return _try_again(process, event, fact)
        case RefundRequested() as event:
            return Reaction(_granted(process, event))
        case DisputeWon(payment_id=payment_id):
            return _won(process, payment_id, fact)
        case ShipmentReturned(shipment_id=parcel) if not process.returned:
            return _returned(process, parcel, fact)
        case OrderCancelled() if not process.cancelled:
            begun = (process.requested or process.added) and not process.returned
            process = process.model_copy(update={"cancelled": True})
            if not begun:
                return Reaction(process)
            return Reaction(process, _reverse_all(process, fact), _no_deadlines(process, fact))
        case OrderEditConfirmed() as event if event.payments and process.order_id and not process.is_owed:
            return _propose(process, event, fact)
        case OrderEditDeclined() as event if event.payments:
            return _drop(process, event, fact)
        case OrderPaymentDropped(payment_id=payment_id) if process.order_id:
            return _gone(process, payment_id, fact)
        case OrderPaymentReduced() as event:
            return _reduced(process, event, fact)
        case OrderEdited() | OrderLinesCancelled() as event if process.order_id:
            return _changed(process, event, fact)
        case _:
            return Reaction(process)


PAYMENT_AGENT = Agent(
    name="payment",
    context="payment",
    initial=PaymentProcess(),
    interests=(
        OrderPlaced,
        OrderReserved,
        OrderCancelled,
        AuthorizationRequested,
        CustomerActionRequired,
        PaymentAuthorized,
        PaymentCaptured,
        CaptureFailed,
        RefundRequested,
        RefundFailed,
        VoidFailed,
        DisputeWon,
        DeadlineReached,
        OrderPartShipped,
        OrderShipped,
        ShipmentReturned,
        OrderEditConfirmed,
        OrderEditDeclined,
        OrderEdited,
        OrderLinesCancelled,
        OrderPaymentDropped,
        OrderPaymentReduced,
    ),
    react=react,
    rule_version=7,
)

AGENTS = (PAYMENT_AGENT,)

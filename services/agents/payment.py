"""The payment agent: authorises once stock is held, captures on dispatch, and gives money back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from pydantic import Field

from domain.carrier import ShipmentDispatched, ShipmentReturned
from domain.deadline import DeadlineReached
from domain.kernel import Command, Deadline, Fact, Group, Reaction, Target, Value, one
from domain.order import (
    OrderCancelled,
    OrderEditConfirmed,
    OrderEditDeclined,
    OrderEdited,
    OrderLinesCancelled,
    OrderPlaced,
    OrderReserved,
    PaymentChange,
    Portion,
)
from domain.payment import (
    AuthorizationRequested,
    CaptureFailed,
    CustomerActionRequired,
    ExpireAuthorization,
    ExpireCustomerAction,
    PaymentAuthorized,
    PaymentCaptured,
    RefundFailed,
    RequestAuthorization,
    RequestCapture,
    RequestRefund,
    RequestReversal,
    VoidFailed,
)
from domain.payment.method import stored_method
from domain.streams import payment_stream
from services.agents.agent import Agent, order_key

AUTHORIZATION, REVERSAL, ACTION = "authorization ", "reversal ", "action "
ACTION_VALID = timedelta(hours=1)
"""How long a customer has for what the bank wants of them, where the provider does not say."""
REVERSAL_PAUSES = (timedelta(hours=1), timedelta(hours=6), timedelta(days=1))


class PaymentProcess(Value):
    """The order's payments, and where it is; `tries` counts reversals that failed, by payment id.

    `added` are payments that the order was not placed with; `acting` those that wait for their customer.
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
    dispatched: bool = False
    cancelled: bool = False
    returned: bool = False
    proposed: frozenset[str] = frozenset()
    dropped: frozenset[str] = frozenset()
    captured: frozenset[str] = frozenset()
    to_refund: dict[str, int] = Field(default_factory=dict)

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


def _capture(portion: Portion) -> Command:
    payment_id, cents = portion.payment_id, portion.amount_cents
    return RequestCapture(
        payment_id=payment_id, capture_id=f"{payment_id}.capture", amount_cents=cents, rest=True
    )


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
    if process.is_owed:
        return Reaction(process, _reverse(fact, payment_id), over)
    if process.dispatched:  # too late for the dispatch to have it captured
        portions = [each for each in process.portions if each.payment_id == payment_id]
        return Reaction(process, _each(fact, map(_capture, portions)), over)
    expires_at = fact.occurred_at + timedelta(seconds=process.valid_s)
    return Reaction(process, (), (*over, Deadline(order_key(fact), AUTHORIZATION + payment_id, expires_at)))


def _added(process: PaymentProcess, event: AuthorizationRequested) -> Reaction[PaymentProcess]:
    """A person had it asked for, beside those that the order was placed with."""
    if event.payment_id in {each.payment_id for each in process.portions}:
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


def _try_again(process: PaymentProcess, payment_id: str, fact: Fact) -> Reaction[PaymentProcess]:
    """What the provider would not give back is asked for again, ever later; then it is for a person."""
    tried = process.tries.get(payment_id, 0)
    if not (process.is_owed or payment_id in process.dropped) or tried >= len(REVERSAL_PAUSES):
        return Reaction(process)
    process = process.model_copy(update={"tries": {**process.tries, payment_id: tried + 1}})
    due_at = fact.occurred_at + REVERSAL_PAUSES[tried]
    return Reaction(process, (), (Deadline(order_key(fact), REVERSAL + payment_id, due_at),))


def _propose(process: PaymentProcess, event: OrderEditConfirmed, fact: Fact) -> Reaction[PaymentProcess]:
    """A change set needs more money: it is authorised beside what there is, captured if it comes true."""
    asked = [
        RequestAuthorization(
            payment_id=each.payment_id,
            order_id=event.order_id,
            amount_cents=each.amount_cents,
            currency=event.currency,
            method=each.method,
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


def _refund(payment_id: str, cents: int, fact: Fact) -> tuple[Group, ...]:
    name = f"{payment_id}.change.{fact.event_id}"
    return _each(fact, [RequestRefund(payment_id=payment_id, refund_id=name, amount_cents=cents)])


def _less(process: PaymentProcess, change: PaymentChange, fact: Fact) -> Reaction[PaymentProcess]:
    """A payment is to bring less: less is captured, or given back if it was; nothing of it is let go."""
    if not process.dispatched:
        empty = process.requested and not change.amount_cents and not process.is_owed
        return Reaction(process, _reverse(fact, change.payment_id) if empty else ())
    if change.payment_id in process.captured:
        return Reaction(process, _refund(change.payment_id, -change.change_cents, fact))
    owed = process.to_refund.get(change.payment_id, 0) - change.change_cents
    return Reaction(process.model_copy(update={"to_refund": {**process.to_refund, change.payment_id: owed}}))


def _due(process: PaymentProcess, changes: tuple[PaymentChange, ...], fact: Fact) -> Reaction[PaymentProcess]:
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
    update = {"portions": portions, "proposed": process.proposed.difference(due)}
    process = process.model_copy(update=update)
    commands: tuple[Group, ...] = ()
    for change in changes:
        if change.change_cents < 0:
            reaction = _less(process, change, fact)
            process, commands = reaction.process, (*commands, *reaction.commands)
        elif process.dispatched:
            added = [each for each in portions if each.payment_id == change.payment_id]
            commands = (*commands, *_each(fact, map(_capture, added)))
    return Reaction(process, commands)


def _captured(process: PaymentProcess, payment_id: str, fact: Fact) -> Reaction[PaymentProcess]:
    """What was called off while it was on its way to be captured goes back."""
    owed = process.to_refund.get(payment_id, 0)
    left = {each: cents for each, cents in process.to_refund.items() if each != payment_id}
    update = {"captured": process.captured | {payment_id}, "to_refund": left}
    return Reaction(process.model_copy(update=update), _refund(payment_id, owed, fact) if owed else ())


def react(process: PaymentProcess, fact: Fact) -> Reaction[PaymentProcess]:
    match fact.event:
        case PaymentAuthorized(payment_id=payment_id) if payment_id in process.dropped:
            return Reaction(process, _reverse(fact, payment_id))
        case PaymentCaptured(payment_id=payment_id) if not (process.is_owed or payment_id in process.dropped):
            return _captured(process, payment_id, fact)
        case OrderPlaced() as event if not process.order_id:
            return Reaction(
                PaymentProcess(
                    order_id=event.order_id,
                    currency=event.currency,
                    subject=event.subject,
                    portions=event.portions,
                    valid_s=event.terms.authorization_valid_s,
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
        case DeadlineReached(name=name) if name.startswith(AUTHORIZATION) and not process.dispatched:
            expire = ExpireAuthorization(payment_id=name.removeprefix(AUTHORIZATION))
            return Reaction(process, _each(fact, [expire]))
        case DeadlineReached(name=name) if name.startswith(REVERSAL):
            return Reaction(process, _reverse(fact, name.removeprefix(REVERSAL)))
        case ShipmentDispatched() if not process.dispatched and not process.cancelled:
            return Reaction(
                process.model_copy(update={"dispatched": True}),
                _each(fact, [_capture(p) for p in process.portions if p.payment_id not in process.proposed]),
                _no_deadlines(process, fact),
            )
        case PaymentCaptured(payment_id=payment_id) | CaptureFailed(payment_id=payment_id):
            owed = process.is_owed or payment_id in process.dropped
            return Reaction(process, _reverse(fact, payment_id) if owed else ())
        case RefundFailed(payment_id=payment_id) | VoidFailed(payment_id=payment_id):
            return _try_again(process, payment_id, fact)
        case ShipmentReturned() if not process.returned:
            return Reaction(process.model_copy(update={"returned": True}), _reverse_all(process, fact))
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
        case OrderEdited(payments=changes) | OrderLinesCancelled(payments=changes) if process.order_id:
            return _due(process, changes, fact)
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
        RefundFailed,
        VoidFailed,
        DeadlineReached,
        ShipmentDispatched,
        ShipmentReturned,
        OrderEditConfirmed,
        OrderEditDeclined,
        OrderEdited,
        OrderLinesCancelled,
    ),
    react=react,
    rule_version=4,
)

AGENTS = (PAYMENT_AGENT,)

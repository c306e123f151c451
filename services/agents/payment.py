"""The payment agent: authorises once stock is held, captures on dispatch, and gives money back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from domain.deadline import DeadlineReached
from domain.kernel import Command, Deadline, Fact, Group, Reaction, Target, Value, one
from domain.order import OrderCancelled, OrderPlaced, OrderReserved, Portion
from domain.payment import (
    ExpireAuthorization,
    PaymentAuthorized,
    PaymentCaptured,
    RequestAuthorization,
    RequestCapture,
    RequestRefund,
    RequestVoid,
)
from domain.shipment import ShipmentDispatched, ShipmentReturned
from domain.streams import payment_stream
from services.agents.agent import Agent, order_key

AUTHORIZATION = "authorization "


class PaymentProcess(Value):
    """The order's payments and what became of each, by payment id."""

    order_id: str = ""
    currency: str = ""
    portions: tuple[Portion, ...] = ()
    valid_s: int = 0
    requested: bool = False
    authorized: frozenset[str] = frozenset()
    captured: frozenset[str] = frozenset()
    dispatched: bool = False
    cancelled: bool = False
    returned: bool = False

    def portions_of(self, payment_id: str) -> tuple[Portion, ...]:
        return tuple(each for each in self.portions if each.payment_id == payment_id)


def _each(fact: Fact, commands: Iterable[tuple[str, Command]]) -> tuple[Group, ...]:
    """A group for each payment: one that is refused must not hold up another."""
    return tuple(one(payment_stream(fact.merchant, payment_id), command) for payment_id, command in commands)


def _refund(portion: Portion) -> tuple[str, Command]:
    payment_id, cents = portion.payment_id, portion.amount_cents
    return payment_id, RequestRefund(
        payment_id=payment_id, refund_id=f"{payment_id}.refund", amount_cents=cents
    )


def _capture(portion: Portion) -> tuple[str, Command]:
    payment_id, cents = portion.payment_id, portion.amount_cents
    return payment_id, RequestCapture(
        payment_id=payment_id, capture_id=f"{payment_id}.capture", amount_cents=cents
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
                installments=portion.installments,
            ),
        )
        for portion in process.portions
    )
    commands = (Group(targets),) if targets else ()
    return Reaction(process.model_copy(update={"requested": True}), commands)


def _authorized(process: PaymentProcess, event: PaymentAuthorized, fact: Fact) -> Reaction[PaymentProcess]:
    payment_id = event.payment_id
    process = process.model_copy(update={"authorized": process.authorized | {payment_id}})
    if process.cancelled or process.returned:
        return Reaction(process, _each(fact, [(payment_id, RequestVoid(payment_id=payment_id))]))
    if process.dispatched:  # too late for the dispatch to have it captured
        return Reaction(process, _each(fact, map(_capture, process.portions_of(payment_id))))
    expires_at = fact.occurred_at + timedelta(seconds=process.valid_s)
    return Reaction(process, (), (Deadline(order_key(fact), AUTHORIZATION + payment_id, expires_at),))


def _cancelled(process: PaymentProcess, fact: Fact) -> Reaction[PaymentProcess]:
    """Void what was not captured, refund what was; a capture under way is refunded when it is told."""
    process = process.model_copy(update={"cancelled": True})
    if not process.requested or process.returned:
        return Reaction(process)
    commands = [
        _refund(each)
        if each.payment_id in process.captured
        else (each.payment_id, RequestVoid(payment_id=each.payment_id))
        for each in process.portions
    ]
    return Reaction(process, _each(fact, commands), _no_deadlines(process, fact))


def _no_deadlines(process: PaymentProcess, fact: Fact) -> tuple[Deadline, ...]:
    return tuple(
        Deadline(order_key(fact), AUTHORIZATION + payment, None) for payment in sorted(process.authorized)
    )


def react(process: PaymentProcess, fact: Fact) -> Reaction[PaymentProcess]:
    match fact.event:
        case OrderPlaced() as event if not process.order_id:
            return Reaction(
                PaymentProcess(
                    order_id=event.order_id,
                    currency=event.currency,
                    portions=event.portions,
                    valid_s=event.terms.authorization_valid_s,
                )
            )
        case OrderReserved() if not process.requested:
            return _authorize(process, fact)
        case PaymentAuthorized() as event:
            return _authorized(process, event, fact)
        case DeadlineReached(name=name) if name.startswith(AUTHORIZATION) and not process.dispatched:
            payment_id = name.removeprefix(AUTHORIZATION)
            return Reaction(process, _each(fact, [(payment_id, ExpireAuthorization(payment_id=payment_id))]))
        case ShipmentDispatched() if not process.dispatched and not process.cancelled:
            return Reaction(
                process.model_copy(update={"dispatched": True}),
                _each(fact, map(_capture, process.portions)),
                _no_deadlines(process, fact),
            )
        case PaymentCaptured(payment_id=payment_id):
            again = payment_id in process.captured
            process = process.model_copy(update={"captured": process.captured | {payment_id}})
            is_owed = process.returned or process.cancelled
            portions = process.portions_of(payment_id) if is_owed and not again else ()
            return Reaction(process, _each(fact, map(_refund, portions)))
        case ShipmentReturned() if not process.returned:
            owed = [each for each in process.portions if each.payment_id in process.captured]
            process = process.model_copy(update={"returned": True})
            return Reaction(process, _each(fact, map(_refund, owed)))
        case OrderCancelled() if not process.cancelled:
            return _cancelled(process, fact)
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
        PaymentAuthorized,
        PaymentCaptured,
        DeadlineReached,
        ShipmentDispatched,
        ShipmentReturned,
    ),
    react=react,
)

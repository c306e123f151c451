"""What do the order's payments tell, and what does the order make of it?"""

from __future__ import annotations

from typing import Any, Literal

from domain.kernel import Event, Fact, Reaction
from domain.order import (
    CancelOrder,
    CancelOrderRest,
    ConfirmOrder,
    DropOrderPayment,
    DropReason,
    OrderPaymentAdded,
    OrderPaymentDropped,
    OrderPaymentReduced,
)
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
from services.agents.order.change_sets import came, decline
from services.agents.order.ending import against_books, arrived, completed, ended_if_settled
from services.agents.order.mending import is_held, mended, not_refunded, not_voided
from services.agents.order.process import OrderProcess, now


def _added(sums: dict[str, int], payment_id: str, cents: int) -> dict[str, int]:
    return {**sums, payment_id: sums.get(payment_id, 0) + cents}


def _authorized(process: OrderProcess, event: PaymentAuthorized, fact: Fact) -> Reaction[OrderProcess]:
    due = process.due.get(event.payment_id, 0)
    wanted = process.awaited_money.get(event.payment_id)
    if wanted is not None:
        process = process.model_copy(update={"authorized": process.authorized | {event.payment_id}})
        if event.amount_cents < wanted:
            note = f"{event.amount_cents} of {wanted} cents were authorised"
            return decline(process, fact, "declined", note)
        return came(process, fact, payment_id=event.payment_id)
    if event.amount_cents < due and event.payment_id not in process.added:
        note = f"{event.amount_cents} of {due} cents were authorised"
        process = process.model_copy(update={"authorized": process.authorized | {event.payment_id}})
        return now(process, fact, CancelOrder(order_id=process.order_id, reason="declined", note=note))
    if event.payment_id in process.authorized:
        return Reaction(process)
    process = process.model_copy(update={"authorized": process.authorized | {event.payment_id}})
    if process.is_authorized and event.payment_id not in process.added:
        return now(process, fact, ConfirmOrder(order_id=process.order_id))
    return Reaction(process)


def _released(process: OrderProcess, payment_id: str) -> OrderProcess:
    return process.model_copy(update={"released": process.released | {payment_id}})


def _held(process: OrderProcess, payment_id: str, cents: int) -> OrderProcess:
    return process.model_copy(update={"held": {**process.held, payment_id: cents}})


def _voided(process: OrderProcess, payment_id: str, fact: Fact) -> Reaction[OrderProcess]:
    """Mostly we asked for it. If not, the order is not paid for any more."""
    note = "the payment was voided at the provider"
    if payment_id in process.awaited_money:
        return decline(process, fact, "declined", note)
    if process.cancelled or process.shipped:
        return ended_if_settled(process, fact)
    if not process.due.get(payment_id):  # it was called off, and may have been the last to be waited for
        waits = process.confirmed or process.to_reserve or not process.is_authorized
        return Reaction(process) if waits else now(process, fact, ConfirmOrder(order_id=process.order_id))
    return _unpaid(process, payment_id, "declined", note, fact)


def _unpaid(
    process: OrderProcess, payment_id: str, reason: Literal["declined", "expired"], note: str, fact: Fact
) -> Reaction[OrderProcess]:
    """Nothing more comes of the payment: what is not sent yet is not sent any more, unless it is paid for."""
    order_id = process.order_id
    if not process.dispatched:
        return now(process, fact, CancelOrder(order_id=order_id, reason=reason, note=note))
    if process.shipped or process.captured.get(payment_id, 0) >= process.due.get(payment_id, 0):
        return Reaction(process)
    rest = CancelOrderRest(order_id=order_id, cancel_id=f"{payment_id}.{reason}", reason=reason, note=note)
    return now(process, fact, rest)


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


def paying(
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
    return completed(process.model_copy(update={"due": due, "added": added}), fact)


def _not_captured(process: OrderProcess, payment_id: str, fact: Fact) -> Reaction[OrderProcess]:
    """Against our books; another payment may bring the money that it did not."""
    told = against_books(process, fact, "not_captured", payment_id)
    if process.returned:
        return ended_if_settled(process, fact, told)
    return now(process, fact, told, _drop(process, payment_id, "not_captured"))


def money_moved(process: OrderProcess, fact: Fact) -> Reaction[OrderProcess]:
    return mended(_moved(process, fact), fact)


def _moved(process: OrderProcess, fact: Fact) -> Reaction[OrderProcess]:
    if isinstance(fact.event, PaymentVoided):
        process = _held(process, fact.event.payment_id, 0)
    if ended := _ended(process, fact.event):
        return now(_released(process, ended.payment_id), fact, ended)
    match fact.event:
        case PaymentAuthorized() as event:
            return _authorized(_held(process, event.payment_id, event.amount_cents), event, fact)
        case PaymentDeclined(payment_id=payment, reason=reason) if payment in process.awaited_money:
            return decline(_released(process, payment), fact, "declined", reason)
        case AuthorizationExpired(payment_id=payment) if payment in process.awaited_money:
            return decline(_released(process, payment), fact, "declined", "the authorisation has expired")
        case PaymentDeclined(payment_id=payment) | AuthorizationExpired(payment_id=payment) if not (
            process.due.get(payment)
        ):
            return Reaction(_released(process, payment))  # of a change set that came to nothing
        case PaymentDeclined(payment_id=payment, reason=reason):
            cancel = CancelOrder(order_id=process.order_id, reason="declined", note=reason)
            return now(_released(process, payment), fact, cancel)
        case AuthorizationExpired(payment_id=payment):
            return _unpaid(_released(process, payment), payment, "expired", "", fact)
        case PaymentCaptured(payment_id=payment, amount_cents=cents):
            captured = _added(process.captured, payment, cents)
            return arrived(process.model_copy(update={"captured": captured}), fact)
        case PaymentRefunded(payment_id=payment, amount_cents=cents):
            refunded = _added(process.refunded, payment, cents)
            return ended_if_settled(process.model_copy(update={"refunded": refunded}), fact)
        case DisputeLost(payment_id=payment, amount_cents=cents):  # the bank has given it back, not we
            refunded = _added(process.refunded, payment, cents)
            return ended_if_settled(process.model_copy(update={"refunded": refunded}), fact)
        case PaymentVoided(payment_id=payment):
            return _voided(_released(process, payment), payment, fact)
        case CaptureFailed(payment_id=payment):
            return _not_captured(_released(process, payment), payment, fact)
        case RefundFailed() as event:
            return not_refunded(process, event, fact)
        case VoidFailed(payment_id=payment) as event if is_held(process, payment):
            return not_voided(process, event, fact)
    return Reaction(process)

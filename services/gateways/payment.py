"""The payment gateway: what we ask a payment provider for, and which facts its words are.

The wire is Stripe's: `payment_calls` says what we ask for in its words, `payment_words` what its objects say
in ours. Here are accounts only, in our words.
"""

from __future__ import annotations

from collections.abc import Sequence

from domain.kernel import Command, Event, Fact
from domain.payment import (
    AuthorizationRequested,
    CaptureRequested,
    CustomerAction,
    Dispute,
    EvidenceRequested,
    Movement,
    Payment,
    RecordProviderPayment,
    RecordUnavailable,
    RefundRequested,
    VoidRequested,
)
from domain.payment.method import stored_method
from domain.streams import payment_method_stream, stream_parts
from services.gateways import payment_calls, payment_words
from services.gateways.gateway import Account, Gateway, Request, gone
from services.gateways.payment_books import differences, stream_of, unknown_charge

DECLINES = frozenset({402})
"""A decline ends the order, so nothing else counts as one: what is not understood is our mistake."""
_SUCCEEDED = ("captured", "refunded")
_CALLS = {
    AuthorizationRequested: "authorize",
    CaptureRequested: "capture",
    RefundRequested: "refund",
    VoidRequested: "void",
    EvidenceRequested: "evidence",
}


def answered(event: Event, payment: Payment) -> bool:
    """Also what is about no money: the decision itself has answered that. What is voided is over, and was so
    for good before it was: to ask for it again, in a replay, would hold money anew."""
    match event:
        case AuthorizationRequested(amount_cents=cents):
            over = payment.authorized_cents is not None or payment.declined or payment.void == "done"
            return not cents or over
        case CaptureRequested(capture_id=reference, amount_cents=cents):
            return not cents or _is_over(payment.captures.get(reference))
        case RefundRequested(refund_id=reference, amount_cents=cents):
            return not cents or _is_over(payment.refunds.get(reference))
        case VoidRequested():
            return not payment.requested_cents or payment.void in ("refused", "done")
        case EvidenceRequested(evidence_id=reference):
            return payment.evidence.get(reference) in ("done", "failed")
    return True


def unwanted(event: Event, payment: Payment) -> bool:
    return isinstance(event, AuthorizationRequested) and payment.is_voiding


def _is_over(movement: tuple[int, str] | None) -> bool:
    return movement is not None and movement[1] in ("done", "failed")


def request(fact: Fact, payment: Payment) -> Request:
    match fact.event:
        case AuthorizationRequested() as asked:
            return payment_calls.authorization(fact, asked, DECLINES)
        case CaptureRequested() as asked:
            return payment_calls.capture(fact, asked, payment)
        case RefundRequested() as asked:
            return payment_calls.refund(fact, asked, payment)
        case VoidRequested():
            return payment_calls.void(fact, payment)
        case EvidenceRequested() as asked:
            return payment_calls.evidence(fact, asked)
    raise AssertionError(f"nobody is called for {type(fact.event).__name__}")


def named(event: Account) -> tuple[str, str, str]:
    """A dispute knows its payment by the provider's name alone: that is asked for ours."""
    stream, checkout, intent = payment_words.named_in(event)
    if not (stream or intent):
        raise ValueError("it is of no payment")
    return stream, checkout, "" if stream else payment_calls.intent_path(intent)


def shows(event: Event, account: Account) -> bool:
    match event:
        case AuthorizationRequested():
            return True
        case CaptureRequested(capture_id=reference):
            return any(each["capture_id"] == reference for each in account["captures"])
        case RefundRequested(refund_id=reference):
            return any(each["refund_id"] == reference for each in account["refunds"])
        case EvidenceRequested(dispute_id=dispute_id, evidence_id=evidence_id):
            handed = f"{dispute_id}/{evidence_id}"
            return any(each["reference"] == handed for each in account.get("evidence", ()))
    return bool(account["voided"])


def record(stream: str, account: Account) -> Command | None:
    """A payment that is pending and untouched says nothing yet: a webhook will."""
    captures, refunds, voided = account["captures"], account["refunds"], account["voided"]
    action, disputes = account.get("action"), account.get("disputes", ())
    if account["status"] == "pending" and not (captures or refunds or voided or action or disputes):
        return None
    return RecordProviderPayment(
        payment_id=stream_parts(stream)[1],
        provider_reference=account["provider_reference"],
        status=account["status"],
        amount_cents=account["amount_cents"],
        reason=account["reason"] or "",
        happened_at=account["happened_at"],
        captures=_told("capture_id", captures),
        refunds=_told("refund_id", refunds),
        voided=voided,
        voided_at=account["voided_at"],
        lapsed=account.get("lapsed", False),
        action=CustomerAction.model_validate(action) if action else None,
        disputes=tuple(map(Dispute.model_validate, disputes)),
        evidence=tuple(
            Movement(reference=each["reference"], amount_cents=0, succeeded=True)
            for each in account.get("evidence", ())
        ),
        in_parts=account.get("in_parts", True),
    )


def _told(reference: str, movements: Sequence[Account]) -> tuple[Movement, ...]:
    """Those that are over: one that is pending, or of a status that we do not know, says nothing yet."""
    return tuple(
        Movement(
            reference=each[reference],
            amount_cents=each["amount_cents"],
            succeeded=each["status"] in _SUCCEEDED,
            reason="" if each["status"] in _SUCCEEDED else each.get("reason") or "failed",
            happened_at=each["happened_at"],
        )
        for each in movements
        if each["status"] in (*_SUCCEEDED, "failed")
    )


def refused(fact: Fact, payment: Payment, account: Account | None, reason: str) -> Command | None:
    """What the provider would not do has failed. What it never saw, or declined, leaves nothing to void."""
    if account is None and payment.authorized_cents is not None:
        raise gone(fact.stream)
    known = record(fact.stream, account) if account else None
    told = known or RecordProviderPayment(
        payment_id=stream_parts(fact.stream)[1], provider_reference="", status="pending", amount_cents=0
    )
    assert isinstance(told, RecordProviderPayment)
    match fact.event:
        case AuthorizationRequested():
            return told.model_copy(update={"status": "declined", "reason": reason})
        case CaptureRequested(capture_id=reference, amount_cents=cents):
            failed = Movement(reference=reference, amount_cents=cents, succeeded=False, reason=reason)
            return told.model_copy(update={"captures": (*told.captures, failed)})
        case RefundRequested(refund_id=reference, amount_cents=cents):
            failed = Movement(reference=reference, amount_cents=cents, succeeded=False, reason=reason)
            return told.model_copy(update={"refunds": (*told.refunds, failed)})
        case EvidenceRequested(dispute_id=dispute_id, evidence_id=evidence_id):
            handed = Movement(
                reference=f"{dispute_id}/{evidence_id}", amount_cents=0, succeeded=False, reason=reason
            )
            return told.model_copy(update={"evidence": (*told.evidence, handed)})
    holds = account is not None and account["status"] != "declined"
    return told.model_copy(update={"void_refused": reason} if holds else {"voided": True})


def unavailable(fact: Fact, attempts: int) -> Command:
    payment_id = stream_parts(fact.stream)[1]
    return RecordUnavailable(payment_id=payment_id, call=_CALLS[type(fact.event)], attempts=attempts)


def secret(fact: Fact) -> str:
    """The payment method that is charged, if it is a stored one."""
    asked = fact.event
    method_id = stored_method(asked.method) if isinstance(asked, AuthorizationRequested) else ""
    return payment_method_stream(fact.merchant, method_id) if method_id else ""


PAYMENT_GATEWAY = Gateway(
    name="payment",
    category="payment",
    subject="payment_id",
    path=payment_calls.INTENTS,
    interests=(AuthorizationRequested, CaptureRequested, VoidRequested, RefundRequested, EvidenceRequested),
    answered=answered,
    unwanted=unwanted,
    request=request,
    shows=shows,
    record=record,
    refused=refused,
    unavailable=unavailable,
    told=record,
    located=payment_calls.located,
    named=named,
    read=payment_words.told_in,
    wire="stripe",
    secret=secret,
    with_secret=payment_calls.with_method,
    differences=differences,
    stream_of=stream_of,
    unknown=unknown_charge,
)

GATEWAYS = (PAYMENT_GATEWAY,)

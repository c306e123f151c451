"""What do a provider's words make of a payment? Facts fold by the provider's own references, in any order and
any number of times, to the same state, and are never refused; a contradiction opens a discrepancy.
"""

from __future__ import annotations

from collections.abc import Iterator

from domain.kernel import Refused
from domain.payment.commands import (
    CustomerAction,
    RecordFindings,
    RecordProviderPayment,
    RecordUnknownCharge,
    ResolveDiscrepancy,
)
from domain.payment.events import (
    AuthorizationExpired,
    CaptureFailed,
    CustomerActionCompleted,
    CustomerActionFailed,
    CustomerActionRequired,
    DisputeLost,
    DisputeOpened,
    DisputeWon,
    EvidenceFailed,
    EvidenceSubmitted,
    Mismatch,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    PaymentDiscrepancyOpened,
    PaymentDiscrepancyResolved,
    PaymentEvent,
    PaymentMismatchOpened,
    PaymentRefunded,
    PaymentVoided,
    RefundFailed,
    VoidFailed,
)
from domain.payment.state import ACTION_RANK, DISPUTE_RANK, Payment, evolve, figures, status_of

_FOUND = frozenset(
    {
        "missing_at_provider",
        "authorized_differs",
        "captured_differs",
        "refunded_differs",
        "disputed_differs",
        "held_after_void",
    }
)
"""What only a reconciliation finds, and finds to be mended."""


def _claims(told: RecordProviderPayment, order_id: str) -> Iterator[PaymentEvent]:
    """What the provider's account says, known or not, in the order that it must have happened."""
    ids = {"payment_id": told.payment_id, "order_id": order_id}
    if told.action:
        yield _action(told.action, ids)
    if told.status == "authorized":
        yield PaymentAuthorized(
            **ids,
            amount_cents=told.amount_cents,
            provider_reference=told.provider_reference,
            happened_at=told.happened_at,
            in_parts=told.in_parts,
        )
    if told.status == "declined":
        yield PaymentDeclined(**ids, reason=told.reason or "declined", happened_at=told.happened_at)
    yield from _movements(told, ids)
    yield from _disputes(told, ids)


def _action(action: CustomerAction, ids: dict[str, str]) -> PaymentEvent:
    match action.status:
        case "required":
            url, until = action.redirect_url, action.expires_at
            return CustomerActionRequired(
                **ids, action_id=action.action_id, redirect_url=url, expires_at=until
            )
        case "completed":
            return CustomerActionCompleted(**ids, action_id=action.action_id)
        case "failed":
            return CustomerActionFailed(**ids, action_id=action.action_id, reason=action.reason or "failed")


def _movements(told: RecordProviderPayment, ids: dict[str, str]) -> Iterator[PaymentEvent]:
    for each in told.captures:
        if each.succeeded:
            fields = {"capture_id": each.reference, "amount_cents": each.amount_cents}
            yield PaymentCaptured(**ids, **fields, happened_at=each.happened_at)
        else:
            yield CaptureFailed(**ids, capture_id=each.reference, reason=each.reason)
    for each in told.refunds:
        if each.succeeded:
            fields = {"refund_id": each.reference, "amount_cents": each.amount_cents}
            yield PaymentRefunded(**ids, **fields, happened_at=each.happened_at)
        else:
            yield RefundFailed(**ids, refund_id=each.reference, reason=each.reason)


def _disputes(told: RecordProviderPayment, ids: dict[str, str]) -> Iterator[PaymentEvent]:
    """One that is decided was opened first, though nobody has told us."""
    for each in told.disputes:
        fields = {"dispute_id": each.dispute_id, "amount_cents": each.amount_cents}
        due, at = each.evidence_due_at, each.happened_at
        yield DisputeOpened(**ids, **fields, reason=each.reason, evidence_due_at=due, happened_at=at)
        if each.status == "won":
            yield DisputeWon(**ids, **fields, happened_at=at)
        if each.status == "lost":
            yield DisputeLost(**ids, **fields, happened_at=at)
    for handed in told.evidence:
        dispute_id, _, evidence_id = handed.reference.partition("/")
        references = {"dispute_id": dispute_id, "evidence_id": evidence_id}
        if handed.succeeded:
            yield EvidenceSubmitted(**ids, **references)
        else:
            yield EvidenceFailed(**ids, **references, reason=handed.reason)


def _is_news(claim: PaymentEvent, payment: Payment) -> bool:
    """False for what is known; a failure is none after the success of the same reference."""
    match claim:
        case PaymentAuthorized():
            return payment.authorized_cents is None
        case PaymentDeclined():
            return not payment.declined
        case PaymentCaptured(capture_id=reference):
            return status_of(payment.captures, reference) != "done"
        case CaptureFailed(capture_id=reference):
            return status_of(payment.captures, reference) in ("", "requested")
        case PaymentRefunded(refund_id=reference):
            return status_of(payment.refunds, reference) != "done"
        case RefundFailed(refund_id=reference):
            return status_of(payment.refunds, reference) in ("", "requested")
        case CustomerActionRequired():
            return ACTION_RANK[payment.action] < ACTION_RANK["required"]
        case CustomerActionFailed():
            return ACTION_RANK[payment.action] < ACTION_RANK["failed"]
        case CustomerActionCompleted():
            return ACTION_RANK[payment.action] < ACTION_RANK["completed"]
        case DisputeOpened(dispute_id=reference):
            return _dispute_rank(payment, reference) < DISPUTE_RANK["open"]
        case DisputeWon(dispute_id=reference):
            return _dispute_rank(payment, reference) < DISPUTE_RANK["won"]
        case DisputeLost(dispute_id=reference):
            return _dispute_rank(payment, reference) < DISPUTE_RANK["lost"]
        case EvidenceSubmitted(evidence_id=reference):
            return payment.evidence.get(reference) != "done"
        case EvidenceFailed(evidence_id=reference):
            return payment.evidence.get(reference, "") in ("", "requested")
    return True


def _dispute_rank(payment: Payment, dispute_id: str) -> int:
    return DISPUTE_RANK[status_of(payment.disputes, dispute_id)]


def _contradictions(before: Payment, payment: Payment) -> dict[str, bool]:
    """Which contradictions hold; that of an authorisation after the void by how it came about."""
    authorized, captured = payment.authorized_cents, payment.captured_cents
    return {
        "captured_above_authorized": authorized is not None and captured > authorized,
        "captured_after_void": payment.void == "done"
        and captured > 0
        and captured + payment.voided_cents > (authorized or 0),
        "refunded_above_captured": payment.refunded_cents > captured,
        "authorized_and_declined": authorized is not None and payment.declined,
        "authorized_after_void": before.void == "done"
        and before.authorized_cents is None
        and authorized is not None,
        "authorized_differs": authorized not in (None, payment.requested_cents),
    }


def _discrepancies(told: RecordProviderPayment, before: Payment, payment: Payment) -> Iterator[PaymentEvent]:
    """Those that are not open yet, and the end of those that later facts have explained."""
    ids = {"payment_id": told.payment_id, "order_id": payment.order_id}
    for kind, true in _contradictions(before, payment).items():
        is_open = kind in payment.discrepancies
        if true and not is_open and kind not in payment.accepted:
            yield PaymentDiscrepancyOpened(**ids, kind=kind)
        if not true and is_open and kind != "authorized_after_void":
            yield PaymentDiscrepancyResolved(**ids, kind=kind, by="fact", reason="what was told later agrees")
    lapsed, captured = payment.expired_cents + payment.voided_cents, payment.captured_cents
    held = (payment.authorized_cents or 0) - lapsed
    if payment.expired and captured > max(0, held):
        yield from _mismatch(ids, "captured_after_expiry", max(0, held), captured, payment)
    for each in told.disputes:
        told_and_known = {each.status, status_of(before.disputes, each.dispute_id)}
        told_and_final = {each.status, status_of(payment.disputes, each.dispute_id)}
        if {"won", "lost"} in (told_and_known, told_and_final):
            yield from _mismatch(ids, "won_and_lost", each.amount_cents, 0, payment)
    yield from _sent_back(told, ids, payment)


def _sent_back(told: RecordProviderPayment, ids: dict[str, str], payment: Payment) -> Iterator[PaymentEvent]:
    """Refunds that were done, and that the customer's bank has sent back; each is told once, with the sum of
    all."""
    known = set(payment.sent_back)
    for refund in told.refunds:
        done = status_of(payment.refunds, refund.reference) == "done"
        if done and not refund.succeeded and refund.reference not in known:
            known.add(refund.reference)
            ours = sum(payment.refunds[name][0] for name in known)
            figures = {"kind": "refunded_and_failed", "ours_cents": ours, "theirs_cents": 0}
            yield PaymentMismatchOpened.model_validate(
                {**ids, **figures, "provider_reference": refund.reference}
            )


def _mismatch(
    ids: dict[str, str], kind: Mismatch, ours: int, theirs: int, payment: Payment, reference: str = ""
) -> Iterator[PaymentEvent]:
    """One that is open, or was accepted, with these very figures is no news."""
    if payment.mismatches.get(kind) == (ours, theirs) or payment.accepted.get(kind) == figures(ours, theirs):
        return
    yield PaymentMismatchOpened(
        **ids, kind=kind, ours_cents=ours, theirs_cents=theirs, provider_reference=reference
    )


def record(told: RecordProviderPayment, payment: Payment) -> tuple[PaymentEvent, ...]:
    news: list[PaymentEvent] = []
    known = payment
    for claim in _claims(told, payment.order_id):
        if _is_news(claim, known):  # an account may say the same thing twice
            news.append(claim)
            known = evolve(known, claim)
    ids = {"payment_id": told.payment_id, "order_id": payment.order_id}
    if known.authorized_cents is not None and known.action in ("required", "expired", "failed"):
        # whoever had to do something has done it, though nobody has told: else it would not be authorised
        done = CustomerActionCompleted(**ids, action_id=known.action_id)
        news.append(done)
        known = evolve(known, done)
    if told.lapsed and not known.expired and known.void != "done":
        lapsed = AuthorizationExpired(**ids, amount_cents=max(0, known.open_cents))
        news.append(lapsed)
        known = evolve(known, lapsed)
    if told.voided and (known.void != "done" or known.is_held_after_void):
        voided = PaymentVoided(**ids, amount_cents=max(0, known.open_cents), happened_at=told.voided_at)
        news.append(voided)
        known = evolve(known, voided)
    elif told.void_refused and known.void == "requested":
        news.append(VoidFailed(**ids, reason=told.void_refused))
    return (*news, *_discrepancies(told, payment, known))


def record_findings(found: RecordFindings, payment: Payment) -> tuple[PaymentEvent, ...]:
    ids = {"payment_id": found.payment_id, "order_id": payment.order_id}
    kinds = {each.kind: each for each in found.findings}
    opened = [
        event
        for each in kinds.values()
        for event in _mismatch(
            ids, each.kind, each.ours_cents, each.theirs_cents, payment, found.provider_reference
        )
    ]
    mended = [
        PaymentDiscrepancyResolved(**ids, kind=kind, by="fact", reason="the provider's books agree now")
        for kind in sorted(_FOUND & payment.mismatches.keys() - kinds.keys())
    ]
    return (*opened, *mended)


def record_unknown(found: RecordUnknownCharge, payment: Payment) -> tuple[PaymentEvent, ...]:
    if payment.requested_cents is not None:
        return ()
    ids = {"payment_id": found.payment_id, "order_id": found.order_id}
    mismatch = _mismatch(ids, "unknown_charge", 0, found.theirs_cents, payment, found.provider_reference)
    return tuple(each.model_copy(update={"currency": found.currency}) for each in mismatch)


def resolve(command: ResolveDiscrepancy, payment: Payment) -> tuple[PaymentEvent, ...]:
    kind = command.kind
    if kind not in payment.open_kinds:
        if kind in payment.accepted:
            return ()
        there = ", ".join(sorted(payment.open_kinds)) or "none"
        raise Refused("discrepancy_exists", f"no discrepancy {kind} of this payment is open; open: {there}")
    ids = {"payment_id": command.payment_id, "order_id": payment.order_id}
    return (PaymentDiscrepancyResolved(**ids, kind=kind, by="person", reason=command.reason),)

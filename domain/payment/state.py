"""What is known of a payment: the fold of its events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from domain.payment.events import (
    AuthorizationExpired,
    AuthorizationRequested,
    CaptureFailed,
    CaptureRequested,
    CustomerActionCompleted,
    CustomerActionExpired,
    CustomerActionFailed,
    CustomerActionRequired,
    DisputeLost,
    DisputeOpened,
    DisputeWon,
    EvidenceFailed,
    EvidenceRequested,
    EvidenceSubmitted,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    PaymentDiscrepancyOpened,
    PaymentDiscrepancyResolved,
    PaymentEvent,
    PaymentMismatchOpened,
    PaymentProviderUnavailable,
    PaymentRefunded,
    PaymentVoided,
    RefundFailed,
    RefundRequested,
    VoidFailed,
    VoidRequested,
)

Action = Literal["no", "required", "expired", "failed", "completed"]
ACTION_RANK: dict[str, int] = {"no": 0, "required": 1, "expired": 2, "failed": 3, "completed": 4}
"""A later step outlasts an earlier one that is told late."""
DISPUTE_RANK: dict[str, int] = {"": 0, "open": 1, "won": 2, "lost": 3}


@dataclass(frozen=True, slots=True)
class Payment:
    """`captures` and `refunds` map our reference to minor units and `requested`, `done` or `failed`; disputes
    the provider's to minor units and `open`, `won` or `lost`; evidence ours to `requested`, `done`, `failed`.

    `discrepancies` and `mismatches` (kind to our and their minor units) are open; `accepted` are those that a
    person has let stand, with the figures that were accepted. `provider_reference` is the provider's name for
    the payment, once it is authorised. `last_captures`: those that were asked for as the last, or took all
    that was held, while no other was under way; what comes later does not change that. `sent_back`: refunds
    that were done, and that the customer's bank did not take.
    """

    order_id: str = ""
    requested_cents: int | None = None
    authorized_cents: int | None = None
    declined: bool = False
    expired: bool = False
    expired_cents: int = 0
    void: Literal["no", "requested", "refused", "done"] = "no"
    voided_cents: int = 0
    captures: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    refunds: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    action_id: str = ""
    action: Action = "no"
    disputes: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    evidence: Mapping[str, str] = field(default_factory=dict)
    discrepancies: frozenset[str] = frozenset()
    mismatches: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    accepted: Mapping[str, str] = field(default_factory=dict)
    provider_reference: str = ""
    last_captures: frozenset[str] = frozenset()
    in_parts: bool = True
    sent_back: frozenset[str] = frozenset()

    @property
    def is_voiding(self) -> bool:
        """It is voided, or about to be; a void that the provider refused leaves it as it was."""
        return self.void in ("requested", "done")

    @property
    def is_held_after_void(self) -> bool:
        """The provider authorised it only once it had been voided as unknown: so it is to be voided again."""
        return self.void == "done" and self.open_cents > 0

    @property
    def is_capturing(self) -> bool:
        return any(status == "requested" for _, status in self.captures.values())

    @property
    def is_captured(self) -> bool:
        """Some of it is captured, or about to be."""
        return any(status != "failed" for _, status in self.captures.values())

    @property
    def captured_cents(self) -> int:
        return total(self.captures, "done")

    @property
    def refunded_cents(self) -> int:
        return total(self.refunds, "done")

    @property
    def disputed_cents(self) -> int:
        """What the bank has taken back, for good or until it is decided."""
        return total(self.disputes, "open", "lost")

    @property
    def open_cents(self) -> int:
        """What is still held: authorised, neither captured nor let go. Below zero it contradicts itself."""
        return (self.authorized_cents or 0) - self.captured_cents - self.voided_cents - self.expired_cents

    @property
    def capturable_cents(self) -> int:
        """What may still be captured: authorised, less captured and pending."""
        return (self.authorized_cents or 0) - total(self.captures, "done", "requested")

    @property
    def refundable_cents(self) -> int:
        """What may still be given back: captured, less refunded and pending, less what the bank took."""
        return self.captured_cents - total(self.refunds, "requested", "done") - self.disputed_cents

    @property
    def open_kinds(self) -> frozenset[str]:
        """All discrepancies that nobody has resolved."""
        return self.discrepancies | self.mismatches.keys()


def total(movements: Mapping[str, tuple[int, str]], *statuses: str) -> int:
    return sum(cents for cents, status in movements.values() if status in statuses)


def status_of(movements: Mapping[str, tuple[int, str]], reference: str) -> str:
    return movements.get(reference, (0, ""))[1]


def figures(ours: int, theirs: int) -> str:
    return f"{ours}/{theirs}"


def _moved(
    movements: Mapping[str, tuple[int, str]], reference: str, cents: int | None, status: str
) -> dict[str, tuple[int, str]]:
    before, was = movements.get(reference, (0, ""))
    # a success outlasts a late failure and a late request
    now = "done" if "done" in (was, status) else status
    return {**movements, reference: (before if cents is None else cents, now)}


def _capturing(payment: Payment, capture_id: str, cents: int, *, last: bool) -> Payment:
    takes_all = cents == (payment.authorized_cents or 0) - payment.captured_cents
    is_last = not payment.is_capturing and (last or takes_all)
    return replace(
        payment,
        captures=_moved(payment.captures, capture_id, cents, "requested"),
        last_captures=payment.last_captures | {capture_id} if is_last else payment.last_captures,
    )


def _acted(payment: Payment, action_id: str, status: Action) -> Payment:
    if ACTION_RANK[status] <= ACTION_RANK[payment.action]:
        return payment
    return replace(payment, action_id=action_id, action=status)


def _disputed(payment: Payment, dispute_id: str, cents: int, status: str) -> Payment:
    if DISPUTE_RANK[status] <= DISPUTE_RANK[status_of(payment.disputes, dispute_id)]:
        return payment
    return replace(payment, disputes={**payment.disputes, dispute_id: (cents, status)})


def _evidenced(payment: Payment, evidence_id: str, status: str) -> Payment:
    now = "done" if payment.evidence.get(evidence_id) == "done" else status
    return replace(payment, evidence={**payment.evidence, evidence_id: now})


def _differs(payment: Payment, event: PaymentMismatchOpened) -> Payment:
    sent_back = {event.provider_reference} if event.kind == "refunded_and_failed" else set()
    return replace(
        payment,
        order_id=payment.order_id or event.order_id,
        mismatches={**payment.mismatches, event.kind: (event.ours_cents, event.theirs_cents)},
        sent_back=payment.sent_back | sent_back,
    )


def _resolved(payment: Payment, event: PaymentDiscrepancyResolved) -> Payment:
    kind = event.kind
    accepted = payment.accepted
    if event.by == "person":
        accepted = {
            **accepted,
            kind: figures(*payment.mismatches[kind]) if kind in payment.mismatches else "",
        }
    return replace(
        payment,
        discrepancies=payment.discrepancies - {kind},
        mismatches={name: each for name, each in payment.mismatches.items() if name != kind},
        accepted=accepted,
    )


def evolve(payment: Payment, event: PaymentEvent) -> Payment:
    match event:
        case AuthorizationRequested(order_id=order_id, amount_cents=cents):
            return replace(payment, order_id=order_id, requested_cents=cents)
        case PaymentAuthorized(amount_cents=cents, provider_reference=reference, in_parts=in_parts):
            known = {"authorized_cents": cents, "provider_reference": reference, "in_parts": in_parts}
            return replace(payment, **known)  # type: ignore[arg-type]
        case PaymentDeclined():
            return replace(payment, declined=True)
        case CaptureRequested(capture_id=reference, amount_cents=cents, last=last):
            return _capturing(payment, reference, cents, last=last)
        case PaymentCaptured(capture_id=reference, amount_cents=cents):
            return replace(payment, captures=_moved(payment.captures, reference, cents, "done"))
        case CaptureFailed(capture_id=reference):
            return replace(payment, captures=_moved(payment.captures, reference, None, "failed"))
        case VoidRequested():
            is_over = payment.void == "done" and not payment.is_held_after_void
            return replace(payment, void="done" if is_over else "requested")
        case VoidFailed():
            return replace(payment, void="done" if payment.void == "done" else "refused")
        case PaymentVoided(amount_cents=cents):
            return replace(payment, void="done", voided_cents=payment.voided_cents + cents)
        case RefundRequested(refund_id=reference, amount_cents=cents):
            return replace(payment, refunds=_moved(payment.refunds, reference, cents, "requested"))
        case PaymentRefunded(refund_id=reference, amount_cents=cents):
            return replace(payment, refunds=_moved(payment.refunds, reference, cents, "done"))
        case RefundFailed(refund_id=reference):
            return replace(payment, refunds=_moved(payment.refunds, reference, None, "failed"))
        case AuthorizationExpired(amount_cents=cents):
            return replace(payment, expired=True, expired_cents=payment.expired_cents + cents)
        case PaymentDiscrepancyOpened(kind=kind):
            return replace(payment, discrepancies=payment.discrepancies | {kind})
        case PaymentProviderUnavailable():
            return payment
        case CustomerActionRequired(action_id=action_id):
            return _acted(payment, action_id, "required")
        case CustomerActionCompleted(action_id=action_id):
            return _acted(payment, action_id, "completed")
        case CustomerActionFailed(action_id=action_id):
            return _acted(payment, action_id, "failed")
        case CustomerActionExpired(action_id=action_id):
            return _acted(payment, action_id, "expired")
        case DisputeOpened(dispute_id=dispute_id, amount_cents=cents):
            return _disputed(payment, dispute_id, cents, "open")
        case DisputeWon(dispute_id=dispute_id, amount_cents=cents):
            return _disputed(payment, dispute_id, cents, "won")
        case DisputeLost(dispute_id=dispute_id, amount_cents=cents):
            return _disputed(payment, dispute_id, cents, "lost")
        case EvidenceRequested(evidence_id=evidence_id):
            return _evidenced(payment, evidence_id, "requested")
        case EvidenceSubmitted(evidence_id=evidence_id):
            return _evidenced(payment, evidence_id, "done")
        case EvidenceFailed(evidence_id=evidence_id):
            return _evidenced(payment, evidence_id, "failed")
        case PaymentMismatchOpened():
            return _differs(payment, event)
        case PaymentDiscrepancyResolved():
            return _resolved(payment, event)

"""What is each payment of an order for, and what became of its money?

A payment stands here from the placing of its order on (`planned`), before the provider is asked. What went
wrong with a call for it (`trouble`) stands until the same call comes to something.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.kernel import Event, Fact
from domain.order import OrderPlaced
from domain.payment import (
    AuthorizationExpired,
    AuthorizationRequested,
    CaptureFailed,
    CaptureRequested,
    CustomerActionCompleted,
    CustomerActionExpired,
    CustomerActionFailed,
    CustomerActionRequired,
    DisputeOpened,
    DisputeWon,
    EvidenceFailed,
    EvidenceRequested,
    EvidenceSubmitted,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    PaymentDiscrepancyOpened,
    PaymentProviderUnavailable,
    PaymentRefunded,
    PaymentVoided,
    RefundFailed,
    RefundRequested,
    VoidFailed,
    VoidRequested,
)
from projections.order.orders import latest
from projections.read_model import ReadModel, Rows


@dataclass(slots=True)
class PaymentRow:
    """`portion` counts the order's payments from 1; the payer's own numbers (`sequence`) may have gaps.

    Both, and the checkout, are unknown of a payment that the order was not placed with.
    """

    merchant: str
    payment_id: str
    order_id: str
    checkout_id: str | None
    portion: int | None
    sequence: int | None
    method: str
    installments: int
    currency: str
    amount_cents: int
    planned_at: datetime


@dataclass(slots=True)
class PaymentProgress:
    """Sums to add, and what is known from now on (None: as it was)."""

    merchant: str
    payment_id: str
    requested: bool | None = None
    authorized: bool | None = None
    declined: bool | None = None
    void_requested: bool | None = None
    voided: bool | None = None
    expired: bool | None = None
    captures_count: int = 0
    authorized_cents: int = 0
    captured_cents: int = 0
    refunded_cents: int = 0
    voided_cents: int = 0
    expired_cents: int = 0
    disputed_cents: int = 0
    action: str | None = None
    action_url: str | None = None
    provider_reference: str | None = None
    decline_reason: str | None = None
    discrepancy: str | None = None
    requested_at: datetime | None = None
    authorized_at: datetime | None = None
    declined_at: datetime | None = None
    captured_at: datetime | None = None
    refunded_at: datetime | None = None
    voided_at: datetime | None = None
    held_at: datetime | None = None


@dataclass(slots=True)
class TermsRow:
    """For how long an authorisation of the order is held: its payment's agent lets go of it then."""

    merchant: str
    order_id: str
    authorization_valid_s: int


@dataclass(slots=True)
class RequestRow:
    """A capture or refund: what became of it by now. A failure names it, but not its amount; one that the
    provider did unasked was never requested."""

    merchant: str
    payment_id: str
    call: str
    reference: str
    position: int
    amount_cents: int | None = None
    status: str = "requested"
    reason: str | None = None
    refund_reason: str | None = None
    refund_note: str | None = None
    requested_at: datetime | None = None
    settled_at: datetime | None = None


@dataclass(slots=True)
class TroubleRow:
    """What last went wrong with a call, at which position; no `kind`, if it came to something since."""

    merchant: str
    payment_id: str
    call: str
    kind: str | None
    position: int


def _planned(event: OrderPlaced, fact: Fact) -> list[PaymentRow]:
    return [
        PaymentRow(
            fact.merchant,
            each.payment_id,
            event.order_id,
            event.checkout_id,
            number,
            each.sequence,
            each.method,
            each.installments,
            event.currency,
            each.amount_cents,
            fact.occurred_at,
        )
        for number, each in enumerate(event.portions, 1)
    ]


def _unplanned(event: AuthorizationRequested, fact: Fact) -> PaymentRow:
    """The row of a payment that was asked for later; where it was planned, that row stays."""
    return PaymentRow(
        fact.merchant,
        event.payment_id,
        event.order_id,
        None,
        None,
        None,
        event.method,
        event.installments,
        event.currency,
        event.amount_cents,
        fact.occurred_at,
    )


def _requested(payment: PaymentProgress, _: Any, fact: Fact) -> None:
    payment.requested = True
    payment.requested_at = fact.occurred_at


def _authorized(payment: PaymentProgress, event: PaymentAuthorized, fact: Fact) -> None:
    payment.authorized = True
    payment.held_at = fact.occurred_at
    payment.authorized_cents += event.amount_cents
    payment.provider_reference = event.provider_reference
    payment.authorized_at = event.happened_at


def _declined(payment: PaymentProgress, event: PaymentDeclined, _: Fact) -> None:
    payment.declined = True
    payment.decline_reason = event.reason
    payment.declined_at = event.happened_at


def _captured(payment: PaymentProgress, event: PaymentCaptured, _: Fact) -> None:
    payment.captures_count += 1
    payment.captured_cents += event.amount_cents
    payment.captured_at = latest(payment.captured_at, event.happened_at)


def _void_requested(payment: PaymentProgress, _: Any, __: Fact) -> None:
    payment.void_requested = True


def _voided(payment: PaymentProgress, event: PaymentVoided, _: Fact) -> None:
    payment.voided = True
    payment.voided_cents += event.amount_cents
    payment.voided_at = event.happened_at


def _refunded(payment: PaymentProgress, event: PaymentRefunded, _: Fact) -> None:
    payment.refunded_cents += event.amount_cents
    payment.refunded_at = latest(payment.refunded_at, event.happened_at)


def _expired(payment: PaymentProgress, event: AuthorizationExpired, _: Fact) -> None:
    payment.expired = True
    payment.expired_cents += event.amount_cents


def _contradicted(payment: PaymentProgress, event: PaymentDiscrepancyOpened, _: Fact) -> None:
    payment.discrepancy = event.kind


def _acted(status: str) -> Callable[[PaymentProgress, Any, Fact], None]:
    def act(payment: PaymentProgress, event: Any, _: Fact) -> None:
        payment.action = status
        payment.action_url = event.redirect_url if isinstance(event, CustomerActionRequired) else ""

    return act


def _disputed(payment: PaymentProgress, event: DisputeOpened, _: Fact) -> None:
    payment.disputed_cents += event.amount_cents


def _dispute_won(payment: PaymentProgress, event: DisputeWon, _: Fact) -> None:
    payment.disputed_cents -= event.amount_cents


def _derived(_: PaymentProgress, __: Any, ___: Fact) -> None:
    """Its row is derived from what was asked for, and from its troubles."""


_MOVES: dict[type[Event], Callable[[PaymentProgress, Any, Fact], None]] = {
    AuthorizationRequested: _requested,
    PaymentAuthorized: _authorized,
    PaymentDeclined: _declined,
    CaptureRequested: _derived,
    CaptureFailed: _derived,
    PaymentCaptured: _captured,
    VoidRequested: _void_requested,
    VoidFailed: _derived,
    PaymentVoided: _voided,
    RefundRequested: _derived,
    RefundFailed: _derived,
    PaymentRefunded: _refunded,
    AuthorizationExpired: _expired,
    PaymentDiscrepancyOpened: _contradicted,
    PaymentProviderUnavailable: _derived,
    CustomerActionRequired: _acted("required"),
    CustomerActionCompleted: _acted("completed"),
    CustomerActionFailed: _acted("failed"),
    CustomerActionExpired: _acted("expired"),
    DisputeOpened: _disputed,
    DisputeWon: _dispute_won,
    EvidenceRequested: _derived,
    EvidenceSubmitted: _derived,
    EvidenceFailed: _derived,
}
_COMES_OF: dict[type[Event], tuple[str, ...]] = {
    PaymentAuthorized: ("authorize",),
    PaymentDeclined: ("authorize",),
    PaymentCaptured: ("capture",),
    PaymentVoided: ("authorize", "void"),
    AuthorizationExpired: ("void",),
    PaymentRefunded: ("refund",),
    EvidenceSubmitted: ("evidence",),
}
"""Which calls have come to something by an event, so that their trouble is over."""
_FAILED: dict[type[Event], str] = {
    CaptureFailed: "capture",
    VoidFailed: "void",
    RefundFailed: "refund",
    EvidenceFailed: "evidence",
}


class _Batch:
    def __init__(self) -> None:
        self.terms: list[TermsRow] = []
        self.planned: dict[tuple[str, str], PaymentRow] = {}
        self.moved: dict[tuple[str, str], PaymentProgress] = {}
        self.requests: dict[tuple[str, ...], RequestRow] = {}
        self.troubles: dict[tuple[str, ...], TroubleRow] = {}

    def take(self, event: Any, fact: Fact) -> None:
        kind, key = type(event), (fact.merchant, event.payment_id)
        if kind is AuthorizationRequested and key not in self.planned:
            self.planned[key] = _unplanned(event, fact)
        payment = self.moved.get(key)
        if payment is None:
            payment = self.moved[key] = PaymentProgress(*key)
        _MOVES[kind](payment, event, fact)
        match event:
            case CaptureRequested() | PaymentCaptured() | CaptureFailed():
                self.settle((*key, "capture", event.capture_id), event, fact)
            case RefundRequested() | PaymentRefunded() | RefundFailed():
                self.settle((*key, "refund", event.refund_id), event, fact)
            case PaymentProviderUnavailable(call=call):
                self.troubled(key, call, "unavailable", fact)
        for call in _COMES_OF.get(kind, ()):
            self.troubled(key, call, None, fact)
        if kind in _FAILED:
            self.troubled(key, _FAILED[kind], "failed", fact)

    def settle(self, key: tuple[str, str, str, str], event: Any, fact: Fact) -> None:
        request = self.requests.get(key) or self.requests.setdefault(key, RequestRow(*key, fact.position))
        match event:
            case CaptureRequested() | RefundRequested():
                request.amount_cents, request.status, request.reason = event.amount_cents, "requested", None
                request.requested_at = request.requested_at or fact.occurred_at
                if isinstance(event, RefundRequested):
                    request.refund_reason, request.refund_note = event.reason, event.note or None
            case PaymentCaptured() | PaymentRefunded():
                request.amount_cents, request.status, request.reason = event.amount_cents, "done", None
                request.settled_at = event.happened_at or fact.occurred_at
            case CaptureFailed() | RefundFailed():
                request.status, request.reason = "failed", event.reason
                request.settled_at = fact.occurred_at

    def troubled(self, key: tuple[str, str], call: str, kind: str | None, fact: Fact) -> None:
        self.troubles[*key, call] = TroubleRow(*key, call, kind, fact.position)


def project(facts: Sequence[Fact]) -> Rows:
    batch = _Batch()
    for fact in facts:
        event: Any = fact.event
        if type(event) is OrderPlaced:
            valid_s = event.terms.authorization_valid_s
            batch.terms.append(TermsRow(fact.merchant, event.order_id, valid_s))
            for row in _planned(event, fact):
                batch.planned[row.merchant, row.payment_id] = row
        else:
            batch.take(event, fact)
    return {
        "remember_payment_terms": batch.terms,
        "plan_payments": list(batch.planned.values()),
        "keep_requests": list(batch.requests.values()),
        "mend_troubles": [each for each in batch.troubles.values() if each.kind is None],
        "keep_troubles": [each for each in batch.troubles.values() if each.kind],
        "move_payments": list(batch.moved.values()),
    }


PAYMENTS = ReadModel(
    "payments",
    ("payments", "payment_requests", "payment_troubles", "payment_terms"),
    (OrderPlaced, *_MOVES),
    project,
    version=7,
)

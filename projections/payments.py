"""What is each payment of an order for, and what became of its money?

A payment stands here from the placing of its order on (`planned`), before the provider is asked.
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
    CaptureRequested,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    PaymentDiscrepancyOpened,
    PaymentRefunded,
    PaymentVoided,
    RefundRequested,
    VoidRequested,
)
from projections.orders import latest
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
    capture_requested_cents: int = 0
    refund_requested_cents: int = 0
    authorized_cents: int = 0
    captured_cents: int = 0
    refunded_cents: int = 0
    voided_cents: int = 0
    expired_cents: int = 0
    provider_reference: str | None = None
    decline_reason: str | None = None
    discrepancy: str | None = None
    requested_at: datetime | None = None
    authorized_at: datetime | None = None
    declined_at: datetime | None = None
    captured_at: datetime | None = None
    refunded_at: datetime | None = None
    voided_at: datetime | None = None


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


def _authorized(payment: PaymentProgress, event: PaymentAuthorized, _: Fact) -> None:
    payment.authorized = True
    payment.authorized_cents += event.amount_cents
    payment.provider_reference = event.provider_reference
    payment.authorized_at = event.happened_at


def _declined(payment: PaymentProgress, event: PaymentDeclined, _: Fact) -> None:
    payment.declined = True
    payment.decline_reason = event.reason
    payment.declined_at = event.happened_at


def _capture_requested(payment: PaymentProgress, event: CaptureRequested, _: Fact) -> None:
    payment.capture_requested_cents += event.amount_cents


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


def _refund_requested(payment: PaymentProgress, event: RefundRequested, _: Fact) -> None:
    payment.refund_requested_cents += event.amount_cents


def _refunded(payment: PaymentProgress, event: PaymentRefunded, _: Fact) -> None:
    payment.refunded_cents += event.amount_cents
    payment.refunded_at = latest(payment.refunded_at, event.happened_at)


def _expired(payment: PaymentProgress, event: AuthorizationExpired, _: Fact) -> None:
    payment.expired = True
    payment.expired_cents += event.amount_cents


def _contradicted(payment: PaymentProgress, event: PaymentDiscrepancyOpened, _: Fact) -> None:
    payment.discrepancy = event.kind


_MOVES: dict[type[Event], Callable[[PaymentProgress, Any, Fact], None]] = {
    AuthorizationRequested: _requested,
    PaymentAuthorized: _authorized,
    PaymentDeclined: _declined,
    CaptureRequested: _capture_requested,
    PaymentCaptured: _captured,
    VoidRequested: _void_requested,
    PaymentVoided: _voided,
    RefundRequested: _refund_requested,
    PaymentRefunded: _refunded,
    AuthorizationExpired: _expired,
    PaymentDiscrepancyOpened: _contradicted,
}


def project(facts: Sequence[Fact]) -> Rows:
    planned: dict[tuple[str, str], PaymentRow] = {}
    moved: dict[tuple[str, str], PaymentProgress] = {}
    for fact in facts:
        event: Any = fact.event
        if type(event) is OrderPlaced:
            for row in _planned(event, fact):
                planned[row.merchant, row.payment_id] = row
            continue
        key = (fact.merchant, event.payment_id)
        if type(event) is AuthorizationRequested and key not in planned:
            planned[key] = _unplanned(event, fact)
        payment = moved.get(key)
        if payment is None:
            payment = moved[key] = PaymentProgress(*key)
        _MOVES[type(event)](payment, event, fact)
    return {"plan_payments": list(planned.values()), "move_payments": list(moved.values())}


PAYMENTS = ReadModel("payments", ("payments",), (OrderPlaced, *_MOVES), project)

"""Which payment methods has a customer stored? What is shown of them goes with the person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.erasure import SubjectErased
from domain.kernel import Fact
from domain.payment.method import MethodToken, PaymentMethodRemoved, PaymentMethodStored
from projections.order.orders import erased
from projections.read_model import ReadModel, Rows


@dataclass(slots=True)
class MethodRow:
    """The token itself is for the gateway alone."""

    merchant: str
    method_id: str
    subject: str
    brand: str | None
    last4: str | None
    expires: str | None
    stored_at: datetime


@dataclass(slots=True)
class RemovedRow:
    merchant: str
    method_id: str
    removed_at: datetime


def _stored(event: PaymentMethodStored, fact: Fact) -> MethodRow:
    shown = event.token if isinstance(event.token, MethodToken) else None
    brand, last4, expires = (shown.brand, shown.last4, shown.expires) if shown else (None, None, None)
    return MethodRow(fact.merchant, event.method_id, event.subject, brand, last4, expires, fact.occurred_at)


def project(facts: Sequence[Fact]) -> Rows:
    stored, removed = [], []
    for fact in facts:
        event: Any = fact.event
        if isinstance(event, PaymentMethodStored):
            stored.append(_stored(event, fact))
        elif isinstance(event, PaymentMethodRemoved):
            removed.append(RemovedRow(fact.merchant, event.method_id, fact.occurred_at))
    return {"store_methods": stored, "remove_methods": removed, "erase_methods": erased(facts)}


PAYMENT_METHODS = ReadModel(
    "payment_methods",
    ("payment_methods",),
    (PaymentMethodStored, PaymentMethodRemoved, SubjectErased),
    project,
    personal={"payment_methods": ("brand", "last4", "expires")},
)

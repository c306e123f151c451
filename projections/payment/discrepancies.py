"""Where do our books and the provider's differ, and who has resolved it, and why?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.kernel import Fact
from domain.payment import PaymentDiscrepancyOpened, PaymentDiscrepancyResolved, PaymentMismatchOpened
from projections.read_model import ReadModel, Rows


@dataclass(slots=True)
class DiscrepancyRow:
    """Open from `opened_at` on. The figures are unknown of a contradiction in the provider's own words."""

    merchant: str
    payment_id: str
    kind: str
    order_id: str
    ours_cents: int | None
    theirs_cents: int | None
    currency: str | None
    provider_reference: str | None
    opened_at: datetime
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    reason: str | None = None


@dataclass(slots=True)
class ResolvedRow:
    merchant: str
    payment_id: str
    kind: str
    resolved_at: datetime
    resolved_by: str
    reason: str


def _opened(event: PaymentDiscrepancyOpened | PaymentMismatchOpened, fact: Fact) -> DiscrepancyRow:
    differs = event if isinstance(event, PaymentMismatchOpened) else None
    return DiscrepancyRow(
        fact.merchant,
        event.payment_id,
        event.kind,
        event.order_id,
        differs.ours_cents if differs else None,
        differs.theirs_cents if differs else None,
        (differs.currency or None) if differs else None,
        (differs.provider_reference or None) if differs else None,
        fact.occurred_at,
    )


def project(facts: Sequence[Fact]) -> Rows:
    opened: dict[tuple[str, str, str], DiscrepancyRow] = {}
    resolved: dict[tuple[str, str, str], ResolvedRow] = {}
    for fact in facts:
        event: Any = fact.event
        key = (fact.merchant, event.payment_id, event.kind)
        if not isinstance(event, PaymentDiscrepancyResolved):
            opened[key] = _opened(event, fact)
            resolved.pop(key, None)
            continue
        by = fact.actor if event.by == "person" else event.by
        resolved[key] = ResolvedRow(*key, fact.occurred_at, by, event.reason)
    return {"open_discrepancies": list(opened.values()), "resolve_discrepancies": list(resolved.values())}


DISCREPANCIES = ReadModel(
    "discrepancies",
    ("discrepancies",),
    (PaymentDiscrepancyOpened, PaymentMismatchOpened, PaymentDiscrepancyResolved),
    project,
)

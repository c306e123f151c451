"""Which payments does a bank dispute, until when may evidence be handed in, and how did it end?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.kernel import Event, Fact
from domain.payment import (
    DisputeLost,
    DisputeOpened,
    DisputeWon,
    EvidenceFailed,
    EvidenceRequested,
    EvidenceSubmitted,
)
from projections.read_model import ReadModel, Rows

_STATUS: dict[type[Event], str] = {DisputeOpened: "open", DisputeWon: "won", DisputeLost: "lost"}
_EVIDENCE: dict[type[Event], str] = {
    EvidenceRequested: "requested",
    EvidenceSubmitted: "submitted",
    EvidenceFailed: "failed",
}


@dataclass(slots=True)
class DisputeRow:
    merchant: str
    payment_id: str
    dispute_id: str
    order_id: str
    amount_cents: int
    reason: str
    evidence_due_at: datetime | None
    opened_at: datetime


@dataclass(slots=True)
class DisputeProgress:
    """What is known from now on; None: as it was."""

    merchant: str
    payment_id: str
    dispute_id: str
    status: str | None = None
    ended_at: datetime | None = None
    evidence: str | None = None
    evidence_reason: str | None = None


def _opened(event: DisputeOpened, fact: Fact) -> DisputeRow:
    return DisputeRow(
        fact.merchant,
        event.payment_id,
        event.dispute_id,
        event.order_id,
        event.amount_cents,
        event.reason,
        event.evidence_due_at,
        event.happened_at or fact.occurred_at,
    )


def project(facts: Sequence[Fact]) -> Rows:
    opened: dict[tuple[str, str, str], DisputeRow] = {}
    moved: dict[tuple[str, str, str], DisputeProgress] = {}
    for fact in facts:
        event: Any = fact.event
        key = (fact.merchant, event.payment_id, event.dispute_id)
        if isinstance(event, DisputeOpened):
            opened[key] = _opened(event, fact)
            continue
        row = moved.get(key) or moved.setdefault(key, DisputeProgress(*key))
        if type(event) in _STATUS:
            row.status = _STATUS[type(event)]
            row.ended_at = event.happened_at or fact.occurred_at
        else:
            row.evidence = _EVIDENCE[type(event)]
            row.evidence_reason = event.reason if isinstance(event, EvidenceFailed) else ""
    return {"open_disputes": list(opened.values()), "move_disputes": list(moved.values())}


PAYMENT_DISPUTES = ReadModel("payment_disputes", ("payment_disputes",), (*_STATUS, *_EVIDENCE), project)

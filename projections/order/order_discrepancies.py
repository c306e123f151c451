"""What contradicts which orders, since when, and who has resolved it, and why?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from domain.kernel import Fact
from domain.order import OrderDiscrepancyOpened, OrderDiscrepancyResolved
from projections.read_model import ReadModel, Rows


@dataclass(slots=True)
class DiscrepancyRow:
    """Of one payment or parcel (`about`; empty where nobody said which). Told again, it is open from then."""

    merchant: str
    order_id: str
    kind: str
    about: str
    opened_at: datetime
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    reason: str | None = None


class Resolution(NamedTuple):
    """Of all of one kind that are open in an order."""

    merchant: str
    order_id: str
    kind: str
    resolved_at: datetime
    resolved_by: str
    reason: str


Kind = tuple[str, str, str]


def _resolve(rows: dict[str, DiscrepancyRow], by: Resolution) -> None:
    for row in rows.values():
        if row.resolved_at is None:
            row.resolved_at, row.resolved_by, row.reason = by.resolved_at, by.resolved_by, by.reason


def project(facts: Sequence[Fact]) -> Rows:
    """What was open before the batch is closed first, by the first resolution in it; then come the rows that
    it opens, some of which it has closed again."""
    opened: dict[Kind, dict[str, DiscrepancyRow]] = {}
    resolved: dict[Kind, Resolution] = {}
    for fact in facts:
        event = fact.event
        if isinstance(event, OrderDiscrepancyOpened):
            key = (fact.merchant, event.order_id, event.kind)
            row = DiscrepancyRow(*key, event.about, fact.occurred_at)
            opened.setdefault(key, {})[event.about] = row
        elif isinstance(event, OrderDiscrepancyResolved):
            key = (fact.merchant, event.order_id, event.kind)
            by = Resolution(*key, fact.occurred_at, fact.actor, event.reason)
            resolved.setdefault(key, by)
            _resolve(opened.get(key, {}), by)
    return {
        "resolve_discrepancies": list(resolved.values()),
        "open_discrepancies": [row for rows in opened.values() for row in rows.values()],
    }


ORDER_DISCREPANCIES = ReadModel(
    "order_discrepancies",
    ("order_discrepancies",),
    (OrderDiscrepancyOpened, OrderDiscrepancyResolved),
    project,
)

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
    """Of one payment or parcel (`about`; empty where nobody said), and its last `fact`: open from then."""

    merchant: str
    order_id: str
    kind: str
    about: str
    fact: str
    opened_at: datetime
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    reason: str | None = None


class Resolution(NamedTuple):
    """Of one row of an order; where `about` is None, of all of one kind that are open."""

    merchant: str
    order_id: str
    kind: str
    about: str | None
    resolved_at: datetime
    resolved_by: str
    reason: str


Kind = tuple[str, str, str]


def _resolve(rows: dict[str, DiscrepancyRow], by: Resolution) -> None:
    for row in rows.values():
        if row.resolved_at is None and by.about in (None, row.about):
            row.resolved_at, row.resolved_by, row.reason = by.resolved_at, by.resolved_by, by.reason


def project(facts: Sequence[Fact]) -> Rows:
    """What was open before the batch is closed first, by the first resolution in it; then come the rows that
    it opens, some of which it has closed again. What is named is closed before whole kinds are: once its kind
    was, nobody could name it any more."""
    opened: dict[Kind, dict[str, DiscrepancyRow]] = {}
    resolved: dict[tuple[Kind, str | None], Resolution] = {}
    for fact in facts:
        event = fact.event
        if isinstance(event, OrderDiscrepancyOpened):
            key = (fact.merchant, event.order_id, event.kind)
            row = DiscrepancyRow(*key, event.about, event.fact, fact.occurred_at)
            opened.setdefault(key, {})[event.about] = row
        elif isinstance(event, OrderDiscrepancyResolved):
            key = (fact.merchant, event.order_id, event.kind)
            by = Resolution(*key, event.about, fact.occurred_at, fact.actor, event.reason)
            resolved.setdefault((key, event.about), by)
            _resolve(opened.get(key, {}), by)
    return {
        "resolve_discrepancies": [by for by in resolved.values() if by.about is not None],
        "resolve_kinds": [by for by in resolved.values() if by.about is None],
        "open_discrepancies": [row for rows in opened.values() for row in rows.values()],
    }


ORDER_DISCREPANCIES = ReadModel(
    "order_discrepancies",
    ("order_discrepancies",),
    (OrderDiscrepancyOpened, OrderDiscrepancyResolved),
    project,
    version=2,
)

"""Which changes of orders were proposed, what would they come to, and what became of them?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from domain.kernel import Event, Fact
from domain.order import OrderEditConfirmed, OrderEditDeclined, OrderEdited, OrderEditProposed
from projections.read_model import ReadModel, Rows

PREVIEWED = ("lines", "removed", "units", "payments")


@dataclass(slots=True)
class ChangeRow:
    """`preview` is JSON: the lines as they would be, the units and the payments that would change."""

    merchant: str
    order_id: str
    change_set_id: str
    note: str
    items_change_cents: int
    shipping_change_cents: int
    change_cents: int
    total_cents: int
    preview: str
    proposed_by: str
    proposed_at: datetime
    expires_at: datetime


@dataclass(slots=True)
class Decision:
    merchant: str
    order_id: str
    change_set_id: str
    status: str
    reason: str | None
    decided_by: str
    decided_at: datetime


def _row(event: OrderEditProposed, fact: Fact) -> ChangeRow:
    preview = event.model_dump(mode="json", include=set(PREVIEWED))
    return ChangeRow(
        fact.merchant,
        event.order_id,
        event.change_set_id,
        event.note,
        event.items_change_cents,
        event.shipping_change_cents,
        event.change_cents,
        event.total_cents,
        orjson.dumps(preview).decode(),
        fact.actor,
        fact.occurred_at,
        event.expires_at,
    )


_STATUS: dict[type[Event], str] = {
    OrderEditConfirmed: "confirmed",
    OrderEdited: "applied",
    OrderEditDeclined: "declined",
}


def project(facts: Sequence[Fact]) -> Rows:
    rows, decisions = [], {}
    for fact in facts:
        event: Any = fact.event
        if isinstance(event, OrderEditProposed):
            rows.append(_row(event, fact))
        else:
            key = (fact.merchant, event.order_id, event.change_set_id)
            reason = event.reason if isinstance(event, OrderEditDeclined) else None
            decisions[key] = Decision(*key, _STATUS[type(event)], reason, fact.actor, fact.occurred_at)
    return {"insert_changes": rows, "decide_changes": list(decisions.values())}


ORDER_CHANGES = ReadModel(
    "order_changes",
    ("order_changes",),
    (OrderEditProposed, *_STATUS),
    project,
)

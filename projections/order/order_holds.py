"""What holds up which orders, since when, by whom, and who let them go on?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.kernel import Fact
from domain.order import OrderCancelled, OrderHeld, OrderReleased
from projections.read_model import ReadModel, Rows


@dataclass(slots=True)
class HoldRow:
    merchant: str
    order_id: str
    hold_id: str
    reason: str
    note: str
    held_by: str
    held_at: datetime


@dataclass(slots=True)
class Release:
    """Of one hold, or of all that an order has (`hold_id` None: it is cancelled)."""

    merchant: str
    order_id: str
    hold_id: str | None
    release_note: str
    released_by: str
    released_at: datetime


def _held(event: OrderHeld, fact: Fact) -> HoldRow:
    ids = (fact.merchant, event.order_id, event.hold_id)
    return HoldRow(*ids, event.reason, event.note, fact.actor, fact.occurred_at)


def _released(event: OrderReleased | OrderCancelled, fact: Fact) -> Release:
    hold_id = event.hold_id if isinstance(event, OrderReleased) else None
    return Release(fact.merchant, event.order_id, hold_id, event.note, fact.actor, fact.occurred_at)


def project(facts: Sequence[Fact]) -> Rows:
    """A hold is never taken up again: those of a batch may all be made before any of them is released."""
    events: list[tuple[Any, Fact]] = [(fact.event, fact) for fact in facts]
    return {
        "insert_holds": [_held(event, fact) for event, fact in events if isinstance(event, OrderHeld)],
        "release_holds": [
            _released(event, fact) for event, fact in events if isinstance(event, OrderReleased)
        ],
        "release_cancelled": [
            _released(event, fact) for event, fact in events if isinstance(event, OrderCancelled)
        ],
    }


ORDER_HOLDS = ReadModel("order_holds", ("order_holds",), (OrderHeld, OrderReleased, OrderCancelled), project)

"""What happened to an order, when, and because of what?

Everything of the order itself, its payments and its parcels; of its stock only what a person would ask about.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

import orjson

from domain.aggregates import EVENT_TYPES
from domain.carrier import SHIPMENT
from domain.inventory import (
    BackorderCancelled,
    Backordered,
    BackorderFilled,
    ReservationExpired,
    ReservationRestored,
    StockAllocationRefused,
    StockPickedShort,
    StockReservationRefused,
    StockReturned,
)
from domain.kernel import Fact
from domain.order import ORDER
from domain.payment import PAYMENT
from eventstore.codec import personal_fields
from projections.read_model import ReadModel, Rows

_SAID_ELSEWHERE = frozenset(
    {"order_id", "happened_at", "subject", "lines", "portions", "adjustments", "terms", "checkout_id"}
)
"""Fields with a column or a list of their own beside the timeline."""


class TimelineRow(NamedTuple):
    """`details` is JSON of what the event says beyond the columns; personal fields never stand in it."""

    merchant: str
    order_id: str
    position: int
    type: str
    stream: str
    occurred_at: datetime
    happened_at: datetime | None
    recorded_at: datetime
    causation: str
    actor: str
    details: str


@cache
def _shape(name: str) -> tuple[tuple[str, ...], bool]:
    """The fields of an event class that are told as details, and whether it has a provider's time."""
    kind = EVENT_TYPES[name]
    without = _SAID_ELSEWHERE.union(personal_fields(kind))
    details = tuple(field for field in kind.model_fields if field not in without)
    return details, "happened_at" in kind.model_fields


def _plain(value: Any) -> Any:
    """A value that the event holds, as JSON."""
    return value.model_dump(mode="json")


def _row(fact: Fact) -> TimelineRow:
    event: Any = fact.event
    kind = type(event).__name__
    names, has_time = _shape(kind)
    details = {name: value for name in names if (value := getattr(event, name)) not in (None, "", ())}
    return TimelineRow(
        fact.merchant,
        event.order_id,
        fact.position,
        kind,
        fact.stream,
        fact.occurred_at,
        event.happened_at if has_time else None,
        fact.recorded_at,
        fact.causation,
        fact.actor,
        orjson.dumps(details, _plain, orjson.OPT_UTC_Z).decode() if details else "{}",
    )


def project(facts: Sequence[Fact]) -> Rows:
    return {"insert_order_timeline": [_row(fact) for fact in facts]}


ORDER_TIMELINE = ReadModel(
    "order_timeline",
    ("order_timeline",),
    (
        *ORDER.events,
        *PAYMENT.events,
        *SHIPMENT.events,
        StockReservationRefused,
        ReservationExpired,
        StockAllocationRefused,
        StockReturned,
        Backordered,
        BackorderFilled,
        BackorderCancelled,
        StockPickedShort,
        ReservationRestored,
    ),
    project,
    version=2,
)

"""Which tags has an order, and which orders has a tag?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from domain.kernel import Fact
from domain.order import OrderTagged, OrderUntagged
from projections.read_model import ReadModel, Rows


class TagRow(NamedTuple):
    merchant: str
    order_id: str
    tag: str
    tagged_by: str
    tagged_at: datetime


class Untagged(NamedTuple):
    merchant: str
    order_id: str
    tag: str


def project(facts: Sequence[Fact]) -> Rows:
    """What was said last of an order and a tag is what stands."""
    last: dict[Untagged, TagRow | None] = {}
    for fact in facts:
        event = fact.event
        if isinstance(event, OrderTagged | OrderUntagged):
            key = Untagged(fact.merchant, event.order_id, event.tag)
            tagged = isinstance(event, OrderTagged)
            last[key] = TagRow(*key, fact.actor, fact.occurred_at) if tagged else None
    return {
        "remove_tags": [key for key, row in last.items() if row is None],
        "add_tags": [row for row in last.values() if row],
    }


ORDER_TAGS = ReadModel("order_tags", ("order_tags",), (OrderTagged, OrderUntagged), project)

"""Which parcels came after the day they were promised for, and by how much?

Late is told twice: by the instant (later than the estimate as it stands) and by the calendar day in UTC
(`days_late` is 0 for a delivery on the promised day). A delivery at an unknown time is not counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.carrier import ShipmentDelivered
from domain.kernel import Fact
from domain.order import OrderPlaced
from projections.read_model import ReadModel, Rows


@dataclass(slots=True)
class PromiseRow:
    """What a later delivery is measured by."""

    merchant: str
    order_id: str
    checkout_id: str
    ship_to_state: str
    placed_at: datetime
    estimated_delivery_at: datetime


@dataclass(slots=True)
class Delivery:
    merchant: str
    order_id: str
    shipment_id: str
    delivered_at: datetime


def project(facts: Sequence[Fact]) -> Rows:
    promises: list[PromiseRow] = []
    deliveries: list[Delivery] = []
    for fact in facts:
        event: Any = fact.event
        match event:
            case OrderPlaced(estimated_delivery_at=datetime() as estimate):
                order = (fact.merchant, event.order_id, event.checkout_id, event.ship_to_state)
                promises.append(PromiseRow(*order, fact.occurred_at, estimate))
            case ShipmentDelivered(happened_at=datetime() as delivered_at):
                deliveries.append(Delivery(fact.merchant, event.order_id, event.shipment_id, delivered_at))
    return {"remember_promises": promises, "insert_late": deliveries}


LATE_DELIVERIES = ReadModel(
    "late_deliveries",
    ("late_deliveries", "promised_deliveries"),
    (OrderPlaced, ShipmentDelivered),
    project,
)

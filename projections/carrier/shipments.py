"""Where is each parcel, by what its carrier said? All scans are kept; none moves a parcel backwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.carrier import (
    LabelBought,
    LabelVoided,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentRequested,
    ShipmentReturned,
    ShipmentScanned,
)
from domain.kernel import Event, Fact
from projections.order.orders import latest
from projections.read_model import ReadModel, Rows

STATUSES = (
    "requested",
    "label_bought",
    "label_voided",
    "dispatched",
    "in_transit",
    "out_for_delivery",
    "delivered",
    "returned",
)
"""The stages of a parcel, as in `shipments.sql`: it only moves to a later one, whatever comes late."""
_STAGE = {status: stage for stage, status in enumerate(STATUSES)}


@dataclass(slots=True)
class ShipmentRow:
    merchant: str
    shipment_id: str
    order_id: str
    ship_to_state: str
    units_count: int
    requested_at: datetime


@dataclass(slots=True)
class ShipmentProgress:
    """The furthest stage, and what is known from now on (None: as it was)."""

    merchant: str
    shipment_id: str
    stage: int = 0
    carrier: str | None = None
    tracking_number: str | None = None
    dispatch_inferred: bool | None = None
    scans_count: int = 0
    dispatched_at: datetime | None = None
    delivered_at: datetime | None = None
    returned_at: datetime | None = None
    last_scan_at: datetime | None = None


@dataclass(slots=True)
class ScanRow:
    merchant: str
    shipment_id: str
    scan_id: str
    type: str
    happened_at: datetime | None
    position: int


class _Batch:
    def __init__(self) -> None:
        self.requested: list[ShipmentRow] = []
        self.moved: dict[tuple[str, str], ShipmentProgress] = {}
        self.scans: list[ScanRow] = []

    def moving(self, event: Any, fact: Fact, status: str = "requested") -> ShipmentProgress:
        key = (fact.merchant, event.shipment_id)
        parcel = self.moved.get(key) or self.moved.setdefault(key, ShipmentProgress(*key))
        parcel.stage = max(parcel.stage, _STAGE[status])
        return parcel

    def scan(self, parcel: ShipmentProgress, event: Any, fact: Fact, kind: str) -> None:
        parcel.scans_count += 1
        parcel.last_scan_at = latest(parcel.last_scan_at, event.happened_at)
        self.scans.append(
            ScanRow(fact.merchant, event.shipment_id, event.scan_id, kind, event.happened_at, fact.position)
        )


def _requested(batch: _Batch, event: ShipmentRequested, fact: Fact) -> None:
    batch.requested.append(
        ShipmentRow(
            fact.merchant,
            event.shipment_id,
            event.order_id,
            event.ship_to_state,
            event.units,
            fact.occurred_at,
        )
    )


def _label_bought(batch: _Batch, event: LabelBought, fact: Fact) -> None:
    parcel = batch.moving(event, fact, "label_bought")
    parcel.carrier, parcel.tracking_number = event.carrier, event.tracking_number


def _label_voided(batch: _Batch, event: LabelVoided, fact: Fact) -> None:
    batch.moving(event, fact, "label_voided")


def _dispatched(batch: _Batch, event: ShipmentDispatched, fact: Fact) -> None:
    parcel = batch.moving(event, fact, "dispatched")
    parcel.dispatched_at, parcel.dispatch_inferred = event.happened_at, event.inferred


def _scanned(batch: _Batch, event: ShipmentScanned, fact: Fact) -> None:
    status = event.type if event.type in ("in_transit", "out_for_delivery") else "requested"
    batch.scan(batch.moving(event, fact, status), event, fact, event.type)


def _delivered(batch: _Batch, event: ShipmentDelivered, fact: Fact) -> None:
    parcel = batch.moving(event, fact, "delivered")
    parcel.delivered_at = event.happened_at
    batch.scan(parcel, event, fact, "delivered")


def _returned(batch: _Batch, event: ShipmentReturned, fact: Fact) -> None:
    parcel = batch.moving(event, fact, "returned")
    parcel.returned_at = event.happened_at
    batch.scan(parcel, event, fact, "returned")


_CHANGES: dict[type[Event], Callable[[_Batch, Any, Fact], None]] = {
    ShipmentRequested: _requested,
    LabelBought: _label_bought,
    LabelVoided: _label_voided,
    ShipmentDispatched: _dispatched,
    ShipmentScanned: _scanned,
    ShipmentDelivered: _delivered,
    ShipmentReturned: _returned,
}


def project(facts: Sequence[Fact]) -> Rows:
    batch = _Batch()
    for fact in facts:
        _CHANGES[type(fact.event)](batch, fact.event, fact)
    return {
        "request_shipments": batch.requested,
        "move_shipments": list(batch.moved.values()),
        "insert_scans": batch.scans,
    }


SHIPMENTS = ReadModel("shipments", ("shipments", "shipment_scans"), tuple(_CHANGES), project)

"""What was listed for each carrier to fetch, and what of it was handed over?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.carrier.manifest import ManifestClosed, ManifestHandedOver
from domain.kernel import Fact
from projections.read_model import ReadModel, Rows


@dataclass(slots=True)
class ManifestRow:
    merchant: str
    manifest_id: str
    carrier: str
    warehouse: str
    parcels_count: int
    closed_at: datetime


@dataclass(slots=True)
class HandedOver:
    merchant: str
    manifest_id: str
    received_by: str
    handed_over_at: datetime


def project(facts: Sequence[Fact]) -> Rows:
    closed: list[ManifestRow] = []
    handed_over: list[HandedOver] = []
    for fact in facts:
        event: Any = fact.event
        key = (fact.merchant, event.manifest_id)
        match event:
            case ManifestClosed():
                parcels = len(event.shipments)
                closed.append(ManifestRow(*key, event.carrier, event.warehouse, parcels, event.closed_at))
            case ManifestHandedOver():
                handed_over.append(HandedOver(*key, event.received_by, event.happened_at))
    return {"insert_manifests": closed, "hand_over_manifests": handed_over}


MANIFESTS = ReadModel("manifests", ("manifests",), (ManifestClosed, ManifestHandedOver), project)

"""How does each service of each carrier fare with our own parcels?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from domain.carrier.track_record import DeliveryMeasured
from domain.kernel import Fact
from projections.read_model import ReadModel, Rows


@dataclass(slots=True)
class Seen:
    """What to add."""

    merchant: str
    carrier: str
    service: str
    parcels_count: int = 0
    on_time_count: int = 0
    days_late: int = 0


def project(facts: Sequence[Fact]) -> Rows:
    seen: dict[tuple[str, str, str], Seen] = {}
    for fact in facts:
        event: Any = fact.event
        key = (fact.merchant, event.carrier, event.service)
        service = seen.get(key) or seen.setdefault(key, Seen(*key))
        service.parcels_count += 1
        service.on_time_count += event.on_time
        service.days_late += event.days_late
    return {"add_seen": list(seen.values())}


CARRIER_RECORDS = ReadModel("carrier_records", ("carrier_records",), (DeliveryMeasured,), project)

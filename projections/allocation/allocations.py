"""From which warehouses do an order's units come, and why from these?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import orjson

from domain.allocation import (
    AllocationCancelled,
    AllocationFailed,
    AllocationPlanned,
    AllocationRevised,
    AllocationSettled,
    Pick,
    WantedLine,
)
from domain.kernel import Fact, Value
from projections.read_model import ReadModel, Rows


@dataclass(slots=True)
class AllocationChange:
    """What is known of it from now on (None: as it was); `candidates` and `missing` are JSON."""

    merchant: str
    order_id: str
    status: str | None = None
    attempts: int | None = None
    settings_version: int | None = None
    rule: str | None = None
    reason: str | None = None
    kept: int | None = None
    waits: bool | None = None
    warehouses_count: int | None = None
    planned_units: int | None = None
    missing_units: int | None = None
    missing: str | None = None
    candidates: str | None = None
    planned_at: datetime | None = None
    ended_at: datetime | None = None


class PickRow(NamedTuple):
    merchant: str
    order_id: str
    line: int
    warehouse: str
    sku: str
    quantity: int


class Replanned(NamedTuple):
    """Its former plan counts no more."""

    merchant: str
    order_id: str


def _json(values: Sequence[Value]) -> str:
    return orjson.dumps([value.model_dump(mode="json") for value in values]).decode()


def _units(lines: Sequence[WantedLine]) -> int:
    return sum(line.quantity for line in lines)


def _attempted(row: AllocationChange, event: AllocationPlanned | AllocationFailed, fact: Fact) -> None:
    row.attempts, row.settings_version = event.attempt, event.settings_version
    row.candidates, row.planned_at = _json(event.candidates), row.planned_at or fact.occurred_at
    if isinstance(event, AllocationPlanned):
        row.status, row.rule, row.kept, row.waits = "planned", event.rule, event.kept, event.waits
        _planned(row, event.picks)
        row.missing, row.missing_units = _json(event.short), _units(event.short)
    else:
        row.status, row.reason, row.ended_at = "failed", event.reason, fact.occurred_at
        row.warehouses_count = row.planned_units = 0
        row.missing, row.missing_units = _json(event.missing), _units(event.missing)


def _planned(row: AllocationChange, picks: Sequence[Pick]) -> None:
    row.warehouses_count = len({pick.warehouse for pick in picks})
    row.planned_units = sum(pick.quantity for pick in picks)


def _rows(key: tuple[str, str], picks: Sequence[Pick]) -> list[PickRow]:
    return [PickRow(*key, each.line, each.warehouse, each.sku, each.quantity) for each in picks]


class _Batch:
    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], AllocationChange] = {}
        self.picks: dict[tuple[str, str], list[PickRow]] = {}

    def take(self, fact: Fact) -> None:
        key = (fact.merchant, fact.event.order_id)  # type: ignore[attr-defined]
        row = self.rows.setdefault(key, AllocationChange(*key))
        match fact.event:
            case AllocationPlanned(picks=picks) as event:
                _attempted(row, event, fact)
                self.picks[key] = _rows(key, picks)
            case AllocationRevised(picks=picks):
                _planned(row, picks)
                self.picks[key] = _rows(key, picks)
            case AllocationFailed() as event:
                _attempted(row, event, fact)
                self.picks[key] = []
            case AllocationSettled():
                row.status, row.ended_at = "settled", fact.occurred_at
            case AllocationCancelled():
                row.status, row.ended_at = "cancelled", fact.occurred_at


def project(facts: Sequence[Fact]) -> Rows:
    batch = _Batch()
    for fact in facts:
        batch.take(fact)
    return {
        "change_allocations": list(batch.rows.values()),
        "drop_picks": [Replanned(*key) for key in batch.picks],
        "insert_picks": [row for rows in batch.picks.values() for row in rows],
    }


ALLOCATIONS = ReadModel(
    "allocations",
    ("allocations", "allocation_picks"),
    (
        AllocationPlanned,
        AllocationSettled,
        AllocationFailed,
        AllocationCancelled,
        AllocationRevised,
    ),
    project,
    version=2,
)

"""Which warehouses does a merchant have, and which of them are open?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.kernel import Fact
from domain.warehouse.network import (
    WarehouseChanged,
    WarehouseClosed,
    WarehouseOpened,
    WarehouseRegistered,
)
from projections.read_model import ReadModel, Rows


@dataclass(slots=True)
class WarehouseChange:
    """What is known of it from now on; None: as it was."""

    merchant: str
    warehouse: str
    name: str | None = None
    country: str | None = None
    state: str | None = None
    zip_prefix: str | None = None
    is_open: bool | None = None
    note: str | None = None
    registered_at: datetime | None = None
    changed_at: datetime | None = None
    changed_by: str | None = None


def _take(row: WarehouseChange, fact: Fact) -> None:
    row.changed_at, row.changed_by = fact.occurred_at, fact.actor
    match fact.event:
        case WarehouseRegistered() | WarehouseChanged() as event:
            row.name, row.country = event.name, event.country
            row.state, row.zip_prefix = event.state, event.zip_prefix
            if isinstance(event, WarehouseRegistered):
                row.is_open, row.note, row.registered_at = True, "", fact.occurred_at
        case WarehouseClosed(note=note) | WarehouseOpened(note=note):
            row.is_open, row.note = isinstance(fact.event, WarehouseOpened), note


def project(facts: Sequence[Fact]) -> Rows:
    rows: dict[tuple[str, str], WarehouseChange] = {}
    for fact in facts:
        key = (fact.merchant, fact.event.warehouse)  # type: ignore[attr-defined]
        _take(rows.setdefault(key, WarehouseChange(*key)), fact)
    return {"change_warehouses": list(rows.values())}


WAREHOUSES = ReadModel(
    "warehouses",
    ("warehouses",),
    (WarehouseRegistered, WarehouseChanged, WarehouseClosed, WarehouseOpened),
    project,
)

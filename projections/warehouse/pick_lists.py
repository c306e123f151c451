"""What is to be picked in which warehouse, how far is it, and what was short?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from domain.kernel import Fact
from domain.warehouse.pick_list import (
    PICK_LIST,
    LinePicked,
    OrderPacked,
    PickingStarted,
    PickLineCut,
    PickListCancelled,
    PickListHandedOver,
    PickListHeld,
    PickListReleased,
    PickListResumed,
    PickListStaged,
    PickShorted,
)
from projections.read_model import ReadModel, Rows


class ReleasedList(NamedTuple):
    merchant: str
    pick_list_id: str
    order_id: str
    warehouse: str
    units: int
    released_at: datetime


@dataclass(slots=True)
class LineUnits:
    """What to add to a line, or to take off; the release makes it."""

    merchant: str
    pick_list_id: str
    line: int
    sku: str
    quantity: int = 0
    picked: int = 0
    short: int = 0


@dataclass(slots=True)
class ListChange:
    """What is known of it from now on (None: as it was), and units to add."""

    merchant: str
    pick_list_id: str
    status: str | None = None
    is_held: bool | None = None
    units: int = 0
    picked_units: int = 0
    short_units: int = 0
    put_back_units: int = 0
    packages: int | None = None
    location: str | None = None
    reference: str | None = None
    reason: str | None = None
    started_at: datetime | None = None
    packed_at: datetime | None = None
    staged_at: datetime | None = None
    ended_at: datetime | None = None


class _Batch:
    def __init__(self) -> None:
        self.released: list[ReleasedList] = []
        self.lines: dict[tuple[str, str, int], LineUnits] = {}
        self.changes: dict[tuple[str, str], ListChange] = {}

    def take(self, fact: Fact) -> None:
        event = fact.event
        key = (fact.merchant, event.pick_list_id)  # type: ignore[attr-defined]
        if isinstance(event, PickListReleased):
            self.release(event, fact)
            return
        change = self.changes.setdefault(key, ListChange(*key))
        match event:
            case LinePicked(quantity=quantity):
                change.picked_units += quantity
                self.line(key, event).picked += quantity
            case PickShorted(quantity=quantity):
                change.short_units += quantity
                self.line(key, event).short += quantity
            case PickLineCut(quantity=quantity, put_back=back):
                line = self.line(key, event)
                line.quantity, line.picked = line.quantity - quantity, line.picked - back
                change.units -= quantity
                change.picked_units -= back
                change.put_back_units += back
                change.status = "picking" if back else change.status  # what was packed is open again
            case PickListHeld() | PickListResumed():
                change.is_held = isinstance(event, PickListHeld)
            case _:
                _step(change, fact)

    def release(self, event: PickListReleased, fact: Fact) -> None:
        key = (fact.merchant, event.pick_list_id)
        units = sum(line.quantity for line in event.lines)
        self.released.append(ReleasedList(*key, event.order_id, event.warehouse, units, fact.occurred_at))
        for line in event.lines:
            self.lines[(*key, line.line)] = LineUnits(*key, line.line, line.sku, line.quantity)

    def line(self, key: tuple[str, str], event: LinePicked | PickShorted | PickLineCut) -> LineUnits:
        return self.lines.setdefault((*key, event.line), LineUnits(*key, event.line, event.sku))


def _step(change: ListChange, fact: Fact) -> None:
    match fact.event:
        case PickingStarted():
            change.status, change.started_at = "picking", fact.occurred_at
        case OrderPacked(packages=packages):
            change.status, change.packages, change.packed_at = "packed", packages, fact.occurred_at
        case PickListStaged(location=location):
            change.status, change.location, change.staged_at = "staged", location, fact.occurred_at
        case PickListHandedOver(reference=reference):
            change.status, change.reference, change.ended_at = "handed_over", reference, fact.occurred_at
            change.is_held = False  # what a carrier has fetched is gone, though it was held
        case PickListCancelled(reason=reason, put_back=put_back):
            change.status, change.reason, change.ended_at = "cancelled", reason, fact.occurred_at
            change.is_held = False
            change.put_back_units += sum(line.quantity for line in put_back)


def project(facts: Sequence[Fact]) -> Rows:
    batch = _Batch()
    for fact in facts:
        batch.take(fact)
    return {
        "release_pick_lists": batch.released,
        "add_pick_list_lines": list(batch.lines.values()),
        "change_pick_lists": list(batch.changes.values()),
    }


PICK_LISTS = ReadModel("pick_lists", ("pick_lists", "pick_list_lines"), PICK_LIST.events, project, version=3)

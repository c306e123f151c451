"""Which goods go from one warehouse to another, what arrived, and what is missing?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from domain.inventory.transfer import (
    TRANSFER,
    TransferCancelled,
    TransferDiscrepancyOpened,
    TransferDiscrepancyResolved,
    TransferLine,
    TransferPlanned,
    TransferReceived,
    TransferShipped,
)
from domain.kernel import Fact
from projections.read_model import ReadModel, Rows


class PlannedTransfer(NamedTuple):
    merchant: str
    transfer_id: str
    source: str
    target: str
    note: str
    planned_at: datetime


@dataclass(slots=True)
class LineUnits:
    """What to add to a line; the first makes it."""

    merchant: str
    transfer_id: str
    sku: str
    planned: int = 0
    sent: int = 0
    arrived: int = 0
    found: int = 0
    lost: int = 0


@dataclass(slots=True)
class DiscrepancyChange:
    """What to add to a discrepancy, and what is known of it from now on (None: as it was)."""

    merchant: str
    transfer_id: str
    sku: str
    kind: str
    opened: int = 0
    resolved: int = 0
    note: str | None = None
    opened_at: datetime | None = None
    resolved_at: datetime | None = None


@dataclass(slots=True)
class Touched:
    """A transfer whose sums are to be taken anew, with what became of it (None: as it was)."""

    merchant: str
    transfer_id: str
    status: str | None = None
    shipped_at: datetime | None = None
    ended_at: datetime | None = None


class _Batch:
    def __init__(self) -> None:
        self.planned: list[PlannedTransfer] = []
        self.lines: dict[tuple[str, str, str], LineUnits] = {}
        self.discrepancies: dict[tuple[str, str, str, str], DiscrepancyChange] = {}
        self.touched: dict[tuple[str, str], Touched] = {}

    def take(self, fact: Fact) -> None:
        event = fact.event
        key = (fact.merchant, event.transfer_id)  # type: ignore[attr-defined]
        touched = self.touched.setdefault(key, Touched(*key))
        match event:
            case TransferPlanned(source=source, target=target, note=note, lines=lines):
                self.planned.append(PlannedTransfer(*key, source, target, note, fact.occurred_at))
                self.add(key, lines, "planned")
            case TransferShipped(lines=lines):
                touched.status, touched.shipped_at = "shipped", fact.occurred_at
                self.add(key, lines, "sent")
            case TransferReceived(lines=lines, complete=complete):
                if complete:
                    touched.status, touched.ended_at = "received", fact.occurred_at
                self.add(key, lines, "arrived")
            case TransferCancelled():
                touched.status, touched.ended_at = "cancelled", fact.occurred_at
            case TransferDiscrepancyOpened():
                change = self.change(event, fact)
                change.opened += event.quantity
                change.opened_at = change.opened_at or fact.occurred_at
            case TransferDiscrepancyResolved(sku=sku, quantity=quantity, outcome=outcome):
                change = self.change(event, fact)
                change.resolved += quantity
                change.note, change.resolved_at = event.note, fact.occurred_at
                if outcome != "accepted":
                    self.add(key, (TransferLine(sku=sku, quantity=quantity),), outcome)

    def add(self, key: tuple[str, str], lines: Sequence[TransferLine], column: str) -> None:
        for line in lines:
            row = self.lines.setdefault((*key, line.sku), LineUnits(*key, line.sku))
            setattr(row, column, getattr(row, column) + line.quantity)

    def change(
        self, event: TransferDiscrepancyOpened | TransferDiscrepancyResolved, fact: Fact
    ) -> DiscrepancyChange:
        key = (fact.merchant, event.transfer_id, event.sku, event.kind)
        return self.discrepancies.setdefault(key, DiscrepancyChange(*key))


def project(facts: Sequence[Fact]) -> Rows:
    batch = _Batch()
    for fact in facts:
        batch.take(fact)
    return {
        "plan_transfers": batch.planned,
        "add_transfer_lines": list(batch.lines.values()),
        "change_discrepancies": list(batch.discrepancies.values()),
        "sum_up_transfers": list(batch.touched.values()),
    }


TRANSFERS = ReadModel(
    "transfers", ("transfers", "transfer_lines", "transfer_discrepancies"), TRANSFER.events, project
)

"""What did carriers charge, and what of it does not fit what they quoted?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.carrier.invoice import (
    CarrierInvoiceImported,
    InvoiceDiscrepancyOpened,
    InvoiceDiscrepancyResolved,
)
from domain.kernel import Fact
from projections.read_model import ReadModel, Rows


@dataclass(slots=True)
class InvoiceRow:
    merchant: str
    carrier: str
    invoice_id: str
    currency: str
    lines_count: int
    total_cents: int
    imported_at: datetime


@dataclass(slots=True)
class InvoiceChange:
    """What to add."""

    merchant: str
    carrier: str
    invoice_id: str
    discrepancies_count: int = 0
    open_count: int = 0


@dataclass(slots=True)
class DiscrepancyRow:
    merchant: str
    carrier: str
    invoice_id: str
    line: int
    kind: str
    shipment_id: str
    tracking_number: str
    charged_cents: int
    expected_cents: int | None
    currency: str
    opened_at: datetime


@dataclass(slots=True)
class Resolved:
    merchant: str
    carrier: str
    invoice_id: str
    line: int
    resolution: str
    note: str
    resolved_at: datetime


def project(facts: Sequence[Fact]) -> Rows:
    invoices: list[InvoiceRow] = []
    changes: dict[tuple[str, str, str], InvoiceChange] = {}
    opened: list[DiscrepancyRow] = []
    resolved: list[Resolved] = []
    for fact in facts:
        event: Any = fact.event
        key = (fact.merchant, event.carrier, event.invoice_id)
        change = changes.get(key) or changes.setdefault(key, InvoiceChange(*key))
        match event:
            case CarrierInvoiceImported():
                lines = len(event.lines)
                row = InvoiceRow(*key, event.currency, lines, event.total_cents, fact.occurred_at)
                invoices.append(row)
            case InvoiceDiscrepancyOpened():
                change.discrepancies_count += 1
                change.open_count += 1
                opened.append(_opened(key, event, fact))
            case InvoiceDiscrepancyResolved():
                change.open_count -= 1
                told = (event.line, event.resolution, event.note)
                resolved.append(Resolved(*key, *told, fact.occurred_at))
    return {
        "insert_invoices": invoices,
        "change_invoices": list(changes.values()),
        "open_discrepancies": opened,
        "resolve_discrepancies": resolved,
    }


def _opened(key: tuple[str, str, str], event: InvoiceDiscrepancyOpened, fact: Fact) -> DiscrepancyRow:
    return DiscrepancyRow(
        *key,
        event.line,
        event.kind,
        event.shipment_id,
        event.tracking_number,
        event.charged_cents,
        event.expected_cents,
        event.currency,
        fact.occurred_at,
    )


CARRIER_INVOICES = ReadModel(
    "carrier_invoices",
    ("carrier_invoices", "invoice_discrepancies"),
    (CarrierInvoiceImported, InvoiceDiscrepancyOpened, InvoiceDiscrepancyResolved),
    project,
)

"""Reads of carriers' invoices, and of what in them does not fit."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query

from domain.carrier.invoice import DiscrepancyKind, Resolution
from eventstore.queries import load_queries
from queries.dependencies import MerchantReader
from queries.models import Answer, PageOf, documented, page_of
from services.web.access import requires
from services.web.pagination import Page, as_datetime, as_int, as_str

router = APIRouter(prefix="/v1/carrier-invoices", tags=["carrier invoices"], responses=documented())
_QUERIES = load_queries("queries", "carrier_invoices.sql")
_Name = Annotated[str | None, Query(max_length=200)]


class CarrierInvoice(Answer):
    carrier: str
    invoice_id: str
    currency: str
    lines_count: int
    total_cents: int
    discrepancies_count: int
    open_count: int
    imported_at: datetime


class InvoiceDiscrepancy(Answer):
    """A line that does not fit. `expected_cents` is what it should have been, where that is known."""

    carrier: str
    invoice_id: str
    line: int
    kind: DiscrepancyKind
    shipment_id: str
    tracking_number: str
    charged_cents: int
    expected_cents: int | None
    currency: str
    opened_at: datetime
    resolution: Resolution | None
    note: str | None
    resolved_at: datetime | None


@router.get(
    "",
    operation_id="list_carrier_invoices",
    dependencies=[requires("carriers:read")],
    summary="Carriers' invoices, newest first",
)
async def list_carrier_invoices(reader: MerchantReader, page: Page) -> PageOf[CarrierInvoice]:
    after = page.after("newest", as_datetime, as_str, as_str) or (None, None, None)
    arguments = {
        "after_at": after[0],
        "after_carrier": after[1],
        "after_id": after[2],
        "limit": page.limit + 1,
    }
    rows = (await reader.rows(("carrier_invoices",), (_QUERIES.list_invoices.sql, arguments)))[0]
    return page_of(CarrierInvoice, rows, page, "newest", "imported_at", "carrier", "invoice_id")


@router.get(
    "/discrepancies",
    operation_id="list_invoice_discrepancies",
    dependencies=[requires("carriers:read")],
    summary="What in carriers' invoices does not fit",
)
async def list_discrepancies(
    reader: MerchantReader,
    page: Page,
    carrier: _Name = None,
    invoice_id: _Name = None,
    open: Annotated[bool | None, Query(description="true: not resolved yet")] = None,  # noqa: A002
) -> PageOf[InvoiceDiscrepancy]:
    after = page.after("line", as_str, as_str, as_int) or (None, None, None)
    arguments = {
        "carrier": carrier,
        "invoice_id": invoice_id,
        "open": open,
        "after_carrier": after[0],
        "after_id": after[1],
        "after_line": after[2],
        "limit": page.limit + 1,
    }
    statement = (_QUERIES.list_discrepancies.sql, arguments)
    views = ("carrier_invoices", "invoice_discrepancies")
    rows = (await reader.rows(("carrier_invoices",), statement, views=views))[0]
    return page_of(InvoiceDiscrepancy, rows, page, "line", "carrier", "invoice_id", "line")

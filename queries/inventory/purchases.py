"""Reads of purchase orders: what is on its way from suppliers, what came, and what was wrong with it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import Field

from domain.inventory.purchase_order import LINES_MAX
from eventstore.queries import load_queries
from queries.dependencies import MerchantReader
from queries.models import Answer, Cents, PageOf, documented, page_of
from services.web.access import requires
from services.web.pagination import Page, as_datetime, as_str
from services.web.problems import not_found

router = APIRouter(prefix="/v1/purchase-orders", tags=["purchase orders"], responses=documented())
_QUERIES = load_queries("queries", "inventory.sql")
_VIEWS = ("purchases", "purchase_lines", "purchase_discrepancies")
PurchaseStatus = Literal["placed", "part_received", "received", "closed", "cancelled"]
Name = Annotated[str | None, Query(max_length=200)]


class PurchaseOrder(Answer):
    """A purchase order, in units of all its lines."""

    purchase_id: str = Field(examples=["PO-7"])
    supplier: str = Field(examples=["ACME"])
    warehouse: str = Field(examples=["main"])
    status: PurchaseStatus
    currency: str = Field(examples=["BRL"])
    ordered_cents: Cents
    ordered_units: int
    received_units: int
    damaged_units: int = Field(description="of those received")
    missing_units: int = Field(description="ordered, and not received")
    discrepancies_count: int = Field(description="open ones")
    note: str
    placed_at: datetime
    expected_at: datetime | None
    ended_at: datetime | None


class PurchaseOrderLine(Answer):
    """What was ordered of one SKU, and what came."""

    sku: str = Field(examples=["MUG-RED"])
    quantity: int
    unit_cost_cents: Cents
    received: int
    damaged: int
    missing: int


class PurchaseDiscrepancy(Answer):
    """What was wrong: of how many units, and what became of it."""

    sku: str = Field(examples=["MUG-RED"])
    kind: Literal["short", "over", "damaged"]
    quantity: int
    open: int = Field(description="not resolved yet")
    resolution: str | None
    note: str | None
    opened_at: datetime
    resolved_at: datetime | None


class PurchaseOrderDetail(PurchaseOrder):
    lines: list[PurchaseOrderLine]
    discrepancies: list[PurchaseDiscrepancy]


@router.get(
    "",
    operation_id="list_purchase_orders",
    dependencies=[requires("stock:read")],
    summary="Purchase orders, newest first",
)
async def list_purchase_orders(
    reader: MerchantReader,
    page: Page,
    status: PurchaseStatus | None = None,
    supplier: Name = None,
    warehouse: Name = None,
    with_discrepancies: Annotated[bool, Query(description="only those with open ones")] = False,
) -> PageOf[PurchaseOrder]:
    after_at, after_id = page.after("newest", as_datetime, as_str) or (None, None)
    arguments = {
        "status": status,
        "supplier": supplier,
        "warehouse": warehouse,
        "troubled": with_discrepancies,
        "after_at": after_at,
        "after_id": after_id,
        "limit": page.limit + 1,
    }
    rows = (await reader.rows(("purchases",), (_QUERIES.list_purchases.sql, arguments)))[0]
    return page_of(PurchaseOrder, rows, page, "newest", "placed_at", "purchase_id")


@router.get(
    "/{purchase_id}",
    operation_id="get_purchase_order",
    dependencies=[requires("stock:read")],
    summary="One purchase order, with its lines and discrepancies",
    responses=documented(404),
)
async def get_purchase_order(
    reader: MerchantReader, purchase_id: Annotated[str, Path(max_length=200, examples=["PO-7"])]
) -> PurchaseOrderDetail:
    key = {"purchase_id": purchase_id, "limit": 3 * LINES_MAX}
    found, lines, discrepancies = await reader.rows(
        ("purchases",),
        (_QUERIES.get_purchase.sql, key),
        (_QUERIES.list_purchase_lines.sql, key),
        (_QUERIES.list_purchase_discrepancies.sql, key),
        views=_VIEWS,
    )
    if not found:
        raise not_found("purchase order", purchase_id)
    return PurchaseOrderDetail.model_validate({**found[0], "lines": lines, "discrepancies": discrepancies})

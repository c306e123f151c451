"""Which orders are contradicted, by what, and what became of it?"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from domain.order import DiscrepancyKind
from eventstore.queries import load_queries
from queries.dependencies import MerchantReader
from queries.models import Answer, PageOf, documented, page_of
from services.web.access import requires
from services.web.pagination import Page, as_datetime, as_str

router = APIRouter(prefix="/v1/order-discrepancies", tags=["orders"], responses=documented())
_QUERIES = load_queries("queries", "orders.sql")


class OrderDiscrepancy(Answer):
    """What contradicts an order: all that was told of one payment or parcel, resolved by the last of it."""

    order_id: str = Field(examples=["1001"])
    kind: DiscrepancyKind = Field(examples=["not_refunded"])
    fact: str = Field(
        description="the last that was told of it, by which it is resolved; empty where nobody said",
        examples=["0190c3f2-a1b4-7c55-b1d2-6d2f6e1c0a11"],
    )
    about: str = Field(
        description="the payment or the parcel that it is of; empty where nobody said", examples=["1001.card"]
    )
    status: Literal["open", "resolved"]
    opened_at: datetime = Field(description="when it was told last")
    resolved_at: datetime | None
    resolved_by: str | None = Field(examples=["user:u1"])
    reason: str | None = Field(description="why it may stand")


@router.get(
    "",
    operation_id="list_order_discrepancies",
    dependencies=[requires("orders:manage")],
    summary="Discrepancies of orders, newest first",
)
async def list_order_discrepancies(
    reader: MerchantReader,
    page: Page,
    open: Annotated[bool | None, Query(description="true: not resolved yet")] = None,  # noqa: A002
    kind: DiscrepancyKind | None = None,
    order_id: Annotated[str | None, Query(max_length=200)] = None,
) -> PageOf[OrderDiscrepancy]:
    after = page.after("newest", as_datetime, as_str, as_str, as_str) or (None, None, None, None)
    arguments = {
        "open": open,
        "kind": kind,
        "order_id": order_id,
        "after_at": after[0],
        "after_id": after[1],
        "after_kind": after[2],
        "after_about": after[3],
        "limit": page.limit + 1,
    }
    statement = (_QUERIES.list_order_discrepancies.sql, arguments)
    rows = (await reader.rows(("order_discrepancies",), statement))[0]
    return page_of(OrderDiscrepancy, rows, page, "newest", "opened_at", "order_id", "kind", "about")

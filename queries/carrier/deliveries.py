"""Reads of deliveries that came later than promised."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from eventstore.queries import load_queries
from queries.dependencies import MerchantReader
from queries.models import Answer, PageOf, documented, page_of
from services.web.access import requires
from services.web.pagination import Page, as_datetime, as_str

router = APIRouter(prefix="/v1/deliveries", tags=["deliveries"], responses=documented())
_QUERIES = load_queries("queries", "deliveries.sql")


class LateDelivery(Answer):
    shipment_id: str
    order_id: str
    checkout_id: str
    ship_to_state: str
    placed_at: datetime
    estimated_delivery_at: datetime
    delivered_at: datetime
    days_late: int = Field(description="calendar days in UTC; 0 on the promised day", examples=[3])


@router.get(
    "/late",
    operation_id="list_late_deliveries",
    dependencies=[requires("deliveries:read")],
    summary="Late deliveries, the last first",
)
async def list_late_deliveries(
    reader: MerchantReader,
    page: Page,
    days_late_min: Annotated[
        int, Query(ge=0, le=10_000, description="1: leave out those on the promised day")
    ] = 0,
) -> PageOf[LateDelivery]:
    after_at, after_id = page.after("delivered", as_datetime, as_str) or (None, None)
    arguments = {
        "days_late_min": days_late_min,
        "after_at": after_at,
        "after_id": after_id,
        "limit": page.limit + 1,
    }
    rows = (await reader.rows(("late_deliveries",), (_QUERIES.list_late_deliveries.sql, arguments)))[0]
    return page_of(LateDelivery, rows, page, "delivered", "delivered_at", "shipment_id")

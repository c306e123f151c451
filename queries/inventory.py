"""Reads of stock: how much lies where, and what of it can still be sold."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from eventstore.queries import load_queries
from queries.dependencies import MerchantReader
from queries.models import Answer, PageOf, documented, page_of
from services.web.access import requires
from services.web.pagination import Page, as_str

router = APIRouter(prefix="/v1/stock", tags=["stock"], responses=documented())
_QUERIES = load_queries("queries", "inventory.sql")


class StockLevel(Answer):
    """on_hand = available + reserved + allocated + quality_control, always."""

    sku: str = Field(examples=["A"])
    warehouse: str = Field(examples=["main"])
    on_hand: int = Field(examples=[100])
    reserved: int = Field(description="held for orders that are not confirmed yet; expires")
    allocated: int = Field(description="held for confirmed orders")
    quality_control: int = Field(description="not for sale")
    available: int


@router.get(
    "", operation_id="list_stock", dependencies=[requires("stock:read")], summary="Stock levels, by SKU"
)
async def list_stock(
    reader: MerchantReader,
    page: Page,
    sku: Annotated[str | None, Query(max_length=200)] = None,
    warehouse: Annotated[str | None, Query(max_length=200)] = None,
    available_below: Annotated[int | None, Query(ge=-(10**9), le=10**9, description="low stock only")] = None,
) -> PageOf[StockLevel]:
    after_sku, after_warehouse = page.after("sku", as_str, as_str) or (None, None)
    arguments = {
        "sku": sku,
        "warehouse": warehouse,
        "available_below": available_below,
        "after_sku": after_sku,
        "after_warehouse": after_warehouse,
        "limit": page.limit + 1,
    }
    rows = (await reader.rows(("stock_levels",), (_QUERIES.list_stock.sql, arguments)))[0]
    return page_of(StockLevel, rows, page, "sku", "sku", "warehouse")


ROUTERS = (router,)
TAGS = ({"name": "stock", "description": "What is on hand, and what of it is promised."},)

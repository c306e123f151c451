"""Reads of stock: how much lies where, what can still be sold, who waits, and why it is so much."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, Field

from eventstore.queries import load_queries
from queries.dependencies import MerchantReader
from queries.models import Answer, PageOf, documented, page_of
from services.web.access import requires
from services.web.pagination import Page, as_int, as_str

router = APIRouter(prefix="/v1/stock", tags=["stock"], responses=documented())
_QUERIES = load_queries("queries", "inventory.sql")
Name = Annotated[str | None, Query(max_length=200)]


class StockLevel(Answer):
    """on_hand = available + committed + unavailable, always."""

    sku: str = Field(examples=["A"])
    warehouse: str = Field(examples=["main"])
    on_hand: int = Field(examples=[100], description="all units in the warehouse")
    available: int = Field(description="may be promised; below zero where more is promised or kept back")
    committed: int = Field(description="reserved + allocated")
    reserved: int = Field(description="held for orders that are not confirmed yet; expires")
    allocated: int = Field(description="held for confirmed orders")
    unavailable: int = Field(description="quality_control + damaged + safety_stock")
    quality_control: int = Field(description="not for sale until it is inspected")
    damaged: int = Field(description="not for sale")
    safety_stock: int = Field(description="kept back by rule")
    incoming: int = Field(description="on its way here, by purchase orders and transfers")
    backordered: int = Field(description="owed to orders that wait")
    backorder_limit: int = Field(description="so much may be owed")
    reorder_point: int = Field(description="with so many available, or fewer, it is low; 0: never")


class StockHold(Answer):
    """What is held for an order."""

    sku: str = Field(examples=["A"])
    warehouse: str = Field(examples=["main"])
    order_id: str = Field(examples=["1001"])
    quantity: int
    expires_at: datetime | None = Field(description="null: allocated, for good")


class Backorder(Answer):
    """An order in line. `position` says when it came: first come, first served."""

    sku: str = Field(examples=["A"])
    warehouse: str = Field(examples=["main"])
    order_id: str = Field(examples=["1001"])
    quantity: int
    since: datetime
    expires_at: datetime = Field(description="so long it waits at most")
    position: int


class Movement(Answer):
    """One event of a stock: its cause, by how much it changed what, and what it was after that."""

    sku: str = Field(examples=["A"])
    warehouse: str = Field(examples=["main"])
    position: int = Field(description="in the log", examples=[17])
    type: str = Field(examples=["StockShipped"])
    order_id: str | None = Field(examples=["1001"])
    reference: str | None = Field(description="purchase order, transfer, delivery note or stocktake")
    reason: str | None = Field(description="of a correction, a short pick, a back-order that ended")
    note: str | None
    occurred_at: datetime
    recorded_at: datetime
    causation: str = Field(description="the request or event that caused it")
    actor: str = Field(examples=["agent:inventory"])
    on_hand_change: int
    reserved_change: int
    allocated_change: int
    quality_control_change: int
    damaged_change: int
    safety_stock_change: int
    incoming_change: int
    backordered_change: int
    on_hand: int = Field(description="after it, as all that follow")
    available: int
    reserved: int
    allocated: int
    quality_control: int
    damaged: int
    safety_stock: int
    incoming: int
    backordered: int


@router.get(
    "", operation_id="list_stock", dependencies=[requires("stock:read")], summary="Stock levels, by SKU"
)
async def list_stock(
    reader: MerchantReader,
    page: Page,
    sku: Name = None,
    warehouse: Name = None,
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


@router.get(
    "/low",
    operation_id="list_low_stock",
    dependencies=[requires("stock:read")],
    summary="What is low on stock, by SKU",
)
async def list_low_stock(reader: MerchantReader, page: Page, warehouse: Name = None) -> PageOf[StockLevel]:
    """At its reorder point or below; what has none is never low."""
    after_sku, after_warehouse = page.after("low", as_str, as_str) or (None, None)
    arguments = {
        "warehouse": warehouse,
        "after_sku": after_sku,
        "after_warehouse": after_warehouse,
        "limit": page.limit + 1,
    }
    rows = (await reader.rows(("stock_levels",), (_QUERIES.list_low_stock.sql, arguments)))[0]
    return page_of(StockLevel, rows, page, "low", "sku", "warehouse")


@router.get(
    "/holds",
    operation_id="list_stock_holds",
    dependencies=[requires("stock:read")],
    summary="For which orders stock is held, by SKU",
)
async def list_stock_holds(
    reader: MerchantReader, page: Page, sku: Name = None, warehouse: Name = None
) -> PageOf[StockHold]:
    """A reservation whose time has come counts as free, whether it was swept or not."""
    after = page.after("held", as_str, as_str, as_str) or (None, None, None)
    arguments = {
        "sku": sku,
        "warehouse": warehouse,
        "after_sku": after[0],
        "after_warehouse": after[1],
        "after_order": after[2],
        "limit": page.limit + 1,
    }
    statement = (_QUERIES.list_holds.sql, arguments)
    rows = (await reader.rows(("stock_levels",), statement, views=("stock_holds",)))[0]
    return page_of(StockHold, rows, page, "held", "sku", "warehouse", "order_id")


@router.get(
    "/backorders",
    operation_id="list_backorders",
    dependencies=[requires("stock:read")],
    summary="Orders that wait for stock, first come first",
)
async def list_backorders(
    reader: MerchantReader, page: Page, sku: Name = None, warehouse: Name = None, order_id: Name = None
) -> PageOf[Backorder]:
    after = page.after("waiting", as_int)
    arguments = {
        "sku": sku,
        "warehouse": warehouse,
        "order_id": order_id,
        "after": after[0] if after else None,
        "limit": page.limit + 1,
    }
    statement = (_QUERIES.list_backorders.sql, arguments)
    rows = (await reader.rows(("stock_levels",), statement, views=("stock_backorders",)))[0]
    return page_of(Backorder, rows, page, "waiting", "position")


@router.get(
    "/ledger",
    operation_id="list_stock_movements",
    dependencies=[requires("stock:read")],
    summary="Why a stock is what it is, newest first",
)
async def list_stock_movements(
    reader: MerchantReader,
    page: Page,
    sku: Name = None,
    warehouse: Name = None,
    order_id: Name = None,
    type: Annotated[str | None, Query(max_length=100, examples=["StockShipped"])] = None,  # noqa: A002 - a parameter's name
    since: AwareDatetime | None = None,
    until: Annotated[AwareDatetime | None, Query(description="before this moment")] = None,
) -> PageOf[Movement]:
    """Every movement, with its cause and the quantities of its stock after it."""
    after = page.after("newest", as_int)
    arguments = {
        "sku": sku,
        "warehouse": warehouse,
        "order_id": order_id,
        "type": type,
        "since": since,
        "until": until,
        "before": after[0] if after else None,
        "limit": page.limit + 1,
    }
    rows = (await reader.rows(("stock_ledger",), (_QUERIES.list_movements.sql, arguments)))[0]
    return page_of(Movement, rows, page, "newest", "position")

"""Reads of stocktakes: how far each is, and what was counted beside what the books said."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import Field

from domain.inventory.stocktake import SKUS_MAX
from eventstore.queries import load_queries
from queries.dependencies import MerchantReader
from queries.models import Answer, PageOf, documented, page_of
from services.web.access import requires
from services.web.pagination import Page, as_datetime, as_str
from services.web.problems import not_found

router = APIRouter(prefix="/v1/stocktakes", tags=["stocktakes"], responses=documented())
_QUERIES = load_queries("queries", "inventory.sql")
StocktakeStatus = Literal["counting", "finished", "cancelled"]


class Stocktake(Answer):
    """A stocktake, and how far it is."""

    stocktake_id: str = Field(examples=["2026-05"])
    warehouse: str = Field(examples=["main"])
    status: StocktakeStatus
    skus_count: int
    counted_count: int
    note: str
    started_at: datetime
    ended_at: datetime | None


class StockCount(Answer):
    """What was counted of one SKU; null until it is."""

    sku: str = Field(examples=["MUG-RED"])
    status: Literal["open", "counted", "settled", "cancelled"]
    began_with: int | None = Field(description="units by the books when the stocktake began")
    moved: int | None = Field(description="units that came and went, by the books, from then to the count")
    expected: int | None = Field(description="units by the books at the moment that the count is of")
    counted: int | None
    difference: int | None = Field(description="by which the books are corrected once it is settled")
    counted_at: datetime | None


class StocktakeDetail(Stocktake):
    counts: list[StockCount]


@router.get(
    "",
    operation_id="list_stocktakes",
    dependencies=[requires("stock:read")],
    summary="Stocktakes, newest first",
)
async def list_stocktakes(
    reader: MerchantReader,
    page: Page,
    status: StocktakeStatus | None = None,
    warehouse: Annotated[str | None, Query(max_length=200)] = None,
) -> PageOf[Stocktake]:
    after_at, after_id = page.after("newest", as_datetime, as_str) or (None, None)
    arguments = {
        "status": status,
        "warehouse": warehouse,
        "after_at": after_at,
        "after_id": after_id,
        "limit": page.limit + 1,
    }
    rows = (await reader.rows(("stocktakes",), (_QUERIES.list_stocktakes.sql, arguments)))[0]
    return page_of(Stocktake, rows, page, "newest", "started_at", "stocktake_id")


@router.get(
    "/{stocktake_id}",
    operation_id="get_stocktake",
    dependencies=[requires("stock:read")],
    summary="One stocktake, with what was counted",
    responses=documented(404),
)
async def get_stocktake(
    reader: MerchantReader, stocktake_id: Annotated[str, Path(max_length=200, examples=["2026-05"])]
) -> StocktakeDetail:
    key = {"stocktake_id": stocktake_id, "limit": SKUS_MAX}
    found, counts = await reader.rows(
        ("stocktakes", "stock_counts"),
        (_QUERIES.get_stocktake.sql, key),
        (_QUERIES.list_counts.sql, key),
    )
    if not found:
        raise not_found("stocktake", stocktake_id)
    return StocktakeDetail.model_validate({**found[0], "counts": counts})

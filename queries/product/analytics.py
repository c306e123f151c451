"""What sells, and what runs out? By product, over days of the time zone that is asked for, or the
merchant's; currencies apart.

Orders count on the day when they were placed, as they are now: what was cut from them or called off since is
no revenue.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field

from eventstore.queries import load_queries
from queries.days import days_of_request
from queries.dependencies import MerchantReader
from queries.models import Answer, Cents, documented
from queries.product.item import AsOf, Currency
from services.web.access import requires
from services.web.problems import not_found

WantedDays = Annotated[dict[str, Any], Depends(days_of_request(400))]
router = APIRouter(prefix="/v1/catalogue/analytics", tags=["catalogue"], responses=documented())
_QUERIES = load_queries("queries", "product_analytics.sql")
_SALES = [requires("sales:read")]


class Sold(Answer):
    """Of one currency: what was ordered, less what was cut since; net and revenue without the cancelled."""

    currency: str = Field(examples=["BRL"])
    orders_count: int
    units_count: int
    ordered_cents: Cents
    cancelled_units_count: int
    cancelled_cents: Cents
    net_units_count: int
    revenue_cents: Cents = Field(examples=[4990])


class TopProduct(Sold):
    sku: str = Field(examples=["MUG-RED"])
    name: str = Field(description="one that it was sold by in these days")


class ProductDay(Sold):
    day: date = Field(description="in the time zone")


class Days(Answer):
    time_zone: str = Field(examples=["America/Sao_Paulo"])
    day_from: date
    day_to: date


class TopProducts(Days):
    items: list[TopProduct] = Field(description="currency by currency, the most first: `limit` of each")


class ProductPerformance(Days):
    sku: str = Field(examples=["MUG-RED"])
    items: list[ProductDay] = Field(description="the last day first; none for a day without orders")


class RunsOut(Answer):
    sku: str = Field(examples=["MUG-RED"])
    product_id: str | None = Field(description="null where it is no product's variant")
    available: int = Field(description="in all warehouses, for sale", examples=[3])
    ordered_30_days_count: int = Field(description="but for what was called off", examples=[12])
    lasts_days: int | None = Field(
        description="at the pace of these 30 days; null if none was ordered", examples=[7]
    )


class RunningOut(Answer):
    items: list[RunsOut] = Field(description="the least first")


Limit = Annotated[int, Query(ge=1, le=200)]


@router.get("/top-products", operation_id="list_top_products", dependencies=_SALES, summary="What sold most")
async def list_top_products(
    reader: MerchantReader,
    days: WantedDays,
    by: Literal["revenue", "units"] = "revenue",
    currency: Currency = None,
    category: Annotated[str | None, Query(max_length=200)] = None,
    limit: Limit = 20,
) -> TopProducts:
    """By revenue or by units, of each currency by itself."""
    arguments = {**days, "by": by, "currency": currency, "category": category, "limit": limit}
    models, tables = ("orders", "order_lines", "products"), ("product_variants",)
    statement = (_QUERIES.list_top_products.sql, arguments)
    rows = (await reader.rows(models, statement, views=(*models, *tables)))[0]
    return TopProducts.model_validate({**days, "items": rows})


@router.get(
    "/performance/{sku:path}",
    operation_id="get_product_performance",
    dependencies=_SALES,
    summary="How a product sells, day by day",
    responses=documented(404),
)
async def get_product_performance(
    reader: MerchantReader,
    days: WantedDays,
    sku: Annotated[str, Path(max_length=200, examples=["MUG-RED"])],
    currency: Currency = None,
) -> ProductPerformance:
    """Of one SKU, which was ordered at some time."""
    arguments = {**days, "sku": sku, "currency": currency}
    ordered = (_QUERIES.find_ordered.sql, {"sku": sku})
    models = ("orders", "order_lines")
    found, rows = await reader.rows(models, ordered, (_QUERIES.list_product_days.sql, arguments))
    if not found:
        raise not_found("order of", sku)
    return ProductPerformance.model_validate({**days, "sku": sku, "items": rows})


@router.get(
    "/running-out",
    operation_id="list_running_out",
    dependencies=[requires("stock:read")],
    summary="What runs out",
)
async def list_running_out(
    reader: MerchantReader,
    at: AsOf,
    at_most: Annotated[int, Query(ge=-(10**9), le=10**9, description="available units")] = 5,
    limit: Limit = 50,
) -> RunningOut:
    """SKUs with so few units for sale, in all warehouses together, but for those of archived products."""
    arguments = {"at_most": at_most, "now": at, "limit": limit}
    models = ("stock_levels", "products", "orders", "order_lines")
    views = (*models, "product_variants")
    rows = (await reader.rows(models, (_QUERIES.list_running_out.sql, arguments), views=views))[0]
    return RunningOut(items=[RunsOut.model_validate({**row, "lasts_days": _lasts(row)}) for row in rows])


def _lasts(row: dict[str, Any]) -> int | None:
    ordered = row["ordered_30_days_count"]
    return max(row["available"], 0) * 30 // ordered if ordered else None

"""Reads of sales: by day, by product, by category. Currencies are never added up."""

from __future__ import annotations

from datetime import date
from typing import Annotated, TypeVar

from fastapi import APIRouter, Query
from pydantic import Field

from eventstore.queries import load_queries
from queries.dependencies import MerchantReader, Reader
from queries.models import Answer, Cents, PageOf, documented, page_of
from services.web.access import requires
from services.web.pagination import Page, PageRequest, as_date, as_int, as_str

router = APIRouter(prefix="/v1/sales", tags=["sales"], responses=documented())
_QUERIES = load_queries("queries", "sales.sql")
Currency = Annotated[str | None, Query(pattern="^[A-Z]{3}$", description="ISO 4217", examples=["BRL"])]


class DaySales(Answer):
    """Sales of a day in UTC; what was called off or given back counts on the day when that happened."""

    day: date
    currency: str = Field(examples=["BRL"])
    orders_count: int
    units_count: int
    gross_cents: Cents = Field(description="prices of what was bought, without shipping", examples=[2000])
    shipping_cents: Cents
    adjustment_cents: Cents
    cancelled_count: int
    cancelled_cents: Cents = Field(
        description="what was not captured of orders called off or returned; what was is refunded. Below zero"
        " where money of an order called off before was captured after all"
    )
    refunded_cents: Cents
    net_cents: Cents = Field(description="gross + shipping + adjustments - cancelled - refunded")


class NamedSales(Answer):
    currency: str = Field(examples=["BRL"])
    orders_count: int
    units_count: int
    gross_cents: Cents
    shipping_cents: Cents
    cancelled_units_count: int = Field(description="of these, called off or returned")
    cancelled_cents: Cents


class ProductSales(NamedSales):
    sku: str


class CategorySales(NamedSales):
    category: str = Field(description="`(none)` for products without one", examples=["toys"])


NamedT = TypeVar("NamedT", ProductSales, CategorySales)


@router.get(
    "/days",
    operation_id="list_sales_by_day",
    dependencies=[requires("sales:read")],
    summary="Sales by day, the last first",
)
async def list_sales_by_day(
    reader: MerchantReader,
    page: Page,
    day_from: Annotated[date | None, Query(description="this day or later")] = None,
    day_to: Annotated[date | None, Query(description="this day or earlier")] = None,
    currency: Currency = None,
) -> PageOf[DaySales]:
    after_day, after_currency = page.after("day", as_date, as_str) or (None, None)
    arguments = {
        "day_from": day_from,
        "day_to": day_to,
        "currency": currency,
        "after_day": after_day,
        "after_currency": after_currency,
        "limit": page.limit + 1,
    }
    statement = (_QUERIES.list_sales_by_day.sql, arguments)
    rows = (await reader.rows(("sales",), statement, views=("sales_by_day",)))[0]
    return page_of(DaySales, rows, page, "day", "day", "currency")


@router.get(
    "/products",
    operation_id="list_sales_by_product",
    dependencies=[requires("sales:read")],
    summary="Sales by product, the most first",
)
async def list_sales_by_product(
    reader: MerchantReader, page: Page, currency: Currency = None
) -> PageOf[ProductSales]:
    return await _named(reader, page, currency, ProductSales, "product", "sku")


@router.get(
    "/categories",
    operation_id="list_sales_by_category",
    dependencies=[requires("sales:read")],
    summary="Sales by category, the most first",
)
async def list_sales_by_category(
    reader: MerchantReader, page: Page, currency: Currency = None
) -> PageOf[CategorySales]:
    return await _named(reader, page, currency, CategorySales, "category", "category")


async def _named(
    reader: Reader, page: PageRequest, currency: str | None, model: type[NamedT], kind: str, name: str
) -> PageOf[NamedT]:
    after_cents, after_name, after_currency = page.after("gross", as_int, as_str, as_str) or (
        None,
        None,
        None,
    )
    arguments = {
        "currency": currency,
        "after_cents": after_cents,
        "after_name": after_name,
        "after_currency": after_currency,
        "limit": page.limit + 1,
    }
    statement = (getattr(_QUERIES, f"list_sales_by_{kind}").sql, arguments)
    rows = (await reader.rows(("sales",), statement, views=(f"sales_by_{kind}",)))[0]
    return page_of(model, rows, page, "gross", "gross_cents", name, "currency")

"""Reads of the catalogue: products and categories."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from eventstore.queries import load_queries
from queries.dependencies import MerchantReader
from queries.models import Answer, PageOf, documented, page_of
from queries.product.item import Product, Status
from services.web.access import requires
from services.web.pagination import Page, as_str

router = APIRouter(prefix="/v1", tags=["catalogue"], responses=documented())
_QUERIES = load_queries("queries", "product.sql")


class Category(Answer):
    category: str = Field(examples=["brinquedos"])
    english: str = Field(examples=["toys"])


@router.get(
    "/products",
    operation_id="list_products",
    dependencies=[requires("catalogue:read")],
    summary="Products, by SKU",
)
async def list_products(
    reader: MerchantReader,
    page: Page,
    category: Annotated[str | None, Query(max_length=200)] = None,
    status: Annotated[Status | None, Query(description="empty: known from an import alone")] = None,
) -> PageOf[Product]:
    (after_sku,) = page.after("sku", as_str) or (None,)
    arguments = {"category": category, "status": status, "after_sku": after_sku, "limit": page.limit + 1}
    rows = (await reader.rows(("products",), (_QUERIES.list_products.sql, arguments)))[0]
    return page_of(Product, rows, page, "sku", "sku")


@router.get(
    "/categories",
    operation_id="list_categories",
    dependencies=[requires("catalogue:read")],
    summary="Categories with their English names",
)
async def list_categories(reader: MerchantReader, page: Page) -> PageOf[Category]:
    (after,) = page.after("category", as_str) or (None,)
    arguments = {"after_category": after, "limit": page.limit + 1}
    rows = (await reader.rows(("categories",), (_QUERIES.list_categories.sql, arguments)))[0]
    return page_of(Category, rows, page, "category", "category")

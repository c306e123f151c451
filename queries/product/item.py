"""Reads of one product: its variants and channels, its prices at any moment, and all that they ever were."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import orjson
from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import AwareDatetime, BeforeValidator, Field

from eventstore.queries import load_queries
from queries.dependencies import MerchantReader, Reader, Rows, Statement
from queries.models import Answer, Cents, PageOf, documented, page_of
from services.web.access import requires
from services.web.pagination import Page, as_datetime, as_str
from services.web.problems import not_found

router = APIRouter(prefix="/v1/products", tags=["catalogue"], responses=documented())
_QUERIES = load_queries("queries", "product_item.sql")
READS = [requires("catalogue:read")]
VARIANTS: str = _QUERIES.get_product_variants.sql
PRICES: str = _QUERIES.list_product_prices.sql
Texts = Annotated[
    list[str], BeforeValidator(lambda told: orjson.loads(told) if isinstance(told, str) else told)
]
"""Of a column that holds a JSON list of texts."""
Status = Literal["", "draft", "active", "archived"]


class Product(Answer):
    """A product, or what an import says of a SKU (then its status is empty). Measures are null where nobody
    knows them."""

    sku: str = Field(description="the product's id", examples=["MUG"])
    status: Status = Field(examples=["active"])
    name: str
    brand: str
    category: str | None
    variant_of: str = Field(description="the product that it is a variant's SKU of; else empty")
    name_length: int | None
    description_length: int | None
    photos: int | None
    weight_g: int | None
    length_cm: int | None
    height_cm: int | None
    width_cm: int | None


class Variant(Answer):
    sku: str = Field(examples=["MUG-RED"])
    options: Texts = Field(description="values of the product's options, in their order", examples=[["red"]])
    gtin: str | None = Field(examples=["4006381333931"])
    weight_g: int | None
    length_cm: int | None
    height_cm: int | None
    width_cm: int | None


class PublishedOn(Answer):
    channel: str = Field(examples=["web"])
    published_at: datetime


class ProductDetail(Product):
    description: str
    options: Texts = Field(description="what its variants differ in", examples=[["colour"]])
    drafted_at: datetime | None
    activated_at: datetime | None = Field(description="the last time")
    archived_at: datetime | None = Field(description="the last time")
    channels: list[PublishedOn]
    variants: list[Variant]


class Price(Answer):
    """What a unit costs at that moment."""

    sku: str = Field(examples=["MUG-RED"])
    channel: str = Field(examples=["web"])
    currency: str = Field(examples=["EUR"])
    price_cents: Cents = Field(examples=[1990])
    valid_from: datetime
    valid_until: datetime | None = Field(description="when the next price begins to hold; null if none will")
    lowest_30_days_cents: Cents = Field(description="the lowest that held in the 30 days up to that moment")
    prior_price_cents: Cents | None = Field(
        description="if it is a reduction, the lowest of the 30 days before it began, which must be shown"
        " beside it in the EU (Directive 98/6/EC, article 6a); else null"
    )


class PricePoint(Answer):
    sku: str = Field(examples=["MUG-RED"])
    channel: str = Field(examples=["web"])
    currency: str = Field(examples=["EUR"])
    valid_from: datetime
    price_cents: Cents = Field(examples=[1990])
    set_at: datetime


def moment_of_request(
    request: Request,
    as_of: Annotated[
        AwareDatetime | None, Query(description="at that moment, past or to come; else now")
    ] = None,
) -> datetime:
    return as_of or request.app.state.clock.now()


AsOf = Annotated[datetime, Depends(moment_of_request)]
ProductId = Annotated[str, Path(max_length=200, description="the product", examples=["MUG"])]
Sku = Annotated[str | None, Query(max_length=200)]
Channel = Annotated[str | None, Query(max_length=60, examples=["web"])]
Currency = Annotated[str | None, Query(pattern="^[A-Z]{3}$", description="ISO 4217", examples=["EUR"])]


@router.get(
    "/{product_id}/prices",
    operation_id="list_product_prices",
    dependencies=READS,
    summary="A product's prices at a moment, with the lowest of 30 days",
    responses=documented(404),
)
async def list_product_prices(
    reader: MerchantReader,
    page: Page,
    product_id: ProductId,
    at: AsOf,
    sku: Sku = None,
    channel: Channel = None,
    currency: Currency = None,
) -> PageOf[Price]:
    """Also those of variants that were removed since."""
    after = page.after("sku", as_str, as_str, as_str) or (None, None, None)
    arguments = {
        "product_id": product_id,
        "at": at,
        "sku": sku,
        "channel": channel,
        "currency": currency,
        "after_sku": after[0],
        "after_channel": after[1],
        "after_currency": after[2],
        "limit": page.limit + 1,
    }
    rows = await _prices(reader, product_id, (_QUERIES.list_product_prices.sql, arguments))
    return page_of(Price, rows, page, "sku", "sku", "channel", "currency")


@router.get(
    "/{product_id}/price-history",
    operation_id="list_price_history",
    dependencies=READS,
    summary="All prices that its variants had or will have, the last first",
    responses=documented(404),
)
async def list_price_history(
    reader: MerchantReader,
    page: Page,
    product_id: ProductId,
    sku: Sku = None,
    channel: Channel = None,
    currency: Currency = None,
) -> PageOf[PricePoint]:
    after = page.after("valid_from", as_datetime, as_str, as_str, as_str) or (None,) * 4
    arguments = {
        "product_id": product_id,
        "sku": sku,
        "channel": channel,
        "currency": currency,
        "after": after[0],
        "after_sku": after[1],
        "after_channel": after[2],
        "after_currency": after[3],
        "limit": page.limit + 1,
    }
    rows = await _prices(reader, product_id, (_QUERIES.list_price_history.sql, arguments))
    return page_of(PricePoint, rows, page, "valid_from", "valid_from", "sku", "channel", "currency")


async def _prices(reader: Reader, product_id: str, statement: Statement) -> Rows:
    """Raises a 404 problem where there is no such product."""
    product = (_QUERIES.get_product.sql, {"product_id": product_id})
    found, rows = await reader.rows(("products", "product_prices"), product, statement)
    if not found:
        raise not_found("product", product_id)
    return rows


@router.get(
    "/{product_id:path}",
    operation_id="get_product",
    dependencies=READS,
    summary="A product with its variants and channels",
    responses=documented(404),
)
async def get_product(reader: MerchantReader, product_id: ProductId) -> ProductDetail:
    names = ("get_product", "get_product_channels", "get_product_variants")
    statements = [(getattr(_QUERIES, name).sql, {"product_id": product_id}) for name in names]
    views = ("products", "product_channels", "product_variants")
    found, channels, variants = await reader.rows(("products",), *statements, views=views)
    if not found:
        raise not_found("product", product_id)
    return ProductDetail.model_validate({**found[0], "channels": channels, "variants": variants})

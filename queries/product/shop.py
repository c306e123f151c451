"""What is for sale, as shoppers see it? What is published, at the prices of now; and what of it can be had.

Nothing of how much there is, what it costs the merchant, or what will cost how much later.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from fastapi import Query
from pydantic import Field

from domain.cart.events import UNNAMED
from domain.product.values import PRICES_MAX
from domain.product.words import plain_words
from eventstore.queries import load_queries
from queries.dependencies import Rows
from queries.models import Answer, Cents
from queries.product import item
from queries.product.item import Channel, Currency, ProductId, Texts
from queries.product.search import (
    QUERY_WORDS_MAX,
    Chosen,
    FacetCount,
    OptionFacet,
    Sort,
    find_products,
    options_of,
)
from queries.storefront import Shop, WantedShop, doors, shop_route
from services.web.pagination import Page
from services.web.problems import not_found

_QUERIES = load_queries("queries", "product_shop.sql")
_SERVING = ("warehouses", "allocation_rules")
_MODELS = ("products", "product_prices", "stock_levels")
_VIEWS = (*_MODELS, "product_channels", "product_variants", "stock_holds")
Availability: TypeAlias = Literal["in_stock", "may_wait", "sold_out"]


class ShopFound(Answer):
    product_id: str = Field(examples=["MUG"])
    name: str = Field(examples=["Mug"])
    brand: str
    category: str | None
    currency: str = Field(examples=["EUR"])
    price_cents: Cents = Field(description="from so much on: the lowest of its variants", examples=[1990])


class ShopFacets(Answer):
    """How many of what was found have which value; the category, brand or option that was asked for does not
    narrow the counts of its own kind.
    """

    matches: int = Field(examples=[12])
    categories: list[FacetCount]
    brands: list[FacetCount]
    options: list[OptionFacet]
    price_from_cents: Cents | None
    price_to_cents: Cents | None


class ShopProducts(Answer):
    """A page of what was found. `facets` come with the first page."""

    items: list[ShopFound]
    next_cursor: str | None = Field(examples=["WyJuYW1lIiwibXVnIiwiTVVHIl0"])
    alike: bool = Field(description="nothing has the words themselves: these have words that are like them")
    facets: ShopFacets | None


class ShopVariant(Answer):
    sku: str = Field(examples=["MUG-RED"])
    options: Texts = Field(description="values of the product's options, in their order", examples=[["red"]])
    gtin: str | None = Field(examples=["4006381333931"])
    price_cents: Cents = Field(examples=[1990])
    lowest_30_days_cents: Cents = Field(description="the lowest of the last 30 days")
    prior_price_cents: Cents | None = Field(
        description="if the price is a reduction, the lowest of the 30 days before it began, which must be"
        " shown beside it in the EU; else null"
    )
    availability: Availability = Field(description="`may_wait`: it can be ordered, and is sent once it came")


class ShopProduct(Answer):
    """A product with those of its variants that have a price there."""

    product_id: str = Field(examples=["MUG"])
    name: str = Field(examples=["Mug"])
    brand: str
    category: str | None
    description: str
    options: Texts = Field(description="what its variants differ in", examples=[["colour"]])
    channel: str = Field(examples=["web"])
    currency: str = Field(examples=["EUR"])
    variants: list[ShopVariant]


async def _where(shop: Shop, channel: str | None, currency: str | None) -> tuple[str, str | None]:
    """Channel and currency: those asked for, else the shop's own and the first of those that it sells in.

    Raises a 404 problem for a guest who asks for another channel: its prices may be for some only.
    """
    if shop.at_the_door and channel not in (None, shop.settings.channel):
        raise not_found("channel", str(channel))
    channel = channel or shop.settings.channel
    return channel, currency or next(iter(await shop.currencies(channel)), None)


async def _serving(shop: Shop) -> dict[str, Any]:
    """The `warehouses` that serve a cart's line which names none, and whether it `may_wait` there."""
    statement = (_QUERIES.get_serving.sql, {"now": shop.now, "unnamed": UNNAMED})
    (rows,) = await shop.reader.rows(_SERVING, statement)
    return rows[0]


async def search_shop(
    shop: WantedShop,
    page: Page,
    words: Annotated[str | None, Query(max_length=200, description="the last may be half typed")] = None,
    category: Annotated[str | None, Query(max_length=200)] = None,
    brand: Annotated[str | None, Query(max_length=200)] = None,
    channel: Channel = None,
    currency: Currency = None,
    price_from: Annotated[int, Query(ge=0, lt=2**53, description="in minor units")] = 0,
    price_to: Annotated[int | None, Query(ge=0, lt=2**53, description="in minor units")] = None,
    option: Chosen = [],  # noqa: B006 - FastAPI makes a new one each time
    in_stock: bool | None = None,
    sort: Annotated[Sort | None, Query(description="by relevance if there are words, else by name")] = None,
) -> ShopProducts:
    """What is for sale on the channel and has a price in the currency. Without a channel it is the shop's
    own; without a currency the first of `currencies`.
    """
    channel, currency = await _where(shop, channel, currency)
    if currency is None:
        return ShopProducts(items=[], next_cursor=None, alike=False, facets=None)
    filters: dict[str, Any] = {
        "status": "active",
        "category": category,
        "brand": brand,
        "channel": channel,
        "currency": currency,
        "price_from": price_from,  # whatever has none is not for sale
        "price_to": price_to,
        "options": options_of(option) or None,
        "in_stock": in_stock,
        "warehouses": None if in_stock is None else (await _serving(shop))["warehouses"],
    }
    found = await find_products(shop.reader, page, words, sort, filters, ("category", "brand"))
    # not the words that were looked for instead: the catalogue's, which are also of what is not published
    asked = plain_words(words or "")[:QUERY_WORDS_MAX]
    alike = bool(found.items) and found.searched_for != list(asked)
    return ShopProducts.model_validate({**found.model_dump(), "alike": alike})


async def get_shop_product(
    shop: WantedShop, product_id: ProductId, channel: Channel = None, currency: Currency = None
) -> ShopProduct:
    """Its variants with their prices of now, and whether they can be had."""
    channel, currency = await _where(shop, channel, currency)
    at = {"product_id": product_id, "now": shop.now, "channel": channel}
    priced = {
        "at": shop.now,
        "product_id": product_id,
        "channel": channel,
        "currency": currency,
        "limit": PRICES_MAX,
    }
    serving = await _serving(shop)
    unbound = dict.fromkeys(("sku", "after_sku", "after_channel", "after_currency"))
    found, variants, prices, stock = await shop.reader.rows(
        _MODELS,
        (_QUERIES.get_shop_product.sql, at),
        (item.VARIANTS, at),
        (item.PRICES, {**unbound, **priced}),
        (_QUERIES.list_availability.sql, {**at, **serving}),
        views=_VIEWS,
    )
    shown = _variants(variants, prices, stock) if currency else []
    if not found or not shown:
        raise not_found("product", product_id)
    product = {**found[0], "channel": channel, "currency": currency, "variants": shown}
    return ShopProduct.model_validate(product)


def _variants(variants: Rows, prices: Rows, stock: Rows) -> Rows:
    """Those that have a price."""
    costs = {row["sku"]: row for row in prices}
    there = {row["sku"]: _availability(row) for row in stock}
    return [
        {**costs[row["sku"]], **row, "availability": there.get(row["sku"], "sold_out")}
        for row in variants
        if row["sku"] in costs
    ]


def _availability(row: dict[str, Any]) -> Availability:
    if row["in_stock"]:
        return "in_stock"
    return "may_wait" if row["may_wait"] else "sold_out"


DOORS = doors()
shop_route(DOORS, "/products", search_shop, ShopProducts, "search_shop", "Search what is for sale", 404)
shop_route(
    DOORS,
    "/products/{product_id:path}",
    get_shop_product,
    ShopProduct,
    "get_shop_product",
    "A product that is for sale",
    404,
)

"""What is found in a catalogue, by which words and options, on which channel, at which price?

Prices here are those that hold: one that is scheduled comes with `PriceApplied`, when its time has come.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.kernel import Event, Fact
from domain.product import (
    PriceApplied,
    PriceSet,
    ProductActivated,
    ProductArchived,
    ProductDescribed,
    ProductDrafted,
    ProductPublished,
    ProductRestored,
    ProductUnpublished,
    VariantAdded,
    VariantDescribed,
    VariantRemoved,
)
from domain.product.words import one_line, plain, plain_code
from projections.read_model import ReadModel, Rows


@dataclass(slots=True)
class SearchChange:
    """None is what was there before; the category is that of the description."""

    merchant: str
    product_id: str
    described: bool = False
    name: str | None = None
    brand: str | None = None
    category: str | None = None
    title: str | None = None
    body: str | None = None
    option_names: str | None = None
    status: str | None = None
    drafted_at: datetime | None = None


@dataclass(slots=True)
class SearchVariant:
    merchant: str
    product_id: str
    sku: str
    words: str
    options: str


@dataclass(slots=True)
class VariantKey:
    merchant: str
    product_id: str
    sku: str


@dataclass(slots=True)
class ChannelKey:
    merchant: str
    product_id: str
    channel: str


@dataclass(slots=True)
class Offer:
    merchant: str
    product_id: str
    sku: str
    channel: str
    currency: str
    price_cents: int


@dataclass(slots=True)
class ProductKey:
    merchant: str
    product_id: str


class _Batch:
    def __init__(self) -> None:
        self.products: dict[tuple[str, str], SearchChange] = {}
        self.variants: dict[tuple[str, str, str], SearchVariant | None] = {}
        self.channels: dict[tuple[str, str, str], bool] = {}
        self.offers: dict[tuple[str, ...], Offer] = {}

    def product(self, event: Any, fact: Fact) -> SearchChange:
        key = (fact.merchant, event.product_id)
        return self.products.get(key) or self.products.setdefault(key, SearchChange(*key))


def _described(batch: _Batch, event: ProductDrafted | ProductDescribed, fact: Fact) -> None:
    row, details = batch.product(event, fact), event.details
    row.described = True
    row.name, row.brand, row.category = details.name, details.brand, details.category
    row.title = plain(details.name)
    row.body = plain(details.brand, details.category or "", details.description)
    row.option_names = "\n".join(map(one_line, details.options))
    if isinstance(event, ProductDrafted):
        row.status, row.drafted_at = "draft", fact.occurred_at


def _activated(batch: _Batch, event: ProductActivated, fact: Fact) -> None:
    batch.product(event, fact).status = "active"


def _archived(batch: _Batch, event: ProductArchived, fact: Fact) -> None:
    batch.product(event, fact).status = "archived"


def _restored(batch: _Batch, event: ProductRestored, fact: Fact) -> None:
    batch.product(event, fact).status = "draft"


def _published(batch: _Batch, event: ProductPublished, fact: Fact) -> None:
    batch.channels[fact.merchant, event.product_id, event.channel] = True


def _unpublished(batch: _Batch, event: ProductUnpublished, fact: Fact) -> None:
    batch.channels[fact.merchant, event.product_id, event.channel] = False


def _variant(batch: _Batch, event: VariantAdded | VariantDescribed, fact: Fact) -> None:
    each = event.variant
    key = (fact.merchant, event.product_id, each.sku)
    words = " ".join(filter(None, (plain_code(each.sku), plain(*each.options), each.gtin)))
    batch.variants[key] = SearchVariant(*key, words, "\t".join(map(one_line, each.options)))


def _removed(batch: _Batch, event: VariantRemoved, fact: Fact) -> None:
    batch.variants[fact.merchant, event.product_id, event.sku] = None


def _priced(batch: _Batch, event: PriceSet | PriceApplied, fact: Fact) -> None:
    if isinstance(event, PriceApplied) or event.valid_from <= event.set_at:
        key = (fact.merchant, event.product_id, event.sku, event.channel, event.currency)
        batch.offers[key] = Offer(*key, event.price_cents)


_CHANGES: dict[type[Event], Callable[[_Batch, Any, Fact], None]] = {
    ProductDrafted: _described,
    ProductDescribed: _described,
    ProductActivated: _activated,
    ProductArchived: _archived,
    ProductRestored: _restored,
    ProductPublished: _published,
    ProductUnpublished: _unpublished,
    VariantAdded: _variant,
    VariantDescribed: _variant,
    VariantRemoved: _removed,
    PriceSet: _priced,
    PriceApplied: _priced,
}


def project(facts: Sequence[Fact]) -> Rows:
    batch = _Batch()
    for fact in facts:
        _CHANGES[type(fact.event)](batch, fact.event, fact)
    described = [key for key, row in batch.products.items() if row.described]
    touched = [
        ProductKey(*key)
        for key in dict.fromkeys(key[:2] for key in (*described, *batch.variants, *batch.channels))
    ]
    repriced = [
        ProductKey(*key)
        for key in dict.fromkeys(key[:2] for key in (*described, *batch.variants, *batch.offers))
    ]
    return {
        "change_products": list(batch.products.values()),
        "keep_variants": [row for row in batch.variants.values() if row],
        "remove_variants": [VariantKey(*key) for key, row in batch.variants.items() if row is None],
        "publish": [ChannelKey(*key) for key, shown in batch.channels.items() if shown],
        "unpublish": [ChannelKey(*key) for key, shown in batch.channels.items() if not shown],
        "refresh_products": touched,
        "keep_offers": list(batch.offers.values()),
        "drop_prices": repriced,
        "keep_prices": repriced,
    }


PRODUCT_SEARCH = ReadModel(
    "product_search",
    ("search_products", "search_variants", "search_channels", "search_offers", "search_prices"),
    tuple(_CHANGES),
    project,
    version=3,
)

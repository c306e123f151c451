"""Which products does a merchant's catalogue have, in which variants, on which channels?

A row is also what is known of a SKU from an import alone, and of one that is a variant's (`variant_of`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from domain.kernel import Event, Fact
from domain.product import (
    ProductActivated,
    ProductArchived,
    ProductDescribed,
    ProductDrafted,
    ProductImported,
    ProductPublished,
    ProductRestored,
    ProductUnpublished,
    SkuAssigned,
    SkuFreed,
    VariantAdded,
    VariantDescribed,
    VariantRemoved,
)
from projections.read_model import ReadModel, Rows


@dataclass(slots=True)
class ProductChange:
    """What a batch says of a product: of the measures if `imported`, of what it is called if `described`, of
    the category if `categorised`; None elsewhere is what was there before."""

    merchant: str
    sku: str
    imported: bool = False
    name_length: int | None = None
    description_length: int | None = None
    photos: int | None = None
    weight_g: int | None = None
    length_cm: int | None = None
    height_cm: int | None = None
    width_cm: int | None = None
    described: bool = False
    name: str | None = None
    description: str | None = None
    brand: str | None = None
    options: str | None = None
    categorised: bool = False
    category: str | None = None
    status: str | None = None
    variant_of: str | None = None
    drafted_at: datetime | None = None
    activated_at: datetime | None = None
    archived_at: datetime | None = None


@dataclass(slots=True)
class ChannelRow:
    merchant: str
    product_id: str
    channel: str
    published_at: datetime


@dataclass(slots=True)
class ChannelKey:
    merchant: str
    product_id: str
    channel: str


@dataclass(slots=True)
class VariantRow:
    merchant: str
    product_id: str
    sku: str
    options: str
    gtin: str | None
    weight_g: int | None
    length_cm: int | None
    height_cm: int | None
    width_cm: int | None


@dataclass(slots=True)
class VariantKey:
    merchant: str
    product_id: str
    sku: str


Key = tuple[str, str, str]


class _Batch:
    def __init__(self) -> None:
        self.products: dict[tuple[str, str], ProductChange] = {}
        self.channels: dict[Key, ChannelRow | None] = {}
        self.variants: dict[Key, VariantRow | None] = {}

    def product(self, fact: Fact, sku: str) -> ProductChange:
        key = (fact.merchant, sku)
        return self.products.get(key) or self.products.setdefault(key, ProductChange(*key))


def texts(values: Sequence[str]) -> str:
    """A list of texts in a column: JSON."""
    return orjson.dumps(values).decode()


def _imported(batch: _Batch, event: ProductImported, fact: Fact) -> None:
    row = batch.product(fact, event.sku)
    row.imported = row.categorised = True
    row.category = event.category
    row.name_length, row.description_length = event.name_length, event.description_length
    row.photos, row.weight_g = event.photos, event.weight_g
    row.length_cm, row.height_cm, row.width_cm = event.length_cm, event.height_cm, event.width_cm


def _described(batch: _Batch, event: ProductDrafted | ProductDescribed, fact: Fact) -> None:
    row, details = batch.product(fact, event.product_id), event.details
    row.described = row.categorised = True
    row.name, row.description, row.brand = details.name, details.description, details.brand
    row.options, row.category = texts(details.options), details.category
    if isinstance(event, ProductDrafted):
        row.status, row.drafted_at = "draft", fact.occurred_at


def _activated(batch: _Batch, event: ProductActivated, fact: Fact) -> None:
    row = batch.product(fact, event.product_id)
    row.status, row.activated_at = "active", fact.occurred_at


def _archived(batch: _Batch, event: ProductArchived, fact: Fact) -> None:
    row = batch.product(fact, event.product_id)
    row.status, row.archived_at = "archived", fact.occurred_at


def _restored(batch: _Batch, event: ProductRestored, fact: Fact) -> None:
    batch.product(fact, event.product_id).status = "draft"


def _assigned(batch: _Batch, event: SkuAssigned, fact: Fact) -> None:
    batch.product(fact, event.sku).variant_of = event.product_id


def _freed(batch: _Batch, event: SkuFreed, fact: Fact) -> None:
    batch.product(fact, event.sku).variant_of = ""


def _published(batch: _Batch, event: ProductPublished, fact: Fact) -> None:
    key = (fact.merchant, event.product_id, event.channel)
    batch.channels[key] = ChannelRow(*key, fact.occurred_at)


def _unpublished(batch: _Batch, event: ProductUnpublished, fact: Fact) -> None:
    batch.channels[fact.merchant, event.product_id, event.channel] = None


def _variant(batch: _Batch, event: VariantAdded | VariantDescribed, fact: Fact) -> None:
    each = event.variant
    key = (fact.merchant, event.product_id, each.sku)
    measures = (each.weight_g, each.length_cm, each.height_cm, each.width_cm)
    batch.variants[key] = VariantRow(*key, texts(each.options), each.gtin, *measures)


def _removed(batch: _Batch, event: VariantRemoved, fact: Fact) -> None:
    batch.variants[fact.merchant, event.product_id, event.sku] = None


_CHANGES: dict[type[Event], Callable[[_Batch, Any, Fact], None]] = {
    ProductImported: _imported,
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
    SkuAssigned: _assigned,
    SkuFreed: _freed,
}


def project(facts: Sequence[Fact]) -> Rows:
    batch = _Batch()
    for fact in facts:
        _CHANGES[type(fact.event)](batch, fact.event, fact)
    return {
        "change_products": list(batch.products.values()),
        "publish": [row for row in batch.channels.values() if row],
        "unpublish": [ChannelKey(*key) for key, row in batch.channels.items() if row is None],
        "keep_variants": [row for row in batch.variants.values() if row],
        "remove_variants": [VariantKey(*key) for key, row in batch.variants.items() if row is None],
    }


PRODUCTS = ReadModel(
    "products",
    ("products", "product_channels", "product_variants"),
    tuple(_CHANGES),
    project,
    version=2,
)

"""Which products does a merchant's catalogue have, with which measures?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from domain.kernel import Fact
from domain.product import ProductImported
from projections.read_model import ReadModel, Rows


@dataclass(slots=True)
class ProductRow:
    merchant: str
    sku: str
    category: str | None
    name_length: int | None
    description_length: int | None
    photos: int | None
    weight_g: int | None
    length_cm: int | None
    height_cm: int | None
    width_cm: int | None


def project(facts: Sequence[Fact]) -> Rows:
    products: dict[tuple[str, str], ProductRow] = {}
    for fact in facts:
        event: Any = fact.event
        key = (fact.merchant, event.sku)
        products[key] = ProductRow(
            *key,
            event.category,
            event.name_length,
            event.description_length,
            event.photos,
            event.weight_g,
            event.length_cm,
            event.height_cm,
            event.width_cm,
        )
    return {"upsert_products": list(products.values())}


PRODUCTS = ReadModel("products", ("products",), (ProductImported,), project)

"""The catalogue as it is imported: products and the names of their categories.

Products here are facts from elsewhere; drafting, pricing and publishing them comes with the product context.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from pydantic import Field

from domain.kernel import Command, Decider, Event

Id = Annotated[str, Field(min_length=1, max_length=200)]
Measure = Annotated[int, Field(ge=0)] | None


class ProductImported(Event):
    """Measures are None where the source does not know them."""

    sku: Id
    category: str | None = None
    name_length: Measure = None
    description_length: Measure = None
    photos: Measure = None
    weight_g: Measure = None
    length_cm: Measure = None
    height_cm: Measure = None
    width_cm: Measure = None


class CategoryTranslated(Event):
    category: Id
    english: Id


class ImportProduct(Command):
    creates = True
    sku: Id
    category: str | None = None
    name_length: Measure = None
    description_length: Measure = None
    photos: Measure = None
    weight_g: Measure = None
    length_cm: Measure = None
    height_cm: Measure = None
    width_cm: Measure = None


class TranslateCategory(Command):
    creates = True
    category: Id
    english: Id


@dataclass(frozen=True, slots=True)
class Known:
    """The last fact known, so that importing the same again changes nothing."""

    fact: ProductImported | CategoryTranslated | None = None


ProductEvent: TypeAlias = ProductImported
CategoryEvent: TypeAlias = CategoryTranslated


def _decide_product(command: ImportProduct, known: Known) -> tuple[ProductImported, ...]:
    fact = ProductImported(**dict(command))
    return () if fact == known.fact else (fact,)


def _decide_category(command: TranslateCategory, known: Known) -> tuple[CategoryTranslated, ...]:
    fact = CategoryTranslated(**dict(command))
    return () if fact == known.fact else (fact,)


def _evolve(_: Known, event: ProductImported | CategoryTranslated) -> Known:
    return Known(event)


PRODUCT: Decider[ImportProduct, ProductImported, Known] = Decider(
    "product",
    _decide_product,
    _evolve,
    Known(),
    events=(ProductImported,),
    commands=(ImportProduct,),
    parts=("merchant", "sku"),
)
CATEGORY: Decider[TranslateCategory, CategoryTranslated, Known] = Decider(
    "category",
    _decide_category,
    _evolve,
    Known(),
    events=(CategoryTranslated,),
    commands=(TranslateCategory,),
    parts=("merchant", "category"),
)

AGGREGATES = (PRODUCT, CATEGORY)
PERMISSIONS = ("catalogue:read", "catalogue:write")

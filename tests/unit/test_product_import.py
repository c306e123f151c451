"""Is a catalogue imported again only where it changed?"""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from domain.product import PRODUCT, ImportProduct, ProductImported
from domain.product.category import CATEGORY, CategoryTranslated, TranslateCategory
from tests.specification import Specification

product = Specification(PRODUCT)
category = Specification(CATEGORY)
TOY = ProductImported(sku="A-1", category="toys", photos=2, weight_g=300)
UNKNOWN = ProductImported(sku="A-1")


def test_imports_a_product_with_what_is_known_of_it() -> None:
    product.given().when(ImportProduct(sku="A-1", category="toys", photos=2, weight_g=300)).then(TOY)
    product.given().when(ImportProduct(sku="A-1")).then(UNKNOWN)


def test_importing_the_same_again_changes_nothing() -> None:
    product.given(TOY).when(ImportProduct(sku="A-1", category="toys", photos=2, weight_g=300)).then_nothing()


def test_a_changed_product_is_a_new_fact_also_if_it_changes_back() -> None:
    product.given(TOY).when(ImportProduct(sku="A-1")).then(UNKNOWN)
    product.given(TOY, UNKNOWN).when(ImportProduct(sku="A-1", category="toys", photos=2, weight_g=300)).then(
        TOY
    )


def test_a_measure_is_not_negative() -> None:
    with pytest.raises(ValidationError):
        ImportProduct(sku="A-1", weight_g=-1)


def test_translates_a_category_once() -> None:
    said = CategoryTranslated(category="brinquedos", english="toys")
    category.given().when(TranslateCategory(category="brinquedos", english="toys")).then(said)
    category.given(said).when(TranslateCategory(category="brinquedos", english="toys")).then_nothing()
    category.given(said).when(TranslateCategory(category="brinquedos", english="games")).then(
        CategoryTranslated(category="brinquedos", english="games")
    )

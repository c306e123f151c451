"""What are the categories of a catalogue called in English?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from domain.kernel import Fact
from domain.product.category import CategoryTranslated
from projections.read_model import ReadModel, Rows


@dataclass(slots=True)
class CategoryRow:
    merchant: str
    category: str
    english: str


def project(facts: Sequence[Fact]) -> Rows:
    translated: dict[tuple[str, str], CategoryRow] = {}
    for fact in facts:
        event: Any = fact.event
        key = (fact.merchant, event.category)
        translated[key] = CategoryRow(*key, event.english)
    return {"upsert_categories": list(translated.values())}


CATEGORIES = ReadModel("categories", ("categories",), (CategoryTranslated,), project)

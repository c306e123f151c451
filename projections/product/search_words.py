"""Which words does a merchant's catalogue know, and which are like one that was mistyped?

A word stays once it was there: what it leads to is for `search_products` to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from domain.kernel import Fact
from domain.product import ProductDescribed, ProductDrafted, VariantAdded, VariantDescribed
from domain.product.words import plain_code, plain_words, trigrams
from projections.read_model import ReadModel, Rows


@dataclass(slots=True)
class WordRow:
    merchant: str
    word: str


@dataclass(slots=True)
class TrigramRow:
    merchant: str
    trigram: str
    word: str


def _words(event: Any) -> Iterator[str]:
    match event:
        case ProductDrafted(details=details) | ProductDescribed(details=details):
            yield from plain_words(details.name, details.brand, details.category or "", details.description)
        case VariantAdded(variant=variant) | VariantDescribed(variant=variant):
            yield from plain_words(*variant.options)
            yield from plain_code(variant.sku).split()


def project(facts: Sequence[Fact]) -> Rows:
    words = dict.fromkeys((fact.merchant, word) for fact in facts for word in _words(fact.event))
    rows = sorted(words)
    return {
        "know_words": [WordRow(*each) for each in rows],
        "know_trigrams": [
            TrigramRow(merchant, each, word) for merchant, word in rows for each in trigrams(word)
        ],
    }


SEARCH_WORDS = ReadModel(
    "search_words",
    ("search_words", "search_trigrams"),
    (ProductDrafted, ProductDescribed, VariantAdded, VariantDescribed),
    project,
    shared_rows=True,
)

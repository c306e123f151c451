"""Which words is a product found by? Plain ones: without accents, in lower case, of letters and digits.

What is asked for is made plain by the same function, so that both are compared alike.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

WORDS_MAX, WORD_MAX = 2_000, 40
_WORD = re.compile(r"[^\W_]+")


def plain_words(*texts: str) -> list[str]:
    """The words of the texts, at most WORDS_MAX, each cut at WORD_MAX characters."""
    folded = unicodedata.normalize("NFKD", " ".join(texts)).casefold()
    bare = "".join(each for each in folded if not unicodedata.combining(each))
    return [word[:WORD_MAX] for word in _WORD.findall(bare)[:WORDS_MAX]]


def plain(*texts: str) -> str:
    return " ".join(plain_words(*texts))


def plain_code(code: str) -> str:
    """A SKU by its parts, and as one word: `MUG-RED` is found by mug, red and mugred."""
    words = plain_words(code)
    return " ".join(dict.fromkeys((*words, "".join(words)[:WORD_MAX])))


def trigrams(word: str) -> list[str]:
    """As pg_trgm makes them: of the word with two blanks before it and one after it."""
    padded = f"  {word} "
    return list(dict.fromkeys(padded[at : at + 3] for at in range(len(padded) - 2)))


def all_words(texts: Iterable[str]) -> set[str]:
    return {word for text in texts for word in text.split()}


def one_line(text: str) -> str:
    """The text with single spaces: no tab, and no line's end."""
    return " ".join(text.split())

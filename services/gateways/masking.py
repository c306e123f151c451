"""How does what a provider says back of a person stay out of the log, where no erasure would reach it?"""

from __future__ import annotations

import re
from collections.abc import Iterable

from domain.personal import Customer

MASK = "…"
WHOLE_WORDS_MAX = 3
"""Of letters and digits: so short a value, a country say, is masked only where it stands alone."""


def said_of(person: Customer) -> tuple[str, ...]:
    """What a provider may know of them, and repeat; their ids are ours alone."""
    return tuple(
        value
        for name, value in dict(person).items()
        if value and name not in ("customer_id", "customer_unique_id")
    )


def masked(text: str, values: Iterable[str]) -> str:
    """The text without the values and each of their lines, in capitals or not, and whatever stands between
    their letters and digits: a phone number may come back without its spaces.
    """
    parts = {part for value in values for part in (value, *value.splitlines())}
    forms = [form for part in sorted(parts, key=lambda each: (-len(each), each)) if (form := _form(part))]
    return re.sub("|".join(forms), MASK, text, flags=re.IGNORECASE) if forms else text


def _form(part: str) -> str:
    characters = [re.escape(each) for each in part if each.isalnum()]
    form = r"[\W_]*".join(characters)
    return rf"(?<!\w){form}(?!\w)" if 0 < len(characters) <= WHOLE_WORDS_MAX else form

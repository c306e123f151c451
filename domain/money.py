"""Money as integer minor units, and how an amount is split so that the parts always add up."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

MOST_CENTS = 10**15
Cents = Annotated[int, Field(ge=0, le=MOST_CENTS)]
"""Minor units of the currency that stands beside it; never negative."""

Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$", examples=["BRL"])]
"""ISO 4217 code."""

_AMOUNT = re.compile(r"([0-9]+)(?:\.([0-9]+))?")


def split_by_largest_remainder(total: int, weights: Sequence[int]) -> tuple[int, ...]:
    """Split `total` minor units in proportion to `weights`; the parts add up to `total` exactly.

    Each part is the proportional share rounded down; the units left over go one each to the largest
    remainders, the earlier part first where they are equal. Weights of zero get nothing while others
    have weight; if all are zero the split is even.
    Raises ValueError for a negative total, a negative weight, or no weights at all.
    """
    if total < 0 or not weights or min(weights) < 0:
        raise ValueError("an amount and its weights must not be negative, and there must be a weight")
    shares = weights if any(weights) else [1] * len(weights)
    whole = sum(shares)
    parts = [total * share // whole for share in shares]
    by_remainder = sorted(range(len(shares)), key=lambda i: (-(total * shares[i] % whole), i))
    for index in by_remainder[: total - sum(parts)]:
        parts[index] += 1
    return tuple(parts)


def parse_cents(text: str) -> int:
    """Minor units of a decimal text with two places: `58.9` is 5890, `3999.90` is 399990.

    Exact at any length. Raises ValueError for what is no plain decimal number (no exponent, no grouping,
    no white space), is negative or has fractions of a cent.
    """
    amount = _AMOUNT.fullmatch(text)
    if amount is None:
        raise ValueError(f"{text!r} is not an amount of zero or more")
    whole, fraction = amount.group(1), (amount.group(2) or "").rstrip("0")
    if len(fraction) > 2:
        raise ValueError(f"{text!r} is not an amount in whole cents")
    return int(whole) * 100 + int(fraction.ljust(2, "0"))


def format_cents(cents: int) -> str:
    """The decimal text of minor units with two places: 5890 is `58.90`."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"

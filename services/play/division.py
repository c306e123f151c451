"""How is what a checkout paid divided among its merchants, so that every row and every order adds up?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domain.money import split_by_largest_remainder


@dataclass(frozen=True, slots=True)
class Division:
    """`adjustments[m]` is the signed cents that merchant m's order costs more (or less) than its lines;
    `portions[p][m]` is merchant m's part, perhaps zero, of payment p.
    """

    adjustments: tuple[int, ...]
    portions: tuple[tuple[int, ...], ...]


def divide(due: Sequence[int], paid: Sequence[int]) -> Division:
    """Divide the payments of `paid` cents among merchants whose lines come to `due` cents.

    The difference between paid and due is divided first, in proportion to what is due; then each payment, in
    proportion to what each merchant is still owed, so that the last one settles every merchant exactly.
    Without any payment nothing is adjusted.
    """
    if not paid:
        return Division((0,) * len(due), ())
    difference = sum(paid) - sum(due)
    sign = 1 if difference > 0 else -1
    adjustments = tuple(sign * part for part in split_by_largest_remainder(abs(difference), due))
    owed = [cents + adjustment for cents, adjustment in zip(due, adjustments, strict=True)]
    portions = []
    for amount in paid:
        parts = split_by_largest_remainder(amount, owed)
        owed = [cents - part for cents, part in zip(owed, parts, strict=True)]
        portions.append(parts)
    assert not any(owed), "the payments together are exactly what is owed"
    return Division(adjustments, tuple(portions))

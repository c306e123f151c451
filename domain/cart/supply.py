"""How many units may each line of a cart have, and how many of them will wait? As agents will decide it.

In one warehouse an order has all that it wants of a SKU, or waits for all of it. Over several, by rules that
let orders wait, it takes what each has, and waits for the rest in the first of them that has the room.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domain.allocation.planning import unit_scores
from domain.allocation.rules import AllocationTerms
from domain.cart.orders import CartLine, units_to_be_had
from domain.inventory.promises import Promisable


@dataclass(frozen=True, slots=True)
class Supply:
    """Of one line, in units: what is there now, how many more may wait, and how many of what the line can
    have will."""

    available: int = 0
    room: int = 0
    waits: int = 0


@dataclass(frozen=True, slots=True)
class Source:
    """Where lines of one SKU are served from: the warehouses, in the order of the rules; and whether an order
    may wait there."""

    sku: tuple[str, str]
    warehouses: tuple[str, ...]
    may_wait: bool = True


def source_of(line: CartLine, terms: AllocationTerms | None, ship_to_state: str) -> Source:
    """The line's own warehouse, where there are no rules."""
    sku = line.merchant, line.sku
    if terms is None:
        return Source(sku, (line.warehouse,))
    scores = unit_scores(terms, ship_to_state)
    order = sorted(scores, key=lambda warehouse: (scores[warehouse], warehouse))
    return Source(sku, tuple(order), terms.rules.when_short == "backorder")


def share(wanted: Sequence[int], places: Sequence[Promisable], *, may_wait: bool = True) -> list[Supply]:
    """What each line of one source may have: the first lines first, the last ones wait.

    `places`: what each warehouse of the source may promise, in its order.
    """
    free = sum(place.free for place in places)
    room = max((0, *(place.room - place.free for place in places))) if may_wait else 0
    lines: list[tuple[int, Supply]] = []
    available, more = free, room
    for units in wanted:
        had = units_to_be_had(units, available, more)
        lines.append((had, Supply(available, more)))
        more -= max(0, had - available)
        available -= min(had, available)
    waits = _waiting(sum(had for had, _ in lines), free, places)
    shared: list[Supply] = []
    for had, line in reversed(lines):
        part = min(had, waits)
        waits -= part
        shared.append(Supply(line.available, line.room, part))
    return shared[::-1]


def _waiting(wanted: int, free: int, places: Sequence[Promisable]) -> int:
    """What is taken in the warehouse where the rest waits, waits with it."""
    short = wanted - free
    fits = (place.free + short for place in places if place.free + short <= place.room)
    return next(fits, 0) if short > 0 else 0

"""What the warehouse agent keeps of an order, and how it speaks to its lists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from pydantic import Field, model_validator

from domain.allocation import Pick
from domain.carrier import ParcelLine
from domain.kernel import Command, Fact, Group, Value, one
from domain.streams import pick_list_stream
from domain.warehouse.pick_list import PickLine

Place: TypeAlias = tuple[str, str]
"""A product, and a warehouse."""


class ToPick(Value):
    """What of the order is in one warehouse. `given`: the carrier has it."""

    pick_list_id: str
    warehouse: str
    lines: tuple[PickLine, ...]
    given: bool = False

    def units(self, line: int) -> int:
        return sum(each.quantity for each in self.lines if each.line == line)

    def units_of(self, sku: str) -> int:
        return sum(each.quantity for each in self.lines if each.sku == sku)

    def without(self, first: PickLine, units: int) -> ToPick:
        """So many units less of the line's product: of this line first, then of the last one."""
        rest, taken = max(0, units), Counter[int]()
        alike = [each for each in reversed(self.lines) if each.sku == first.sku]
        for each in sorted(alike, key=lambda each: each.line != first.line):
            taken[each.line] = min(rest, each.quantity)
            rest -= taken[each.line]
        left = (
            each.model_copy(update={"quantity": each.quantity - taken[each.line]})
            for each in self.lines
            if each.quantity > taken[each.line]
        )
        return self.model_copy(update={"lines": tuple(left)})


class WarehouseProcess(Value):
    """`released`: the lists of the plan are, and follow the order from then on, as those `by_hand` do.
    `shorts` are units that were not found, by the cause that the plan will name when it knows of them.

    Of what left: `fetched` is what parcels have of lists that are open yet, `parcel` the last of them;
    `handed` what people gave away and no parcel has told of, `missing` what was not found and parcels may not
    know of.
    `wanted` are units of lines that were changed since the order was placed, by their numbers.
    `infers` is whether all that was heard: not in what was kept before that began.
    """

    order_id: str = ""
    to_pick: tuple[ToPick, ...] = ()
    by_hand: tuple[ToPick, ...] = ()
    shorts: dict[str, Pick] = Field(default_factory=dict)
    fetched: tuple[ParcelLine, ...] = ()
    parcel: str = ""
    handed: tuple[ParcelLine, ...] = ()
    missing: tuple[ParcelLine, ...] = ()
    wanted: dict[int, int] = Field(default_factory=dict)
    infers: bool = True
    released: bool = False
    held: bool = False
    over: bool = False

    @property
    def is_planned(self) -> bool:
        """By rules; else people alone make its lists."""
        return bool(self.order_id)

    @model_validator(mode="before")
    @classmethod
    def _of_before(cls, kept: Any) -> Any:
        if isinstance(kept, Mapping) and kept and "infers" not in kept:
            return {**kept, "infers": False}
        return kept


def lists_there(process: WarehouseProcess) -> tuple[ToPick, ...]:
    """Those that are released, but for what the carrier has."""
    there = (*(process.to_pick if process.released else ()), *process.by_hand)
    return tuple(each for each in there if not each.given)


def last_first(lists: Iterable[ToPick]) -> list[ToPick]:
    """As units are taken off: of what a carrier has, only when there is no other."""
    return sorted(lists, key=lambda each: not each.given)[::-1]


def each_list(fact: Fact, lists: Iterable[ToPick], command: Callable[[ToPick], Command]) -> tuple[Group, ...]:
    """A group for each list: one that is refused must not hold up another."""
    return tuple(one(pick_list_stream(fact.merchant, each.pick_list_id), command(each)) for each in lists)


def id_of(each: ToPick) -> dict[str, str]:
    return {"pick_list_id": each.pick_list_id}


def by_place(lines: Iterable[ParcelLine]) -> Counter[Place]:
    units: Counter[Place] = Counter()
    for line in lines:
        units[line.sku, line.warehouse] += line.quantity
    return units


def parcel_lines(units: Counter[Place]) -> tuple[ParcelLine, ...]:
    return tuple(ParcelLine(sku=s, warehouse=w, quantity=n) for (s, w), n in sorted(units.items()) if n > 0)


def listed(lists: Iterable[ToPick]) -> Counter[Place]:
    units: Counter[Place] = Counter()
    for each in lists:
        for line in each.lines:
            units[line.sku, each.warehouse] += line.quantity
    return units

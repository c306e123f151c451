"""Which units of an order are nowhere? What was not found where it was planned, and can't be had."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Protocol

from pydantic import Field

from domain.kernel import Value
from domain.order.events import OrderEdited, OrderLinesCancelled
from domain.order.values import Line, LineQuantity


class Units(Protocol):
    """Units of one line of the order."""

    @property
    def line(self) -> int: ...
    @property
    def quantity(self) -> int: ...


class Missing(Value):
    """By line: units that are `wanted`, those that are `planned`, and those that were `told` to be nowhere.

    What is told of a line may be another's of the same product by now: `skus` says which line is of which.
    `ships`: the merchant sends what there is; else a person is asked.
    """

    ships: bool = True
    wanted: Mapping[int, int] = Field(default_factory=dict)
    planned: Mapping[int, int] = Field(default_factory=dict)
    told: Mapping[int, int] = Field(default_factory=dict)
    skus: Mapping[int, str] = Field(default_factory=dict)

    @property
    def lines(self) -> tuple[LineQuantity, ...]:
        """Of what was told: as far as it is still wanted, and nothing came to be planned instead."""
        units = {line: max(0, min(told, self._lacks(line, told))) for line, told in sorted(self.told.items())}
        left = Counter[str]()
        for line, told in self.told.items():
            left[self.skus.get(line, "")] += told - units[line]
        for line, sku in sorted(self.skus.items(), reverse=True):
            more = min(left[sku], self._lacks(line, 0) - units.get(line, 0))
            if sku and more > 0:
                units[line] = units.get(line, 0) + more
                left[sku] -= more
        return tuple(LineQuantity(line=line, quantity=some) for line, some in sorted(units.items()) if some)

    @property
    def had(self) -> Mapping[int, int]:
        """What is planned, by line; of an order whose lines were not followed nobody knows."""
        return self.planned if self.wanted else {}

    def _lacks(self, line: int, told: int) -> int:
        """Of an order whose lines were not followed from its placing on, it is all that was told."""
        return self.wanted.get(line, 0) - self.planned.get(line, 0) if self.wanted else told

    def now_wanted(self, event: OrderLinesCancelled | OrderEdited) -> Missing:
        if isinstance(event, OrderLinesCancelled):
            wanted = {**self.wanted, **{cut.line: cut.left for cut in event.lines}}
        else:
            wanted = {**self.wanted, **by_line(event.lines), **dict.fromkeys(event.removed, 0)}
        skus = {**self.skus, **skus_of(event.lines)} if isinstance(event, OrderEdited) else self.skus
        return self.model_copy(update={"wanted": wanted, "skus": skus} if self.wanted else {})

    def now_planned(self, picks: Iterable[Units]) -> Missing:
        return self.model_copy(update={"planned": by_line(picks)})

    def now_told(self, units: Iterable[Units]) -> Missing:
        told = Counter(self.told) + Counter(by_line(units))
        return self.model_copy(update={"told": dict(told)})

    def dealt_with(self) -> Missing:
        return self.model_copy(update={"told": {}})


def by_line(units: Iterable[Units | Line]) -> dict[int, int]:
    found: Counter[int] = Counter()
    for each in units:
        found[each.line] += each.quantity
    return dict(found)


def skus_of(lines: Iterable[Line]) -> dict[int, str]:
    return {line.line: line.sku for line in lines}

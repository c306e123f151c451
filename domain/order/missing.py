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

    `ships`: the merchant sends what there is; else a person is asked.
    """

    ships: bool = True
    wanted: Mapping[int, int] = Field(default_factory=dict)
    planned: Mapping[int, int] = Field(default_factory=dict)
    told: Mapping[int, int] = Field(default_factory=dict)

    @property
    def lines(self) -> tuple[LineQuantity, ...]:
        """Of what was told: as far as it is still wanted, and nothing came to be planned instead."""
        units = {line: min(told, self._lacks(line, told)) for line, told in sorted(self.told.items())}
        return tuple(LineQuantity(line=line, quantity=some) for line, some in units.items() if some > 0)

    @property
    def had(self) -> dict[int, int]:
        """Units of those lines that are planned; of an order whose lines were not followed nobody knows."""
        return {line: self.planned.get(line, 0) for line in self.told} if self.wanted else {}

    def _lacks(self, line: int, told: int) -> int:
        """Of an order whose lines were not followed from its placing on, it is all that was told."""
        return self.wanted.get(line, 0) - self.planned.get(line, 0) if self.wanted else told

    def now_wanted(self, event: OrderLinesCancelled | OrderEdited) -> Missing:
        if isinstance(event, OrderLinesCancelled):
            wanted = {**self.wanted, **{cut.line: cut.left for cut in event.lines}}
        else:
            wanted = {**self.wanted, **by_line(event.lines), **dict.fromkeys(event.removed, 0)}
        return self.model_copy(update={"wanted": wanted if self.wanted else {}})

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

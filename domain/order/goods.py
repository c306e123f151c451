"""What are an order's goods worth, and how far are they: sent, and come back? By that its money moves.

It is folded from the facts: the order as placed, cut and changed, its parcels as they leave and come back. A
unit is worth its price with its shipping; where all are free, each is worth the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from domain.kernel import Value
from domain.order.events import OrderEdited, OrderLinesCancelled, OrderPlaced
from domain.order.values import Line


class Units(Protocol):
    """Units of one product from one warehouse, in a parcel."""

    @property
    def sku(self) -> str: ...
    @property
    def warehouse(self) -> str: ...
    @property
    def quantity(self) -> int: ...


class GoodsLine(Value):
    """`warehouse` is empty where any may send it; more may be `sent` than are wanted any more."""

    line: int
    sku: str
    warehouse: str
    quantity: int
    unit_cents: int
    sent: int = 0
    back: int = 0

    def holds(self, units: Units) -> bool:
        return self.sku == units.sku and self.warehouse in ("", units.warehouse)


class Goods(Value):
    """`whole`: all that was ordered left in one parcel, and `whole_back`: came back so, where the parcel does
    not say what is in it."""

    lines: tuple[GoodsLine, ...] = ()
    allocated: bool = False
    whole: bool = False
    whole_back: bool = False

    @classmethod
    def of(cls, event: OrderPlaced) -> Goods:
        return cls(allocated=event.allocation is not None).edited(event.lines)

    @property
    def any_sent(self) -> bool:
        return self.whole or any(line.sent for line in self.lines)

    @property
    def all_sent(self) -> bool:
        """Nothing that is wanted is still to be sent."""
        return self.whole or (bool(self.lines) and all(line.sent >= line.quantity for line in self.lines))

    @property
    def all_back(self) -> bool:
        """Nothing that was wanted has stayed with the customer, or is still to be sent."""
        back = bool(self.lines) and all(line.back >= line.quantity for line in self.lines)
        return self.whole_back or (self.all_sent and back)

    def edited(self, lines: Iterable[Line], removed: Iterable[int] = ()) -> Goods:
        """With these lines new, or other than they were, and without those."""
        known = {line.line: line for line in self.lines}
        for each in lines:
            before = known.get(each.line)
            known[each.line] = GoodsLine(
                line=each.line,
                sku=each.sku,
                warehouse="" if self.allocated else each.warehouse,
                quantity=each.quantity,
                unit_cents=each.unit_price_cents + each.unit_shipping_cents,
                sent=before.sent if before else 0,
                back=before.back if before else 0,
            )
        gone = frozenset(removed)
        return self._with(line for number, line in known.items() if number not in gone)

    def changed(self, event: OrderLinesCancelled | OrderEdited) -> Goods:
        if isinstance(event, OrderEdited):
            return self.edited(event.lines, event.removed)
        left = {cut.line: cut.left for cut in event.lines}
        kept = (
            line.model_copy(update={"quantity": left.get(line.line, line.quantity)}) for line in self.lines
        )
        return self._with(line for line in kept if line.quantity)

    def dispatched(self, parcel: Iterable[Units]) -> Goods:
        """Once this parcel is on its way. One that does not say what is in it has all."""
        units = tuple(parcel)
        if units and self.lines:
            return self._moved(units, "sent", lambda line: line.quantity - line.sent)
        full = (line.model_copy(update={"sent": line.quantity}) for line in self.lines)
        return self._with(full).model_copy(update={"whole": True})

    def returned(self, parcel: Iterable[Units]) -> Goods:
        """Once this parcel is back."""
        units = tuple(parcel)
        if units and self.lines:
            return self._moved(units, "back", lambda line: line.sent - line.back)
        full = (line.model_copy(update={"back": line.sent}) for line in self.lines)
        return self._with(full).model_copy(update={"whole_back": True})

    def _moved(self, parcel: Iterable[Units], where: str, room: Callable[[GoodsLine], int]) -> Goods:
        """Of lines alike, the first ones first."""
        lines = list(self.lines)
        for units in parcel:
            left = units.quantity
            for place, line in enumerate(lines):
                taken = max(0, min(left, room(line))) if line.holds(units) else 0
                if taken:
                    lines[place] = line.model_copy(update={where: getattr(line, where) + taken})
                left -= taken
        return self._with(lines)

    def share_sent(self, cents: int) -> int:
        """What of so much for the whole order falls to what is sent: rounded down, until it is all."""
        return cents if self.all_sent else self._share(cents, [line.sent for line in self.lines])

    def share_back(self, cents: int) -> int:
        return cents if self.all_back else self._share(cents, [line.back for line in self.lines])

    def _share(self, cents: int, units: Iterable[int]) -> int:
        free = not any(line.unit_cents * line.quantity for line in self.lines)
        worth = [(1 if free else line.unit_cents, line.quantity) for line in self.lines]
        part = sum(cent * min(quantity, some) for (cent, quantity), some in zip(worth, units, strict=True))
        return cents * part // (sum(cent * quantity for cent, quantity in worth) or 1)

    def _with(self, lines: Iterable[GoodsLine]) -> Goods:
        return self.model_copy(update={"lines": tuple(lines)})

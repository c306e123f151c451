"""What are an order's goods worth, and how far are they: sent, and come back? By that its money moves.

It is folded from the order's own facts, in their order, and from the parcels that came back. A unit is worth
its price with its shipping; where all are free, each is worth the same.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from domain.kernel import Value
from domain.order.events import OrderEdited, OrderLinesCancelled, OrderPlaced
from domain.order.values import Line, ParcelUnits


class GoodsLine(Value):
    """`warehouse` is empty where any may send it."""

    line: int
    sku: str
    warehouse: str
    quantity: int
    unit_cents: int


class Goods(Value):
    """`parcels` are those that left, with the units of each line in them; `back` those that came back, of
    which the order may not have said yet that they left. `all_sent`: nothing is left to be sent.
    """

    lines: tuple[GoodsLine, ...] = ()
    allocated: bool = False
    parcels: dict[str, dict[int, int]] = Field(default_factory=dict)
    back: frozenset[str] = frozenset()
    all_sent: bool = False

    @classmethod
    def of(cls, event: OrderPlaced) -> Goods:
        return cls(allocated=event.allocation is not None).edited(event.lines)

    @property
    def any_sent(self) -> bool:
        return bool(self.parcels)

    @property
    def all_back(self) -> bool:
        """Nothing has stayed with the customer, or is still to be sent."""
        return self.all_sent and self.any_sent and self.parcels.keys() <= self.back

    def changed(self, event: OrderLinesCancelled | OrderEdited) -> Goods:
        if isinstance(event, OrderEdited):
            return self.edited(event.lines, event.removed)
        left = {cut.line: cut.left for cut in event.lines}
        return self._with(
            line.model_copy(update={"quantity": units})
            for line in self.lines
            if (units := left.get(line.line, line.quantity))
        )

    def edited(self, lines: Iterable[Line], removed: Iterable[int] = ()) -> Goods:
        """With these lines new, or other than they were, and without those."""
        after = {line.line: line for line in self.lines} | {
            each.line: GoodsLine(
                line=each.line,
                sku=each.sku,
                warehouse="" if self.allocated else each.warehouse,
                quantity=each.quantity,
                unit_cents=each.unit_price_cents + each.unit_shipping_cents,
            )
            for each in lines
        }
        gone = frozenset(removed)
        return self._with(line for number, line in sorted(after.items()) if number not in gone)

    def left(self, shipment_id: str, units: Iterable[ParcelUnits]) -> Goods:
        """Once this parcel is on its way: of lines alike, the first ones first, as the order counts them."""
        sent, taken = self._units(self.parcels), dict[int, int]()
        for each in units:
            rest = each.quantity
            for line in self.lines:
                if line.sku == each.sku and line.warehouse in ("", each.warehouse):
                    here = sent.get(line.line, 0) + taken.get(line.line, 0)
                    some = max(0, min(rest, line.quantity - here))
                    taken[line.line] = taken.get(line.line, 0) + some
                    rest -= some
        return self._parcel(shipment_id, taken)

    def left_with_all(self, shipment_id: str) -> Goods:
        """Once nothing is left to be sent: the rest is in this parcel, if in any."""
        sent = self._units(self.parcels)
        rest = {line.line: max(0, line.quantity - sent.get(line.line, 0)) for line in self.lines}
        shipped = self._parcel(shipment_id, rest) if shipment_id else self
        return shipped.model_copy(update={"all_sent": True})

    def returned(self, shipment_id: str) -> Goods:
        return self.model_copy(update={"back": self.back | {shipment_id}})

    def share_sent(self, cents: int) -> int:
        """What of so much for the whole order falls to what is sent: rounded down, until it is all."""
        return cents if self.all_sent else self._share(cents, self.parcels)

    def share_back(self, cents: int) -> int:
        return cents if self.all_back else self._share(cents, self.back & self.parcels.keys())

    def _share(self, cents: int, parcels: Iterable[str]) -> int:
        free = not any(line.unit_cents for line in self.lines)
        units, part, whole = self._units(parcels), 0, 0
        for line in self.lines:
            worth = 1 if free else line.unit_cents
            part += worth * min(line.quantity, units.get(line.line, 0))
            whole += worth * line.quantity
        return cents * part // (whole or 1)

    def _units(self, parcels: Iterable[str]) -> dict[int, int]:
        """By line, of all of these parcels."""
        units: dict[int, int] = {}
        for name in parcels:
            for line, some in self.parcels[name].items():
                units[line] = units.get(line, 0) + some
        return units

    def _parcel(self, shipment_id: str, units: dict[int, int]) -> Goods:
        return self.model_copy(update={"parcels": {**self.parcels, shipment_id: units}})

    def _with(self, lines: Iterable[GoodsLine]) -> Goods:
        return self.model_copy(update={"lines": tuple(lines)})

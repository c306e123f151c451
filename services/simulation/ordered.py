"""What is wanted of each order, by what the log says of orders alone? Units by place, money by payment."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from domain.allocation import AllocationChangePlanned, AllocationPlanned, AllocationRevised, Pick
from domain.carrier import ShipmentReturned
from domain.kernel import Fact
from domain.order import (
    Line,
    OrderEditConfirmed,
    OrderEdited,
    OrderLinesCancelled,
    OrderPlaced,
    PaymentChange,
    UnitsChange,
)

Place: TypeAlias = tuple[str, str]
"""SKU and warehouse."""


@dataclass(slots=True)
class Ordered:
    """`units` as they are wanted in the end, `ever` what they were at any time, or would have been by a
    change set that was confirmed; `by_rules`: its plan says which. `due` is what each payment is to bring,
    `asked` are those of change sets. `came_back`: a parcel of it did.
    """

    checkout: str
    total_cents: int = 0
    units: Counter[Place] = field(default_factory=Counter)
    ever: defaultdict[Place, set[int]] = field(default_factory=lambda: defaultdict(set))
    by_rules: bool = False
    due: dict[str, int] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    came_back: bool = False

    def want(self, units: Counter[Place]) -> None:
        self.units = units
        self.note(units)

    def note(self, units: Counter[Place]) -> None:
        for place, quantity in units.items():
            self.ever[place].add(quantity)

    def owe(self, payments: Iterable[PaymentChange]) -> None:
        self.due.update((each.payment_id, each.amount_cents) for each in payments)

    def after(self, changes: Iterable[UnitsChange]) -> Counter[Place]:
        return Counter(self.units | {(each.sku, each.warehouse): each.quantity for each in changes})


def units_of(lines: Iterable[Line | Pick]) -> Counter[Place]:
    units: Counter[Place] = Counter()
    for line in lines:
        units[line.sku, line.warehouse] += line.quantity
    return units


def ordered(facts: Iterable[Fact]) -> dict[tuple[str, str], Ordered]:
    """By merchant and order."""
    found: dict[tuple[str, str], Ordered] = {}
    for fact in facts:
        match fact.event:
            case OrderPlaced(order_id=order_id) as event:
                order = found[fact.merchant, order_id] = Ordered(event.checkout_id, event.total_cents)
                order.due = {each.payment_id: each.amount_cents for each in event.portions}
                order.by_rules = event.allocation is not None
                order.want(Counter() if order.by_rules else units_of(event.lines))
            case AllocationPlanned(order_id=order_id) | AllocationRevised(order_id=order_id) as event:
                found[fact.merchant, order_id].want(units_of(event.picks))
            case AllocationChangePlanned(order_id=order_id, picks=picks):
                order = found[fact.merchant, order_id]
                order.note(order.units + units_of(picks))
            case ShipmentReturned(order_id=order_id):
                found[fact.merchant, order_id].came_back = True
            case OrderEditConfirmed(order_id=order_id, units=units, payments=payments):
                order = found[fact.merchant, order_id]
                order.note(Counter() if order.by_rules else order.after(units))
                order.asked.update(each.payment_id for each in payments)
            case OrderLinesCancelled(order_id=order_id) | OrderEdited(order_id=order_id) as event:
                order = found[fact.merchant, order_id]
                order.want(order.units if order.by_rules else order.after(event.units))
                order.owe(event.payments)
                order.total_cents = event.total_cents
    return found

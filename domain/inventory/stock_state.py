"""What is known of the stock of one SKU in one warehouse, and how events change it?

on hand = available + committed + unavailable, always: committed is reserved or allocated to orders,
unavailable lies in quality control, is damaged, or is kept back as safety stock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from domain.inventory.quantities import NONE, Change, change_of
from domain.inventory.stock_events import (
    BackorderCancelled,
    Backordered,
    BackorderFilled,
    ExpectedStockArrived,
    ExpectedStockCancelled,
    ReservationExpired,
    ReservationRenewed,
    ReservationRestored,
    StockAllocated,
    StockCountCancelled,
    StockCounted,
    StockCountSettled,
    StockCountStarted,
    StockEvent,
    StockExpected,
    StockPickedShort,
    StockReleased,
    StockReserved,
    StockReturned,
    StockRules,
    StockRulesSet,
    StockShipped,
)
from domain.persistent_map import Draft, PersistentMap

NO_RULES = StockRules()
LEFT_MAX = 50
"""Of so many orders it is remembered what left for them: a fulfilment is called off soon, or not at all."""


@dataclass(frozen=True, slots=True)
class Held:
    """What is held for one order; `expires_at` is None once it is allocated."""

    quantity: int
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """An order in line for units that are not there yet."""

    order_id: str
    quantity: int
    expires_at: datetime
    correlation: str = ""
    clock: str = "wall"


@dataclass(frozen=True, slots=True)
class OpenCount:
    """A stocktake counts here: what the books said when it began, and by how much it found them wrong.

    `missed` units were found missing by who picked them, since then: the count misses the same.
    """

    stocktake_id: str
    expected: int
    difference: int | None = None
    missed: int = 0


@dataclass(frozen=True, slots=True)
class Stock:
    """`waiting` is in the order of coming; `left` are the units that left lately, by order, the last ones
    last; `expected` is what is to come, by reference."""

    on_hand: int = 0
    committed: int = 0
    allocated: int = 0
    quality_control: int = 0
    damaged: int = 0
    incoming: int = 0
    rules: StockRules = NO_RULES
    held: PersistentMap[str, Held] = field(default_factory=PersistentMap)
    waiting: tuple[Waiting, ...] = ()
    backordered: int = 0
    expected: PersistentMap[str, int] = field(default_factory=PersistentMap)
    left: tuple[tuple[str, Held], ...] = ()
    count: OpenCount | None = None

    @property
    def unavailable(self) -> int:
        return self.quality_control + self.damaged + self.rules.safety_stock

    @property
    def available(self) -> int:
        """What may be promised; below zero where more is promised, or to be kept back, than is there."""
        return self.on_hand - self.committed - self.unavailable

    @property
    def on_shelf(self) -> int:
        """Sound units that are committed to nobody, the safety stock among them."""
        return self.available + self.rules.safety_stock

    @property
    def reserved(self) -> int:
        return self.committed - self.allocated


@dataclass(slots=True)
class _Count:
    """A stock between two events: changed in place, as a stream may be long and a copy costs more than most
    events change."""

    on_hand: int
    committed: int
    allocated: int
    quality_control: int
    damaged: int
    incoming: int
    backordered: int
    rules: StockRules
    held: Draft[str, Held]
    waiting: list[Waiting]
    expected: Draft[str, int]
    left: dict[str, Held]
    count: OpenCount | None

    def hold(self, order: str, held: Held | None) -> None:
        """`held`, and nothing else, is held for the order."""
        before = self.held.get(order)
        self.held.put(order, held)
        for sign, each in ((1, held), (-1, before)):
            if each:
                self.committed += sign * each.quantity
                self.allocated += sign * each.quantity if each.expires_at is None else 0

    def let_go(self, order: str, quantity: int) -> Held | None:
        """So much less is held for the order; what was held before."""
        held = self.held.get(order)
        kept = max(0, held.quantity - quantity) if held else 0
        self.hold(order, replace(held, quantity=kept) if held and kept else None)
        return held

    def leave(self, order: str, quantity: int, held: Held | None) -> None:
        """Remember what left of what was held; below zero: what is back."""
        known = self.left.pop(order, None)
        units = (known.quantity if known else 0) + quantity
        if units > 0 and (kept := known or held):
            self.left[order] = replace(kept, quantity=units)
        if len(self.left) > LEFT_MAX:
            del self.left[next(iter(self.left))]

    def expect(self, reference: str, quantity: int) -> None:
        self.expected.put(reference, ((self.expected.get(reference) or 0) + quantity) or None)

    def wait_no_more(self, order: str, quantity: int) -> None:
        """So much less is waited for; nothing of it leaves the line."""
        kept = (
            replace(each, quantity=each.quantity - quantity) if each.order_id == order else each
            for each in self.waiting
        )
        self.waiting = [each for each in kept if each.quantity > 0]

    def add(self, change: Change) -> None:
        self.on_hand += change.on_hand
        self.quality_control += change.quality_control
        self.damaged += change.damaged
        self.incoming += change.incoming
        self.backordered += change.backordered

    def happen(self, event: StockEvent) -> None:
        if (change := change_of(event)) is not NONE:
            self.add(change)
        match event:
            case StockReserved(order_id=order, quantity=quantity, expires_at=expires_at):
                self.hold(order, Held(quantity, expires_at))
            case ReservationRenewed(order_id=order, quantity=quantity, expires_at=expires_at):
                self.hold(order, Held(quantity, expires_at))
            case StockAllocated(order_id=order, quantity=quantity):
                self.hold(order, Held(quantity, None))
            case StockShipped(order_id=order, quantity=quantity, uncommitted=uncommitted):
                self.leave(order, quantity - uncommitted, self.let_go(order, quantity - uncommitted))
            case ReservationRestored(order_id=order, quantity=quantity, held=held, expires_at=expires_at):
                self.leave(order, -quantity, None)
                self.hold(order, Held(held, expires_at))
            case StockReturned(order_id=order, quantity=quantity):
                self.leave(order, -quantity, None)
            case ReservationExpired(order_id=order, quantity=quantity):
                self.let_go(order, quantity)
            case StockReleased(order_id=order, quantity=quantity):
                self.let_go(order, quantity)
            case StockPickedShort(order_id=order, quantity=quantity, reason=reason):
                self.let_go(order, quantity)
                if self.count and reason == "missing":
                    self.count = replace(self.count, missed=self.count.missed + quantity)
            case Backordered(order_id=order, quantity=quantity, expires_at=expires_at):
                self.waiting.append(Waiting(order, quantity, expires_at, event.correlation, event.clock))
            case BackorderFilled(order_id=order, quantity=quantity, held=held, expires_at=expires_at):
                self.wait_no_more(order, quantity)
                self.hold(order, Held(held, expires_at))
            case BackorderCancelled(order_id=order, quantity=quantity):
                self.wait_no_more(order, quantity)
            case _:
                self.note(event)

    def note(self, event: StockEvent) -> None:
        """What is of no order."""
        match event:
            case StockRulesSet(rules=rules):
                self.rules = rules
            case StockExpected(reference=reference, quantity=quantity):
                self.expect(reference, quantity)
            case ExpectedStockArrived(reference=reference, quantity=quantity):
                self.expect(reference, -quantity)
            case ExpectedStockCancelled(reference=reference, quantity=quantity):
                self.expect(reference, -quantity)
            case StockCountStarted(stocktake_id=stocktake, expected=expected):
                self.count = OpenCount(stocktake, expected)
            case StockCounted(counted=counted, expected=expected, moved=moved):
                if self.count:
                    # a count as of now is compared with the books of now: they miss these units, too
                    missed = self.count.missed if moved and expected == self.count.expected else 0
                    self.count = replace(self.count, difference=counted - expected, missed=missed)
            case StockCountSettled() | StockCountCancelled():
                self.count = None


def evolve_all(stock: Stock, events: Iterable[StockEvent]) -> Stock:
    count = _Count(
        stock.on_hand,
        stock.committed,
        stock.allocated,
        stock.quality_control,
        stock.damaged,
        stock.incoming,
        stock.backordered,
        stock.rules,
        Draft(stock.held),
        list(stock.waiting),
        Draft(stock.expected),
        dict(stock.left),
        stock.count,
    )
    for event in events:
        count.happen(event)
    return Stock(
        on_hand=count.on_hand,
        committed=count.committed,
        allocated=count.allocated,
        quality_control=count.quality_control,
        damaged=count.damaged,
        incoming=count.incoming,
        rules=count.rules,
        held=count.held.done(),
        waiting=tuple(count.waiting),
        backordered=count.backordered,
        expected=count.expected.done(),
        left=tuple(count.left.items()),
        count=count.count,
    )


def evolve(stock: Stock, event: StockEvent) -> Stock:
    return evolve_all(stock, (event,))

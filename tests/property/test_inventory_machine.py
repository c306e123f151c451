"""Is a unit ever promised twice, or lost, in any run of commands while time passes?"""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from domain.inventory import (
    STOCK,
    AdjustStock,
    AllocateStock,
    ExpireReservation,
    ReceiveStock,
    ReleaseStock,
    ReserveStock,
    ReturnStock,
    ShipStock,
)
from domain.kernel import Command
from tests.property.machine import AggregateMachine
from tests.strategies import START, order_ids, quantities

PLACE = {"sku": "A-1", "warehouse": "main"}
HOUR = timedelta(hours=1)


class StockMachine(AggregateMachine):
    """The model: units here, units in quality control, and who holds how many until when (None: for good)."""

    decider = STOCK

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.on_hand = 0
        self.quality_control = 0
        self.held: dict[str, tuple[int, datetime | None]] = {}
        self.missing = 0

    @property
    def free(self) -> int:
        return self.on_hand - self.quality_control - sum(units for units, _ in self.held.values())

    @initialize(quantity=st.integers(1, 8))
    def begin(self, quantity: int) -> None:
        self.receive(quantity)

    @rule(hours=st.integers(1, 3))
    def time_passes(self, hours: int) -> None:
        self.now += hours * HOUR

    @rule(quantity=quantities)
    def receive(self, quantity: int) -> None:
        assert self.send(ReceiveStock(quantity=quantity, **PLACE)) == ["StockReceived"]
        self.on_hand += quantity

    @rule(delta=st.integers(-3, 3))
    def adjust(self, delta: int) -> None:
        came = self.send(AdjustStock(delta=delta, reason="count", **PLACE))
        if delta == 0:
            assert came == "adjust_changes_something"
        elif delta < 0 and self.free + delta < 0:
            assert came == "adjust_within_available"
        else:
            assert came == ["StockAdjusted"]
            self.on_hand += delta

    @rule(order=order_ids, quantity=quantities, hours=st.integers(-1, 3))
    def reserve(self, order: str, quantity: int, hours: int) -> None:
        until = self.now + hours * HOUR
        command = ReserveStock(order_id=order, quantity=quantity, now=self.now, expires_at=until, **PLACE)
        if order in self.held:
            assert self.send(command) == []
        elif self.promised(command, order, quantity, "StockReserved", "StockReservationRefused"):
            self.held[order] = (quantity, until)

    @rule(order=order_ids, quantity=quantities)
    def allocate(self, order: str, quantity: int) -> None:
        command = AllocateStock(order_id=order, quantity=quantity, now=self.now, **PLACE)
        units, until = self.held.get(order, (0, self.now))
        if until is None and units >= quantity:
            assert self.send(command) == []
        elif units >= quantity:
            assert self.send(command) == ["StockAllocated"]
            self.held[order] = (quantity, None)
        elif self.promised(command, order, quantity - units, "StockAllocated", "StockAllocationRefused"):
            self.held[order] = (quantity, None)

    def promised(self, command: Command, order: str, wanted: int, yes: str, no: str) -> bool:
        """Yes if there is enough, lapsed reservations included; nobody else loses a thing without need."""
        lapsed = sorted(
            (until, other, units)
            for other, (units, until) in self.held.items()
            if until and until <= self.now and other != order
        )
        came = self.send(command)
        if self.free + sum(units for _, _, units in lapsed) < wanted:
            assert came == [no]
            (refusal,) = self.newest(1)
            assert refusal.available < refusal.wanted
            return False
        assert came == ["ReservationExpired"] * (len(came) - 1) + [yes]
        for event, (_, longest, units) in zip(self.newest(len(came))[:-1], lapsed, strict=False):
            assert self.free < wanted, "expired without need"
            assert (event.order_id, event.quantity) == (longest, units)
            del self.held[longest]
        assert self.free >= wanted
        return True

    @rule(order=order_ids)
    def expire(self, order: str) -> None:
        units, until = self.held.get(order, (0, None))
        came = self.send(ExpireReservation(order_id=order, **PLACE))
        assert came == (["ReservationExpired"] if until else [])
        if until:
            assert self.newest(1)[0].quantity == units
            del self.held[order]

    @rule(order=order_ids)
    def release(self, order: str) -> None:
        units, _ = self.held.pop(order, (0, None))
        assert self.send(ReleaseStock(order_id=order, **PLACE)) == (["StockReleased"] if units else [])
        if units:
            assert self.newest(1)[0].quantity == units

    @rule(order=order_ids, quantity=quantities)
    def ship(self, order: str, quantity: int) -> None:
        assert self.send(ShipStock(order_id=order, quantity=quantity, **PLACE)) == ["StockShipped"]
        units, until = self.held.pop(order, (0, None))
        if units > quantity:
            self.held[order] = (units - quantity, until)
        unheld = max(0, quantity - units)
        assert self.newest(1)[0].uncommitted == unheld
        self.on_hand -= quantity
        self.missing += unheld

    @rule(order=order_ids, quantity=quantities)
    def take_back(self, order: str, quantity: int) -> None:
        assert self.send(ReturnStock(order_id=order, quantity=quantity, **PLACE)) == ["StockReturned"]
        self.on_hand += quantity
        self.quality_control += quantity

    @invariant()
    def every_unit_is_accounted_for(self) -> None:
        stock = self.state
        assert stock.on_hand == self.on_hand
        assert stock.on_hand == stock.available + stock.committed + stock.quality_control
        assert {order: (held.quantity, held.expires_at) for order, held in stock.held.items()} == self.held
        assert stock.committed == sum(units for units, _ in self.held.values())

    @invariant()
    def no_unit_is_promised_twice(self) -> None:
        assert self.state.available + self.missing >= 0


TestStock = StockMachine.TestCase

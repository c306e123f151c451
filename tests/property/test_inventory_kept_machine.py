"""Does every unit lie where the commands put it, and does everybody who waits get served in turn?

Time stands still here: what lapses is the other machine's (`test_inventory_machine`).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from domain.inventory import (
    STOCK,
    AdjustStock,
    AllocateStock,
    CancelBackorder,
    CancelExpectedStock,
    CountStock,
    ExpectStock,
    MoveStock,
    ReceiveStock,
    RecordShortPick,
    ReleaseStock,
    ReserveStock,
    RestoreReservation,
    SendStock,
    SetStockRules,
    SettleCount,
    ShipStock,
    StartCount,
    StockRules,
    WriteOffStock,
)
from tests.property.machine import AggregateMachine
from tests.strategies import START, buckets, order_ids, quantities

PLACE = {"sku": "A-1", "warehouse": "main"}
UNTIL = START + timedelta(days=1)
Hold = tuple[int, bool]
"""Units, and whether they are allocated."""


class InventoryMachine(AggregateMachine):
    """The model: units by where they lie, who holds how many, and the line of those who wait."""

    decider = STOCK

    def __init__(self) -> None:
        super().__init__()
        self.lying = {"available": 0, "quality_control": 0, "damaged": 0}
        """On hand by where it lies; `available` with what is held."""
        self.safety = self.limit = self.incoming = 0
        self.held: dict[str, Hold] = {}
        self.left: dict[str, Hold] = {}
        self.line: list[tuple[str, int]] = []
        self.counting: tuple[int, int | None] | None = None
        self.missed = 0
        """Units that were picked short for missing, and that the count misses as well."""

    @property
    def on_hand(self) -> int:
        return sum(self.lying.values())

    @property
    def shelf(self) -> int:
        return self.lying["available"] - sum(units for units, _ in self.held.values())

    @property
    def free(self) -> int:
        return self.shelf - self.safety

    def serve(self) -> list[str]:
        """Whoever is first in line and can be served is; the names of the events that say so."""
        names = []
        while self.line and self.line[0][1] <= self.free:
            order, units = self.line.pop(0)
            had, allocated = self.held.get(order, (0, False))
            self.held[order] = (had + units, allocated)
            names.append("BackorderFilled")
        return names

    def let_go(self, order: str, units: int) -> None:
        had, allocated = self.held.pop(order)
        if had > units:
            self.held[order] = (had - units, allocated)

    @initialize(quantity=st.integers(1, 8), limit=st.sampled_from([0, 3, 8]))
    def begin(self, quantity: int, limit: int) -> None:
        self.receive(quantity, "available", expected=False)
        self.set_rules(0, limit)

    @rule(quantity=quantities, condition=buckets, expected=st.booleans())
    def receive(self, quantity: int, condition: str, *, expected: bool) -> None:
        command = ReceiveStock(
            quantity=quantity, condition=condition, expected_by="po-1" if expected else "", **PLACE
        )
        came = self.send(command)
        self.lying[condition] += quantity
        names = ["StockReceived"] + (["StockMoved"] if condition != "available" else [])
        if expected and self.incoming:
            self.incoming -= min(quantity, self.incoming)
            names.append("ExpectedStockArrived")
        assert came == names + self.serve()

    @rule(quantity=quantities)
    def expect(self, quantity: int) -> None:
        came = self.send(ExpectStock(reference="po-1", quantity=quantity, **PLACE))
        assert came == ([] if self.incoming else ["StockExpected"])
        self.incoming = self.incoming or quantity

    @rule()
    def expect_no_more(self) -> None:
        came = self.send(CancelExpectedStock(reference="po-1", **PLACE))
        assert came == (["ExpectedStockCancelled"] if self.incoming else [])
        self.incoming = 0

    @rule(safety=st.integers(0, 3), limit=st.sampled_from([0, 3, 8]))
    def set_rules(self, safety: int, limit: int) -> None:
        rules = StockRules(safety_stock=safety, backorder_limit=limit, backorder_days=30)
        same = self.state.rules == rules
        came = self.send(SetStockRules(rules=rules, **PLACE))
        self.safety, self.limit = safety, limit
        assert came == ([] if same else ["StockRulesSet", *self.serve()])

    @rule(order=order_ids, quantity=quantities)
    def reserve(self, order: str, quantity: int) -> None:
        came = self.send(
            ReserveStock(order_id=order, quantity=quantity, now=START, expires_at=UNTIL, **PLACE)
        )
        if order in self.held or any(each == order for each, _ in self.line):
            assert came == []
        elif not self.line and self.free >= quantity:
            assert came == ["StockReserved"]
            self.held[order] = (quantity, False)
        elif sum(units for _, units in self.line) + quantity <= self.limit:
            assert came == ["Backordered"]
            self.line.append((order, quantity))
        else:
            assert came == ["StockReservationRefused"]

    @rule(order=order_ids)
    def allocate(self, order: str) -> None:
        if order not in self.held:
            return
        units, allocated = self.held[order]
        came = self.send(AllocateStock(order_id=order, quantity=units, now=START, **PLACE))
        assert came == ([] if allocated else ["StockAllocated"])
        self.held[order] = (units, True)

    @rule(order=order_ids, quantity=quantities)
    def ship(self, order: str, quantity: int) -> None:
        units, allocated = self.held.get(order, (0, True))
        quantity = min(quantity, units)
        if not quantity:
            return
        assert self.send(ShipStock(order_id=order, quantity=quantity, **PLACE)) == ["StockShipped"]
        self.let_go(order, quantity)
        self.lying["available"] -= quantity
        gone, was_allocated = self.left.get(order, (0, allocated))
        self.left[order] = (gone + quantity, was_allocated)

    @rule(order=order_ids, quantity=quantities)
    def call_off(self, order: str, quantity: int) -> None:
        came = self.send(RestoreReservation(order_id=order, quantity=quantity, **PLACE))
        gone, was_allocated = self.left.get(order, (0, True))
        if quantity > gone:
            assert came == "restore_what_left"
            return
        self.left[order] = (gone - quantity, was_allocated)
        if gone == quantity:
            del self.left[order]
        had, allocated = self.held.get(order, (0, was_allocated))
        self.held[order] = (had + quantity, allocated)
        self.lying["available"] += quantity
        assert came == ["ReservationRestored", *self.serve()]

    @rule(order=order_ids)
    def call_off_and_fulfil_again(self, order: str) -> None:
        """The same reservation: however often, nothing is left of it.

        Units that left before say what becomes of a hold that is back, so they must be as these are.
        """
        units, _ = self.held.get(order, (0, True))
        held, left = self.state.held.get(order), dict(self.state.left).get(order)
        if not units or (left and held and left.expires_at != held.expires_at):
            return
        before, ship = self.state, ShipStock(order_id=order, quantity=units, **PLACE)
        for _ in range(2):
            assert self.send(ship) == ["StockShipped"]
            assert self.newest(1)[0].uncommitted == 0
            assert self.send(RestoreReservation(order_id=order, quantity=units, **PLACE)) == [
                "ReservationRestored"
            ]
            same = replace(self.state, left=()), replace(before, left=())
            assert same[0] == same[1]
            assert dict(self.state.left) == dict(before.left)

    @rule(order=order_ids, quantity=st.none() | quantities)
    def release(self, order: str, quantity: int | None) -> None:
        came = self.send(ReleaseStock(order_id=order, quantity=quantity, **PLACE))
        places = [at for at, (each, _) in enumerate(self.line) if each == order]
        if order in self.held:
            self.let_go(order, quantity or self.held[order][0])
            assert came == ["StockReleased", *self.serve()]
        elif places:
            _, units = self.line.pop(places[0])
            if quantity and quantity < units:
                self.line.insert(places[0], (order, units - quantity))
            assert came == ["BackorderCancelled", *self.serve()]
        else:
            assert came == []

    @rule(order=order_ids)
    def cancel_backorder(self, order: str) -> None:
        came = self.send(CancelBackorder(order_id=order, **PLACE))
        kept = [each for each in self.line if each[0] != order]
        names = ["BackorderCancelled"] * (len(self.line) - len(kept))
        self.line = kept
        assert came == names + (self.serve() if names else [])

    @rule(order=order_ids, quantity=quantities, reason=st.sampled_from(["missing", "damaged"]))
    def pick_short(self, order: str, quantity: int, reason: str) -> None:
        came = self.send(RecordShortPick(order_id=order, quantity=quantity, reason=reason, **PLACE))
        if quantity > self.held.get(order, (0, False))[0]:
            assert came == "short_pick_within_held"
            return
        self.let_go(order, quantity)
        self.lying["available"] -= quantity
        self.lying["damaged"] += quantity if reason == "damaged" else 0
        self.missed += quantity if reason == "missing" and self.counting else 0
        assert came == ["StockPickedShort", *self.serve()]

    @rule(quantity=quantities, source=buckets, to=buckets)
    def move(self, quantity: int, source: str, to: str) -> None:
        came = self.send(MoveStock(quantity=quantity, source=source, target=to, **PLACE))
        there = self.shelf if source == "available" else self.lying[source]
        if source == to:
            assert came == "move_changes_something"
        elif quantity > there:
            assert came == "move_within_source"
        else:
            self.lying[source] -= quantity
            self.lying[to] += quantity
            assert came == ["StockMoved", *self.serve()]

    @rule(quantity=quantities, source=st.sampled_from(["quality_control", "damaged"]))
    def write_off(self, quantity: int, source: str) -> None:
        came = self.send(WriteOffStock(quantity=quantity, source=source, **PLACE))
        if quantity > self.lying[source]:
            assert came == "write_off_within_source"
        else:
            assert came == ["StockWrittenOff"]
            self.lying[source] -= quantity

    @rule(delta=st.integers(-3, 3))
    def adjust(self, delta: int) -> None:
        came = self.send(AdjustStock(delta=delta, reason="loss", **PLACE))
        if delta == 0:
            assert came == "adjust_changes_something"
        elif delta < 0 and self.shelf + delta < 0:
            assert came == "adjust_within_available"
        else:
            self.lying["available"] += delta
            assert came == ["StockAdjusted", *self.serve()]

    @rule(quantity=quantities)
    def send_away(self, quantity: int) -> None:
        came = self.send(SendStock(quantity=quantity, **PLACE))
        if quantity > self.free:
            assert came == "send_within_available"
        else:
            assert came == ["StockSent"]
            self.lying["available"] -= quantity

    @rule()
    def start_count(self) -> None:
        came = self.send(StartCount(stocktake_id="k1", **PLACE))
        assert came == ([] if self.counting else ["StockCountStarted"])
        self.counting, self.missed = (
            self.counting or (self.on_hand, None),
            self.missed if self.counting else 0,
        )

    @rule(counted=st.integers(0, 9), as_of=st.sampled_from(["start", "now"]))
    def count(self, counted: int, as_of: str) -> None:
        came = self.send(CountStock(stocktake_id="k1", counted=counted, as_of=as_of, **PLACE))
        if not self.counting:
            assert came == "count_was_started"
            return
        assert came == ["StockCounted"]
        began, _ = self.counting
        self.missed = self.missed if as_of == "start" and self.on_hand != began else 0
        self.counting = (began, counted - (began if as_of == "start" else self.on_hand))

    @rule()
    def settle(self) -> None:
        came = self.send(SettleCount(stocktake_id="k1", **PLACE))
        if not self.counting:
            assert came == []
        elif self.counting[1] is None:
            assert came == "settle_what_is_counted"
        else:
            found = self.counting[1]
            self.lying["available"] += min(0, found + self.missed) if found < 0 else found
            self.counting = None
            assert came == ["StockCountSettled", *self.serve()]

    @invariant()
    def every_unit_is_accounted_for(self) -> None:
        stock = self.state
        assert stock.on_hand == stock.available + stock.committed + stock.unavailable == self.on_hand
        assert (stock.quality_control, stock.damaged) == (
            self.lying["quality_control"],
            self.lying["damaged"],
        )
        assert (stock.available, stock.incoming) == (self.free, self.incoming)
        held = {order: (each.quantity, each.expires_at is None) for order, each in stock.held.items()}
        assert held == self.held
        assert stock.allocated == sum(units for units, allocated in self.held.values() if allocated)

    @invariant()
    def nobody_waits_for_what_is_there_and_nobody_is_passed_over(self) -> None:
        assert [(each.order_id, each.quantity) for each in self.state.waiting] == self.line
        assert self.state.backordered == sum(units for _, units in self.line)
        assert not self.line or self.line[0][1] > self.state.available


TestInventory = InventoryMachine.TestCase

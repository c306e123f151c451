"""Do an order's books add up to the cent, whatever is cancelled, changed, held and shipped, in any order?

The model: units of each line and what of them is sent, the holds that stand, and the change set that is open.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from domain.order import (
    ORDER,
    AddLine,
    ApplyOrderEdit,
    CancelOrder,
    CancelOrderLines,
    ConfirmOrder,
    ConfirmOrderEdit,
    DeclineOrderEdit,
    HoldOrder,
    LineQuantity,
    OrderEdited,
    OrderLinesCancelled,
    OrderPlaced,
    ParcelUnits,
    PlaceOrder,
    ProposeOrderEdit,
    RecordDispatch,
    ReleaseOrder,
    RemoveLine,
    SetQuantity,
    SetShipping,
    StartPreparation,
)
from tests.property.machine import AggregateMachine
from tests.strategies import START, cents, good_placements, lines, quantities

numbers = st.integers(1, 3)
changes = st.one_of(
    st.builds(AddLine, line=lines),
    st.builds(SetQuantity, line=numbers, quantity=quantities),
    st.builds(RemoveLine, line=numbers),
    st.builds(SetShipping, line=numbers, unit_shipping_cents=cents),
)
LATER = START + timedelta(hours=2)


class OrderChanges(AggregateMachine):
    decider = ORDER

    def __init__(self) -> None:
        super().__init__()
        self.units: dict[int, int] = {}
        self.sent: dict[int, int] = {}
        self.holds: set[str] = set()
        self.used: set[str] = set()
        self.over = False
        self.count = 0

    @initialize(command=good_placements())
    def begin(self, command: PlaceOrder) -> None:
        assert self.send(command) == ["OrderPlaced"]
        self.send(ConfirmOrder(order_id="o1"))
        self.units = {line.line: line.quantity for line in command.lines}

    def learn(self) -> None:
        """What the events say of lines, taken from them one by one."""
        self.units = {number: line.quantity for number, line in self.state.lines.items()}
        self.over = self.state.status not in ("placed", "reserved", "confirmed")
        if self.state.status == "cancelled":  # holds end with the order, also where its last line was cut
            self.holds.clear()

    @precondition(lambda self: self.units)
    @rule(wanted=st.dictionaries(numbers, quantities, min_size=1, max_size=3))
    def cancel_units(self, wanted: dict[int, int]) -> None:
        self.count += 1
        cuts = tuple(LineQuantity(line=line, quantity=quantity) for line, quantity in wanted.items())
        before = dict(self.units)
        came = self.send(
            CancelOrderLines(order_id="o1", cancel_id=str(self.count), reason="staff", lines=cuts)
        )
        possible = all(
            line in before and quantity <= before[line] - self.sent.get(line, 0)
            for line, quantity in wanted.items()
        )
        assert isinstance(came, list) == (possible and not self.over and not self.under_way)
        if isinstance(came, list):
            self.learn()
            if "OrderLinesCancelled" in came:
                left = {line: units - wanted.get(line, 0) for line, units in before.items()}
                assert self.units == {line: units for line, units in left.items() if units}

    @property
    def under_way(self) -> bool:
        return bool(self.state.proposal and self.state.proposal.confirmed)

    @rule(wanted=st.lists(changes, min_size=1, max_size=3))
    def propose(self, wanted: list[Any]) -> None:
        self.count += 1
        before = self.state
        fields: dict[str, Any] = {"order_id": "o1", "change_set_id": f"e{self.count}"}
        came = self.send(ProposeOrderEdit(**fields, changes=tuple(wanted), now=START, expires_at=LATER))
        assert (self.state.lines, self.state.payments) == (before.lines, before.payments)
        if before.proposal or self.over:
            assert isinstance(came, str)

    @precondition(lambda self: self.state.proposal)
    @rule(
        what=st.sampled_from(["confirm", "confirm", "late", "apply", "apply", "decline", "stock", "expired"])
    )
    def decide(self, what: str) -> None:
        proposal = self.state.proposal
        assert proposal
        ids = {"order_id": "o1", "change_set_id": proposal.edit.change_set_id}
        command: Any
        match what:
            case "confirm" | "late":
                command = ConfirmOrderEdit(**ids, now=LATER if what == "late" else START)
            case "apply":
                command = ApplyOrderEdit(**ids)
            case "decline":
                command = DeclineOrderEdit(**ids, reason="staff")
            case _:
                command = DeclineOrderEdit.model_validate({**ids, "reason": what})
        total = self.state.total_cents
        came = self.send(command)
        if isinstance(came, list) and "OrderEdited" in came:
            assert self.state.total_cents == proposal.edit.total_cents == total + proposal.edit.change_cents
        else:
            assert self.state.total_cents == total
        self.learn()

    @rule(wanted=st.dictionaries(numbers, quantities, max_size=2), name=st.sampled_from(["s1", "s2"]))
    def dispatch(self, wanted: dict[int, int], name: str) -> None:
        """A parcel with some units of some lines, at most those that are left; or with all that is left."""
        units = []
        for line, quantity in wanted.items():
            left = self.state.lines.get(line) and self.state.left(line)
            if left:
                place = self.state.lines[line]
                count = min(left, quantity)
                units.append(ParcelUnits(sku=place.sku, warehouse=place.warehouse, quantity=count))
        before = sum(self.state.sent.values())
        came = self.send(RecordDispatch(order_id="o1", shipment_id=name, units=tuple(units)))
        assert isinstance(came, list)
        if "OrderPartShipped" in came:
            assert sum(self.state.sent.values()) == before + sum(each.quantity for each in units)
        self.sent = dict(self.state.sent)
        self.learn()

    @rule(name=st.sampled_from(["h1", "h2", "h3"]))
    def hold(self, name: str) -> None:
        came = self.send(HoldOrder(order_id="o1", hold_id=name, reason="staff"))
        if name in self.holds:
            assert came == []
        elif name in self.used:
            assert came == "hold_id_unique"
        elif self.over:
            assert came == "hold_before_shipping"
        else:
            assert came == ["OrderHeld"]
            self.holds.add(name)
            self.used.add(name)

    @rule(name=st.sampled_from(["h1", "h2", "h3"]))
    def release(self, name: str) -> None:
        came = self.send(ReleaseOrder(order_id="o1", hold_id=name))
        if name in self.holds:
            assert came == ["OrderReleased"]
            self.holds.discard(name)
        else:
            assert came == ([] if name in self.used else "hold_exists")

    @rule()
    def prepare(self) -> None:
        came = self.send(StartPreparation(order_id="o1"))
        assert not (self.holds and came == ["OrderPreparationStarted"])

    @rule(really=st.sampled_from([False, False, True]))
    def cancel(self, really: bool) -> None:
        if really:
            self.send(CancelOrder(order_id="o1", reason="customer"))
            self.learn()

    @invariant()
    def the_books_add_up(self) -> None:
        """Property 4: lines with their shipping and adjustments are the total, which is what is paid."""
        if not self.stream:
            return
        placed = self.stream[0]
        assert isinstance(placed, OrderPlaced)
        changed = [e for e in self.stream if isinstance(e, OrderLinesCancelled | OrderEdited)]
        assert self.state.total_cents == placed.total_cents + sum(event.change_cents for event in changed)
        if changed:
            assert changed[-1].total_cents == self.state.total_cents >= 0
        paid = sum(due.amount_cents for due in self.state.payments.values())
        assert paid == (0 if placed.on_account else self.state.total_cents)
        assert all(due.amount_cents >= 0 for due in self.state.payments.values())

    @invariant()
    def products_and_units_are_told_as_they_are(self) -> None:
        """What inventory and analytics hear comes to what the lines say."""
        if not self.stream:
            return
        units: dict[tuple[str, str], int] = {}
        items = 0
        for line in self.stream[0].lines:  # type: ignore[attr-defined]
            units[line.sku, line.warehouse] = units.get((line.sku, line.warehouse), 0) + line.quantity
            items += line.quantity * line.unit_price_cents
        for event in self.stream:
            if isinstance(event, OrderLinesCancelled | OrderEdited):
                for each in event.units:
                    place = (each.sku, each.warehouse)
                    units[place] = units.get(place, 0) + each.change
                    assert units[place] == each.quantity
                items += sum(each.items_change_cents for each in event.products)
        now = self.state.lines.values()
        assert sum(units.values()) == sum(line.quantity for line in now)
        assert items == sum(line.quantity * line.unit_price_cents for line in now)

    @invariant()
    def no_more_is_sent_than_is_wanted(self) -> None:
        assert all(0 <= units <= self.state.lines[line].quantity for line, units in self.state.sent.items())


TestOrderChanges = OrderChanges.TestCase

"""Does any run of commands leave an order where a plain table of its life says?"""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from domain.order import (
    ORDER,
    CancelOrder,
    CompleteOrder,
    ConfirmOrder,
    MarkReserved,
    OpenOrderDiscrepancy,
    OrderDiscrepancyOpened,
    OrderDiscrepancyResolved,
    OrderPlaced,
    PlaceOrder,
    RecordDispatch,
    ResolveOrderDiscrepancy,
    StartPreparation,
    order_total,
)
from tests.property.machine import AggregateMachine
from tests.strategies import good_placements, odd_placements, reasons

BEFORE_SHIPPING = ("placed", "reserved", "confirmed")


ABOUT = {"e1": "p1", "e2": "p1", "e3": "p2"}


class OrderMachine(AggregateMachine):
    """The model: where the order is, whether it is being prepared, what the carrier did, which facts told of
    each kind of discrepancy, and the last about each thing that nobody resolved since."""

    decider = ORDER

    def __init__(self) -> None:
        super().__init__()
        self.status = "none"
        self.preparing = False
        self.dispatched = False
        self.told: dict[str, dict[str, str]] = {}
        self.open: dict[str, dict[str, str]] = {}

    @initialize(command=good_placements(), first=st.sampled_from([True, True, True, False]))
    def begin(self, command: PlaceOrder, first: bool) -> None:
        if first:
            self.place(command)

    @rule(command=good_placements())
    def place(self, command: PlaceOrder) -> None:
        expected = ["OrderPlaced"] if self.status == "none" else "order_id_unique"
        assert self.send(command) == expected
        self.status = "placed" if self.status == "none" else self.status

    @precondition(lambda self: self.status == "none")
    @rule(command=odd_placements)
    def place_anything(self, command: PlaceOrder) -> None:
        if self.send(command) == ["OrderPlaced"]:
            assert self.status == "none"
            self.status = "placed"

    @rule()
    def mark_reserved(self) -> None:
        self.expect(MarkReserved(order_id="o1"), "OrderReserved", self.status == "placed", "reserved")

    @rule()
    def confirm(self) -> None:
        possible = self.status in ("placed", "reserved")
        self.expect(ConfirmOrder(order_id="o1"), "OrderConfirmed", possible, "confirmed")

    @rule()
    def complete(self) -> None:
        command = CompleteOrder(order_id="o1")
        if self.status in (*BEFORE_SHIPPING, "cancelled"):
            assert self.send(command) == "complete_shipped"
        else:
            self.expect(command, "OrderCompleted", self.status == "shipped", "completed")

    def expect(
        self, command: MarkReserved | ConfirmOrder | CompleteOrder, event: str, possible: bool, status: str
    ) -> None:
        """A step of the life: made if it is the next, else nothing; refused if there is no order."""
        if self.status == "none":
            assert self.send(command) == "order_exists"
        else:
            assert self.send(command) == ([event] if possible else [])
            self.status = status if possible else self.status

    @rule()
    def prepare(self) -> None:
        came = self.send(StartPreparation(order_id="o1"))
        if self.status == "confirmed":
            assert came == ([] if self.preparing else ["OrderPreparationStarted"])
            self.preparing = True
        else:
            assert came == ("order_exists" if self.status == "none" else "prepare_confirmed")

    @rule(parcel=st.sampled_from(["o1", "o1.2"]))
    def dispatch(self, parcel: str) -> None:
        came = self.send(RecordDispatch(order_id="o1", shipment_id=parcel))
        if self.status == "none":
            assert came == "order_exists"
        elif self.dispatched:
            assert came == []
        elif self.status == "cancelled":
            self.contradict(came, "shipped_after_cancel", parcel, parcel)
        else:
            assert came == ["OrderShipped"]
            self.status, self.dispatched = "shipped", True

    def contradict(self, came: list[str] | str, kind: str, fact: str, about: str) -> None:
        """Each fact is told once, whatever was resolved meanwhile; a new one opens the kind again."""
        known = self.told.setdefault(kind, {})
        assert came == ([] if fact in known else ["OrderDiscrepancyOpened"])
        if fact not in known:
            self.open.setdefault(kind, {})[about] = fact
        known[fact] = about

    @rule(kind=st.sampled_from(["not_captured", "not_shippable"]), fact=st.sampled_from(["e1", "e2", "e3"]))
    def money_or_goods_do_not_move(self, kind: str, fact: str) -> None:
        about = ABOUT[fact]
        told = {"order_id": "o1", "kind": kind, "fact": fact, "about": about}
        command = OpenOrderDiscrepancy.model_validate(told)
        came = self.send(command)
        if self.status == "none":
            assert came == "order_exists"
        else:
            self.contradict(came, kind, fact, about)

    @rule(
        kind=st.sampled_from(["not_captured", "not_shippable", "shipped_after_cancel"]),
        fact=st.sampled_from(["", "e1", "e2", "e3"]),
    )
    def resolve(self, kind: str, fact: str) -> None:
        """Never more than one matter: the one whose last fact is named, or the only one that there is."""
        came = self.send(ResolveOrderDiscrepancy(order_id="o1", kind=kind, reason="seen", fact=fact))
        told, unresolved = self.told.get(kind, {}), self.open.get(kind, {})
        about = told.get(fact) if fact else next(iter(unresolved), None)
        if self.status == "none":
            assert came == "order_exists"
        elif not told or (fact and fact not in told):
            assert came == "discrepancy_exists"
        elif not fact and len(unresolved) > 1:
            assert came == "fact_named"
        elif about not in unresolved:
            assert came == []
        elif fact and unresolved[about] != fact:
            assert came == "fact_seen"
        else:
            assert came == ["OrderDiscrepancyResolved"]
            del unresolved[about]
            last = self.stream[-1]
            assert isinstance(last, OrderDiscrepancyResolved)
            assert (last.about, last.remaining) == (about, len(unresolved))

    @rule(reason=reasons)
    def cancel(self, reason: str) -> None:
        came = self.send(CancelOrder.model_validate({"order_id": "o1", "reason": reason}))
        came_back = self.status in ("shipped", "completed") and reason == "returned"
        if self.status in BEFORE_SHIPPING or came_back:
            assert came == ["OrderCancelled"]
            self.status = "cancelled"
        elif self.status == "cancelled":
            assert came == []
        else:
            assert came == ("order_exists" if self.status == "none" else "cancel_before_shipping")

    @invariant()
    def is_where_the_model_is(self) -> None:
        assert self.state.status == self.status
        assert self.state.preparing == self.preparing
        assert self.state.discrepancies == {kind: facts for kind, facts in self.open.items() if facts}

    @invariant()
    def the_books_add_up(self) -> None:
        for event in self.stream[:1]:
            assert isinstance(event, OrderPlaced)
            assert event.total_cents == order_total(event.lines, event.adjustments)
            paid = sum(portion.amount_cents for portion in event.portions)
            assert paid == (0 if event.on_account else event.total_cents)

    @invariant()
    def every_step_is_made_once(self) -> None:
        kinds = [type(event) for event in self.stream if not isinstance(event, OrderDiscrepancyResolved)]
        told = [event for event in self.stream if isinstance(event, OrderDiscrepancyOpened)]
        steps = [kind for kind in kinds if kind is not OrderDiscrepancyOpened]
        assert len(set(steps)) == len(steps)
        assert len({(event.kind, event.fact) for event in told}) == len(told)


TestOrder = OrderMachine.TestCase

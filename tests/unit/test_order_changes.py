"""Do part cancels and change sets keep an order's books, and is only what is not shipped changed?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.allocation.rules import AllocationRules, AllocationTerms, FewestSplits, Site
from domain.order import (
    ALLOCATION_CUT,
    AddLine,
    Adjustment,
    ApplyOrderEdit,
    CancelOrder,
    CancelOrderLines,
    CancelOrderRest,
    ConfirmOrderEdit,
    DeclineOrderEdit,
    Line,
    LineQuantity,
    Order,
    OrderAddressChanged,
    OrderAddressProposed,
    OrderCancelled,
    OrderConfirmed,
    OrderDiscrepancyOpened,
    OrderEditConfirmed,
    OrderEditDeclined,
    OrderEdited,
    OrderEditProposed,
    OrderEvent,
    OrderLinesCancelled,
    OrderParcelUnwanted,
    OrderPartShipped,
    OrderPlaced,
    OrderReserved,
    OrderShipped,
    ParcelUnits,
    Portion,
    ProposeOrderEdit,
    RecordDispatch,
    RemoveLine,
    SetQuantity,
    SetShipping,
)
from domain.personal import Customer
from tests.unit.test_order import SHIPPED, order, place, placed

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
TOPS = Line(line=1, sku="A-1", quantity=3, unit_price_cents=1000, unit_shipping_cents=100)
BALLS = Line(line=2, sku="B.2", category="toys", quantity=1, unit_price_cents=700)
LOST = Adjustment(kind="shortfall", amount_cents=101)
PORTIONS = (
    Portion(payment_id="p1", method="card", amount_cents=3000),
    Portion(payment_id="p2", method="voucher", amount_cents=899, sequence=2),
)
PLACED = placed(place(lines=(TOPS, BALLS), adjustments=(LOST,), portions=PORTIONS), 3899)
TO_CONFIRMED: tuple[OrderEvent, ...] = (PLACED, OrderReserved(order_id="o1"), OrderConfirmed(order_id="o1"))


def cut(*lines: tuple[int, int], cancel_id: str = "c1", reason: Any = "customer") -> CancelOrderLines:
    wanted = tuple(LineQuantity(line=line, quantity=quantity) for line, quantity in lines)
    return CancelOrderLines(order_id="o1", cancel_id=cancel_id, reason=reason, lines=wanted)


def propose(*changes: Any, **fields: Any) -> ProposeOrderEdit:
    usual = {"order_id": "o1", "change_set_id": "e1", "now": NOW, "expires_at": LATER}
    return ProposeOrderEdit(**{**usual, "changes": changes, **fields})


def confirm(now: datetime = NOW) -> ConfirmOrderEdit:
    return ConfirmOrderEdit(order_id="o1", change_set_id="e1", now=now)


def after(*events: OrderEvent) -> Order:
    return order.given(*events).state


def adds_up(state: Order) -> None:
    assert sum(due.amount_cents for due in state.payments.values()) == state.total_cents >= 0


def proposed(*changes: Any, history: tuple[OrderEvent, ...] = TO_CONFIRMED) -> tuple[OrderEvent, ...]:
    return (*history, *order.given(*history).when(propose(*changes)).events)


def test_part_cancel_takes_its_part_of_the_money_to_the_cent() -> None:
    outcome = order.given(*TO_CONFIRMED).when(cut((1, 1)))
    (event,) = outcome.events
    assert isinstance(event, OrderLinesCancelled)
    # 2900 of 4000 cents stay, and so 73 of 101 cents of the shortfall
    assert (event.total_cents, event.change_cents, event.adjustment_cents) == (2827, -1072, -73)
    assert {each.payment_id: each.change_cents for each in event.payments} == {"p1": -825, "p2": -247}
    assert [(each.sku, each.quantity, each.change) for each in event.units] == [("A-1", 2, -1)]
    adds_up(outcome.state)


def test_part_cancels_one_after_the_other_come_to_the_whole() -> None:
    events = list(TO_CONFIRMED)
    for number, line in enumerate((1, 1, 2), 1):
        events += order.given(*events).when(cut((line, 1), cancel_id=f"c{number}")).events
        adds_up(after(*events))
    order.given(*events).when(cut((1, 1), cancel_id="c9")).then(
        OrderCancelled(order_id="o1", reason="customer")
    )


FEWEST = AllocationRules(rules=(FewestSplits(kind="fewest_splits"),))
BY_RULES = AllocationTerms(version=1, rules=FEWEST, sites=(Site(warehouse="main"),))
ALLOCATED = (PLACED.model_copy(update={"allocation": BY_RULES}), *TO_CONFIRMED[1:])


@pytest.mark.parametrize("cancel_id", ["c1", ALLOCATION_CUT])
def test_an_order_allocated_by_rules_is_cut_and_changed_as_any_other(cancel_id: str) -> None:
    (event,) = order.given(*ALLOCATED).when(cut((1, 1), cancel_id=cancel_id, reason="stock")).events
    assert isinstance(event, OrderLinesCancelled)
    (edit,) = order.given(*ALLOCATED).when(propose(SetQuantity(line=1, quantity=4))).events
    assert isinstance(edit, OrderEditProposed)
    cancelled = OrderCancelled(order_id="o1", reason="customer")
    order.given(*ALLOCATED).when(cut((1, 3), (2, 1))).then(cancelled)
    order.given(*ALLOCATED).when(CancelOrder(order_id="o1", reason="customer")).then(cancelled)


def unfound(*lines: tuple[int, int]) -> CancelOrderLines:
    return cut(*lines, cancel_id="short-1", reason="stock").model_copy(update={"unfound": True})


def test_what_is_not_found_is_cut_as_far_as_it_is_left() -> None:
    """Somebody may have called it off meanwhile, or all of the order, or it is shipped."""
    (event,) = order.given(*TO_CONFIRMED).when(unfound((1, 9), (7, 1))).events
    assert isinstance(event, OrderLinesCancelled)
    assert [(each.line, each.quantity) for each in event.lines] == [(1, 3)]
    cancelled = OrderCancelled(order_id="o1", reason="customer")
    order.given(*TO_CONFIRMED, cancelled).when(unfound((1, 1))).then_nothing()


def test_what_left_though_it_was_not_found_is_told() -> None:
    shipped = (*TO_CONFIRMED, OrderShipped(order_id="o1"))
    told = OrderDiscrepancyOpened(order_id="o1", kind="shipped_though_missing", fact="short-1")
    order.given(*shipped).when(unfound((1, 1))).then(told)
    order.given(*shipped, told).when(unfound((1, 1))).then_nothing()
    order.given(*shipped).when(unfound((7, 1))).then_nothing()


def test_what_was_not_found_may_be_what_was_called_off() -> None:
    """Of three units two have left, the third was cancelled, and one was not found: that may be the third."""
    parcel = (ParcelUnits(sku="A-1", warehouse="main", quantity=2),)
    left = order.given(*TO_CONFIRMED).when(RecordDispatch(order_id="o1", shipment_id="s1", units=parcel))
    called_off = order.given(*TO_CONFIRMED, *left.events).when(cut((1, 1), cancel_id="c1"))
    rest = order.given(*TO_CONFIRMED, *left.events, *called_off.events)
    rest.when(unfound((1, 1))).then_nothing()
    (told,) = rest.when(unfound((1, 2))).events
    assert isinstance(told, OrderDiscrepancyOpened)


def test_what_was_nowhere_is_not_called_off() -> None:
    """Of three units one was nowhere, two have left, and now another is told to be nowhere."""
    first = order.given(*TO_CONFIRMED).when(unfound((1, 1)))
    parcel = (ParcelUnits(sku="A-1", warehouse="main", quantity=2),)
    dispatch = RecordDispatch(order_id="o1", shipment_id="s1", units=parcel)
    left = order.given(*TO_CONFIRMED, *first.events).when(dispatch)
    late = unfound((1, 1)).model_copy(update={"cancel_id": "short-2"})
    (told,) = order.given(*TO_CONFIRMED, *first.events, *left.events).when(late).events
    assert isinstance(told, OrderDiscrepancyOpened)


def test_what_is_not_found_is_cut_down_to_what_there_is() -> None:
    """Of three units one is nowhere; another was called off before it was told, so nothing is left to cut."""
    two = unfound((1, 1)).model_copy(update={"had": {1: 2}})
    (event,) = order.given(*TO_CONFIRMED).when(two).events
    assert isinstance(event, OrderLinesCancelled)
    assert event.lines[0].left == 2
    fewer = order.given(*TO_CONFIRMED).when(cut((1, 1))).events
    order.given(*TO_CONFIRMED, *fewer).when(two).then_nothing()


def test_what_is_not_found_of_a_line_that_has_left_is_cut_of_another_of_its_product() -> None:
    """Of three units of a product two were found, and have left as those of the first line."""
    more = Line(line=2, sku="A-1", quantity=1, unit_price_cents=700)
    portion = Portion(payment_id="p1", method="card", amount_cents=2900)
    ordered = placed(place(lines=(TOPS.model_copy(update={"quantity": 2}), more), portions=(portion,)), 2900)
    history = (ordered, *TO_CONFIRMED[1:])
    parcel = (ParcelUnits(sku="A-1", warehouse="main", quantity=2),)
    left = order.given(*history).when(RecordDispatch(order_id="o1", shipment_id="s1", units=parcel)).events
    told = {"had": {1: 1, 2: 1}, "skus": {1: "A-1"}, "warehouse": "main"}
    short = unfound((1, 1)).model_copy(update=told)
    event, shipped = order.given(*history, *left).when(short).events
    assert isinstance(event, OrderLinesCancelled)
    assert [(each.line, each.quantity) for each in event.lines] == [(2, 1)]
    assert isinstance(shipped, OrderShipped)


def test_what_is_not_found_ends_a_change_that_is_under_way() -> None:
    history = proposed(SetQuantity(line=1, quantity=4))
    confirmed = order.given(*history).when(confirm()).events
    order.given(*history, *confirmed).when(cut((1, 1))).then_refused("edit_not_under_way")
    declined, event = order.given(*history, *confirmed).when(unfound((1, 1))).events
    assert isinstance(declined, OrderEditDeclined)
    assert (declined.reason, declined.confirmed) == ("superseded", True)
    assert isinstance(event, OrderLinesCancelled)


def test_a_part_cancel_told_twice_is_one() -> None:
    events = (*TO_CONFIRMED, *order.given(*TO_CONFIRMED).when(cut((1, 1))).events)
    order.given(*events).when(cut((1, 1))).then_nothing()


@pytest.mark.parametrize(
    ("rule", "lines"),
    [
        ("line_exists", ((9, 1),)),
        ("cancel_before_shipping", ((1, 4),)),
        ("lines_unique", ((1, 1), (1, 1))),
        ("cancel_something", ()),
    ],
)
def test_refuses_to_cancel_what_is_not_there(rule: str, lines: tuple[tuple[int, int], ...]) -> None:
    order.given(*TO_CONFIRMED).when(cut(*lines)).then_refused(rule)


def test_order_without_items_has_nothing_to_cancel_by_line_or_to_take_off() -> None:
    empty = placed(place(lines=(), adjustments=(), portions=(), imported=True), 0)
    order.given(empty).when(cut((1, 1))).then_refused("line_exists")
    confirmed = (empty, OrderConfirmed(order_id="o1"))
    order.given(*confirmed).when(propose(RemoveLine(line=1))).then_refused("line_exists")
    order.given(*confirmed).when(CancelOrder(order_id="o1", reason="staff"))
    added = after(*proposed(AddLine(line=TOPS), history=confirmed))
    assert added.proposal
    assert added.proposal.edit.total_cents == 3300


def shipped_units(sku: str, quantity: int, shipment_id: str = "s1") -> RecordDispatch:
    units = (ParcelUnits(sku=sku, warehouse="main", quantity=quantity),)
    return RecordDispatch(order_id="o1", shipment_id=shipment_id, units=units)


def test_fulfilled_when_all_units_are_dispatched_in_several_parcels() -> None:
    first = order.given(*TO_CONFIRMED).when(shipped_units("A-1", 3))
    first.then(
        OrderPartShipped(
            order_id="o1", shipment_id="s1", units=(ParcelUnits(sku="A-1", warehouse="main", quantity=3),)
        )
    )
    part = (*TO_CONFIRMED, *first.events)
    order.given(*part).when(shipped_units("A-1", 3)).then_nothing()
    order.given(*part).when(shipped_units("B.2", 1, "s2")).then(OrderShipped(order_id="o1", shipment_id="s2"))


def test_cancel_racing_with_shipping_is_refused_or_a_discrepancy() -> None:
    part = (*TO_CONFIRMED, *order.given(*TO_CONFIRMED).when(shipped_units("A-1", 2)).events)
    told = order.given(*part).when(CancelOrder(order_id="o1", reason="customer"))
    assert "2 units" in told.then_refused("cancel_before_shipping")
    order.given(*part).when(cut((1, 2))).then_refused("cancel_before_shipping")
    order.given(*TO_CONFIRMED, SHIPPED).when(cut((1, 1))).then_refused("cancel_before_shipping")
    # the other way about: a unit was called off, and the carrier has it all the same
    cancelled = (*TO_CONFIRMED, *order.given(*TO_CONFIRMED).when(cut((1, 1))).events)
    outcome = order.given(*cancelled).when(shipped_units("A-1", 3))
    surplus = OrderDiscrepancyOpened(order_id="o1", kind="shipped_after_cancel", about="s1", fact="s1")
    assert outcome.events[1:] == (surplus,)
    # and in a parcel that was to stay here, after all the others have left
    order.given(*TO_CONFIRMED, SHIPPED).when(shipped_units("A-1", 1)).then(surplus)
    order.given(*TO_CONFIRMED, SHIPPED, surplus).when(shipped_units("A-1", 1)).then_nothing()


def test_a_parcel_of_which_nothing_is_wanted_stays_so_when_more_is_wanted_later() -> None:
    cancelled = (*TO_CONFIRMED, *order.given(*TO_CONFIRMED).when(cut((2, 1))).events)
    left = order.given(*cancelled).when(shipped_units("B.2", 1, "s2"))
    unwanted = OrderParcelUnwanted(order_id="o1", shipment_id="s2")
    assert left.events[0] == unwanted
    assert [type(each) for each in left.events[1:]] == [OrderDiscrepancyOpened]
    again = BALLS.model_copy(update={"line": 3})
    history = proposed(AddLine(line=again), history=(*cancelled, *left.events))
    confirmed = (*history, *order.given(*history).when(confirm()).events)
    applied = (
        *confirmed,
        *order.given(*confirmed).when(ApplyOrderEdit(order_id="o1", change_set_id="e1")).events,
    )
    assert after(*applied).left(3) == 1
    order.given(*applied).when(shipped_units("B.2", 1, "s2")).then_nothing()


def test_what_is_left_of_a_shipped_order_is_called_off_and_it_is_shipped() -> None:
    part = (*TO_CONFIRMED, *order.given(*TO_CONFIRMED).when(shipped_units("A-1", 2)).events)
    outcome = order.given(*part).when(cut((1, 1), (2, 1)))
    assert [type(event) for event in outcome.events] == [OrderLinesCancelled, OrderShipped]
    adds_up(outcome.state)


def test_what_cannot_be_had_is_called_off_with_the_rest() -> None:
    """As agents ask for it: the whole order, while no part of it is shipped; what is left of it, later."""
    rest = CancelOrderRest(order_id="o1", cancel_id="p1.expired", reason="expired")
    order.given(*TO_CONFIRMED).when(rest).then(OrderCancelled(order_id="o1", reason="expired"))
    part = (*TO_CONFIRMED, *order.given(*TO_CONFIRMED).when(shipped_units("A-1", 2)).events)
    outcome = order.given(*part).when(rest)
    called_off, shipped = outcome.events
    assert isinstance(called_off, OrderLinesCancelled)
    assert [(each.line, each.quantity) for each in called_off.lines] == [(1, 1), (2, 1)]
    assert shipped == OrderShipped(order_id="o1"), "in no parcel"
    adds_up(outcome.state)
    order.given(*part, *outcome.events).when(rest).then_nothing()


def test_an_edit_that_takes_off_all_that_was_left_to_be_sent_ships_the_order() -> None:
    sent = order.given(*TO_CONFIRMED).when(shipped_units("A-1", 3)).events
    events = proposed(RemoveLine(line=2), history=(*TO_CONFIRMED, *sent))
    applied = order.given(*events).when(confirm())
    assert [type(each) for each in applied.events] == [OrderEditConfirmed, OrderEdited, OrderShipped]


def test_an_order_allocated_by_rules_counts_its_units_wherever_they_leave_from() -> None:
    def leaves(shipment_id: str, quantity: int) -> RecordDispatch:
        units = (ParcelUnits(sku="A-1", warehouse=f"of {shipment_id}", quantity=quantity),)
        return RecordDispatch(order_id="o1", shipment_id=shipment_id, units=units)

    tops = placed(place(lines=(TOPS,), adjustments=(), portions=(), on_account=True), 3300)
    confirmed = (tops.model_copy(update={"allocation": BY_RULES}), *TO_CONFIRMED[1:])
    first = order.given(*confirmed).when(leaves("s1", 1))
    assert [type(each) for each in first.events] == [OrderPartShipped]
    order.given(*confirmed, *first.events).when(leaves("s2", 2)).then(
        OrderShipped(order_id="o1", shipment_id="s2")
    )


def test_a_change_set_is_previewed_and_changes_nothing_yet() -> None:
    outcome = order.given(*TO_CONFIRMED).when(propose(SetQuantity(line=1, quantity=5), RemoveLine(line=2)))
    (event,) = outcome.events
    assert isinstance(event, OrderEditProposed)
    assert (event.change_cents, event.total_cents) == (1500, 5399)
    (payment,) = event.payments
    assert (payment.payment_id, payment.method, payment.amount_cents) == ("o1.e1", "card", 1500)
    assert [(each.sku, each.change) for each in event.units] == [("A-1", 2), ("B.2", -1)]
    assert (outcome.state.lines, outcome.state.total_cents) == ({1: TOPS, 2: BALLS}, 3899)


def test_edit_after_payment_that_needs_more_waits_for_stock_and_money() -> None:
    events = proposed(SetQuantity(line=1, quantity=5))
    confirmed = order.given(*events).when(confirm())
    (event,) = confirmed.events
    assert isinstance(event, OrderEditConfirmed)
    assert [each.change for each in event.units] == [2]
    assert [each.amount_cents for each in event.payments] == [2200]
    applied = order.given(*events, event).when(ApplyOrderEdit(order_id="o1", change_set_id="e1"))
    assert [type(each) for each in applied.events] == [OrderEdited]
    assert (applied.state.total_cents, applied.state.lines[1].quantity) == (6099, 5)
    adds_up(applied.state)


def test_edit_after_payment_that_needs_less_is_applied_at_once() -> None:
    applied = order.given(*proposed(SetQuantity(line=1, quantity=1))).when(confirm())
    assert [type(each) for each in applied.events] == [OrderEditConfirmed, OrderEdited]
    assert applied.state.total_cents == 1699
    adds_up(applied.state)


def test_several_payments_on_one_order_share_what_is_due() -> None:
    events = proposed(AddLine(line=Line(line=3, sku="C", quantity=1, unit_price_cents=500)))
    events = (*events, *order.given(*events).when(confirm()).events)
    events = (*events, *order.given(*events).when(ApplyOrderEdit(order_id="o1", change_set_id="e1")).events)
    state = after(*events)
    assert state.payments.keys() == {"p1", "p2", "o1.e1"}
    adds_up(state)
    adds_up(after(*events, *order.given(*events).when(cut((1, 2))).events))


def test_two_confirmations_of_a_change_set_are_one() -> None:
    events = proposed(SetQuantity(line=1, quantity=5))
    confirmed = (*events, *order.given(*events).when(confirm()).events)
    order.given(*confirmed).when(confirm()).then_nothing()
    applied = (
        *confirmed,
        *order.given(*confirmed).when(ApplyOrderEdit(order_id="o1", change_set_id="e1")).events,
    )
    order.given(*applied).when(confirm()).then_nothing()
    order.given(*applied).when(ApplyOrderEdit(order_id="o1", change_set_id="e1")).then_nothing()


def test_an_expired_proposal_counts_as_expired_before_anybody_says_so() -> None:
    events = proposed(SetQuantity(line=1, quantity=5))
    assert "expired at" in order.given(*events).when(confirm(LATER)).then_refused("change_set_open")
    expired = DeclineOrderEdit(order_id="o1", change_set_id="e1", reason="expired")
    declined = OrderEditDeclined(order_id="o1", change_set_id="e1", reason="expired")
    order.given(*events).when(expired).then(declined)
    order.given(*events, declined).when(expired).then_nothing()
    order.given(*events, declined).when(confirm()).then_refused("change_set_open")


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("edit_changes_something", (SetQuantity(line=1, quantity=3),)),
        ("edit_changes_something", ()),
        ("line_exists", (SetShipping(line=7, unit_shipping_cents=1),)),
        ("lines_unique", (AddLine(line=TOPS),)),
        ("order_has_lines", (RemoveLine(line=1), RemoveLine(line=2))),
        ("total_within_limit", (SetShipping(line=1, unit_shipping_cents=10**15),)),
    ],
)
def test_refuses_a_change_set_that_makes_no_order(rule: str, changes: tuple[Any, ...]) -> None:
    order.given(*TO_CONFIRMED).when(propose(*changes)).then_refused(rule)


def test_only_a_confirmed_order_that_is_not_shipped_is_changed() -> None:
    change = SetQuantity(line=1, quantity=5)
    order.given(PLACED).when(propose(change)).then_refused("edit_confirmed")
    order.given(*TO_CONFIRMED, SHIPPED).when(propose(change)).then_refused("edit_confirmed")
    part = (*TO_CONFIRMED, *order.given(*TO_CONFIRMED).when(shipped_units("A-1", 2)).events)
    order.given(*part).when(propose(SetQuantity(line=1, quantity=1))).then_refused("keep_what_is_shipped")
    order.given(*part).when(propose(RemoveLine(line=1))).then_refused("keep_what_is_shipped")


@pytest.mark.parametrize("change", [SetQuantity(line=1, quantity=1), RemoveLine(line=1)])
def test_what_leaves_while_a_change_set_is_looked_at_is_not_cut(change: Any) -> None:
    part = order.given(*proposed(change)).when(shipped_units("A-1", 2)).events
    order.given(*proposed(change), *part).when(confirm()).then_refused("keep_what_is_shipped")


def test_one_change_set_is_open_at_a_time() -> None:
    events = proposed(SetQuantity(line=1, quantity=5))
    other = propose(SetQuantity(line=1, quantity=4), change_set_id="e2")
    order.given(*events).when(other).then_refused("one_change_set")
    order.given(*events).when(propose(SetQuantity(line=1, quantity=5))).then_nothing()


def test_a_part_cancel_supersedes_a_proposal_but_not_a_change_that_is_under_way() -> None:
    events = proposed(SetQuantity(line=1, quantity=5))
    outcome = order.given(*events).when(cut((2, 1)))
    assert [type(event) for event in outcome.events] == [OrderEditDeclined, OrderLinesCancelled]
    confirmed = (*events, *order.given(*events).when(confirm()).events)
    order.given(*confirmed).when(cut((2, 1))).then_refused("edit_not_under_way")
    order.given(*confirmed).when(
        DeclineOrderEdit(order_id="o1", change_set_id="e1", reason="staff")
    ).then_refused("change_set_open")


def test_what_overtakes_a_change_under_way_undoes_it() -> None:
    events = proposed(SetQuantity(line=1, quantity=5))
    confirmed = (*events, *order.given(*events).when(confirm()).events)
    shipped = order.given(*confirmed).when(RecordDispatch(order_id="o1"))
    declined, last = shipped.events
    assert isinstance(declined, OrderEditDeclined)
    assert (declined.reason, declined.confirmed, last) == ("shipped", True, SHIPPED)
    assert [each.payment_id for each in declined.payments] == ["o1.e1"]
    apply = ApplyOrderEdit(order_id="o1", change_set_id="e1")
    order.given(*confirmed, *shipped.events).when(apply).then_nothing()
    cancelled = order.given(*confirmed).when(CancelOrder(order_id="o1", reason="customer"))
    assert [type(event) for event in cancelled.events] == [OrderEditDeclined, OrderCancelled]
    refused = DeclineOrderEdit(order_id="o1", change_set_id="e1", reason="stock")
    (undone,) = order.given(*confirmed).when(refused).events
    assert isinstance(undone, OrderEditDeclined)
    assert undone.confirmed


def test_an_address_is_changed_with_the_change_set_or_alone() -> None:
    there = Customer(customer_id="c1", customer_unique_id="u1", zip_prefix="20000", city="Rio")
    command = propose(subject="u1", customer=there, ship_to_state="RJ")
    events = order.given(*TO_CONFIRMED).when(command).events
    assert [type(event) for event in events] == [OrderEditProposed, OrderAddressProposed]
    applied = order.given(*TO_CONFIRMED, *events).when(confirm()).events
    assert [type(event) for event in applied] == [OrderEditConfirmed, OrderEdited, OrderAddressChanged]
    assert isinstance(applied[-1], OrderAddressChanged)
    assert applied[-1].customer == there


def test_an_order_on_account_owes_more_without_a_payment() -> None:
    account = placed(place(on_account=True, portions=()), 2300)
    history = (account, OrderConfirmed(order_id="o1"))
    applied = order.given(*proposed(SetShipping(line=1, unit_shipping_cents=200), history=history)).when(
        confirm()
    )
    assert [type(each) for each in applied.events] == [OrderEditConfirmed, OrderEdited]
    assert applied.state.total_cents == 2400
    assert isinstance(account, OrderPlaced)

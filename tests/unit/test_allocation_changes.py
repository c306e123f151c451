"""Does the plan follow what becomes of its order: cut, edited, picked short? Alone, and in a small shop."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from domain.aggregates import aggregate_of
from domain.allocation import (
    ALLOCATION,
    SENT_ANYWAY,
    SHORT_PICK,
    AllocationChangeDropped,
    AllocationChangeFailed,
    AllocationChangePlanned,
    AllocationChangeSettled,
    AllocationPlanned,
    AllocationRevised,
    AllocationSettled,
    DropAllocationChange,
    Free,
    OrderSplit,
    Pick,
    PlanAllocationChange,
    RemoveShortPick,
    ReviseAllocation,
    SettleAllocation,
    SettleAllocationChange,
    WantedLine,
)
from domain.allocation.rules import WhenShort
from domain.carrier import ParcelLine, ShipmentDispatched
from domain.inventory import ReceiveStock
from domain.kernel import Command, Refused
from domain.order import (
    AddLine,
    CancelOrder,
    CancelOrderLines,
    ConfirmOrderEdit,
    Line,
    LineQuantity,
    Order,
    OrderCancelled,
    OrderEditDeclined,
    OrderEdited,
    OrderHeld,
    OrderLinesCancelled,
    ProposeOrderEdit,
    ReleaseOrder,
    RemoveLine,
    SetQuantity,
)
from domain.streams import (
    allocation_stream,
    order_stream,
    pick_list_stream,
    shipment_stream,
    stock_stream,
)
from domain.warehouse.pick_list import (
    CancelPickList,
    PickLine,
    PickLineCut,
    PickList,
    PickShorted,
    PickUnits,
    ReleasePickList,
    ShortPick,
    StartPicking,
)
from services.agents.order import ORDER_AGENT
from tests.specification import Specification
from tests.unit.test_agents import NOW
from tests.unit.test_allocation_agents import Shop, a_shop, commands_of, placed, terms

allocation = Specification(ALLOCATION)


def pick(warehouse: str, quantity: int = 1, line: int = 1, sku: str = "A") -> Pick:
    return Pick(line=line, sku=sku, warehouse=warehouse, quantity=quantity)


def wanted(quantity: int, line: int = 1, sku: str = "A") -> WantedLine:
    return WantedLine(line=line, sku=sku, quantity=quantity)


def planned(*picks: Pick) -> AllocationPlanned:
    return AllocationPlanned(
        order_id="o1", attempt=1, settings_version=1, rule="name", picks=picks, candidates=()
    )


SETTLED = AllocationSettled(order_id="o1", attempt=1, warehouses=("w0",))
BOTH = (planned(pick("w0", 3), pick("w1", 2)), SETTLED)
CHANGE = {"order_id": "o1", "change_id": "e1"}


def test_a_plan_of_which_all_is_called_off_before_it_stands_never_does() -> None:
    gone = allocation.given(planned(pick("w0", 3))).when(
        ReviseAllocation(order_id="o1", cause="c1", lines=(wanted(1, line=2, sku="B"),), sent=())
    )
    settle = SettleAllocation(order_id="o1", attempt=1)
    allocation.given(planned(pick("w0", 3)), *gone.events).when(settle).then_nothing()


def revise(*lines: WantedLine, cause: str = "c1", sent: tuple[Free, ...] = ()) -> ReviseAllocation:
    return ReviseAllocation(order_id="o1", cause=cause, lines=lines, sent=sent)


def revised(*picks: Pick, cause: str = "c1", **fields: Any) -> AllocationRevised:
    return AllocationRevised(order_id="o1", cause=cause, picks=picks, **fields)


def test_a_part_cancel_lets_go_of_what_was_planned_last() -> None:
    after = revised(pick("w0", 3), pick("w1"), removed=(pick("w1"),))
    allocation.given(*BOTH).when(revise(wanted(4))).then(after)
    allocation.given(*BOTH, after).when(revise(wanted(4))).then_nothing()
    allocation.given(*BOTH).when(revise(wanted(2))).then(
        revised(pick("w0", 2), removed=(pick("w0"), pick("w1", 2)))
    )


def test_what_has_left_is_not_let_go() -> None:
    """The last units were sent first: so others are called off."""
    sent = (Free(sku="A", warehouse="w1", units=2),)
    allocation.given(*BOTH).when(revise(wanted(3), sent=sent)).then(
        revised(pick("w0"), pick("w1", 2), removed=(pick("w0", 2),))
    )


def test_units_go_from_a_line_that_is_removed_to_one_of_the_same_product() -> None:
    moved = (pick("w0", 3, line=2), pick("w1", 2, line=2))
    allocation.given(*BOTH).when(revise(wanted(5, line=2))).then(
        revised(*moved, added=moved, removed=(pick("w0", 3), pick("w1", 2)))
    )


def ask(
    attempt: int = 1, quantity: int = 2, known: tuple[Free, ...] = (), **fields: Any
) -> PlanAllocationChange:
    usual = {**CHANGE, "attempt": attempt, "terms": terms(), "lines": (wanted(quantity),), "known": known}
    return PlanAllocationChange(**{**usual, **fields})


def test_more_units_come_from_where_the_order_comes_from_if_that_splits_it_less() -> None:
    """Planned for themselves they would come from the first warehouse, in a parcel of their own."""
    from_w1 = AllocationPlanned(**{**dict(BOTH[0]), "picks": (pick("w1", 2),)})
    (event,) = allocation.given(from_w1).when(ask(quantity=1)).events
    assert isinstance(event, AllocationChangePlanned)
    assert event.picks == (pick("w1", 1),)


def test_more_units_are_planned_beside_what_is_planned() -> None:
    (event,) = allocation.given(*BOTH).when(ask()).events
    assert isinstance(event, AllocationChangePlanned)
    assert event.picks == (pick("w0", 2),)
    settle = SettleAllocationChange(**CHANGE, attempt=1)
    settled = AllocationChangeSettled(**CHANGE, attempt=1)
    allocation.given(*BOTH, event).when(settle).then(settled)
    allocation.given(*BOTH, event, settled).when(settle).then_nothing()
    # it is part of the plan once the order is another
    allocation.given(*BOTH, event, settled).when(revise(wanted(7), cause="e1")).then(
        revised(pick("w0", 5), pick("w1", 2), cause="e1", added=(pick("w0", 2),))
    )


def test_a_change_is_planned_anew_with_what_stock_said_and_fails_where_nothing_is_left() -> None:
    (first,) = allocation.given(*BOTH).when(ask()).events
    known = (Free(sku="A", warehouse="w0", units=0),)
    (second,) = allocation.given(*BOTH, first).when(ask(2, known=known)).events
    assert isinstance(second, AllocationChangePlanned)
    assert second.picks == (pick("w1", 2),)
    nothing = (*known, Free(sku="A", warehouse="w1", units=1))
    (failed,) = allocation.given(*BOTH, first, second).when(ask(3, known=nothing)).events
    assert isinstance(failed, AllocationChangeFailed)
    assert (failed.reason, failed.missing) == ("not_enough", (wanted(2),))
    allocation.given(*BOTH, first, second, failed).when(ask(4)).then_nothing()
    allocation.given(*BOTH, first).when(ask()).then_nothing()


def test_what_was_planned_for_a_change_that_came_to_nothing_is_no_part_of_the_plan() -> None:
    (event,) = allocation.given(*BOTH).when(ask()).events
    dropped = AllocationChangeDropped(**CHANGE)
    allocation.given(*BOTH, event).when(DropAllocationChange(**CHANGE)).then(dropped)
    allocation.given(*BOTH, event, dropped).when(SettleAllocationChange(**CHANGE, attempt=1)).then_nothing()
    allocation.given(*BOTH, event, dropped).when(revise(wanted(5), cause="e1")).then_nothing()


SHORT = RemoveShortPick(order_id="o1", short_id="short-1", pick=pick("w1"))
GONE = revised(pick("w0", 3), pick("w1"), cause="short-1", short=(pick("w1"),))


def test_a_short_pick_is_no_part_of_the_plan_any_more_and_not_let_go_either() -> None:
    allocation.given(*BOTH).when(SHORT).then(GONE)
    allocation.given(*BOTH, GONE).when(SHORT).then_nothing()


def test_units_instead_of_short_ones_count_as_soon_as_they_are_allocated() -> None:
    instead = ask(quantity=1, change_id="short-1")
    (event,) = allocation.given(*BOTH, GONE).when(instead).events
    settle = SettleAllocationChange(order_id="o1", change_id="short-1", attempt=1, revise=True)
    allocation.given(*BOTH, GONE, event).when(settle).then(
        revised(pick("w0", 4), pick("w1"), cause="short-1", added=(pick("w0"),)),
        AllocationChangeSettled(order_id="o1", change_id="short-1", attempt=1),
    )


def test_an_order_that_comes_from_one_more_warehouse_is_split() -> None:
    one = (planned(pick("w0")), SETTLED)
    (event,) = allocation.given(*one).when(ask(known=(Free(sku="A", warehouse="w0", units=0),))).events
    settled = AllocationChangeSettled(**CHANGE, attempt=1)
    outcome = allocation.given(*one, event, settled).when(revise(wanted(3), cause="e1"))
    assert outcome.events[1:] == (OrderSplit(order_id="o1", warehouses=("w0", "w1")),)


# ---- all agents together, each at its own pace


def ask_of(shop: Shop, stream: str, command: Command) -> bool:
    """What a person asks; whether it was not refused."""
    decider = aggregate_of(stream)
    try:
        events = decider.decide(command, decider.fold(shop.streams[stream]))
    except Refused:
        return False
    shop.append(stream, events)
    return True


def order_of(shop: Shop, order_id: str = "o1") -> Order:
    stream = order_stream("m", order_id)
    state: Order = aggregate_of(stream).fold(shop.streams[stream])
    return state


def plan_of(shop: Shop, order_id: str = "o1") -> tuple[Pick, ...]:
    return ALLOCATION.fold(shop.streams[allocation_stream("m", order_id)]).picks  # type: ignore[arg-type]


def lists_of(shop: Shop, order_id: str = "o1") -> list[PickList]:
    streams = (pick_list_stream("m", f"{order_id}.{number}") for number in range(1, 100))
    return [aggregate_of(each).fold(shop.streams[each]) for each in streams if each in shop.streams]


def to_fetch(shop: Shop, order_id: str = "o1") -> Counter[str]:
    """By warehouse: units that pick lists have, found or yet to be found. For which line of the product they
    are may change while they are fetched."""
    found: Counter[str] = Counter()
    for each in lists_of(shop, order_id):
        for number, line in each.lines.items() if each.status != "cancelled" else ():
            found[each.warehouse] += line.quantity - each.short.get(number, 0)
    return +found


def all_agree(shop: Shop, order_id: str = "o1") -> None:
    """Order, plan, stock and pick lists are of one mind at rest."""
    order, held = order_of(shop, order_id), Counter[str]()
    plan, places = Counter[tuple[int, str]](), Counter[str]()
    for each in plan_of(shop, order_id) if order.status != "cancelled" else ():
        plan[each.line, each.warehouse] += each.quantity
        places[each.warehouse] += each.quantity
    for number in range(3):
        if own := shop.stock(f"w{number}").held.get(order_id):
            held[f"w{number}"] = own.quantity
    assert held == places
    assert to_fetch(shop, order_id) == places
    lines = Counter[int]()
    for (line, _), units in plan.items():
        lines[line] += units
    if order.status == "cancelled":
        return
    missing = {number: line.quantity - lines[number] for number, line in order.lines.items()}
    assert not (lines.keys() - order.lines.keys())
    assert all(units >= 0 for units in missing.values())
    assert not any(missing.values()) or any(reason == "stock" for reason in order.holds.values())


def confirmed_shop(
    *stock: int, units: int = 2, when_short: WhenShort = "ship_available", seed: int = 0
) -> Shop:
    shop = a_shop(*stock, seed=seed)
    shop.place(placed("o1", units, terms(when_short, sites=len(stock))))
    shop.run()
    assert order_of(shop).status == "confirmed"
    all_agree(shop)
    return shop


def cut(units: int, line: int = 1, cancel_id: str = "c1") -> CancelOrderLines:
    lines = (LineQuantity(line=line, quantity=units),)
    return CancelOrderLines(order_id="o1", cancel_id=cancel_id, reason="customer", lines=lines)


def propose(*changes: Any, change_set_id: str = "e1") -> ProposeOrderEdit:
    later = NOW + timedelta(hours=1)
    ids = {"order_id": "o1", "change_set_id": change_set_id}
    return ProposeOrderEdit(**ids, changes=changes, now=NOW, expires_at=later)


def edit(shop: Shop, *changes: Any, change_set_id: str = "e1") -> None:
    stream = order_stream("m", "o1")
    assert ask_of(shop, stream, propose(*changes, change_set_id=change_set_id))
    confirm = ConfirmOrderEdit(order_id="o1", change_set_id=change_set_id, now=NOW)
    assert ask_of(shop, stream, confirm)
    shop.run()


def short(shop: Shop, pick_list_id: str, units: int, line: int = 1) -> None:
    stream = pick_list_stream("m", pick_list_id)
    ask_of(shop, stream, StartPicking(pick_list_id=pick_list_id))
    assert ask_of(shop, stream, ShortPick(pick_list_id=pick_list_id, line=line, short=units))
    shop.run()


def test_a_part_cancel_of_an_order_allocated_by_rules() -> None:
    """The units are let go where they were planned, and are not picked."""
    shop = confirmed_shop(2, 2, units=3)
    assert ask_of(shop, order_stream("m", "o1"), cut(1))
    shop.run()
    assert [(each.warehouse, each.quantity) for each in plan_of(shop)] == [("w0", 2)]
    assert [each.status for each in lists_of(shop)] == ["released", "cancelled"]
    all_agree(shop)


def test_units_in_hand_that_are_called_off_are_put_back() -> None:
    shop = confirmed_shop(5, units=3)
    stream = pick_list_stream("m", "o1.1")
    assert ask_of(shop, stream, StartPicking(pick_list_id="o1.1"))
    assert ask_of(shop, stream, PickUnits(pick_list_id="o1.1", line=1, picked=2))
    assert ask_of(shop, order_stream("m", "o1"), cut(2))
    shop.run()
    (event,) = shop.told(PickLineCut)
    assert (event.quantity, event.put_back) == (2, 1)
    all_agree(shop)


def test_an_edit_of_an_order_allocated_by_rules_is_planned_by_the_same_rules() -> None:
    shop = confirmed_shop(2, 2, units=2)
    new = Line(line=2, sku="A", quantity=1, unit_price_cents=500)
    edit(shop, AddLine(line=new), SetQuantity(line=1, quantity=3))
    assert shop.told(OrderEdited)
    assert order_of(shop).total_cents == 2000
    all_agree(shop)
    assert {each.warehouse for each in plan_of(shop)} == {"w0", "w1"}


def test_an_edit_for_which_no_warehouse_has_units_is_declined_for_stock() -> None:
    shop = confirmed_shop(2, 1, units=2)
    edit(shop, SetQuantity(line=1, quantity=4))
    (declined,) = shop.told(OrderEditDeclined)
    assert declined.reason == "stock"
    assert order_of(shop).status == "confirmed"
    all_agree(shop)


def test_an_edit_that_takes_units_off_needs_none() -> None:
    shop = confirmed_shop(3, units=3)
    edit(shop, SetQuantity(line=1, quantity=1))
    all_agree(shop)
    assert shop.told(AllocationChangePlanned) == []
    new = Line(line=2, sku="A", quantity=1, unit_price_cents=700)
    edit(shop, RemoveLine(line=1), AddLine(line=new), change_set_id="e2")
    all_agree(shop)


def test_what_is_not_found_is_planned_elsewhere() -> None:
    shop = confirmed_shop(2, 2, units=2)
    short(shop, "o1.1", 1)
    assert [(each.warehouse, each.quantity) for each in plan_of(shop)] == [("w0", 1), ("w1", 1)]
    assert shop.told(OrderLinesCancelled) == []
    all_agree(shop)


@pytest.mark.parametrize("when_short", ["ship_available"])
def test_pick_short_cuts_the_order(when_short: WhenShort) -> None:
    """Nowhere else is any: the line loses the units, and the money follows."""
    shop = confirmed_shop(2, 0, units=2, when_short=when_short)
    short(shop, "o1.1", 1)
    (event,) = shop.told(OrderLinesCancelled)
    assert (event.reason, event.change_cents, event.total_cents) == ("stock", -500, 500)
    assert event.cancel_id.startswith(SHORT_PICK)
    all_agree(shop)


def test_pick_short_of_all_of_it_cancels_the_order() -> None:
    shop = confirmed_shop(2, 0, units=2)
    short(shop, "o1.1", 2)
    assert [each.reason for each in shop.told(OrderCancelled)] == ["stock"]
    all_agree(shop)


@pytest.mark.parametrize("when_short", ["all_or_nothing", "backorder"])
def test_pick_short_of_an_order_that_is_all_or_nothing_asks_a_person(when_short: WhenShort) -> None:
    shop = confirmed_shop(2, 0, units=2, when_short=when_short)
    short(shop, "o1.1", 1)
    (held,) = shop.told(OrderHeld)
    assert (held.reason, shop.told(OrderLinesCancelled)) == ("stock", [])
    assert "1 of line 1" in held.note
    assert [each.held for each in lists_of(shop)] == [True]
    all_agree(shop)
    assert ask_of(shop, order_stream("m", "o1"), ReleaseOrder(order_id="o1", hold_id=held.hold_id))
    shop.run()
    assert [each.total_cents for each in shop.told(OrderLinesCancelled)] == [500]
    all_agree(shop)


def test_a_held_short_pick_whose_order_is_cut_by_its_buyer_is_cut_once() -> None:
    shop = confirmed_shop(2, 0, units=2, when_short="all_or_nothing")
    short(shop, "o1.1", 1)
    assert ask_of(shop, order_stream("m", "o1"), cut(1))
    shop.run()
    (held,) = shop.told(OrderHeld)
    assert ask_of(shop, order_stream("m", "o1"), ReleaseOrder(order_id="o1", hold_id=held.hold_id))
    shop.run()
    assert [each.total_cents for each in shop.told(OrderLinesCancelled)] == [500]
    all_agree(shop)


def test_units_that_are_short_and_called_off_at_once_are_let_go_once() -> None:
    """The cut is planned at the place that was found empty; other units come there meanwhile."""
    shop = confirmed_shop(2, 1, units=3, seed=53661)
    for name, which, units in (("short", 2, 1), ("cut", 1, 2), ("short", 1, 2), ("receive", 0, 2)):
        step(shop, name, which, units, 1)
    shop.run()
    all_agree(shop)


def test_a_change_that_is_planned_anew_after_its_order_gave_it_up_keeps_no_units() -> None:
    """It is superseded by the cut of what was not found, while stock says no to its first plan."""
    shop = confirmed_shop(0, 1, 1, when_short="all_or_nothing", seed=101)
    short(shop, "o1.1", 1)
    for name, which, units in (("edit", 2, 0), ("receive", 1, 1), ("release", 0, 0)):
        step(shop, name, which, units, 2)
    shop.run()
    assert [each.reason for each in shop.told(OrderEditDeclined)] == ["superseded"]
    all_agree(shop)


def test_a_unit_that_is_another_lines_by_now_is_no_short_pick_of_the_first() -> None:
    """The cut of one line gives its unit to the other while a picker looks for it."""
    shop = confirmed_shop(3, 2, 2, units=4, when_short="all_or_nothing", seed=0)
    step(shop, "edit", 2, 3, 0)
    shop.run()
    for name, which in (("cut", 1), ("short", 2)):
        step(shop, name, which, 1, 2)
    shop.run()
    all_agree(shop)


def test_of_what_is_not_found_a_part_may_be_elsewhere_and_the_rest_is_asked_for() -> None:
    shop = confirmed_shop(1, 1, 2, units=3, when_short="all_or_nothing")
    short(shop, "o1.2", 2)
    assert sum(each.quantity for each in plan_of(shop)) == 2
    (held,) = shop.told(OrderHeld)
    assert "1 of line 1" in held.note
    assert ask_of(shop, order_stream("m", "o1"), ReleaseOrder(order_id="o1", hold_id=held.hold_id))
    shop.run()
    assert order_of(shop).total_cents == 1000
    all_agree(shop)


def change_of(order: Order, which: int, units: int) -> Any:
    if which == 2 and 2 not in order.lines:
        return AddLine(line=Line(line=2, sku="A", quantity=units or 1, unit_price_cents=500))
    return SetQuantity(line=which, quantity=units) if units else RemoveLine(line=which)


def try_edit(shop: Shop, *changes: Any, change_set_id: str) -> None:
    stream = order_stream("m", "o1")
    if ask_of(shop, stream, propose(*changes, change_set_id=change_set_id)):
        ask_of(shop, stream, ConfirmOrderEdit(order_id="o1", change_set_id=change_set_id, now=NOW))


def try_short(shop: Shop, pick_list_id: str, units: int) -> None:
    stream = pick_list_stream("m", pick_list_id)
    ask_of(shop, stream, StartPicking(pick_list_id=pick_list_id))
    for line in (1, 2):
        ask_of(shop, stream, ShortPick(pick_list_id=pick_list_id, line=line, short=units))


def at_the_shelf(shop: Shop, name: str, which: int, units: int, pick_list_id: str) -> None:
    """All lines of a list short, or what became of one line of this list, if there is one."""
    if name == "short":
        try_short(shop, f"o1.{which}", units)
        return
    ids = {"pick_list_id": pick_list_id, "line": which}
    if (stream := pick_list_stream("m", pick_list_id)) in shop.streams:
        ask_of(shop, stream, StartPicking(pick_list_id=pick_list_id))
        done = PickUnits(**ids, picked=units) if name == "pick" else ShortPick(**ids, short=units)
        ask_of(shop, stream, done)


def step(shop: Shop, name: str, which: int, units: int, number: int) -> None:
    stream, order, place = order_stream("m", "o1"), order_of(shop), {"sku": "A", "warehouse": f"w{which}"}
    match name:
        case "cut":
            ask_of(shop, stream, cut(units, which, f"c{number}"))
        case "edit":
            try_edit(shop, change_of(order, which, units), change_set_id=f"e{number}")
        case "cut both":
            both = tuple(LineQuantity(line=line, quantity=1) for line in (1, 2))
            ids = {"order_id": "o1", "cancel_id": f"c{number}"}
            ask_of(shop, stream, CancelOrderLines(**ids, reason="customer", lines=both))
        case "edit both":
            try_edit(shop, change_of(order, 1, which), change_of(order, 2, units), change_set_id=f"e{number}")
        case "short" | "short line" | "pick":
            at_the_shelf(shop, name, which, units, f"o1.{1 + number % 2}")
        case "receive":
            ask_of(shop, stock_stream("m", **place), ReceiveStock(**place, quantity=units))
        case "release":
            for hold_id in order.holds:
                ask_of(shop, stream, ReleaseOrder(order_id="o1", hold_id=hold_id))
        case "cancel":
            ask_of(shop, stream, CancelOrder(order_id="o1", reason="customer"))
        case _:
            shop.run(units or 10**6)


Step = tuple[str, int, int]


def played(
    stock: list[int],
    units: int,
    when_short: WhenShort,
    seed: int,
    *steps: Step,
    settled: bool = True,
    second: int = 0,
) -> Shop:
    """An order of line 1, or of as many units as `second` on a line 2 of the product too, and what becomes of
    it; at rest. Changes come at any time: also while others are under way, and the agents are late."""
    shop = a_shop(*stock, seed=seed)
    first = Line(line=1, sku="A", quantity=units, unit_price_cents=500)
    lines = (first, first.model_copy(update={"line": 2, "quantity": second}))[: 2 if second else 1]
    of_all = placed("o1", units + second, terms(when_short, sites=len(stock)))
    shop.place(of_all.model_copy(update={"lines": lines}))
    if settled:
        shop.run()
    for number, (name, which, some) in enumerate(steps):
        step(shop, name, which, some, number)
    shop.run()
    return shop


REST = ("rest", 0, 0)


def test_an_order_that_is_planned_short_and_cut_by_its_buyer_at_once_is_left_with_what_there_is() -> None:
    shop = played([1], 4, "ship_available", 0, ("run", 0, 6), ("cut", 1, 2), settled=False)
    all_agree(shop)
    assert order_of(shop).lines[1].quantity == 1


def test_a_cut_that_comes_too_late_for_what_was_not_found_takes_the_unit_of_another_list() -> None:
    shop = played([3, 1], 1, "all_or_nothing", 29645, ("edit", 1, 3), REST, ("edit", 1, 1), ("short", 2, 2))
    all_agree(shop)


def test_what_comes_instead_of_a_line_that_is_gone_is_another_lines() -> None:
    steps = (("edit", 2, 2), REST, ("cut", 1, 1), ("short", 1, 1), ("short", 2, 1))
    shop = played([2, 0, 1], 1, "all_or_nothing", 52565, *steps)
    all_agree(shop)
    assert {each.line for each in plan_of(shop)} == {2}


def test_the_next_change_waits_until_stock_has_answered_for_the_one_that_was_dropped() -> None:
    steps = (("receive", 0, 1), ("short", 1, 2), ("edit", 2, 0), ("short", 2, 1))
    shop = played([2, 2], 3, "ship_available", 41805, *steps)
    all_agree(shop)
    assert shop.told(OrderEditDeclined)


def test_two_lists_and_a_line_of_both_are_short_at_once() -> None:
    steps = (("edit", 2, 4), REST, ("short", 3, 1), ("short", 2, 2), ("edit", 2, 2), ("short", 1, 1))
    all_agree(played([2, 3, 3], 2, "all_or_nothing", 13246, *steps))


def test_what_is_called_off_of_two_lines_at_once_is_called_off_their_list() -> None:
    shop = confirmed_shop(6, units=3)
    edit(shop, AddLine(line=Line(line=2, sku="A", quantity=3, unit_price_cents=500)))
    step(shop, "cut both", 0, 0, 1)
    shop.run()
    all_agree(shop)
    step(shop, "edit both", 1, 1, 2)
    shop.run()
    all_agree(shop)


@pytest.mark.parametrize("pace", range(1, 8))
@pytest.mark.parametrize("seed", range(10))
def test_a_cut_that_crossed_a_short_pick_swallows_no_later_one(seed: int, pace: int) -> None:
    steps = (("cut", 1, 1), ("run", 0, pace), ("short", 2, 2), REST)
    later = (("receive", 1, 3), REST, ("edit", 1, 3), REST, ("cut", 1, 1))
    all_agree(played([2, 2], 4, "ship_available", seed, *steps, *later))


def test_a_list_by_hand_instead_of_a_cancelled_one_counts_when_the_plan_shrinks() -> None:
    shop = confirmed_shop(5, units=2)
    stream = pick_list_stream("m", "o1.1")
    assert ask_of(shop, stream, CancelPickList(pick_list_id="o1.1", reason="staff"))
    shop.run()
    lines = (PickLine(line=1, sku="A", quantity=2),)
    mine = ReleasePickList(pick_list_id="mine", order_id="o1", warehouse="w0", lines=lines)
    assert ask_of(shop, pick_list_stream("m", "mine"), mine)
    shop.run()
    for name, units in (("edit", 3), ("cut", 1)):
        step(shop, name, 1, units, units)
        shop.run()
    assert [each.status for each in lists_of(shop)] == ["cancelled", "cancelled"]


@pytest.mark.parametrize("seed", range(30))
def test_what_is_missing_is_told_of_the_line_that_goes_without_it_by_now(seed: int) -> None:
    """An edit moved its units to another line of the same product while it was looked for."""
    steps = (("edit both", 3, 3), ("short", 1, 2), ("receive", 0, 1))
    shop = played([0, 5], 4, "ship_available", seed, ("edit", 2, 1), REST, *steps)
    all_agree(shop)


def test_what_is_cut_as_missing_from_a_line_that_is_gone_meanwhile_is_cut_from_the_one_instead() -> None:
    shop = played([1], 1, "ship_available", 62631, ("short", 1, 1), ("run", 0, 8), ("edit both", 0, 1))
    all_agree(shop)


def test_no_more_is_cut_than_the_lines_of_a_product_lack_together() -> None:
    steps = (("short", 1, 2), REST, ("release", 0, 0), ("edit both", 0, 3))
    shop = played([0, 2, 2], 4, "all_or_nothing", 45654, *steps)
    all_agree(shop)
    assert {number: line.quantity for number, line in order_of(shop).lines.items()} == {2: 2}


def carrier_takes(shop: Shop, shipment_id: str = "o1", **units: int) -> None:
    """A parcel leaves with so many units from each warehouse, as it says itself."""
    lines = tuple(ParcelLine(sku="A", warehouse=name, quantity=some) for name, some in units.items())
    ids = {"shipment_id": shipment_id, "order_id": "o1"}
    sent = ShipmentDispatched(**ids, lines=lines, units=sum(units.values()))
    shop.append(shipment_stream("m", shipment_id), [sent])


def listed_by_hand(shop: Shop, *lines: Line) -> Shop:
    """An order of these lines without rules, and the list that a person makes of it."""
    bought = placed("o1", sum(line.quantity for line in lines))
    shop.place(bought.model_copy(update={"allocation": None, "lines": lines}))
    shop.run()
    listed = tuple(PickLine(line=each.line, sku="A", quantity=each.quantity) for each in lines)
    mine = ReleasePickList(pick_list_id="o1.1", order_id="o1", warehouse="w0", lines=listed)
    assert ask_of(shop, pick_list_stream("m", "o1.1"), mine)
    shop.run()
    return shop


def one_warehouse(units: int, seed: int) -> Shop:
    line = Line(line=1, sku="A", warehouse="w0", quantity=units, unit_price_cents=500)
    return listed_by_hand(a_shop(units, seed=seed), line)


@pytest.mark.parametrize("pace", range(8))
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("planned", [True, False])
@pytest.mark.parametrize("first", ["edit", "cut", "short"])
def test_what_is_called_off_while_fewer_are_found_is_what_was_not_found(
    first: str, planned: bool, seed: int, pace: int
) -> None:
    """The buyer takes one of two units off, the picker finds one: that one is wanted, held and sent."""
    shop = confirmed_shop(2, units=2, seed=seed) if planned else one_warehouse(2, seed)
    stream = pick_list_stream("m", "o1.1")

    def fewer(how: str) -> None:
        if how == "edit":
            try_edit(shop, SetQuantity(line=1, quantity=1), change_set_id="e1")
        else:
            ask_of(shop, order_stream("m", "o1"), cut(1))

    def found_one() -> None:
        assert ask_of(shop, stream, StartPicking(pick_list_id="o1.1"))
        assert ask_of(shop, stream, PickUnits(pick_list_id="o1.1", line=1, picked=1))
        ask_of(shop, stream, ShortPick(pick_list_id="o1.1", line=1, short=1))

    if first == "short":
        found_one()
        shop.run(pace)
        if order_of(shop).lines[1].quantity == 2:
            fewer("edit")
    else:
        fewer(first)
        shop.run(pace)
        found_one()
    shop.run()
    (made,) = lists_of(shop)
    assert (made.status, made.picked) == ("picking", {1: 1})
    assert {number: line.quantity for number, line in order_of(shop).lines.items()} == {1: 1}
    assert shop.stock("w0").held["o1"].quantity == 1


@pytest.mark.parametrize("pace", range(8))
@pytest.mark.parametrize("seed", range(8))
def test_a_line_whose_unit_left_as_another_lines_is_made_good_by_that(seed: int, pace: int) -> None:
    """Of two lines of a product the unit of the first is not found; the other's leaves, and counts for the
    first. What is called off then is the second, and nothing more is fetched."""
    shop = a_shop(2, seed=seed)
    first = Line(line=1, sku="A", quantity=1, unit_price_cents=500)
    two = (first, first.model_copy(update={"line": 2}))
    shop.place(placed("o1", 2, terms("ship_available", sites=1)).model_copy(update={"lines": two}))
    shop.run()
    stream = pick_list_stream("m", "o1.1")
    assert ask_of(shop, stream, StartPicking(pick_list_id="o1.1"))
    assert ask_of(shop, stream, PickUnits(pick_list_id="o1.1", line=2, picked=1))
    assert ask_of(shop, stream, ShortPick(pick_list_id="o1.1", line=1, short=1))
    shop.run(pace)
    carrier_takes(shop, "p1", w0=1)
    while not order_of(shop).dispatched:
        shop.run(1)
    ask_of(shop, order_stream("m", "o1"), cut(1, line=2))
    shop.run()
    assert order_of(shop).status == "shipped"
    assert [line.quantity for line in order_of(shop).lines.values()] == [1]
    assert len(lists_of(shop)) == 1
    assert shop.stock("w0").held == {}


def two_lines(first: int, second: int, seed: int, *, planned: bool) -> Shop:
    """Two lines of one product, which one list has."""
    shop = a_shop(first + second, seed=seed)
    line = Line(line=1, sku="A", warehouse="w0", quantity=first, unit_price_cents=500)
    lines = (line, line.model_copy(update={"line": 2, "quantity": second}))
    if not planned:
        return listed_by_hand(shop, *lines)
    bought = placed("o1", first + second, terms("ship_available", sites=1))
    shop.place(bought.model_copy(update={"lines": lines}))
    shop.run()
    return shop


@pytest.mark.parametrize("pace", range(8))
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("planned", [True, False])
def test_a_unit_that_is_found_stays_whichever_line_of_its_product_is_called_off(
    planned: bool, seed: int, pace: int
) -> None:
    """The buyer takes the second line off while its unit is found, and that of the first is not."""
    shop = two_lines(1, 1, seed, planned=planned)
    assert ask_of(shop, order_stream("m", "o1"), cut(1, line=2))
    shop.run(pace)
    stream = pick_list_stream("m", "o1.1")
    assert ask_of(shop, stream, StartPicking(pick_list_id="o1.1"))
    found = ask_of(shop, stream, PickUnits(pick_list_id="o1.1", line=2, picked=1))
    assert ask_of(shop, stream, ShortPick(pick_list_id="o1.1", line=1, short=1))
    shop.run()
    order = order_of(shop)
    assert {number: line.quantity for number, line in order.lines.items()} == {1: 1}
    assert order.status == ("confirmed" if found else "cancelled")
    assert to_fetch(shop) == Counter({"w0": 1} if found else {})


@pytest.mark.parametrize("pace", range(8))
@pytest.mark.parametrize("seed", range(8))
def test_without_a_plan_a_list_is_cut_by_goods_as_its_order_is(seed: int, pace: int) -> None:
    """One unit of the second line is called off, two of the first are not found: three are left of five."""
    shop = two_lines(2, 3, seed, planned=False)
    assert ask_of(shop, order_stream("m", "o1"), cut(1, line=2))
    shop.run(pace)
    stream = pick_list_stream("m", "o1.1")
    assert ask_of(shop, stream, StartPicking(pick_list_id="o1.1"))
    assert ask_of(shop, stream, ShortPick(pick_list_id="o1.1", line=1, short=2))
    shop.run()
    wanted = sum(line.quantity for line in order_of(shop).lines.values())
    assert to_fetch(shop) == Counter({"w0": wanted})
    assert shop.stock("w0").held["o1"].quantity == wanted


@pytest.mark.parametrize("units", [2, 3])
def test_what_is_not_found_after_a_parcel_took_the_rest_is_off_the_books(units: int) -> None:
    shop = one_warehouse(units, seed=0)
    stream = pick_list_stream("m", "o1.1")
    assert ask_of(shop, stream, StartPicking(pick_list_id="o1.1"))
    assert ask_of(shop, stream, PickUnits(pick_list_id="o1.1", line=1, picked=units - 1))
    carrier_takes(shop, "p1", w0=units - 1)
    shop.run()
    assert ask_of(shop, stream, ShortPick(pick_list_id="o1.1", line=1, short=1))
    shop.run()
    assert (order_of(shop).status, shop.stock("w0").on_hand, shop.stock("w0").held) == ("shipped", 0, {})
    assert [each.status for each in lists_of(shop)] == ["handed_over"]


@pytest.mark.parametrize("pace", range(6))
@pytest.mark.parametrize("seed", range(8))
def test_a_found_unit_that_leaves_before_the_plan_knows_of_the_other_is_booked_out(
    seed: int, pace: int
) -> None:
    shop = confirmed_shop(2, units=2, seed=seed)
    assert ask_of(shop, order_stream("m", "o1"), cut(1))
    shop.run(pace)
    stream = pick_list_stream("m", "o1.1")
    assert ask_of(shop, stream, StartPicking(pick_list_id="o1.1"))
    assert ask_of(shop, stream, PickUnits(pick_list_id="o1.1", line=1, picked=1))
    ask_of(shop, stream, ShortPick(pick_list_id="o1.1", line=1, short=1))
    shop.run(pace)
    carrier_takes(shop, "p1", w0=1)
    shop.run()
    assert (order_of(shop).status, shop.stock("w0").held) == ("shipped", {})
    assert [each.status for each in lists_of(shop)] == ["handed_over"]


@pytest.mark.parametrize("pace", range(8))
@pytest.mark.parametrize("seed", range(8))
def test_a_line_that_another_of_its_product_replaced_is_missed_as_that(seed: int, pace: int) -> None:
    """The list goes on under the line that it was made for; nobody fetches anything anew."""
    shop = confirmed_shop(2, units=2, seed=seed)
    new = Line(line=2, sku="A", quantity=2, unit_price_cents=700)
    edit(shop, RemoveLine(line=1), AddLine(line=new))
    assert len(lists_of(shop)) == 1
    stream = pick_list_stream("m", "o1.1")
    assert ask_of(shop, stream, StartPicking(pick_list_id="o1.1"))
    assert ask_of(shop, stream, ShortPick(pick_list_id="o1.1", line=1, short=1))
    shop.run(pace)
    assert ask_of(shop, order_stream("m", "o1"), CancelOrder(order_id="o1", reason="customer"))
    shop.run()
    assert (shop.stock("w0").on_hand, shop.stock("w0").held) == (1, {})


def test_a_list_by_hand_goes_on_when_its_line_is_replaced_by_another_of_the_product() -> None:
    shop = confirmed_shop(5, units=2)
    assert ask_of(shop, pick_list_stream("m", "o1.1"), CancelPickList(pick_list_id="o1.1", reason="staff"))
    shop.run()
    lines = (PickLine(line=1, sku="A", quantity=2),)
    mine = ReleasePickList(pick_list_id="o1.2", order_id="o1", warehouse="w0", lines=lines)
    assert ask_of(shop, pick_list_stream("m", "o1.2"), mine)
    shop.run()
    edit(shop, RemoveLine(line=1), AddLine(line=Line(line=2, sku="A", quantity=2, unit_price_cents=700)))
    all_agree(shop)


@pytest.mark.parametrize("seed", range(20))
def test_a_change_that_is_over_does_not_take_its_order_along(seed: int) -> None:
    """It wanted a unit more while one was not found, and stock answers it late."""
    shop = one_warehouse(2, seed)
    stream = pick_list_stream("m", "o1.1")
    try_edit(shop, SetQuantity(line=1, quantity=3), change_set_id="e1")
    assert ask_of(shop, stream, StartPicking(pick_list_id="o1.1"))
    assert ask_of(shop, stream, ShortPick(pick_list_id="o1.1", line=1, short=1))
    shop.run()
    assert order_of(shop).status == "confirmed"
    assert {number: line.quantity for number, line in order_of(shop).lines.items()} == {1: 1}


def test_of_a_short_pick_of_before_it_is_not_known_what_can_be_had() -> None:
    """Without a plan it is taken off the line that it tells of."""
    lines = (Line(line=1, sku="A", warehouse="w0", quantity=2, unit_price_cents=500),)
    bought = placed().model_copy(update={"allocation": None, "lines": lines})
    short = PickShorted(
        pick_list_id="p1", order_id="o1", warehouse="w0", line=1, sku="A", quantity=1, reason="missing"
    )
    (command,) = commands_of(ORDER_AGENT, bought, short)
    assert (command.had, command.skus, command.warehouse) == ({}, {}, None)
    (command,) = commands_of(ORDER_AGENT, bought, short.model_copy(update={"left": lines_of(1)}))
    assert (command.had, command.skus, command.warehouse) == ({1: 1}, {1: "A"}, "w0")


def lines_of(quantity: int) -> tuple[PickLine, ...]:
    return (PickLine(line=1, sku="A", quantity=quantity),)


def test_of_a_short_pick_of_before_only_its_own_line_is_meant() -> None:
    """It does not say what the list has yet."""
    plan = planned(pick("w0", 1, 2))
    old = RemoveShortPick(order_id="o1", short_id="short-1", pick=pick("w0"))
    (revised,) = allocation.given(plan, SETTLED).when(old).events
    assert isinstance(revised, AllocationRevised)
    assert revised.short == ()
    knows = old.model_copy(update={"left": 0})
    (revised,) = allocation.given(plan, SETTLED).when(knows).events
    assert isinstance(revised, AllocationRevised)
    assert [each.line for each in revised.short] == [2]


@pytest.mark.parametrize("pace", range(16))
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("found", [0, 1])
def test_a_carrier_fetches_what_a_picker_did_not_find(found: int, seed: int, pace: int) -> None:
    """The order is shipped: nothing comes instead of what was not found, and nothing is kept for it. Whether
    the customer has it, a person finds out."""
    shop = confirmed_shop(2, 2, units=2, seed=seed)
    stream = pick_list_stream("m", "o1.1")
    assert ask_of(shop, stream, StartPicking(pick_list_id="o1.1"))
    assert ask_of(shop, stream, ShortPick(pick_list_id="o1.1", line=1, short=2 - found))
    shop.run(pace)
    carrier_takes(shop, w0=2)
    shop.run()
    assert order_of(shop).status == "shipped"
    assert set(order_of(shop).discrepancies) == {"shipped_though_missing"}
    assert [shop.stock(name).held for name in ("w0", "w1")] == [{}, {}]
    assert shop.stock("w1").on_hand == 2
    assert {each.status for each in lists_of(shop)} <= {"picking", "handed_over", "cancelled"}
    assert plan_of(shop) == ((pick("w0", found),) if found else ())


@pytest.mark.parametrize("pace", range(10))
@pytest.mark.parametrize("seed", range(4))
def test_a_picker_does_not_find_what_a_carrier_has_fetched_by_then(seed: int, pace: int) -> None:
    shop = confirmed_shop(2, 2, units=2, seed=seed)
    stream = pick_list_stream("m", "o1.1")
    assert ask_of(shop, stream, StartPicking(pick_list_id="o1.1"))
    carrier_takes(shop, w0=2)
    shop.run(pace)
    told = ask_of(shop, stream, ShortPick(pick_list_id="o1.1", line=1, short=1))
    shop.run()
    assert set(order_of(shop).discrepancies) == ({"shipped_though_missing"} if told else set())
    assert [shop.stock(name).held for name in ("w0", "w1")] == [{}, {}]
    assert shop.stock("w1").on_hand == 2


@pytest.mark.parametrize("pace", range(14))
@pytest.mark.parametrize("seed", range(4))
def test_the_rest_is_cancelled_while_it_is_looked_for_elsewhere(seed: int, pace: int) -> None:
    """The order is shipped, as all that is wanted has left; nobody sent what was not found."""
    shop = confirmed_shop(1, 1, 1, units=2, seed=seed)
    first = plan_of(shop)[0]
    carrier_takes(shop, **{first.warehouse: first.quantity})
    shop.run()
    stream = pick_list_stream("m", "o1.2")
    assert ask_of(shop, stream, StartPicking(pick_list_id="o1.2"))
    assert ask_of(shop, stream, ShortPick(pick_list_id="o1.2", line=1, short=1))
    shop.run(pace)
    assert ask_of(shop, order_stream("m", "o1"), cut(1))
    shop.run()
    assert (order_of(shop).status, order_of(shop).discrepancies) == ("shipped", {})
    assert [shop.stock(f"w{number}").held for number in range(3)] == [{}, {}, {}]
    assert plan_of(shop) == (first,)


def test_a_parcel_from_another_warehouse_is_no_short_pick() -> None:
    shop = confirmed_shop(2, 2, units=2)
    carrier_takes(shop, w1=2)
    shop.run()
    assert (order_of(shop).status, order_of(shop).discrepancies) == ("shipped", {})
    assert shop.stock("w0").held == {}


def test_that_something_was_sent_anyway_is_told_once_though_the_plan_stays_as_it_is() -> None:
    told = revise(wanted(5), cause=f"{SENT_ANYWAY}e9")
    after = revised(*BOTH[0].picks, cause=f"{SENT_ANYWAY}e9")
    allocation.given(*BOTH).when(told).then(after)
    allocation.given(*BOTH, after).when(told).then_nothing()


def test_what_came_instead_of_what_was_not_found_is_sent_as_it_should_be() -> None:
    shop = confirmed_shop(2, 2, units=2)
    short(shop, "o1.1", 1)
    carrier_takes(shop, w0=1)
    carrier_takes(shop, "o1.parcel-2", w1=1)
    shop.run()
    assert (order_of(shop).status, order_of(shop).discrepancies) == ("shipped", {})
    assert [shop.stock(name).held for name in ("w0", "w1")] == [{}, {}]

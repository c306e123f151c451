"""From which warehouses do an order's units come? The edge cases, and what is told of the reason."""

from __future__ import annotations

import pytest

from domain.allocation import (
    ALLOCATION,
    AllocationCancelled,
    AllocationFailed,
    AllocationPlanned,
    AllocationRules,
    AllocationSettled,
    AllocationTerms,
    CancelAllocation,
    FewestSplits,
    Free,
    KeepSafetyStock,
    Nearest,
    OrderSplit,
    Pick,
    PlanAllocation,
    PreferWarehouses,
    SettleAllocation,
    Site,
    WantedLine,
)
from domain.allocation.allocation import attempts_max
from domain.allocation.rules import Rule, WhenShort
from tests.specification import Specification

allocation = Specification(ALLOCATION)
FEWEST, NEAREST = FewestSplits(kind="fewest_splits"), Nearest(kind="nearest")
NORTH_FIRST = PreferWarehouses(kind="preferred", warehouses=("north", "main"))
KEEP_2 = KeepSafetyStock(kind="safety_stock", units=2)
SITES = (
    Site(warehouse="main", state="SP", rank=1),
    Site(warehouse="north", state="RJ", rank=2),
    Site(warehouse="south", state="SP", rank=0),
)
LINES = (WantedLine(line=1, sku="A", quantity=4), WantedLine(line=2, sku="B", quantity=1))
Told = dict[tuple[str, str], int]


def plan(
    *rules: Rule,
    known: Told | None = None,
    attempt: int = 1,
    when_short: WhenShort = "all_or_nothing",
    lines: tuple[WantedLine, ...] = LINES,
) -> PlanAllocation:
    free = [Free(sku=sku, warehouse=name, units=units) for (sku, name), units in (known or {}).items()]
    terms = AllocationTerms(version=3, rules=AllocationRules(rules=rules, when_short=when_short), sites=SITES)
    return PlanAllocation(
        order_id="o1", attempt=attempt, terms=terms, ship_to_state="SP", lines=lines, known=tuple(free)
    )


def planned(command: PlanAllocation) -> AllocationPlanned:
    (event,) = allocation.given().when(command).events
    assert isinstance(event, AllocationPlanned)
    return event


def picks(event: AllocationPlanned) -> dict[tuple[int, str], int]:
    return {(pick.line, pick.warehouse): pick.quantity for pick in event.picks}


PLAN = planned(plan(FEWEST, NEAREST))
ALL_SOUTH = {(1, "south"): 4, (2, "south"): 1}


def test_says_why_this_warehouse() -> None:
    assert picks(PLAN) == ALL_SOUTH
    assert (PLAN.rule, PLAN.settings_version, PLAN.attempt) == ("nearest", 3, 1)
    assert [(each.warehouse, each.scores, each.chosen) for each in PLAN.candidates] == [
        ("south", (0,), True),
        ("main", (1,), False),
        ("north", (5,), False),
    ]


def test_preferred_warehouse() -> None:
    event = planned(plan(NORTH_FIRST))
    assert picks(event) == {(1, "north"): 4, (2, "north"): 1}
    assert event.rule == "preferred"
    without = planned(plan(NORTH_FIRST, known={("A", "north"): 1, ("B", "north"): 0}))
    assert picks(without) == {(1, "north"): 1, (1, "main"): 3, (2, "main"): 1}


def test_fewest_splits_before_the_preferred_warehouse_and_the_other_way_round() -> None:
    known = {("A", "north"): 3}
    assert picks(planned(plan(FEWEST, NORTH_FIRST, known=known))) == {(1, "main"): 4, (2, "main"): 1}
    assert picks(planned(plan(NORTH_FIRST, FEWEST, known=known))) == {
        (1, "north"): 3,
        (1, "main"): 1,
        (2, "north"): 1,
    }


def test_safety_stock_is_kept_as_long_as_there_is_a_plan_without_it() -> None:
    known = {("A", "south"): 5, ("B", "south"): 3}
    kept = planned(plan(KEEP_2, FEWEST, NEAREST, known=known))
    assert picks(kept) == {(1, "main"): 4, (2, "main"): 1}
    assert kept.kept == 2
    scarce = {**known, ("A", "main"): 0, ("A", "north"): 0}
    taken = planned(plan(KEEP_2, FEWEST, NEAREST, known=scarce))
    assert (picks(taken), taken.kept) == (ALL_SOUTH, 0)


SCARCE: Told = {("A", "main"): 2, ("A", "north"): 0, ("A", "south"): 1}


def test_split_shipment() -> None:
    known = {("A", "main"): 2, ("A", "north"): 1, ("A", "south"): 2}
    command = plan(FEWEST, NEAREST, known=known)
    event = planned(command)
    assert picks(event) == {(1, "south"): 2, (1, "main"): 2, (2, "south"): 1}
    told = {each.warehouse: each.free for each in event.candidates}
    assert told["main"] == (Free(sku="A", warehouse="main", units=2),)
    allocation.given(event).when(SettleAllocation(order_id="o1", attempt=1)).then(
        AllocationSettled(order_id="o1", attempt=1, warehouses=("main", "south")),
        OrderSplit(order_id="o1", warehouses=("main", "south")),
    )
    allocation.given(PLAN).when(SettleAllocation(order_id="o1", attempt=1)).then(
        AllocationSettled(order_id="o1", attempt=1, warehouses=("south",))
    )


def test_all_or_nothing() -> None:
    (event,) = allocation.given().when(plan(FEWEST, known=SCARCE)).events
    assert isinstance(event, AllocationFailed)
    assert event.reason == "not_enough"
    assert event.missing == (WantedLine(line=1, sku="A", quantity=1),)


def test_ship_what_you_have() -> None:
    event = planned(plan(FEWEST, NEAREST, known=SCARCE, when_short="ship_available"))
    assert picks(event) == {(1, "south"): 1, (1, "main"): 2, (2, "south"): 1}
    assert event.short == (WantedLine(line=1, sku="A", quantity=1),)
    nothing = {(sku, site.warehouse): 0 for sku in "AB" for site in SITES}
    (failed,) = allocation.given().when(plan(FEWEST, known=nothing, when_short="ship_available")).events
    assert isinstance(failed, AllocationFailed)
    assert failed.missing == tuple(reversed(LINES))


def test_wait_for_what_is_not_there() -> None:
    command = plan(FEWEST, NEAREST, known=SCARCE, when_short="backorder")
    event = planned(command)
    assert event.waits
    assert picks(event) == {(1, "south"): 2, (1, "main"): 2, (2, "south"): 1}


@pytest.mark.parametrize(
    ("room", "taken"),
    [
        ({"south": 2}, {"south": 2, "main": 2}),
        ({"south": 1}, {"south": 1, "main": 3}),
        ({"south": 1, "main": 2}, {"south": 1, "main": 2, "north": 1}),
        ({"south": 0, "main": 0, "north": 0}, None),
    ],
)
def test_it_waits_in_the_first_warehouse_that_has_room_for_it(
    room: dict[str, int], taken: dict[str, int] | None
) -> None:
    """For all that it wants there, also of what is there: in one warehouse it has all, or waits."""
    command = plan(FEWEST, NEAREST, known=SCARCE, when_short="backorder")
    known = tuple(each.model_copy(update={"room": room.get(each.warehouse)}) for each in command.known)
    (event,) = allocation.given().when(command.model_copy(update={"known": known})).events
    if taken is None:
        assert isinstance(event, AllocationFailed)
        assert event.reason == "not_enough"
    else:
        assert isinstance(event, AllocationPlanned)
        assert picks(event) == {
            **{(1, warehouse): units for warehouse, units in taken.items()},
            (2, "south"): 1,
        }


def test_an_attempt_is_made_once_and_never_again_after_the_end() -> None:
    again, late = plan(FEWEST), plan(FEWEST, attempt=2)
    settled = AllocationSettled(order_id="o1", attempt=1, warehouses=("south",))
    allocation.given(PLAN).when(again).then_nothing()
    allocation.given(PLAN, settled).when(late).then_nothing()
    allocation.given(PLAN, AllocationCancelled(order_id="o1")).when(late).then_nothing()
    allocation.given(PLAN).when(SettleAllocation(order_id="o1", attempt=2)).then_nothing()


def test_attempts_are_bounded() -> None:
    most = attempts_max(plan(FEWEST))
    last = PLAN.model_copy(update={"attempt": most})
    (failed,) = allocation.given(last).when(plan(FEWEST, attempt=most + 1)).events
    assert isinstance(failed, AllocationFailed)
    assert failed.reason == "too_many_attempts"


def test_a_cancelled_order_is_planned_no_more() -> None:
    cancel, cancelled = CancelAllocation(order_id="o1"), AllocationCancelled(order_id="o1")
    allocation.given().when(cancel).then(cancelled)
    allocation.given(PLAN).when(cancel).then(cancelled)
    allocation.given(PLAN, cancelled).when(cancel).then_nothing()


@pytest.mark.parametrize(("known", "rule"), [({}, "nearest"), (SCARCE | {("A", "main"): 3}, "only_choice")])
def test_the_rule_that_decided(known: Told, rule: str) -> None:
    assert planned(plan(FEWEST, NEAREST, known=known)).rule == rule


def test_where_no_rule_tells_them_apart_the_name_does() -> None:
    event = planned(plan(FEWEST))
    assert (event.rule, {pick.warehouse for pick in event.picks}) == ("name", {"main"})


def test_two_lines_of_one_product_share_what_is_there() -> None:
    lines = (WantedLine(line=1, sku="A", quantity=2), WantedLine(line=2, sku="A", quantity=2))
    known = {("A", "south"): 3, ("A", "main"): 1, ("A", "north"): 0}
    event = planned(plan(FEWEST, NEAREST, known=known, lines=lines))
    assert event.picks == (
        Pick(line=1, sku="A", warehouse="south", quantity=2),
        Pick(line=2, sku="A", warehouse="south", quantity=1),
        Pick(line=2, sku="A", warehouse="main", quantity=1),
    )

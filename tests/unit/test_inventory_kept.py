"""Are all units accounted for, wherever they lie? And does every one of them have a cause?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from domain.inventory import (
    STOCK,
    AdjustStock,
    CancelCount,
    CancelExpectedStock,
    CountStock,
    ExpectedStockArrived,
    ExpectedStockCancelled,
    ExpectStock,
    MoveStock,
    ReceiveStock,
    RecordShortPick,
    ReservationRestored,
    ReserveStock,
    RestoreReservation,
    SendStock,
    SetStockRules,
    SettleCount,
    ShipStock,
    StartCount,
    Stock,
    StockAdjusted,
    StockAllocated,
    StockCountCancelled,
    StockCounted,
    StockCountSettled,
    StockCountStarted,
    StockEvent,
    StockExpected,
    StockMoved,
    StockPickedShort,
    StockReceived,
    StockReservationRefused,
    StockReserved,
    StockReturned,
    StockRules,
    StockRulesSet,
    StockSent,
    StockShipped,
    StockWrittenOff,
    WriteOffStock,
)
from tests.specification import Specification

stock = Specification(STOCK)
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
PLACE = {"sku": "A-1", "warehouse": "main"}
FIVE = StockReceived(quantity=5, **PLACE)
ALLOCATED = StockAllocated(order_id="o1", quantity=2, **PLACE)
SHIPPED = StockShipped(order_id="o1", quantity=2, **PLACE)
DAMAGED = StockMoved(quantity=1, source="available", target="damaged", **PLACE)
BEGUN = StockCountStarted(stocktake_id="k1", expected=5, **PLACE)


def told(state: Stock) -> tuple[int, int, int, int]:
    """On hand, available, committed, unavailable."""
    assert state.on_hand == state.available + state.committed + state.unavailable
    return state.on_hand, state.available, state.committed, state.unavailable


def after(*events: StockEvent) -> Stock:
    return STOCK.fold(events)


def rules_set(**rules: int) -> StockRulesSet:
    return StockRulesSet(rules=StockRules(**rules), was=StockRules(), **PLACE)


def test_on_hand_is_available_committed_and_unavailable() -> None:
    returned = StockReturned(order_id="o2", quantity=1, **PLACE)
    events = (FIVE, ALLOCATED, returned, DAMAGED, rules_set(safety_stock=1))
    assert told(after(*events)) == (6, 1, 2, 3)
    state = after(*events)
    assert (state.quality_control, state.damaged, state.rules.safety_stock) == (1, 1, 1)


def test_safety_stock_is_promised_to_nobody_and_still_there() -> None:
    given = stock.given(StockReceived(quantity=2, **PLACE), rules_set(safety_stock=2))
    given.when(ReserveStock(order_id="o1", quantity=1, now=NOON, expires_at=LATER, **PLACE)).then(
        StockReservationRefused(order_id="o1", wanted=1, available=0, room=0, **PLACE)
    )
    given.when(AdjustStock(delta=-2, reason="loss", **PLACE)).then(
        StockAdjusted(delta=-2, reason="loss", **PLACE)
    )


def test_more_safety_stock_than_there_is_makes_available_negative_and_adds_up() -> None:
    assert told(after(FIVE, ALLOCATED, rules_set(safety_stock=9))) == (5, -6, 2, 9)


def test_rules_are_set_once_and_say_what_they_were() -> None:
    rules = StockRules(safety_stock=2, reorder_point=3)
    stock.given(FIVE).when(SetStockRules(rules=rules, **PLACE)).then(
        StockRulesSet(rules=rules, was=StockRules(), **PLACE)
    )
    stock.given(FIVE, rules_set(safety_stock=2, reorder_point=3)).when(
        SetStockRules(rules=rules, **PLACE)
    ).then_nothing()


def test_damaged_units_are_on_hand_and_not_for_sale() -> None:
    move = MoveStock(quantity=1, source="available", target="damaged", **PLACE)
    done = stock.given(FIVE).when(move)
    done.then(DAMAGED)
    assert told(done.state) == (5, 4, 0, 1)


def test_no_more_is_moved_than_lies_there() -> None:
    given = stock.given(FIVE, ALLOCATED)
    said = given.when(MoveStock(quantity=4, source="available", target="damaged", **PLACE)).then_refused(
        "move_within_source"
    )
    assert "3 units of A-1 are available" in said
    assert "short pick" in said
    given.when(MoveStock(quantity=1, source="damaged", target="available", **PLACE)).then_refused(
        "move_within_source"
    )
    given.when(MoveStock(quantity=1, source="available", target="available", **PLACE)).then_refused(
        "move_changes_something"
    )


def test_what_passes_quality_control_is_for_sale_once() -> None:
    returned = StockReturned(order_id="o1", quantity=1, **PLACE)
    passing = MoveStock(quantity=1, source="quality_control", target="available", **PLACE)
    passed = stock.given(returned).when(passing)
    assert told(passed.state) == (1, 1, 0, 0)
    stock.given(returned, *passed.events).when(passing).then_refused("move_within_source")


def test_writes_off_what_is_damaged_and_no_more() -> None:
    given = stock.given(FIVE, DAMAGED)
    off = WriteOffStock(quantity=1, source="damaged", note="broken", **PLACE)
    done = given.when(off)
    done.then(StockWrittenOff(quantity=1, source="damaged", note="broken", **PLACE))
    assert told(done.state) == (4, 4, 0, 0)
    given.when(WriteOffStock(quantity=2, source="damaged", **PLACE)).then_refused("write_off_within_source")


def test_receives_damaged_goods_apart() -> None:
    done = stock.given().when(ReceiveStock(quantity=2, condition="damaged", **PLACE))
    assert [type(event) for event in done.events] == [StockReceived, StockMoved]
    assert told(done.state) == (2, 0, 0, 2)


def test_a_short_pick_of_missing_units_takes_them_off_the_books_and_off_the_order() -> None:
    done = stock.given(FIVE, ALLOCATED).when(
        RecordShortPick(order_id="o1", quantity=1, reason="missing", **PLACE)
    )
    done.then(StockPickedShort(order_id="o1", quantity=1, reason="missing", **PLACE))
    assert told(done.state) == (4, 3, 1, 0)


def test_a_short_pick_of_damaged_units_keeps_them_on_hand() -> None:
    done = stock.given(FIVE, ALLOCATED).when(
        RecordShortPick(order_id="o1", quantity=2, reason="damaged", **PLACE)
    )
    assert told(done.state) == (5, 3, 0, 2)


def test_no_more_is_short_than_is_held() -> None:
    stock.given(FIVE, ALLOCATED).when(
        RecordShortPick(order_id="o1", quantity=3, reason="missing", **PLACE)
    ).then_refused("short_pick_within_held")


def test_cancelled_fulfilment_restores_the_reservation() -> None:
    before = after(FIVE, ALLOCATED)
    done = stock.given(FIVE, ALLOCATED, SHIPPED).when(RestoreReservation(order_id="o1", quantity=2, **PLACE))
    done.then(ReservationRestored(order_id="o1", quantity=2, held=2, **PLACE))
    assert done.state == before
    again = stock.given(FIVE, ALLOCATED, SHIPPED, *done.events).when(
        ShipStock(order_id="o1", quantity=2, **PLACE)
    )
    again.then(SHIPPED)


def test_restores_what_was_reserved_as_reserved_and_part_by_part() -> None:
    reserved = StockReserved(order_id="o1", quantity=3, expires_at=LATER, **PLACE)
    shipped = StockShipped(order_id="o1", quantity=2, **PLACE)
    first = stock.given(FIVE, reserved, shipped).when(RestoreReservation(order_id="o1", quantity=1, **PLACE))
    first.then(ReservationRestored(order_id="o1", quantity=1, held=2, expires_at=LATER, **PLACE))
    second = stock.given(FIVE, reserved, shipped, *first.events).when(
        RestoreReservation(order_id="o1", quantity=1, **PLACE)
    )
    assert second.state == after(FIVE, reserved)


def test_what_never_left_or_came_back_otherwise_is_not_restored() -> None:
    restore = RestoreReservation(order_id="o1", quantity=2, **PLACE)
    assert "0 units" in stock.given(FIVE, ALLOCATED).when(restore).then_refused("restore_what_left")
    returned = StockReturned(order_id="o1", quantity=2, **PLACE)
    stock.given(FIVE, ALLOCATED, SHIPPED, returned).when(restore).then_refused("restore_what_left")
    uncommitted = StockShipped(order_id="o1", quantity=2, uncommitted=2, **PLACE)
    stock.given(FIVE, uncommitted).when(restore).then_refused("restore_what_left")


def test_what_left_is_remembered_of_the_last_orders_only() -> None:
    many = [
        event
        for number in range(60)
        for event in (
            StockAllocated(order_id=f"o{number}", quantity=1, **PLACE),
            StockShipped(order_id=f"o{number}", quantity=1, **PLACE),
        )
    ]
    assert len(after(*many).left) == 50
    assert after(*many).left[-1][0] == "o59"


def test_incoming_is_what_is_expected_and_not_there_yet() -> None:
    expect = ExpectStock(reference="po-1", quantity=4, **PLACE)
    stock.given().when(expect).then(StockExpected(reference="po-1", quantity=4, **PLACE))
    expected = StockExpected(reference="po-1", quantity=4, **PLACE)
    stock.given(expected).when(expect).then_nothing()
    part = stock.given(expected).when(ReceiveStock(quantity=3, expected_by="po-1", **PLACE))
    part.then(StockReceived(quantity=3, **PLACE), ExpectedStockArrived(reference="po-1", quantity=3, **PLACE))
    assert (part.state.on_hand, part.state.incoming) == (3, 1)
    more = stock.given(expected).when(ReceiveStock(quantity=6, expected_by="po-1", **PLACE))
    assert (more.state.on_hand, more.state.incoming) == (6, 0)
    gone = stock.given(expected).when(CancelExpectedStock(reference="po-1", **PLACE))
    gone.then(ExpectedStockCancelled(reference="po-1", quantity=4, **PLACE))
    stock.given(expected, *gone.events).when(CancelExpectedStock(reference="po-1", **PLACE)).then_nothing()


def test_only_what_is_promised_to_nobody_is_sent_to_another_warehouse() -> None:
    given = stock.given(FIVE, ALLOCATED, rules_set(safety_stock=1))
    given.when(SendStock(quantity=2, reference="t1", **PLACE)).then(
        StockSent(quantity=2, reference="t1", **PLACE)
    )
    assert "2 units" in given.when(SendStock(quantity=3, **PLACE)).then_refused("send_within_available")


def test_a_count_corrects_by_what_it_found_whatever_moves_after_it() -> None:
    count = CountStock(stocktake_id="k1", counted=4, **PLACE)
    counted = stock.given(FIVE, BEGUN).when(count)
    counted.then(StockCounted(stocktake_id="k1", counted=4, expected=5, **PLACE))
    settled = stock.given(FIVE, BEGUN, *counted.events, ALLOCATED, SHIPPED).when(
        SettleCount(stocktake_id="k1", **PLACE)
    )
    settled.then(StockCountSettled(stocktake_id="k1", difference=-1, **PLACE))
    assert settled.state.on_hand == 5 - 2 - 1


def test_a_count_as_of_its_start_is_against_the_books_of_then() -> None:
    moved = (FIVE, BEGUN, ALLOCATED, SHIPPED)
    stock.given(*moved).when(CountStock(stocktake_id="k1", counted=5, as_of="start", **PLACE)).then(
        StockCounted(stocktake_id="k1", counted=5, expected=5, moved=-2, **PLACE)
    )
    stock.given(*moved).when(CountStock(stocktake_id="k1", counted=3, **PLACE)).then(
        StockCounted(stocktake_id="k1", counted=3, expected=3, moved=-2, **PLACE)
    )


@pytest.mark.parametrize(("counted", "settled"), [(4, 0), (3, -1), (5, 0), (6, 1)])
def test_a_unit_that_is_missed_by_who_picks_and_by_who_counts_is_taken_off_once(
    counted: int, settled: int
) -> None:
    """Of five on hand one was not found; the count is of how many there were when it began."""
    short = StockPickedShort(order_id="o1", quantity=1, reason="missing", **PLACE)
    counting = CountStock(stocktake_id="k1", counted=counted, as_of="start", **PLACE)
    told = stock.given(FIVE, ALLOCATED, BEGUN, short).when(counting).events
    done = stock.given(FIVE, ALLOCATED, BEGUN, short, *told).when(SettleCount(stocktake_id="k1", **PLACE))
    done.then(StockCountSettled(stocktake_id="k1", difference=settled, **PLACE))


def test_a_count_is_a_fact_also_where_promised_units_are_missing() -> None:
    held = StockAllocated(order_id="o1", quantity=5, **PLACE)
    counted = StockCounted(stocktake_id="k1", counted=3, expected=5, **PLACE)
    settled = stock.given(FIVE, held, BEGUN, counted).when(SettleCount(stocktake_id="k1", **PLACE))
    assert told(settled.state) == (3, -2, 5, 0)


def test_counted_again_the_last_count_stands() -> None:
    first = StockCounted(stocktake_id="k1", counted=1, expected=5, **PLACE)
    last = StockCounted(stocktake_id="k1", counted=5, expected=5, **PLACE)
    done = stock.given(FIVE, BEGUN, first, last).when(SettleCount(stocktake_id="k1", **PLACE))
    done.then(StockCountSettled(stocktake_id="k1", difference=0, **PLACE))
    stock.given(FIVE, BEGUN, first, last, *done.events).when(
        SettleCount(stocktake_id="k1", **PLACE)
    ).then_nothing()


def test_one_stocktake_at_a_time_counts_a_stock() -> None:
    given = stock.given(FIVE, BEGUN)
    assert "k1" in given.when(StartCount(stocktake_id="k2", **PLACE)).then_refused("one_count_at_a_time")
    given.when(StartCount(stocktake_id="k1", **PLACE)).then_nothing()
    given.when(CountStock(stocktake_id="k2", counted=1, **PLACE)).then_refused("count_was_started")
    given.when(SettleCount(stocktake_id="k1", **PLACE)).then_refused("settle_what_is_counted")
    given.when(CancelCount(stocktake_id="k1", **PLACE)).then(StockCountCancelled(stocktake_id="k1", **PLACE))

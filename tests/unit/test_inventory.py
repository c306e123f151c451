"""Is a unit promised to one order only, and does every unit stay accounted for?"""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from domain.inventory import (
    STOCK,
    AdjustStock,
    AllocateMoreStock,
    AllocateStock,
    ExpireReservation,
    Held,
    ReceiveStock,
    ReleaseStock,
    ReservationExpired,
    ReserveStock,
    ReturnStock,
    ShipStock,
    Stock,
    StockAdjusted,
    StockAllocated,
    StockAllocationRefused,
    StockEvent,
    StockReceived,
    StockReleased,
    StockReservationRefused,
    StockReserved,
    StockReturned,
    StockShipped,
)
from tests.specification import Specification

stock = Specification(STOCK)
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
PLACE = {"sku": "A-1", "warehouse": "main"}


def received(quantity: int) -> StockReceived:
    return StockReceived(quantity=quantity, **PLACE)


def reserved(order_id: str, quantity: int, expires_at: datetime = LATER) -> StockReserved:
    return StockReserved(order_id=order_id, quantity=quantity, expires_at=expires_at, **PLACE)


def allocated(order_id: str, quantity: int) -> StockAllocated:
    return StockAllocated(order_id=order_id, quantity=quantity, **PLACE)


def expired(order_id: str, quantity: int) -> ReservationExpired:
    return ReservationExpired(order_id=order_id, quantity=quantity, **PLACE)


def shipped(order_id: str, quantity: int, uncommitted: int = 0) -> StockShipped:
    return StockShipped(order_id=order_id, quantity=quantity, uncommitted=uncommitted, **PLACE)


def reserve(order_id: str, quantity: int, now: datetime = NOON) -> ReserveStock:
    return ReserveStock(order_id=order_id, quantity=quantity, now=now, expires_at=LATER, **PLACE)


def allocate(order_id: str, quantity: int, now: datetime = NOON) -> AllocateStock:
    return AllocateStock(order_id=order_id, quantity=quantity, now=now, **PLACE)


def adjust(delta: int) -> AdjustStock:
    return AdjustStock(delta=delta, reason="count", **PLACE)


def ship(order_id: str, quantity: int) -> ShipStock:
    return ShipStock(order_id=order_id, quantity=quantity, **PLACE)


def allocate_more(order_id: str, quantity: int, keep: int = 0) -> AllocateMoreStock:
    return AllocateMoreStock(order_id=order_id, quantity=quantity, now=NOON, keep=keep, **PLACE)


def test_more_is_committed_beside_what_is_held() -> None:
    stock.given(received(3), allocated("o1", 2)).when(allocate_more("o1", 1)).then(allocated("o1", 3))
    stock.given(received(3), reserved("o1", 2)).when(allocate_more("o1", 1)).then(allocated("o1", 3))
    stock.given(received(3)).when(allocate_more("o1", 1)).then(allocated("o1", 1))
    short = allocate_more("o1", 1).model_copy(update={"beside": 2})  # of which one was booked out
    stock.given(received(3), allocated("o1", 1)).when(short).then(allocated("o1", 3))


def test_more_than_is_free_is_refused_and_what_is_held_stays() -> None:
    held = stock.given(received(3), allocated("o1", 2))
    none = StockAllocationRefused(order_id="o1", wanted=4, available=3, **PLACE)
    held.when(allocate_more("o1", 2)).then(none)
    held.when(allocate_more("o1", 1, keep=1)).then(none.model_copy(update={"wanted": 3}))


def test_receives() -> None:
    stock.given().when(ReceiveStock(quantity=3, reference="po-1", **PLACE)).then(
        StockReceived(quantity=3, reference="po-1", **PLACE)
    )


def test_two_buyers_of_one_last_unit() -> None:
    stock.given(received(1)).when(reserve("o1", 1)).then(reserved("o1", 1))
    stock.given(received(1), reserved("o1", 1)).when(reserve("o2", 1)).then(
        StockReservationRefused(order_id="o2", wanted=1, available=0, room=0, **PLACE)
    )


def test_check_and_reserve_are_one_decision() -> None:
    """There is no command that only asks: who is told that there are units has them."""
    stock.given(received(2)).when(reserve("o1", 2)).then(reserved("o1", 2))
    stock.given(received(2)).when(reserve("o1", 3)).then(
        StockReservationRefused(order_id="o1", wanted=3, available=2, room=0, **PLACE)
    )


def test_a_redelivered_reservation_changes_nothing() -> None:
    stock.given(received(3), reserved("o1", 1)).when(reserve("o1", 1)).then_nothing()
    stock.given(received(3), allocated("o1", 1)).when(reserve("o1", 1)).then_nothing()


def test_an_expired_reservation_is_free_before_it_is_swept() -> None:
    stock.given(received(1), reserved("o1", 1, NOON)).when(reserve("o2", 1)).then(
        expired("o1", 1), reserved("o2", 1)
    )


def test_an_expired_reservation_is_left_alone_while_there_is_enough() -> None:
    stock.given(received(2), reserved("o1", 1, NOON)).when(reserve("o2", 1)).then(reserved("o2", 1))


def test_the_longest_expired_goes_first_and_no_more_than_needed() -> None:
    given = stock.given(
        received(3),
        reserved("o1", 1, NOON),
        reserved("o2", 1, NOON - timedelta(hours=1)),
        reserved("o3", 1, LATER),
    )
    given.when(reserve("o4", 1)).then(expired("o2", 1), reserved("o4", 1))
    given.when(reserve("o4", 2)).then(expired("o2", 1), expired("o1", 1), reserved("o4", 2))


def test_a_refusal_expires_nobody_and_tells_what_was_free() -> None:
    stock.given(received(2), reserved("o1", 1, NOON)).when(reserve("o2", 3)).then(
        StockReservationRefused(order_id="o2", wanted=3, available=2, room=0, **PLACE)
    )


def test_an_allocated_unit_never_expires() -> None:
    given = stock.given(received(1), reserved("o1", 1, NOON), allocated("o1", 1))
    given.when(reserve("o2", 1)).then(
        StockReservationRefused(order_id="o2", wanted=1, available=0, room=0, **PLACE)
    )
    given.when(ExpireReservation(order_id="o1", **PLACE)).then_nothing()


def test_allocates_what_is_reserved_once() -> None:
    stock.given(received(1), reserved("o1", 1)).when(allocate("o1", 1)).then(allocated("o1", 1))
    stock.given(received(1), allocated("o1", 1)).when(allocate("o1", 1)).then_nothing()


def test_allocates_its_own_reservation_after_it_lapsed_while_nobody_took_it() -> None:
    stock.given(received(1), reserved("o1", 1, NOON)).when(allocate("o1", 1, LATER)).then(allocated("o1", 1))


def test_allocates_without_a_reservation_if_there_is_stock_and_says_no_if_not() -> None:
    stock.given(received(1)).when(allocate("o1", 1)).then(allocated("o1", 1))
    stock.given(received(1), reserved("o2", 1)).when(allocate("o1", 1)).then(
        StockAllocationRefused(order_id="o1", wanted=1, available=0, **PLACE)
    )
    stock.given(received(1), reserved("o2", 1, NOON)).when(allocate("o1", 1)).then(
        expired("o2", 1), allocated("o1", 1)
    )


def test_more_than_was_reserved_is_allocated_only_if_it_is_there() -> None:
    stock.given(received(3), reserved("o1", 1), reserved("o2", 1)).when(allocate("o1", 2)).then(
        allocated("o1", 2)
    )
    stock.given(received(2), reserved("o1", 1), reserved("o2", 1)).when(allocate("o1", 2)).then(
        StockAllocationRefused(order_id="o1", wanted=2, available=1, **PLACE)
    )
    stock.given(received(2), reserved("o1", 1, NOON), reserved("o2", 1, NOON)).when(allocate("o1", 2)).then(
        expired("o2", 1), allocated("o1", 2)
    )


def test_a_promise_is_kept_although_units_were_lost_since() -> None:
    lost = (received(1), reserved("o1", 1), shipped("o2", 1, uncommitted=1))
    stock.given(*lost).when(allocate("o1", 1)).then(allocated("o1", 1))


def test_releases_what_is_held_once() -> None:
    released = StockReleased(order_id="o1", quantity=2, **PLACE)
    release = ReleaseStock(order_id="o1", **PLACE)
    stock.given(received(2), reserved("o1", 2)).when(release).then(released)
    stock.given(received(2), allocated("o1", 2)).when(release).then(released)
    stock.given(received(2), allocated("o1", 2), released).when(release).then_nothing()


def test_the_same_reservation_after_a_release() -> None:
    history = (received(1), reserved("o1", 1), StockReleased(order_id="o1", quantity=1, **PLACE))
    again = stock.given(*history).when(reserve("o1", 1))
    again.then(reserved("o1", 1))
    assert again.state == stock.given(*history[:2]).state


def test_expires_a_reservation_once() -> None:
    sweep = ExpireReservation(order_id="o1", **PLACE)
    stock.given(received(1), reserved("o1", 1)).when(sweep).then(expired("o1", 1))
    stock.given(received(1), reserved("o1", 1), expired("o1", 1)).when(sweep).then_nothing()


def test_ships_what_is_held() -> None:
    done = stock.given(received(3), allocated("o1", 2)).when(ship("o1", 2))
    done.then(shipped("o1", 2))
    assert (done.state.on_hand, done.state.committed, done.state.available) == (1, 0, 1)


def test_ships_part_and_holds_the_rest_for_the_next_parcel() -> None:
    first = stock.given(received(3), allocated("o1", 3)).when(ship("o1", 1))
    first.then(shipped("o1", 1))
    assert dict(first.state.held) == {"o1": Held(2, None)}
    assert first.state.available == 0
    stock.given(received(3), allocated("o1", 3), shipped("o1", 1)).when(ship("o1", 2)).then(shipped("o1", 2))


def test_units_that_left_unheld_are_a_fact_and_counted_as_such() -> None:
    stock.given(received(3), allocated("o1", 1)).when(ship("o1", 2)).then(shipped("o1", 2, uncommitted=1))
    gone = stock.given().when(ship("o1", 2))
    gone.then(shipped("o1", 2, uncommitted=2))
    assert gone.state.on_hand == -2


def test_a_return_waits_in_quality_control() -> None:
    back = stock.given(received(1), allocated("o1", 1), shipped("o1", 1)).when(
        ReturnStock(order_id="o1", quantity=1, **PLACE)
    )
    back.then(StockReturned(order_id="o1", quantity=1, **PLACE))
    assert (back.state.on_hand, back.state.quality_control, back.state.available) == (1, 1, 0)


def test_an_adjustment_of_what_was_never_there_does_not_talk_of_orders() -> None:
    said = stock.given().when(adjust(-1)).then_refused("adjust_within_available")
    assert "0 of 0" in said
    assert "order" not in said


def test_an_adjustment_never_takes_what_is_held() -> None:
    given = stock.given(received(3), reserved("o1", 2))
    given.when(adjust(-1)).then(StockAdjusted(delta=-1, reason="count", **PLACE))
    assert "1 of 3" in given.when(adjust(-2)).then_refused("adjust_within_available")
    assert "cancel those orders" in given.when(adjust(-2)).then_refused("adjust_within_available")
    given.when(adjust(0)).then_refused("adjust_changes_something")
    in_quality_control = stock.given(StockReturned(order_id="o1", quantity=1, **PLACE))
    in_quality_control.when(adjust(-1)).then_refused("adjust_within_available")


def test_a_correction_upwards_is_good_also_where_units_are_missing() -> None:
    stock.given(shipped("o1", 5, uncommitted=5)).when(adjust(2)).then(
        StockAdjusted(delta=2, reason="count", **PLACE)
    )


@pytest.mark.parametrize("quantity", [0, -1, 10**9 + 1])
def test_a_quantity_is_at_least_one_and_has_a_limit(quantity: int) -> None:
    with pytest.raises(ValidationError):
        reserve("o1", quantity)


def test_a_time_without_a_zone_is_not_accepted() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        allocate("o1", 1, datetime(2024, 5, 1, 12))


MANY = 20_000


@contextmanager
def measured_memory() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def bytes_taken(state: Stock, event: StockEvent) -> tuple[Stock, int]:
    """The state after the event, and what was allocated on the way."""
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    state = STOCK.evolve(state, event)
    return state, tracemalloc.get_traced_memory()[1] - before


def test_a_hold_more_or_less_costs_the_same_however_many_there_are() -> None:
    released = [StockReleased(order_id=f"o{number}", quantity=1, **PLACE) for number in range(MANY)]
    state = STOCK.fold([received(MANY)])
    with measured_memory():
        for event in [reserved(f"o{number}", 1) for number in range(MANY)]:
            state, taken = bytes_taken(state, event)
            assert taken < 16_384, f"{len(state.held)} are held"
        assert (state.available, len(state.held)) == (0, MANY)
        full = state
        for event in released:
            state, taken = bytes_taken(state, event)
            assert taken < 16_384, f"{len(state.held)} are held"
    assert state == STOCK.fold([received(MANY)])
    assert (full.available, len(full.held)) == (0, MANY), "a state is a value, whatever comes after it"

"""Who waits for stock, who gets it once it comes, and is anybody passed over?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from domain.inventory import (
    STOCK,
    AdjustStock,
    AllocateStock,
    BackorderCancelled,
    Backordered,
    BackorderFilled,
    CancelBackorder,
    MoveStock,
    ReceiveStock,
    ReleaseStock,
    RenewReservation,
    ReservationExpired,
    ReservationRenewed,
    ReserveStock,
    StockAdjusted,
    StockAllocated,
    StockReceived,
    StockReleased,
    StockReservationRefused,
    StockReserved,
    StockRules,
    StockRulesSet,
)
from tests.specification import Specification

stock = Specification(STOCK)
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
PATIENCE = NOON + timedelta(days=30)
PLACE = {"sku": "A-1", "warehouse": "main"}
ALLOWED = StockRulesSet(rules=StockRules(backorder_limit=5, backorder_days=30), was=StockRules(), **PLACE)


def received(quantity: int) -> StockReceived:
    return StockReceived(quantity=quantity, **PLACE)


def reserve(order_id: str, quantity: int, now: datetime = NOON) -> ReserveStock:
    return ReserveStock(order_id=order_id, quantity=quantity, now=now, expires_at=LATER, **PLACE)


def reserved(order_id: str, quantity: int, expires_at: datetime = LATER) -> StockReserved:
    return StockReserved(order_id=order_id, quantity=quantity, expires_at=expires_at, **PLACE)


def waiting(order_id: str, quantity: int) -> Backordered:
    return Backordered(order_id=order_id, quantity=quantity, expires_at=PATIENCE, **PLACE)


def filled(order_id: str, quantity: int, held: int = 0) -> tuple[BackorderFilled]:
    return (
        BackorderFilled(
            order_id=order_id, quantity=quantity, held=held or quantity, expires_at=PATIENCE, **PLACE
        ),
    )


def test_waits_for_all_of_it_where_back_orders_are_allowed() -> None:
    stock.given(received(1), ALLOWED).when(reserve("o1", 2)).then(waiting("o1", 2))
    stock.given(received(1)).when(reserve("o1", 2)).then(
        StockReservationRefused(order_id="o1", wanted=2, available=1, room=0, **PLACE)
    )


def test_what_comes_of_a_filled_back_order_belongs_to_the_order() -> None:
    waits = reserve("o1", 1).model_copy(update={"correlation": "checkout-1", "clock": "checkout-1"})
    waiting_now = stock.given(ALLOWED).when(waits)
    done = stock.given(ALLOWED, *waiting_now.events).when(ReceiveStock(quantity=1, **PLACE))
    event = done.events[-1]
    assert isinstance(event, BackorderFilled)
    assert (event.correlation, event.clock) == ("checkout-1", "checkout-1")


def test_no_more_is_owed_than_the_limit() -> None:
    given = stock.given(ALLOWED, waiting("o1", 4))
    given.when(reserve("o2", 1)).then(waiting("o2", 1))
    given.when(reserve("o2", 2)).then(
        StockReservationRefused(order_id="o2", wanted=2, available=0, room=1, **PLACE)
    )
    given.when(reserve("o1", 4)).then_nothing()


def test_first_come_first_served_when_stock_is_received() -> None:
    given = stock.given(ALLOWED, waiting("o1", 2), waiting("o2", 1), waiting("o3", 2))
    given.when(ReceiveStock(quantity=4, **PLACE)).then(received(4), *filled("o1", 2), *filled("o2", 1))
    given.when(ReceiveStock(quantity=1, **PLACE)).then(received(1))


def test_who_comes_later_is_not_served_before_who_waits() -> None:
    given = stock.given(ALLOWED, received(1), waiting("o1", 3))
    given.when(reserve("o2", 1)).then(waiting("o2", 1))


def test_whatever_sets_units_free_fills_back_orders() -> None:
    given = stock.given(received(2), ALLOWED, reserved("o1", 2), waiting("o2", 2))
    released = StockReleased(order_id="o1", quantity=2, **PLACE)
    given.when(ReleaseStock(order_id="o1", **PLACE)).then(released, *filled("o2", 2))
    given.when(AdjustStock(delta=2, reason="found", **PLACE)).then(
        StockAdjusted(delta=2, reason="found", **PLACE), *filled("o2", 2)
    )
    lying = stock.given(ALLOWED, *received_in_quality_control(2), waiting("o2", 2))
    moved = lying.when(MoveStock(quantity=2, source="quality_control", target="available", **PLACE))
    assert moved.events[1:] == filled("o2", 2)


def received_in_quality_control(quantity: int) -> tuple[object, ...]:
    return STOCK.decide(ReceiveStock(quantity=quantity, condition="quality_control", **PLACE), STOCK.initial)


def test_damaged_units_that_come_in_fill_nothing() -> None:
    given = stock.given(ALLOWED, waiting("o1", 1))
    came = given.when(ReceiveStock(quantity=1, condition="damaged", **PLACE))
    assert came.state.backordered == 1


def test_a_lapsed_reservation_goes_to_who_waits_longest() -> None:
    given = stock.given(received(2), ALLOWED, reserved("o1", 2, NOON), waiting("o2", 2))
    given.when(reserve("o3", 1, LATER)).then(
        ReservationExpired(order_id="o1", quantity=2, **PLACE),
        *filled("o2", 2),
        Backordered(order_id="o3", quantity=1, expires_at=PATIENCE + timedelta(hours=1), **PLACE),
    )


def test_a_back_order_is_cancelled_with_its_order_or_for_itself() -> None:
    given = stock.given(ALLOWED, waiting("o1", 2), waiting("o2", 1))
    given.when(ReleaseStock(order_id="o1", **PLACE)).then(
        BackorderCancelled(order_id="o1", quantity=2, reason="released", **PLACE)
    )
    given.when(CancelBackorder(order_id="o2", reason="expired", **PLACE)).then(
        BackorderCancelled(order_id="o2", quantity=1, reason="expired", **PLACE)
    )
    given.when(CancelBackorder(order_id="o3", **PLACE)).then_nothing()


def test_who_is_first_in_line_goes_and_the_next_is_served() -> None:
    given = stock.given(ALLOWED, received(1), waiting("o1", 2), waiting("o2", 1))
    given.when(CancelBackorder(order_id="o1", **PLACE)).then(
        BackorderCancelled(order_id="o1", quantity=2, reason="staff", **PLACE), *filled("o2", 1)
    )


def test_part_of_what_is_held_or_waited_for_is_let_go() -> None:
    given = stock.given(received(3), ALLOWED, reserved("o1", 3), waiting("o2", 3))
    part = given.when(ReleaseStock(order_id="o1", quantity=1, **PLACE))
    part.then(StockReleased(order_id="o1", quantity=1, **PLACE))
    assert part.state.held["o1"].quantity == 2
    less = given.when(ReleaseStock(order_id="o2", quantity=2, **PLACE))
    assert (less.state.backordered, less.state.waiting[0].quantity) == (1, 1)


def test_a_confirmed_order_leaves_the_line_with_what_it_gets() -> None:
    given = stock.given(ALLOWED, waiting("o1", 2), waiting("o2", 1), received(1))
    allocated = StockAllocated(order_id="o2", quantity=1, **PLACE)
    done = given.when(AllocateStock(order_id="o2", quantity=1, now=NOON, **PLACE))
    done.then(*filled("o2", 1), allocated)
    assert (done.state.available, done.state.backordered) == (0, 2)


def test_a_reservation_is_renewed_while_other_stock_is_waited_for() -> None:
    renew = RenewReservation(order_id="o1", expires_at=PATIENCE, **PLACE)
    stock.given(received(1), reserved("o1", 1)).when(renew).then(
        ReservationRenewed(order_id="o1", quantity=1, expires_at=PATIENCE, **PLACE)
    )
    stock.given(received(1), reserved("o1", 1, PATIENCE)).when(renew).then_nothing()
    stock.given(received(1), StockAllocated(order_id="o1", quantity=1, **PLACE)).when(renew).then_nothing()
    stock.given(received(1)).when(renew).then_nothing()

"""Does an order's life go only the ways that it may, and do its books add up?"""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from domain.money import MOST_CENTS
from domain.order import (
    ORDER,
    Adjustment,
    CancelOrder,
    CompleteOrder,
    ConfirmOrder,
    Line,
    MarkReserved,
    OpenOrderDiscrepancy,
    OrderCancelled,
    OrderCommand,
    OrderCompleted,
    OrderConfirmed,
    OrderDiscrepancyOpened,
    OrderEvent,
    OrderPlaced,
    OrderPreparationStarted,
    OrderReserved,
    OrderShipped,
    PlaceOrder,
    Portion,
    RecordDispatch,
    StartPreparation,
    Terms,
)
from domain.personal import Customer
from tests.specification import Specification

order = Specification(ORDER)
CUSTOMER = Customer(customer_id="c1", customer_unique_id="u1", zip_prefix="01310", city="São Paulo")
LINE = Line(line=1, sku="A-1", quantity=2, unit_price_cents=1000, unit_shipping_cents=150)


def place(**fields: Any) -> PlaceOrder:
    """An order of two units, 23.00 paid by card, but for `fields`."""
    usual: dict[str, Any] = {
        "order_id": "o1",
        "checkout_id": "k1",
        "subject": "u1",
        "customer": CUSTOMER,
        "currency": "BRL",
        "lines": (LINE,),
        "portions": (Portion(payment_id="p1", method="card", amount_cents=2300),),
    }
    return PlaceOrder(**{**usual, **fields})


def placed(command: PlaceOrder, total_cents: int) -> OrderPlaced:
    return OrderPlaced(**dict(command), total_cents=total_cents)


PLACED = placed(place(), 2300)
RESERVED = OrderReserved(order_id="o1")
CONFIRMED = OrderConfirmed(order_id="o1")
PREPARING = OrderPreparationStarted(order_id="o1")
SHIPPED = OrderShipped(order_id="o1", shipment_id="o1")
COMPLETED = OrderCompleted(order_id="o1")
CANCELLED = OrderCancelled(order_id="o1", reason="customer")
RETURNED = OrderCancelled(order_id="o1", reason="returned")
CONTRADICTED = OrderDiscrepancyOpened(order_id="o1", kind="shipped_after_cancel", about="o1", fact="o1")

TO_CONFIRMED: tuple[OrderEvent, ...] = (PLACED, RESERVED, CONFIRMED)


def test_places_an_order_whose_payments_are_its_total() -> None:
    order.given().when(place()).then(PLACED)


def test_adds_surcharges_and_takes_off_shortfalls() -> None:
    changes = (
        Adjustment(kind="surcharge", amount_cents=120),
        Adjustment(kind="shortfall", amount_cents=20),
    )
    portions = (
        Portion(payment_id="p1", method="voucher", amount_cents=400),
        Portion(payment_id="p2", method="card", amount_cents=2000, sequence=2),
    )
    command = place(adjustments=changes, portions=portions)
    order.given().when(command).then(placed(command, 2400))


def test_a_payment_of_zero_is_a_payment() -> None:
    command = place(
        lines=(Line(line=1, sku="A-1", quantity=1, unit_price_cents=0),),
        portions=(Portion(payment_id="p1", method="voucher", amount_cents=0),),
    )
    order.given().when(command).then(placed(command, 0))


def test_an_order_on_account_has_no_payments() -> None:
    command = place(on_account=True, portions=())
    order.given().when(command).then(placed(command, 2300))


def test_an_import_may_have_no_lines() -> None:
    paid = Adjustment(kind="surcharge", amount_cents=2300)
    command = place(lines=(), adjustments=(paid,), imported=True)
    order.given().when(command).then(placed(command, 2300))


@pytest.mark.parametrize(
    ("rule", "fields"),
    [
        ("order_has_lines", {"lines": (), "portions": ()}),
        ("paid_equals_total", {"portions": (Portion(payment_id="p1", method="card", amount_cents=2299),)}),
        ("paid_equals_total", {"portions": (Portion(payment_id="p1", method="card", amount_cents=2301),)}),
        ("paid_equals_total", {"portions": ()}),
        ("paid_or_on_account", {"on_account": True}),
        ("total_not_negative", {"adjustments": (Adjustment(kind="shortfall", amount_cents=2301),)}),
        (
            "total_within_limit",
            {
                "lines": (LINE.model_copy(update={"unit_price_cents": MOST_CENTS}),),
                "portions": (),
                "on_account": True,
            },
        ),
        ("payments_unique", {"portions": (Portion(payment_id="p1", method="card", amount_cents=1150),) * 2}),
        (
            "lines_unique",
            {
                "lines": (LINE, LINE),
                "portions": (Portion(payment_id="p1", method="card", amount_cents=4600),),
            },
        ),
    ],
)
def test_refuses_an_order_that_does_not_add_up(rule: str, fields: dict[str, Any]) -> None:
    order.given().when(place(**fields)).then_refused(rule)


def test_an_order_id_is_used_once() -> None:
    order.given(PLACED).when(place()).then_refused("order_id_unique")


@pytest.mark.parametrize(
    "command",
    [
        MarkReserved(order_id="o1"),
        ConfirmOrder(order_id="o1"),
        StartPreparation(order_id="o1"),
        RecordDispatch(order_id="o1"),
        CancelOrder(order_id="o1", reason="customer"),
        CompleteOrder(order_id="o1"),
    ],
)
def test_nothing_happens_to_an_order_that_does_not_exist(command: OrderCommand) -> None:
    order.given().when(command).then_refused("order_exists")


def test_goes_from_placed_to_completed() -> None:
    order.given(PLACED).when(MarkReserved(order_id="o1")).then(RESERVED)
    order.given(PLACED, RESERVED).when(ConfirmOrder(order_id="o1")).then(CONFIRMED)
    order.given(*TO_CONFIRMED).when(StartPreparation(order_id="o1")).then(PREPARING)
    order.given(*TO_CONFIRMED, PREPARING).when(RecordDispatch(order_id="o1")).then(SHIPPED)
    done = order.given(*TO_CONFIRMED, SHIPPED).when(CompleteOrder(order_id="o1"))
    done.then(COMPLETED)
    assert (done.state.status, done.state.dispatched, done.state.sent) == ("completed", True, {1: 2})


def test_two_confirmations_are_one() -> None:
    order.given(*TO_CONFIRMED).when(ConfirmOrder(order_id="o1")).then_nothing()
    order.given(*TO_CONFIRMED, SHIPPED).when(ConfirmOrder(order_id="o1")).then_nothing()
    order.given(*TO_CONFIRMED).when(MarkReserved(order_id="o1")).then_nothing()
    order.given(*TO_CONFIRMED, PREPARING).when(StartPreparation(order_id="o1")).then_nothing()
    order.given(*TO_CONFIRMED, SHIPPED, COMPLETED).when(CompleteOrder(order_id="o1")).then_nothing()


def test_a_late_confirmation_does_not_revive_a_cancelled_order() -> None:
    order.given(PLACED, CANCELLED).when(ConfirmOrder(order_id="o1")).then_nothing()
    order.given(PLACED, CANCELLED).when(MarkReserved(order_id="o1")).then_nothing()


def test_only_a_confirmed_order_is_prepared() -> None:
    order.given(PLACED).when(StartPreparation(order_id="o1")).then_refused("prepare_confirmed")
    order.given(PLACED, CANCELLED).when(StartPreparation(order_id="o1")).then_refused("prepare_confirmed")


def test_only_a_shipped_order_completes() -> None:
    order.given(*TO_CONFIRMED).when(CompleteOrder(order_id="o1")).then_refused("complete_shipped")
    order.given(PLACED, CANCELLED).when(CompleteOrder(order_id="o1")).then_refused("complete_shipped")


@pytest.mark.parametrize("history", [(PLACED,), (PLACED, RESERVED), TO_CONFIRMED, (*TO_CONFIRMED, PREPARING)])
def test_what_is_not_shipped_can_be_cancelled_once(history: tuple[Any, ...]) -> None:
    cancel = CancelOrder(order_id="o1", reason="customer")
    order.given(*history).when(cancel).then(CANCELLED)
    order.given(*history, CANCELLED).when(cancel).then_nothing()


def test_what_is_shipped_can_only_come_back() -> None:
    shipped = order.given(*TO_CONFIRMED, SHIPPED)
    shipped.when(CancelOrder(order_id="o1", reason="customer")).then_refused("cancel_before_shipping")
    shipped.when(CancelOrder(order_id="o1", reason="returned")).then(RETURNED)
    completed = order.given(*TO_CONFIRMED, SHIPPED, COMPLETED)
    completed.when(CancelOrder(order_id="o1", reason="customer")).then_refused("cancel_before_shipping")
    completed.when(CancelOrder(order_id="o1", reason="returned")).then(RETURNED)


def test_a_dispatch_is_a_fact_before_confirmation_too() -> None:
    order.given(PLACED).when(RecordDispatch(order_id="o1")).then(SHIPPED)


def test_a_cancelled_order_that_ships_all_the_same_is_a_discrepancy_told_once() -> None:
    order.given(*TO_CONFIRMED, CANCELLED).when(RecordDispatch(order_id="o1")).then(CONTRADICTED)
    order.given(*TO_CONFIRMED, CANCELLED, CONTRADICTED).when(RecordDispatch(order_id="o1")).then_nothing()


@pytest.mark.parametrize("kind", ["not_captured", "not_refunded"])
def test_money_that_did_not_move_is_a_discrepancy_told_once_for_each_kind(kind: Any) -> None:
    command = OpenOrderDiscrepancy(order_id="o1", kind=kind)
    opened = OrderDiscrepancyOpened(order_id="o1", kind=kind)
    for history in (TO_CONFIRMED, (*TO_CONFIRMED, SHIPPED), (*TO_CONFIRMED, CANCELLED, CONTRADICTED)):
        order.given(*history).when(command).then(opened)
        order.given(*history, opened).when(command).then_nothing()
    order.given(*TO_CONFIRMED, CANCELLED, opened).when(RecordDispatch(order_id="o1")).then(CONTRADICTED)


def test_a_dispatch_told_again_after_the_return_is_no_discrepancy() -> None:
    order.given(*TO_CONFIRMED, SHIPPED, RETURNED).when(RecordDispatch(order_id="o1")).then_nothing()


def test_a_time_without_a_zone_is_not_accepted() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        place(estimated_delivery_at="2018-01-01T00:00:00")


def test_a_customer_is_said_or_erased_but_never_left_empty() -> None:
    with pytest.raises(ValidationError, match="must not be empty"):
        PlaceOrder.model_validate({**dict(place()), "customer": {}})


def test_a_term_is_at_most_ten_years() -> None:
    with pytest.raises(ValidationError, match="less than or equal"):
        Terms(reservation_valid_s=10**12)

"""Are further payments taken only for what others don't bring, and is it known of an order which they are?"""

from __future__ import annotations

import pytest

from domain.order import (
    AddOrderPayment,
    CancelOrderLines,
    DropOrderPayment,
    LineQuantity,
    OrderCancelled,
    OrderCompleted,
    OrderEvent,
    OrderLinesCancelled,
    OrderPaymentAdded,
    OrderPaymentDropped,
    OrderPaymentReduced,
    OrderShipped,
)
from tests.unit.test_order import order
from tests.unit.test_order_changes import PLACED, TO_CONFIRMED, adds_up

TOTAL = PLACED.total_cents
ON_ACCOUNT = PLACED.model_copy(update={"portions": (), "on_account": True})
ADD = AddOrderPayment(order_id="o1", payment_id="p9", method="pix", amount_cents=900)
ADDED = OrderPaymentAdded(**dict(ADD))
DROP = DropOrderPayment(order_id="o1", payment_id="p9", reason="declined")
DROPPED = OrderPaymentDropped(**DROP.model_dump(exclude={"brought_cents"}))


def test_a_further_payment_of_an_order_on_account() -> None:
    order.given(ON_ACCOUNT).when(ADD).then(ADDED)
    order.given(ON_ACCOUNT, ADDED).when(ADD).then_nothing()
    other = ADD.model_copy(update={"amount_cents": 901})
    order.given(ON_ACCOUNT, ADDED).when(other).then_refused("payments_unique")


def test_payments_never_bring_more_than_the_total() -> None:
    message = order.given(*TO_CONFIRMED).when(ADD).then_refused("payments_within_total")
    assert "at most 0 cents" in message
    rest = ADD.model_copy(update={"payment_id": "p8", "amount_cents": TOTAL - 900})
    order.given(ON_ACCOUNT, ADDED).when(rest).then(OrderPaymentAdded(**dict(rest)))
    more = rest.model_copy(update={"amount_cents": TOTAL - 899})
    order.given(ON_ACCOUNT, ADDED).when(more).then_refused("payments_within_total")


def test_another_payment_brings_what_one_did_not() -> None:
    sent = (*TO_CONFIRMED, OrderShipped(order_id="o1"))
    less = DropOrderPayment(order_id="o1", payment_id="p2", reason="not_captured", brought_cents=300)
    reduced = OrderPaymentReduced(order_id="o1", payment_id="p2", reason="not_captured", amount_cents=300)
    order.given(*sent).when(less).then(reduced)
    order.given(*sent, reduced).when(less).then_nothing()
    rest = ADD.model_copy(update={"amount_cents": 599})
    order.given(*sent, reduced).when(rest).then(OrderPaymentAdded(**dict(rest)))
    more = ADD.model_copy(update={"amount_cents": 600})
    order.given(*sent, reduced).when(more).then_refused("payments_within_total")


def test_another_payment_brings_what_nothing_came_of() -> None:
    order.given(ON_ACCOUNT, ADDED).when(DROP).then(DROPPED)
    order.given(ON_ACCOUNT, ADDED, DROPPED).when(DROP).then_nothing()
    order.given(ON_ACCOUNT, ADDED, DROPPED).when(ADD).then_refused("payments_unique")
    again = ADD.model_copy(update={"payment_id": "p8", "amount_cents": TOTAL})
    order.given(ON_ACCOUNT, ADDED, DROPPED).when(again).then(OrderPaymentAdded(**dict(again)))
    gone = OrderPaymentDropped(order_id="o1", payment_id="p2", reason="not_captured")
    instead = ADD.model_copy(update={"amount_cents": 899})
    order.given(*TO_CONFIRMED, OrderShipped(order_id="o1"), gone).when(instead).then(
        OrderPaymentAdded(**dict(instead))
    )


@pytest.mark.parametrize(
    "over", [OrderCancelled(order_id="o1", reason="staff"), OrderCompleted(order_id="o1")]
)
def test_an_order_that_is_over_takes_no_payment(over: OrderEvent) -> None:
    order.given(ON_ACCOUNT, over).when(ADD).then_refused("pay_open_order")
    order.given(ON_ACCOUNT, ADDED, over).when(DROP).then_nothing()


def test_a_part_cancel_takes_first_what_no_payment_brings() -> None:
    cut = CancelOrderLines(
        order_id="o1", cancel_id="c1", reason="staff", lines=(LineQuantity(line=1, quantity=2),)
    )
    (event,) = order.given(ON_ACCOUNT, ADDED).when(cut).events
    assert isinstance(event, OrderLinesCancelled)
    assert (event.total_cents, event.payments) == (1755, ())
    cut = cut.model_copy(update={"lines": (LineQuantity(line=1, quantity=3),)})
    outcome = order.given(ON_ACCOUNT, ADDED).when(cut)
    (event,) = outcome.events
    assert isinstance(event, OrderLinesCancelled)
    (less,) = event.payments
    assert (event.total_cents, less.amount_cents, less.change_cents) == (682, 682, -218)
    adds_up(outcome.state)

"""Does the cart agent wait as long as the cart's terms say, and have every claim come to an end?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from domain.cart.commands import (
    AbandonCart,
    ExpireCart,
    RecordCheckoutOrder,
    ReleaseCheckout,
    RequestCheckoutOrders,
)
from domain.cart.events import (
    CartExpired,
    CartTerms,
    CheckoutClaimed,
    CheckoutCompleted,
    CheckoutOrderRequested,
    CheckoutReleased,
    CheckoutStarted,
    ItemAdded,
)
from domain.cart.orders import place_order_of
from domain.deadline import DeadlineReached
from domain.kernel import Command, Event, Fact
from domain.order import Line, OrderPlaced, Terms
from domain.personal import Sealed
from domain.streams import cart_stream, deadline_stream, order_stream
from services.agents.cart import CART_AGENT, CartProcess
from services.agents.order import ORDER_AGENT

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
CART = cart_stream("m1", "k1")
STARTED = CheckoutStarted(
    cart_id="k1", merchant="m1", currency="BRL", terms=CartTerms(abandon_after_s=60, expire_after_s=600)
)
ADDED = ItemAdded(cart_id="k1", line=1, merchant="m1", sku="A", quantity=1, unit_price_cents=5)
CLAIMED = CheckoutClaimed(cart_id="k1", claim=1, expires_at=NOON, total_cents=5, orders_count=1)


def reached(name: str) -> DeadlineReached:
    return DeadlineReached(agent="cart", key=CART, name=name, due_at=NOON)


def fact(event: Event, merchant: str = "m1") -> Fact:
    stream = CART
    if isinstance(event, OrderPlaced):
        stream = order_stream(merchant, event.order_id)
    if isinstance(event, DeadlineReached):
        stream = deadline_stream("m1", event.agent, event.key, event.name)
    return Fact(1, stream, 1, event, merchant, "c", "x", UUID(int=1), NOON, NOON)


def heard(*events: Event) -> tuple[CartProcess, list[tuple[str, Command]], dict[str, Any]]:
    """The process after all of them; what the last one made it command, and which deadlines stand."""
    process, standing = CartProcess(), {}
    for event in events:
        reaction = CART_AGENT.react(process, fact(event))
        process = reaction.process
        standing |= {each.name: each.due_at for each in reaction.deadlines}
        asked = [(t.stream, t.command) for group in reaction.commands for t in group.targets]
    return process, asked, {name: due for name, due in standing.items() if due}


def test_a_cart_waits_anew_after_each_thing_that_its_shopper_does() -> None:
    process, asked, standing = heard(STARTED, ADDED)
    assert (process.activity, asked) == (2, [])
    assert standing == {"abandon": NOON + timedelta(minutes=1), "expire": NOON + timedelta(minutes=10)}


def test_deadlines_name_the_last_activity_that_was_heard_of() -> None:
    assert heard(STARTED, ADDED, reached("abandon"))[1] == [(CART, AbandonCart(cart_id="k1", activity=2))]
    assert heard(STARTED, ADDED, reached("expire"))[1] == [(CART, ExpireCart(cart_id="k1", activity=2))]


def test_a_claim_past_its_time_is_finished_and_then_released() -> None:
    assert heard(STARTED, ADDED, CLAIMED)[2] == {"claim": NOON}
    _, asked, standing = heard(STARTED, ADDED, CLAIMED, reached("claim"))
    assert asked == [(CART, RequestCheckoutOrders(cart_id="k1", claim=1))]
    assert standing["release"] == NOON + timedelta(seconds=60)
    _, asked, _ = heard(STARTED, ADDED, CLAIMED, reached("release"))
    assert asked == [(CART, ReleaseCheckout(cart_id="k1", claim=1, reason="unfinished"))]


def test_who_is_asked_late_to_place_its_orders_has_as_long_as_others() -> None:
    """Else it is released while they are being placed."""
    late = NOON + timedelta(minutes=5)
    process, _, _ = heard(STARTED, ADDED, CLAIMED)
    reaction = CART_AGENT.react(process, fact(reached("claim"))._replace(occurred_at=late))
    assert [each.due_at for each in reaction.deadlines] == [late + timedelta(seconds=60)]


def test_a_released_cart_waits_for_its_shopper_again() -> None:
    released = CheckoutReleased(cart_id="k1", claim=1, reason="unfinished")
    assert heard(STARTED, ADDED, CLAIMED, released)[2].keys() == {"abandon", "expire"}


def test_what_is_over_waits_for_nothing() -> None:
    done = CheckoutCompleted(cart_id="k1", total_cents=5, orders_count=1)
    assert heard(STARTED, ADDED, CLAIMED, done)[2] == {}
    assert heard(STARTED, ADDED, CartExpired(cart_id="k1"))[2] == {}


def placed(checkout_id: str) -> OrderPlaced:
    return OrderPlaced(
        order_id="o1", checkout_id=checkout_id, subject="s", customer=Sealed(sealed="x"), ship_to_state="",
        currency="BRL", lines=(), portions=(), total_cents=7, terms=Terms(),
    )  # fmt: skip


def test_an_order_of_a_cart_is_told_to_it_also_another_merchants() -> None:
    record = RecordCheckoutOrder(cart_id="k1", merchant="m2", order_id="o1", total_cents=7)
    reaction = CART_AGENT.react(CartProcess(), fact(placed("cart~k1~m1"), "m2"))
    assert [(t.stream, t.command) for g in reaction.commands for t in g.targets] == [(CART, record)]
    assert CART_AGENT.react(CartProcess(), fact(placed("checkout-77"))).commands == ()


def test_the_order_agent_places_what_a_checkout_could_not() -> None:
    requested = CheckoutOrderRequested(
        cart_id="k1", claim=1, merchant="m2", order_id="o1", checkout_id="cart~k1~m1", subject="s",
        customer=Sealed(sealed="x"), currency="BRL", total_cents=5, terms=Terms(), on_account=True,
        lines=(Line(line=1, sku="A", quantity=1, unit_price_cents=5),),
    )  # fmt: skip
    reaction = ORDER_AGENT.react(ORDER_AGENT.initial, fact(requested))
    assert [(t.stream, t.command) for g in reaction.commands for t in g.targets] == [
        (order_stream("m2", "o1"), place_order_of(requested))
    ]

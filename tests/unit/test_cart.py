"""Does a cart come to one order a merchant, on what its buyer saw, and to an end whatever happens?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.allocation.rules import AllocationRules, AllocationTerms, FewestSplits, Site
from domain.cart.cart import CART, CHANGES_MAX, LINES_MAX
from domain.cart.commands import (
    AbandonCart,
    AddItem,
    AssignCart,
    Buyer,
    ChangeItemQuantity,
    ChooseShipping,
    ClaimCheckout,
    ExpireCart,
    MergeCart,
    Offer,
    Payment,
    RecordCheckoutOrder,
    ReleaseCheckout,
    RequestCheckoutOrders,
    SetContact,
    StartCheckout,
)
from domain.cart.events import (
    CartAbandoned,
    CartAssigned,
    CartEvents,
    CartExpired,
    CartMerged,
    CartResumed,
    CheckoutClaimed,
    CheckoutCompleted,
    CheckoutOrderPlanned,
    CheckoutOrderRecorded,
    CheckoutOrderRequested,
    CheckoutReleased,
    CheckoutStarted,
    ContactSet,
    DriftAccepted,
    ItemAdded,
    ItemQuantityChanged,
    ItemRemoved,
    LineChange,
    ShippingCharge,
    ShippingChosen,
)
from domain.cart.orders import (
    Drift,
    cart_of_checkout,
    checkout_id_of,
    drift_token,
    order_number,
    place_order_of,
)
from domain.personal import Erased, Sealed
from tests.specification import Specification

cart = Specification(CART)
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
SEALED = Sealed(sealed="c2VhbGVk")
STARTED = CheckoutStarted(cart_id="k1", merchant="m1", currency="BRL", token_digest="d")
CONTACT = ContactSet(cart_id="k1", subject="s1", contact=SEALED, ship_to_state="SP")
CHECKOUT = "cart~k1~m1"


def item(line: int, sku: str, quantity: int = 1, cents: int = 1000, merchant: str = "m1") -> ItemAdded:
    return ItemAdded(
        cart_id="k1", line=line, merchant=merchant, sku=sku, quantity=quantity, unit_price_cents=cents
    )


def add(sku: str, quantity: int = 1, cents: int = 1000, merchant: str = "m1") -> AddItem:
    return AddItem(cart_id="k1", merchant=merchant, sku=sku, quantity=quantity, unit_price_cents=cents)


def claim(
    seen: int, *offers: Offer, accept: str = "", merchants: str = "m1", **more: object
) -> ClaimCheckout:
    fields: dict[str, Any] = {
        "payments": (Payment(name="card", method="credit_card"),),
        "buyers": tuple(Buyer(merchant=m, subject=f"s{m}", customer=SEALED) for m in merchants.split()),
        **more,
    }
    return ClaimCheckout(
        cart_id="k1", now=NOON, seen_total_cents=seen, accept=accept, offers=offers, **fields
    )


READY: tuple[CartEvents, ...] = (STARTED, item(1, "A", 2), CONTACT)
SEVERAL: tuple[CartEvents, ...] = (*READY, item(2, "B", 1, 500, merchant="m2"))


def claimed(*before: CartEvents, seen: int = 2000, merchants: str = "m1") -> tuple[CartEvents, ...]:
    """A cart whose claim is in the log, and none of its orders."""
    return (*before, *cart.given(*before).when(claim(seen, merchants=merchants)).events)


def record(merchant: str = "m1", cents: int = 2000, of: int | None = None) -> RecordCheckoutOrder:
    number = order_number(CHECKOUT, merchant)
    return RecordCheckoutOrder(cart_id="k1", merchant=merchant, order_id=number, total_cents=cents, claim=of)


def recorded(merchant: str = "m1", cents: int = 2000) -> CheckoutOrderRecorded:
    number = order_number(CHECKOUT, merchant)
    return CheckoutOrderRecorded(cart_id="k1", merchant=merchant, order_id=number, total_cents=cents)


# ---- what is put in


def test_more_of_what_is_in_the_cart_adds_to_its_line_at_the_price_of_now() -> None:
    more = cart.given(STARTED, item(1, "A", 2, 1000)).when(add("A", 3, 900))
    more.then(item(1, "A", 3, 900))
    (line,) = more.state.lines
    assert (line.quantity, line.unit_price_cents) == (5, 900)


def test_no_units_take_a_line_out_and_its_number_is_nobody_elses() -> None:
    gone = cart.given(*READY).when(ChangeItemQuantity(cart_id="k1", line=1, quantity=0))
    gone.then(ItemRemoved(cart_id="k1", line=1))
    cart.given(*READY, *gone.events).when(add("C")).then(item(2, "C"))
    cart.given(*READY, *gone.events).when(ChangeItemQuantity(cart_id="k1", line=1, quantity=0)).then_nothing()
    cart.given(*READY, *gone.events).when(ChangeItemQuantity(cart_id="k1", line=1, quantity=1)).then_refused(
        "line_exists"
    )


def test_a_quantity_is_changed_once() -> None:
    change = ChangeItemQuantity(cart_id="k1", line=1, quantity=5)
    changed = ItemQuantityChanged(cart_id="k1", line=1, quantity=5)
    cart.given(*READY).when(change).then(changed)
    cart.given(*READY, changed).when(change).then_nothing()


def test_a_cart_is_bounded() -> None:
    full = [item(n, f"S{n}") for n in range(1, LINES_MAX + 1)]
    cart.given(STARTED, *full).when(add("more")).then_refused("cart_lines_within_limit")
    cart.given(STARTED).when(add("A", 2_000_000)).then_refused("cart_units_within_limit")
    cart.given(STARTED).when(add("A", 10, 10**15)).then_refused("total_within_limit")
    busy = [ItemQuantityChanged(cart_id="k1", line=1, quantity=n % 9 + 1) for n in range(CHANGES_MAX)]
    cart.given(*READY, *busy).when(add("B")).then_refused("cart_changes_within_limit")


def test_what_is_not_there_takes_nothing() -> None:
    cart.given().when(add("A")).then_refused("cart_exists")
    start = StartCheckout(cart_id="k1", merchant="m1", currency="BRL", token_digest="d")
    cart.given().when(start).then(STARTED)
    cart.given(STARTED).when(start).then_refused("cart_id_unique")


# ---- completion, exactly once


def test_completing_claims_the_cart_and_plans_its_order_whole() -> None:
    done = cart.given(*READY).when(claim(2000))
    assert [type(event) for event in done.events] == [CheckoutClaimed, CheckoutOrderPlanned]
    taken, order = done.events
    assert isinstance(taken, CheckoutClaimed)
    assert isinstance(order, CheckoutOrderPlanned)
    assert (taken.claim, taken.expires_at) == (1, NOON + timedelta(seconds=60))
    assert (order.order_id, order.total_cents) == (order_number(CHECKOUT, "m1"), 2000)
    assert [each.amount_cents for each in order.portions] == [2000]
    assert done.state.status == "completing"


def test_an_order_is_of_the_channel_of_its_cart() -> None:
    started = STARTED.model_copy(update={"channel": "market-place"})
    _, order = cart.given(*[started if each == STARTED else each for each in READY]).when(claim(2000)).events
    assert isinstance(order, CheckoutOrderPlanned)
    assert place_order_of(order).channel == "market-place"


def test_an_order_keeps_the_way_of_shipping_that_was_paid_for() -> None:
    chosen = ShippingChosen(
        cart_id="k1", method="express", charges=(ShippingCharge(merchant="m1", amount_cents=0),)
    )
    _, order = cart.given(*READY, chosen).when(claim(2000)).events
    assert isinstance(order, CheckoutOrderPlanned)
    assert place_order_of(order).shipping_method == "express"


def test_double_click_on_place_order_gives_one_order() -> None:
    once = claimed(*READY)
    cart.given(*once).when(claim(2000)).then_nothing()
    done = (*once, *cart.given(*once).when(record(of=1)).events)
    assert cart.given(*done).state.status == "completed"
    cart.given(*done).when(claim(2000)).then_nothing()
    cart.given(*done).when(record()).then_nothing()


def test_two_tabs_that_saw_different_carts_place_none_of_what_was_not_seen() -> None:
    message = cart.given(*READY, item(2, "B", 1, 500)).when(claim(2000)).then_refused("as_seen")
    assert "total was 2000 cents, is 2500" in message


def test_a_cart_that_is_being_completed_takes_no_changes() -> None:
    cart.given(*claimed(*READY)).when(add("B")).then_refused("cart_open")


def test_an_order_of_each_merchant_completes_the_checkout() -> None:
    once = claimed(*SEVERAL, seen=2500, merchants="m1 m2")
    cart.given(*once).when(record("m2", 500)).then(recorded("m2", 500))
    cart.given(*once, recorded("m2", 500)).when(record(of=1)).then(
        recorded(), CheckoutCompleted(cart_id="k1", total_cents=2500, orders_count=2)
    )


def test_payments_and_shipping_are_split_over_the_merchants_to_the_cent() -> None:
    charges = tuple(ShippingCharge(merchant=m, amount_cents=333) for m in ("m1", "m2"))
    chosen = ShippingChosen(cart_id="k1", method="standard", charges=charges)
    pays = (Payment(name="voucher", method="voucher", amount_cents=1001), Payment(name="card", method="card"))
    done = cart.given(*SEVERAL, chosen).when(claim(3166, merchants="m1 m2", payments=pays))
    _, first, second = done.events
    assert isinstance(first, CheckoutOrderPlanned)
    assert isinstance(second, CheckoutOrderPlanned)
    for order, total in ((first, 2333), (second, 833)):
        assert sum(line.total_cents for line in order.lines) == order.total_cents == total
        assert sum(each.amount_cents for each in order.portions) == total
    vouchers = [order.portions[0].amount_cents for order in (first, second)]
    assert sum(vouchers) == 1001
    assert [(line.quantity, line.unit_shipping_cents) for line in first.lines] == [(1, 167), (1, 166)]


def test_payments_that_do_not_come_to_the_total_are_refused() -> None:
    for cents in (1999, 2001):
        short = (Payment(name="card", method="card", amount_cents=cents),)
        cart.given(*READY).when(claim(2000, payments=short)).then_refused("paid_equals_total")
    two = tuple(Payment(name=name, method="card") for name in ("a", "b"))
    cart.given(*READY).when(claim(2000, payments=two)).then_refused("one_pays_the_rest")
    cart.given(*READY).when(claim(2000, on_account=True)).then_refused("paid_or_on_account")
    cart.given(*READY).when(claim(2000, payments=())).then_refused("paid_equals_total")


def test_what_is_not_ready_is_refused_by_what_is_missing() -> None:
    cart.given(STARTED, CONTACT).when(claim(0)).then_refused("cart_has_lines")
    cart.given(STARTED, item(1, "A")).when(claim(1000)).then_refused("contact_known")
    cart.given(*READY).when(claim(2000, merchants="m2")).then_refused("buyer_known")
    chosen = ShippingChosen(
        cart_id="k1", method="std", charges=(ShippingCharge(merchant="m1", amount_cents=10),)
    )
    cart.given(*READY, chosen, item(2, "B", 1, 500, "m2")).when(claim(2510, merchants="m1 m2")).then_refused(
        "shipping_of_all_lines"
    )


# ---- whoever finds a claim past its time finishes or releases it


def test_a_crash_between_claim_and_orders_has_the_orders_requested() -> None:
    once = claimed(*SEVERAL, seen=2500, merchants="m1 m2")
    asked = cart.given(*once, recorded("m2", 500)).when(RequestCheckoutOrders(cart_id="k1", claim=1))
    (planned,) = [each for each in once if isinstance(each, CheckoutOrderPlanned) and each.merchant == "m1"]
    asked.then(CheckoutOrderRequested(**dict(planned)))
    cart.given(
        *claimed(*READY), recorded(), CheckoutCompleted(cart_id="k1", total_cents=1, orders_count=1)
    ).when(RequestCheckoutOrders(cart_id="k1", claim=1)).then_nothing()


def test_a_claim_that_nothing_came_of_is_released_and_can_be_made_again() -> None:
    release = ReleaseCheckout(cart_id="k1", claim=1, reason="unfinished")
    once = claimed(*READY)
    released = CheckoutReleased(cart_id="k1", claim=1, reason="unfinished")
    cart.given(*once).when(release).then(released)
    cart.given(*once, released).when(release).then_nothing()
    again = cart.given(*once, released).when(claim(2000)).events
    assert isinstance(again[0], CheckoutClaimed)
    assert again[0].claim == 2
    assert isinstance(again[1], CheckoutOrderPlanned)
    assert again[1].order_id == order_number(CHECKOUT, "m1"), "the order of a cart is always the same one"


def test_a_claim_of_which_some_orders_stand_ends_with_these() -> None:
    once = claimed(*SEVERAL, seen=2500, merchants="m1 m2")
    release = ReleaseCheckout(cart_id="k1", claim=1, reason="order_refused")
    cart.given(*once, recorded()).when(release).then(
        CheckoutCompleted(cart_id="k1", total_cents=2000, orders_count=1, missing_count=1)
    )


def test_who_wakes_up_after_the_claim_was_released_places_nothing() -> None:
    released = CheckoutReleased(cart_id="k1", claim=1, reason="unfinished")
    cart.given(*claimed(*READY), released).when(record(of=1)).then_refused("claim_current")
    again = claimed(*claimed(*READY), released)
    cart.given(*again).when(record(of=1)).then_refused("claim_current")


def test_an_order_that_is_there_after_all_completes_the_cart() -> None:
    released = CheckoutReleased(cart_id="k1", claim=1, reason="unfinished")
    late = cart.given(*claimed(*READY), released).when(record())
    late.then(recorded(), CheckoutCompleted(cart_id="k1", total_cents=2000, orders_count=1))
    cart.given(*claimed(*READY), released, *late.events).when(record()).then_nothing()


def test_an_order_that_only_says_that_it_is_of_the_cart_is_not_believed() -> None:
    cart.given(*READY).when(record()).then_nothing()
    cart.given(*claimed(*READY)).when(record("m2")).then_nothing()
    forged = RecordCheckoutOrder(cart_id="k1", merchant="m1", order_id="o1", total_cents=1)
    cart.given(*claimed(*READY)).when(forged).then_nothing()


# ---- drift: told before it costs


def test_price_drift_between_view_and_completion_is_told_with_old_and_new() -> None:
    now = Offer(line=1, unit_price_cents=1100)
    message = cart.given(*READY).when(claim(2000, now)).then_refused("as_seen")
    assert "line 1: price was 1000 cents, is 1100" in message


def test_stock_drift_between_view_and_completion_is_told_with_old_and_new() -> None:
    message = cart.given(*READY).when(claim(2000, Offer(line=1, available=1))).then_refused("as_seen")
    assert "line 1: stock was 2 units, is 1" in message


def test_units_that_began_to_wait_since_they_were_shown_are_told_and_can_be_accepted() -> None:
    shown = item(1, "A", 2).model_copy(update={"waits": 0})
    now = Offer(line=1, available=1, room=5, waits=2)
    pressed = cart.given(STARTED, shown, CONTACT)
    message = pressed.when(claim(2000, now)).then_refused("as_seen")
    assert "line 1: waits was 0 units, is 2" in message
    token = drift_token((Drift(1, "waits", 0, 2, waits=2),))
    accepted, taken, order = pressed.when(claim(2000, now, accept=token)).events
    change = LineChange(line=1, unit_price_cents=1000, quantity=2, waits=2)
    assert accepted == DriftAccepted(cart_id="k1", changes=(change,))
    assert isinstance(taken, CheckoutClaimed)
    assert isinstance(order, CheckoutOrderPlanned)
    assert [line.quantity for line in order.lines] == [2]


@pytest.mark.parametrize("shown", [3, 2, None])
def test_as_many_or_fewer_that_wait_than_were_shown_are_no_change(shown: int | None) -> None:
    """Nor is it where nobody knows what was shown: as in carts of before."""
    line = item(1, "A", 3).model_copy(update={"waits": shown})
    done = cart.given(STARTED, line, CONTACT).when(claim(3000, Offer(line=1, available=1, room=5, waits=2)))
    assert isinstance(done.events[0], CheckoutClaimed)


def test_a_quantity_that_is_changed_is_shown_with_what_of_it_waits() -> None:
    shown = item(1, "A", 2).model_copy(update={"waits": 0})
    changed = ItemQuantityChanged(cart_id="k1", line=1, quantity=3, waits=1)
    (line,) = cart.given(STARTED, shown, changed).state.lines
    assert (line.quantity, line.waits) == (3, 1)


def test_what_was_accepted_with_fewer_that_wait_is_told_again_where_more_do() -> None:
    token = drift_token((Drift(1, "stock", 2, 1, waits=0),))
    waits = Offer(line=1, available=0, room=1, waits=1)
    message = cart.given(*READY).when(claim(2000, waits, accept=token)).then_refused("as_seen")
    assert "since it was accepted" in message


def test_drift_that_is_accepted_is_what_is_ordered() -> None:
    now = Offer(line=1, unit_price_cents=1100, available=1)
    token = drift_token((Drift(1, "price", 1000, 1100), Drift(1, "stock", 2, 1)))
    done = cart.given(*READY).when(claim(2000, now, accept=token))
    accepted, taken, order = done.events
    change = LineChange(line=1, unit_price_cents=1100, quantity=1, waits=0)
    assert accepted == DriftAccepted(cart_id="k1", changes=(change,))
    assert isinstance(taken, CheckoutClaimed)
    assert isinstance(order, CheckoutOrderPlanned)
    assert (taken.total_cents, order.total_cents) == (1100, 1100)
    assert [(line.quantity, line.unit_price_cents) for line in order.lines] == [(1, 1100)]


def test_drift_that_goes_on_after_it_was_accepted_is_told_again() -> None:
    token = drift_token((Drift(1, "price", 1000, 1100),))
    dearer = Offer(line=1, unit_price_cents=1200)
    message = cart.given(*READY).when(claim(2000, dearer, accept=token)).then_refused("as_seen")
    assert "since it was accepted" in message


def test_a_price_that_fell_is_told_too() -> None:
    cart.given(*READY).when(claim(2000, Offer(line=1, unit_price_cents=900))).then_refused("as_seen")


def test_shipping_that_costs_something_else_now_is_told_and_accepted() -> None:
    was, now = (ShippingCharge(merchant="m1", amount_cents=cents) for cents in (100, 150))
    chosen = ShippingChosen(cart_id="k1", method="std", charges=(was,), priced_by="settings")
    cart.given(*READY, chosen).when(claim(2100, charges=(now,))).then_refused("as_seen")
    token = drift_token((Drift(0, "shipping", 100, 150, "m1"),))
    done = cart.given(*READY, chosen).when(claim(2100, charges=(now,), accept=token))
    assert done.events[0] == DriftAccepted(cart_id="k1", charges=(now,))
    assert isinstance(done.events[1], CheckoutClaimed)
    assert done.events[1].total_cents == 2150


def test_product_archived_while_in_carts_is_told_and_its_line_goes() -> None:
    gone = Offer(line=1, on_sale=False)
    cart.given(*READY, item(2, "B", 1, 500)).when(claim(2500, gone)).then_refused("as_seen")
    token = drift_token((Drift(1, "gone", 2, 0),))
    done = cart.given(*READY, item(2, "B", 1, 500)).when(claim(2500, gone, accept=token))
    assert [line.sku for line in done.state.lines] == ["B"]
    cart.given(*READY).when(claim(2000, gone, accept=token)).then_refused("cart_has_lines")


# ---- guests and their accounts


def test_guest_merges_into_account_and_no_line_is_lost() -> None:
    seen = cart.given(*READY).state.activity
    merge = MergeCart(cart_id="k1", into="k2", activity=seen)
    merged = CartMerged(cart_id="k1", into="k2")
    cart.given(*READY).when(merge).then(merged)
    cart.given(*READY, item(2, "B")).when(merge).then_refused("cart_as_seen")
    cart.given(*READY, merged).when(add("C")).then_refused("cart_open")
    assert cart.given(*READY, merged).state.token_digest == ""


def test_a_cart_that_became_somebodys_is_nobody_elses() -> None:
    mine = CartAssigned(cart_id="k1", subject="p1")
    cart.given(*READY).when(AssignCart(cart_id="k1", subject="p1")).then(mine)
    theirs = cart.given(*READY, mine)
    theirs.when(AssignCart(cart_id="k1", subject="p1")).then_nothing()
    theirs.when(AssignCart(cart_id="k1", subject="p2")).then_refused("cart_of_a_guest")
    theirs.when(MergeCart(cart_id="k1", into="k2", activity=9)).then_refused("cart_of_a_guest")
    theirs.when(claim(2000)).then_refused("contact_known")
    wrong = SetContact(cart_id="k1", subject="p2", contact=SEALED)
    theirs.when(wrong).then_refused("contact_of_the_owner")
    assert theirs.state.token_digest == ""


# ---- abandoned and expired


def test_abandoned_carts_are_facts_that_say_whom_to_remind() -> None:
    idle = AbandonCart(cart_id="k1", activity=3)
    told = CartAbandoned(
        cart_id="k1", subject="s1", contact=SEALED, currency="BRL", lines_count=1, total_cents=2000
    )
    cart.given(*READY).when(idle).then(told)
    cart.given(*READY, told).when(idle).then_nothing()
    cart.given(STARTED, item(1, "A")).when(AbandonCart(cart_id="k1", activity=2)).then(
        CartAbandoned(cart_id="k1", contact=Erased(), currency="BRL", lines_count=1, total_cents=1000)
    )


def test_an_empty_cart_is_not_called_abandoned() -> None:
    cart.given(STARTED).when(AbandonCart(cart_id="k1", activity=1)).then_nothing()


def test_who_was_faster_than_the_deadline_is_not_abandoned() -> None:
    cart.given(*READY, item(2, "B")).when(AbandonCart(cart_id="k1", activity=3)).then_nothing()
    cart.given(*READY, item(2, "B")).when(ExpireCart(cart_id="k1", activity=3)).then_nothing()


def test_who_comes_back_goes_on_with_an_abandoned_cart() -> None:
    left = (*READY, *cart.given(*READY).when(AbandonCart(cart_id="k1", activity=3)).events)
    back = cart.given(*left).when(add("B"))
    back.then(CartResumed(cart_id="k1"), item(2, "B"))
    assert back.state.status == "open"
    assert isinstance(cart.given(*left).when(claim(2000)).events[0], CartResumed)


def test_an_expired_cart_is_over() -> None:
    expired = CartExpired(cart_id="k1")
    cart.given(*READY).when(ExpireCart(cart_id="k1", activity=3)).then(expired)
    message = cart.given(*READY, expired).when(claim(2000)).then_refused("cart_open")
    assert message == "the cart is expired; start another one"


def test_a_cart_that_is_being_completed_neither_expires_nor_is_abandoned() -> None:
    for command in (AbandonCart(cart_id="k1", activity=3), ExpireCart(cart_id="k1", activity=3)):
        cart.given(*claimed(*READY)).when(command).then_nothing()


def test_shipping_is_chosen_once_for_each_merchant() -> None:
    charge = ShippingCharge(merchant="m1", amount_cents=100)
    choose = ChooseShipping(cart_id="k1", method="std", charges=(charge,))
    chosen = ShippingChosen(cart_id="k1", method="std", charges=(charge,))
    cart.given(*READY).when(choose).then(chosen)
    cart.given(*READY, chosen).when(choose).then_nothing()
    twice = ChooseShipping(cart_id="k1", method="std", charges=(charge, charge))
    cart.given(*READY).when(twice).then_refused("one_charge_a_merchant")


@pytest.mark.parametrize("merchant", ["m1", "a~b", "ü"])
def test_a_checkout_names_its_cart(merchant: str) -> None:
    assert cart_of_checkout(checkout_id_of(merchant, "k1")) == (merchant, "k1")
    assert cart_of_checkout("checkout-77") is None
    assert cart_of_checkout("cart~~") is None


# ---- where what is ordered comes from

RULES = AllocationRules(rules=(FewestSplits(kind="fewest_splits"),))
BY_RULES = AllocationTerms(version=1, rules=RULES, sites=(Site(warehouse="north"),))


def test_an_order_of_a_cart_is_allocated_by_the_rules_of_its_merchant() -> None:
    """As one that is placed at the door: the merchant's rules of when the checkout was claimed."""
    buyers = (
        Buyer(merchant="m1", subject="s1", customer=SEALED, allocation=BY_RULES),
        Buyer(merchant="m2", subject="s2", customer=SEALED),
    )
    _, one, other = cart.given(*SEVERAL).when(claim(2500, buyers=buyers)).events
    assert isinstance(one, CheckoutOrderPlanned)
    assert isinstance(other, CheckoutOrderPlanned)
    assert (one.allocation, other.allocation) == (BY_RULES, None)
    assert place_order_of(one).allocation == BY_RULES


def test_an_order_that_was_not_placed_in_time_keeps_the_rules_of_its_claim() -> None:
    buyers = (Buyer(merchant="m1", subject="s1", customer=SEALED, allocation=BY_RULES),)
    claimed = cart.given(*READY).when(claim(2000, buyers=buyers)).events
    late = RequestCheckoutOrders(cart_id="k1", claim=1)
    (requested,) = cart.given(*READY, *claimed).when(late).events
    assert isinstance(requested, CheckoutOrderRequested)
    assert place_order_of(requested).allocation == BY_RULES

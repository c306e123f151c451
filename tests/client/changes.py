"""Orders that change before they are sent: edited by preview, declined, noted, called off."""

from __future__ import annotations

from tillroll_client.api.orders import (
    add_order_note,
    cancel_order,
    confirm_order_change,
    decline_order_change,
    hold_order,
    list_order_changes,
    list_orders,
    propose_order_change,
    tag_order,
    untag_order,
)
from tillroll_client.api.payments import get_payment
from tillroll_client.models import (
    CancelOrderBody,
    CancelOrderBodyReason,
    ChangeBody,
    ChangeBodyKind,
    CustomerBody,
    DeclineBody,
    DeclineBodyReason,
    HoldBody,
    HoldBodyReason,
    LineBody,
    ListOrdersHoldType0,
    NoteBody,
    OrderChange,
    OrderChangeStatus,
    OrderDetail,
    OrderDetailStatus,
    PageOfOrder,
    PaymentBody,
    PaymentDetailStatus,
    PlaceOrderBody,
    ProposeBody,
)

from tests.client.goods import PRICE_CENTS, SKU
from tests.client.shop import WAIT, Shop, good, reached

ORDER = "edited"


def trade(shop: Shop) -> None:
    place(shop)
    edit(shop)
    think_better_of_it(shop)
    note(shop)
    call_off(shop)


def place(shop: Shop) -> None:
    """Two bowls, held at once so that nobody fetches them."""
    customer = CustomerBody("c-2", city="São Paulo", zip_prefix="01310")
    line, paid = LineBody(SKU, 2, PRICE_CENTS), PaymentBody("credit_card", 2 * PRICE_CENTS, "card")
    order = PlaceOrderBody(customer, "BRL", [line], order_id=ORDER, ship_to_state="SP", payments=[paid])
    shop.place(order)
    hold = HoldBody(HoldBodyReason.STAFF, hold_id="thinking")
    good(hold_order.sync(ORDER, client=shop.api, body=hold))
    shop.confirmed(ORDER)


def proposed(shop: Shop, change_set_id: str, quantity: int) -> OrderChange:
    """So many of them: as it is previewed."""
    change = ChangeBody(ChangeBodyKind.QUANTITY, line=1, quantity=quantity)
    body = ProposeBody(change_set_id=change_set_id, changes=[change], method="credit_card")
    at = good(propose_order_change.sync(ORDER, client=shop.api, body=body)).position
    return change_set(shop, change_set_id, at)


def change_set(shop: Shop, change_set_id: str, at: str) -> OrderChange:
    asked = list_order_changes.sync(ORDER, client=shop.api, tillroll_min_position=at, prefer=WAIT)
    return next(each for each in good(asked).items if each.change_set_id == change_set_id)


def edit(shop: Shop) -> None:
    """Three more: the preview says what it comes to; confirmed, more money is authorised."""
    api, more = shop.api, 3 * PRICE_CENTS
    seen = proposed(shop, "more", 5)
    assert (seen.status, seen.change_cents) == (OrderChangeStatus.PROPOSED, more), seen
    assert sum(each.change for each in seen.preview.units) == 3, seen
    assert [each.change_cents for each in seen.preview.payments if each.change_cents] == [more], seen
    at = good(confirm_order_change.sync(ORDER, "more", client=api)).position
    done = reached(
        lambda: change_set(shop, "more", at), lambda it: it.status is not OrderChangeStatus.CONFIRMED
    )
    assert done.status is OrderChangeStatus.APPLIED, done
    order = shop.reached(ORDER, lambda order: order.units_count == 5)
    assert order.authorized_cents == order.total_cents == 5 * PRICE_CENTS, order
    assert sorted(each.authorized_cents for each in order.payments) == [2 * PRICE_CENTS, more], order


def think_better_of_it(shop: Shop) -> None:
    """One less would give money back; but no."""
    seen = proposed(shop, "less", 4)
    assert seen.change_cents == -PRICE_CENTS, seen
    no = DeclineBody(DeclineBodyReason.CUSTOMER, note="keeps all five")
    at = good(decline_order_change.sync(ORDER, "less", client=shop.api, body=no)).position
    declined = change_set(shop, "less", at)
    assert (declined.status, declined.reason) == (OrderChangeStatus.DECLINED, "customer"), declined
    assert shop.order(ORDER, at).units_count == 5


def note(shop: Shop) -> None:
    """It is found by its tag, its hold and what is in it, and by no tag that it has no more."""
    api = shop.api
    good(add_order_note.sync(ORDER, client=api, body=NoteBody("wants it wrapped")))
    good(tag_order.sync(ORDER, "gift", client=api))
    good(tag_order.sync(ORDER, "vip", client=api))
    at = good(untag_order.sync(ORDER, "vip", client=api)).position
    order = shop.order(ORDER, at)
    assert (order.tags, [each.text for each in order.notes]) == (["gift"], ["wants it wrapped"]), order
    found = list_orders.sync(
        client=api, tag="gift", hold=ListOrdersHoldType0.STAFF, sku=SKU, total_min=1, customer="c-2"
    )
    assert listed(good(found)) == [ORDER], found
    assert listed(good(list_orders.sync(client=api, tag="vip"))) == []


def listed(page: object) -> list[str]:
    assert isinstance(page, PageOfOrder), "staff is shown all of them"
    return [each.order_id for each in page.items]


def call_off(shop: Shop) -> OrderDetail:
    """Before it is sent: all the money is let go."""
    body = CancelOrderBody(CancelOrderBodyReason.CUSTOMER, note="moved away")
    good(cancel_order.sync(ORDER, client=shop.api, body=body))
    order = shop.reached(ORDER, lambda order: order.voided_cents == 5 * PRICE_CENTS)
    assert (order.status, order.captured_cents) == (OrderDetailStatus.CANCELLED, 0), order
    for paid in order.payments:
        payment = good(get_payment.sync(paid.payment_id, client=shop.api))
        assert payment.status is PaymentDetailStatus.VOIDED, payment
    return order

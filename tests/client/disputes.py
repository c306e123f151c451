"""A stored method pays, and a bank disputes it: evidence is handed in, and it is decided."""

from __future__ import annotations

from tillroll_client.api.payments import (
    get_payment,
    list_disputes,
    list_payment_methods,
    store_payment_method,
    submit_evidence,
)
from tillroll_client.models import (
    CustomerBody,
    Dispute,
    DisputeEvidenceType0,
    DisputeStatus,
    EvidenceBody,
    LineBody,
    PaymentBody,
    PlaceOrderBody,
    StoreMethodBody,
)

from tests.client.goods import PRICE_CENTS, SKU
from tests.client.outside import World, disputed_payment
from tests.client.shop import WAIT, Shop, good, reached

CUSTOMER = "c-9"


def trade(shop: Shop, bank: World) -> None:
    """One that is won, one that is lost."""
    method = stored(shop)
    dispute(shop, bank, "doubted", method, DisputeStatus.WON)
    dispute(shop, bank, "denied", method, DisputeStatus.LOST)


def dispute(shop: Shop, bank: World, order_id: str, method_id: str, end: DisputeStatus) -> None:
    """From the order until the bank has decided."""
    bank.stage(order_id, [disputed_payment(f"{order_id}.card", f"dispute_{end}")])
    buy(shop, order_id, method_id)
    bank.at_day(order_id, 1)
    (opened,) = reached(lambda: of(shop, order_id), lambda found: len(found) == 1)
    assert (opened.status, opened.amount_cents) == (DisputeStatus.OPEN, PRICE_CENTS), opened
    defend(shop, opened)
    bank.at_day(order_id, 2)
    (ended,) = reached(lambda: of(shop, order_id), lambda found: found[0].status is not DisputeStatus.OPEN)
    assert (ended.status, ended.ended_at is not None) == (end, True), ended


def stored(shop: Shop) -> str:
    """The customer's card, as the provider's token."""
    card = StoreMethodBody("cus_9/pm_9", CUSTOMER, brand="visa", last4="4242", expires="2031-05")
    answer = good(store_payment_method.sync(client=shop.api, body=card))
    asked = list_payment_methods.sync(client=shop.api, tillroll_min_position=answer.position, prefer=WAIT)
    (method,) = good(asked).items
    assert (method.method_id, method.last4) == (answer.method_id, "4242"), method
    return method.method_id


def buy(shop: Shop, order_id: str, method_id: str) -> None:
    """One bowl, paid with the stored method, until it is delivered."""
    order = PlaceOrderBody(
        CustomerBody(CUSTOMER, city="São Paulo", zip_prefix="01310"),
        "BRL",
        [LineBody(SKU, 1, PRICE_CENTS)],
        order_id=order_id,
        checkout_id=order_id,
        ship_to_state="SP",
        payments=[PaymentBody(f"stored:{method_id}", PRICE_CENTS, "card")],
    )
    shop.place(order)
    assert shop.completed(order_id).captured_cents == PRICE_CENTS


def of(shop: Shop, order_id: str) -> list[Dispute]:
    """The disputes of an order, as the list of all has them."""
    return [each for each in good(list_disputes.sync(client=shop.api)).items if each.order_id == order_id]


def defend(shop: Shop, opened: Dispute) -> None:
    """The parcel was delivered; the provider has it in writing."""
    body = EvidenceBody("Delivered and signed for", carrier="swift", tracking_number="SW1")
    good(submit_evidence.sync(opened.payment_id, opened.dispute_id, client=shop.api, body=body))
    submitted = DisputeEvidenceType0.SUBMITTED
    reached(lambda: of(shop, opened.order_id)[0], lambda it: it.evidence is submitted)
    payment = good(get_payment.sync(opened.payment_id, client=shop.api))
    assert [each.dispute_id for each in payment.disputes] == [opened.dispute_id], payment

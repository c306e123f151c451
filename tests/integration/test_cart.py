"""What does the API make of a cart: filled, completed once, told what changed, taken along by its guest?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from domain.cart.events import (
    CheckoutClaimed,
    CheckoutCompleted,
    CheckoutOrderPlanned,
    CheckoutOrderRecorded,
    CheckoutReleased,
    ContactSet,
    DriftAccepted,
)
from domain.cart.orders import order_number
from domain.order import OrderPlaced
from domain.payment.method import PaymentMethodStored
from domain.personal import Sealed
from tests.integration.api_client import Api, problem, serving_in_memory

CONTACT = {"email": "ana@example.com", "name": "Ana", "zip_prefix": "01310", "city": "São Paulo"}
CARD = {"payment_id": "card", "method": "credit_card"}


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with serving_in_memory() as api:
        await api.post("/v1/stock/receive", {"sku": "A-1", "quantity": 10})
        yield api


async def ok(answer: Any, status: int = 200) -> Any:
    response = await answer
    assert response.status_code == status, response.text
    return response.json()


async def a_cart(api: Api, *, quantity: int = 2, **contact: Any) -> str:
    """A cart that is ready: its total is 2,000 cents for two units."""
    cart_id: str = (await ok(api.post("/v1/carts", {"currency": "BRL"}), 201))["cart_id"]
    item = {"sku": "A-1", "quantity": quantity, "unit_price_cents": 1000}
    await ok(api.post(f"/v1/carts/{cart_id}/items", item))
    await ok(api.put(f"/v1/carts/{cart_id}/contact", {**CONTACT, **contact}))
    return cart_id


async def press(api: Api, cart_id: str, cents: int = 2000, **more: Any) -> Any:
    body = {"total_cents": cents, "payments": [CARD], **{k: v for k, v in more.items() if k != "key"}}
    return await api.post(f"/v1/carts/{cart_id}/complete", body, key=more.get("key", ""))


async def test_a_cart_becomes_an_order(api: Api) -> None:
    cart_id = await a_cart(api, ship_to_state="SP")
    done = await ok(press(api, cart_id))
    (order,) = done["orders"]
    assert (done["status"], done["total_cents"], order["placed"]) == ("completed", 2000, True)
    (placed,) = await api.events(OrderPlaced)
    assert (placed.order_id, placed.checkout_id) == (order["order_id"], done["checkout_id"])
    assert [(line.sku, line.quantity, line.unit_price_cents) for line in placed.lines] == [("A-1", 2, 1000)]
    assert [(each.payment_id, each.amount_cents) for each in placed.portions] == [
        (f"{order['order_id']}.card", 2000)
    ]
    shown = await ok(api.send("GET", f"/v1/carts/{cart_id}"))
    assert (shown["status"], shown["contact"]["email"]) == ("completed", "ana@example.com")


async def test_who_buys_stands_in_the_log_sealed(api: Api) -> None:
    await a_cart(api)
    (said,) = await api.events(ContactSet)
    assert isinstance(said.contact, Sealed)
    assert b"ana@example.com" not in b"".join(stored.data for stored in await api.log.read(0, 1000))


async def test_double_click_on_place_order_gives_one_order(api: Api) -> None:
    cart_id = await a_cart(api)
    answers = await asyncio.gather(*(press(api, cart_id, key=f"click {n % 2}") for n in range(8)))
    assert {each.status_code for each in answers} == {200}
    assert len({each.json()["orders"][0]["order_id"] for each in answers}) == 1
    assert len(await api.events(OrderPlaced)) == 1
    assert len(await api.events(CheckoutClaimed)) == 1
    assert len(await api.events(CheckoutCompleted)) == 1


async def test_a_retry_of_a_completed_cart_tells_the_same_order(api: Api) -> None:
    cart_id = await a_cart(api)
    first, again, other = [await ok(press(api, cart_id, key=key)) for key in ("k", "k", "")]
    assert first["orders"] == again["orders"] == other["orders"]
    head = await api.log.head()
    assert {each["position"].rpartition(".")[2] for each in (first, again, other)} == {str(head)}, (
        "all see it"
    )


async def test_two_tabs_complete_what_the_buyer_saw_or_nothing(api: Api) -> None:
    cart_id = await a_cart(api)
    await ok(api.post(f"/v1/carts/{cart_id}/items", {"sku": "A-1", "unit_price_cents": 1000}))
    told = problem(await press(api, cart_id, 2000), 409, "conflict")
    assert told["rule"] == "as_seen"
    total = {"line": 0, "kind": "total", "was": 2000, "now": 3000, "merchant": "", "waits": 0}
    assert told["changes"] == [total]
    await ok(press(api, cart_id, 2000, accept=told["accept"]))
    assert [event.total_cents for event in await api.events(OrderPlaced)] == [3000]


async def test_stock_drift_is_told_before_it_costs_and_can_be_accepted(api: Api) -> None:
    cart_id = await a_cart(api, quantity=12)
    shown = await ok(api.send("GET", f"/v1/carts/{cart_id}"))
    told = problem(await press(api, cart_id, 12_000), 409, "conflict")
    assert told["changes"] == shown["changes"]
    assert [(each["kind"], each["was"], each["now"]) for each in told["changes"]] == [("stock", 12, 10)]
    assert told["accept"] == shown["accept"]
    assert await api.events(CheckoutClaimed) == []
    done = await ok(press(api, cart_id, 12_000, accept=told["accept"]))
    assert done["total_cents"] == 10_000
    assert len(await api.events(DriftAccepted)) == 1


async def test_one_checkout_over_several_merchants_is_an_order_of_each(api: Api) -> None:
    assert (await api.post("/v1/merchant", {}, merchant="m2")).status_code == 201
    await ok(api.post("/v1/stock/receive", {"sku": "B-1", "quantity": 5}, merchant="m2"))
    cart_id = await a_cart(api)
    theirs = {"sku": "B-1", "unit_price_cents": 501, "merchant": "m2"}
    await ok(api.post(f"/v1/carts/{cart_id}/items", theirs))
    charges = [{"merchant": m, "amount_cents": cents} for m, cents in (("m1", 101), ("m2", 50))]
    await ok(api.put(f"/v1/carts/{cart_id}/shipping", {"method": "std", "charges": charges}))
    done = await ok(press(api, cart_id, 2652))
    assert {each["merchant"]: each["total_cents"] for each in done["orders"]} == {"m1": 2101, "m2": 551}
    placed = [fact for fact in await api.facts() if isinstance(fact.event, OrderPlaced)]
    assert {fact.merchant for fact in placed} == {"m1", "m2"}
    assert {fact.correlation for fact in placed} == {done["checkout_id"]}
    assert {fact.event.shipping_method for fact in placed} == {"std"}  # type: ignore[attr-defined]
    assert len({fact.event.subject for fact in placed}) == 2, "two merchants' customers are two people"  # type: ignore[attr-defined]
    (completed,) = await api.events(CheckoutCompleted)
    assert (completed.total_cents, completed.orders_count) == (2652, 2)
    again = await ok(press(api, cart_id, 2652))
    assert again["orders"] == done["orders"]
    assert len(await api.events(CheckoutOrderRecorded)) == 2


async def test_an_order_that_is_refused_releases_the_cart(api: Api) -> None:
    """A stranger has the order's id already: nothing is placed, and the cart can be changed again."""
    cart_id = await a_cart(api)
    shown = await ok(api.send("GET", f"/v1/carts/{cart_id}"))

    taken = {
        "order_id": order_number(shown["checkout_id"], "m1"),
        "currency": "BRL",
        "on_account": True,
        "customer": {"customer_id": "x", "zip_prefix": "1", "city": "y"},
        "lines": [{"sku": "A-1", "quantity": 1, "unit_price_cents": 5}],
    }
    await ok(api.post("/v1/orders", taken), 201)
    told = problem(await press(api, cart_id), 409, "conflict")
    assert told["rule"] == "order_id_unique"
    assert len(await api.events(CheckoutReleased)) == 1
    assert (await ok(api.send("GET", f"/v1/carts/{cart_id}")))["status"] == "open"


async def test_a_guests_cart_opens_by_its_token_alone(api: Api) -> None:
    closed = await api.client.post(
        "/v1/storefront/carts", json={"currency": "BRL"}, headers={"Tillroll-Merchant": "m1"}
    )
    problem(closed, 403, "forbidden")
    shipping = [{"method": "std", "currency": "BRL", "amount_cents": 300}]
    await ok(api.put("/v1/storefront", {"guests": True, "shipping": shipping}))
    started = await ok(
        api.client.post(
            "/v1/storefront/carts", json={"currency": "BRL"}, headers={"Tillroll-Merchant": "m1"}
        ),
        201,
    )
    path = f"/v1/storefront/carts/{started['cart_id']}"
    mine = {"Tillroll-Merchant": "m1", "Tillroll-Cart": started["token"]}
    assert (await ok(api.client.get(path, headers=mine)))["guest"] is True
    for wrong in ({"Tillroll-Merchant": "m1"}, {**mine, "Tillroll-Cart": "x"}):
        problem(await api.client.get(path, headers=wrong), 404, "not-found")
    priced = {"sku": "A-1", "unit_price_cents": 1}
    problem(await api.client.post(f"{path}/items", json=priced, headers=mine), 403, "forbidden")
    somebody = {**CONTACT, "customer_id": "c1"}
    problem(await api.client.put(f"{path}/contact", json=somebody, headers=mine), 403, "forbidden")
    log = b"".join(stored.data + stored.metadata for stored in await api.log.read(0, 1000))
    assert started["token"].encode() not in log


async def test_a_guest_completes_a_cart(api: Api) -> None:
    shipping = [{"method": "std", "currency": "BRL", "amount_cents": 301}]
    await ok(api.put("/v1/storefront", {"guests": True, "shipping": shipping}))
    where = {"Tillroll-Merchant": "m1"}
    started = await ok(api.client.post("/v1/storefront/carts", json={"currency": "BRL"}, headers=where), 201)
    cart_id, mine = started["cart_id"], {**where, "Tillroll-Cart": started["token"]}
    path = f"/v1/storefront/carts/{cart_id}"
    # the shop's program says the price, as the catalogue has none
    await ok(api.post(f"/v1/carts/{cart_id}/items", {"sku": "A-1", "quantity": 2, "unit_price_cents": 1000}))
    await ok(api.client.put(f"{path}/contact", json=CONTACT, headers=mine))
    await ok(api.client.put(f"{path}/shipping", json={"method": "std"}, headers=mine))
    await ok(api.put("/v1/storefront", {"guests": True, "shipping": [{**shipping[0], "amount_cents": 350}]}))
    press = {"total_cents": 2301, "payments": [CARD]}
    told = problem(await api.client.post(f"{path}/complete", json=press, headers=mine), 409, "conflict")
    assert [(each["kind"], each["was"], each["now"]) for each in told["changes"]] == [("shipping", 301, 350)]
    done = await ok(
        api.client.post(f"{path}/complete", json={**press, "accept": told["accept"]}, headers=mine)
    )
    assert done["total_cents"] == 2350
    (placed,) = await api.events(OrderPlaced)
    assert sum(line.quantity * line.unit_shipping_cents for line in placed.lines) == 350
    assert placed.shipping_method == "std"


async def test_a_guest_pays_with_a_card_that_is_entered_now(api: Api) -> None:
    await ok(api.put("/v1/storefront", {"guests": True}))
    where = {"Tillroll-Merchant": "m1"}
    started = await ok(api.client.post("/v1/storefront/carts", json={"currency": "BRL"}, headers=where), 201)
    mine, path = {**where, "Tillroll-Cart": started["token"]}, f"/v1/storefront/carts/{started['cart_id']}"
    item = {"sku": "A-1", "quantity": 2, "unit_price_cents": 1000}
    await ok(api.post(f"/v1/carts/{started['cart_id']}/items", item))

    async def give(**fields: Any) -> Any:
        card = {"token": "pm_77", "last4": "4242", "return_url": "https://shop.example/thanks", **fields}
        return await api.client.post(f"{path}/payment-methods", json=card, headers=mine)

    early = problem(await give(), 409, "conflict")
    assert early["rule"] == "contact_known"
    await ok(api.client.put(f"{path}/contact", json=CONTACT, headers=mine))
    problem(await give(token="4242424242424242"), 422, "invalid-input")
    problem(await give(return_url="shop.example"), 422, "invalid-input")
    given = await ok(give(), 201)
    (event,) = await api.events(PaymentMethodStored)
    assert isinstance(event.token, Sealed)
    press = {"total_cents": 2000, "payments": [{"payment_id": "card", "method": "stored:none"}]}
    unknown = problem(await api.client.post(f"{path}/complete", json=press, headers=mine), 404, "not-found")
    assert unknown["rule"] == "method_exists"
    press["payments"] = [{"payment_id": "card", "method": given["method"]}]
    await ok(api.client.post(f"{path}/complete", json=press, headers=mine))
    (placed,) = await api.events(OrderPlaced)
    assert placed.portions[0].method == given["method"] == f"stored:{event.method_id}"
    assert placed.subject == event.subject
    await ok(api.post(f"/v1/payment-methods/{event.method_id}/remove"))
    again = await ok(api.client.post(f"{path}/complete", json=press, headers=mine))
    assert [each["order_id"] for each in again["orders"]] == [placed.order_id]


async def test_a_card_that_is_given_for_a_cart_is_known_to_each_of_its_merchants(api: Api) -> None:
    assert (await api.post("/v1/merchant", {}, merchant="m2")).status_code == 201
    await ok(api.post("/v1/stock/receive", {"sku": "B-1", "quantity": 5}, merchant="m2"))
    cart_id = await a_cart(api)
    theirs = {"sku": "B-1", "merchant": "m2", "unit_price_cents": 500}
    await ok(api.post(f"/v1/carts/{cart_id}/items", theirs))
    card = {"token": "cus_1/pm_77", "return_url": "https://shop.example/thanks"}
    given = await ok(api.post(f"/v1/carts/{cart_id}/payment-methods", card, key="card"), 201)
    again = await ok(api.post(f"/v1/carts/{cart_id}/payment-methods", card, key="card"), 201)
    assert again == given
    assert len(await api.events(PaymentMethodStored)) == 2
    await ok(press(api, cart_id, 2500, payments=[{"method": given["method"]}]))
    stored = {event.subject for event in await api.events(PaymentMethodStored)}
    assert {event.subject for event in await api.events(OrderPlaced)} == stored


async def test_guest_merges_into_account(api: Api) -> None:
    guest = await ok(api.post("/v1/carts", {"currency": "BRL"}, key="start"), 201)
    again = await ok(api.post("/v1/carts", {"currency": "BRL"}, key="start"), 201)
    assert again == guest
    for cart_id, sku in ((guest["cart_id"], "A-1"), (guest["cart_id"], "B-1")):
        await ok(api.post(f"/v1/carts/{cart_id}/items", {"sku": sku, "unit_price_cents": 1000}))
    mine = (await ok(api.post("/v1/carts", {"currency": "BRL", "customer": "c1"}), 201))["cart_id"]
    await ok(api.post(f"/v1/carts/{mine}/items", {"sku": "A-1", "unit_price_cents": 1000}))
    wrong = {"cart_id": guest["cart_id"], "token": "x"}
    problem(await api.post(f"/v1/carts/{mine}/merge", wrong), 404, "not-found")
    token = {"cart_id": guest["cart_id"], "token": guest["token"]}
    for _ in range(2):
        await ok(api.post(f"/v1/carts/{mine}/merge", token, key="merge"))
    shown = await ok(api.send("GET", f"/v1/carts/{mine}"))
    assert [(line["sku"], line["quantity"]) for line in shown["lines"]] == [("A-1", 2), ("B-1", 1)]
    told = problem(await api.post(f"/v1/carts/{mine}/merge", token), 409, "conflict")
    assert told["rule"] == "cart_open"


async def test_a_guests_cart_becomes_the_customers(api: Api) -> None:
    guest = await ok(api.post("/v1/carts", {"currency": "BRL"}), 201)
    path = f"/v1/carts/{guest['cart_id']}"
    body = {"token": guest["token"], "customer": "c1"}
    for _ in range(2):
        await ok(api.post(f"{path}/assign", body))
    problem(await api.post(f"{path}/assign", {**body, "customer": "c2"}), 404, "not-found")
    told = problem(await api.put(f"{path}/contact", CONTACT), 409, "conflict")
    assert told["rule"] == "contact_of_the_owner"
    await ok(api.put(f"{path}/contact", {**CONTACT, "customer_id": "c1"}))


async def test_what_is_planned_adds_up(api: Api) -> None:
    cart_id = await a_cart(api, quantity=3)
    charges = [{"merchant": "m1", "amount_cents": 100}]
    await ok(api.put(f"/v1/carts/{cart_id}/shipping", {"method": "std", "charges": charges}))
    pays = [{"method": "voucher", "amount_cents": 7}, {"method": "card"}]
    await ok(press(api, cart_id, 3100, payments=pays))
    (planned,), (placed,) = await api.events(CheckoutOrderPlanned), await api.events(OrderPlaced)
    assert planned.lines == placed.lines
    assert [(line.quantity, line.unit_shipping_cents) for line in placed.lines] == [(1, 34), (2, 33)]
    assert [each.amount_cents for each in placed.portions] == [7, 3093]


async def a_product(api: Api, sku: str, cents: int) -> str:
    """A product on sale on the channel `web`, with one variant at that price; its path."""
    price = {"channel": "web", "currency": "BRL", "price_cents": cents}
    body = {"product_id": f"P-{sku}", "name": "Mug", "category": "kitchen"}
    await ok(api.post("/v1/products", {**body, "variants": [{"sku": sku, "prices": [price]}]}), 201)
    path = f"/v1/products/P-{sku}"
    await ok(api.post(f"{path}/publish", {"channel": "web"}))
    await ok(api.post(f"{path}/activate"))
    return path


async def test_prices_are_the_merchants_own_and_their_drift_is_told(api: Api) -> None:
    path = await a_product(api, "MUG", 1500)
    await ok(api.post("/v1/stock/receive", {"sku": "MUG", "quantity": 9}))
    cart_id = (await ok(api.post("/v1/carts", {"currency": "BRL"}), 201))["cart_id"]
    await ok(api.post(f"/v1/carts/{cart_id}/items", {"sku": "MUG", "quantity": 2}))
    await ok(api.put(f"/v1/carts/{cart_id}/contact", CONTACT))
    (line,) = (await ok(api.send("GET", f"/v1/carts/{cart_id}")))["lines"]
    shown = line["name"], line["category"], line["unit_price_cents"], line["priced_by"]
    assert shown == ("Mug", "kitchen", 1500, "settings")
    dearer = {"sku": "MUG", "channel": "web", "currency": "BRL", "price_cents": 1700}
    await ok(api.post(f"{path}/prices", dearer))
    told = problem(await press(api, cart_id, 3000), 409, "conflict")
    assert [(each["kind"], each["was"], each["now"]) for each in told["changes"]] == [("price", 1500, 1700)]
    done = await ok(press(api, cart_id, 3000, accept=told["accept"]))
    assert done["total_cents"] == 3400


async def test_product_archived_while_in_carts_is_told(api: Api) -> None:
    path = await a_product(api, "MUG", 1500)
    cart_id = await a_cart(api)
    await ok(api.post("/v1/stock/receive", {"sku": "MUG", "quantity": 9}))
    await ok(api.post(f"/v1/carts/{cart_id}/items", {"sku": "MUG"}))
    await ok(api.post(f"{path}/archive"))
    told = problem(await press(api, cart_id, 3500), 409, "conflict")
    assert [(each["kind"], each["line"]) for each in told["changes"]] == [("gone", 2)]
    refused = problem(await api.post(f"/v1/carts/{cart_id}/items", {"sku": "MUG"}), 409, "conflict")
    assert refused["rule"] == "product_on_sale"
    await ok(press(api, cart_id, 3500, accept=told["accept"]))
    (placed,) = await api.events(OrderPlaced)
    assert [line.sku for line in placed.lines] == ["A-1"]


async def test_what_has_no_price_is_the_shops_to_price(api: Api) -> None:
    cart_id = (await ok(api.post("/v1/carts", {"currency": "EUR"}), 201))["cart_id"]
    await a_product(api, "MUG", 1500)
    for sku in ("A-1", "MUG"):
        told = problem(await api.post(f"/v1/carts/{cart_id}/items", {"sku": sku}), 409, "conflict")
        assert told["rule"] == "price_known"


# ---- where what is ordered comes from


async def two_warehouses_with_rules(api: Api) -> None:
    for name, state in (("main", "SP"), ("north", "RJ")):
        await ok(api.post("/v1/warehouses", {"warehouse": name, "state": state, "zip_prefix": state}), 201)
    await ok(api.put("/v1/allocation-rules", {"rules": [{"kind": "fewest_splits"}, {"kind": "nearest"}]}))
    await ok(api.post("/v1/stock/receive", {"sku": "A-1", "warehouse": "north", "quantity": 5}))


async def test_a_checkout_is_allocated_by_the_merchants_rules(api: Api) -> None:
    """As an order that is placed at the door; and all its warehouses count for what can be had."""
    await two_warehouses_with_rules(api)
    cart_id = await a_cart(api, quantity=12, ship_to_state="RJ")  # 10 in one, 5 in the other
    assert (await ok(api.send("GET", f"/v1/carts/{cart_id}")))["changes"] == []
    await ok(press(api, cart_id, 12_000))
    (placed,) = await api.events(OrderPlaced)
    assert placed.allocation
    assert {site.warehouse for site in placed.allocation.sites} == {"main", "north"}


async def test_more_than_all_warehouses_have_is_told_before_it_costs(api: Api) -> None:
    await two_warehouses_with_rules(api)
    cart_id = await a_cart(api, quantity=16)
    (change,) = (await ok(api.send("GET", f"/v1/carts/{cart_id}")))["changes"]
    assert (change["kind"], change["was"], change["now"]) == ("stock", 16, 15)


async def test_a_product_that_no_warehouse_of_the_rules_can_name_is_refused_before_it_is_ordered(
    api: Api,
) -> None:
    await two_warehouses_with_rules(api)
    await ok(api.post("/v1/warehouses", {"warehouse": "ü" * 45}), 201)
    sku = "ü" * 60  # 360 characters of a stream's name
    await ok(api.post("/v1/stock/receive", {"sku": sku, "quantity": 9}))
    cart_id = await a_cart(api)
    await ok(api.post(f"/v1/carts/{cart_id}/items", {"sku": sku, "unit_price_cents": 100}))
    assert problem(await press(api, cart_id, 2100), 409, "conflict")["rule"] == "stock_name_fits"

"""What does a shop tell of itself: to who works there, to its customers, and to guests at its door?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.inventory import Backordered, StockReceived, StockReserved
from domain.streams import stock_stream
from eventstore.bus import MemoryBus
from tests.integration.api_client import Api, problem, serving
from tests.integration.projections_trade import Step, Trade
from tests.integration.test_cart import ok
from tests.integration.test_cart_reads import get, latest, projecting

SHIPPING = [
    {"method": "express", "name": "tomorrow", "currency": "EUR", "amount_cents": 990},
    {"method": "standard", "name": "3 to 5 days", "currency": "EUR", "amount_cents": 300},
    {"method": "standard", "name": "3 to 5 days", "currency": "BRL", "amount_cents": 1300},
]
TERMS = {"abandon_after_s": 60, "expire_after_s": 7200, "claim_valid_s": 30}


@pytest.fixture
async def api(database: str, nats_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(database, nats_url, tmp_path) as api, projecting(api):
        yield api


async def at_the_door(api: Api, path: str = "", merchant: str = "m1", **query: Any) -> httpx.Response:
    """What somebody is answered who is not signed in."""
    headers = {"Tillroll-Merchant": merchant, **await latest(api)}
    return await api.client.get(f"/v1/storefront/shop{path}", headers=headers, params=query)


async def open_shop(api: Api, **settings: Any) -> None:
    await ok(api.put("/v1/storefront", {"guests": True, "shipping": SHIPPING, **settings}))


async def test_who_works_there_reads_what_is_set(api: Api) -> None:
    """Who set nothing reads what holds then; each setting replaces all of the one before."""
    unset = await ok(get(api, "/v1/storefront"))
    assert (unset["channel"], unset["guests"], unset["shipping"]) == ("web", False, [])
    assert (unset["set_at"], unset["set_by"]) == (None, None)
    await open_shop(api, terms=TERMS)
    answered = await ok(api.put("/v1/storefront", {"channel": "app", "terms": TERMS, "shipping": SHIPPING}))
    shown = await ok(get(api, "/v1/storefront"))
    for name in ("channel", "guests", "terms", "shipping"):
        assert shown[name] == answered[name]
    assert (shown["channel"], shown["guests"], shown["terms"]) == ("app", False, TERMS)
    assert shown["set_at"] > "2026"
    assert shown["set_by"].startswith("key:")


async def test_a_guest_reads_what_shipping_costs_before_choosing(api: Api) -> None:
    await open_shop(api, terms=TERMS)
    shop = await ok(at_the_door(api))
    assert shop["shipping"] == SHIPPING
    assert (shop["channel"], shop["expire_after_s"], shop["claim_valid_s"]) == ("web", 7200, 30)
    assert not shop.keys() & {"set_by", "terms", "guests"}, "that is the merchant's own affair"
    assert await ok(get(api, "/v1/shop")) == shop, "who is signed in reads the same"


async def test_a_door_that_is_closed_tells_guests_nothing(api: Api) -> None:
    problem(await at_the_door(api), 403, "forbidden")
    await open_shop(api, guests=False)
    problem(await at_the_door(api), 403, "forbidden")
    assert (await ok(get(api, "/v1/shop")))["shipping"] == SHIPPING
    problem(await at_the_door(api, merchant="nobody"), 400, "merchant-unknown")
    problem(await at_the_door(api, merchant=""), 400, "merchant-required")
    problem(await at_the_door(api, merchant="a/b"), 422, "invalid-input")


def variant(sku: str, option: str, cents: int, **price: Any) -> dict[str, Any]:
    costs = {"channel": "web", "currency": "EUR", "price_cents": cents, **price}
    return {"sku": sku, "options": [option], "prices": [costs]}


MUG = {
    "product_id": "MUG",
    "name": "Mug",
    "description": "Stoneware",
    "brand": "Olaria",
    "category": "kitchen",
    "options": ["colour"],
    "variants": [
        variant("MUG-RED", "red", 1990),
        variant("MUG-BLUE", "blue", 2090),
        variant("MUG-GREEN", "green", 1790),
        variant("MUG-GOLD", "gold", 9990, currency="BRL"),
    ],
}
TEAPOT = {
    "product_id": "POT",
    "name": "Teapot",
    "brand": "Casa",
    "category": "tea",
    "options": ["size"],
    "variants": [variant("POT-1", "big", 4990)],
}
HIDDEN = (
    {**TEAPOT, "product_id": "D", "name": "Xylophone", "variants": [variant("D-1", "draft", 100)]},
    {**TEAPOT, "product_id": "U", "name": "Mug withdrawn", "variants": [variant("U-1", "not there", 100)]},
    {**TEAPOT, "product_id": "A", "name": "Mug archived", "variants": [variant("A-1", "over", 100)]},
    {
        **TEAPOT,
        "product_id": "S",
        "name": "Mug elsewhere",
        "variants": [variant("S-1", "app", 100, channel="app")],
    },
    {
        **TEAPOT,
        "product_id": "N",
        "name": "Mug for dollars",
        "variants": [variant("N-1", "none", 100, currency="USD")],
    },
)
"""None of them is active, published on `web` and priced there in euro."""


async def fill(api: Api) -> None:
    """Two products that a shopper may see, and others."""
    await open_shop(api)
    for body in (MUG, TEAPOT, *HIDDEN):
        await ok(api.post("/v1/products", body), 201)
    for product_id, channel in {"MUG": "web", "POT": "web", "A": "web", "N": "web", "S": "app"}.items():
        await ok(api.post(f"/v1/products/{product_id}/activate"))
        await ok(api.post(f"/v1/products/{product_id}/publish", {"channel": channel}))
    await ok(api.post("/v1/products/D/publish", {"channel": "web"}))
    await ok(api.post("/v1/products/U/activate"))
    await ok(api.post("/v1/products/A/archive"))


async def found(api: Api, **query: Any) -> list[str]:
    answer = await ok(at_the_door(api, "/products", **{"currency": "EUR", **query}))
    return [each["product_id"] for each in answer["items"]]


async def test_a_guest_finds_what_is_published_and_nothing_else(api: Api) -> None:
    await fill(api)
    assert await found(api) == ["MUG", "POT"]
    assert await found(api, words="mug") == ["MUG"]
    assert await found(api, words="teapit") == ["POT"], "mistyped"
    assert await found(api, sort="cheapest") == ["MUG", "POT"]
    assert await found(api, sort="dearest", price_to=2000) == ["MUG"]
    elsewhere = await ok(get(api, "/v1/shop/products?channel=app"))
    assert [each["product_id"] for each in elsewhere["items"]] == ["S"], "a cart may be of that channel, too"
    for path in ("/products", "/products/S"):
        problem(await at_the_door(api, path, channel="app"), 404, "not-found")
    assert await found(api, channel="web")
    assert await found(api, currency="JPY") == []
    whole = await ok(at_the_door(api, "/products", currency="EUR"))
    assert whole["items"][0] == {
        "product_id": "MUG",
        "name": "Mug",
        "brand": "Olaria",
        "category": "kitchen",
        "currency": "EUR",
        "price_cents": 1790,
    }
    facets = whole["facets"]
    assert (facets["matches"], facets["price_from_cents"], facets["price_to_cents"]) == (2, 1790, 4990)
    assert facets.keys() == {
        "matches",
        "categories",
        "brands",
        "options",
        "price_from_cents",
        "price_to_cents",
    }
    page = await ok(at_the_door(api, "/products", currency="EUR", limit=1))
    rest = await ok(at_the_door(api, "/products", currency="EUR", limit=1, cursor=page["next_cursor"]))
    assert [each["product_id"] for each in page["items"] + rest["items"]] == ["MUG", "POT"]
    assert (await ok(get(api, "/v1/shop/products?currency=EUR"))) == whole, "who is signed in sees the same"


async def test_a_guest_chooses_among_the_options_of_what_is_for_sale(api: Api) -> None:
    """Golden mugs are sold in Brazil only."""
    await fill(api)
    colours = {"name": "colour", "values": [{"value": each, "count": 1} for each in ("blue", "green", "red")]}
    sizes = {"name": "size", "values": [{"value": "big", "count": 1}]}
    whole = await ok(at_the_door(api, "/products", currency="EUR"))
    assert whole["facets"]["options"] == [colours, sizes]
    red = await ok(at_the_door(api, "/products", currency="EUR", option=["colour:red", "colour:gold"]))
    assert [each["product_id"] for each in red["items"]] == ["MUG"]
    assert red["facets"]["options"] == [colours]
    assert await found(api, option="colour:gold") == []
    assert await found(api, option="colour:gold", currency="BRL") == ["MUG"]
    assert await found(api, option=["colour:red", "size:big"]) == [], "no product has both"
    await ok(api.post("/v1/stock/receive", {"sku": "MUG-GOLD", "quantity": 3}))
    assert await found(api, option="colour:red", in_stock=True) == []
    await ok(api.post("/v1/stock/receive", {"sku": "MUG-RED", "quantity": 3}))
    assert await found(api, option="colour:red", in_stock=True) == ["MUG"]


async def test_a_mistyped_word_brings_no_word_to_light_that_is_not_published(api: Api) -> None:
    await fill(api)
    told = await ok(at_the_door(api, "/products", words="xylofone"))
    assert (told["items"], told["alike"]) == ([], False)
    assert "xylophone" not in str(told).lower()
    assert (await ok(at_the_door(api, "/products", words="teapit", currency="EUR")))["alike"] is True
    assert (await ok(at_the_door(api, "/products", words="teapot", currency="EUR")))["alike"] is False


async def test_without_a_currency_it_is_one_that_the_shop_sells_in(api: Api) -> None:
    await fill(api)
    assert (await ok(at_the_door(api)))["currencies"] == ["BRL", "EUR", "USD"]
    (mug,) = (await ok(at_the_door(api, "/products")))["items"]
    assert (mug["product_id"], mug["currency"], mug["price_cents"]) == ("MUG", "BRL", 9990)
    await ok(api.post("/v1/products/MUG/unpublish", {"channel": "web"}))
    assert (await ok(at_the_door(api)))["currencies"] == ["EUR", "USD"], "in none that nothing is sold in"


async def test_a_product_is_shown_with_what_its_variants_cost_and_whether_they_can_be_had(api: Api) -> None:
    await fill(api)
    await ok(api.post("/v1/stock/receive", {"sku": "MUG-RED", "quantity": 3}))
    await ok(api.put("/v1/stock/rules", {"sku": "MUG-BLUE", "backorder_limit": 2, "backorder_days": 9}))
    price = {"sku": "MUG-RED", "channel": "web", "currency": "EUR", "price_cents": 1490}
    await ok(api.post("/v1/products/MUG/prices", price))
    mug = await ok(at_the_door(api, "/products/MUG", currency="EUR"))
    blue, green, red = mug.pop("variants")
    assert mug == {
        "product_id": "MUG",
        "name": "Mug",
        "brand": "Olaria",
        "category": "kitchen",
        "description": "Stoneware",
        "options": ["colour"],
        "channel": "web",
        "currency": "EUR",
    }
    assert red == {
        "sku": "MUG-RED",
        "options": ["red"],
        "gtin": None,
        "price_cents": 1490,
        "lowest_30_days_cents": 1490,
        "prior_price_cents": 1990,
        "availability": "in_stock",
    }
    assert (blue["availability"], green["availability"]) == ("may_wait", "sold_out")
    assert (await ok(get(api, "/v1/shop/products/MUG?currency=EUR")))["variants"] == [blue, green, red]
    (gold,) = (await ok(at_the_door(api, "/products/MUG")))["variants"]
    assert (gold["sku"], gold["price_cents"]) == ("MUG-GOLD", 9990)


async def test_what_is_not_published_is_not_there(api: Api) -> None:
    """The same answer for a draft, one that is elsewhere, archived or unpriced, and none at all."""
    await fill(api)
    headers = {"Tillroll-Merchant": "m1", "Authorization": f"Bearer {api.key}", **await latest(api)}
    for product_id in ("D", "U", "A", "S", "N", "MUG-RED", "none"):
        for path in ("/v1/shop/products", "/v1/storefront/shop/products"):
            answer = await api.client.get(f"{path}/{product_id}?currency=EUR", headers=headers)
            assert problem(answer, 404, "not-found")["detail"] == f"there is no product {product_id}"


async def test_rules_say_from_which_warehouses_it_can_be_had(api: Api) -> None:
    """As in a cart: without rules from `main`, by rules from those that are open; and it waits where
    the rules have it wait."""
    await fill(api)
    for name in ("north", "south"):
        await ok(api.post("/v1/warehouses", {"warehouse": name}), 201)
    await ok(api.post("/v1/stock/receive", {"sku": "MUG-RED", "quantity": 3, "warehouse": "north"}))
    room = {"sku": "MUG-BLUE", "warehouse": "south", "backorder_limit": 2, "backorder_days": 9}
    await ok(api.put("/v1/stock/rules", room))

    async def to_be_had() -> dict[str, str]:
        shown = await ok(at_the_door(api, "/products/MUG", currency="EUR"))
        return {each["sku"]: each["availability"] for each in shown["variants"]}

    async def found_in_stock() -> list[str]:
        found = await ok(at_the_door(api, "/products", currency="EUR", in_stock="true"))
        return [each["product_id"] for each in found["items"]]

    async def sold_by_a_cart() -> bool:
        cart_id = (await ok(api.post("/v1/carts", {"currency": "EUR"}), 201))["cart_id"]
        await ok(api.post(f"/v1/carts/{cart_id}/items", {"sku": "MUG-RED"}))
        return not (await ok(api.send("GET", f"/v1/carts/{cart_id}")))["changes"]

    assert await to_be_had() == dict.fromkeys(("MUG-BLUE", "MUG-GREEN", "MUG-RED"), "sold_out")
    assert (await found_in_stock(), await sold_by_a_cart()) == ([], False)
    rules = {"rules": [{"kind": "fewest_splits"}], "when_short": "all_or_nothing"}
    await ok(api.put("/v1/allocation-rules", rules))
    assert await to_be_had() == {"MUG-BLUE": "sold_out", "MUG-GREEN": "sold_out", "MUG-RED": "in_stock"}
    assert (await found_in_stock(), await sold_by_a_cart()) == (["MUG"], True)
    await ok(api.put("/v1/allocation-rules", {**rules, "when_short": "backorder"}))
    await ok(api.post("/v1/warehouses/north/close", {}))
    assert (await found_in_stock(), await sold_by_a_cart()) == ([], False)
    assert await to_be_had() == {"MUG-BLUE": "may_wait", "MUG-GREEN": "sold_out", "MUG-RED": "sold_out"}


@pytest.mark.parametrize(
    ("lapsed", "others_wait", "availability"),
    [(False, False, "sold_out"), (True, False, "in_stock"), (True, True, "sold_out")],
)
async def test_what_nobody_holds_any_more_can_be_had_after_those_who_wait(
    api: Api, lapsed: bool, others_wait: bool, availability: str
) -> None:
    """Also before the sweep: a reservation that has lapsed counts as free."""
    await fill(api)
    place = {"sku": "MUG-GREEN", "warehouse": "main"}
    until = timedelta(hours=-1 if lapsed else 1)
    reserved = StockReserved(**place, order_id="o1", quantity=1, expires_at=datetime.now(UTC) + until)
    waits = Backordered(**place, order_id="o2", quantity=1, expires_at=datetime.now(UTC) + timedelta(days=1))
    assert api.context
    trade = Trade(api.context.log, MemoryBus(), api.context.feed, api.context.keyring)
    stock = stock_stream("m1", **place)
    steps: list[Step] = [(stock, StockReceived(**place, quantity=1, reference="opening")), (stock, reserved)]
    await trade.append("m1", [*steps, *([(stock, waits)] if others_wait else [])])
    shown = await ok(at_the_door(api, "/products/MUG", currency="EUR"))
    assert [each["availability"] for each in shown["variants"]] == ["sold_out", availability, "sold_out"]


async def test_one_merchants_door_shows_nothing_of_another(api: Api) -> None:
    await fill(api)
    assert (await api.post("/v1/merchant", {}, merchant="m2")).status_code == 201
    await ok(api.put("/v1/storefront", {"guests": True}, merchant="m2"))
    assert (await ok(at_the_door(api, "/products", merchant="m2")))["items"] == []
    problem(await at_the_door(api, "/products/MUG", merchant="m2", currency="EUR"), 404, "not-found")
    assert (await ok(at_the_door(api, merchant="m2")))["shipping"] == []

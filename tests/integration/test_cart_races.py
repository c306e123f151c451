"""Over real HTTP, on the real log: is there one order a cart, however its shoppers and processes race?

Who gets the last unit: `test_races.py`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from commands.cart.routes import tell_cart
from commands.executor import Context
from domain.cart.commands import Buyer, ClaimCheckout
from domain.cart.events import (
    CartAbandoned,
    CartExpired,
    CheckoutClaimed,
    CheckoutCompleted,
    CheckoutOrderRequested,
)
from domain.kernel import Event
from domain.order import OrderPlaced
from domain.personal import Sealed
from eventstore.seams import key_id
from tests.integration.api_client import Api, serving
from tests.integration.test_cart import CARD, CONTACT, ok, press
from tests.patience import HANGS
from tests.races.run import agents

SHOPPERS = 32


async def until(api: Api, count: int, *kinds: type[Event]) -> list[Any]:
    async with asyncio.timeout(HANGS):
        while len(found := await api.events(*kinds)) < count:
            await asyncio.sleep(0.1)
    return found


async def a_cart(api: Api, shopper: str, sku: str) -> str:
    started = await ok(api.post("/v1/carts", {"currency": "BRL"}, key=f"start {shopper} {sku}"), 201)
    cart_id: str = started["cart_id"]
    await ok(api.post(f"/v1/carts/{cart_id}/items", {"sku": sku, "unit_price_cents": 2000}))
    await ok(api.put(f"/v1/carts/{cart_id}/contact", {**CONTACT, "email": f"{shopper}@example.com"}))
    return cart_id


async def test_many_shoppers_press_place_order_twice_at_once(
    database: str, nats_url: str, tmp_path: Path
) -> None:
    async with serving(database, nats_url, tmp_path) as api:
        await api.post("/v1/stock/receive", {"sku": "A-1", "quantity": SHOPPERS})
        carts = await asyncio.gather(*(a_cart(api, f"s{n}", "A-1") for n in range(SHOPPERS)))
        presses = [press(api, cart) for cart in carts for _ in range(2)]
        answers = await asyncio.gather(*presses)
        assert {each.status_code for each in answers} == {200}, [each.text for each in answers][:3]
        told = {each.json()["orders"][0]["order_id"] for each in answers}
        placed = await api.events(OrderPlaced)
        assert len(placed) == len(told) == SHOPPERS
        assert {each.order_id for each in placed} == told
        assert len(await api.events(CheckoutClaimed)) == SHOPPERS
        assert len(await api.events(CheckoutCompleted)) == SHOPPERS


async def a_claim_that_nobody_finishes(api: Api, cart_id: str) -> None:
    """What is in the log of a process that died between the claim and the orders."""
    context = api.context
    assert context is not None
    claim = ClaimCheckout(
        cart_id=cart_id,
        now=context.clock.now(),
        seen_total_cents=2000,
        buyers=(Buyer(merchant="m1", subject="s", customer=Sealed(sealed="bm9uY2U=")),),
        on_account=True,
    )
    asked = Context(key_id("died", cart_id), "m1", "test", cart_id, "request:x", context.clock.now())
    done = await tell_cart(context.executor, claim, asked)
    assert done.refused is None, done.refused


async def test_a_crash_between_claim_and_orders_leaves_one_order_all_the_same(
    database: str, nats_url: str, tmp_path: Path
) -> None:
    async with serving(database, nats_url, tmp_path) as api:
        await ok(api.put("/v1/storefront", {"terms": {"claim_valid_s": 1}}))
        await api.post("/v1/stock/receive", {"sku": "A-1", "quantity": 5})
        died, pressed = [await a_cart(api, shopper, "A-1") for shopper in ("died", "pressed")]
        for cart in (died, pressed):
            await a_claim_that_nobody_finishes(api, cart)
        await ok(press(api, pressed))
        assert len(await api.events(OrderPlaced)) == 1
        async with agents(api):
            completed = await until(api, 2, CheckoutCompleted)
            requested = await api.events(CheckoutOrderRequested)
        assert {each.cart_id for each in completed} == {died, pressed}
        assert [each.cart_id for each in requested] == [died]
        assert len(await api.events(OrderPlaced)) == 2
        again = await ok(press(api, died))
        assert again["status"] == "completed"
        assert len(await api.events(OrderPlaced)) == 2


async def test_a_cart_that_nobody_touches_is_abandoned_and_then_expires(
    database: str, nats_url: str, tmp_path: Path
) -> None:
    async with serving(database, nats_url, tmp_path) as api, agents(api):
        await ok(api.put("/v1/storefront", {"terms": {"abandon_after_s": 1, "expire_after_s": 2}}))
        cart = await a_cart(api, "gone", "A-1")
        (abandoned,) = await until(api, 1, CartAbandoned)
        assert (abandoned.cart_id, abandoned.total_cents) == (cart, 2000)
        assert isinstance(abandoned.contact, Sealed)
        await until(api, 1, CartExpired)
        told = await api.post(f"/v1/carts/{cart}/complete", {"total_cents": 2000, "payments": [CARD]})
        assert (told.status_code, told.json()["rule"]) == (409, "cart_open")

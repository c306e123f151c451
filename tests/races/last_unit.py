"""Four races of 32 shoppers, and what must come of each: one sale, and stock that says so.

`unit`: one unit, 32 orders. `carts`: one unit, in 32 carts that are completed. `split`: two units that nobody
buys one by one, one in each of two warehouses. `expiry`: one unit, held by an order that is not paid, and
whose reservation expires while they come.
Each round has a SKU of its own. Orders are on account: who has the units is sold to.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import httpx

from domain.streams import stock_stream
from tests.integration.api_client import Api
from tests.races.outcomes import Outcomes

SHOPPERS = 32
HELD_SECONDS = 1
WAREHOUSES = ("main", "north")
CONTACT = {"email": "ana@example.com", "name": "Ana", "zip_prefix": "01310", "city": "São Paulo"}
RULES = {"rules": [{"kind": "fewest_splits"}], "when_short": "all_or_nothing"}
Round = Callable[[Api, Outcomes, str], Awaitable[list[str]]]


async def ok(answer: Awaitable[httpx.Response], *statuses: int) -> Any:
    response = await answer
    assert response.status_code in (statuses or (200, 201)), response.text
    return response.json()


def an_order(order_id: str, sku: str, quantity: int = 1, **paid: Any) -> dict[str, Any]:
    return {
        "order_id": order_id,
        "customer": {"customer_id": order_id, "zip_prefix": "01310", "city": "São Paulo"},
        "ship_to_state": "SP",
        "currency": "BRL",
        "lines": [{"sku": sku, "quantity": quantity, "unit_price_cents": 2000}],
    } | (paid or {"on_account": True})


async def two_warehouses(api: Api) -> None:
    """Orders are spread over them, whole or not at all."""
    for name in WAREHOUSES:
        await ok(api.post("/v1/warehouses", {"warehouse": name, "state": "SP", "zip_prefix": "01000"}))
    await ok(api.put("/v1/allocation-rules", RULES))


async def _holds_for(api: Api, seconds: int) -> None:
    terms = {"reservation_valid_s": seconds, "authorization_valid_s": 86_400}
    await ok(api.put("/v1/merchant/terms", terms))


async def unit(api: Api, outcomes: Outcomes, sku: str) -> list[str]:
    await ok(api.post("/v1/stock/receive", {"sku": sku, "quantity": 1}))
    orders = [f"{sku}-{number}" for number in range(SHOPPERS)]
    await asyncio.gather(*(ok(api.post("/v1/orders", an_order(each, sku))) for each in orders))
    return await _judged(api, outcomes, sku, orders, {"main": 1})


async def carts(api: Api, outcomes: Outcomes, sku: str) -> list[str]:
    """Who is told before it costs that nothing is left has no order."""
    await ok(api.post("/v1/stock/receive", {"sku": sku, "quantity": 1}))
    filled = await asyncio.gather(*(_cart(api, sku, number) for number in range(SHOPPERS)))
    body = {"total_cents": 2000, "on_account": True}
    pressed = [ok(api.post(f"/v1/carts/{cart}/complete", body), 200, 409) for cart in filled]
    answers = await asyncio.gather(*pressed)
    told = [each["rule"] for each in answers if "rule" in each]
    orders = [each["orders"][0]["order_id"] for each in answers if "orders" in each]
    problems = [f"{sku}: refused by {rule}" for rule in told if rule != "as_seen"]
    return problems + await _judged(api, outcomes, sku, orders, {"main": 1})


async def _cart(api: Api, sku: str, number: int) -> str:
    cart_id: str = (await ok(api.post("/v1/carts", {"currency": "BRL"})))["cart_id"]
    await ok(api.post(f"/v1/carts/{cart_id}/items", {"sku": sku, "unit_price_cents": 2000}))
    await ok(api.put(f"/v1/carts/{cart_id}/contact", {**CONTACT, "customer_id": f"{sku}-{number}"}))
    return cart_id


async def split(api: Api, outcomes: Outcomes, sku: str) -> list[str]:
    """Nobody may be left with one of the two."""
    for name in WAREHOUSES:
        await ok(api.post("/v1/stock/receive", {"sku": sku, "warehouse": name, "quantity": 1}))
    orders = [f"{sku}-{number}" for number in range(SHOPPERS)]
    await asyncio.gather(*(ok(api.post("/v1/orders", an_order(each, sku, 2))) for each in orders))
    return await _judged(api, outcomes, sku, orders, dict.fromkeys(WAREHOUSES, 1))


async def expiry(api: Api, outcomes: Outcomes, sku: str) -> list[str]:
    """Half of them come around the moment at which the hold expires; the others once it has."""
    api = replace(api, merchant=sku)  # one of its own: a merchant's terms are those of all its orders
    await ok(api.post("/v1/merchant", {}))
    await _holds_for(api, HELD_SECONDS)
    await ok(api.post("/v1/stock/receive", {"sku": sku, "quantity": 1}))
    holder = f"{sku}-holder"
    card = {"payment_id": "card", "method": "credit_card", "amount_cents": 2000}
    await ok(api.post("/v1/orders", an_order(holder, sku, payments=[card])))
    await _holds_for(api, 3600)
    await outcomes.held(holder)
    orders = [f"{sku}-{number}" for number in range(SHOPPERS)]
    chance, half = random.Random(sku), SHOPPERS // 2
    early = [_later(api, each, sku, chance.uniform(0.8, 1.1) * HELD_SECONDS) for each in orders[:half]]
    await asyncio.gather(outcomes.given_up(holder), *early)
    await asyncio.gather(*(ok(api.post("/v1/orders", an_order(each, sku))) for each in orders[half:]))
    problems = await _judged(api, outcomes, sku, orders, {"main": 1})
    await outcomes.decided([holder], 1)
    if outcomes.cancelled.get(holder) != "expired":
        problems.append(f"{holder}: its hold is over, and it is not cancelled for that")
    return problems


async def _later(api: Api, order_id: str, sku: str, seconds: float) -> None:
    await asyncio.sleep(seconds)
    await ok(api.post("/v1/orders", an_order(order_id, sku)))


async def _judged(
    api: Api, outcomes: Outcomes, sku: str, orders: list[str], units: dict[str, int]
) -> list[str]:
    """What is wrong with what came of these orders, which wanted all `units` of the SKU by warehouse each."""
    wanted = sum(units.values())
    await outcomes.decided(orders, wanted)
    sold = [each for each in orders if outcomes.confirmed[each]]
    problems = [] if len(sold) == 1 else [f"{sku}: sold to {sold or 'nobody'}"]
    problems += [f"{each}: placed {n} times" for each in orders if (n := outcomes.placed[each]) != 1]
    kept = {each: outcomes.reserved[each] - outcomes.expired[each] for each in orders}
    problems += [f"{each}: holds {n} units" for each, n in kept.items() if n != wanted * (each in sold)]
    problems += [
        f"{each}: cancelled for {outcomes.cancelled[each]}"
        for each in orders
        if each not in sold and outcomes.cancelled[each] != "stock"
    ]
    assert api.context
    streams = [stock_stream(api.merchant, sku, warehouse) for warehouse in units]
    for state, (warehouse, there) in zip(
        await api.context.executor.states.load(streams), units.items(), strict=True
    ):
        found = (state.state.on_hand, state.state.allocated, state.state.reserved, state.state.available)
        if found != (there, there, 0, 0):
            problems.append(f"{sku} in {warehouse}: on hand, allocated, reserved, available are {found}")
    return problems


RACES: dict[str, tuple[Round, Callable[[Api], Awaitable[None]] | None]] = {
    "unit": (unit, None),
    "carts": (carts, None),
    "split": (split, two_warehouses),
    "expiry": (expiry, None),
}
"""By name: a round, and what the merchant sets up before the first."""

"""What is not there, may it wait? A cart tells it before it costs, and its order waits as any other does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from domain.inventory import Backordered, StockReserved
from domain.order import OrderPlaced
from tests.integration.api_client import Api, problem, serving, serving_in_memory
from tests.integration.test_cart import a_cart, ok, press
from tests.integration.test_cart_races import until
from tests.races.run import agents


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with serving_in_memory() as api:
        yield api


async def stocked(api: Api, units: int, limit: int, warehouse: str = "main") -> None:
    """So many units of `A-1`, and so many that may be owed."""
    place = {"sku": "A-1", "warehouse": warehouse}
    if units:
        await ok(api.post("/v1/stock/receive", {**place, "quantity": units}))
    if limit:
        await ok(api.put("/v1/stock/rules", {**place, "backorder_limit": limit, "backorder_days": 7}))


async def by_rules(api: Api, when_short: str) -> None:
    for name, state in (("main", "SP"), ("north", "RJ")):
        await ok(api.post("/v1/warehouses", {"warehouse": name, "state": state, "zip_prefix": state}), 201)
    rules: dict[str, Any] = {"rules": [{"kind": "nearest"}], "when_short": when_short}
    await ok(api.put("/v1/allocation-rules", rules))


async def seen(api: Api, cart_id: str) -> tuple[list[int], list[tuple[str, int, int, int]]]:
    """Units of each line that will wait; and what is told to have changed: kind, was, now, waits."""
    shown = await ok(api.send("GET", f"/v1/carts/{cart_id}"))
    told = [(each["kind"], each["was"], each["now"], each["waits"]) for each in shown["changes"]]
    return [each["waits"] for each in shown["lines"]], told


async def test_a_line_says_how_many_of_its_units_will_wait(api: Api) -> None:
    await stocked(api, 0, 3)
    cart_id = await a_cart(api)
    assert await seen(api, cart_id) == ([2], [])
    await ok(press(api, cart_id))
    assert [event.total_cents for event in await api.events(OrderPlaced)] == [2000]


async def test_what_is_there_does_not_wait(api: Api) -> None:
    await stocked(api, 2, 3)
    assert await seen(api, await a_cart(api)) == ([0], [])


async def test_units_that_begin_to_wait_are_told_before_they_cost_and_can_be_accepted(api: Api) -> None:
    await stocked(api, 2, 3)
    cart_id = await a_cart(api)
    await ok(api.post("/v1/stock/adjust", {"sku": "A-1", "delta": -1, "reason": "damage"}))
    assert await seen(api, cart_id) == ([2], [("waits", 0, 2, 2)])
    told = problem(await press(api, cart_id), 409, "conflict")
    assert (told["rule"], [each["kind"] for each in told["changes"]]) == ("as_seen", ["waits"])
    assert "line 1: waits was 0 units, is 2" in told["detail"]
    assert await api.events(OrderPlaced) == []
    first, again = [await ok(press(api, cart_id, accept=told["accept"])) for _ in range(2)]
    assert first["orders"] == again["orders"]
    assert len(await api.events(OrderPlaced)) == 1


async def test_what_came_meanwhile_is_no_change(api: Api) -> None:
    await stocked(api, 0, 3)
    cart_id = await a_cart(api)
    await stocked(api, 2, 0)
    assert await seen(api, cart_id) == ([0], [])
    await ok(press(api, cart_id))


async def test_of_more_units_it_is_shown_anew_how_many_wait(api: Api) -> None:
    await stocked(api, 2, 4)
    cart_id = await a_cart(api)
    await ok(api.put(f"/v1/carts/{cart_id}/items/1", {"quantity": 3}))
    assert await seen(api, cart_id) == ([3], [])
    await ok(api.post(f"/v1/carts/{cart_id}/items", {"sku": "A-1", "unit_price_cents": 1000}))
    assert await seen(api, cart_id) == ([4], [])


async def test_more_than_may_wait_is_told_and_may_be_had_in_part(api: Api) -> None:
    await stocked(api, 0, 1)
    cart_id = await a_cart(api)
    assert await seen(api, cart_id) == ([1], [("stock", 2, 1, 1)])
    told = problem(await press(api, cart_id), 409, "conflict")
    assert "line 1: stock was 2 units, is 1, of which 1 will wait" in told["detail"]
    done = await ok(press(api, cart_id, accept=told["accept"]))
    assert done["total_cents"] == 1000


async def test_what_is_neither_there_nor_may_wait_is_taken_out(api: Api) -> None:
    cart_id = await a_cart(api)
    assert await seen(api, cart_id) == ([0], [("stock", 2, 0, 0)])


async def test_some_that_are_there_come_before_more_that_would_wait(api: Api) -> None:
    await stocked(api, 3, 4)
    assert await seen(api, await a_cart(api, quantity=5)) == ([0], [("stock", 5, 3, 0)])
    assert await seen(api, await a_cart(api, quantity=4)) == ([4], []), "an order has all of it, or waits"


async def test_by_rules_it_waits_where_they_say_so(api: Api) -> None:
    await by_rules(api, "backorder")
    await stocked(api, 1, 0)
    await stocked(api, 1, 9, "north")
    cart_id = await a_cart(api, quantity=4, ship_to_state="SP")
    assert await seen(api, cart_id) == ([3], []), (
        "one from main; the others wait in north, with what is there"
    )


async def test_by_rules_that_let_no_order_wait_it_is_told(api: Api) -> None:
    await by_rules(api, "ship_available")
    await stocked(api, 1, 9)
    assert await seen(api, await a_cart(api)) == ([0], [("stock", 2, 1, 0)])


async def test_two_lines_of_a_product_share_what_the_warehouses_of_the_rules_have(api: Api) -> None:
    await by_rules(api, "all_or_nothing")
    await stocked(api, 1, 0)
    await stocked(api, 2, 0, "north")
    cart_id = await a_cart(api)
    more = {"sku": "A-1", "quantity": 2, "unit_price_cents": 1000, "warehouse": "north"}
    await ok(api.post(f"/v1/carts/{cart_id}/items", more))
    assert await seen(api, cart_id) == ([0, 0], [("stock", 2, 1, 0)])


async def test_without_rules_each_line_has_its_own_warehouse(api: Api) -> None:
    await stocked(api, 2, 0)
    await stocked(api, 2, 0, "north")
    cart_id = await a_cart(api)
    more = {"sku": "A-1", "quantity": 2, "unit_price_cents": 1000, "warehouse": "north"}
    await ok(api.post(f"/v1/carts/{cart_id}/items", more))
    assert await seen(api, cart_id) == ([0, 0], [])


@pytest.mark.parametrize("rules", ["", "backorder"])
async def test_the_order_of_a_cart_waits_as_one_that_is_placed_at_the_door(
    database: str, nats_url: str, tmp_path: Path, rules: str
) -> None:
    async with serving(database, nats_url, tmp_path) as api, agents(api):
        if rules:
            await by_rules(api, rules)
        await stocked(api, 1, 5)
        cart_id = await a_cart(api)
        assert await seen(api, cart_id) == ([2], [])
        done = await ok(press(api, cart_id))
        (waits,) = await until(api, 1, Backordered)
        assert (waits.order_id, waits.quantity) == (done["orders"][0]["order_id"], 2)
        lines = [{"sku": "A-1", "quantity": 2, "unit_price_cents": 1000}]
        door = {"customer": {"customer_id": "c9", "zip_prefix": "", "city": ""}, "currency": "BRL"}
        await ok(api.post("/v1/orders", {**door, "lines": lines, "on_account": True}), 201)
        assert [each.quantity for each in await until(api, 2, Backordered)] == [2, 2]
        assert await seen(api, await a_cart(api)) == ([1], [("stock", 2, 1, 1)]), "five may be owed"
        assert await api.events(StockReserved) == []

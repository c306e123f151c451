"""Over HTTP: orders are spread over warehouses by rules, and picked; 32 shoppers want the last units."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from domain.allocation import AllocationFailed, AllocationSettled, OrderSplit
from domain.inventory import StockPickedShort, StockReserved, StockShipped
from domain.kernel import Event
from domain.order import OrderConfirmed
from eventstore.bus import MemoryBus
from eventstore.feed import Feed
from eventstore.tasks import end_tasks
from services.agents.allocation import ALLOCATION_AGENT
from services.agents.inventory import INVENTORY_AGENT
from services.agents.order import ORDER_AGENT
from services.agents.runner import AgentRunner
from services.agents.warehouse import WAREHOUSE_AGENT
from tests.integration.api_client import Api, an_order, problem, serving
from tests.integration.test_product_api import done, projecting, shown
from tests.patience import HANGS

AGENTS = (ORDER_AGENT, INVENTORY_AGENT, ALLOCATION_AGENT, WAREHOUSE_AGENT)
SHOPPERS = 32
FEWEST_THEN_NEAREST = {"rules": [{"kind": "fewest_splits"}, {"kind": "nearest"}]}


@pytest.fixture
async def api(database: str, nats_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(database, nats_url, tmp_path) as api, projecting(api, database), at_work(api):
        yield api


@asynccontextmanager
async def at_work(api: Api) -> AsyncIterator[None]:
    """With the agents that see an order from its placing to the pick list."""
    context = api.context
    assert context is not None
    async with Feed(context.log, MemoryBus()).running() as feed:
        runner = AgentRunner(AGENTS, feed, context.executor, context.log.database, context.clock)
        running = asyncio.create_task(runner.run())
        try:
            yield
        finally:
            await end_tasks(running)


async def two_warehouses(api: Api, *units: int, **rules: Any) -> None:
    for name, state, quantity in zip(("main", "north"), ("SP", "RJ"), units, strict=True):
        await done(api, "/v1/warehouses", {"warehouse": name, "state": state, "zip_prefix": state})
        if quantity:
            await done(api, "/v1/stock/receive", {"sku": "A-1", "warehouse": name, "quantity": quantity})
    answer = await api.put("/v1/allocation-rules", FEWEST_THEN_NEAREST | rules)
    assert answer.status_code == 200, answer.text


async def heard(api: Api, count: int, *kinds: type[Event]) -> list[Any]:
    async with asyncio.timeout(HANGS):
        while len(events := await api.events(*kinds)) < count:
            await asyncio.sleep(0.1)
    return events


def of_units(quantity: int, **changes: Any) -> dict[str, Any]:
    line = {"sku": "A-1", "quantity": quantity, "unit_price_cents": 100}
    return an_order(lines=[line], payments=[], on_account=True, **changes)


async def test_an_order_is_split_and_picked_in_both_warehouses(api: Api) -> None:
    await two_warehouses(api, 3, 2)
    await done(api, "/v1/orders", of_units(4, order_id="o1"))
    await heard(api, 1, OrderSplit)
    allocation = await shown(api, "/v1/allocations/o1")
    assert (allocation["status"], allocation["warehouses_count"]) == ("settled", 2)
    assert allocation["rule"] == "only_choice"
    assert {each["warehouse"]: each["quantity"] for each in allocation["picks"]} == {"main": 3, "north": 1}
    assert {each["warehouse"]: each["chosen"] for each in allocation["candidates"]} == {
        "main": True,
        "north": True,
    }
    (listed,) = (await shown(api, "/v1/allocations", is_split="true"))["items"]
    assert listed["order_id"] == "o1"
    async with asyncio.timeout(HANGS):
        while len(lists := (await shown(api, "/v1/pick-lists", order_id="o1"))["items"]) < 2:
            await asyncio.sleep(0.1)
    assert [(each["pick_list_id"], each["warehouse"], each["units"]) for each in lists] == [
        ("o1.1", "main", 3),
        ("o1.2", "north", 1),
    ]
    await _pick(api)


async def _pick(api: Api) -> None:
    await done(api, "/v1/pick-lists/o1.1/start")
    await done(api, "/v1/pick-lists/o1.1/pick", {"line": 1, "picked": 2})
    early = await api.post("/v1/pick-lists/o1.1/pack", {})
    assert problem(early, 409, "conflict")["rule"] == "pack_what_is_picked"
    await done(api, "/v1/pick-lists/o1.1/short", {"line": 1, "short": 1, "reason": "missing"})
    (short,) = await heard(api, 1, StockPickedShort)
    assert (short.warehouse, short.quantity) == ("main", 1)
    for step in ("pack", "stage", "hand-over"):
        await done(api, f"/v1/pick-lists/o1.1/{step}", {})
    picked = await shown(api, "/v1/pick-lists/o1.1")
    assert (picked["status"], picked["picked_units"], picked["short_units"]) == ("handed_over", 2, 1)
    await done(api, "/v1/orders/o1/cancel", {"reason": "customer"})
    async with asyncio.timeout(HANGS):
        while (await shown(api, "/v1/pick-lists/o1.2"))["status"] != "cancelled":
            await asyncio.sleep(0.1)
    waiting = await shown(api, "/v1/pick-lists", warehouse="north", status="released")
    assert waiting["items"] == []
    (away,) = await heard(api, 1, StockShipped)  # two were handed over: they are sold to nobody else
    assert (away.warehouse, away.quantity) == ("main", 2)


async def test_a_list_by_hand_is_of_an_order_that_waits_and_stops_with_it(api: Api) -> None:
    await done(api, "/v1/stock/receive", {"sku": "A-1", "quantity": 3})
    await done(api, "/v1/orders", of_units(1, order_id="o1"))
    await done(api, "/v1/orders", an_order(order_id="o2"))

    async def refused(pick_list_id: str, order_id: str) -> str:
        answer = await api.post("/v1/pick-lists", by_hand(pick_list_id, order_id))
        rule: str = problem(answer, 409, "conflict")["rule"]
        return rule

    assert await refused("o2.1", "o1") == "pick_list_named_after_its_order"
    assert await refused("any", "none") == "pick_for_an_order"
    assert await refused("o2.1", "o2") == "pick_what_is_confirmed"
    await heard(api, 1, OrderConfirmed)
    first = await api.post("/v1/pick-lists", by_hand("o1.1", "o1"), key="list")
    assert first.status_code == 201, first.text
    for order_id in ("o1", "o2"):
        await done(api, f"/v1/orders/{order_id}/cancel", {"reason": "customer"})
    async with asyncio.timeout(HANGS):
        while (await shown(api, "/v1/pick-lists/o1.1"))["status"] != "cancelled":
            await asyncio.sleep(0.1)
    assert await refused("o2.1", "o2") == "pick_what_is_to_be_sent"
    again = await api.post("/v1/pick-lists", by_hand("o1.1", "o1"), key="list")
    assert again.text == first.text, "the same request has the same answer, whatever came of the order"
    await two_warehouses(api, 1, 1)
    await done(api, "/v1/orders", an_order(order_id="o3"))
    assert await refused("mine", "o3") == "pick_by_the_plan"


def by_hand(pick_list_id: str, order_id: str) -> dict[str, Any]:
    lines = [{"line": 1, "sku": "A-1", "quantity": 1}]
    return {"pick_list_id": pick_list_id, "order_id": order_id, "warehouse": "main", "lines": lines}


async def test_32_shoppers_and_the_last_units_split_over_two_warehouses(api: Api) -> None:
    """Each wants two, and one lies here, the other there: one of them gets both, and the others nothing."""
    await two_warehouses(api, 1, 1)
    placed = await asyncio.gather(
        *(api.post("/v1/orders", of_units(2), key=f"shopper {n}") for n in range(SHOPPERS))
    )
    assert {each.status_code for each in placed} == {201}
    ended = await heard(api, SHOPPERS, AllocationSettled, AllocationFailed)
    (settled,) = [each for each in ended if isinstance(each, AllocationSettled)]
    assert len({each.order_id for each in ended}) == SHOPPERS
    reserved = await api.events(StockReserved)
    assert {(each.order_id, each.warehouse) for each in reserved} == {
        (settled.order_id, "main"),
        (settled.order_id, "north"),
    }


async def test_rules_are_versions_that_can_be_read_and_set_again(api: Api) -> None:
    await two_warehouses(api, 1, 0)
    answer = await api.put("/v1/allocation-rules", {"rules": [], "note": "by hand"})
    assert answer.status_code == 200, answer.text
    await done(api, "/v1/allocation-rules/restore", {"version": 1})
    versions = (await shown(api, "/v1/allocation-rules"))["items"]
    assert [(each["version"], each["restores"], len(each["rules"])) for each in versions] == [
        (3, 1, 2),
        (2, None, 0),
        (1, None, 2),
    ]
    assert versions[0]["rules"] == [{"kind": "fewest_splits"}, {"kind": "nearest"}]
    assert versions[0]["set_by"]
    assert (await shown(api, "/v1/allocation-rules/2"))["note"] == "by hand"
    strange = {"rules": [{"kind": "preferred", "warehouses": ["moon"]}]}
    refused = await api.put("/v1/allocation-rules", strange)
    assert problem(refused, 409, "conflict")["rule"] == "prefer_registered_warehouses"
    await done(api, "/v1/warehouses/north/close", {"note": "flood"})
    last = await api.post("/v1/warehouses/main/close", {})
    assert problem(last, 409, "conflict")["rule"] == "one_warehouse_open"
    closed = (await shown(api, "/v1/warehouses", is_open="false"))["items"]
    assert [(each["warehouse"], each["note"]) for each in closed] == [("north", "flood")]
    assert (await shown(api, "/v1/warehouses/main"))["state"] == "SP"

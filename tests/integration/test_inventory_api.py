"""Does inventory work over HTTP: what comes, goes and is counted; and does the ledger say why?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from commands.executor import Context
from domain.inventory import ReserveStock
from domain.kernel import one
from domain.permissions import PLATFORM
from domain.streams import stock_stream
from services.embedded import NatsServer
from services.web.positions import POSITION_HEADER
from tests.integration.api_client import problem
from tests.integration.walls import World, world

CHANGES = ("on_hand", "reserved", "allocated", "quality_control", "damaged", "safety_stock", "incoming")


@dataclass
class Shop:
    """What staff of a merchant does and sees, each read as of the last command."""

    world: World
    key: str
    at: str = ""

    async def send(self, method: str, path: str, body: Any = None) -> httpx.Response:
        answer = await self.world.ask(method, path, self.key, "m1", body)
        self.at = answer.headers.get(POSITION_HEADER, self.at)
        return answer

    async def done(self, path: str, body: Any = None, method: str = "POST") -> Any:
        answer = await self.send(method, path, body)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    async def refused(self, path: str, body: Any, rule: str) -> str:
        answer = await self.send("POST", path, body)
        document = problem(answer, 409, "conflict")
        assert document["rule"] == rule
        return str(document["detail"])

    async def see(self, path: str, **query: Any) -> Any:
        headers = {"Tillroll-Min-Position": self.at, "Prefer": "wait=20"}
        answer = await self.world.ask("GET", path, self.key, "m1", headers=headers, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def level(self, warehouse: str = "main", sku: str = "MUG") -> dict[str, int]:
        (level,) = (await self.see("/v1/stock", sku=sku, warehouse=warehouse))["items"]
        assert level["on_hand"] == level["available"] + level["committed"] + level["unavailable"]
        return level  # type: ignore[no-any-return]

    async def ledger(self, warehouse: str = "main", **query: Any) -> list[dict[str, Any]]:
        """All movements, oldest first, page by page; each follows from the one before."""
        items: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = await self.see(
                "/v1/stock/ledger", sku="MUG", warehouse=warehouse, limit=3, **cursor, **query
            )
            items += page["items"]
            if not page["next_cursor"]:
                return items[::-1]
            cursor = {"cursor": page["next_cursor"]}


def check_follows(movements: list[dict[str, Any]]) -> None:
    before = dict.fromkeys(CHANGES, 0)
    for each in movements:
        assert {name: before[name] + each[f"{name}_change"] for name in CHANGES} == {
            name: each[name] for name in CHANGES
        }, each
        assert each["causation"]
        assert each["actor"]
        before = each


@pytest.fixture
async def shop(database: str, nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[Shop]:
    async with world(database, nats_server.url, tmp_path) as found:
        opened = Shop(found, await found.key(PLATFORM))
        await opened.done("/v1/merchant", {})
        yield opened


async def test_why_is_it_47(shop: Shop) -> None:
    place = {"sku": "MUG"}
    await shop.done("/v1/stock/receive", {**place, "quantity": 50, "reference": "note 118"})
    await shop.done("/v1/stock/adjust", {**place, "delta": -2, "reason": "loss", "note": "thief"})
    await shop.done("/v1/stock/move", {**place, "quantity": 4, "source": "available", "target": "damaged"})
    await shop.done("/v1/stock/write-off", {**place, "quantity": 1, "source": "damaged", "note": "shards"})
    await shop.done("/v1/stock/rules", {**place, "safety_stock": 5, "reorder_point": 40}, "PUT")
    level = await shop.level()
    assert (level["on_hand"], level["available"], level["damaged"], level["safety_stock"]) == (47, 39, 3, 5)
    movements = await shop.ledger()
    check_follows(movements)
    assert [(each["type"], each["on_hand"]) for each in movements] == [
        ("StockReceived", 50),
        ("StockAdjusted", 48),
        ("StockMoved", 48),
        ("StockWrittenOff", 47),
        ("StockRulesSet", 47),
    ]
    assert (movements[0]["reference"], movements[1]["reason"], movements[1]["note"]) == (
        "note 118",
        "loss",
        "thief",
    )
    (low,) = (await shop.see("/v1/stock/low"))["items"]
    assert (low["sku"], low["available"], low["reorder_point"]) == ("MUG", 39, 40)
    assert [each["type"] for each in await shop.ledger(type="StockAdjusted")] == ["StockAdjusted"]


async def test_a_purchase_order_comes_in_parts_damaged_and_over(shop: Shop) -> None:
    lines = [{"sku": "MUG", "quantity": 10, "unit_cost_cents": 300}]
    order = {"purchase_id": "PO-7", "supplier": "ACME", "currency": "BRL", "lines": lines}
    await shop.done("/v1/purchase-orders", order)
    assert (await shop.level())["incoming"] == 10
    path = "/v1/purchase-orders/PO-7"
    await shop.done(f"{path}/receive", {"receipt_id": "R1", "items": [{"sku": "MUG", "quantity": 6}]})
    assert (await shop.see(path))["status"] == "part_received"
    level = await shop.level()
    assert (level["on_hand"], level["incoming"]) == (6, 4)
    again = {"receipt_id": "R1", "items": [{"sku": "MUG", "quantity": 6}]}
    await shop.refused(f"{path}/receive", again, "receipt_unique")
    more = {"receipt_id": "R2", "items": [{"sku": "MUG", "quantity": 5, "damaged": 1}]}
    await shop.done(f"{path}/receive", more)
    level = await shop.level()
    assert (level["on_hand"], level["damaged"], level["incoming"], level["available"]) == (12, 1, 0, 11)
    seen = await shop.see(path)
    assert (seen["status"], seen["received_units"], seen["discrepancies_count"]) == ("received", 12, 2)
    assert [(each["kind"], each["open"]) for each in seen["discrepancies"]] == [("damaged", 1), ("over", 2)]
    resolved = f"{path}/discrepancies/resolve"
    over = {"sku": "MUG", "kind": "over", "quantity": 2, "resolution": "returned"}
    await shop.refused(resolved, {**over, "quantity": 1}, "discrepancy_as_it_is")
    await shop.done(resolved, over)
    await shop.done(resolved, {"sku": "MUG", "kind": "damaged", "quantity": 1, "resolution": "returned"})
    level = await shop.level()
    assert (level["on_hand"], level["damaged"]) == (9, 0)
    await shop.done(f"{path}/close")
    assert (await shop.see(path))["status"] == "closed"
    check_follows(await shop.ledger())
    assert (await shop.see("/v1/purchase-orders", with_discrepancies=True))["items"] == []


async def test_a_purchase_order_that_is_closed_or_cancelled_is_expected_no_more(shop: Shop) -> None:
    order = {"supplier": "ACME", "currency": "BRL", "lines": [{"sku": "MUG", "quantity": 10}]}
    for name in ("PO-1", "PO-2"):
        await shop.done("/v1/purchase-orders", {"purchase_id": name, **order})
    some = {"items": [{"sku": "MUG", "quantity": 3}]}
    await shop.done("/v1/purchase-orders/PO-1/receive", some)
    await shop.refused("/v1/purchase-orders/PO-1/cancel", {}, "cancel_before_receipt")
    await shop.done("/v1/purchase-orders/PO-1/close")
    await shop.done("/v1/purchase-orders/PO-2/cancel", {"note": "too dear"})
    assert (await shop.level())["incoming"] == 0
    closed = await shop.see("/v1/purchase-orders/PO-1")
    assert [(each["kind"], each["open"]) for each in closed["discrepancies"]] == [("short", 7)]
    await shop.refused("/v1/purchase-orders/PO-2/receive", some, "receive_open_purchase")
    assert (await shop.send("POST", "/v1/purchase-orders/PO-3/close")).status_code == 404
    assert (await shop.send("POST", "/v1/purchase-orders/PO-3/receive", some)).status_code == 404


async def test_10_sent_8_arrived(shop: Shop) -> None:
    await shop.done("/v1/stock/receive", {"sku": "MUG", "quantity": 12})
    lines = [{"sku": "MUG", "quantity": 10}]
    plan = {"transfer_id": "T-3", "source": "main", "target": "north", "lines": lines}
    await shop.done("/v1/transfers", plan)
    await shop.done("/v1/transfers/T-3/ship", {})
    main, north = await shop.level(), await shop.level("north")
    assert (main["on_hand"], north["on_hand"], north["incoming"]) == (2, 0, 10)
    eight = {"receipt_id": "R1", "lines": [{"sku": "MUG", "quantity": 8}], "complete": True}
    await shop.done("/v1/transfers/T-3/receive", eight)
    north = await shop.level("north")
    assert (north["on_hand"], north["incoming"]) == (8, 2)
    (listed,) = (await shop.see("/v1/transfers", with_discrepancies=True))["items"]
    assert (listed["status"], listed["discrepancies_count"]) == ("received", 1)
    missing = {"sku": "MUG", "kind": "missing", "quantity": 1}
    await shop.done("/v1/transfers/T-3/discrepancies/resolve", {**missing, "outcome": "lost"})
    await shop.done("/v1/transfers/T-3/discrepancies/resolve", {**missing, "outcome": "found"})
    north = await shop.level("north")
    assert (north["on_hand"], north["incoming"]) == (9, 0)
    seen = await shop.see("/v1/transfers/T-3")
    assert (seen["sent_units"], seen["arrived_units"], seen["found_units"], seen["lost_units"]) == (
        10,
        8,
        1,
        1,
    )
    assert seen["lines"][0]["on_the_way"] == seen["discrepancies"][0]["open"] == 0
    too_many = {**plan, "transfer_id": "T-4"}
    await shop.done("/v1/transfers", too_many)
    assert "2 units" in await shop.refused("/v1/transfers/T-4/ship", {}, "send_within_available")
    assert (await shop.level())["on_hand"] == 2, "all or nothing"
    await shop.done("/v1/transfers/T-4/cancel")
    assert (await shop.send("POST", "/v1/transfers/T-5/ship", {})).status_code == 404


async def test_a_stocktake_while_trade_goes_on(shop: Shop) -> None:
    await shop.done("/v1/stock/receive", {"sku": "MUG", "quantity": 20})
    await shop.done("/v1/stocktakes", {"stocktake_id": "K", "skus": ["MUG", "CUP"]})
    await shop.done("/v1/stock/receive", {"sku": "MUG", "quantity": 5})
    await shop.done("/v1/stocktakes/K/counts", {"sku": "MUG", "counted": 18, "as_of": "start"})
    await shop.done("/v1/stock/adjust", {"sku": "MUG", "delta": -3, "reason": "loss"})
    (count, *_) = (await shop.see("/v1/stocktakes/K"))["counts"][1:]
    assert (count["expected"], count["counted"], count["moved"], count["difference"]) == (20, 18, 5, -2)
    await shop.refused("/v1/stocktakes/K/finish", {}, "finish_what_is_counted")
    await shop.refused("/v1/stocktakes", {"stocktake_id": "L", "skus": ["MUG"]}, "one_count_at_a_time")
    await shop.done("/v1/stocktakes/K/finish", {"leave_uncounted": True})
    assert (await shop.level())["on_hand"] == 20 + 5 - 3 - 2
    seen = await shop.see("/v1/stocktakes/K")
    assert (seen["status"], [each["status"] for each in seen["counts"]]) == (
        "finished",
        ["cancelled", "settled"],
    )
    last = (await shop.ledger())[-1]
    assert (last["type"], last["reference"], last["on_hand_change"]) == ("StockCountSettled", "K", -2)
    await shop.done("/v1/stocktakes", {"stocktake_id": "L", "skus": ["MUG"]})
    await shop.done("/v1/stocktakes/L/cancel")


async def test_who_waits_is_listed_and_served(shop: Shop) -> None:
    await shop.done("/v1/stock/rules", {"sku": "MUG", "backorder_limit": 10}, "PUT")
    for number in range(3):
        await reserve(shop, f"o{number}", 2)
    seen = (await shop.see("/v1/stock/backorders", sku="MUG"))["items"]
    assert [(each["order_id"], each["quantity"]) for each in seen] == [("o0", 2), ("o1", 2), ("o2", 2)]
    assert (await shop.level())["backordered"] == 6
    await shop.done("/v1/stock/receive", {"sku": "MUG", "quantity": 3})
    held = (await shop.see("/v1/stock/holds", sku="MUG"))["items"]
    assert [(each["order_id"], each["quantity"]) for each in held] == [("o0", 2)]
    await shop.done("/v1/stock/backorders/cancel", {"sku": "MUG", "order_id": "o1"})
    level = await shop.level()
    assert (level["backordered"], level["available"], level["reserved"]) == (2, 1, 2)
    check_follows(await shop.ledger())
    story = await shop.ledger(order_id="o0")
    assert [each["type"] for each in story] == ["Backordered", "BackorderFilled"]


async def reserve(shop: Shop, order_id: str, quantity: int) -> None:
    """As the agent does."""
    state, now = shop.world.app.state, shop.world.app.state.clock.now()
    place = {"sku": "MUG", "warehouse": "main"}
    command = ReserveStock(
        order_id=order_id, quantity=quantity, now=now, expires_at=now + timedelta(hours=1), **place
    )
    context = Context(uuid4(), "m1", "agent:inventory", order_id, "a test", now)
    done = await state.executor.execute(one(stock_stream("m1", "MUG", "main"), command), context)
    shop.at = state.identity.token(done.position)


@pytest.mark.parametrize(
    ("method", "path", "field", "body"),
    [
        ("POST", "/v1/stock/receive", "warehouse", {"sku": "MUG", "quantity": 1}),
        ("PUT", "/v1/stock/rules", "warehouse", {"sku": "MUG", "backorder_limit": 5}),
        ("POST", "/v1/stock/adjust", "warehouse", {"sku": "MUG", "delta": 5, "reason": "found"}),
        (
            "POST",
            "/v1/purchase-orders",
            "warehouse",
            {"supplier": "ACME", "currency": "BRL", "lines": [{"sku": "MUG", "quantity": 1}]},
        ),
        ("POST", "/v1/transfers", "target", {"source": "main", "lines": [{"sku": "MUG", "quantity": 1}]}),
        ("POST", "/v1/stocktakes", "warehouse", {"skus": ["MUG"]}),
    ],
)
async def test_goods_come_to_no_warehouse_that_is_misspelt(
    shop: Shop, method: str, path: str, field: str, body: dict[str, Any]
) -> None:
    """Once the merchant has said which there are: they would lie where nobody looks. What lies there before
    stays within reach."""
    wrong = body | {field: "mian"}
    await shop.done("/v1/stock/receive", {"sku": "OLD", "quantity": 1, "warehouse": "attic"})
    for warehouse in ("main", "hub"):
        await shop.done("/v1/warehouses", {"warehouse": warehouse})
    answer = await shop.send(method, path, wrong)
    told = problem(answer, 422, "invalid-input")
    assert "there is no warehouse mian; there are hub, main" in told["detail"]
    assert told["errors"][0]["pointer"] == f"#/{field}"
    await shop.done(path, body | {field: "hub"}, method)
    await shop.done("/v1/stock/receive", {"sku": "OLD", "quantity": 1, "warehouse": "attic"})
    await shop.done("/v1/stocktakes", {"skus": ["OLD"], "warehouse": "attic"})

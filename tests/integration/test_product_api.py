"""Is a product set up over HTTP as it should be, and shown as it is: variants, channels, prices, history?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from eventstore.bus import MemoryBus
from eventstore.feed import Feed
from eventstore.postgres import PostgresLog
from eventstore.tasks import end_tasks
from projections.runner import ProjectionRunner
from projections.session import PostgresReadModels
from tests.integration.api_client import Api, an_order, problem, serving

MUG: dict[str, Any] = {
    "product_id": "MUG",
    "name": "Mug",
    "description": "Stoneware",
    "category": "kitchen",
    "options": ["colour"],
    "variants": [
        {
            "sku": "MUG-RED",
            "options": ["red"],
            "gtin": "4006381-333931",
            "prices": [{"channel": "web", "currency": "EUR", "price_cents": 1990}],
        },
        {
            "sku": "MUG-BLUE",
            "options": ["blue"],
            "prices": [{"channel": "web", "currency": "EUR", "price_cents": 2090}],
        },
    ],
}
RED = {"sku": "MUG-RED", "channel": "web", "currency": "EUR"}


@pytest.fixture
async def api(database: str, nats_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(database, nats_url, tmp_path) as api, projecting(api, database):
        yield api


@asynccontextmanager
async def projecting(api: Api, database: str) -> AsyncIterator[None]:
    """With a projector that follows what the API appends."""
    assert api.context
    async with await PostgresLog.connect(database) as log, Feed(log, MemoryBus()).running() as feed:
        runner = ProjectionRunner(feed, PostgresReadModels(log.pool), api.context.keyring)
        task = asyncio.create_task(runner.run())
        try:
            yield
        finally:
            await end_tasks(task)


async def shown(api: Api, path: str, **query: Any) -> Any:
    """What is there once the read models show the log's end."""
    position = api.log.identity.token(await api.log.head())
    headers = {
        "Tillroll-Merchant": api.merchant,
        "Authorization": f"Bearer {api.key}",
        "Tillroll-Min-Position": position,
        "Prefer": "wait=20",
    }
    answer = await api.client.get(path, headers=headers, params=query or None)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def done(api: Api, path: str, body: Any = None) -> None:
    answer = await api.post(path, body)
    assert answer.status_code in (200, 201), answer.text


async def test_a_product_from_draft_to_archive(api: Api) -> None:
    answer = await api.post("/v1/products", MUG)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == "/v1/products/MUG"
    await done(api, "/v1/products/MUG/publish", {"channel": "web"})
    await done(api, "/v1/products/MUG/activate")
    product = await shown(api, "/v1/products/MUG")
    assert (product["status"], product["name"], product["options"]) == ("active", "Mug", ["colour"])
    assert [each["channel"] for each in product["channels"]] == ["web"]
    assert [(each["sku"], each["options"], each["gtin"]) for each in product["variants"]] == [
        ("MUG-BLUE", ["blue"], None),
        ("MUG-RED", ["red"], "4006381333931"),
    ]
    await done(api, "/v1/products/MUG/describe", {"name": "Cup", "options": ["colour"]})
    await done(api, "/v1/products/MUG/variants/remove", {"sku": "MUG-BLUE"})
    await done(api, "/v1/products/MUG/variants", {"sku": "MUG-GREEN", "options": ["green"]})
    await done(api, "/v1/products/MUG/variants/describe", {"sku": "MUG-GREEN", "options": ["sage"]})
    await done(api, "/v1/products/MUG/unpublish", {"channel": "web"})
    await done(api, "/v1/products/MUG/archive")
    product = await shown(api, "/v1/products/MUG")
    assert (product["status"], product["name"], product["channels"]) == ("archived", "Cup", [])
    assert [each["options"] for each in product["variants"]] == [["sage"], ["red"]]
    refused = await api.post("/v1/products/MUG/describe", {"name": "Pot", "options": ["colour"]})
    assert problem(refused, 409, "conflict")["rule"] == "archived_stays"
    listed = await shown(api, "/v1/products", status="archived")
    assert [each["sku"] for each in listed["items"]] == ["MUG"]
    await done(api, "/v1/products/MUG/restore")
    assert (await shown(api, "/v1/products/MUG"))["status"] == "draft"


async def test_sku_unique_in_the_merchant_whoever_comes_first(api: Api) -> None:
    """Twenty at once want the SKU for products of their own: one gets it, and the others' drafts are not half
    there."""
    variant = {"sku": "THE-ONE", "prices": [{"channel": "web", "currency": "EUR", "price_cents": 1}]}
    answers = await asyncio.gather(
        *(
            api.post("/v1/products", {"product_id": f"P{number}", "name": "P", "variants": [variant]})
            for number in range(20)
        )
    )
    assert sorted(each.status_code for each in answers) == [201, *[409] * 19]
    refused = next(each for each in answers if each.status_code == 409)
    assert problem(refused, 409, "conflict")["rule"] == "sku_unique"
    listed = await shown(api, "/v1/products")
    drafted = [each["sku"] for each in listed["items"] if each["status"]]
    assert len(drafted) == 1
    (claim,) = [each for each in listed["items"] if not each["status"]]
    assert (claim["sku"], claim["variant_of"]) == ("THE-ONE", drafted[0])
    refused = await api.put("/v1/products/THE-ONE", {"weight_g": 1})
    assert problem(refused, 409, "conflict")["rule"] == "sku_unique"
    await done(api, f"/v1/products/{drafted[0]}/variants/remove", {"sku": "THE-ONE"})
    await done(api, "/v1/products", {"product_id": "NEXT", "name": "N", "variants": [variant]})


async def test_a_gtin_that_is_mistyped_is_told_what_it_should_be(api: Api) -> None:
    for gtin, said in (
        ("4006381333932", "should be 1"),
        ("40063813339", "8, 12, 13 or 14"),
        ("abc", "digits"),
    ):
        body = {**MUG, "variants": [{"sku": "A", "options": ["red"], "gtin": gtin}]}
        document = problem(await api.post("/v1/products", body), 422, "invalid-input")
        assert said in str(document["errors"]), document


async def test_eu_omnibus_lowest_price_of_30_days_as_of_any_day(api: Api) -> None:
    await done(api, "/v1/products", MUG)
    now = datetime.now(UTC)
    for days, cents in ((10, 2490), (20, 1790), (60, 1890)):
        await done(
            api,
            "/v1/products/MUG/prices",
            {**RED, "price_cents": cents, "valid_from": (now + timedelta(days=days)).isoformat()},
        )
    found = []
    for days in (0, 11, 21, 45, 61):
        at = (now + timedelta(days=days, hours=1)).isoformat()
        (price,) = (await shown(api, "/v1/products/MUG/prices", as_of=at, sku="MUG-RED"))["items"]
        found.append((price["price_cents"], price["lowest_30_days_cents"], price["prior_price_cents"]))
    assert found == [
        (1990, 1990, None),
        (2490, 1990, None),
        (1790, 1790, 1990),
        (1790, 1790, 1990),
        (1890, 1790, None),
    ]
    assert len((await shown(api, "/v1/products/MUG/prices"))["items"]) == 2
    withdrawn = (now + timedelta(days=60)).isoformat()
    await done(api, "/v1/products/MUG/prices/withdraw", {**RED, "valid_from": withdrawn})
    history = await shown(api, "/v1/products/MUG/price-history", **RED)
    assert [each["price_cents"] for each in history["items"]] == [1790, 2490, 1990]
    past = (now - timedelta(days=1)).isoformat()
    refused = await api.post("/v1/products/MUG/prices", {**RED, "price_cents": 1, "valid_from": past})
    assert problem(refused, 409, "conflict")["rule"] == "price_not_backdated"


async def test_product_archived_while_in_carts_line_keeps_its_snapshot(api: Api) -> None:
    await done(api, "/v1/products", MUG)
    await done(api, "/v1/products/MUG/activate")
    line = {
        "sku": "MUG-RED",
        "name": "Mug, red",
        "category": "kitchen",
        "quantity": 1,
        "unit_price_cents": 6290,
    }
    order = an_order(order_id="o1", lines=[line])
    assert (await api.post("/v1/orders", order)).status_code == 201
    before = (await shown(api, "/v1/orders/o1"))["lines"]
    await done(api, "/v1/products/MUG/prices", {**RED, "price_cents": 1})
    await done(api, "/v1/products/MUG/describe", {"name": "Pot", "options": ["colour"]})
    await done(api, "/v1/products/MUG/archive")
    assert (await shown(api, "/v1/orders/o1"))["lines"] == before
    assert (before[0]["name"], before[0]["unit_price_cents"]) == ("Mug, red", 6290)
    # whoever has it in a cart yet, and is served by a shop that knows of no archive, buys what the cart said
    assert (await api.post("/v1/orders", {**order, "order_id": "o2"})).status_code == 201


async def test_what_is_not_there_and_whose_names_do_not_fit(api: Api) -> None:
    assert problem(await api.post("/v1/products/NONE/activate"), 404, "not-found")["rule"] == "product_exists"
    long = {"product_id": "P", "name": "P", "variants": [{"sku": "ü" * 90}]}
    assert "too long" in problem(await api.post("/v1/products", long), 422, "invalid-input")["detail"]

"""What do read models tell of carts, and of an order to the guest who bought it?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpx

from commands.executor import Context
from domain.carrier import ParcelLine, RecordCarrierShipment, RequestShipment
from domain.kernel import one
from domain.payment import RecordProviderPayment, RequestAuthorization
from domain.payment.commands import CustomerAction
from domain.personal import Erased
from domain.streams import payment_stream, shipment_stream
from eventstore.bus import MemoryBus
from eventstore.feed import Feed
from eventstore.postgres import make_pool
from eventstore.tasks import end_tasks
from projections.runner import ProjectionRunner
from projections.session import PostgresReadModels
from tests.integration.api_client import Api, problem, serving
from tests.integration.test_cart import a_cart, ok, press
from tests.integration.test_cart_races import agents
from tests.patience import HANGS


@asynccontextmanager
async def projecting(api: Api) -> AsyncIterator[None]:
    context = api.context
    assert context is not None
    projector = make_pool(context.settings.url("project"), max_size=8)
    async with projector as pool, Feed(context.log, MemoryBus()).running() as feed:
        runner = ProjectionRunner(feed, PostgresReadModels(pool), context.keyring)
        task = asyncio.create_task(runner.run())
        try:
            yield
        finally:
            await end_tasks(task)


async def latest(api: Api) -> dict[str, str]:
    """Headers that have a read wait for all that is in the log."""
    token = api.log.identity.token(await api.log.head())
    return {"Tillroll-Min-Position": token, "Prefer": "wait=20"}


async def get(api: Api, path: str, **headers: str) -> httpx.Response:
    known = {"Tillroll-Merchant": "m1", "Authorization": f"Bearer {api.key}"}
    return await api.client.get(path, headers={**known, **await latest(api), **headers})


async def test_carts_are_listed_with_what_became_of_them(
    database: str, nats_url: str, tmp_path: Path
) -> None:
    async with serving(database, nats_url, tmp_path) as api, projecting(api):
        await api.post("/v1/stock/receive", {"sku": "A-1", "quantity": 9})
        bought = await a_cart(api)
        await ok(press(api, bought))
        still = await a_cart(api)
        shown = await ok(get(api, "/v1/carts"))
        assert [(each["cart_id"], each["status"]) for each in shown["items"]] == [
            (still, "open"),
            (bought, "completed"),
        ]
        waits, done = shown["items"]
        assert (done["total_cents"], done["orders_count"], done["expires_at"]) == (2000, 1, None)
        assert waits["expires_at"] > waits["touched_at"]
        (first,) = (await ok(get(api, "/v1/carts?status=completed&limit=1")))["items"]
        assert first["cart_id"] == bought
        page = await ok(get(api, "/v1/carts?limit=1"))
        rest = await ok(get(api, f"/v1/carts?limit=1&cursor={page['next_cursor']}"))
        assert [each["cart_id"] for each in page["items"] + rest["items"]] == [still, bought]
        (day,) = (await ok(get(api, "/v1/sales/carts")))["items"]
        assert (day["started_count"], day["completed_count"], day["abandoned_count"]) == (2, 1, 0)


async def test_guest_order_look_up_answers_alike_for_wrong_and_unknown(
    database: str, nats_url: str, tmp_path: Path
) -> None:
    async with serving(database, nats_url, tmp_path) as api, projecting(api):
        await api.post("/v1/stock/receive", {"sku": "A-1", "quantity": 9})
        (order,) = (await ok(press(api, await a_cart(api))))["orders"]
        path, known = f"/v1/storefront/orders/{order['order_id']}", {"Tillroll-Merchant": "m1"}

        async def look(where: str, email: str) -> httpx.Response:
            headers = {**known, **await latest(api), "Tillroll-Email": email}
            return await api.client.get(where, headers=headers)

        found = await ok(look(path, "Ana@Example.com"))
        assert (found["order_id"], found["total_cents"]) == (order["order_id"], 2000)
        assert [line["sku"] for line in found["lines"]] == ["A-1"]
        assert [each["action_url"] for each in found["payments"]] == [None]
        await bank_asks(api, order["order_id"], found["payments"][0]["payment_id"])
        (payment,) = (await ok(look(path, "ana@example.com")))["payments"]
        assert (payment["action"], payment["action_url"]) == ("required", "https://bank.example/3ds")
        await is_sent(api, order["order_id"])
        (parcel,) = (await ok(look(path, "ana@example.com")))["shipments"]
        assert [(line["sku"], line["quantity"]) for line in parcel["lines"]] == [("A-1", 2)]
        assert "warehouse" not in str(parcel)
        assert parcel["tracking_url"] == "https://track.swift.example/SW1"
        wrong = problem(await look(path, "eve@example.com"), 404, "not-found")
        unknown = problem(await look("/v1/storefront/orders/none", "ana@example.com"), 404, "not-found")
        assert wrong["detail"].replace(order["order_id"], "none") == unknown["detail"]
        assert set(wrong) == set(unknown)


async def is_sent(api: Api, order_id: str) -> None:
    """Its parcel has a label of a carrier that shows the way of parcels."""
    assert api.context is not None
    await api.put("/v1/carriers/swift", {})
    link = {"template": "https://track.swift.example/{tracking_number}"}
    assert (await api.put("/v1/carriers/swift/tracking-link", link)).status_code == 200
    lines = (ParcelLine(sku="A-1", warehouse="main", quantity=2),)
    asked = RequestShipment(
        shipment_id=order_id,
        order_id=order_id,
        subject="p1",
        recipient=Erased(),
        ship_to_state="SP",
        units=2,
        lines=lines,
    )
    label = RecordCarrierShipment(shipment_id=order_id, carrier="swift", tracking_number="SW1")
    for command in (asked, label):
        context = Context(uuid4(), "m1", "test", "c1", "test", datetime.now(UTC))
        await api.context.executor.execute(one(shipment_stream("m1", order_id), command), context)


async def bank_asks(api: Api, order_id: str, payment_id: str) -> None:
    """Who buys is to show that it is they, before the payment is authorised."""
    assert api.context is not None
    ids = {"payment_id": payment_id}
    asked = RequestAuthorization(
        **ids, order_id=order_id, amount_cents=2000, currency="EUR", method="card", subject=""
    )
    action = CustomerAction(action_id="a1", status="required", redirect_url="https://bank.example/3ds")
    told = RecordProviderPayment(
        **ids, provider_reference="pi_1", status="pending", amount_cents=2000, action=action
    )
    for command in (asked, told):
        context = Context(uuid4(), "m1", "test", "c1", "test", datetime.now(UTC))
        await api.context.executor.execute(one(payment_stream("m1", payment_id), command), context)


async def test_guest_order_look_up_is_rate_limited(database: str, nats_url: str, tmp_path: Path) -> None:
    async with serving(database, nats_url, tmp_path) as api, projecting(api):
        headers = {"Tillroll-Merchant": "m1", "Tillroll-Email": "eve@example.com", **await latest(api)}
        tries = [await api.client.get("/v1/storefront/orders/o1", headers=headers) for _ in range(21)]
        assert {each.status_code for each in tries[:20]} == {404}
        problem(tries[20], 429, "rate-limited")


async def test_an_account_page_has_orders_and_where_their_parcels_are(
    database: str, nats_url: str, tmp_path: Path
) -> None:
    async with serving(database, nats_url, tmp_path) as api, projecting(api), agents(api):
        await api.post("/v1/stock/receive", {"sku": "A-1", "quantity": 9})
        (order,) = (await ok(press(api, await a_cart(api))))["orders"]
        async with asyncio.timeout(HANGS):
            while True:
                (mine,) = (await ok(get(api, "/v1/account/orders")))["items"]
                if mine["status"] == "reserved":
                    break
                await asyncio.sleep(0.1)
        assert (mine["order_id"], mine["shipments"]) == (order["order_id"], [])

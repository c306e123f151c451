"""Can an operator see over the API what is parked, and have it retried or skipped by those who may?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from psycopg.errors import InsufficientPrivilege

from domain.order import OrderCancelled
from domain.parked import ParkedRetryRequested, ParkedSkipRequested
from domain.payment import PaymentVoided
from domain.permissions import PLATFORM
from eventstore.codec import decode
from eventstore.postgres import make_pool
from eventstore.tasks import end_tasks
from projections.read_model import ReadModel
from projections.runner import ProjectionRunner
from projections.session import PostgresReadModels
from services.agents.registered import AGENTS
from services.api import running_app
from services.context import open_context
from services.parked import show_parked, skip
from services.parked_keys import PROJECTION, CannotGoOn, ParkedKeys, keep_answering
from services.verify import verify
from tests.integration.api_client import a_key, problem
from tests.integration.projections_trade import Bought, Trade, open_trade
from tests.integration.test_parked import FOLLOWER, KEY, failing_at, positions
from tests.integration.test_projections import fetch, lives, shown
from tests.integration.walls import settings_of
from tests.patience import HANGS

PARKED = "/v1/operator/parked"
BROKEN = {"follower": FOLLOWER, "key": KEY}


@dataclass(slots=True)
class Operator:
    """Who asks, of an API whose projector runs the handlers `models`."""

    client: httpx.AsyncClient
    trade: Trade
    secret: str
    merchant_secret: str
    models: dict[str, ReadModel] = field(default_factory=dict)

    async def get(self, path: str, secret: str = "", **query: Any) -> httpx.Response:
        return await self.client.get(path, params=query or None, headers=self._headers(secret))

    async def post(self, path: str, body: Any, secret: str = "", repeat: str = "") -> httpx.Response:
        headers = self._headers(secret) | ({"Idempotency-Key": repeat} if repeat else {})
        return await self.client.post(path, json=body, headers=headers)

    def _headers(self, secret: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {secret or self.secret}"}

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(HANGS):
            while not await condition():
                await asyncio.sleep(0.05)

    async def stands_at(self) -> int | None:
        items = (await self.get(PARKED)).json()["items"]
        return next((each["position"] for each in items if each["key"] == KEY), None)


@asynccontextmanager
async def projecting(
    url: str, trade: Trade, models: dict[str, ReadModel], *, answering: bool = True
) -> AsyncIterator[None]:
    """What the projector's process does, as the role that it has."""
    async with make_pool(url) as pool:
        keys = ParkedKeys(pool, trade.log, trade.keyring, AGENTS, models)
        runner = ProjectionRunner(trade.feed, PostgresReadModels(pool), trade.keyring, models=models.values())
        tasks = [asyncio.create_task(runner.run())]
        if answering:
            mine = keep_answering(keys, lambda follower: follower.startswith(PROJECTION))
            tasks.append(asyncio.create_task(mine))
        try:
            yield
            assert not [task for task in tasks if task.done()]
        finally:
            await end_tasks(*tasks)


@pytest.fixture
async def operator(database: str, nats_url: str, tmp_path: Path) -> AsyncIterator[Operator]:
    settings = settings_of(database, nats_url, tmp_path)
    models = failing_at(OrderCancelled, PaymentVoided)
    async with (
        open_context(settings, "test", follow=False) as context,
        running_app(context) as app,
        open_trade(settings.url("write")) as trade,
        projecting(settings.url("project"), trade, models),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://test", timeout=HANGS
        ) as client,
    ):
        await shown(trade, await trade.append("m1", lives()))
        yield Operator(client, trade, await a_key(app, PLATFORM), await a_key(app, "m1"), models)


async def test_what_is_parked_is_listed_and_shown(operator: Operator) -> None:
    first, second = await positions(operator.trade)
    (listed,) = (await operator.get(PARKED)).json()["items"]
    assert listed.pop("parked_at")
    error = "RuntimeError: no OrderCancelled"
    assert listed == {**BROKEN, "position": first, "events_count": 2, "error": error}
    events = (await operator.get(f"{PARKED}/events", **BROKEN)).json()["items"]
    assert [(each["position"], each["error"]) for each in events] == [
        (first, error), (second, "queued behind a parked event")
    ]  # fmt: skip
    page = (await operator.get(f"{PARKED}/events", **BROKEN, limit=1)).json()
    rest = (await operator.get(f"{PARKED}/events", **BROKEN, limit=1, cursor=page["next_cursor"])).json()
    assert [each["position"] for each in page["items"] + rest["items"]] == [first, second]
    assert rest["next_cursor"] is None
    problem(await operator.get(f"{PARKED}/events", **BROKEN | {"key": "m1/other"}), 404, "not-found")
    headers = {"Authorization": f"Bearer {operator.merchant_secret}", "Tillroll-Merchant": "m1"}
    orders = await operator.client.get("/v1/orders", headers=headers)
    assert orders.headers["Tillroll-Parked"] == "1", "what depends on a parked key says so"
    stock = await operator.client.get("/v1/stock", headers=headers)
    assert "Tillroll-Parked" not in stock.headers


async def test_a_long_list_is_walked_by_pages(operator: Operator) -> None:
    names = [("agent:order", f"order-m1.{n}") for n in range(3)] + [(FOLLOWER, KEY), ("scheduler", "a b c")]
    for follower, key in names:
        row = "INSERT INTO parked VALUES (%s, %s, 1, 'planted') ON CONFLICT DO NOTHING"
        await fetch(operator.trade, row, follower, key)
    found, cursor = [], {}
    while cursor is not None:
        page = (await operator.get(PARKED, limit=2, **cursor)).json()
        found += [(each["follower"], each["key"]) for each in page["items"]]
        cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else None
    assert found == sorted(names)
    problem(await operator.get(PARKED, cursor="nonsense"), 422, "invalid-input")


async def test_a_key_is_skipped_to_its_end_with_a_record_of_who_and_why(operator: Operator) -> None:
    trade = operator.trade
    first, second = await positions(trade)
    body = {**BROKEN, "position": first, "reason": "a test order"}
    asked = await operator.post(f"{PARKED}/skip", body, repeat="once")
    assert asked.status_code == 202, asked.text
    position = trade.log.identity.position_of(asked.headers["Tillroll-Position"])

    async def at_second() -> bool:
        return await operator.stands_at() == second

    await operator.until(at_second)
    again = await operator.post(f"{PARKED}/skip", body, repeat="once")
    assert (again.status_code, again.json()) == (202, asked.json()), "the first answer, also afterwards"
    refused = await operator.post(f"{PARKED}/skip", body)
    assert problem(refused, 409, "conflict")["rule"] == "first_is_skipped"
    ended = await operator.post(f"{PARKED}/skip", body | {"position": second})
    assert ended.status_code == 202

    async def is_free() -> bool:
        return await operator.stands_at() is None

    await operator.until(is_free)
    problem(await operator.post(f"{PARKED}/skip", body), 404, "not-found")
    ((stored,),) = [await trade.log.read(position - 1, 1)]
    fact = decode(stored)
    assert fact.event == ParkedSkipRequested(**body)
    assert (fact.merchant, fact.actor.partition(":")[0]) == (PLATFORM, "key")
    await shown(trade, await trade.append("m1", Bought("m1", "more").life()))
    order = await operator.get("/v1/orders/cancelled", operator.merchant_secret)
    assert order.json()["status"] == "confirmed"


async def test_a_retry_is_recorded_and_tells_what_it_stands_at_then(operator: Operator) -> None:
    first, _ = await positions(operator.trade)
    operator.models.update(failing_at(PaymentVoided))
    asked = await operator.post(f"{PARKED}/retry", BROKEN)
    assert asked.status_code == 202, asked.text

    async def moved() -> bool:
        return await operator.stands_at() != first

    await operator.until(moved)
    (listed,) = (await operator.get(PARKED)).json()["items"]
    assert listed["error"] == "RuntimeError: no PaymentVoided"
    events = [decode(each).event for each in await operator.trade.log.read(0, 1000)]
    assert ParkedRetryRequested(**BROKEN) in events
    problem(await operator.post(f"{PARKED}/retry", BROKEN | {"key": "m1/other"}), 404, "not-found")


@pytest.mark.parametrize(
    "body",
    [
        {**BROKEN, "position": 1},
        {**BROKEN, "position": 1, "reason": ""},
        {**BROKEN, "position": 1, "reason": "\x00"},
        {**BROKEN, "position": -1, "reason": "why"},
        {**BROKEN, "position": 1, "reason": "why", "more": 1},
        {"follower": "a" * 999, "key": KEY, "position": 1, "reason": "é" * 1000} | {"follower": "é" * 500},
    ],
)
async def test_input_that_is_not_valid_is_refused(operator: Operator, body: dict[str, Any]) -> None:
    problem(await operator.post(f"{PARKED}/skip", body), 422, "invalid-input")


async def test_it_is_not_for_merchants(operator: Operator) -> None:
    merchant = operator.merchant_secret
    for path in (PARKED, f"{PARKED}/events?follower=a&key=b"):
        problem(await operator.get(path, merchant), 403, "forbidden")
    problem(await operator.post(f"{PARKED}/retry", BROKEN, merchant), 403, "forbidden")


async def test_the_read_role_sees_keys_only_where_it_reads_all(
    operator: Operator, database: str, tmp_path: Path, nats_url: str
) -> None:
    async with make_pool(settings_of(database, nats_url, tmp_path).url("query")) as pool:
        async with pool.connection() as connection:
            seen = await (await connection.execute("SELECT * FROM parked")).fetchall()
            assert seen == []
        with pytest.raises(InsufficientPrivilege):
            async with pool.connection() as connection:
                await connection.execute("SELECT * FROM parked_answers")


async def test_verify_is_content_with_what_was_skipped_and_says_what_was_not_asked_for(
    operator: Operator, database: str, nats_url: str, tmp_path: Path
) -> None:
    trade = operator.trade
    while (first := await operator.stands_at()) is not None:
        body = {**BROKEN, "position": first, "reason": "a test order"}
        assert (await operator.post(f"{PARKED}/skip", body)).status_code == 202

        async def moved(first: int = first) -> bool:
            return await operator.stands_at() != first

        await operator.until(moved)

    async def problems() -> list[str]:
        settings = settings_of(database, nats_url, tmp_path)
        async with open_context(settings, "verify", "project", follow=False) as context:
            verdict = await verify(replace(context, keyring=trade.keyring), lambda *_: None, 0.0)
            return [each for each in verdict.problems if "orders" in each or "parked" in each]

    assert await problems() == []
    await fetch(trade, "UPDATE parked_answers SET skipped = skipped - 1 WHERE skipped IS NOT NULL")
    told = await problems()
    assert any("the log does not say why" in each for each in told), told
    assert any(each.startswith("orders: at position") or "cannot be folded" in each for each in told), told


async def test_the_console_skips_what_was_seen_and_says_when_that_is_another(
    database: str, nats_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_of(database, nats_url, tmp_path)
    models = failing_at(OrderCancelled)
    async with (
        open_trade(settings.url("write")) as trade,
        projecting(settings.url("project"), trade, models, answering=False),
    ):
        await shown(trade, await trade.append("m1", lives()))
        first, second = await positions(trade)
        with pytest.raises(CannotGoOn, match=f"stands at {first}"):
            await skip(settings, "orders", KEY, "a test order", position=second, whole=False)
        with pytest.raises(CannotGoOn, match="no parked key"):
            await skip(settings, "orders", "m1/other", "a test order", position=None, whole=True)
        assert await show_parked(settings, as_json=True) == 1
        await skip(settings, "orders", KEY, "a test order", position=first, whole=False)
        assert await positions(trade) == []
        (stored,) = await trade.log.read(await trade.log.head() - 1, 1)
        assert decode(stored).actor == "console"
    assert f"{FOLLOWER}: {KEY} skips {first}, 1 events went on" in " ".join(capsys.readouterr().out.split())

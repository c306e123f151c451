"""The API for tests: over real HTTP on the real log, or in memory without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
from fastapi import FastAPI, Request

from commands.executor import Executor
from domain.kernel import Event, Fact
from domain.permissions import PLATFORM, on_platform, possible_at
from eventstore.codec import decode
from eventstore.keyring import Keyring, MemoryKeyStore
from eventstore.log import Log
from eventstore.memory import MemoryLog
from eventstore.seams import RandomIds, WallClock
from services.access.composition import Access
from services.api import create_app, make_server, running_app, share
from services.context import ProcessContext, open_context
from services.limit_settings import LimitSettings
from services.listening import API, listen
from services.settings import Settings
from services.web.access import Asked, Grant, Principal, unauthenticated
from tests.patience import HANGS

MERCHANT = "m1"
MEMORY_KEY = "everything"


def an_order(**changes: Any) -> dict[str, Any]:
    """The body of an order that adds up."""
    return {
        "customer": {"customer_id": "c1", "zip_prefix": "01310", "city": "São Paulo"},
        "ship_to_state": "SP",
        "currency": "BRL",
        "lines": [{"sku": "A-1", "quantity": 1, "unit_price_cents": 4990, "unit_shipping_cents": 1300}],
        "payments": [{"payment_id": "card", "method": "credit_card", "amount_cents": 6290}],
    } | changes


def problem(response: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    """The problem document of an answer, which must be of this status and kind."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert (document["type"], document["status"]) == (f"/problems/{kind}", status), document
    return document


class OneKeyGate:
    """Knows one API key, which may do everything everywhere; for applications that have no database."""

    async def principal_of(self, request: Request) -> Principal:
        if request.headers.get("authorization") != f"Bearer {MEMORY_KEY}":
            raise unauthenticated()
        return Principal("key:test", "key", "test", platform=Grant("admin", on_platform()))


@dataclass(frozen=True, slots=True)
class Api:
    """What a test sends, by an API key that may do everything, and what it finds in the log."""

    client: httpx.AsyncClient
    log: Log
    merchant: str = MERCHANT
    key: str = MEMORY_KEY
    began: int = 0
    """The log's position after what the test itself needed to be let in."""
    context: ProcessContext | None = field(default=None)

    async def send(
        self, method: str, path: str, body: Any = None, *, key: str = "", merchant: str = "", **more: Any
    ) -> httpx.Response:
        headers = {"Tillroll-Merchant": merchant or self.merchant, "Authorization": f"Bearer {self.key}"}
        headers |= {"Idempotency-Key": key} if key else {}
        json = {} if body is None else {"json": body}
        return await self.client.request(method, path, headers=headers, **json, **more)

    async def post(self, path: str, body: Any = None, **more: Any) -> httpx.Response:
        return await self.send("POST", path, body, **more)

    async def put(self, path: str, body: Any, **more: Any) -> httpx.Response:
        return await self.send("PUT", path, body, **more)

    async def facts(self) -> list[Fact]:
        return [decode(stored) for stored in await self.log.read(self.began, 10_000)]

    async def events(self, *kinds: type[Event]) -> list[Any]:
        return [fact.event for fact in await self.facts() if isinstance(fact.event, kinds)]

    async def types(self) -> list[str]:
        return [type(fact.event).__name__ for fact in await self.facts()]


@asynccontextmanager
async def serving(database: str, nats_url: str, directory: Path, **changes: Any) -> AsyncIterator[Api]:
    """The API as its process runs it, on a free port; the merchant is registered."""
    settings = Settings(data_dir=directory, database_url=database, nats_url=nats_url, **changes)
    async with (
        open_context(settings, "test", follow=False) as context,
        running_app(context) as app,
        listening(app, settings) as url,
        httpx.AsyncClient(base_url=url, timeout=HANGS) as client,
    ):
        key = await a_key(app)
        api = Api(client, context.log, key=key, began=await context.log.head(), context=context)
        assert (await api.post("/v1/merchant", {})).status_code == 201
        yield api


async def a_key(app: FastAPI, merchant: str = PLATFORM, *permissions: str) -> str:
    """A new API key; without permissions it has all that there are."""
    access: Access = app.state.access
    wanted = frozenset(permissions or possible_at(merchant))
    issuer = Principal("user:test", "user", "test", platform=Grant("admin", possible_at(PLATFORM)))
    asked = Asked(issuer, merchant, issuer.platform)
    shown = await access.api_keys.issue(asked, merchant, "tests", wanted, timedelta(days=1))
    return shown.secret


@asynccontextmanager
async def listening(app: FastAPI, settings: LimitSettings | None = None) -> AsyncIterator[str]:
    """The address at which the app is served."""
    listener = listen("127.0.0.1", 0, API)
    server = make_server(app, settings)
    serving = asyncio.create_task(server.serve([listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


def in_memory() -> Any:
    """The parts of a process in memory: the shipped twins."""
    log, ids, keyring = MemoryLog(), RandomIds(), Keyring(bytes(32), MemoryKeyStore())
    return SimpleNamespace(
        log=log,
        executor=Executor(log, ids, keyring),
        keyring=keyring,
        pool=None,
        clock=WallClock(),
        ids=ids,
    )


@cache
def app_in_memory() -> FastAPI:
    """One for all tests, as it takes a while to make; each gives it parts of its own."""
    return create_app(in_memory())


@asynccontextmanager
async def serving_in_memory() -> AsyncIterator[Api]:
    """The API without a socket or a database; what nobody expected comes out as it was raised."""
    app = app_in_memory()
    share(app, in_memory())
    app.state.gate = OneKeyGate()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
        api = Api(client, app.state.log)
        assert (await api.post("/v1/merchant", {})).status_code == 201
        yield api

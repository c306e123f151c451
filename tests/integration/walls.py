"""What do the tests of roles and tenants try? The API as its process runs it, over real trade.

Whoever asks is made by the real services of access; only passwords are left out, as hashing takes time.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psycopg
from fastapi import FastAPI

from domain.permissions import PLATFORM, possible_at
from domain.user import JoinUser
from eventstore.postgres import make_pool
from eventstore.tasks import end_tasks
from projections.runner import ProjectionRunner
from projections.session import PostgresReadModels
from services.access.composition import Access
from services.access.facts import SYSTEM
from services.access.users import Wanted
from services.api import running_app
from services.context import open_context
from services.embedded import PostgresServer
from services.settings import Settings
from services.web.access import Grant
from tests.integration.access_client import RATES
from tests.integration.api_client import a_key
from tests.integration.projections_trade import MASTER_KEY, START, Trade, open_trade
from tests.patience import HANGS

EVERYTHING = Grant("admin", frozenset(possible_at(PLATFORM)))
WAIT = {"Prefer": "wait=20"}
ENDING = {
    "follow_audit_events": "?after=0&until=0",
    "why_number": "?column=total_cents&order_id={order_id}",
    "why_number_of_platform": "?column=total_cents&order_id={order_id}",
}
"""What a question is not whole without, or its answer would not end."""
_numbers = itertools.count(1)


class Operation(NamedTuple):
    """A line of the OpenAPI document."""

    id: str
    method: str
    path: str
    permission: str
    scope: str
    parameters: tuple[tuple[str, str], ...]
    has_body: bool

    def at(self, **values: str) -> str:
        """Its path, with values in place of its parameters."""
        return (self.path + ENDING.get(self.id, "")).format(**values)


def operations_of(document: dict[str, Any]) -> list[Operation]:
    """All that the API can be asked for, with the rule that the document shows."""
    return [
        Operation(
            described["operationId"],
            method.upper(),
            path,
            described["x-permission"],
            described["x-scope"],
            tuple((each["name"], each["in"]) for each in described.get("parameters", ())),
            "requestBody" in described,
        )
        for path, operations in document["paths"].items()
        for method, described in operations.items()
    ]


@dataclass
class World:
    """The API, who may come in, and the log beneath."""

    client: httpx.AsyncClient
    app: FastAPI
    trade: Trade
    settings: Settings
    database: str
    known: dict[tuple[Any, ...], str] = field(default_factory=dict)

    @property
    def access(self) -> Access:
        return self.app.state.access  # type: ignore[no-any-return]

    async def user(self, role: str, merchant: str, *permissions: str, subject: str = "") -> str:
        """The id of a user with this role, who has joined; the same for the same."""
        asked = (role, merchant, *sorted(permissions), subject)
        if asked not in self.known:
            address = f"{merchant.strip('.')}{len(self.known)}@example.com"
            wanted = Wanted(role, permissions, subject)
            users = self.access.users
            user_id = await users.invite(address, merchant, wanted, EVERYTHING, actor=SYSTEM, mail=False)
            await self.access.facts.of_user(user_id, JoinUser(user_id=user_id), actor=SYSTEM)
            self.known[asked] = user_id
        return self.known[asked]

    async def session(self, user_id: str) -> tuple[str, str]:
        """A session that begins now: its id and an access token."""
        begun = await self.access.sessions.begin(user_id, "tests", cookie=False)
        return begun.session_id, await self.access.tokens.issue(user_id, begun.session_id)

    async def signed_in(self, role: str, merchant: str, *permissions: str, subject: str = "") -> str:
        """The access token of such a user."""
        return (await self.session(await self.user(role, merchant, *permissions, subject=subject)))[1]

    async def key(self, merchant: str, *permissions: str) -> str:
        """An API key; without permissions it has all that there are."""
        asked = ("key", merchant, *sorted(permissions))
        if asked not in self.known:
            self.known[asked] = await a_key(self.app, merchant, *permissions)
        return self.known[asked]

    async def ask(
        self, method: str, path: str, secret: str = "", merchant: str = "", body: Any = None, **more: Any
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        headers |= {"Tillroll-Merchant": merchant} if merchant else {}
        headers |= more.pop("headers", {})
        if isinstance(body, bytes):
            more |= {"content": body}
            headers = {"Content-Type": "text/csv", **headers}
        elif body is not None:
            more |= {"json": body}
        return await self.client.request(method, path, headers=headers, **more)

    async def shown(self, secret: str, at_least: str, merchant: str = "m1") -> None:
        """Wait until the read models show this position."""
        headers = WAIT | {"Tillroll-Min-Position": at_least}
        for path in ("/v1/orders", "/v1/merchant", "/v1/stock", "/v1/sales/days", "/v1/deliveries/late"):
            answer = await self.ask("GET", path, secret, merchant, headers=headers)
            assert answer.status_code == 200, answer.text

    async def settled(self) -> None:
        """Wait until the read models show all that has happened."""
        head = self.trade.log.identity.token(await self.trade.log.head())
        await self.shown(await self.key(PLATFORM), head)

    async def append(self, merchant: str, steps: Any, at: datetime = START) -> str:
        """What happened, in the log; its position as a token."""
        return self.trade.log.identity.token(await self.trade.append(merchant, steps, at))


@contextmanager
def fresh_database(server: PostgresServer, template: str) -> Iterator[str]:
    """As the fixture `database`, for a whole module."""
    name = f"walls_{next(_numbers)}"
    with psycopg.connect(server.dsn_for("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY".encode())
        yield server.dsn_for(name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@asynccontextmanager
async def world(database: str, nats_url: str, directory: Path) -> AsyncIterator[World]:
    """The API over this database, with a projector that runs as its own role."""
    settings = settings_of(database, nats_url, directory)
    async with (
        open_context(settings, "test", follow=False) as context,
        running_app(context) as app,
        open_trade(settings.url("write")) as trade,
        projecting(settings, trade),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://test", timeout=HANGS
        ) as client,
    ):
        yield World(client, app, trade, settings, database)


def settings_of(database: str, nats_url: str, directory: Path) -> Settings:
    """With rates that no test reaches, and the master key that the trade is sealed under."""
    key = directory / "secrets" / "master.key"
    key.parent.mkdir(mode=0o700, exist_ok=True)
    key.write_bytes(base64.b64encode(MASTER_KEY))
    rates: dict[str, Any] = dict.fromkeys(RATES, "1000000/minute")
    return Settings(data_dir=directory, database_url=database, nats_url=nats_url, **rates)


@asynccontextmanager
async def projecting(settings: Settings, trade: Trade) -> AsyncIterator[None]:
    async with make_pool(settings.url("project")) as pool:
        task = asyncio.create_task(
            ProjectionRunner(trade.feed, PostgresReadModels(pool), trade.keyring).run()
        )
        try:
            yield
        finally:
            await end_tasks(task)


async def age(found: World, by: timedelta) -> None:
    """Let all sessions be older than they are."""
    async with await psycopg.AsyncConnection.connect(found.database) as connection:
        await connection.execute(
            "UPDATE sessions SET idle_until = idle_until - %(by)s, expires_at = expires_at - %(by)s",
            {"by": by},
        )

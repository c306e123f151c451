"""The doors for tests: the routes of access over a real database, with a clock that is moved by hand."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from fastapi import APIRouter, FastAPI

from commands.executor import Executor
from domain.kernel import Event, Fact, one
from domain.merchant import RegisterMerchant
from domain.permissions import on_platform
from domain.streams import merchant_stream
from eventstore.codec import decode
from eventstore.keyring import Keyring, PostgresKeyStore
from eventstore.postgres import PostgresLog
from eventstore.seams import RandomIds
from services.access.composition import Access
from services.access.facts import SYSTEM
from services.access.policy import Policy
from services.access.routers import ROUTERS, TAGS
from services.access.users import Wanted
from services.limit_settings import LimitSettings
from services.limits import harden
from services.settings import Settings
from services.web.access import Allowed, Grant, install_rules, requires
from services.web.problems import install_problems

START = datetime(2024, 2, 29, 12, tzinfo=UTC)
RATES = ("rate_address", "rate_principal", "rate_sign_in_address", "rate_sign_in_account")
PASSWORD = "a till roll of paper"
CHEAP = Policy(hash_time=1, hash_memory_kib=8, hash_lanes=1)
TOKEN = re.compile(r"tlr_su_\S+")
EVERYTHING = Grant("admin", on_platform())
JSON = dict[str, Any]


class HandClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.moment = START

    def now(self) -> datetime:
        return self.moment

    def move(self, **by: float) -> None:
        self.moment += timedelta(**by)


@dataclass
class Letters:
    """A `Mailer` that keeps what it is given."""

    sent: list[tuple[str, str, str]] = field(default_factory=list)

    async def send(self, to: str, subject: str, text: str) -> None:
        self.sent.append((to, subject, text))

    def token(self, to: str) -> str:
        """The token in the newest letter to this address."""
        for address, _, text in reversed(self.sent):
            if address == to and (found := TOKEN.search(text)):
                return found[0]
        raise AssertionError(f"no letter with a token to {to}")


work = APIRouter(prefix="/v1/work")


@work.get("/orders", dependencies=[requires("orders:read")])
async def read_orders(asked: Allowed) -> JSON:
    """A route of trade, for what a principal may do there."""
    assert asked.grant
    return {"merchant": asked.merchant, "actor": asked.principal.actor, "subject": asked.grant.subject}


@work.post("/orders", dependencies=[requires("orders:write")])
async def write_orders(asked: Allowed) -> JSON:
    return {"merchant": asked.merchant, "actor": asked.principal.actor}


@work.get("/system", dependencies=[requires("system:read", "platform")])
async def read_system(asked: Allowed) -> JSON:
    return {"actor": asked.principal.actor}


@dataclass
class Doors:
    """One process with its doors. `client` sends; what it needs is in the log, the letters and the clock."""

    client: httpx.AsyncClient
    access: Access
    app: FastAPI
    log: PostgresLog
    clock: HandClock
    letters: Letters
    database: str
    directory: Path

    async def user(self, email: str, merchant: str, role: str, *permissions: str, subject: str = "") -> str:
        """A user who joined, with PASSWORD and a role."""
        wanted = Wanted(role, permissions, subject)
        user_id = await self.access.users.invite(
            email, merchant, wanted, EVERYTHING, actor=SYSTEM, mail=False
        )
        token = await self.access.resets.make_token(user_id, "join", timedelta(days=1))
        await self.access.resets.confirm(token, PASSWORD)
        return user_id

    async def try_sign_in(self, email: str, password: str = PASSWORD, **more: Any) -> httpx.Response:
        body = {"email": email, "password": password, **more}
        return await self.client.post("/v1/auth/sign-in", json=body)

    async def sign_in(self, email: str, **more: Any) -> JSON:
        response = await self.try_sign_in(email, **more)
        assert response.status_code == 200, response.text
        signed_in: JSON = response.json()
        return signed_in

    async def token(self, email: str) -> str:
        return str((await self.sign_in(email))["access_token"])

    async def send(
        self, method: str, path: str, token: str = "", body: Any = None, *, merchant: str = "", **headers: str
    ) -> httpx.Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent |= {"Authorization": f"Bearer {token}"} if token else {}
        sent |= {"Tillroll-Merchant": merchant} if merchant else {}
        json = {} if body is None else {"json": body}
        return await self.client.request(method, path, headers=sent, **json)

    async def get(self, path: str, token: str = "", **more: Any) -> httpx.Response:
        return await self.send("GET", path, token, **more)

    async def post(self, path: str, token: str = "", body: Any = None, **more: Any) -> httpx.Response:
        return await self.send("POST", path, token, body, **more)

    async def facts(self) -> list[Fact]:
        await self.access.later.settle()
        return [decode(stored) for stored in await self.log.read(0, 10_000)]

    async def events(self, *kinds: type[Event]) -> list[Any]:
        return [fact.event for fact in await self.facts() if isinstance(fact.event, kinds)]


def make_app(access: Access) -> FastAPI:
    """The routes of access, and a little work to be let in to."""
    app = FastAPI(title="Doors", openapi_tags=TAGS)
    install_problems(app)
    access.install(app)
    for router in (*ROUTERS, work):
        app.include_router(router)
    install_rules(app)
    harden(app, LimitSettings(**dict.fromkeys(RATES, "100000/minute")))
    return app


@asynccontextmanager
async def doors(database: str, directory: Path, policy: Policy = CHEAP) -> AsyncIterator[Doors]:
    """The merchants m1 and m2 are registered."""
    clock, ids, letters = HandClock(), RandomIds(), Letters()
    settings = Settings(data_dir=directory, database_url=database)
    async with await PostgresLog.connect(database) as log:
        keyring = Keyring(settings.master_key(), PostgresKeyStore(log.pool))
        executor = Executor(log, ids, keyring)
        access = Access(settings, log, executor, keyring, log.pool, clock, ids, letters, policy)
        app = make_app(access)
        transport = httpx.ASGITransport(app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://doors") as client:
            found = Doors(client, access, app, log, clock, letters, database, directory)
            for merchant in ("m1", "m2"):
                await register(found, merchant)
            yield found
        await access.close()


async def register(found: Doors, merchant: str) -> None:
    command = one(merchant_stream(merchant), RegisterMerchant(merchant_id=merchant))
    context = found.access.facts.context(merchant, SYSTEM)
    done = await found.access.executor.execute(command, context)
    assert done.refused is None

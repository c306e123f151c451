"""What the benchmark of the doors runs on: two servers, an API with doors and one without, one log.

No agents and no projector run while it is measured, so that the machine is the API's.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import psutil

from commands.merchant import register_merchant
from domain.merchant import RegisterMerchant
from eventstore.roles import ROLES, let_in
from eventstore.schema import migrate
from services.access.console import ACTOR, add, new_password, opened
from services.context import open_context
from services.embedded import NatsServer, PostgresServer
from services.embedded.children import Child, spawn
from services.listening import reserve_port
from services.play.command import caught_up
from services.settings import Settings

MERCHANT, OWNER = "m1", "owner@example.com"
ORDERS_AT_FIRST = 300
NO_RATES = {
    f"TILLROLL_RATE_{name}": "100000000 per minute"
    for name in ("ADDRESS", "PRINCIPAL", "SIGN_IN_ADDRESS", "SIGN_IN_ACCOUNT")
}


@dataclass(frozen=True, slots=True)
class Api:
    """A served API: where, how one is let in, and whose CPU and memory it is."""

    url: str
    child: Child
    headers: Mapping[str, str]

    @property
    def memory_mib(self) -> float:
        return float(psutil.Process(self.child.pid).memory_info().rss) / 2**20

    @property
    def cpu_seconds(self) -> float:
        times = psutil.Process(self.child.pid).cpu_times()
        return float(times.user + times.system)


@dataclass(frozen=True, slots=True)
class Pair:
    guarded: Api
    open: Api


@dataclass(frozen=True, slots=True)
class Doors:
    """The servers, with an owner who can sign in."""

    settings: Settings
    password: str
    log: int

    @asynccontextmanager
    async def pair(self) -> AsyncIterator[Pair]:
        """Two new processes on the same log: the API with its doors, and the one without."""
        reserved = [reserve_port("127.0.0.1") for _ in range(2)]
        urls = ["http://{}:{}".format(*socket.getsockname()) for socket in reserved]
        database = self.settings.database_url
        as_owner = self.settings.model_copy(update={f"{role}_url": database for role in ROLES})
        kinds = (
            ("services.cli", ("api",), self.settings.of_roles(*ROLES)),
            ("tests.benchmarks.open_api", (), as_owner),
        )
        children: list[Child] = []
        try:
            for url, (module, arguments, settings) in zip(urls, kinds, strict=True):
                environment = _environment(
                    settings.model_copy(update={"api_port": int(url.rpartition(":")[2])})
                )
                children.append(
                    spawn(
                        [sys.executable, "-m", module, *arguments], environment=environment, output=self.log
                    )
                )
            token = await _sign_in(urls[0], self.password)
            await _healthy(urls[1])
            headers = {"Tillroll-Merchant": MERCHANT}
            guarded = Api(urls[0], children[0], {**headers, "Authorization": f"Bearer {token}"})
            yield Pair(guarded, Api(urls[1], children[1], headers))
        finally:
            for child in children:
                await child.stop()
            for socket in reserved:
                socket.close()


@asynccontextmanager
async def doors_system(directory: Path) -> AsyncIterator[Doors]:
    """Both servers, up, with an owner and some orders in the read models."""
    postgres, nats = PostgresServer(directory), NatsServer(directory)
    try:
        database, nats_url = await postgres.start(), await nats.start()
        migrate(database)
        settings = Settings(data_dir=directory, database_url=database, nats_url=nats_url)
        let_in(database, settings.role_passwords())
        password = await _people(settings)
        log = os.open(directory / "api.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        doors = Doors(settings, password, log)
        async with doors.pair() as pair:
            await _some_trade(doors, pair.guarded)
        yield doors
    finally:
        await nats.stop()
        await postgres.stop()


def _environment(settings: Settings) -> dict[str, str]:
    return {**os.environ, **settings.environment(), **NO_RATES}


async def _people(settings: Settings) -> str:
    password = new_password()
    async with opened(settings) as access:
        command = RegisterMerchant(merchant_id=MERCHANT)
        await register_merchant(access.executor, command, access.facts.context(MERCHANT, ACTOR))
        await add(access, OWNER, "owner", MERCHANT, generate_password=True, password=password)
    return password


async def _healthy(url: str) -> None:
    async with aiohttp.ClientSession() as http, asyncio.timeout(30):
        while True:
            try:
                async with http.get(f"{url}/health") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)


async def _sign_in(url: str, password: str) -> str:
    await _healthy(url)
    body = {"email": OWNER, "password": password}
    async with aiohttp.ClientSession() as http, http.post(f"{url}/v1/auth/sign-in", json=body) as answer:
        assert answer.status == 200, await answer.text()
        return str((await answer.json())["access_token"])


async def _some_trade(doors: Doors, api: Api) -> None:
    """Orders to read, in read models that a projector makes, which then ends."""
    async with aiohttp.ClientSession(headers=api.headers) as http:
        for number in range(ORDERS_AT_FIRST):
            async with http.post(f"{api.url}/v1/orders", json=an_order(f"first-{number}")) as answer:
                assert answer.status == 201, await answer.text()
    arguments = [sys.executable, "-m", "services.cli", "projector"]
    environment = _environment(doors.settings.of_roles("project"))
    projector = spawn(arguments, environment=environment, output=doors.log)
    try:
        async with open_context(doors.settings, "bench", follow=False) as context:
            await caught_up(context)
    finally:
        await projector.stop()


def an_order(order_id: str) -> dict[str, object]:
    return {
        "order_id": order_id,
        "customer": {"customer_id": "c1", "zip_prefix": "01310", "city": "São Paulo"},
        "ship_to_state": "SP",
        "currency": "BRL",
        "lines": [{"sku": "A-1", "quantity": 1, "unit_price_cents": 4990, "unit_shipping_cents": 1300}],
        "payments": [{"payment_id": "card", "method": "credit_card", "amount_cents": 6290}],
    }

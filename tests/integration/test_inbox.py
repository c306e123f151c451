"""Does a webhook that can't be kept fail alone? And what bounds those who send and are not known?"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import orjson
import pytest

from commands.executor import Executor
from eventstore.keyring import Keyring, PostgresKeyStore
from eventstore.postgres import PostgresLog
from eventstore.seams import RandomIds, WallClock
from eventstore.tasks import end_tasks
from services.gateways.inbox import ID_MAX, NAME_MAX, Inbox, InboxUnavailable, NotUnderstood
from services.gateways.payment import PAYMENT_GATEWAY
from services.gateways.signatures import stripe
from services.gateways.stripe_provider import StripeProvider
from services.gateways.webhooks import WebhookServer
from services.limit_settings import LimitSettings
from tests.patience import HANGS
from tests.unit.test_payment_wire import PAID, charge, dispute, event, intent

LONG_ID = random.Random(1).randbytes(4_000).hex()
SHORT = 0.05


def about(stream: str, checkout: str = "c1") -> bytes:
    shown = {"object": "payment_intent", "id": "pi_1", "metadata": {"payment": stream, "checkout": checkout}}
    return orjson.dumps({"data": {"object": shown}})


GOOD = [(f"evt_{number}", about(f"payment-m1.{number}")) for number in range(20)]


@pytest.fixture
async def inbox(database: str) -> AsyncIterator[Inbox]:
    async with await PostgresLog.connect(database) as log:
        keyring = Keyring(b"m" * 32, PostgresKeyStore(log.pool))
        yield Inbox((PAYMENT_GATEWAY,), Executor(log, RandomIds(), keyring), log.database, WallClock())


async def received_together(inbox: Inbox, *webhooks: tuple[str, bytes]) -> list[type[BaseException] | None]:
    """What each was answered; they are all there before the inbox begins, so they make one batch."""
    asked = [asyncio.create_task(inbox.receive("payment", name, body)) for name, body in webhooks]
    await asyncio.sleep(0)
    running = asyncio.create_task(inbox.run())
    try:
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
    finally:
        await end_tasks(running)
    return [None if outcome is None else type(outcome) for outcome in outcomes]


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("evt_bad", about("payment-m1.\0")),
        ("evt_bad", about("payment-m1.p", "c\0")),
        ("evt_bad", about("payment-m1." + "p" * NAME_MAX)),
        ("evt_bad", about("payment-m1.p", "c" * (NAME_MAX + 1))),
        ("evt\0", about("payment-m1.p")),
        ("e" * (ID_MAX + 1), about("payment-m1.p")),
        (LONG_ID, about("payment-m1.p")),
    ],
)
async def test_what_can_not_be_kept_is_refused_and_fails_no_other(
    inbox: Inbox, name: str, body: bytes
) -> None:
    assert await received_together(inbox, (name, body), *GOOD) == [NotUnderstood] + [None] * len(GOOD)


async def test_what_the_database_refuses_fails_no_other(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second net, for what the first does not know of."""
    monkeypatch.setattr("services.gateways.inbox.ID_MAX", len(LONG_ID))
    bad = (LONG_ID, about("payment-m1.p"))
    assert await received_together(inbox, bad, *GOOD) == [NotUnderstood] + [None] * len(GOOD)


async def test_a_dispute_is_taken_once_its_provider_says_whose_it_is(database: str) -> None:
    """It has Stripe's name of the payment alone; whoever waits for its checkout must find it."""
    answers = [(503, b"{}"), (200, orjson.dumps(intent(latest_charge=charge())))]

    async def exchange(*_: object) -> tuple[int, bytes]:
        return answers.pop(0)

    body = orjson.dumps(event("charge.dispute.created", dispute()))
    async with await PostgresLog.connect(database) as log:
        executor = Executor(log, RandomIds(), Keyring(b"m" * 32, PostgresKeyStore(log.pool)))
        providers = {"payment": StripeProvider(exchange, "sk_test_1")}
        for outcome in (InboxUnavailable, None):
            inbox = Inbox((PAYMENT_GATEWAY,), executor, log.database, WallClock(), providers)
            assert await received_together(inbox, ("", body)) == [outcome]
        async with log.pool.connection() as connection:
            kept = await connection.execute("SELECT webhook_id, stream, correlation FROM webhook_inbox")
            assert await kept.fetchall() == [("evt_1", PAID, "c1")]


async def test_a_webhook_of_what_nobody_knows_is_not_understood(inbox: Inbox) -> None:
    customer = orjson.dumps(event("customer.created", {"object": "customer", "id": "cus_1"}))
    assert await received_together(inbox, ("", customer)) == [NotUnderstood]


@asynccontextmanager
async def serving(**changes: float) -> AsyncIterator[tuple[str, int]]:
    """The port, with limits; nobody who sends here gets as far as the inbox."""
    settings = LimitSettings.model_validate(changes)
    server = WebhookServer(None, {"payment": stripe("whsec_x")}, "127.0.0.1", 0, settings)  # type: ignore[arg-type]
    running = asyncio.create_task(server.run())
    where = urlsplit(server.url)
    assert where.hostname
    assert where.port
    try:
        yield where.hostname, where.port
    finally:
        await end_tasks(running)


HEAD = b"POST /webhooks/payment HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"


@pytest.mark.parametrize("sent", [HEAD + b"x" * 500, HEAD[:-2]])
async def test_half_a_webhook_has_a_time(sent: bytes) -> None:
    far_off = {"body_seconds": 2 * HANGS, "request_seconds": 2 * HANGS}
    async with serving(body_pause_seconds=SHORT, head_seconds=SHORT, **far_off) as where:
        reader, writer = await asyncio.open_connection(*where)
        writer.write(sent)
        async with asyncio.timeout(HANGS):
            answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_an_address_has_so_many_connections() -> None:
    async with serving(connections_per_address_max=2) as where:
        first = [await asyncio.open_connection(*where) for _ in range(2)]
        for _, writer in first:
            writer.write(HEAD)
        reader, one_too_many = await asyncio.open_connection(*where)
        async with asyncio.timeout(HANGS):
            assert (await reader.read()).startswith(b"HTTP/1.1 503 ")
        for writer in (one_too_many, *(writer for _, writer in first)):
            writer.close()


async def test_all_bodies_together_have_a_bound() -> None:
    async with serving(bodies_bytes_max=1_500) as where:
        _, first = await asyncio.open_connection(*where)
        first.write(HEAD + b"x" * 900)
        await first.drain()
        reader, second = await asyncio.open_connection(*where)
        second.write(HEAD + b"x" * 900)
        async with asyncio.timeout(HANGS):
            assert (await reader.readline()).startswith(b"HTTP/1.1 503 ")
        first.close()
        second.close()

"""Does every request get its outcome, once, over real worlds: whatever they do, whenever we are killed?"""

from __future__ import annotations

import asyncio
import io
import itertools
import random
import signal
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
import pytest_asyncio
from standardwebhooks import Webhook as Signer

from commands.executor import Context, Executor
from commands.personal import sealed
from domain.carrier import RequestLabelVoid, RequestShipment
from domain.kernel import Command, Fact, one
from domain.payment import (
    Evidence,
    RequestAuthorization,
    RequestCapture,
    RequestRefund,
    RequestVoid,
    SubmitEvidence,
)
from domain.payment.method import STORED, MethodToken, StorePaymentMethod
from domain.personal import Customer
from domain.streams import payment_method_stream, payment_stream, shipment_stream
from eventstore.bus import MemoryBus
from eventstore.checkpoints import LeaseLost
from eventstore.codec import decode
from eventstore.feed import Feed
from eventstore.keyring import Keyring, PostgresKeyStore
from eventstore.postgres import PostgresLog
from eventstore.seams import RandomIds, WallClock
from eventstore.tasks import end_tasks
from services.gateways import signatures
from services.gateways.breaker import Breaker, Patience
from services.gateways.carrier import CARRIER_GATEWAY
from services.gateways.carrier_routes import CarrierProviders
from services.gateways.inbox import Inbox
from services.gateways.payment import PAYMENT_GATEWAY
from services.gateways.payment_calls import search_path
from services.gateways.payment_words import account_of
from services.gateways.provider import HttpExchange, open_http
from services.gateways.runner import GatewayRunner
from services.gateways.stripe_provider import StripeProvider
from services.gateways.webhooks import BODY_BYTES_MAX, WebhookServer
from services.worlds.webhooks import Webhook, stripe_signature
from tests.integration.between import Between
from tests.integration.test_worlds import (
    INTENTS,
    SECRET,
    Process,
    at,
    authorization,
    charge,
    eventually,
    intent,
    journey,
)
from tests.patience import HANGS

VERIFIERS = {"payment": signatures.stripe(SECRET), "carrier": signatures.standard(SECRET)}
PATIENCE = Patience(timeout_s=0.3, attempts=4, pause_s_first=0.02, pause_s_max=0.2)
MASTER_KEY = b"m" * 32
T0, T1, T2 = "2017-10-02T12:00:00Z", "2017-10-03T12:00:00Z", "2017-10-04T12:00:00Z"


class Gateways:
    """The gateways' part of a process: made anew at each start, ended in the middle by `kill`."""

    def __init__(self, database: str, port: int) -> None:
        self.database = database
        self.port = port
        self._runs: dict[str, asyncio.Task[None]] = {}

    async def start(self, payment_url: str, carrier_url: str) -> None:
        self._stack = AsyncExitStack()
        clock = WallClock()
        self.log = log = await self._stack.enter_async_context(await PostgresLog.connect(self.database))
        bus = MemoryBus()
        feed = await self._stack.enter_async_context(Feed(log, bus).running())
        keyring = Keyring(MASTER_KEY, PostgresKeyStore(log.pool))
        self.executor = executor = Executor(log, RandomIds(), keyring)
        http = await self._stack.enter_async_context(open_http())
        providers = {
            "payment": StripeProvider(_exchange(payment_url, http), "sk_test_1", Breaker(rest_s=0.05)),
            "carrier": CarrierProviders(_exchange(carrier_url, http), breaker=lambda: Breaker(rest_s=0.05)),
        }
        gateways = (PAYMENT_GATEWAY, CARRIER_GATEWAY)
        inbox = Inbox(gateways, executor, log.database, clock, providers)
        server = WebhookServer(inbox, VERIFIERS, "127.0.0.1", self.port)
        parts: list[Coroutine[Any, Any, None]] = [inbox.run(), server.run(), _relay(log, bus)]
        for gateway in gateways:
            provider = providers[gateway.name]
            runner = GatewayRunner(gateway, provider, feed, executor, log.database, keyring, clock, PATIENCE)
            self._runs[runner.follower] = asyncio.create_task(runner.run())
        self._tasks = [*self._runs.values(), *map(asyncio.create_task, parts)]

    async def ended(self, follower: str) -> None:
        """Return or raise as that follower does, by itself."""
        run = self._runs[follower]
        self._tasks.remove(run)
        async with asyncio.timeout(HANGS):
            await run

    async def kill(self) -> None:
        await end_tasks(*self._tasks)
        await self._stack.aclose()
        failed = [task.exception() for task in self._tasks if not task.cancelled() and task.exception()]
        assert failed == []


def _exchange(url: str, http: aiohttp.ClientSession) -> HttpExchange:
    return HttpExchange(url, http, timeout_s=PATIENCE.timeout_s)


async def _relay(log: PostgresLog, bus: MemoryBus) -> None:
    position = await log.head()
    while True:
        events = await log.read(position)
        await bus.publish(events)
        position += len(events)
        await asyncio.sleep(0.01)


class Worlds:
    """Both worlds as processes. All tests share them, each with a merchant and a checkout of its own."""

    def __init__(self, directory: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.webhook_port = listener.getsockname()[1]
        self.webhook_url = f"http://127.0.0.1:{self.webhook_port}"
        with ThreadPoolExecutor() as threads:
            self.payment, self.carrier = threads.map(
                lambda kind: Process(kind, directory, f"{self.webhook_url}/webhooks/{kind}"),
                ("payment", "carrier"),
            )

    def end(self) -> None:
        for world in (self.payment, self.carrier):
            world.end(signal.SIGKILL)

    def start(self) -> None:
        """Start again what was ended; at another port."""
        for world in (self.payment, self.carrier):
            world.end(signal.SIGKILL)
            world.start()


class System:
    """The gateways, both worlds, and the others who append and look."""

    _numbers = itertools.count(1)

    def __init__(self, database: str, worlds: Worlds) -> None:
        number = next(self._numbers)
        self.merchant, self.checkout = f"m{number}", f"c{number}"
        self.worlds = worlds
        self.payment, self.carrier = worlds.payment, worlds.carrier
        self.database = database
        self.gateways = Gateways(database, worlds.webhook_port)
        self.url = worlds.webhook_url

    async def open(self, stack: AsyncExitStack) -> None:
        self.log = await stack.enter_async_context(await PostgresLog.connect(self.database))
        self.http = await stack.enter_async_context(aiohttp.ClientSession())
        self.keyring = Keyring(MASTER_KEY, PostgresKeyStore(self.log.pool))
        self.executor = Executor(self.log, RandomIds(), self.keyring)
        await self.start()

    async def start(self) -> None:
        await self.gateways.start(self.payment.url, self.carrier.url)

    async def close(self) -> None:
        await self.gateways.kill()
        for world in (self.payment, self.carrier):
            await self.faults(world)

    def payment_stream(self, payment_id: str) -> str:
        return payment_stream(self.merchant, payment_id)

    def shipment_stream(self, shipment_id: str) -> str:
        return shipment_stream(self.merchant, shipment_id)

    # ---- what others do

    async def command(self, stream: str, command: Command, played_at: datetime | None = None) -> None:
        """Live, or as played history of the test's checkout."""
        clock, occurred_at = ("wall", datetime.now(UTC)) if played_at is None else (self.checkout, played_at)
        context = Context(RandomIds().new(), self.merchant, "test", self.checkout, "test", occurred_at, clock)
        done = await self.executor.execute(one(stream, command), context)
        assert done.refused is None, done.refused

    async def authorize(
        self, payment_id: str, cents: int = 1000, played_at: datetime | None = None, *, stored: str = ""
    ) -> str:
        stream = self.payment_stream(payment_id)
        request = RequestAuthorization(
            payment_id=payment_id,
            order_id="o1",
            amount_cents=cents,
            currency="BRL",
            method=f"{STORED}{stored}" if stored else "credit_card",
            subject=f"s-{self.merchant}" if stored else "",
        )
        await self.command(stream, request, played_at)
        return stream

    async def store(self, method_id: str, token: str, return_url: str = "") -> None:
        subject = f"s-{self.merchant}"
        plain = MethodToken(token=token, return_url=return_url)
        kept = await sealed(self.keyring, RandomIds(), subject, plain)
        command = StorePaymentMethod(method_id=method_id, subject=subject, token=kept)
        await self.command(payment_method_stream(self.merchant, method_id), command)

    async def book(self, shipment_id: str, shipping_method: str = "") -> str:
        stream = self.shipment_stream(shipment_id)
        city = Customer(
            customer_id="x",
            customer_unique_id="x",
            zip_prefix="01310",
            city="Sao Paulo",
            name="Ana Souza",
            street="Rua Augusta 1",
        )
        request = RequestShipment(
            shipment_id=shipment_id,
            order_id="o1",
            subject="s1",
            recipient=city,
            ship_to_state="SP",
            units=2,
            shipping_method=shipping_method,
        )
        await self.command(stream, request)
        return stream

    async def capture(self, stream: str, payment_id: str, cents: int = 1000) -> None:
        await self.command(stream, RequestCapture(payment_id=payment_id, capture_id="k1", amount_cents=cents))

    async def sealed_evidence(self, dispute_id: str) -> SubmitEvidence:
        words = Evidence(text="He has it.", tracking_number="T1")
        evidence = await sealed(self.keyring, RandomIds(), "s1", words)
        ids = {"payment_id": "disputed", "dispute_id": dispute_id, "evidence_id": "e 1"}
        return SubmitEvidence(**ids, subject="s1", evidence=evidence)

    async def call(self, world: Process, method: str, path: str, body: Any = None, key: str = "") -> Any:
        data = body if isinstance(body, bytes) or body is None else orjson.dumps(body)
        headers = {"Idempotency-Key": key}
        async with self.http.request(method, world.url + path, data=data, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            return orjson.loads(await answer.read())

    async def act(self, path: str, key: str, **fields: str) -> Any:
        """Whoever may there, behind our back."""
        url, headers = self.payment.url + path, {"Idempotency-Key": key}
        async with self.http.post(url, data=fields, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            return orjson.loads(await answer.read())

    async def faults(self, world: Process, **rates: float) -> None:
        """An answer may be as late as two time-outs."""
        body = {"seed": 1, "rates": rates, "delay_ms_max": 600}
        await self.call(world, "PUT", "/control/faults", body)

    async def scenarios(self, world: Process, *scenarios: dict[str, Any]) -> None:
        mine = [scenario | {"checkout": self.checkout} for scenario in scenarios]
        await self.call(world, "PUT", "/control/scenarios", b"\n".join(map(orjson.dumps, mine)))

    async def move_clock(self, world: Process, to: str) -> None:
        await self.call(world, "POST", "/control/clock", {"clocks": {self.checkout: to}})

    async def account(self, stream: str) -> Any:
        """What the payment world says of a payment."""
        (found,) = (await self.call(self.payment, "GET", search_path(stream)))["data"]
        return account_of(found)

    def journal(self, world: Process, kind: str) -> list[str]:
        """The lines of this kind in a world's journal that speak of this test's merchant."""
        lines = world.journal.read_text().splitlines()
        return [line for line in lines if f'"{kind}"' in line and f"-{self.merchant}." in line]

    async def acknowledged(self, world: Process) -> bool:
        answer = await self.call(world, "GET", "/control/outstanding")
        return self.checkout not in answer["checkouts"]

    # ---- what can be seen

    async def facts(self, stream: str) -> list[Fact]:
        ((*stored,),) = await self.log.read_streams([(stream, 0)])
        return [decode(each) for each in stored]

    async def types(self, *streams: str) -> list[list[str]]:
        """The types of each stream's events, without those that say that the provider was unavailable."""
        read = await self.log.read_streams([(stream, 0) for stream in streams])
        return [[e.type for e in events if not e.type.endswith("Unavailable")] for events in read]

    async def until(self, stream: str, *types: str) -> list[Fact]:
        """Wait until these are the stream's events."""

        async def there() -> bool:
            return (await self.types(stream))[0] == list(types)

        await self._eventually(there, lambda: self.types(stream))
        return await self.facts(stream)

    async def until_all(self, streams: Sequence[str], *types: str) -> None:
        async def there() -> bool:
            return all(each == list(types) for each in await self.types(*streams))

        await self._eventually(there, lambda: self.types(*streams))

    async def until_dispatched(self, streams: Sequence[str]) -> None:
        async def there() -> bool:
            return all("ShipmentDispatched" in each for each in await self.types(*streams))

        await self._eventually(there, lambda: self.types(*streams))

    async def until_opened(self, count: int) -> None:
        """Wait until the provider has so many payments of this test."""

        async def opened() -> bool:
            return len(self.journal(self.payment, "payment_opened")) == count

        await eventually(opened)

    async def until_tried(self, count: int) -> None:
        """Wait until so many of the checkout's webhooks have matched nothing."""
        question = f"""SELECT count(*) FROM webhook_inbox
            WHERE matched_at IS NULL AND attempts > 0 AND correlation = '{self.checkout}'"""

        async def tried() -> bool:
            return await self.fetch(question) == [(count,)]

        await self._eventually(tried, lambda: self.fetch("SELECT * FROM webhook_inbox"))

    async def bodies(self) -> list[tuple[Any, ...]]:
        """Of the checkout's webhooks, whether what their provider wrote is gone: of each, once."""
        question = f"SELECT DISTINCT body = '' FROM webhook_inbox WHERE correlation = '{self.checkout}'"
        return await self.fetch(question)

    async def until_attempts(self, least: int) -> int:
        """Wait until the one open call has failed so often; how often it has."""
        question = "SELECT coalesce(max(attempts), 0) FROM provider_calls"

        async def failed() -> bool:
            return bool((await self.fetch(question))[0][0] >= least)

        await self._eventually(failed, lambda: self.fetch(question))
        return int((await self.fetch(question))[0][0])

    async def at_rest(self) -> None:
        """Nothing is open: no call, no webhook, and the checkpoints are at the head."""
        question = f"""SELECT (SELECT count(*) FROM provider_calls)
            + (SELECT count(*) FROM webhook_inbox
               WHERE matched_at IS NULL AND correlation = '{self.checkout}')
            + (SELECT count(*) FROM (VALUES ('gateway:payment'), ('gateway:carrier')) AS g (follower)
               LEFT JOIN checkpoints AS c USING (follower)
               WHERE c.position IS DISTINCT FROM (SELECT max(position) FROM events))"""

        async def nothing() -> bool:
            return await self.fetch(question) == [(0,)]

        await self._eventually(nothing, lambda: self.fetch("SELECT * FROM provider_calls"))

    async def _eventually(self, check: Callable[[], Awaitable[bool]], seen: Callable[[], Any]) -> None:
        try:
            await eventually(check)
        except TimeoutError:
            raise AssertionError(await seen()) from None

    async def fetch(self, query: str) -> list[Any]:
        async with self.log.pool.connection() as connection:
            return await (await connection.execute(query.encode())).fetchall()


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    worlds = Worlds(tmp_path_factory.mktemp("worlds"))
    yield worlds
    worlds.end()


@pytest.fixture
async def system(database: str, worlds: Worlds) -> AsyncIterator[System]:
    system = System(database, worlds)
    async with AsyncExitStack() as stack:
        await system.open(stack)
        yield system
        await system.close()


AUTHORIZED = ("AuthorizationRequested", "PaymentAuthorized")
CAPTURED = (*AUTHORIZED, "CaptureRequested", "PaymentCaptured")
BOOKED = ("ShipmentRequested", "LabelBought")


# ---- requests, calls, outcomes


async def test_every_request_gets_its_outcome_with_its_cause(system: System) -> None:
    stream = await system.authorize("p/1 -x")  # a name that has to be encoded, twice
    requested, authorized = await system.until(stream, *AUTHORIZED)
    assert authorized.causation == requested.event_id
    assert (authorized.merchant, authorized.correlation) == (system.merchant, system.checkout)
    assert (authorized.actor, authorized.clock) == ("gateway:payment", "wall")
    assert authorized.event.provider_reference.startswith("pi_")  # type: ignore[attr-defined]
    await system.capture(stream, "p/1 -x", 700)
    await system.until(stream, *CAPTURED)
    await system.command(stream, RequestRefund(payment_id="p/1 -x", refund_id="r 1", amount_cents=500))
    facts = await system.until(stream, *CAPTURED, "RefundRequested", "PaymentRefunded")
    assert facts[-1].event.amount_cents == 500  # type: ignore[attr-defined]
    account = await system.account(stream)
    assert [each["capture_id"] for each in account["captures"]] == ["k1"]
    assert [each["refund_id"] for each in account["refunds"]] == ["r 1"]
    await system.at_rest()


async def test_a_decline_and_a_void_are_outcomes(system: System) -> None:
    declined = await system.authorize("declined", 1313)
    await system.until(declined, "AuthorizationRequested", "PaymentDeclined")
    voided = await system.authorize("voided")
    await system.until(voided, *AUTHORIZED)
    await system.command(voided, RequestVoid(payment_id="voided"))
    await system.until(voided, *AUTHORIZED, "VoidRequested", "PaymentVoided")
    assert (await system.account(voided))["voided"] is True


async def test_a_live_parcel_is_booked_and_its_scans_come_by_webhook(system: System) -> None:
    stream = await system.book("s1")
    facts = await system.until(stream, *BOOKED, "ShipmentDispatched", "ShipmentScanned", "ShipmentDelivered")
    assert facts[-1].causation.startswith("evt_")
    assert facts[-1].correlation == system.checkout
    await system.at_rest()
    (booked,) = system.journal(system.carrier, "shipment_booked")
    to = '{"state":"SP","zip_prefix":"01310","city":"Sao Paulo","name":"Ana Souza","street":"Rua Augusta 1"}'
    assert f'"ship_to":{to}' in booked


async def test_a_label_is_given_back_unless_the_carrier_has_the_parcel(system: System) -> None:
    kept, gone = system.shipment_stream("kept"), system.shipment_stream("gone")
    await system.scenarios(system.carrier, journey(kept), journey(gone, ("collected", T0, None)))
    for shipment_id in ("kept", "gone"):
        await system.until(await system.book(shipment_id), *BOOKED)
    await system.command(kept, RequestLabelVoid(shipment_id="kept"))
    await system.until(kept, *BOOKED, "ParcelCalledOff", "LabelVoidRequested", "LabelVoided")
    # collected, while its webhook does not get through: so the request is made, and refused
    await system.faults(system.carrier, webhook_drop=1)
    await system.call(system.carrier, "PUT", "/control/carriers", {"repeats": True})
    await system.move_clock(system.carrier, T1)
    await system.command(gone, RequestLabelVoid(shipment_id="gone"))
    asked = ("ParcelCalledOff", "LabelVoidRequested")
    facts = await system.until(
        gone, *BOOKED, *asked, "ShipmentDispatched", "ShipmentScanned", "LabelVoidFailed"
    )
    assert "shipment_collected" in facts[-1].event.reason  # type: ignore[attr-defined]
    # what the carrier repeats of who gets the parcel is not kept in plain
    assert facts[-1].event.reason.endswith(", to …, …, …, …")  # type: ignore[attr-defined]
    await system.call(system.carrier, "PUT", "/control/carriers", {})
    await system.faults(system.carrier)
    await system.at_rest()  # the webhook comes, and brings nothing new
    assert len(await system.facts(gone)) == len(facts)


async def test_nobody_is_called_for_nothing(system: System) -> None:
    stream = await system.authorize("free", 0)
    await system.command(stream, RequestVoid(payment_id="free"))
    await system.at_rest()
    assert len(await system.facts(stream)) == 4
    assert system.journal(system.payment, "payment_opened") == []


async def test_what_the_provider_refuses_has_failed_and_is_not_tried_for_ever(system: System) -> None:
    voided, refunded = await system.authorize("voided"), await system.authorize("refunded")
    await system.until_all((voided, refunded), *AUTHORIZED)
    # somebody acts at the provider, behind our back
    await system.act(at(voided, "cancel"), "v")
    await system.capture(voided, "voided")
    facts = await system.until(voided, *AUTHORIZED, "CaptureRequested", "CaptureFailed", "PaymentVoided")
    assert "payment_intent_unexpected_state" in facts[3].event.reason  # type: ignore[attr-defined]
    await system.capture(refunded, "refunded")
    await system.until(refunded, *CAPTURED)
    theirs = await system.act("/v1/refunds", "theirs", payment_intent=intent(refunded), amount="900")
    await system.command(refunded, RequestRefund(payment_id="refunded", refund_id="ours", amount_cents=500))
    facts = await system.until(refunded, *CAPTURED, "RefundRequested", "PaymentRefunded", "RefundFailed")
    assert (facts[-2].event.refund_id, facts[-1].event.refund_id) == (theirs["id"], "ours")  # type: ignore[attr-defined]
    await system.at_rest()


async def test_a_payment_is_captured_in_parts_and_the_rest_is_let_go(system: System) -> None:
    stream = await system.authorize("parts")
    await system.until(stream, *AUTHORIZED)
    parts = ("k1", "k 2")
    for capture_id in parts:  # both at once: one waits for the other
        part = RequestCapture(payment_id="parts", capture_id=capture_id, amount_cents=300)
        await system.command(stream, part)
    await system.at_rest()
    await system.command(stream, RequestVoid(payment_id="parts"))
    await system.at_rest()
    facts = await system.facts(stream)
    assert [type(each.event).__name__ for each in facts if each.actor == "gateway:payment"] == [
        "PaymentAuthorized",
        "PaymentCaptured",
        "PaymentCaptured",
        "PaymentVoided",
    ]
    assert facts[-1].event.amount_cents == 400  # type: ignore[attr-defined]
    account = await system.account(stream)
    taken = {each["capture_id"]: each["amount_cents"] for each in account["captures"]}
    assert taken == dict.fromkeys(parts, 300)
    assert (account["voided"], account["lapsed"]) == (True, False)


async def test_the_bank_hears_from_the_customer_first(system: System) -> None:
    acts, fails = system.payment_stream("acts"), system.payment_stream("fails")
    required = {"type": "action_required", "told_at": T0}
    failed = {"type": "action_failed", "told_at": T1, "happened_at": T1}
    await system.scenarios(
        system.payment,
        authorization(acts, T1, T1) | {"before": [required]},
        authorization(fails, T2, None, "never") | {"before": [required, failed]},
    )
    for payment_id in ("acts", "fails"):
        await system.authorize(payment_id)
    await system.until_opened(2)
    await system.move_clock(system.payment, T0)
    asked = ("AuthorizationRequested", "CustomerActionRequired")
    facts = await system.until(acts, *asked)
    assert facts[-1].event.redirect_url.startswith("https://")  # type: ignore[attr-defined]
    await system.until(fails, *asked)
    await system.move_clock(system.payment, T1)
    await system.until(acts, *asked, "PaymentAuthorized", "CustomerActionCompleted")
    await system.until(fails, *asked, "CustomerActionFailed", "PaymentDeclined")
    await system.at_rest()


async def test_a_card_that_is_captured_once_lets_go_of_what_that_leaves(system: System) -> None:
    stream = system.payment_stream("once")
    await system.store("card", "pm_card_credit_disableEnterpriseCardFeatures")
    await system.authorize("once", stored="card")
    facts = await system.until(stream, *AUTHORIZED)
    assert facts[-1].event.in_parts is False  # type: ignore[attr-defined]
    await system.command(stream, RequestCapture(payment_id="once", capture_id="k1", amount_cents=600))
    facts = await system.until(stream, *CAPTURED, "PaymentVoided")
    assert (facts[2].event.last, facts[-1].event.amount_cents) == (True, 400)  # type: ignore[attr-defined]
    await system.at_rest()
    account = await system.account(stream)
    assert (account["voided"], account["lapsed"]) == (True, False), "we have let go of it"


async def test_only_a_customer_who_is_there_is_asked_by_their_bank(system: System) -> None:
    here, away = system.payment_stream("here"), system.payment_stream("away")
    before = [{"type": "action_required", "told_at": T0}]
    scenarios = [authorization(each, T1, T1) | {"before": before} for each in (here, away)]
    await system.scenarios(system.payment, *scenarios)
    await system.store("given", "pm_77", "https://shop.example/thanks")
    await system.store("kept", "cus_1/pm_78")
    await system.authorize("here", stored="given")
    await system.authorize("away", stored="kept")
    facts = await system.until(away, "AuthorizationRequested", "PaymentDeclined")
    assert facts[-1].event.reason == "authentication_required"  # type: ignore[attr-defined]
    await system.until_opened(2)
    await system.move_clock(system.payment, T0)
    asked = ("AuthorizationRequested", "CustomerActionRequired")
    await system.until(here, *asked)
    (found,) = (await system.call(system.payment, "GET", search_path(here)))["data"]
    assert found["payment_method"] == "pm_77"
    assert found["next_action"]["redirect_to_url"]["return_url"] == "https://shop.example/thanks"
    await system.move_clock(system.payment, T1)
    await system.until(here, *asked, "PaymentAuthorized", "CustomerActionCompleted")
    await system.at_rest()


async def test_an_authorisation_that_lapses_is_held_no_more(system: System) -> None:
    stream = system.payment_stream("late")
    lapses = [{"type": "expired", "told_at": T2, "happened_at": T2}]
    await system.scenarios(system.payment, authorization(stream, T0, T0) | {"later": lapses})
    await system.move_clock(system.payment, T0)
    await system.authorize("late")
    await system.until(stream, *AUTHORIZED)
    await system.command(stream, RequestCapture(payment_id="late", capture_id="k1", amount_cents=700))
    await system.until(stream, *CAPTURED)
    await system.move_clock(system.payment, T2)
    facts = await system.until(stream, *CAPTURED, "AuthorizationExpired", "PaymentVoided")
    assert facts[-2].event.amount_cents == 300  # type: ignore[attr-defined]
    await system.at_rest()


async def test_a_dispute_finds_its_payment_by_the_provider_s_name_and_is_answered(system: System) -> None:
    stream = system.payment_stream("disputed")
    later = [{"type": kind, "told_at": at} for kind, at in (("dispute_opened", T1), ("dispute_lost", T2))]
    await system.scenarios(system.payment, authorization(stream, T0, T0) | {"later": later})
    await system.move_clock(system.payment, T0)
    await system.authorize("disputed")
    await system.until(stream, *AUTHORIZED)
    await system.capture(stream, "disputed")
    await system.until(stream, *CAPTURED)
    await system.move_clock(system.payment, T1)
    facts = await system.until(stream, *CAPTURED, "DisputeOpened")
    assert facts[-1].causation.startswith("evt_")
    opened: Any = facts[-1].event
    evidence = await system.sealed_evidence(opened.dispute_id)
    await system.command(stream, evidence)
    told = (*CAPTURED, "DisputeOpened", "EvidenceRequested", "EvidenceSubmitted")
    await system.until(stream, *told)
    (handed,) = system.journal(system.payment, "evidence_taken")
    assert '"tracking_number":"T1"' in handed
    await system.move_clock(system.payment, T2)
    await system.until(stream, *told, "DisputeLost")
    await system.at_rest()


async def test_a_void_of_what_the_provider_never_saw_counts_as_voided(system: System) -> None:
    await system.gateways.kill()
    stream = await system.authorize("unseen")
    await system.fetch(
        "INSERT INTO checkpoints (follower, position) VALUES ('gateway:payment', 1)"
        " ON CONFLICT (follower, first_partition) DO UPDATE SET position = 1 RETURNING true"
    )
    await system.command(stream, RequestVoid(payment_id="unseen"))
    await system.start()
    facts = await system.until(stream, "AuthorizationRequested", "VoidRequested", "PaymentVoided")
    assert facts[-1].event.amount_cents == 0  # type: ignore[attr-defined]


@pytest_asyncio.fixture
async def between(system: System) -> AsyncIterator[Between]:
    """The gateways reach the payment world through it."""
    async with Between(system.payment.url).running() as between:
        await system.gateways.kill()
        await system.gateways.start(between.url, system.carrier.url)
        yield between
        between.passing.set()
        await system.at_rest()


async def test_a_void_does_not_overtake_an_authorisation_that_is_on_its_way(
    system: System, between: Between
) -> None:
    """Whether it will be carried out nobody knows: were it given up, money might be held and no one know."""
    between.passing.clear()
    stream = await system.authorize("slow")
    await system.until_attempts(1)
    await system.command(stream, RequestVoid(payment_id="slow"))
    await system.until_attempts(2)
    between.passing.set()
    expected = ("AuthorizationRequested", "VoidRequested", "PaymentAuthorized", "PaymentVoided")
    facts = await system.until(stream, *expected)
    assert facts[-1].event.amount_cents == 1000  # type: ignore[attr-defined]
    assert (await system.account(stream))["voided"]


@pytest.mark.parametrize("what", ["capture", "void"])
async def test_who_does_not_know_what_was_authorised_is_not_the_provider(
    system: System, between: Between, what: str
) -> None:
    stream = await system.authorize("known")
    await system.until(stream, *AUTHORIZED)
    between.astray = True
    if what == "capture":
        await system.capture(stream, "known")
    else:
        await system.command(stream, RequestVoid(payment_id="known"))
    await system.until_attempts(2)
    between.astray = False
    outcome = {"capture": ("CaptureRequested", "PaymentCaptured"), "void": ("VoidRequested", "PaymentVoided")}
    await system.until(stream, *AUTHORIZED, *outcome[what])
    account = await system.account(stream)
    assert bool(account["captures"]) == (what == "capture")
    assert account["voided"] == (what == "void")


async def test_played_history_takes_its_time_from_its_checkout(system: System) -> None:
    answered, told = system.payment_stream("answered"), system.payment_stream("told")
    yesterday = "2017-10-01T00:00:00Z"
    await system.scenarios(
        system.payment, authorization(answered, T0, yesterday), authorization(told, T2, None)
    )
    await system.move_clock(system.payment, T0)
    for payment_id in ("answered", "told"):
        await system.authorize(payment_id, played_at=datetime.fromisoformat(T1))
    (_, authorized) = await system.until(answered, *AUTHORIZED)
    assert (authorized.occurred_at, authorized.clock) == (datetime.fromisoformat(T1), system.checkout)
    assert authorized.event.happened_at == datetime.fromisoformat(yesterday)  # type: ignore[attr-defined]
    await system.until(told, "AuthorizationRequested")
    await system.fetch(f"INSERT INTO business_clocks VALUES ('{system.checkout}', '{T2}') RETURNING true")
    await system.move_clock(system.payment, T2)
    (_, authorized) = await system.until(told, *AUTHORIZED)
    assert (authorized.occurred_at, authorized.clock) == (datetime.fromisoformat(T2), system.checkout)
    assert authorized.event.happened_at is None  # type: ignore[attr-defined]
    await system.at_rest()


# ---- misbehaviour

NO_WEBHOOK = Webhook("", "", "", datetime.min.replace(tzinfo=UTC), "", "", {})
FAULTS = {
    "webhook_duplicate": 1.0,
    "webhook_reorder": 0.7,
    "webhook_delay": 0.7,
    "webhook_drop": 0.4,
    "timeout_before": 0.3,
    "timeout_after": 0.3,
    "error_500": 0.5,
    "too_many": 0.5,
    "late_answer": 0.8,
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_an_outcome_is_recorded_once_however_the_worlds_misbehave(system: System, fault: str) -> None:
    ids = [f"p{number}" for number in range(12)]
    streams, parcels = [*map(system.payment_stream, ids)], [*map(system.shipment_stream, ids)]
    steps = (("collected", T0, T0), ("in_transit", T0, T0), ("delivered", T0, T0))
    await system.scenarios(system.payment, *(authorization(stream, T0, T0) for stream in streams[::2]))
    await system.scenarios(system.carrier, *(journey(parcel, *steps) for parcel in parcels))
    for world in (system.payment, system.carrier):
        await system.faults(world, **{fault: FAULTS[fault]})
    await asyncio.gather(*map(system.authorize, ids), *map(system.book, ids))
    for world in (system.payment, system.carrier):
        await system.move_clock(world, T1)
    await system.until_all(streams, *AUTHORIZED)
    await asyncio.gather(*(system.capture(*each) for each in zip(streams, ids, strict=True)))
    await system.until_all(streams, *CAPTURED)
    await _all_delivered(system, parcels)
    for world in (system.payment, system.carrier):
        await system.faults(world)
        await eventually(partial(system.acknowledged, world))
    await system.at_rest()
    assert await system.types(*streams) == [list(CAPTURED)] * len(ids)
    for kind in ("payment_opened", "payment_captured"):
        assert len(system.journal(system.payment, kind)) == len(ids)


async def _all_delivered(system: System, parcels: list[str]) -> None:
    """In whatever order the scans came: each is there once, and so is each step."""
    expected = {"ShipmentRequested", "LabelBought", "ShipmentDispatched", "ShipmentDelivered"}

    async def delivered() -> bool:
        counts = [Counter(types) for types in await system.types(*parcels)]
        return all(
            count.keys() == expected | {"ShipmentScanned"}
            and all(count[each] == 1 for each in expected)
            and count["ShipmentScanned"] == 2  # where it was collected, and where it was on its way
            for count in counts
        )

    await system._eventually(delivered, lambda: system.types(*parcels))


async def test_an_unavailable_provider_is_recorded_once_and_later_it_succeeds(system: System) -> None:
    system.payment.end(signal.SIGKILL)
    try:
        stream = await system.authorize("p1")
        attempts = await system.until_attempts(PATIENCE.attempts)
        await system.gateways.kill()
        await system.start()  # another worker, to which it also happens
        await system.until_attempts(attempts + 2)
    finally:
        system.payment.start()  # at another port
    await system.gateways.kill()
    await system.start()
    await system.until(stream, *AUTHORIZED)
    recorded = [type(fact.event).__name__ for fact in await system.facts(stream)]
    assert recorded == ["AuthorizationRequested", "PaymentProviderUnavailable", "PaymentAuthorized"]
    await system.at_rest()


# ---- kills


async def test_a_kill_at_any_point_makes_exactly_one_charge(system: System) -> None:
    dice = random.Random(7)
    ids = [f"p{number}" for number in range(60)]
    await system.faults(system.payment, timeout_after=0.05, late_answer=0.1)
    streams = [*map(system.payment_stream, ids)]
    for batch in range(0, len(ids), 10):
        await asyncio.gather(*map(system.authorize, ids[batch : batch + 10]))
        await asyncio.sleep(dice.random() * 0.06)
        await system.gateways.kill()
        await system.start()
    await system.until_all(streams, *AUTHORIZED)
    for batch in range(0, len(ids), 10):
        both = zip(streams[batch : batch + 10], ids[batch : batch + 10], strict=True)
        await asyncio.gather(*(system.capture(*each) for each in both))
        await asyncio.sleep(dice.random() * 0.06)
        await system.gateways.kill()
        await system.start()
    await system.until_all(streams, *CAPTURED)
    await system.at_rest()
    await system.faults(system.payment)
    accounts = [await system.account(stream) for stream in streams]
    assert [[c["amount_cents"] for c in each["captures"]] for each in accounts] == [[1000]] * len(ids)
    for kind in ("payment_opened", "payment_captured"):
        assert len(system.journal(system.payment, kind)) == len(ids)


async def test_a_worker_after_a_kill_asks_before_it_calls(system: System) -> None:
    """Only a question finds out: a repeated call is answered as the first one was, which was `pending`."""
    stream = system.payment_stream("p1")
    await system.scenarios(system.payment, authorization(stream, T0, T0))
    await system.faults(system.payment, timeout_after=1, webhook_drop=1)
    await system.authorize("p1")

    async def charged() -> bool:
        return bool(system.journal(system.payment, "payment_opened"))

    await eventually(charged)
    await system.gateways.kill()
    await system.move_clock(system.payment, T1)
    await system.faults(system.payment, webhook_drop=1)
    await system.start()
    await system.until(stream, *AUTHORIZED)
    await system.at_rest()


async def test_a_worker_that_lost_its_lease_ends_and_changes_nothing(system: System) -> None:
    stream = await system.authorize("p1")
    await system.until(stream, *AUTHORIZED)
    await system.at_rest()
    stolen = "UPDATE checkpoints SET lease = lease + 1 WHERE follower = 'gateway:payment' RETURNING position"
    ((position,),) = await system.fetch(stolen)
    another = await system.authorize("p2")
    with pytest.raises(LeaseLost):
        await system.gateways.ended("gateway:payment")
    where = "SELECT position FROM checkpoints WHERE follower = 'gateway:payment'"
    assert await system.fetch(where) == [(position,)]
    await system.fetch("UPDATE checkpoints SET leased_until = now() RETURNING true")
    await system.gateways.kill()
    await system.start()
    await system.until(another, *AUTHORIZED)


async def test_a_replay_calls_nobody(system: System) -> None:
    streams = [await system.authorize(f"p{number}") for number in range(5)]
    await system.until_all(streams, *AUTHORIZED)
    for number, stream in enumerate(streams):
        await system.capture(stream, f"p{number}")
    await system.until_all(streams, *CAPTURED)
    parcel = await system.book("s1")
    await system.until(parcel, *BOOKED, "ShipmentDispatched", "ShipmentScanned", "ShipmentDelivered")
    await system.at_rest()
    await system.gateways.kill()
    head = await system.log.head()
    await system.fetch("DELETE FROM checkpoints RETURNING true")
    await system.fetch("DELETE FROM webhook_inbox RETURNING true")
    system.worlds.end()  # nobody there to be called
    try:
        await system.start()
        await system.at_rest()
        assert await system.log.head() == head
    finally:
        system.worlds.start()


# ---- webhooks


async def test_a_webhook_before_its_stream_is_kept_and_matched_later(system: System) -> None:
    stream = system.payment_stream("early")
    await system.scenarios(system.payment, authorization(stream, T0, None))
    await system.act(INTENTS, stream, **charge(stream, system.checkout))
    await system.move_clock(system.payment, T0)
    await system.until_tried(1)
    assert await system.bodies() == [(False,)]
    await eventually(partial(system.acknowledged, system.payment))
    await system.gateways.kill()  # what is not matched outlives us
    await system.start()
    await system.faults(system.payment, error_500=1)  # so that only the webhook can tell
    await system.authorize("early")
    await system.until(stream, *AUTHORIZED)
    facts = await system.facts(stream)
    assert next(f for f in facts if "Authorized" in type(f.event).__name__).causation.startswith("evt_")
    await system.faults(system.payment)
    await system.at_rest()
    assert await system.bodies() == [(True,)]  # what the provider wrote is kept no longer


async def _post(system: System, path: str, body: bytes | io.BytesIO, **headers: str) -> tuple[int, Any]:
    async with system.http.post(system.url + path, data=body, headers=headers) as answer:
        return answer.status, orjson.loads(await answer.read())


def _told(stream: str, checkout: Any, event_id: str = "evt_1", **fields: Any) -> bytes:
    """An event that a payment provider sends."""
    shown = {"object": "payment_intent", "id": "pi_1", "metadata": {"payment": stream, "checkout": checkout}}
    return orjson.dumps({"id": event_id, "type": "x", "data": {"object": {**shown, **fields}}})


def _stripe_signed(body: bytes, at: datetime | None = None) -> dict[str, str]:
    return stripe_signature(SECRET)(NO_WEBHOOK, body, at or datetime.now(UTC))


def _signed(body: bytes, webhook_id: str = "evt_1") -> dict[str, str]:
    now = datetime.now(UTC)
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Signer(SECRET).sign(webhook_id, now, body.decode()),
    }


async def test_only_what_the_provider_signed_comes_in(system: System) -> None:
    body = _told(system.payment_stream("p1"), system.checkout)
    path, signed = "/webhooks/payment", _stripe_signed(body)
    time, signature = signed["stripe-signature"].split(",")
    bad: list[dict[str, str]] = [
        {},
        {"stripe-signature": f"{time},v1=AAAA"},
        {"stripe-signature": f"{time},{signature[:-1]}"},
        {"stripe-signature": "nonsense"},
        {"stripe-signature": f"t=soon,{signature}"},
        {"stripe-signature": f"t=1500000000,{signature}"},
        _stripe_signed(body, datetime(2017, 7, 14, tzinfo=UTC)),
        _signed(body),  # another provider's scheme
    ]
    for headers in bad:
        status, problem = await _post(system, path, body, **headers)
        assert (status, problem["type"], problem["status"]) == (401, "/problems/bad-signature", 401)
    assert (await _post(system, path, body + b" ", **signed))[0] == 401
    kept = f"SELECT webhook_id FROM webhook_inbox WHERE correlation = '{system.checkout}'"
    assert await system.fetch(kept) == []
    stream = system.payment_stream("p1")
    for strange in (
        b"",
        b"[]",
        b"\xff",
        b'{"id": "evt_1"}',
        _told(stream, 1),
        _told(stream, system.checkout).replace(b'"evt_1"', b"7"),
    ):
        headers = _stripe_signed(strange)
        assert (await _post(system, path, strange, **headers))[0] in (401, 422)
    assert (await _post(system, "/webhooks/nobody", body, **signed))[0] == 404
    assert (await _post(system, "/webhooks", body, **signed))[0] == 404
    too_large = io.BytesIO(b"x" * (BODY_BYTES_MAX + 1))
    assert (await _post(system, path, too_large, **signed))[0] == 413
    async with system.http.get(system.url + path) as answer:
        assert answer.status == 405
    assert await _post(system, path, body, **signed) == (200, {})
    assert await _post(system, path, body, **signed) == (200, {})  # again: once is enough
    assert await system.fetch(kept) == [("evt_1",)]


async def test_a_webhook_that_makes_no_sense_stops_no_other(system: System) -> None:
    stream = await system.authorize("p1")
    await system.until(stream, *AUTHORIZED)
    strange = _told(stream, system.checkout, status="disputed")
    foreign = orjson.dumps({"checkout": system.checkout, "data": {"shipment_id": stream}})
    for body, path, signed in (
        (strange, "/webhooks/payment", _stripe_signed(strange)),
        (foreign, "/webhooks/carrier", _signed(foreign, "evt_2")),
    ):
        assert (await _post(system, path, body, **signed))[0] == 200
    parcel = await system.book("s1")
    await system.until(parcel, *BOOKED, "ShipmentDispatched", "ShipmentScanned", "ShipmentDelivered")

    await system.until_tried(2)
    assert len(await system.facts(stream)) == 2

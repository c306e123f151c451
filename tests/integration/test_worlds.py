"""Do the worlds keep their word over real HTTP, also when they are killed or told to misbehave?"""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from standardwebhooks import Webhook

from eventstore.tasks import TaskGroup

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
START = (
    "import sys; from pathlib import Path; from services.worlds.server import run; "
    "run(sys.argv[1], data_dir=Path(sys.argv[2]), host='127.0.0.1', port=0, webhook_url=sys.argv[3], "
    f"webhook_secret='{SECRET}', collect_after_s=0.05, deliver_after_s=0.1)"
)
PATIENCE_S = 30  # how long to wait for what must happen
T0, T1, T2 = "2017-10-02T10:56:33Z", "2017-10-03T00:00:00Z", "2017-10-04T00:00:00Z"


class Receiver:
    """The other end of the webhooks: checks every signature, and answers what it is told to."""

    def __init__(self, journal: Path) -> None:
        self.journal = journal
        self.journaled: list[bool] = []  # for each attempt, whether the fact was on the disk by then
        self.status = 204
        self.attempts = 0
        self.received: list[dict[str, Any]] = []
        self._verifier = Webhook(SECRET)

    async def receive(self, request: web.Request) -> web.Response:
        body = await request.text()
        message = self._verifier.verify(body, dict(request.headers))
        assert message["id"] == request.headers["webhook-id"]
        self.attempts += 1
        self.journaled.append(message["id"] in self.journal.read_text())
        if self.status == 204:
            self.received.append(message)
        return web.Response(status=self.status)

    def types(self) -> list[str]:
        return [message["type"] for message in self.received]


class Process:
    """One world as a process, which can be killed and started again on the same data."""

    def __init__(self, kind: str, data_dir: Path, webhook_url: str) -> None:
        self.journal = data_dir / f"{kind}.ndjson"
        self._command = [sys.executable, "-c", START, kind, str(data_dir), webhook_url]
        self.start()

    def start(self) -> None:
        self._errors = ""
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        ready = self._process.stdout.readline()
        assert ready.startswith("listening on http://127.0.0.1:"), self._process.communicate()
        self.url = ready.removeprefix("listening on ").strip()

    def end(self, with_signal: signal.Signals) -> tuple[int, str]:
        if self._process.poll() is None:
            self._process.send_signal(with_signal)
            _, self._errors = self._process.communicate(timeout=PATIENCE_S)
        return self._process.returncode, self._errors

    def refuses_to_start(self) -> str:
        ended = subprocess.run(self._command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        assert ended.returncode == 1
        assert ended.stdout == ""
        return ended.stderr


class World:
    """A world process, a client of it, and the receiver of its webhooks."""

    def __init__(self, process: Process, receiver: Receiver, session: aiohttp.ClientSession) -> None:
        self.process = process
        self.receiver = receiver
        self.session = session

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) or body is None else orjson.dumps(body)
        async with self.session.request(
            method, self.process.url + path, data=data, headers=headers
        ) as answer:
            problem = answer.content_type == "application/problem+json"
            assert problem == (answer.status != 200)
            return answer.status, orjson.loads(await answer.read())

    async def ok(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        status, answer = await self.call(method, path, body, **headers)
        assert status == 200, answer
        return answer

    async def refused(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str]:
        status, answer = await self.call(method, path, body, **headers)
        assert set(answer) == {"type", "title", "status", "detail", "code"}
        return status, answer["code"]

    async def charge(self, payment_id: str, checkout: str = "c1", amount_cents: int = 1000) -> Any:
        body = charge(payment_id, checkout, amount_cents)
        return await self.ok("POST", "/v1/payments", body, **{"Idempotency-Key": payment_id})

    async def book(self, shipment_id: str, checkout: str = "c1") -> Any:
        body = booking(shipment_id, checkout)
        return await self.ok("POST", "/v1/shipments", body, **{"Idempotency-Key": shipment_id})

    async def put_scenarios(self, *scenarios: dict[str, Any]) -> None:
        body = b"\n".join(map(orjson.dumps, scenarios))
        assert await self.ok("PUT", "/control/scenarios", body) == {"scenarios": len(scenarios)}

    async def clock(self, **clocks: str) -> Any:
        return (await self.ok("POST", "/control/clock", {"clocks": clocks}))["clocks"]

    async def faults(self, delay_ms_max: int = 0, **rates: float) -> None:
        await self.ok("PUT", "/control/faults", {"seed": 1, "rates": rates, "delay_ms_max": delay_ms_max})

    async def outstanding(self) -> dict[str, int]:
        answer: dict[str, int] = (await self.ok("GET", "/control/outstanding"))["checkouts"]
        return answer

    async def at_rest(self) -> None:
        async def check() -> bool:
            return await self.outstanding() == {}

        await eventually(check)


async def eventually(check: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await check():
            await asyncio.sleep(0.01)


def charge(payment_id: str, checkout: str = "c1", amount_cents: int = 1000) -> dict[str, Any]:
    return {
        "payment_id": payment_id,
        "order_id": "o1",
        "merchant": "m1",
        "checkout": checkout,
        "amount_cents": amount_cents,
        "currency": "BRL",
        "method": "credit_card",
        "installments": 1,
    }


def booking(shipment_id: str, checkout: str = "c1") -> dict[str, Any]:
    who = {"shipment_id": shipment_id, "order_id": "o1", "merchant": "m1", "checkout": checkout}
    return {**who, "ship_to": {"state": "SP"}, "units": 2}


def authorization(
    payment_id: str, told_at: str, happened_at: str | None, outcome: str = "authorized", checkout: str = "c1"
) -> dict[str, Any]:
    told = {"outcome": outcome, "told_at": told_at, "happened_at": happened_at, "reason": None}
    return {"payment_id": payment_id, "checkout": checkout, "authorize": told}


def journey(shipment_id: str, *facts: tuple[str, str, str | None]) -> dict[str, Any]:
    listed = [{"type": kind, "told_at": told, "happened_at": happened} for kind, told, happened in facts]
    return {"shipment_id": shipment_id, "checkout": "c1", "facts": listed}


async def started(kind: str, data_dir: Path) -> AsyncIterator[World]:
    receiver = Receiver(data_dir / f"{kind}.ndjson")
    application = web.Application()
    application.router.add_post("/webhooks", receiver.receive)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    process = Process(kind, data_dir, f"http://127.0.0.1:{runner.addresses[0][1]}/webhooks")
    try:
        async with aiohttp.ClientSession() as session:
            yield World(process, receiver, session)
        assert process.end(signal.SIGTERM) == (0, "")
        assert all(receiver.journaled)
    finally:
        process.end(signal.SIGKILL)
        await runner.cleanup()


@pytest.fixture
async def payments(tmp_path: Path) -> AsyncIterator[World]:
    async for world in started("payment", tmp_path):
        yield world


@pytest.fixture
async def shipments(tmp_path: Path) -> AsyncIterator[World]:
    async for world in started("carrier", tmp_path):
        yield world


# ---- payments


async def test_a_payment_goes_its_way_and_guards_hold(payments: World) -> None:
    paid = await payments.charge("p1")
    assert (paid["status"], paid["amount_cents"], paid["voided"]) == ("authorized", 1000, False)
    await payments.clock(c1=T1)
    captured = await payments.ok(
        "POST", "/v1/payments/p1/captures", {"capture_id": "k1", "amount_cents": 700}
    )
    expected = {"capture_id": "k1", "amount_cents": 700, "status": "captured", "happened_at": T1}
    assert captured["captures"] == [expected]
    refunded = await payments.ok("POST", "/v1/payments/p1/refunds", {"refund_id": "r1", "amount_cents": 500})
    assert refunded["refunds"][0]["amount_cents"] == 500
    too_much = {"capture_id": "k2", "amount_cents": 301}
    assert await payments.refused("POST", "/v1/payments/p1/captures", too_much) == (
        409,
        "capture_exceeds_authorized",
    )
    too_much = {"refund_id": "r2", "amount_cents": 201}
    assert await payments.refused("POST", "/v1/payments/p1/refunds", too_much) == (
        409,
        "refund_exceeds_captured",
    )
    assert await payments.ok("GET", "/v1/payments/p1") == refunded
    remainder = await payments.ok("POST", "/v1/payments/p1/void", {"void_id": "v1"})
    assert (remainder["voided"], remainder["voided_at"]) == (True, T1)
    await payments.charge("p0")
    await payments.ok("POST", "/v1/payments/p0/captures", {"capture_id": "k1", "amount_cents": 1000})
    assert await payments.refused("POST", "/v1/payments/p0/void", {"void_id": "v1"}) == (
        409,
        "payment_captured",
    )
    await payments.charge("p2")
    voided = await payments.ok("POST", "/v1/payments/p2/void", {"void_id": "v1"})
    assert (voided["voided"], voided["voided_at"]) == (True, T1)
    late = {"capture_id": "k1", "amount_cents": 1}
    assert await payments.refused("POST", "/v1/payments/p2/captures", late) == (409, "payment_voided")
    assert (await payments.charge("p3", amount_cents=11_313))["status"] == "declined"
    assert payments.receiver.received == []  # all of it was said in the answers


async def test_the_same_key_gets_the_same_answer_and_another_body_is_refused(payments: World) -> None:
    first = await payments.charge("p1")
    await payments.ok("POST", "/v1/payments/p1/captures", {"capture_id": "k1", "amount_cents": 700})
    again = await asyncio.gather(*(payments.charge("p1") for _ in range(10)))
    assert again == [first] * 10
    other = charge("p1", amount_cents=999)
    key = {"Idempotency-Key": "p1"}
    assert await payments.refused("POST", "/v1/payments", other, **key) == (422, "idempotency_key_reused")
    assert await payments.refused("POST", "/v1/payments", charge("p1")) == (422, "invalid_request")
    assert len((await payments.ok("GET", "/v1/payments/p1"))["captures"]) == 1


async def test_bad_input_is_refused_by_the_name_of_its_field(payments: World) -> None:
    bad: list[tuple[bytes, str]] = [
        (b"", "body"),
        (b"{", "body"),
        (b"[]", "body"),
        (b'{"payment_id": "\xff"}', "body"),
        (orjson.dumps(charge("p1") | {"amount_cents": "1000"}), "amount_cents"),
        (orjson.dumps(charge("p1") | {"amount_cents": 0}), "amount_cents"),
        (orjson.dumps(charge("p1") | {"currency": "real"}), "currency"),
        (orjson.dumps(charge("p1") | {"colour": "red"}), "colour"),
        (orjson.dumps(charge("x" * 501)), "payment_id"),
    ]
    for body, field in bad:
        status, answer = await payments.call("POST", "/v1/payments", body, **{"Idempotency-Key": "p1"})
        assert status == 422
        assert answer["detail"].startswith(f"{field}: ")
    assert payments.process.journal.read_bytes() == b""


async def test_what_is_not_there_is_not_found(payments: World) -> None:
    assert await payments.refused("GET", "/v1/payments/nobody") == (404, "payment_not_found")
    capture = {"capture_id": "k1", "amount_cents": 1}
    assert await payments.refused("POST", "/v1/payments/nobody/captures", capture) == (
        404,
        "payment_not_found",
    )
    assert await payments.refused("DELETE", "/v1/payments/p1") == (404, "not_found")
    assert await payments.refused("GET", "/v1/payments?after=nobody") == (404, "payments_not_found")
    assert await payments.refused("GET", "/v1/payments?limit=0") == (422, "invalid_query")
    assert await payments.refused("GET", "/v1/payments?page=2") == (422, "invalid_query")


async def test_payments_are_listed_in_pages_and_ids_may_hold_anything(payments: World) -> None:
    ids = ["a/b", "ç ?&", "..", "p4", "p5"]
    for payment_id in ids:
        body = orjson.dumps(charge(payment_id))
        headers = {"Idempotency-Key": payment_id}
        async with payments.session.post(
            f"{payments.process.url}/v1/payments", data=body, headers=headers
        ) as answer:
            assert answer.status == 200
    listed: list[str] = []
    query: dict[str, str] = {"limit": "2"}
    while True:
        async with payments.session.get(f"{payments.process.url}/v1/payments", params=query) as answer:
            page = await answer.json()
        listed += [payment["payment_id"] for payment in page["payments"]]
        if page["next"] is None:
            break
        query["after"] = page["next"]
    assert listed == ids
    assert (await payments.ok("GET", "/v1/payments/a%2Fb"))["payment_id"] == "a/b"


async def test_an_authorisation_is_told_when_the_clock_reaches_it_with_its_time_as_it_stands(
    payments: World,
) -> None:
    await payments.put_scenarios(
        authorization("late", T1, T0),
        authorization("unknown", T1, None),
        authorization("never", T0, None, "never"),
        authorization("declined", T2, T2, "declined"),
        authorization("due", T0, T0),
        authorization("elsewhere", T0, T0, checkout="c2"),
    )
    assert await payments.clock(c1=T0) == {"c1": T0}
    due = await payments.charge("due")
    assert (due["status"], due["happened_at"]) == ("authorized", T0)
    for payment_id in ("late", "unknown", "never", "declined"):
        assert (await payments.charge(payment_id))["status"] == "pending"
    assert (await payments.charge("elsewhere", "c2"))["status"] == "pending"
    assert await payments.outstanding() == {}
    await payments.clock(c1=T1)
    await payments.at_rest()
    told = {message["data"]["payment_id"]: message for message in payments.receiver.received}
    assert told.keys() == {"late", "unknown"}
    assert {message["type"] for message in told.values()} == {"payment.authorized"}
    assert told["late"]["data"]["happened_at"] == T0
    assert told["unknown"]["data"]["happened_at"] is None
    assert (told["late"]["checkout"], told["late"]["merchant"]) == ("c1", "m1")
    assert told["late"]["data"] == await payments.ok("GET", "/v1/payments/late")
    assert await payments.clock(c1=T0) == {"c1": T1}  # never back
    await payments.clock(c1=T2, c2=T2)
    await payments.at_rest()
    assert sorted(payments.receiver.types()[2:]) == ["payment.authorized", "payment.declined"]
    assert (await payments.ok("GET", "/v1/payments/never"))["status"] == "pending"


async def test_a_void_cancels_a_pending_payment_for_good(payments: World) -> None:
    await payments.put_scenarios(authorization("p1", T1, T1))
    await payments.charge("p1")
    assert (await payments.ok("POST", "/v1/payments/p1/void", {"void_id": "v1"}))["voided"] is True
    await payments.clock(c1=T2)
    payment = await payments.ok("GET", "/v1/payments/p1")
    assert (payment["status"], payment["voided"]) == ("pending", True)
    assert await payments.outstanding() == {}


async def test_scenarios_of_a_bad_request_are_all_refused_with_the_line_named(payments: World) -> None:
    good = orjson.dumps(authorization("p1", T1, T1))
    status, answer = await payments.call("PUT", "/control/scenarios", good + b'\n{"payment_id": "p2"}\n')
    assert (status, answer["detail"]) == (422, "line 2: checkout: Field required")
    assert (await payments.charge("p1"))["status"] == "authorized"  # it has no scenario
    assert await payments.refused("PUT", "/control/scenarios", good) == (409, "scenario_too_late")


async def test_thousands_of_scenarios_and_clocks_are_taken_at_once(payments: World) -> None:
    ids = [f"p{number}" for number in range(2000)]
    await payments.put_scenarios(*(authorization(i, T1, T1, checkout=i) for i in ids))
    await asyncio.gather(*(payments.charge(i, i) for i in ids[:300]))
    await payments.clock(**dict.fromkeys(ids[:300], T2))
    await payments.at_rest()
    assert sorted(message["data"]["payment_id"] for message in payments.receiver.received) == sorted(
        ids[:300]
    )


# ---- webhooks


async def test_a_webhook_is_repeated_until_it_is_acknowledged_and_outstanding_till_then(
    payments: World,
) -> None:
    payments.receiver.status = 500
    await payments.put_scenarios(authorization("p1", T1, T1))
    await payments.charge("p1")
    await payments.clock(c1=T1)

    async def three_attempts() -> bool:
        return payments.receiver.attempts >= 3

    await eventually(three_attempts)
    assert await payments.outstanding() == {"c1": 1}
    payments.receiver.status = 204
    await payments.at_rest()
    assert payments.receiver.types() == ["payment.authorized"]


# ---- shipments


async def test_a_shipment_is_scanned_in_the_order_of_its_scenario(shipments: World) -> None:
    facts = (("collected", T1, T0), ("shipment.in_transit", T1, None), ("delivered", T2, T2))
    await shipments.put_scenarios(journey("s1", *facts), journey("s2"))
    booked = await shipments.book("s1")
    assert (booked["status"], booked["scans"], booked["voided"]) == ("label_bought", [], False)
    assert await shipments.book("s1") == booked
    await shipments.book("s2")
    await shipments.clock(c1=T0)
    assert await shipments.outstanding() == {}
    await shipments.clock(c1=T1)
    await shipments.at_rest()
    assert shipments.receiver.types() == ["shipment.collected", "shipment.in_transit"]
    scan = shipments.receiver.received[0]["data"]["scan"]
    assert (scan["type"], scan["happened_at"]) == ("collected", T0)
    assert shipments.receiver.received[1]["data"]["scan"]["happened_at"] is None
    assert shipments.receiver.received[0]["data"]["tracking_number"] == booked["tracking_number"]
    assert await shipments.refused("POST", "/v1/shipments/s1/void") == (409, "shipment_collected")
    await shipments.clock(c1=T2)
    await shipments.at_rest()
    shown = await shipments.ok("GET", "/v1/shipments/s1")
    assert shown["status"] == "delivered"
    assert [scan["type"] for scan in shown["scans"]] == ["collected", "in_transit", "delivered"]
    assert (await shipments.ok("POST", "/v1/shipments/s2/void"))["status"] == "voided"
    assert [s["shipment_id"] for s in (await shipments.ok("GET", "/v1/shipments"))["shipments"]] == [
        "s1",
        "s2",
    ]


async def test_a_fact_that_is_due_when_the_shipment_is_booked_is_told_then(shipments: World) -> None:
    await shipments.put_scenarios(journey("s1", ("collected", T0, T0)))
    await shipments.clock(c1=T1)
    assert await shipments.outstanding() == {}
    await shipments.book("s1")
    await shipments.at_rest()
    assert shipments.receiver.types() == ["shipment.collected"]


async def test_a_live_order_also_ends_even_over_a_restart(shipments: World) -> None:
    await shipments.book("live")
    shipments.process.end(signal.SIGKILL)
    shipments.process.start()

    async def delivered() -> bool:
        return "shipment.delivered" in shipments.receiver.types()

    await eventually(delivered)
    assert shipments.receiver.types()[0] == "shipment.collected"
    await shipments.at_rest()


# ---- faults


async def test_error_500_does_nothing(payments: World) -> None:
    await payments.faults(error_500=1)
    assert await payments.refused("POST", "/v1/payments", charge("p1")) == (500, "internal_error")
    await payments.faults()
    assert await payments.refused("GET", "/v1/payments/p1") == (404, "payment_not_found")


async def without_an_answer(world: World) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await world.charge("p1")
    await world.faults()


async def test_timeout_before_does_nothing_and_timeout_after_has_done_it(payments: World) -> None:
    await payments.faults(timeout_before=1)
    await without_an_answer(payments)
    assert await payments.refused("GET", "/v1/payments/p1") == (404, "payment_not_found")
    await payments.faults(timeout_after=1)
    await without_an_answer(payments)
    assert await payments.ok("GET", "/v1/payments/p1") == await payments.charge("p1")


async def test_a_late_answer_comes_and_it_is_done_before(payments: World) -> None:
    await payments.faults(delay_ms_max=60_000, late_answer=1)
    await without_an_answer(payments)
    done = await payments.ok("GET", "/v1/payments/p1")
    await payments.faults(delay_ms_max=50, late_answer=1)
    assert await payments.charge("p1") == done


async def test_a_world_that_keeps_silent_still_stops_when_asked(payments: World) -> None:
    await payments.faults(timeout_before=1)
    silent = asyncio.ensure_future(payments.refused("POST", "/v1/payments", charge("p1")))
    await asyncio.sleep(0.2)  # so that it is most likely in hand when the signal comes
    loop = asyncio.get_running_loop()
    assert await loop.run_in_executor(None, payments.process.end, signal.SIGTERM) == (0, "")
    (outcome,) = await asyncio.gather(silent, return_exceptions=True)
    assert outcome == (503, "stopping") or isinstance(outcome, aiohttp.ClientConnectionError)
    payments.process.start()


async def told_one_payment(world: World) -> None:
    await world.put_scenarios(authorization("p1", T1, T1))
    await world.charge("p1")
    await world.clock(c1=T1)


async def test_webhook_duplicate_sends_it_twice_under_one_id(payments: World) -> None:
    await payments.faults(webhook_duplicate=1)
    await told_one_payment(payments)
    await payments.at_rest()
    first, second = payments.receiver.received
    assert first == second


async def test_webhook_drop_loses_attempts_and_not_the_fact(payments: World) -> None:
    await payments.faults(webhook_drop=1)
    await told_one_payment(payments)
    await asyncio.sleep(0.2)  # attempts are made, and all are lost
    assert payments.receiver.attempts == 0
    assert await payments.outstanding() == {"c1": 1}
    await payments.faults()
    await payments.at_rest()
    assert payments.receiver.types() == ["payment.authorized"]


async def test_webhook_delay_keeps_a_fact_outstanding_and_faults_outlive_a_kill(payments: World) -> None:
    await payments.faults(delay_ms_max=60_000, webhook_delay=1)
    await told_one_payment(payments)
    payments.process.end(signal.SIGKILL)
    payments.process.start()
    await asyncio.sleep(0.2)
    assert payments.receiver.attempts == 0
    assert await payments.outstanding() == {"c1": 1}
    await payments.faults(delay_ms_max=20, webhook_delay=1)
    payments.process.end(signal.SIGKILL)
    payments.process.start()
    await payments.at_rest()
    assert payments.receiver.types() == ["payment.authorized"]


async def test_webhook_reorder_lets_a_later_fact_pass(shipments: World) -> None:
    await shipments.faults(webhook_reorder=1)
    await shipments.put_scenarios(journey("s1", ("collected", T1, T1), ("delivered", T1, T1)))
    await shipments.book("s1")
    await shipments.clock(c1=T1)
    await shipments.at_rest()
    assert shipments.receiver.types() == ["shipment.delivered", "shipment.collected"]


async def test_faults_that_make_no_sense_are_refused(payments: World) -> None:
    for body in ({"rates": {"webhook_drop": 1.5}}, {"rates": {"gremlins": 0.1}}, {"delay_ms_max": -1}):
        assert await payments.refused("PUT", "/control/faults", body) == (422, "invalid_request")


# ---- kills


async def charges_until_killed(world: World, enough: int) -> dict[str, Any]:
    """64 clients charge side by side until the world is killed in the middle; gives what was answered."""
    answered: dict[str, Any] = {}
    numbers = iter(range(100_000))

    async def client() -> None:
        for number in numbers:
            payment_id = f"p{number}"
            try:
                answered[payment_id] = await world.charge(payment_id, f"c{number}")
            except aiohttp.ClientError:
                return
            if number % 3 == 0:
                await world.clock(**{f"c{number}": T1})
            if len(answered) == enough:
                world.process.end(signal.SIGKILL)

    async with TaskGroup() as clients:
        for _ in range(64):
            clients.create_task(quietly(client()))
    return answered


async def quietly(client: Awaitable[None]) -> None:
    try:
        await client
    except aiohttp.ClientError:
        return


async def test_a_kill_forgets_no_charge_that_was_answered_and_no_fact_that_was_told(payments: World) -> None:
    payments.receiver.status = 503
    scenarios = [authorization(f"p{n}", T1, T0, checkout=f"c{n}") for n in range(0, 2000, 3)]
    await payments.put_scenarios(*scenarios)
    answered = await charges_until_killed(payments, enough=500)
    assert len(answered) >= 500
    with payments.process.journal.open("ab") as journal:
        journal.write(b'{"kind":"payment_opened","request":{"payment_id":"torn')
    payments.process.start()
    assert payments.process.journal.read_bytes().endswith(b"}\n")
    for payment_id, before in answered.items():
        assert await payments.charge(payment_id, f"c{payment_id[1:]}") == before
    listed = (await payments.ok("GET", "/v1/payments?limit=1000"))["payments"]
    assert {payment["payment_id"] for payment in listed} >= answered.keys()
    told = {
        p["payment_id"] for p in listed if p["status"] == "authorized" and int(p["payment_id"][1:]) % 3 == 0
    }
    assert sum((await payments.outstanding()).values()) == len(told) > 0
    payments.receiver.status = 204
    await payments.at_rest()
    assert {message["data"]["payment_id"] for message in payments.receiver.received} == told


async def test_a_kill_between_a_clock_and_its_facts_is_made_good_at_the_next_start(payments: World) -> None:
    payments.receiver.status = 503
    await told_one_payment(payments)
    payments.process.end(signal.SIGKILL)
    *kept, last = payments.process.journal.read_bytes().splitlines(keepends=True)
    assert b'"fact_told"' in last
    payments.process.journal.write_bytes(b"".join(kept) + last[:20])
    payments.receiver.status = 204
    payments.process.start()
    await payments.at_rest()
    assert payments.receiver.types() == ["payment.authorized"]


async def test_an_altered_journal_is_not_served_from(payments: World) -> None:
    await payments.charge("p1")
    await payments.charge("p2")
    payments.process.end(signal.SIGKILL)
    kept = payments.process.journal.read_bytes()
    payments.process.journal.write_bytes(kept.replace(b'"payment_opened"', b'"payment_opene?"', 1))
    assert "payment.ndjson, line 1:" in payments.process.refuses_to_start()
    payments.process.journal.write_bytes(kept)
    payments.process.start()
    assert "open in another process" in payments.process.refuses_to_start()

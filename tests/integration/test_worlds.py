"""Do the worlds keep their word over real HTTP, also when they are killed or told to misbehave?"""

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson
import pytest
import stripe
from aiohttp import web
from standardwebhooks import Webhook

from eventstore.tasks import TaskGroup
from services.gateways.payment_calls import search_path
from services.worlds.stage import stable_id
from tests.patience import HANGS

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
START = (
    "import sys; from pathlib import Path; from services.worlds.server import run; "
    "run(sys.argv[1], data_dir=Path(sys.argv[2]), host='127.0.0.1', port=0, webhook_url=sys.argv[3], "
    f"webhook_secret='{SECRET}', api_key=sys.argv[4], collect_after_s=0.05, deliver_after_s=0.1)"
)

INTENTS = "/v1/payment_intents"
AUTHORIZED = "payment_intent.amount_capturable_updated"
INVALID, STATE = "invalid_request_error", "payment_intent_unexpected_state"
T0, T1, T2 = "2017-10-02T10:56:33Z", "2017-10-03T00:00:00Z", "2017-10-04T00:00:00Z"


class Receiver:
    """The other end of the webhooks: checks every signature, and answers what it is told to."""

    def __init__(self, kind: str, journal: Path) -> None:
        self.kind = kind
        self.journal = journal
        self.journaled: list[bool] = []  # for each attempt, whether the fact was on the disk by then
        self.status = 204
        self.attempts = 0
        self.received: list[dict[str, Any]] = []
        self.refused: set[str] = set()
        self._verifier = Webhook(SECRET)

    def _verified(self, body: str, headers: Mapping[str, str]) -> dict[str, Any]:
        """Each provider by its own client."""
        if self.kind == "payment":
            stripe.Webhook.construct_event(body, headers["Stripe-Signature"], SECRET)
            event: dict[str, Any] = orjson.loads(body)
            return event
        message: dict[str, Any] = self._verifier.verify(body, dict(headers))
        assert message["id"] == headers["webhook-id"]
        return message

    async def receive(self, request: web.Request) -> web.Response:
        message = self._verified(await request.text(), request.headers)
        self.attempts += 1
        self.journaled.append(message["id"] in self.journal.read_text())
        if self.status == 204:
            self.received.append(message)
        else:
            self.refused.add(message["id"])
        return web.Response(status=self.status)

    def explains(self, line: str) -> bool:
        """Whether it complains of a fact that was refused here, as long as the machine took for the test."""
        told = re.fullmatch(r"webhook (\S+) \(\S+\) not acknowledged in \d+ attempts", line)
        return told is not None and told[1] in self.refused

    def types(self) -> list[str]:
        return [message["type"] for message in self.received]

    def payments(self) -> list[str]:
        """Our names of those that were told of."""
        return [message["data"]["object"]["metadata"]["payment"] for message in self.received]


class Process:
    """One world as a process, which can be killed and started again on the same data."""

    def __init__(self, kind: str, data_dir: Path, webhook_url: str, api_key: str = "") -> None:
        self.journal = data_dir / f"{kind}.ndjson"
        self._command = [sys.executable, "-c", START, kind, str(data_dir), webhook_url, api_key]
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
            _, self._errors = self._process.communicate(timeout=HANGS)
        return self._process.returncode, self._errors

    def refuses_to_start(self) -> str:
        ended = subprocess.run(self._command, capture_output=True, text=True, timeout=HANGS, check=False)
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

    async def asked(
        self, method: str, path: str, fields: dict[str, Any] | None = None, key: str = ""
    ) -> tuple[int, Any, str | None]:
        """Of Stripe's wire: the status, the object or the error, and whether it is an answer of before."""
        headers = {"Idempotency-Key": key} if key else {}
        url = self.process.url + path
        async with self.session.request(method, url, data=fields, headers=headers) as answer:
            assert answer.content_type == "application/json"
            shown = orjson.loads(await answer.read())
            return (
                answer.status,
                shown.get("error", shown),
                answer.headers.get("Idempotent-Replayed"),
            )

    async def done(self, path: str, key: str, **fields: Any) -> Any:
        status, answer, _ = await self.asked("POST", path, fields, key)
        assert status == 200, answer
        return answer

    async def shown(self, path: str) -> Any:
        status, answer, _ = await self.asked("GET", path)
        assert status == 200, answer
        return answer

    async def payment(self, payment_id: str) -> Any:
        return await self.shown(at(payment_id))

    async def all_listed(self) -> dict[str, str]:
        """The status of each payment."""
        listed: dict[str, str] = {}
        after = ""
        while True:
            page = await self.shown(f"{INTENTS}?limit=100{after}")
            listed |= {each["metadata"]["payment"]: each["status"] for each in page["data"]}
            if not page["has_more"]:
                return listed
            after = f"&starting_after={page['data'][-1]['id']}"

    async def failed(self, path: str, key: str = "", **fields: Any) -> tuple[int, str, str]:
        """The status, the type and the code of the error; without a key it is a question."""
        status, error, _ = await self.asked("POST" if key else "GET", path, fields or None, key)
        return status, error["type"], error.get("code", "")

    async def charge(self, payment_id: str, checkout: str = "c1", amount_cents: int = 1000) -> Any:
        body = charge(payment_id, checkout, amount_cents)
        return await self.done(INTENTS, payment_id, **body)

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


def seconds(at: str) -> int:
    return int(datetime.fromisoformat(at).timestamp())


async def eventually(check: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(HANGS):
        while not await check():
            await asyncio.sleep(0.01)


def charge(payment_id: str, checkout: str = "c1", amount_cents: int = 1000) -> dict[str, Any]:
    """The form that asks for it; its request has the payment's id as key."""
    return {
        "amount": str(amount_cents),
        "currency": "brl",
        "capture_method": "manual",
        "confirm": "true",
        "payment_method": "pm_card_visa",
        "metadata[payment]": payment_id,
        "metadata[checkout]": checkout,
        "metadata[merchant]": "m1",
    }


def intent(payment_id: str) -> str:
    """The provider's name for it."""
    return stable_id("pi", payment_id)


def at(payment_id: str, change: str = "") -> str:
    return f"{INTENTS}/{intent(payment_id)}" + (f"/{change}" if change else "")


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


async def started(kind: str, data_dir: Path, api_key: str = "") -> AsyncIterator[World]:
    receiver = Receiver(kind, data_dir / f"{kind}.ndjson")
    application = web.Application()
    application.router.add_post("/webhooks", receiver.receive)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/webhooks"
    process = Process(kind, data_dir, url, api_key)
    try:
        async with aiohttp.ClientSession() as session:
            yield World(process, receiver, session)
        code, said = process.end(signal.SIGTERM)
        assert (code, [line for line in said.splitlines() if not receiver.explains(line)]) == (0, [])
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
    assert (paid["status"], paid["amount_capturable"], paid["id"]) == ("requires_capture", 1000, intent("p1"))
    await payments.clock(c1=T1)
    first = {"amount_to_capture": "700", "final_capture": "false", "metadata[first]": "yes"}
    captured = await payments.done(at("p1", "capture"), "k1", **first)
    assert (captured["amount_received"], captured["amount_capturable"]) == (700, 300)
    assert captured["metadata"] == {**paid["metadata"], "first": "yes"}
    of_it = {"payment_intent": intent("p1"), "amount": "500", "metadata[refund]": "r1"}
    refunded = await payments.done("/v1/refunds", "r1", **of_it)
    assert (refunded["amount"], refunded["status"], refunded["created"]) == (500, "succeeded", seconds(T1))
    too_much = {"amount_to_capture": "301"}
    assert await payments.failed(at("p1", "capture"), "k2", **too_much) == (400, INVALID, "amount_too_large")
    too_much = {"payment_intent": intent("p1"), "amount": "201"}
    assert await payments.failed("/v1/refunds", "r2", **too_much) == (400, INVALID, "amount_too_large")
    shown = await payments.shown(f"{at('p1')}?expand[]=latest_charge.refunds")
    charged = shown["latest_charge"]
    assert (charged["amount_captured"], charged["captured"], charged["refunds"]["data"]) == (
        700,
        False,
        [refunded],
    )
    rest = {"amount_to_capture": "0", "final_capture": "true"}
    released = await payments.done(at("p1", "capture"), "v1", **rest)
    assert (released["status"], released["amount_capturable"]) == ("succeeded", 0)
    await payments.charge("p0")
    await payments.done(at("p0", "capture"), "k1")  # all of it
    assert await payments.failed(at("p0", "cancel"), "v1") == (400, INVALID, STATE)
    await payments.charge("p2")
    voided = await payments.done(at("p2", "cancel"), "v1")
    assert (voided["status"], voided["canceled_at"]) == ("canceled", seconds(T1))
    assert await payments.failed(at("p2", "capture"), "k1") == (400, INVALID, STATE)
    assert payments.receiver.received == []  # all of it was said in the answers


async def test_a_last_capture_lets_go_of_the_rest(payments: World) -> None:
    await payments.charge("p1")
    captured = await payments.done(at("p1", "capture"), "k1", amount_to_capture="400")
    assert (captured["status"], captured["amount_received"]) == ("succeeded", 400)
    assert captured["amount_capturable"] == 0
    again = {"amount_to_capture": "100"}
    assert await payments.failed(at("p1", "capture"), "k2", **again) == (400, INVALID, STATE)
    once = charge("p2") | {"payment_method": "pm_card_credit_disableEnterpriseCardFeatures"}
    await payments.done(INTENTS, "p2", **once)
    part = {"amount_to_capture": "400", "final_capture": "false"}
    assert (await payments.failed(at("p2", "capture"), "k1", **part))[:2] == (400, INVALID)


async def test_a_decline_is_an_error_that_shows_the_payment(payments: World) -> None:
    for payment_id, fields, why in (
        ("p1", {"amount": "11313"}, "do_not_honor"),
        ("p2", {"payment_method": "pm_card_chargeDeclinedInsufficientFunds"}, "insufficient_funds"),
    ):
        for _ in range(2):  # also once more, under the same key
            status, error, _ = await payments.asked("POST", INTENTS, charge(payment_id) | fields, payment_id)
            told = error["type"], error["code"], error["decline_code"]
            assert (status, *told) == (402, "card_error", "card_declined", why)
            assert error["payment_intent"] == await payments.payment(payment_id)
        assert error["payment_intent"]["status"] == "requires_payment_method"


async def test_the_same_key_gets_the_same_answer_and_another_body_is_refused(payments: World) -> None:
    first = await payments.charge("p1")
    part = {"amount_to_capture": "700", "final_capture": "false"}
    await payments.done(at("p1", "capture"), "k1", **part)
    again = await asyncio.gather(*(payments.asked("POST", INTENTS, charge("p1"), "p1") for _ in range(10)))
    assert again == [(200, first, "true")] * 10
    other = charge("p1", amount_cents=999)
    status, error, _ = await payments.asked("POST", INTENTS, other, "p1")
    assert (status, error["type"]) == (400, "idempotency_error")
    more = part | {"amount_to_capture": "701"}
    assert (await payments.failed(at("p1", "capture"), "k1", **more))[1] == "idempotency_error"
    assert (await payments.payment("p1"))["amount_received"] == 700


async def test_bad_input_is_refused_by_the_name_of_its_field(payments: World) -> None:
    bad: list[tuple[dict[str, str], str]] = [
        ({}, "payment_method"),
        (charge("p1") | {"amount": "10.5"}, "amount"),
        (charge("p1") | {"amount": "0"}, "amount_cents"),
        (charge("p1") | {"currency": "real"}, "currency"),
        (charge("p1") | {"colour": "red"}, "colour"),
        (charge("p1") | {"capture_method": "automatic"}, "capture_method"),
        (charge("p1") | {"payment_method": ""}, "payment_method"),
        (charge("p1") | {"metadata[long]": "x" * 501}, "metadata.long"),
    ]
    for fields, param in bad:
        status, error, _ = await payments.asked("POST", INTENTS, fields, "p1")
        assert (status, error["type"], error["param"]) == (400, INVALID, param)
    assert payments.process.journal.read_bytes() == b""


async def test_what_is_not_there_is_not_found(payments: World) -> None:
    missing = (404, INVALID, "resource_missing")
    for path in (at("nobody"), "/v1/charges/ch_1", "/v1/refunds/re_1", "/v1/disputes/dp_1"):
        assert await payments.failed(path) == missing
    assert await payments.failed(at("nobody", "capture"), "k1") == missing
    assert await payments.failed("/v1/disputes/dp_1", "k1") == missing
    assert await payments.failed("/v1/nothing") == (404, INVALID, "")
    assert await payments.failed(f"{INTENTS}?starting_after=pi_nobody") == missing
    assert (await payments.failed(f"{INTENTS}?limit=0"))[0] == 400
    assert (await payments.failed(f"{INTENTS}?page=2"))[2] == "parameter_unknown"


async def test_payments_are_listed_in_pages_the_newest_first_and_found_by_our_names(payments: World) -> None:
    ids = ["a/b", "ç ?&", "it's", "p4", "p5"]
    for payment_id in ids:
        await payments.done(INTENTS, quote(payment_id), **charge(payment_id))
    listed: list[str] = []
    after = ""
    while True:
        page = await payments.shown(f"{INTENTS}?limit=2{after}")
        listed += [payment["metadata"]["payment"] for payment in page["data"]]
        if not page["has_more"]:
            break
        after = f"&starting_after={page['data'][-1]['id']}"
    assert listed == ids[::-1]
    assert (await payments.shown(f"{INTENTS}?created[gte]=99999999999"))["data"] == []
    for payment_id in ids:
        (found,) = (await payments.shown(search_path(payment_id)))["data"]
        assert found["metadata"]["payment"] == payment_id
    assert (await payments.shown(search_path("p9")))["data"] == []


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
    due = await payments.done(INTENTS, "due", **charge("due"), **{"expand[]": "latest_charge"})
    assert (due["status"], due["latest_charge"]["created"]) == ("requires_capture", seconds(T0))
    for payment_id in ("late", "unknown", "never", "declined"):
        assert (await payments.charge(payment_id))["status"] == "processing"
    assert (await payments.charge("elsewhere", "c2"))["status"] == "processing"
    assert await payments.outstanding() == {}
    await payments.clock(c1=T1)
    await payments.at_rest()
    told = dict(zip(payments.receiver.payments(), payments.receiver.received, strict=True))
    assert told.keys() == {"late", "unknown"}
    assert {message["type"] for message in told.values()} == {AUTHORIZED}
    assert told["late"]["created"] == seconds(T0)
    assert told["unknown"]["created"] == 0
    noted = told["late"]["data"]["object"]["metadata"]
    assert (noted["checkout"], noted["merchant"]) == ("c1", "m1")
    assert told["late"]["data"]["object"] == await payments.payment("late")
    assert await payments.clock(c1=T0) == {"c1": T1}  # never back
    await payments.clock(c1=T2, c2=T2)
    await payments.at_rest()
    assert sorted(payments.receiver.types()[2:]) == [AUTHORIZED, "payment_intent.payment_failed"]
    assert (await payments.payment("never"))["status"] == "processing"


async def test_the_bank_wants_to_hear_from_the_customer_and_disputes_are_told_by_its_name(
    payments: World,
) -> None:
    later = ({"type": kind, "told_at": T2} for kind in ("dispute_opened", "dispute_lost"))
    before = [{"type": "action_required", "told_at": T0}]
    await payments.put_scenarios(authorization("p1", T1, T1) | {"before": before, "later": [*later]})
    await payments.charge("p1")
    await payments.clock(c1=T0)
    asked = await payments.payment("p1")
    assert asked["status"] == "requires_action"
    assert asked["next_action"]["redirect_to_url"]["url"].startswith("https://")
    await payments.clock(c1=T1)
    await payments.done(at("p1", "capture"), "k1")
    await payments.clock(c1=T2)
    await payments.at_rest()
    assert payments.receiver.types() == [
        "payment_intent.requires_action",
        AUTHORIZED,
        "charge.dispute.created",
        "charge.dispute.closed",
    ]
    (dispute,) = (await payments.shown(f"/v1/disputes?payment_intent={intent('p1')}"))["data"]
    assert (dispute["amount"], dispute["status"]) == (1000, "lost")
    assert dispute == payments.receiver.received[-1]["data"]["object"]
    assert await payments.failed(f"/v1/disputes/{dispute['id']}", "e1") == (400, INVALID, "dispute_not_open")
    charged = await payments.shown(f"/v1/charges/{asked['latest_charge'] or dispute['charge']}")
    assert charged["disputed"]
    assert charged["payment_method_details"]["card"]["three_d_secure"] == {"result": "authenticated"}


async def test_an_authorisation_lapses_and_what_was_captured_of_it_stays(payments: World) -> None:
    for payment_id in ("all", "rest"):
        lapses = [{"type": "expired", "told_at": T2, "happened_at": T2}]
        await payments.put_scenarios(authorization(payment_id, T0, T0) | {"later": lapses})
    await payments.clock(c1=T0)
    for payment_id in ("all", "rest"):
        await payments.charge(payment_id)
    part = {"amount_to_capture": "700", "final_capture": "false"}
    await payments.done(at("rest", "capture"), "k1", **part)
    await payments.clock(c1=T2)
    await payments.at_rest()
    assert sorted(payments.receiver.types()) == ["payment_intent.canceled", "payment_intent.succeeded"]
    lapsed, rest = await payments.payment("all"), await payments.payment("rest")
    assert (lapsed["status"], lapsed["cancellation_reason"]) == ("canceled", "automatic")
    assert (rest["status"], rest["amount_received"], rest["amount_capturable"]) == ("succeeded", 700, 0)


async def test_a_key_opens_the_api_and_no_other_does(tmp_path: Path) -> None:
    async for world in started("payment", tmp_path, api_key="sk_test_1"):
        status, error, _ = await world.asked("GET", INTENTS)
        assert (status, error["type"]) == (401, INVALID)
        world.session.headers["Authorization"] = "Bearer sk_test_1"
        assert (await world.shown(INTENTS))["data"] == []


async def test_a_void_cancels_a_pending_payment_for_good(payments: World) -> None:
    await payments.put_scenarios(authorization("p1", T1, T1))
    await payments.charge("p1")
    assert (await payments.done(at("p1", "cancel"), "v1"))["status"] == "canceled"
    await payments.clock(c1=T2)
    payment = await payments.payment("p1")
    assert (payment["status"], payment["latest_charge"]) == ("canceled", None)
    assert await payments.outstanding() == {}


async def test_scenarios_of_a_bad_request_are_all_refused_with_the_line_named(payments: World) -> None:
    good = orjson.dumps(authorization("p1", T1, T1))
    status, answer = await payments.call("PUT", "/control/scenarios", good + b'\n{"payment_id": "p2"}\n')
    assert (status, answer["detail"]) == (422, "line 2: checkout: Field required")
    assert (await payments.charge("p1"))["status"] == "requires_capture"  # it has no scenario
    assert await payments.refused("PUT", "/control/scenarios", good) == (409, "scenario_too_late")


async def test_thousands_of_scenarios_and_clocks_are_taken_at_once(payments: World) -> None:
    ids = [f"p{number}" for number in range(2000)]
    await payments.put_scenarios(*(authorization(i, T1, T1, checkout=i) for i in ids))
    await asyncio.gather(*(payments.charge(i, i) for i in ids[:300]))
    await payments.clock(**dict.fromkeys(ids[:300], T2))
    await payments.at_rest()
    assert sorted(payments.receiver.payments()) == sorted(ids[:300])


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
    assert payments.receiver.types() == [AUTHORIZED]


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
    assert await payments.failed(INTENTS, "p1", **charge("p1")) == (500, "api_error", "internal_error")
    await payments.faults()
    assert await payments.failed(at("p1")) == (404, INVALID, "resource_missing")


async def test_too_many_does_nothing(payments: World) -> None:
    await payments.faults(too_many=1)
    assert await payments.failed(INTENTS, "p1", **charge("p1")) == (429, INVALID, "rate_limit")
    await payments.faults()
    assert await payments.failed(at("p1")) == (404, INVALID, "resource_missing")


async def without_an_answer(world: World) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await world.charge("p1")
    await world.faults()


async def test_timeout_before_does_nothing_and_timeout_after_has_done_it(payments: World) -> None:
    await payments.faults(timeout_before=1)
    await without_an_answer(payments)
    assert await payments.failed(at("p1")) == (404, INVALID, "resource_missing")
    await payments.faults(timeout_after=1)
    await without_an_answer(payments)
    assert await payments.payment("p1") == await payments.charge("p1")


async def test_a_late_answer_comes_and_it_is_done_before(payments: World) -> None:
    await payments.faults(delay_ms_max=60_000, late_answer=1)
    await without_an_answer(payments)
    done = await payments.payment("p1")
    await payments.faults(delay_ms_max=50, late_answer=1)
    assert await payments.charge("p1") == done


async def test_a_world_that_keeps_silent_still_stops_when_asked(payments: World) -> None:
    await payments.faults(timeout_before=1)
    silent = asyncio.ensure_future(payments.failed(INTENTS, "p1", **charge("p1")))
    await asyncio.sleep(0.2)  # so that it is most likely in hand when the signal comes
    loop = asyncio.get_running_loop()
    assert await loop.run_in_executor(None, payments.process.end, signal.SIGTERM) == (0, "")
    (outcome,) = await asyncio.gather(silent, return_exceptions=True)
    assert outcome == (503, "api_error", "stopping") or isinstance(outcome, aiohttp.ClientConnectionError)
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
    assert payments.receiver.types() == [AUTHORIZED]


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
    assert payments.receiver.types() == [AUTHORIZED]


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
    listed = await payments.all_listed()
    assert listed.keys() >= answered.keys()
    authorized = {name for name, status in listed.items() if status == "requires_capture"}
    told = {name for name in authorized if int(name[1:]) % 3 == 0}
    assert sum((await payments.outstanding()).values()) == len(told) > 0
    payments.receiver.status = 204
    await payments.at_rest()
    assert set(payments.receiver.payments()) == told


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
    assert payments.receiver.types() == [AUTHORIZED]


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

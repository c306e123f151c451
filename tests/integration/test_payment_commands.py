"""Can a merchant ask for all that a payment can do, over HTTP, and is it told clearly where it can't?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from commands.executor import Context
from domain.kernel import Command, one
from domain.order import OrderPaymentAdded
from domain.payment import (
    AuthorizationRequested,
    CaptureRequested,
    Dispute,
    EvidenceRequested,
    Movement,
    PaymentDiscrepancyResolved,
    RecordProviderPayment,
    RefundRequested,
    RequestAuthorization,
    VoidRequested,
)
from domain.payment.method import PaymentMethodStored
from domain.personal import Sealed
from domain.streams import payment_stream
from eventstore.seams import RandomIds
from tests.integration.api_client import Api, an_order, problem, serving

CARD = "1001.card"


@pytest.fixture
async def api(database: str, nats_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(database, nats_url, tmp_path) as api:
        assert (await api.post("/v1/orders", an_order(order_id="1001"))).status_code == 201
        await provider_says(api)
        yield api


async def execute(api: Api, command: Command) -> None:
    assert api.context is not None
    told = Context(RandomIds().new(), "m1", "test", "k", "test", api.context.clock.now())
    stream = payment_stream("m1", CARD)
    assert (await api.context.executor.execute(one(stream, command), told)).refused is None


async def provider_says(api: Api, **fields: object) -> None:
    asked = {"order_id": "1001", "amount_cents": 6290, "currency": "BRL", "method": "credit_card"}
    await execute(api, RequestAuthorization(payment_id=CARD, **asked))  # type: ignore[arg-type]
    account = {"provider_reference": "x", "status": "authorized", "amount_cents": 6290}
    await execute(api, RecordProviderPayment.model_validate({"payment_id": CARD, **account, **fields}))


def moved(reference: str, cents: int) -> Movement:
    return Movement(reference=reference, amount_cents=cents, succeeded=True)


async def test_a_part_is_captured_once_and_the_rest_is_voided(api: Api) -> None:
    path = f"/v1/payments/{CARD}/capture"
    first = await api.post(path, {"amount_cents": 5000, "capture_id": "c1"}, key="k1")
    again = await api.post(path, {"amount_cents": 5000, "capture_id": "c1"}, key="k1")
    assert (first.status_code, again.json()) == (200, first.json())
    assert [each.capture_id for each in await api.events(CaptureRequested)] == ["c1"]
    above = problem(await api.post(path, {"amount_cents": 1291}), 409, "conflict")
    assert above["rule"] == "capture_within_authorized"
    assert above["detail"] == "6290 cents are authorised; 1290 can still be captured, not 1291"
    waiting = problem(await api.post(f"/v1/payments/{CARD}/void"), 409, "conflict")
    assert waiting["rule"] == "void_uncaptured"
    await provider_says(api, captures=(moved("c1", 5000),))
    assert (await api.post(f"/v1/payments/{CARD}/void")).status_code == 200
    assert len(await api.events(VoidRequested)) == 1
    assert problem(await api.post(path, {}), 409, "conflict")["rule"] == "capture_before_void"


async def test_no_more_is_refunded_than_is_captured_and_not_disputed(api: Api) -> None:
    path = f"/v1/payments/{CARD}/refund"
    assert (
        problem(await api.post(path, {"amount_cents": 1}), 409, "conflict")["rule"]
        == "refund_within_captured"
    )
    disputed = Dispute(dispute_id="d1", amount_cents=4000, status="open")
    await provider_says(api, captures=(moved("c1", 6290),), disputes=(disputed,))
    assert (await api.post(path, {"amount_cents": 2290})).status_code == 200
    assert [each.amount_cents for each in await api.events(RefundRequested)] == [2290]
    assert (
        problem(await api.post(path, {"amount_cents": 1}), 409, "conflict")["rule"]
        == "refund_within_captured"
    )
    wrong = await api.post(path, {"amount_cents": 1, "reason": "no such reason"})
    assert problem(wrong, 422, "invalid-input")["errors"][0]["pointer"] == "#/reason"
    evidence = {"text": "signed for", "carrier": "Rollpost"}
    handed = await api.post(f"/v1/payments/{CARD}/disputes/d1/evidence", evidence)
    assert handed.status_code == 200, handed.text
    (asked,) = await api.events(EvidenceRequested)
    assert isinstance(asked.evidence, Sealed)
    unknown = await api.post(f"/v1/payments/{CARD}/disputes/d2/evidence", evidence)
    assert problem(unknown, 404, "not-found")["rule"] == "dispute_exists"


async def test_why_a_refund_was_given_is_kept(api: Api) -> None:
    await provider_says(api, captures=(moved("c1", 6290),))
    path = f"/v1/payments/{CARD}/refund"
    said = {"reason": "customer", "note": "the handle came off"}
    assert (await api.post(path, {"amount_cents": 100, **said})).status_code == 200
    assert (await api.post(path, {"amount_cents": 200})).status_code == 200
    told = [(each.amount_cents, each.reason, each.note) for each in await api.events(RefundRequested)]
    assert told == [(100, "customer", "the handle came off"), (200, None, "")]


async def test_a_further_payment_is_added_to_an_open_order_alone(api: Api) -> None:
    two = {"payment_id": "two", "method": "pix", "amount_cents": 100}
    beyond = problem(await api.post("/v1/orders/1001/payments", two), 409, "conflict")
    assert beyond["rule"] == "payments_within_total"
    on_account = an_order(order_id="1002", payments=[], on_account=True)
    assert (await api.post("/v1/orders", on_account)).status_code == 201
    added = await api.post("/v1/orders/1002/payments", two)
    assert added.status_code == 201, added.text
    assert (added.json()["payment_id"], added.json()["currency"]) == ("1002.two", "BRL")
    asked = (await api.events(AuthorizationRequested))[-1]
    assert (asked.payment_id, asked.order_id, asked.amount_cents) == ("1002.two", "1002", 100)
    assert [each.payment_id for each in await api.events(OrderPaymentAdded)] == ["1002.two"]
    body = {"method": "pix", "amount_cents": 1}
    assert problem(await api.post("/v1/orders/9/payments", body), 404, "not-found")["rule"] == "order_exists"
    await api.post("/v1/orders/1001/cancel", {"reason": "customer"})
    closed = problem(await api.post("/v1/orders/1001/payments", body), 409, "conflict")
    assert closed["rule"] == "pay_open_order"


async def test_a_stored_method_is_a_token_and_its_customers_own(api: Api) -> None:
    stored = {"customer_id": "c1", "method_id": "visa", "token": "pm_77", "last4": "4242"}
    assert (await api.post("/v1/payment-methods", stored)).status_code == 201
    (event,) = await api.events(PaymentMethodStored)
    assert isinstance(event.token, Sealed)
    card = await api.post("/v1/payment-methods", stored | {"token": "4242424242424242"})
    assert "card's number" in problem(card, 422, "invalid-input")["errors"][0]["detail"]
    other = stored | {"customer_id": "c2", "method_id": "other"}
    assert (await api.post("/v1/payment-methods", other)).status_code == 201
    charge = {"method": "stored:visa", "amount_cents": 100}
    on_account = an_order(order_id="1002", payments=[], on_account=True)
    assert (await api.post("/v1/orders", on_account)).status_code == 201
    assert (await api.post("/v1/orders/1002/payments", charge, key="once")).status_code == 201
    asked = (await api.events(AuthorizationRequested))[-1]
    assert (asked.method, asked.subject) == ("stored:visa", event.subject)
    strangers = await api.post("/v1/orders/1001/payments", charge | {"method": "stored:other"})
    assert problem(strangers, 404, "not-found")["rule"] == "method_exists"
    assert (await api.post("/v1/payment-methods/visa/remove")).status_code == 200
    again = await api.post("/v1/orders/1002/payments", charge, key="once")
    assert again.status_code == 201, "it is answered as the first time"
    removed = await api.post("/v1/orders/1001/payments", charge)
    assert problem(removed, 404, "not-found")["rule"] == "method_exists"
    placed = await api.post("/v1/orders", an_order(order_id="1003", payments=[charge]))
    assert problem(placed, 404, "not-found")["rule"] == "method_exists"


async def test_a_person_resolves_a_discrepancy_and_says_why(api: Api) -> None:
    path = f"/v1/payments/{CARD}/discrepancies/captured_above_authorized/resolve"
    none = problem(await api.post(path, {"reason": "agreed"}), 404, "not-found")
    assert none["rule"] == "discrepancy_exists"
    await provider_says(api, captures=(moved("c1", 6291),))
    assert (await api.post(path, {"reason": "agreed"})).status_code == 200
    (resolved,) = await api.events(PaymentDiscrepancyResolved)
    assert (resolved.by, resolved.reason) == ("person", "agreed")
    problem(await api.post(path, {"reason": " "}), 422, "invalid-input")

"""How do Stripe's answers reach us by its own client: what is a no, what is no answer, what is left out?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from services.gateways.breaker import Breaker
from services.gateways.gateway import Request, Unavailable
from services.gateways.payment_calls import API_VERSION, UNNAMED, intent_path, search_path
from services.gateways.stripe_provider import StripeProvider
from tests.unit.test_payment_wire import PAID, charge, dispute, intent, refund

T = TypeVar("T")
DECLINES = frozenset({402})
PAY = Request(
    "authorize", "/v1/payment_intents", {"amount": 5, "metadata": {"payment": PAID}}, PAID, DECLINES
)
CANCEL = Request("void", f"/v1/payment_intents/{UNNAMED}/cancel", {}, f"{PAID}/void/1")


class Wire:
    """Gives the next answer, and keeps what was asked."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, dict[str, list[str]]]] = []
        self.headers: dict[str, str] = {}

    async def __call__(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str] | None
    ) -> tuple[int, bytes]:
        self.asked.append((method, urlsplit(path).path, parse_qs((body or b"").decode())))
        self.headers = headers or {}
        status, content = self.answers.pop(0)
        return status, content if isinstance(content, bytes) else orjson.dumps(content)


def run(work: Awaitable[T]) -> T:
    async def done() -> T:
        return await work

    return asyncio.run(done())


def provider(wire: Wire) -> StripeProvider:
    return StripeProvider(wire, "sk_test_1", Breaker(failures=3))


def error(kind: str, **fields: Any) -> dict[str, Any]:
    return {"error": {"type": kind, "message": "why", **fields}}


def listed(*things: Any, has_more: bool = False) -> dict[str, Any]:
    return {"object": "list", "data": list(things), "has_more": has_more}


def test_a_call_is_a_form_with_our_key_of_a_version_that_is_pinned() -> None:
    wire = Wire((200, intent()))
    answer = run(provider(wire).call(PAY))
    assert wire.asked == [("POST", "/v1/payment_intents", {"amount": ["5"], "metadata[payment]": [PAID]})]
    assert wire.headers["Idempotency-Key"] == PAID
    assert wire.headers["Stripe-Version"] == API_VERSION
    assert wire.headers["Authorization"] == "Bearer sk_test_1"
    assert (answer.is_yes, answer.body["status"]) == (True, "authorized")


def test_a_decline_shows_the_payment_and_is_an_account_as_any_other() -> None:
    shown = intent("requires_payment_method", last_payment_error={"decline_code": "lost_card"})
    answer = run(provider(Wire((402, error("card_error", payment_intent=shown)))).call(PAY))
    assert (answer.is_yes, answer.body["status"], answer.body["reason"]) == (True, "declined", "lost_card")


def test_a_stored_method_that_is_gone_declines_the_payment() -> None:
    gone = error("invalid_request_error", code="resource_missing", param="payment_method")
    answer = run(provider(Wire((400, gone))).call(PAY))
    assert (answer.status, answer.reason) == (402, "resource_missing: why")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, error("idempotency_error")),
        (400, error("invalid_request_error", param="currency")),
        (401, error("invalid_request_error")),
        (404, b"no such route"),
        (409, error("invalid_request_error", code="lock_timeout")),
        (429, error("invalid_request_error", code="rate_limit")),
        (500, error("api_error")),
        (502, b"<html>"),
        (200, b"<html>"),
        (200, b"[]"),
        (200, {"object": "customer"}),
    ],
)
def test_what_is_no_usable_answer_is_tried_again(status: int, body: Any) -> None:
    with pytest.raises(Unavailable):
        run(provider(Wire((status, body))).call(PAY))


def test_a_change_that_is_refused_is_told_why() -> None:
    no = error("invalid_request_error", code="payment_intent_unexpected_state")
    capture = Request("capture", "/v1/payment_intents/pi_1/capture", {}, "k")
    answer = run(provider(Wire((400, no))).call(capture))
    assert (answer.is_yes, answer.reason) == (False, "payment_intent_unexpected_state: why")


def test_the_breaker_opens_and_nobody_is_called_any_more() -> None:
    wire = Wire(*[(500, error("api_error"))] * 3)
    stripe = provider(wire)

    async def again_and_again() -> None:
        for _ in range(4):
            with pytest.raises(Unavailable):
                await stripe.call(PAY)

    run(again_and_again())
    assert len(wire.asked) == 3


def test_what_is_not_found_by_its_name_is_not_there() -> None:
    assert run(provider(Wire((200, listed() | {"object": "search_result"}))).ask(search_path(PAID))) is None
    missing = error("invalid_request_error", code="resource_missing")
    assert run(provider(Wire((404, missing))).ask(intent_path("pi_1"))) is None


def test_who_does_not_know_its_name_looks_for_it_first() -> None:
    found = listed(intent(latest_charge=charge())) | {"object": "search_result"}
    wire = Wire((200, found), (200, intent("canceled")))
    assert run(provider(wire).call(CANCEL)).body["voided"]
    assert [path for _, path, _ in wire.asked] == [
        "/v1/payment_intents/search",
        "/v1/payment_intents/pi_1/cancel",
    ]
    unseen = run(provider(Wire((200, listed() | {"object": "search_result"}))).call(CANCEL))
    assert (unseen.is_yes, unseen.status) == (False, 404)


def test_all_refunds_and_disputes_are_shown_however_many() -> None:
    few = listed(*(refund(f"r{number}", cents=1) for number in range(10)), has_more=True)
    shown = intent(amount_received=1000, latest_charge=charge(disputed=True, refunds=few))
    first = [refund(f"r{number}", cents=1) for number in range(100)]
    pages = listed(*first, has_more=True), listed(refund("r100", cents=1))
    wire = Wire((200, shown), *((200, page) for page in pages), (200, listed(dispute())))
    account = run(provider(wire).ask(intent_path("pi_1")))
    assert account is not None
    assert len(account["refunds"]) == 101
    assert [each["dispute_id"] for each in account["disputes"]] == ["du_1"]


def test_what_was_begun_is_listed_page_by_page() -> None:
    wire = Wire((200, listed(intent(), has_more=True)), (200, listed(intent(metadata={}))))

    async def pages() -> list[list[Any]]:
        since = datetime(2026, 1, 1, tzinfo=UTC)
        return [[each["payment_id"] for each in page] async for page in provider(wire).pages(since)]

    assert run(pages()) == [[PAID], ["pi_1"]]

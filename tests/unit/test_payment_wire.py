"""What do we ask of Stripe, and what do its objects mean? Shapes as its API reference shows them, by hand.

Of https://docs.stripe.com/api, version 2026-10-28.endive: the fields that we read, and some that we do not.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from domain.kernel import Event, Fact
from domain.payment import (
    PAYMENT,
    AuthorizationRequested,
    CaptureFailed,
    CaptureRequested,
    CustomerActionCompleted,
    CustomerActionRequired,
    Evidence,
    EvidenceRequested,
    PaymentAuthorized,
    PaymentCaptured,
    RecordProviderPayment,
    RefundRequested,
    VoidRequested,
)
from domain.payment.method import MethodToken
from domain.personal import Erased
from domain.streams import payment_stream
from services.gateways.gateway import Request
from services.gateways.payment import PAYMENT_GATEWAY
from services.gateways.payment_books import stream_of
from services.gateways.payment_calls import UNNAMED, captured_as, key_of, search_path
from services.gateways.payment_words import account_of, named_in, told_in

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
PAID = payment_stream("m1", "p1")
IDS = {"payment_id": "p1", "order_id": "o1"}
ASKED = AuthorizationRequested(**IDS, amount_cents=1000, currency="BRL", method="credit_card", installments=3)
AUTHORIZED = PaymentAuthorized(**IDS, amount_cents=1000, provider_reference="pi_1")
PART = PaymentCaptured(**IDS, capture_id="k1", amount_cents=700)
OURS = {"payment": PAID, "checkout": "c1", "merchant": "m1"}


def fact(event: Event) -> Fact:
    return Fact(1, PAID, 1, event, "m1", "c1", "cause", UUID(int=1), NOW, NOW)


def asked(event: Event, *history: Event, later: tuple[Event, ...] = ()) -> Request:
    """By a state that knows of the request, as whoever calls always has; and of what came `later`."""
    return PAYMENT_GATEWAY.request(fact(event), PAYMENT.fold((ASKED, *history, event, *later)))


def intent(status: str = "requires_capture", **fields: Any) -> dict[str, Any]:
    received = fields.get("amount_received", 0)
    return {
        "id": "pi_1",
        "object": "payment_intent",
        "amount": 1000,
        "amount_capturable": 1000 - received if status == "requires_capture" else 0,
        "amount_received": received,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "manual",
        "client_secret": "pi_1_secret_YrKJUKribcBjcG8HVhfZluoGH",
        "created": SECONDS,
        "currency": "brl",
        "last_payment_error": None,
        "latest_charge": "ch_1",
        "livemode": False,
        "metadata": OURS,
        "next_action": None,
        "payment_method": "pm_1",
        "status": status,
        **fields,
    }


def charge(**fields: Any) -> dict[str, Any]:
    return {
        "id": "ch_1",
        "object": "charge",
        "amount": 1000,
        "amount_captured": 0,
        "created": SECONDS,
        "disputed": False,
        "metadata": OURS,
        "payment_intent": "pi_1",
        "payment_method_details": {"card": {"brand": "visa", "three_d_secure": None}, "type": "card"},
        "status": "succeeded",
        **fields,
    }


def refund(reference: str = "", status: str = "succeeded", cents: int = 300) -> dict[str, Any]:
    metadata = {"payment": PAID, "checkout": "c1", "refund": reference} if reference else {}
    known = {"id": "re_1", "object": "refund", "charge": "ch_1", "currency": "brl", "created": SECONDS}
    return {**known, "amount": cents, "payment_intent": "pi_1", "status": status, "metadata": metadata}


def dispute(status: str = "needs_response", **metadata: str) -> dict[str, Any]:
    return {
        "id": "du_1",
        "object": "dispute",
        "amount": 1000,
        "charge": "ch_1",
        "created": SECONDS,
        "evidence_details": {"due_by": SECONDS + 60, "has_evidence": False, "submission_count": 0},
        "metadata": metadata,
        "payment_intent": "pi_1",
        "reason": "fraudulent",
        "status": status,
    }


def event(kind: str, shown: dict[str, Any]) -> dict[str, Any]:
    known = {"id": "evt_1", "object": "event", "api_version": "2026-10-28.endive", "created": SECONDS}
    return {**known, "type": kind, "data": {"object": shown}}


def recorded(shown: dict[str, Any], *disputes: dict[str, Any]) -> RecordProviderPayment:
    command = PAYMENT_GATEWAY.record(PAID, account_of(shown, disputes))
    assert isinstance(command, RecordProviderPayment)
    return command


# ---- what is asked


def test_money_is_held_and_may_be_taken_in_parts() -> None:
    body = asked(ASKED).body
    assert (body["amount"], body["currency"], body["capture_method"]) == (1000, "brl", "manual")
    assert body["payment_method_options"] == {"card": {"request_multicapture": "if_available"}}
    assert body["metadata"] == {**OURS, "order": "o1", "method": "credit_card", "installments": 3}


@pytest.mark.parametrize(
    ("history", "cents", "final"),
    [((AUTHORIZED,), 1000, "true"), ((AUTHORIZED,), 700, "false"), ((AUTHORIZED, PART), 300, "true")],
)
def test_only_the_capture_that_takes_all_that_is_left_is_the_last(
    history: tuple[Event, ...], cents: int, final: str
) -> None:
    body = asked(CaptureRequested(**IDS, capture_id="k2", amount_cents=cents), *history).body
    assert body["final_capture"] == final
    assert body["metadata"] == {captured_as("k2"): f"{cents} k2"}
    assert len(captured_as("k" * 200)) <= 40


def capturing(reference: str, cents: int) -> CaptureRequested:
    return CaptureRequested(**IDS, capture_id=reference, amount_cents=cents)


def captured(reference: str, cents: int) -> PaymentCaptured:
    return PaymentCaptured(**IDS, capture_id=reference, amount_cents=cents)


def test_a_capture_that_is_tried_again_once_it_is_captured_asks_for_the_same() -> None:
    """Under one key the provider wants one request, word for word."""
    whole = asked(capturing("k1", 1000), AUTHORIZED)
    assert whole.body["final_capture"] == "true"
    assert asked(capturing("k1", 1000), AUTHORIZED, later=(captured("k1", 1000),)) == whole
    rest = asked(capturing("k2", 300), AUTHORIZED, PART)
    assert rest.body["final_capture"] == "true"
    assert asked(capturing("k2", 300), AUTHORIZED, PART, later=(captured("k2", 300),)) == rest


def test_of_two_captures_under_way_each_asks_for_the_same_whatever_becomes_of_the_other() -> None:
    """The later one is not the last: it would let go of what the earlier one is yet to take."""
    first, second = capturing("k1", 700), capturing("k2", 300)
    failed = CaptureFailed(**IDS, capture_id="k1", reason="no")
    fates: tuple[tuple[Event, ...], ...] = ((), (captured("k1", 700),), (failed,), (captured("k2", 300),))
    for told in fates:
        assert asked(first, AUTHORIZED, later=(second, *told)).body["final_capture"] == "false"
        assert asked(second, AUTHORIZED, first, later=told).body["final_capture"] == "false"


def test_a_capture_after_one_that_failed_takes_all_that_is_held_and_is_the_last() -> None:
    failed = CaptureFailed(**IDS, capture_id="k1", reason="no")
    again = asked(capturing("k2", 1000), AUTHORIZED, capturing("k1", 1000), failed)
    assert again.body["final_capture"] == "true"


def test_the_last_capture_lets_go_of_what_it_leaves_and_says_that_we_did() -> None:
    last = asked(capturing("k1", 700).model_copy(update={"last": True}), AUTHORIZED)
    assert last.body["final_capture"] == "true"
    assert last.body["metadata"]["released"] == "k1"


def test_what_is_captured_in_part_is_not_cancelled_but_let_go() -> None:
    assert asked(VoidRequested(**IDS), AUTHORIZED).path == "/v1/payment_intents/pi_1/cancel"
    release = asked(VoidRequested(**IDS), AUTHORIZED, PART)
    assert release.path == "/v1/payment_intents/pi_1/capture"
    assert (release.body["amount_to_capture"], release.body["final_capture"]) == (0, "true")


def test_a_payment_whose_name_there_is_unknown_is_looked_for() -> None:
    assert asked(VoidRequested(**IDS)).path == f"/v1/payment_intents/{UNNAMED}/cancel"
    older = AUTHORIZED.model_copy(update={"provider_reference": "pay_1"})
    refunded = asked(RefundRequested(**IDS, refund_id="r1", amount_cents=5), older)
    assert refunded.body["payment_intent"] == UNNAMED
    assert PAYMENT_GATEWAY.where(fact(ASKED)) == search_path(PAID)
    known = PAYMENT_GATEWAY.where(fact(ASKED), PAYMENT.fold((ASKED, AUTHORIZED)))
    assert known.startswith("/v1/payment_intents/pi_1?")


def test_a_stored_method_is_charged_without_its_customer_there() -> None:
    request = asked(ASKED)
    stored = PAYMENT_GATEWAY.with_secret(request, MethodToken(token="pm_77"))
    assert (stored["payment_method"], stored["off_session"]) == ("pm_77", "true")
    assert not {"customer", "return_url"} & stored.keys()
    of_customer = PAYMENT_GATEWAY.with_secret(request, MethodToken(token="cus_1/pm_77"))
    assert (of_customer["customer"], of_customer["payment_method"]) == ("cus_1", "pm_77")
    assert PAYMENT_GATEWAY.with_secret(request, None)["payment_method"] == ""


def test_a_customer_who_pays_now_is_sent_back_by_the_bank() -> None:
    given = MethodToken(token="pm_77", return_url="https://shop.example/thanks")
    body = PAYMENT_GATEWAY.with_secret(asked(ASKED), given)
    assert (body["payment_method"], body["return_url"]) == ("pm_77", "https://shop.example/thanks")
    assert "off_session" not in body


def test_evidence_of_a_person_who_was_erased_is_that_alone() -> None:
    told = Evidence(text="He has it.", carrier="swift", tracking_number="T1")
    handed = EvidenceRequested(**IDS, dispute_id="du_1", evidence_id="e1", subject="s", evidence=told)
    request = asked(handed, AUTHORIZED)
    assert request.path == "/v1/disputes/du_1"
    assert request.body["evidence"]["shipping_tracking_number"] == "T1"
    erased = asked(handed.model_copy(update={"evidence": Erased()}), AUTHORIZED)
    assert erased.body["evidence"] == {"uncategorized_text": "(erased)"}


def test_a_key_is_never_longer_than_the_provider_takes() -> None:
    assert key_of("k" * 255) == "k" * 255
    assert len(key_of("k" * 256)) <= 255
    assert key_of("k" * 256) != key_of("k" * 257)


# ---- what its objects mean


def test_what_is_held_is_authorised_when_its_charge_was_made() -> None:
    told = recorded(intent(latest_charge=charge()))
    assert (told.status, told.amount_cents, told.provider_reference) == ("authorized", 1000, "pi_1")
    assert (told.happened_at, told.captures, told.voided, told.action) == (NOW, (), False, None)


@pytest.mark.parametrize("status", ["processing", "requires_confirmation", "requires_capture_soon"])
def test_what_is_under_way_or_not_understood_says_nothing_yet(status: str) -> None:
    before = {"code": "card_declined"}  # of an attempt before this one
    shown = intent(status, latest_charge=None, last_payment_error=before)
    assert PAYMENT_GATEWAY.record(PAID, account_of(shown)) is None


def test_a_decline_has_the_bank_s_reason() -> None:
    error = {"type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds"}
    told = recorded(intent("requires_payment_method", last_payment_error=error))
    assert (told.status, told.reason) == ("declined", "insufficient_funds")
    assert not told.captures


def test_captures_are_ours_by_their_notes_and_somebody_else_s_beside_them() -> None:
    noted = {**OURS, captured_as("k 1"): "300 k 1", captured_as("k2"): "200 k2"}
    told = recorded(intent(amount_received=600, metadata=noted))
    assert [(each.reference, each.amount_cents) for each in told.captures] == [
        ("k 1", 300),
        ("k2", 200),
        ("ch_1", 100),
    ]
    assert not told.voided


def test_the_rest_that_was_let_go_is_voided_and_the_rest_that_went_by_itself_has_lapsed() -> None:
    noted = {**OURS, captured_as("k1"): "700 k1"}
    let_go = recorded(intent("succeeded", amount_received=700, metadata={**noted, "released": "1"}))
    assert (let_go.voided, let_go.lapsed) == (True, False)
    lapsed = recorded(intent("succeeded", amount_received=700, metadata=noted))
    assert (lapsed.voided, lapsed.lapsed) == (True, True)
    whole = recorded(intent("succeeded", amount_received=1000, metadata=noted))
    assert (whole.voided, whole.lapsed) == (False, False)


@pytest.mark.parametrize(
    ("fields", "status", "lapsed"),
    [
        ({"latest_charge": "ch_1"}, "authorized", False),
        ({"latest_charge": None}, "pending", False),
        ({"last_payment_error": {"code": "card_declined"}}, "declined", False),
        ({"cancellation_reason": "automatic"}, "authorized", True),
    ],
)
def test_what_is_cancelled_is_void_whatever_it_was_before(
    fields: dict[str, Any], status: str, lapsed: bool
) -> None:
    told = recorded(intent("canceled", canceled_at=SECONDS, **fields))
    assert (told.status, told.voided, told.voided_at, told.lapsed) == (status, True, NOW, lapsed)


def test_a_cancelled_charge_s_reversal_is_no_refund() -> None:
    """It shows one of the whole amount, of money that was never taken."""
    reversal = {"data": [refund(cents=1000)], "has_more": False}
    told = recorded(intent("canceled", latest_charge=charge(refunds=reversal)))
    assert told.refunds == ()


def test_refunds_have_our_names_or_theirs_and_may_fail_later() -> None:
    several = [refund("r1"), refund("r2", "failed"), refund("r3", "pending"), refund()]
    refunds = {"data": several, "has_more": False}
    told = recorded(intent(amount_received=700, latest_charge=charge(refunds=refunds)))
    assert [(each.reference, each.succeeded) for each in told.refunds] == [
        ("r1", True),
        ("r2", False),
        ("re_1", True),
    ]
    alone = recorded(refund("r1"))
    assert (alone.status, alone.amount_cents, alone.provider_reference) == ("pending", 0, "pi_1")
    assert [each.reference for each in alone.refunds] == ["r1"]


def test_a_customer_has_to_act_has_acted_or_did_not() -> None:
    url = {"type": "redirect_to_url", "redirect_to_url": {"url": "https://b/3ds", "return_url": None}}
    told = recorded(intent("requires_action", next_action=url, latest_charge=None))
    assert told.action
    assert (told.action.status, told.action.redirect_url) == ("required", "https://b/3ds")
    card = {"card": {"three_d_secure": {"result": "authenticated"}}, "type": "card"}
    told = recorded(intent(latest_charge=charge(payment_method_details=card)))
    assert told.action
    assert told.action.status == "completed"
    error = {"code": "payment_intent_authentication_failure", "message": "no"}
    told = recorded(intent("requires_payment_method", last_payment_error=error))
    assert told.action
    assert (told.status, told.action.status) == ("declined", "failed")


def test_who_had_to_act_has_acted_once_it_is_authorised() -> None:
    """An event has no charge that would say so."""
    history = (ASKED, CustomerActionRequired(**IDS, action_id="pi_1"))
    told = told_in(event("payment_intent.amount_capturable_updated", intent()))
    command: Any = PAYMENT_GATEWAY.record(PAID, told)
    kinds = [type(each) for each in PAYMENT.decide(command, PAYMENT.fold(history))]
    assert kinds == [PaymentAuthorized, CustomerActionCompleted]


@pytest.mark.parametrize(
    ("status", "ours"),
    [("needs_response", "open"), ("under_review", "open"), ("won", "won"), ("lost", "lost")],
)
def test_a_dispute_is_open_until_it_is_decided(status: str, ours: str) -> None:
    told = recorded(intent(amount_received=1000), dispute(status, evidence_1="e1"))
    (known,) = told.disputes
    assert (known.dispute_id, known.amount_cents, known.status) == ("du_1", 1000, ours)
    assert [each.reference for each in told.evidence] == ["du_1/e1"]


def test_an_event_names_the_payment_or_where_it_is_asked_for() -> None:
    authorized = event("payment_intent.amount_capturable_updated", intent())
    assert PAYMENT_GATEWAY.names(authorized) == (PAID, "c1", "")
    assert told_in(authorized)["happened_at"] == NOW
    disputed = event("charge.dispute.created", dispute())
    stream, checkout, where = PAYMENT_GATEWAY.names(disputed)
    assert (stream, checkout) == ("", "")
    assert where.startswith("/v1/payment_intents/pi_1?")
    assert named_in(event("refund.updated", refund("r1"))) == (PAID, "c1", "pi_1")


def test_an_event_of_no_payment_is_not_asked_about() -> None:
    with pytest.raises(ValueError, match="of no payment"):
        PAYMENT_GATEWAY.names(event("customer.created", {"object": "customer", "id": "cus_1"}))


def test_a_charge_that_is_none_of_ours_has_a_stream_by_its_own_name() -> None:
    foreign = account_of(intent(metadata={}))
    assert foreign["payment_id"] == "pi_1"
    assert stream_of(foreign).endswith(".pi_1")
    assert stream_of(account_of(intent())) == PAID


def test_what_is_of_no_payment_makes_no_sense() -> None:
    for strange in ({"object": "customer", "id": "cus_1"}, {"id": "x"}, intent() | {"amount_received": None}):
        with pytest.raises((LookupError, TypeError, ValueError)):
            account_of(strange)

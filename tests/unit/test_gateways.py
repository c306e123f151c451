"""What do the gateways ask for, what do they make of the answers, and when do they leave a provider alone?"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.carrier import (
    SHIPMENT,
    LabelBought,
    LabelRefused,
    LabelVoided,
    LabelVoidFailed,
    LabelVoidRequested,
    RecordCarrierShipment,
    ShipmentRequested,
)
from domain.carrier import RecordUnavailable as CarrierUnavailable
from domain.kernel import Event, Fact
from domain.payment import (
    PAYMENT,
    AuthorizationRequested,
    CaptureFailed,
    CaptureRequested,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    PaymentVoided,
    RecordProviderPayment,
    RefundFailed,
    RefundRequested,
    VoidFailed,
    VoidRequested,
)
from domain.payment import RecordUnavailable as PaymentUnavailable
from domain.personal import Customer, Erased
from domain.streams import payment_stream, shipment_stream
from eventstore.seams import WallClock
from eventstore.tasks import TaskGroup
from services.gateways.breaker import Breaker, Patience
from services.gateways.calls import Call, OpenCalls
from services.gateways.carrier import CARRIER_GATEWAY
from services.gateways.gateway import REFUSALS, Gateway, LeftAlone, Unavailable
from services.gateways.lanes import Lanes
from services.gateways.masking import masked
from services.gateways.payment import PAYMENT_GATEWAY
from services.gateways.provider import Provider

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PAID, SENT = payment_stream("m1", "p/1"), shipment_stream("m1", "s1")
IDS = {"payment_id": "p/1", "order_id": "o1"}
PARCEL = {"shipment_id": "s1", "order_id": "o1"}
AUTHORIZATION = AuthorizationRequested(**IDS, amount_cents=1000, currency="BRL", method="card")
CAPTURE = CaptureRequested(**IDS, capture_id="k 1", amount_cents=700)
REFUND = RefundRequested(**IDS, refund_id="r1", amount_cents=500)
VOID = VoidRequested(**IDS)
CUSTOMER = Customer(customer_id="c", customer_unique_id="u", zip_prefix="01310", city="São Paulo")
TOLD = {
    "name": "Ana Souza",
    "street": "Rua Augusta 1000\napto 21",
    "country": "BR",
    "phone": "+55 11 91234-5678",
    "email": "ana@example.com",
    "note": "ring twice",
}
SHIPMENT_REQUESTED = ShipmentRequested(**PARCEL, subject="x", recipient=CUSTOMER, ship_to_state="SP", units=2)
LABEL_VOID = LabelVoidRequested(**PARCEL)


def fact(event: Event, position: int = 1) -> Fact:
    stream = SENT if hasattr(event, "shipment_id") else PAID
    return Fact(position, stream, 1, event, "m1", "c1", "cause", UUID(int=position), NOW, NOW)


def account(status: str = "authorized", **changed: Any) -> dict[str, Any]:
    return {
        "payment_id": PAID,
        "provider_reference": "pay_1",
        "status": status,
        "amount_cents": 1000,
        "currency": "BRL",
        "happened_at": "2026-01-01T00:00:00Z",
        "reason": None,
        "captures": [],
        "refunds": [],
        "voided_at": None,
        "voided": False,
        **changed,
    }


def shipment(**changed: Any) -> dict[str, Any]:
    known = {"shipment_id": SENT, "carrier": "R", "tracking_number": "T", "scans": [], "voided": False}
    return {**known, **changed}


def events_of(gateway: Gateway, history: tuple[Event, ...], command: Any) -> list[type[Event]]:
    """The types of the events that a recorded command leads to."""
    decider: Any = PAYMENT if gateway is PAYMENT_GATEWAY else SHIPMENT
    return [type(event) for event in decider.decide(command, decider.fold(history))]


# ---- what is asked


def test_each_request_is_a_call_with_a_key_of_its_own() -> None:
    authorized = PaymentAuthorized(**IDS, amount_cents=1000, provider_reference="pi_1")
    payment = PAYMENT.fold((AUTHORIZATION, authorized))
    asked = (AUTHORIZATION, CAPTURE, REFUND, VOID)
    requests = [PAYMENT_GATEWAY.request(fact(each), payment) for each in asked]
    assert [(each.name, each.path) for each in requests] == [
        ("authorize", "/v1/payment_intents"),
        ("capture", "/v1/payment_intents/pi_1/capture"),
        ("refund", "/v1/refunds"),
        ("void", "/v1/payment_intents/pi_1/cancel"),
    ]
    void_key = f"{PAID}/void/{UUID(int=1)}"
    assert [each.key for each in requests] == [PAID, f"{PAID}/k%201", f"{PAID}/r1", void_key]
    assert [sorted(each.refusals) for each in requests] == [[402], *[sorted(REFUSALS)] * 3]
    assert 404 not in CARRIER_GATEWAY.request(fact(SHIPMENT_REQUESTED), None).refusals


def test_the_carrier_learns_where_to_and_no_more() -> None:
    body = CARRIER_GATEWAY.request(fact(SHIPMENT_REQUESTED), None).body
    assert body["ship_to"] == {"state": "SP", "zip_prefix": "01310", "city": "São Paulo"}
    known = SHIPMENT_REQUESTED.model_copy(update={"recipient": CUSTOMER.model_copy(update=TOLD)})
    where_to = {"state": "SP", "zip_prefix": "01310", "city": "São Paulo", **TOLD}
    assert CARRIER_GATEWAY.request(fact(known), None).body["ship_to"] == where_to
    erased = known.model_copy(update={"recipient": Erased()})
    assert CARRIER_GATEWAY.request(fact(erased), None).body["ship_to"] == {"state": "SP"}


@pytest.mark.parametrize("status", [404, 422])
def test_a_refusal_that_repeats_who_gets_it_is_told_without(status: int) -> None:
    """Neither the reason that is recorded nor the error that is logged is reached by an erasure."""
    known = CUSTOMER.model_copy(update=TOLD)
    request = CARRIER_GATEWAY.request(fact(SHIPMENT_REQUESTED.model_copy(update={"recipient": known})), None)
    words = f"no number: {TOLD['phone']} of {known.name.upper()}, {TOLD['street']}, SP"

    async def exchange(*_: object) -> tuple[int, bytes]:
        return status, orjson.dumps({"code": "bad_address", "detail": words})

    async def refused() -> str:
        try:
            return (await Provider(exchange).call(request)).reason
        except Unavailable as error:
            return str(error)

    told = asyncio.run(refused())
    assert told.endswith("bad_address: no number: +… of …, …, SP")


def test_who_would_not_say_is_not_quoted() -> None:
    async def exchange(*_: object) -> tuple[int, bytes]:
        return 422, orjson.dumps({"code": "closed", "detail": "the account of Ana Souza is closed"})

    with pytest.raises(Unavailable, match=r"^it would not say: status 422$"):
        asyncio.run(Provider(exchange).ask("/v1/x"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("phone +55 11 91234-5678 is no number", "phone +… is no number"),
        ("5511912345678 is no phone in br", "… is no phone in …"),
        ("APTO 21 is not in são  paulo-01310", "… is not in …-…"),
        ("ana, souza of ANA@example.com", "… of …"),
        ("Analysis of a brown parcel failed", "Analysis of a brown parcel failed"),
    ],
)
def test_what_is_personal_is_masked_however_it_is_written(text: str, told: str) -> None:
    values = ("01310", "São Paulo", *TOLD.values(), "", "!")
    assert masked(text, values) == told
    assert masked(text, ("", "-")) == masked(text, ()) == text


def test_what_the_decision_answered_itself_is_answered() -> None:
    free = AuthorizationRequested(**IDS, amount_cents=0, currency="BRL", method="voucher")
    for event in (
        free,
        CaptureRequested(**IDS, capture_id="k", amount_cents=0),
        RefundRequested(**IDS, refund_id="r", amount_cents=0),
    ):
        assert PAYMENT_GATEWAY.answered(event, PAYMENT.fold((event,)))
    assert PAYMENT_GATEWAY.answered(VOID, PAYMENT.fold((free, VOID)))


@pytest.mark.parametrize(
    ("gateway", "history", "request_", "outcomes"),
    [
        (
            PAYMENT_GATEWAY,
            (),
            AUTHORIZATION,
            (
                PaymentAuthorized(**IDS, amount_cents=1000, provider_reference="x"),
                PaymentDeclined(**IDS, reason="no"),
            ),
        ),
        (
            PAYMENT_GATEWAY,
            (AUTHORIZATION,),
            CAPTURE,
            (
                PaymentCaptured(**IDS, capture_id="k 1", amount_cents=700),
                CaptureFailed(**IDS, capture_id="k 1", reason="no"),
            ),
        ),
        (
            PAYMENT_GATEWAY,
            (AUTHORIZATION,),
            REFUND,
            (
                PaymentRefunded(**IDS, refund_id="r1", amount_cents=500),
                RefundFailed(**IDS, refund_id="r1", reason="no"),
            ),
        ),
        (
            PAYMENT_GATEWAY,
            (AUTHORIZATION,),
            VOID,
            (PaymentVoided(**IDS, amount_cents=0), VoidFailed(**IDS, reason="no")),
        ),
        (CARRIER_GATEWAY, (), SHIPMENT_REQUESTED, (LabelBought(**PARCEL, carrier="R", tracking_number="T"),)),
        (
            CARRIER_GATEWAY,
            (SHIPMENT_REQUESTED,),
            LABEL_VOID,
            (LabelVoided(**PARCEL), LabelVoidFailed(**PARCEL, reason="no")),
        ),
    ],
)
def test_a_request_is_open_until_its_outcome_is_recorded(
    gateway: Gateway, history: tuple[Event, ...], request_: Event, outcomes: tuple[Event, ...]
) -> None:
    decider: Any = PAYMENT if gateway is PAYMENT_GATEWAY else SHIPMENT
    asked = decider.fold((*history, request_))
    assert not gateway.answered(request_, asked)
    for outcome in outcomes:
        assert gateway.answered(request_, decider.evolve(asked, outcome))


def test_what_was_voided_unseen_is_never_asked_for_again() -> None:
    voided = PAYMENT.fold((AUTHORIZATION, VOID, PaymentVoided(**IDS, amount_cents=0)))
    assert PAYMENT_GATEWAY.answered(AUTHORIZATION, voided)
    given_back = SHIPMENT.fold((SHIPMENT_REQUESTED, LABEL_VOID, LabelVoided(**PARCEL)))
    assert CARRIER_GATEWAY.answered(SHIPMENT_REQUESTED, given_back)


# ---- what the answers mean


def test_a_pending_payment_says_nothing_yet() -> None:
    assert PAYMENT_GATEWAY.record(PAID, account("pending")) is None
    cancelled = PAYMENT_GATEWAY.record(PAID, account("pending", voided=True))
    assert isinstance(cancelled, RecordProviderPayment)
    assert events_of(PAYMENT_GATEWAY, (AUTHORIZATION, VOID), cancelled) == [PaymentVoided]


def test_an_account_is_recorded_as_it_stands() -> None:
    captured = {"capture_id": "k 1", "amount_cents": 700, "status": "captured", "happened_at": None}
    failed = {"refund_id": "r1", "amount_cents": 500, "status": "failed", "happened_at": None}
    command = PAYMENT_GATEWAY.record(PAID, account(captures=[captured], refunds=[failed]))
    assert isinstance(command, RecordProviderPayment)
    assert command.payment_id == "p/1"
    assert command.happened_at == NOW
    assert events_of(PAYMENT_GATEWAY, (AUTHORIZATION,), command) == [
        PaymentAuthorized,
        PaymentCaptured,
        RefundFailed,
    ]


def test_the_provider_shows_what_it_did() -> None:
    captured = account(captures=[{"capture_id": "k 1"}], refunds=[{"refund_id": "r2"}])
    shown = [PAYMENT_GATEWAY.shows(each, captured) for each in (AUTHORIZATION, CAPTURE, REFUND, VOID)]
    assert shown == [True, True, False, False]
    assert PAYMENT_GATEWAY.shows(VOID, account(voided=True))
    shown = [CARRIER_GATEWAY.shows(each, shipment()) for each in (SHIPMENT_REQUESTED, LABEL_VOID)]
    assert shown == [True, False]


@pytest.mark.parametrize(
    ("request_", "known", "expected"),
    [
        (AUTHORIZATION, None, [PaymentDeclined]),
        (CAPTURE, None, [CaptureFailed]),
        (CAPTURE, account(), [PaymentAuthorized, CaptureFailed]),
        (REFUND, None, [RefundFailed]),
        (VOID, None, [PaymentVoided]),
        (VOID, account(), [PaymentAuthorized, VoidFailed]),
        (VOID, account("pending"), [VoidFailed]),
        (VOID, account("declined"), [PaymentDeclined, PaymentVoided]),
        (CAPTURE, account("pending"), [CaptureFailed]),
    ],
)
def test_what_the_provider_refuses_has_failed(
    request_: Event, known: dict[str, Any] | None, expected: list[type[Event]]
) -> None:
    history = (AUTHORIZATION,) if request_ is AUTHORIZATION else (AUTHORIZATION, request_)
    command = PAYMENT_GATEWAY.refused(fact(request_), PAYMENT.fold(history), known, "code: why")
    assert events_of(PAYMENT_GATEWAY, history, command) == expected


@pytest.mark.parametrize("request_", [CAPTURE, REFUND, VOID])
def test_what_the_provider_has_told_of_is_not_unknown_to_it(request_: Event) -> None:
    """Somebody else answered: a proxy without the route, a wrong base path."""
    authorized = PaymentAuthorized(payment_id="p/1", order_id="o1", amount_cents=1000, provider_reference="R")
    state = PAYMENT.fold((AUTHORIZATION, authorized, request_))
    with pytest.raises(Unavailable):
        PAYMENT_GATEWAY.refused(fact(request_), state, None, "status 404")
    bought = LabelBought(**PARCEL, carrier="R", tracking_number="T")
    label = SHIPMENT.fold((SHIPMENT_REQUESTED, bought, LABEL_VOID))
    with pytest.raises(Unavailable):
        CARRIER_GATEWAY.refused(fact(LABEL_VOID), label, None, "status 404")


def test_a_label_that_is_refused_stays_and_a_booking_that_is_refused_is_a_fact() -> None:
    history = (SHIPMENT_REQUESTED, LabelBought(**PARCEL, carrier="R", tracking_number="T"), LABEL_VOID)
    bought = SHIPMENT.fold(history)
    command = CARRIER_GATEWAY.refused(fact(LABEL_VOID), bought, shipment(), "collected")
    assert events_of(CARRIER_GATEWAY, history, command) == [LabelVoidFailed]
    history = (SHIPMENT_REQUESTED, LABEL_VOID)
    command = CARRIER_GATEWAY.refused(fact(LABEL_VOID), SHIPMENT.fold(history), None, "not found")
    assert events_of(CARRIER_GATEWAY, history, command) == [LabelVoided]
    asked = SHIPMENT.fold((SHIPMENT_REQUESTED,))
    command = CARRIER_GATEWAY.refused(fact(SHIPMENT_REQUESTED), asked, None, "no such state")
    assert events_of(CARRIER_GATEWAY, (SHIPMENT_REQUESTED,), command) == [LabelRefused]


def test_what_is_not_wanted_any_more_is_not_asked_for() -> None:
    """Nor is it answered: a call that was made before is seen through."""
    payment = PAYMENT.fold((AUTHORIZATION, VOID))
    assert PAYMENT_GATEWAY.unwanted(AUTHORIZATION, payment)
    assert not PAYMENT_GATEWAY.answered(AUTHORIZATION, payment)
    assert not PAYMENT_GATEWAY.unwanted(VOID, payment)
    parcel = SHIPMENT.fold((SHIPMENT_REQUESTED, LABEL_VOID))
    assert CARRIER_GATEWAY.unwanted(SHIPMENT_REQUESTED, parcel)
    assert not CARRIER_GATEWAY.answered(SHIPMENT_REQUESTED, parcel)
    assert not CARRIER_GATEWAY.unwanted(LABEL_VOID, parcel)
    refused = SHIPMENT.fold((SHIPMENT_REQUESTED, LabelRefused(**PARCEL, reason="no"), LABEL_VOID))
    assert CARRIER_GATEWAY.answered(SHIPMENT_REQUESTED, refused)


def test_a_movement_that_is_pending_says_nothing_yet() -> None:
    pending = {"capture_id": "k 1", "amount_cents": 700, "status": "pending", "happened_at": None}
    odd = {"refund_id": "r1", "amount_cents": 5, "status": "in_review", "happened_at": None}
    command = PAYMENT_GATEWAY.record(PAID, account(captures=[pending], refunds=[odd]))
    assert events_of(PAYMENT_GATEWAY, (AUTHORIZATION,), command) == [PaymentAuthorized]


def test_a_webhook_of_the_carrier_carries_one_scan() -> None:
    scan = {"scan_id": "1", "type": "delivered", "happened_at": None}
    command = CARRIER_GATEWAY.told(SENT, {"carrier": "R", "tracking_number": "T", "scan": scan})
    assert isinstance(command, RecordCarrierShipment)
    assert [each.scan_id for each in command.scans] == ["1"]
    unknown = scan | {"type": "held_at_customs"}
    command = CARRIER_GATEWAY.told(SENT, {"carrier": "R", "tracking_number": "T", "scan": unknown})
    assert isinstance(command, RecordCarrierShipment)
    assert [(each.type, each.detail) for each in command.scans] == [("exception", "held_at_customs")]


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ({"type": "exception", "detail": "address_unknown"}, ("exception", "address_unknown")),
        ({"type": "exception", "detail": "left with Ana Souza, Rua Augusta 1"}, ("exception", "")),
        ({"type": "delivered", "detail": "Ana"}, ("delivered", "")),
        ({"type": "handed to Ana Souza"}, ("exception", "")),
        ({"type": "held_at_customs", "detail": "for Ana"}, ("exception", "held_at_customs")),
        ({"type": "exception", "detail": None}, ("exception", "")),
    ],
)
def test_of_a_scan_its_codes_are_kept_and_no_words(told: dict[str, Any], kept: tuple[str, str]) -> None:
    """A carrier's words may be of who gets a parcel, and no erasure would reach them."""
    scan = {"scan_id": "1", "happened_at": None, **told}
    command = CARRIER_GATEWAY.told(SENT, {"carrier": "R", "tracking_number": "T", "scan": scan})
    assert isinstance(command, RecordCarrierShipment)
    assert [(each.type, each.detail) for each in command.scans] == [kept]


def test_unavailable_names_the_call() -> None:
    payment = PAYMENT_GATEWAY.unavailable(fact(CAPTURE), 6)
    assert payment == PaymentUnavailable(payment_id="p/1", call="capture", attempts=6)
    carrier = CARRIER_GATEWAY.unavailable(fact(SHIPMENT_REQUESTED), 6)
    assert carrier == CarrierUnavailable(shipment_id="s1", call="book", attempts=6)


# ---- when


class Hands:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_breaker_opens_after_failures_in_a_row_and_lets_one_try_at_a_time() -> None:
    hands = Hands()
    breaker = Breaker(failures=3, rest_s=10, now=hands, throw=lambda: 0.5)
    for _ in range(2):
        breaker.failed()
    breaker.succeeded()
    for _ in range(2):
        breaker.failed()
    assert breaker.admits()  # never three in a row
    breaker.failed()
    assert breaker.is_open
    hands.now = 14.9
    assert not breaker.admits()
    hands.now = 15.0
    assert [breaker.admits() for _ in range(3)] == [True, False, False]
    breaker.failed()
    hands.now = 29.9
    assert not breaker.admits()
    hands.now = 30.0
    assert breaker.admits()
    breaker.succeeded()
    assert [breaker.admits() for _ in range(3)] == [True, True, True]


@given(st.integers(0, 10**6), st.floats(0, 1, exclude_max=True))
def test_a_pause_has_full_jitter_and_a_limit(attempts: int, throw: float) -> None:
    patience = Patience(pause_s_first=0.5, pause_s_max=60)
    assert 0 <= patience.pause_s(attempts, throw) <= 60
    assert patience.pause_s(attempts, 1.0) <= patience.pause_s(attempts + 1, 1.0)


class Caller:
    """What becomes of each try, in turn."""

    def __init__(self, *tries: Exception | None) -> None:
        self.tries, self.told = list(tries), 0

    def account_of(self, call: Call) -> str:
        return call.fact.stream

    async def carry_out(self, call: Call) -> None:
        if trouble := self.tries.pop(0):
            raise trouble

    async def record_unavailable(self, call: Call) -> None:
        self.told = call.failures


async def test_whoever_was_not_asked_has_not_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pause after a call is as long as its own failures say; after others' it grows to some seconds only,
    and begins anew. That nothing can be had of the provider is told all the same."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr("services.gateways.lanes.asyncio.sleep", sleep)
    alone, failed = LeftAlone("open"), Unavailable("status 500")
    caller: Any = Caller(failed, *[alone] * 7, failed, alone, None)
    async with TaskGroup() as tasks:
        patience = Patience(attempts=4, pause_s_first=1.0, left_alone_s_max=15.0, throw=lambda: 1.0)
        call = Call(fact(AUTHORIZATION, 1), doubtful=False, next_at=NOW)
        Lanes(caller, WallClock(), patience, tasks).start(call)
    assert pauses == [1.0, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0, 2.0, 1.0]
    assert (call.attempts, call.left_alone, caller.told) == (2, 8, 4)


def test_the_table_hears_of_a_call_only_while_it_is_open() -> None:
    calls = OpenCalls()
    quick, slow = (Call(fact(AUTHORIZATION, position), doubtful=False, next_at=NOW) for position in (1, 2))
    for call in (quick, slow):
        calls.open(call)
    calls.close(quick)
    assert calls.changes()["positions"] == [2]
    assert calls.changes() == {
        "positions": [],
        "correlations": [],
        "attempts": [],
        "next_at": [],
        "closed": [],
    }
    slow.attempts = 3
    calls.postponed(slow)
    assert calls.changes()["attempts"] == [3]
    calls.close(slow)
    assert calls.changes()["closed"] == [2]
    assert len(calls) == 0

"""Do the facts of a provider or carrier fold to the same state in any order and any number of times?

An honest provider's letters are true accounts of a history that grows; they arrive in any order, twice, or
not at all but for the last. Loose facts are parts of an account, true or not, told in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from domain.aggregates import AnyDecider
from domain.carrier import (
    SHIPMENT,
    LabelVoidRequested,
    RecordCarrierShipment,
    Scan,
    Shipment,
    ShipmentEvent,
    ShipmentRequested,
)
from domain.kernel import Event
from domain.payment import (
    PAYMENT,
    AuthorizationRequested,
    CaptureFailed,
    CaptureRequested,
    Dispute,
    Movement,
    Payment,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentEvent,
    PaymentRefunded,
    PaymentVoided,
    RecordProviderPayment,
    RefundRequested,
    VoidRequested,
)
from tests.strategies import CUSTOMER, SCANS, customer_actions, disputes, handed_in

IDS = {"payment_id": "p1", "order_id": "o1"}
REQUESTED = AuthorizationRequested(**IDS, amount_cents=100, currency="BRL", method="card")
OUR_REQUESTS: tuple[PaymentEvent, ...] = (
    CaptureRequested(**IDS, capture_id="c1", amount_cents=60),
    CaptureRequested(**IDS, capture_id="c2", amount_cents=40),
    RefundRequested(**IDS, refund_id="r1", amount_cents=50),
    RefundRequested(**IDS, refund_id="r2", amount_cents=30),
    VoidRequested(**IDS),
)
CAPTURES = {"c1": 60, "c2": 40, "c3": 70}
REFUNDS = {"r1": 50, "r2": 30, "r3": 80}

requests = st.lists(st.sampled_from(OUR_REQUESTS), unique=True, max_size=5)


def account(**fields: Any) -> RecordProviderPayment:
    usual: dict[str, Any] = {"payment_id": "p1", "provider_reference": "x1", "amount_cents": 100}
    return RecordProviderPayment(**{**usual, "status": "authorized", **fields})


def tell(decider: AnyDecider, state: Any, accounts: Sequence[Any]) -> tuple[Any, list[Event]]:
    """The state after the accounts have arrived, and the facts that were made of them."""
    stream: list[Event] = []
    for each in accounts:
        events = decider.decide(each, state)
        stream.extend(events)
        state = decider.fold(events, state)
    return state, stream


@st.composite
def letters(draw: DrawFn) -> list[RecordProviderPayment]:
    """What an honest provider writes as it authorises, captures and refunds within limits, or voids."""
    status = draw(st.sampled_from(["authorized", "authorized", "authorized", "declined"]))
    written = [account(status="pending"), account(status=status)]
    limits = {"captures": 100 if status == "authorized" else 0, "refunds": 0}
    for kind in draw(st.lists(st.sampled_from(["captures", "captures", "refunds"]), max_size=6)):
        last = written[-1]
        amounts, done = (CAPTURES if kind == "captures" else REFUNDS), getattr(last, kind)
        known = {each.reference for each in done}
        possible = [r for r, amount in amounts.items() if r not in known and amount <= limits[kind]]
        if not possible:
            continue
        reference, succeeded = draw(st.sampled_from(possible)), draw(st.sampled_from([True, True, False]))
        moved = Movement(reference=reference, amount_cents=amounts[reference], succeeded=succeeded)
        written.append(last.model_copy(update={kind: (*done, moved)}))
        limits[kind] -= amounts[reference] if succeeded else 0
        limits["refunds"] += amounts[reference] if succeeded and kind == "captures" else 0
    taken = sum(each.amount_cents for each in written[-1].captures if each.succeeded)
    if taken and draw(st.booleans()):
        written += disputed(written[-1], taken, draw(st.sampled_from(["open", "won", "lost"])))
    if taken < 100 and draw(st.booleans()):
        lapsed = status == "authorized" and draw(st.booleans())
        written.append(written[-1].model_copy(update={"voided": True, "lapsed": lapsed}))
    return written


def disputed(last: RecordProviderPayment, cents: int, end: Any) -> list[RecordProviderPayment]:
    """A dispute is opened, and decided."""
    steps = dict.fromkeys(("open", end))
    return [
        last.model_copy(
            update={"disputes": (Dispute(dispute_id="d1", amount_cents=cents, status=step),)}  # type: ignore[arg-type]
        )
        for step in steps
    ]


@given(history=letters(), asked=requests, data=st.data())
def test_letters_in_any_order_leave_what_the_last_one_says(
    history: list[RecordProviderPayment], asked: list[PaymentEvent], data: st.DataObject
) -> None:
    before = PAYMENT.fold([REQUESTED, *asked])
    some = data.draw(st.lists(st.sampled_from(history), max_size=8))
    arrived = data.draw(st.permutations([*some, history[-1]]))
    state, stream = tell(PAYMENT, before, arrived)
    assert state == tell(PAYMENT, before, [history[-1]])[0]
    voided = [event.amount_cents for event in stream if isinstance(event, PaymentVoided)]
    held = (state.authorized_cents or 0) - state.captured_cents - state.expired_cents
    assert voided == ([held] if history[-1].voided else [])
    assert state == tell(PAYMENT, before, history)[0]
    assert not state.open_kinds


@given(history=letters(), asked=requests, data=st.data())
def test_a_letter_older_than_known_changes_nothing(
    history: list[RecordProviderPayment], asked: list[PaymentEvent], data: st.DataObject
) -> None:
    newest = data.draw(st.integers(0, len(history) - 1))
    state, _ = tell(PAYMENT, PAYMENT.fold([REQUESTED, *asked]), [history[newest]])
    for older in history[: newest + 1]:
        assert PAYMENT.decide(older, state) == ()


@st.composite
def loose_facts(draw: DrawFn, amounts: dict[str, int]) -> tuple[Movement, ...]:
    """Any of the movements, some of them twice, some told as failed: the amount of a reference is one."""
    chosen = draw(st.lists(st.sampled_from(sorted(amounts)), max_size=3))
    return tuple(
        Movement(reference=each, amount_cents=amounts[each], succeeded=draw(st.booleans())) for each in chosen
    )


loose_accounts = st.builds(
    account,
    status=st.sampled_from(["pending", "authorized", "declined"]),
    captures=loose_facts(CAPTURES),
    refunds=loose_facts(REFUNDS),
    voided=st.booleans(),
    void_refused=st.sampled_from(["", "", "captured"]),
    action=st.none() | customer_actions,
    disputes=st.lists(disputes, max_size=2).map(tuple),
    evidence=st.lists(handed_in, max_size=2).map(tuple),
)


def last_word(told: list[Event], reference: str) -> type[Event]:
    """What was said of the capture last."""
    said = [each for each in told if getattr(each, "capture_id", "") == reference]
    return type(said[-1])


def money(payment: Payment) -> Payment:
    """Without what only the order tells: of a void that came first nobody knew what it voided."""
    nothing = {"discrepancies": frozenset(), "mismatches": {}, "sent_back": frozenset()}
    return replace(payment, voided_cents=0, expired_cents=0, **nothing)  # type: ignore[arg-type]


@given(facts=st.lists(loose_accounts, min_size=1, max_size=5), asked=requests, data=st.data())
def test_loose_facts_in_any_order_and_number_come_to_the_same_money(
    facts: list[RecordProviderPayment], asked: list[PaymentEvent], data: st.DataObject
) -> None:
    before = PAYMENT.fold([REQUESTED, *asked])
    one, stream = tell(PAYMENT, before, facts)
    again = data.draw(st.lists(st.sampled_from(facts), max_size=4))
    other, other_stream = tell(PAYMENT, before, data.draw(st.permutations([*facts, *again])))
    assert money(one) == money(other)
    for state, told in ((one, stream), (other, other_stream)):
        captured = [event for event in told if isinstance(event, PaymentCaptured)]
        refunded = [event for event in told if isinstance(event, PaymentRefunded)]
        assert sum(event.amount_cents for event in captured) == state.captured_cents
        assert sum(event.amount_cents for event in refunded) == state.refunded_cents
        assert [type(event) for event in told].count(PaymentAuthorized) <= 1
        done = [event.capture_id for event in told if isinstance(event, PaymentCaptured)]
        late = [event.capture_id for event in told if isinstance(event, CaptureFailed)]
        assert len(done) == len(set(done))
        assert len(late) == len(set(late)), "a failure told again is no news"
        assert all(last_word(told, reference) is PaymentCaptured for reference in done)


@given(facts=st.lists(loose_accounts, min_size=1, max_size=5), asked=requests)
def test_a_contradiction_is_open_in_whatever_order_it_was_told(
    facts: list[RecordProviderPayment], asked: list[PaymentEvent]
) -> None:
    state, stream = tell(PAYMENT, PAYMENT.fold([REQUESTED, *asked]), facts)
    authorized = state.authorized_cents is not None
    let_go = state.voided_cents + state.captured_cents
    true = {
        "captured_above_authorized": authorized and state.captured_cents > state.authorized_cents,
        "captured_after_void": state.void == "done"
        and state.captured_cents > 0
        and let_go > (state.authorized_cents or 0),
        "refunded_above_captured": state.refunded_cents > state.captured_cents,
        "authorized_and_declined": authorized and state.declined,
    }
    # what a later fact has explained is open no more; how it came about only the void's own kind tells
    assert state.discrepancies - {"authorized_after_void"} == {kind for kind, holds in true.items() if holds}
    # of a void and an authorisation only the one that came after tells whether they contradict each other
    told = [event for event in stream if isinstance(event, PaymentAuthorized | PaymentVoided)]
    voided_first = [type(event) for event in told][:2] == [PaymentVoided, PaymentAuthorized]
    assert ("authorized_after_void" in state.discrepancies) == voided_first
    kinds = [type(event).__name__ for event in stream]
    resolved = kinds.count("PaymentDiscrepancyResolved")
    assert kinds.count("PaymentDiscrepancyOpened") - resolved == len(state.discrepancies)


@st.composite
def tracks(draw: DrawFn) -> RecordCarrierShipment:
    scans = draw(st.lists(st.sampled_from(sorted(SCANS)), max_size=4))
    return RecordCarrierShipment.model_validate(
        {
            "shipment_id": "s1",
            "carrier": "correios",
            "tracking_number": draw(st.sampled_from(["BR1", ""])),
            "voided": draw(st.sampled_from([False, False, True])),
            "void_refused": draw(st.sampled_from(["", "", "collected"])),
            "scans": tuple(Scan.model_validate({"scan_id": each, "type": SCANS[each]}) for each in scans),
        }
    )


def parcel(void_asked: bool) -> Shipment:
    ids = {"shipment_id": "s1", "order_id": "o1"}
    asked: tuple[ShipmentEvent, ...] = (LabelVoidRequested(**ids),) if void_asked else ()
    requested = ShipmentRequested(**ids, subject="u1", recipient=CUSTOMER, ship_to_state="SP", units=1)
    return SHIPMENT.fold([requested, *asked])


@given(facts=st.lists(tracks(), min_size=1, max_size=5), void_asked=st.booleans(), data=st.data())
def test_scans_in_any_order_and_number_come_to_the_same_parcel(
    facts: list[RecordCarrierShipment], void_asked: bool, data: st.DataObject
) -> None:
    before = parcel(void_asked)
    again = data.draw(st.lists(st.sampled_from(facts), max_size=4))
    other, stream = tell(SHIPMENT, before, data.draw(st.permutations([*facts, *again])))
    assert other == tell(SHIPMENT, before, facts)[0]
    kinds = [type(event).__name__ for event in stream]
    assert all(kinds.count(kind) <= 1 for kind in set(kinds) - {"ShipmentScanned"})


@given(early=st.lists(tracks(), max_size=3), late=st.lists(tracks(), max_size=3), void_asked=st.booleans())
def test_a_late_scan_never_undoes_a_delivery(
    early: list[RecordCarrierShipment], late: list[RecordCarrierShipment], void_asked: bool
) -> None:
    delivery = RecordCarrierShipment.model_validate(
        {
            "shipment_id": "s1",
            "carrier": "correios",
            "tracking_number": "BR1",
            "scans": [{"scan_id": "t4", "type": "delivered"}],
        }
    )
    state, _ = tell(SHIPMENT, parcel(void_asked), [*early, delivery])
    assert state.delivered
    for each in late:
        before, (state, stream) = state, tell(SHIPMENT, state, [each])
        assert state.delivered
        assert state.dispatched
        assert before.scans <= state.scans
        assert "ShipmentDelivered" not in {type(event).__name__ for event in stream}

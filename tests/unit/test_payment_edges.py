"""Part captures and voids, 3-D Secure, disputes, expiry, discrepancies: does each edge case work?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from domain.payment import (
    AuthorizationExpired,
    CaptureFailed,
    CapturePayment,
    CaptureRequested,
    CustomerAction,
    CustomerActionCompleted,
    CustomerActionExpired,
    CustomerActionFailed,
    CustomerActionRequired,
    Dispute,
    DisputeLost,
    DisputeOpened,
    DisputeWon,
    Evidence,
    EvidenceFailed,
    EvidenceRequested,
    EvidenceSubmitted,
    ExpireAuthorization,
    ExpireCustomerAction,
    Finding,
    Movement,
    PaymentAuthorized,
    PaymentDeclined,
    PaymentDiscrepancyResolved,
    PaymentMismatchOpened,
    PaymentRefunded,
    PaymentVoided,
    RecordFindings,
    RecordUnknownCharge,
    RequestCapture,
    RequestReversal,
    RequestVoid,
    ResolveDiscrepancy,
    SubmitEvidence,
)
from domain.personal import Sealed
from tests.unit.test_payment import (
    AUTHORIZED,
    IDS,
    OPEN,
    REQUESTED,
    VOID,
    VOIDED,
    capture_requested,
    captured,
    discrepancy,
    moved,
    payment,
    refund,
    refund_requested,
    refunded,
    told,
)

NOON = datetime(2024, 2, 29, 12, tzinfo=UTC)
PAID = (*OPEN, capture_requested(100), captured(100))
PART = (*OPEN, capture_requested(60), captured(60))
REMAINDER = PaymentVoided(**IDS, amount_cents=40)
SEALED = Sealed(sealed="bm9uY2U=")


def by_hand(cents: int | None, capture_id: str = "c9") -> CapturePayment:
    return CapturePayment(payment_id="p1", capture_id=capture_id, amount_cents=cents)


def dispute(status: Any, cents: int = 100, dispute_id: str = "d1") -> Dispute:
    return Dispute(dispute_id=dispute_id, amount_cents=cents, status=status, reason="fraudulent")


def opened(cents: int = 100) -> DisputeOpened:
    return DisputeOpened(**IDS, dispute_id="d1", amount_cents=cents, reason="fraudulent")


def mismatch(kind: Any, ours: int, theirs: int, reference: str = "") -> PaymentMismatchOpened:
    return PaymentMismatchOpened(
        **IDS, kind=kind, ours_cents=ours, theirs_cents=theirs, provider_reference=reference
    )


# ---- part captures and voids


def test_a_person_captures_a_part_and_then_all_that_is_left() -> None:
    payment.given(*OPEN).when(by_hand(60)).then(capture_requested(60, "c9"))
    payment.given(*PART).when(by_hand(None)).then(capture_requested(40, "c9"))
    payment.given(*OPEN, capture_requested(60, "c9")).when(by_hand(60)).then_nothing()


ONCE = (REQUESTED, PaymentAuthorized(**IDS, amount_cents=100, provider_reference="x1", in_parts=False))


def test_a_person_says_which_capture_is_the_last() -> None:
    last = CapturePayment(payment_id="p1", capture_id="c9", amount_cents=60, last=True)
    asked = CaptureRequested(**IDS, capture_id="c9", amount_cents=60, last=True)
    payment.given(*OPEN).when(last).then(asked)
    payment.given(*ONCE).when(last).then(asked)
    payment.given(*ONCE).when(by_hand(60)).then_refused("capture_at_once")
    payment.given(*ONCE).when(by_hand(None)).then(asked.model_copy(update={"amount_cents": 100}))


def test_no_capture_is_the_last_while_another_is_under_way() -> None:
    more = RequestCapture(payment_id="p1", capture_id="c9", amount_cents=30, last=True)
    payment.given(*OPEN, capture_requested(60)).when(more).then(capture_requested(30, "c9"))


@pytest.mark.parametrize(
    ("history", "rule"),
    [
        ((REQUESTED,), "capture_authorized"),
        ((REQUESTED, PaymentDeclined(**IDS, reason="no")), "capture_authorized"),
        ((*OPEN, VOID), "capture_before_void"),
        ((*OPEN, VOID, VOIDED), "capture_before_void"),
        ((*OPEN, AuthorizationExpired(**IDS, amount_cents=100)), "capture_before_expiry"),
        (PAID, "capture_within_authorized"),
        ((*OPEN, capture_requested(60)), "capture_within_authorized"),
    ],
)
def test_a_person_is_told_why_nothing_can_be_captured(history: tuple[Any, ...], rule: str) -> None:
    payment.given(*history).when(by_hand(41)).then_refused(rule)


def test_captured_and_pending_never_exceed_what_is_authorised() -> None:
    message = (
        payment.given(*OPEN, capture_requested(60))
        .when(by_hand(41))
        .then_refused("capture_within_authorized")
    )
    assert message == "100 cents are authorised; 40 can still be captured, not 41"


def test_the_rest_is_captured_where_a_person_was_faster_with_a_part() -> None:
    rest = RequestCapture(payment_id="p1", capture_id="c2", amount_cents=100, rest=True)
    payment.given(*PART).when(rest).then(capture_requested(40, "c2"))
    payment.given(*OPEN, capture_requested(60)).when(rest).then(capture_requested(40, "c2"))
    payment.given(*PAID).when(rest).then_nothing()
    payment.given(*OPEN).when(rest).then(capture_requested(100, "c2"))
    lost = CaptureFailed(**IDS, capture_id="c2", reason="the payment is voided, or about to be")
    payment.given(*OPEN, VOID).when(rest).then(lost)
    payment.given(*PART, VOID).when(rest).then(lost)


def test_what_remains_after_a_part_capture_is_voided() -> None:
    void = RequestVoid(payment_id="p1")
    payment.given(*PART).when(void).then(VOID)
    payment.given(*PART, VOID).when(void).then_nothing()
    payment.given(*PART, VOID).when(told(captures=(moved("c1", 60),), voided=True)).then(REMAINDER)
    done = payment.given(*PART, VOID, REMAINDER)
    assert (done.state.captured_cents, done.state.voided_cents, done.state.open_cents) == (60, 40, 0)
    done.when(void).then_nothing()
    done.when(by_hand(1)).then_refused("capture_before_void")
    done.when(refund(60)).then(refund_requested(60))


def test_a_void_waits_for_the_capture_that_is_under_way() -> None:
    payment.given(*OPEN, capture_requested(60)).when(RequestVoid(payment_id="p1")).then_refused(
        "void_uncaptured"
    )


def test_no_capture_after_void() -> None:
    again = told(captures=(moved("c1", 60), moved("c2", 40)), voided=True)
    payment.given(*PART, VOID, REMAINDER).when(again).then(
        captured(40, "c2"), discrepancy("captured_after_void")
    )


def test_a_reversal_of_a_part_capture_gives_back_and_lets_go() -> None:
    reverse = RequestReversal(payment_id="p1")
    payment.given(*PART).when(reverse).then(refund_requested(60, "p1.refund"), VOID)
    payment.given(*PART, VOID).when(reverse).then(refund_requested(60, "p1.refund"))


# ---- double capture by a webhook race


def test_double_capture_by_a_webhook_race_is_one_capture() -> None:
    answer = told(captures=(moved("c1", 60),))
    raced = payment.given(*OPEN, capture_requested(60)).when(answer)
    raced.then(captured(60))
    payment.given(*OPEN, capture_requested(60), captured(60)).when(answer).then_nothing()
    payment.given(*OPEN, capture_requested(60), captured(60)).when(
        RequestCapture(payment_id="p1", capture_id="c1", amount_cents=60)
    ).then_nothing()


def test_time_out_after_success_at_the_provider_is_found_and_not_asked_for_twice() -> None:
    unknown = (*OPEN, capture_requested(100))
    payment.given(*unknown).when(by_hand(None)).then_refused("capture_within_authorized")
    payment.given(*unknown).when(told(captures=(moved("c1", 100),))).then(captured(100))


def test_refund_of_what_never_captured_is_refused() -> None:
    message = payment.given(*OPEN).when(refund(1)).then_refused("refund_within_captured")
    assert message == "0 cents are captured; at most 0 can still be refunded"


# ---- expiry


def test_authorisation_expiry_told_by_the_provider() -> None:
    lapsed = AuthorizationExpired(**IDS, amount_cents=100)
    account = told(lapsed=True, voided=True)
    payment.given(*OPEN).when(account).then(lapsed, PaymentVoided(**IDS, amount_cents=0))
    payment.given(*OPEN, lapsed, PaymentVoided(**IDS, amount_cents=0)).when(account).then_nothing()
    payment.given(REQUESTED).when(account).then(AUTHORIZED, lapsed, PaymentVoided(**IDS, amount_cents=0))


def test_authorisation_expiry_against_a_fraud_hold_refuses_the_capture_clearly() -> None:
    lapsed = AuthorizationExpired(**IDS, amount_cents=100)
    message = payment.given(*OPEN, lapsed).when(by_hand(None)).then_refused("capture_before_expiry")
    assert "not sent is cancelled with it" in message, "then none can be added"
    assert "to any other add another payment" in message


def test_what_a_part_capture_left_expires_alone() -> None:
    lapsed = AuthorizationExpired(**IDS, amount_cents=40)
    payment.given(*PART).when(ExpireAuthorization(payment_id="p1")).then(lapsed, VOID)
    state = payment.given(*PART, lapsed).state
    assert (state.captured_cents, state.expired_cents, state.open_cents) == (60, 40, 0)
    payment.given(*PAID).when(ExpireAuthorization(payment_id="p1")).then_nothing()


def test_a_capture_told_after_the_expiry_opens_a_discrepancy() -> None:
    lapsed = AuthorizationExpired(**IDS, amount_cents=100)
    late = told(captures=(moved("c1", 60),))
    payment.given(*OPEN, lapsed).when(late).then(captured(60), mismatch("captured_after_expiry", 0, 60))
    payment.given(*OPEN, lapsed, captured(60), mismatch("captured_after_expiry", 0, 60)).when(
        late
    ).then_nothing()


# ---- customer action (3-D Secure)

ACTION = CustomerActionRequired(
    **IDS, action_id="a1", redirect_url="https://bank.example/3ds", expires_at=NOON
)


def action(status: Any) -> Any:
    act = CustomerAction(
        action_id="a1", status=status, redirect_url="https://bank.example/3ds", expires_at=NOON, reason="no"
    )
    return told("pending", action=act)


def test_customer_action_is_required_and_done() -> None:
    payment.given(REQUESTED).when(action("required")).then(ACTION)
    payment.given(REQUESTED, ACTION).when(action("required")).then_nothing()
    done = CustomerActionCompleted(**IDS, action_id="a1")
    payment.given(REQUESTED, ACTION).when(action("completed")).then(done)
    payment.given(REQUESTED, done).when(action("required")).then_nothing()  # a late letter


def test_customer_action_fails() -> None:
    account = action("failed").model_copy(update={"status": "declined", "reason": "not recognised"})
    payment.given(REQUESTED, ACTION).when(account).then(
        CustomerActionFailed(**IDS, action_id="a1", reason="no"),
        PaymentDeclined(**IDS, reason="not recognised"),
    )


def test_customer_action_expires_and_the_payment_is_let_go() -> None:
    expire = ExpireCustomerAction(payment_id="p1")
    gone = CustomerActionExpired(**IDS, action_id="a1")
    payment.given(REQUESTED, ACTION).when(expire).then(gone, VOID)
    payment.given(REQUESTED, ACTION, gone, VOID).when(expire).then_nothing()
    payment.given(REQUESTED, ACTION, AUTHORIZED).when(expire).then_nothing()
    payment.given(REQUESTED).when(expire).then_nothing()
    # the customer came at the last moment: what is held is voided all the same
    came, late = told(voided=True), CustomerActionCompleted(**IDS, action_id="a1")
    payment.given(REQUESTED, ACTION, gone, VOID).when(came).then(AUTHORIZED, late, VOIDED)
    again = action("completed").model_copy(
        update={"status": "authorized", "authorized_cents": 100, "voided": True}
    )
    payment.given(REQUESTED, ACTION, gone, VOID, AUTHORIZED, late, VOIDED).when(again).then_nothing()


# ---- disputes


def test_a_dispute_takes_the_money_until_it_is_won() -> None:
    payment.given(*PAID).when(told(captures=(moved("c1", 100),), disputes=(dispute("open"),))).then(opened())
    disputed = payment.given(*PAID, opened())
    assert (disputed.state.disputed_cents, disputed.state.refundable_cents) == (100, 0)
    won = DisputeWon(**IDS, dispute_id="d1", amount_cents=100)
    disputed.when(told(disputes=(dispute("won"),))).then(won)
    assert payment.given(*PAID, opened(), won).state.refundable_cents == 100


def test_a_lost_dispute_keeps_the_money_and_a_late_opening_changes_nothing() -> None:
    lost = DisputeLost(**IDS, dispute_id="d1", amount_cents=100)
    payment.given(*PAID).when(told(disputes=(dispute("lost"),))).then(opened(), lost)
    payment.given(*PAID, opened(), lost).when(told(disputes=(dispute("open"),))).then_nothing()
    assert payment.given(*PAID, opened(), lost).state.disputed_cents == 100


def test_what_is_disputed_is_not_refunded_as_well() -> None:
    message = payment.given(*PAID, opened(60)).when(refund(41)).then_refused("refund_within_captured")
    assert message == "100 cents are captured; at most 40 can still be refunded; 60 are disputed"
    payment.given(*PAID, opened()).when(RequestReversal(payment_id="p1")).then_nothing()


def test_won_and_lost_is_a_contradiction_in_either_order() -> None:
    won, lost = (kind(**IDS, dispute_id="d1", amount_cents=100) for kind in (DisputeWon, DisputeLost))
    payment.given(*PAID, opened(), won).when(told(disputes=(dispute("lost"),))).then(
        lost, mismatch("won_and_lost", 100, 0)
    )
    payment.given(*PAID, opened(), lost).when(told(disputes=(dispute("won"),))).then(
        mismatch("won_and_lost", 100, 0)
    )


def test_of_what_was_taken_beyond_the_authorisation_there_is_no_rest_to_capture() -> None:
    above = payment.given(*OPEN, capture_requested(100), captured(129))
    message = above.when(by_hand(None)).then_refused("capture_within_authorized")
    assert message == "100 cents are authorised; 0 can still be captured, not 0"


def test_a_refund_that_comes_back_after_it_was_told_done_is_for_a_person() -> None:
    """The customer's bank may return it days later: the money is with the merchant again."""
    done = PaymentRefunded(**IDS, refund_id="r1", amount_cents=40)
    came_back = told(refunds=(Movement(reference="r1", amount_cents=40, succeeded=False, reason="closed"),))
    found = mismatch("refunded_and_failed", 40, 0, "r1")
    more = PaymentRefunded(**IDS, refund_id="r2", amount_cents=40)
    other = told(refunds=(Movement(reference="r2", amount_cents=40, succeeded=False, reason="closed"),))
    both = mismatch("refunded_and_failed", 80, 0, "r2")
    payment.given(*PAID, done, more, found).when(other).then(both)
    for said in (came_back, other):
        payment.given(*PAID, done, more, found, both).when(said).then_nothing()
    payment.given(*PAID, done).when(came_back).then(found)
    payment.given(*PAID, done, found).when(came_back).then_nothing()


def test_evidence_is_handed_in_once_while_the_dispute_is_open() -> None:
    evidence = Evidence(text="delivered and signed for")
    submit = SubmitEvidence(
        payment_id="p1", dispute_id="d1", evidence_id="e1", subject="u1", evidence=evidence
    )
    asked = EvidenceRequested(**IDS, dispute_id="d1", evidence_id="e1", subject="u1", evidence=evidence)
    payment.given(*PAID, opened()).when(submit).then(asked)
    payment.given(*PAID, opened(), asked).when(submit).then_nothing()
    payment.given(*PAID).when(submit).then_refused("dispute_exists")
    lost = DisputeLost(**IDS, dispute_id="d1", amount_cents=100)
    payment.given(*PAID, opened(), lost).when(submit).then_refused("evidence_while_open")
    handed = Movement(reference="d1/e1", amount_cents=0, succeeded=True)
    payment.given(*PAID, opened(), asked).when(told(evidence=(handed,))).then(
        EvidenceSubmitted(**IDS, dispute_id="d1", evidence_id="e1")
    )
    refused = handed.model_copy(update={"succeeded": False, "reason": "too late"})
    payment.given(*PAID, opened(), asked).when(told(evidence=(refused,))).then(
        EvidenceFailed(**IDS, dispute_id="d1", evidence_id="e1", reason="too late")
    )


# ---- discrepancies


def test_a_refund_told_before_its_capture_is_explained_by_the_later_fact() -> None:
    early = (*OPEN, refunded(60), discrepancy("refunded_above_captured"))
    payment.given(*early).when(told(captures=(moved("c1", 60),), refunds=(moved("r1", 60),))).then(
        captured(60),
        PaymentDiscrepancyResolved(
            **IDS, kind="refunded_above_captured", by="fact", reason="what was told later agrees"
        ),
    )


def test_a_person_resolves_a_discrepancy_with_a_reason_and_it_stays_resolved() -> None:
    above = told(captures=(moved("c1", 101),))
    history = (*OPEN, captured(101), discrepancy("captured_above_authorized"))
    resolve = ResolveDiscrepancy(payment_id="p1", kind="captured_above_authorized", reason="agreed by phone")
    resolved = PaymentDiscrepancyResolved(
        **IDS, kind="captured_above_authorized", by="person", reason="agreed by phone"
    )
    payment.given(*history).when(resolve).then(resolved)
    payment.given(*history, resolved).when(resolve).then_nothing()
    payment.given(*history, resolved).when(above).then_nothing()
    message = payment.given(*OPEN).when(resolve).then_refused("discrepancy_exists")
    assert message == "no discrepancy captured_above_authorized of this payment is open; open: none"


def test_reconciliation_opens_what_differs_once_and_a_late_fact_closes_it() -> None:
    differs = Finding(kind="captured_differs", ours_cents=60, theirs_cents=100)
    found = RecordFindings(payment_id="p1", findings=(differs,), provider_reference="x1")
    open_ = mismatch("captured_differs", 60, 100, "x1")
    payment.given(*PART).when(found).then(open_)
    payment.given(*PART, open_).when(found).then_nothing()
    payment.given(*PART, open_).when(RecordFindings(payment_id="p1")).then(
        PaymentDiscrepancyResolved(
            **IDS, kind="captured_differs", by="fact", reason="the provider's books agree now"
        )
    )


def test_a_resolved_difference_opens_again_only_with_other_figures() -> None:
    open_ = mismatch("captured_differs", 60, 100, "x1")
    resolved = PaymentDiscrepancyResolved(**IDS, kind="captured_differs", by="person", reason="known")
    history = (*PART, open_, resolved)
    same = Finding(kind="captured_differs", ours_cents=60, theirs_cents=100)
    payment.given(*history).when(RecordFindings(payment_id="p1", findings=(same,))).then_nothing()
    other = same.model_copy(update={"theirs_cents": 90})
    payment.given(*history).when(RecordFindings(payment_id="p1", findings=(other,))).then(
        mismatch("captured_differs", 60, 90)
    )


def test_a_charge_that_we_do_not_know_is_kept_and_resolved_by_a_person() -> None:
    ids = {"payment_id": "pi_7", "order_id": "pi_7"}
    unknown = RecordUnknownCharge(**ids, provider_reference="pi_7", theirs_cents=500, currency="EUR")
    opened_ = PaymentMismatchOpened(
        **ids,
        kind="unknown_charge",
        ours_cents=0,
        theirs_cents=500,
        provider_reference="pi_7",
        currency="EUR",
    )
    payment.given().when(unknown).then(opened_)
    payment.given(opened_).when(unknown).then_nothing()
    payment.given(opened_).when(refund(1)).then_refused("payment_exists")
    resolve = ResolveDiscrepancy(payment_id="pi_7", kind="unknown_charge", reason="taken at the till")
    resolved = PaymentDiscrepancyResolved(
        **ids, kind="unknown_charge", by="person", reason="taken at the till"
    )
    payment.given(opened_).when(resolve).then(resolved)
    payment.given(opened_, resolved).when(unknown).then_nothing()
    payment.given().when(resolve).then_refused("payment_exists")
    payment.given(*OPEN).when(unknown).then_nothing()


def test_the_books_of_a_payment_add_up_at_each_step() -> None:
    history = (*PART, opened(20), refunded(10), VOID, REMAINDER)
    for end in range(2, len(history) + 1):
        state = payment.given(*history[:end]).state
        let_go = state.voided_cents + state.expired_cents
        assert state.captured_cents + let_go + state.open_cents == state.authorized_cents

"""Do we ask a provider only for what we may, and believe whatever it says?"""

from __future__ import annotations

from typing import Any

import pytest

from domain.payment import (
    NOT_SENT,
    PAYMENT,
    AuthorizationExpired,
    AuthorizationRequested,
    CaptureFailed,
    CaptureRequested,
    ExpireAuthorization,
    Movement,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentCommand,
    PaymentDeclined,
    PaymentDiscrepancyOpened,
    PaymentProviderUnavailable,
    PaymentRefunded,
    PaymentVoided,
    RecordProviderPayment,
    RecordUnavailable,
    RefundFailed,
    RefundRequested,
    RequestAuthorization,
    RequestCapture,
    RequestRefund,
    RequestReversal,
    RequestVoid,
    VoidFailed,
    VoidRequested,
)
from tests.specification import Specification

payment = Specification(PAYMENT)
IDS = {"payment_id": "p1", "order_id": "o1"}
CARD = {"currency": "BRL", "method": "card"}
REQUESTED = AuthorizationRequested(**IDS, **CARD, amount_cents=100)
AUTHORIZED = PaymentAuthorized(**IDS, amount_cents=100, provider_reference="x1")
DECLINED = PaymentDeclined(**IDS, reason="declined")
VOID = VoidRequested(**IDS)
VOIDED = PaymentVoided(**IDS, amount_cents=100)
EXPIRED = AuthorizationExpired(**IDS, amount_cents=100)
OPEN = (REQUESTED, AUTHORIZED)


def capture_requested(cents: int, capture_id: str = "c1") -> CaptureRequested:
    return CaptureRequested(**IDS, capture_id=capture_id, amount_cents=cents)


def captured(cents: int, capture_id: str = "c1") -> PaymentCaptured:
    return PaymentCaptured(**IDS, capture_id=capture_id, amount_cents=cents)


def refund_requested(cents: int, refund_id: str = "r1") -> RefundRequested:
    return RefundRequested(**IDS, refund_id=refund_id, amount_cents=cents)


def refunded(cents: int, refund_id: str = "r1") -> PaymentRefunded:
    return PaymentRefunded(**IDS, refund_id=refund_id, amount_cents=cents)


def capture(cents: int, capture_id: str = "c1") -> RequestCapture:
    return RequestCapture(payment_id="p1", capture_id=capture_id, amount_cents=cents)


def refund(cents: int, refund_id: str = "r1") -> RequestRefund:
    return RequestRefund(payment_id="p1", refund_id=refund_id, amount_cents=cents)


def moved(reference: str, cents: int, succeeded: bool = True) -> Movement:
    return Movement(reference=reference, amount_cents=cents, succeeded=succeeded)


def told(status: str = "authorized", **fields: Any) -> RecordProviderPayment:
    usual: dict[str, Any] = {"payment_id": "p1", "provider_reference": "x1", "amount_cents": 100}
    return RecordProviderPayment(**usual, status=status, **fields)


def discrepancy(kind: Any) -> PaymentDiscrepancyOpened:
    return PaymentDiscrepancyOpened(**IDS, kind=kind)


def test_asks_for_an_authorisation_once() -> None:
    ask = RequestAuthorization(**IDS, **CARD, amount_cents=100)
    payment.given().when(ask).then(REQUESTED)
    payment.given(REQUESTED).when(ask).then_nothing()


def test_a_payment_of_zero_calls_nobody() -> None:
    free = RequestAuthorization(**IDS, **CARD, amount_cents=0)
    requested = AuthorizationRequested(**IDS, **CARD, amount_cents=0)
    authorized = PaymentAuthorized(**IDS, amount_cents=0, provider_reference=NOT_SENT)
    payment.given().when(free).then(requested, authorized)
    payment.given(requested, authorized).when(capture(0)).then(capture_requested(0), captured(0))
    payment.given(requested, authorized).when(RequestVoid(payment_id="p1")).then(
        VOID, PaymentVoided(**IDS, amount_cents=0)
    )


@pytest.mark.parametrize(
    "command",
    [
        capture(1),
        refund(1),
        RequestVoid(payment_id="p1"),
        ExpireAuthorization(payment_id="p1"),
        told(),
        RecordUnavailable(payment_id="p1", call="authorize", attempts=3),
    ],
)
def test_nothing_happens_to_a_payment_that_does_not_exist(command: PaymentCommand) -> None:
    payment.given().when(command).then_refused("payment_exists")


def test_captures_in_parts_up_to_what_is_authorised() -> None:
    payment.given(*OPEN).when(capture(60)).then(capture_requested(60))
    payment.given(*OPEN, capture_requested(60)).when(capture(40, "c2")).then(capture_requested(40, "c2"))
    above = CaptureFailed(**IDS, capture_id="c2", reason="at most 40 cents can still be captured")
    payment.given(*OPEN, capture_requested(60)).when(capture(41, "c2")).then(above)
    payment.given(*OPEN, capture_requested(60), captured(60)).when(capture(41, "c2")).then(above)


def test_a_capture_is_asked_for_once() -> None:
    payment.given(*OPEN, capture_requested(60)).when(capture(60)).then_nothing()
    payment.given(*OPEN, capture_requested(60), captured(60)).when(capture(60)).then_nothing()


def test_a_failed_capture_frees_its_amount() -> None:
    failed = CaptureFailed(**IDS, capture_id="c1", reason="")
    payment.given(*OPEN, capture_requested(60), failed).when(capture(100, "c2")).then(
        capture_requested(100, "c2")
    )


def test_only_an_authorisation_is_captured() -> None:
    payment.given(REQUESTED).when(capture(1)).then_refused("capture_authorized")


@pytest.mark.parametrize(
    ("history", "reason"),
    [
        ((*OPEN, VOID), "the payment is voided, or about to be"),
        ((*OPEN, VOID, VOIDED), "the payment is voided, or about to be"),
        ((*OPEN, EXPIRED), "the authorisation has expired"),
        ((REQUESTED, DECLINED), "the payment was declined"),
    ],
)
def test_a_capture_of_what_is_lost_fails_as_a_fact_told_once(history: tuple[Any, ...], reason: str) -> None:
    failed = CaptureFailed(**IDS, capture_id="c1", reason=reason)
    payment.given(*history).when(capture(1)).then(failed)
    payment.given(*history, failed).when(capture(1)).then_nothing()
    payment.given(*history, failed).when(
        told(captures=(moved("c1", 1, False),), status="pending")
    ).then_nothing()


def test_voids_what_is_not_captured_once() -> None:
    void = RequestVoid(payment_id="p1")
    payment.given(REQUESTED).when(void).then(VOID)
    payment.given(*OPEN).when(void).then(VOID)
    for over in ((VOID,), (VOID, VOIDED), (EXPIRED,)):
        payment.given(*OPEN, *over).when(void).then_nothing()
    payment.given(REQUESTED, DECLINED).when(void).then_nothing()


def test_a_refused_void_is_a_fact_and_leaves_the_payment_as_it_was() -> None:
    failed = VoidFailed(**IDS, reason="captured")
    refused = told(void_refused="captured")
    payment.given(*OPEN, VOID).when(refused).then(failed)
    payment.given(*OPEN, VOID, failed).when(refused).then_nothing()
    payment.given(*OPEN).when(refused).then_nothing()
    payment.given(*OPEN, VOID, VOIDED).when(refused).then_nothing()
    tried = payment.given(*OPEN, VOID, failed)
    tried.when(capture(100)).then(capture_requested(100))
    tried.when(ExpireAuthorization(payment_id="p1")).then(EXPIRED, VOID)
    tried.when(RequestVoid(payment_id="p1")).then(VOID)
    tried.when(told(voided=True)).then(VOIDED)
    assert payment.given(*OPEN, VOID, VOIDED, failed).state.void == "done"


def test_what_is_captured_or_about_to_be_is_refunded_not_voided() -> None:
    void = RequestVoid(payment_id="p1")
    payment.given(*OPEN, capture_requested(1)).when(void).then_refused("void_uncaptured")
    payment.given(*OPEN, capture_requested(100), captured(100)).when(void).then_refused("void_uncaptured")


def test_refunds_in_parts_up_to_what_is_captured() -> None:
    paid = (*OPEN, capture_requested(100), captured(100))
    payment.given(*paid).when(refund(60)).then(refund_requested(60))
    payment.given(*paid, refund_requested(60)).when(refund(60)).then_nothing()
    payment.given(*paid, refund_requested(60)).when(refund(41, "r2")).then_refused("refund_within_captured")
    payment.given(*paid, refund_requested(60), refunded(60)).when(refund(41, "r2")).then_refused(
        "refund_within_captured"
    )
    failed = RefundFailed(**IDS, refund_id="r1", reason="")
    payment.given(*paid, refund_requested(60), failed).when(refund(100, "r2")).then(
        refund_requested(100, "r2")
    )


def test_why_it_was_refunded_stands_in_what_was_asked_for() -> None:
    paid = (*OPEN, capture_requested(100), captured(100))
    why: Any = {"reason": "customer", "note": "the handle came off"}
    asked = RequestRefund(payment_id="p1", refund_id="r1", amount_cents=10, **why)
    request = RefundRequested(**IDS, refund_id="r1", amount_cents=10, **why)
    payment.given(*paid).when(asked).then(request)
    nothing = asked.model_copy(update={"amount_cents": 0})
    done = PaymentRefunded(**IDS, refund_id="r1", amount_cents=0)
    payment.given(*paid).when(nothing).then(request.model_copy(update={"amount_cents": 0}), done)


def test_nothing_captured_nothing_refunded() -> None:
    payment.given(*OPEN, capture_requested(100)).when(refund(1)).then_refused("refund_within_captured")


def test_an_untouched_authorisation_expires_once() -> None:
    expire = ExpireAuthorization(payment_id="p1")
    payment.given(*OPEN).when(expire).then(EXPIRED, VOID)
    for history in ((REQUESTED,), (*OPEN, EXPIRED), (*OPEN, VOID), (*OPEN, capture_requested(1))):
        payment.given(*history).when(expire).then_nothing()


def test_an_authorisation_whose_capture_failed_still_expires() -> None:
    failed = CaptureFailed(**IDS, capture_id="c1", reason="")
    expire = ExpireAuthorization(payment_id="p1")
    payment.given(*OPEN, capture_requested(60), failed).when(expire).then(EXPIRED, VOID)


def test_what_had_lapsed_is_not_voided_a_second_time() -> None:
    payment.given(*OPEN, EXPIRED, VOID).when(told(voided=True)).then(PaymentVoided(**IDS, amount_cents=0))


def test_what_has_lapsed_but_was_not_let_go_is_voided_again() -> None:
    failed = VoidFailed(**IDS, reason="not now")
    lapsed = payment.given(*OPEN, EXPIRED, VOID, failed)
    lapsed.when(RequestReversal(payment_id="p1")).then(VOID)
    part = (capture_requested(60), captured(60), EXPIRED.model_copy(update={"amount_cents": 40}))
    payment.given(*OPEN, *part, VOID, failed).when(RequestVoid(payment_id="p1")).then(VOID)
    payment.given(*OPEN, EXPIRED, VOID, failed, VOID).when(told(voided=True)).then(
        PaymentVoided(**IDS, amount_cents=0)
    )


def test_a_reversal_voids_what_is_held_and_refunds_what_was_taken() -> None:
    reverse = RequestReversal(payment_id="p1")
    paid = (*OPEN, capture_requested(100), captured(100))
    payment.given(REQUESTED).when(reverse).then(VOID)
    payment.given(*OPEN).when(reverse).then(VOID)
    payment.given(*OPEN, VOID).when(reverse).then_nothing()
    payment.given(*OPEN, capture_requested(100)).when(reverse).then_nothing()  # asked again once it is told
    payment.given(*OPEN, capture_requested(100), CaptureFailed(**IDS, capture_id="c1", reason="")).when(
        reverse
    ).then(VOID)
    payment.given(*paid).when(reverse).then(refund_requested(100, "p1.refund"))
    payment.given(*paid, refund_requested(100, "p1.refund")).when(reverse).then_nothing()


def test_a_reversal_refunds_what_is_left_of_what_was_taken() -> None:
    reverse = RequestReversal(payment_id="p1")
    part = (*OPEN, captured(40), refund_requested(40, "p1.refund"))
    payment.given(*part, captured(60, "c2")).when(reverse).then(refund_requested(60, "p1.refund.2"))
    goodwill = (*OPEN, captured(100), refunded(10, "theirs"))
    payment.given(*goodwill).when(reverse).then(refund_requested(90, "p1.refund"))
    failed = RefundFailed(**IDS, refund_id="p1.refund", reason="")
    payment.given(*OPEN, captured(100), refund_requested(100, "p1.refund"), failed).when(reverse).then(
        refund_requested(100, "p1.refund.2")
    )


@pytest.mark.parametrize("cents", [1, 99, 101])
def test_another_amount_than_was_asked_for_is_a_discrepancy_told_once(cents: int) -> None:
    part = PaymentAuthorized(**IDS, amount_cents=cents, provider_reference="x1")
    account = told().model_copy(update={"amount_cents": cents})
    differs = discrepancy("authorized_differs")
    payment.given(REQUESTED).when(account).then(part, differs)
    payment.given(REQUESTED, part, differs).when(account).then_nothing()


def test_an_account_becomes_the_facts_that_are_new_in_it() -> None:
    payment.given(REQUESTED).when(told()).then(AUTHORIZED)
    payment.given(*OPEN).when(told()).then_nothing()
    payment.given(REQUESTED).when(told("pending")).then_nothing()
    payment.given(REQUESTED).when(told("declined")).then(DECLINED)
    everything = told(captures=(moved("c1", 100),), refunds=(moved("r1", 30), moved("r2", 5, False)))
    payment.given(REQUESTED).when(everything).then(
        AUTHORIZED, captured(100), refunded(30), RefundFailed(**IDS, refund_id="r2", reason="")
    )


def test_an_account_that_says_a_thing_twice_makes_one_fact() -> None:
    payment.given(*OPEN).when(told(captures=(moved("c1", 60), moved("c1", 60)))).then(captured(60))
    payment.given(*OPEN).when(told(captures=(moved("c1", 60), moved("c1", 60, False)))).then(captured(60))


def test_a_success_outlasts_a_late_failure() -> None:
    payment.given(*OPEN, captured(60)).when(told(captures=(moved("c1", 60, False),))).then_nothing()
    failed = CaptureFailed(**IDS, capture_id="c1", reason="")
    payment.given(*OPEN, failed).when(told(captures=(moved("c1", 60),))).then(captured(60))


def test_a_log_in_which_a_failure_or_request_comes_late_folds_to_the_success() -> None:
    failed = CaptureFailed(**IDS, capture_id="c1", reason="")
    assert payment.given(*OPEN, captured(60), failed).state.captured_cents == 60
    assert payment.given(*OPEN, captured(60), capture_requested(60)).state.captured_cents == 60
    assert payment.given(*OPEN, VOIDED, VOID).state.void == "done"


def test_a_void_tells_what_had_been_authorised() -> None:
    payment.given(*OPEN, VOID).when(told(voided=True)).then(VOIDED)
    payment.given(REQUESTED, VOID).when(told(voided=True)).then(AUTHORIZED, VOIDED)
    payment.given(REQUESTED, VOID).when(told("pending", voided=True)).then(
        PaymentVoided(**IDS, amount_cents=0)
    )


def test_a_contradiction_opens_one_discrepancy_and_is_never_refused() -> None:
    above = discrepancy("captured_above_authorized")
    twice = told(captures=(moved("c1", 60), moved("c2", 41)))
    payment.given(*OPEN).when(twice).then(captured(60), captured(41, "c2"), above)
    payment.given(*OPEN, captured(60), captured(41, "c2"), above).when(twice).then_nothing()
    payment.given(*OPEN, VOID, VOIDED).when(told(voided=True, captures=(moved("c1", 60),))).then(
        captured(60), discrepancy("captured_after_void")
    )
    payment.given(*OPEN, captured(60)).when(told(refunds=(moved("r1", 61),))).then(
        refunded(61), discrepancy("refunded_above_captured")
    )


@pytest.mark.parametrize("history", [(*OPEN, DECLINED), (REQUESTED, DECLINED, AUTHORIZED)])
def test_authorised_against_declined_is_a_discrepancy_and_still_voided(history: tuple[Any, ...]) -> None:
    contradicted = discrepancy("authorized_and_declined")
    *before, last = history
    say = told("declined") if last is DECLINED else told()
    payment.given(*before).when(say).then(last, contradicted)
    payment.given(*history, contradicted).when(say).then_nothing()
    payment.given(*history, contradicted).when(RequestVoid(payment_id="p1")).then(VOID)


def test_an_authorisation_after_the_void_is_a_discrepancy_told_once() -> None:
    unseen = (REQUESTED, VOID, PaymentVoided(**IDS, amount_cents=0))
    contradicted = discrepancy("authorized_after_void")
    payment.given(*unseen).when(told()).then(AUTHORIZED, contradicted)
    payment.given(*unseen, AUTHORIZED, contradicted).when(told()).then_nothing()
    payment.given(*OPEN, VOID).when(told(voided=True)).then(VOIDED)


def test_what_is_held_after_the_void_is_voided_again_once() -> None:
    unseen = (REQUESTED, VOID, PaymentVoided(**IDS, amount_cents=0))
    held = (*unseen, AUTHORIZED, discrepancy("authorized_after_void"))
    for reversal in (RequestVoid(payment_id="p1"), RequestReversal(payment_id="p1")):
        payment.given(*held).when(reversal).then(VOID)
        payment.given(*held, VOID).when(reversal).then_nothing()
        payment.given(*held, VOID, VOIDED).when(reversal).then_nothing()
    payment.given(*held, VOID).when(told(voided=True)).then(VOIDED)
    payment.given(*held, VOID).when(told(void_refused="no")).then(VoidFailed(**IDS, reason="no"))
    # the provider, who was late to tell of both, had voided it
    payment.given(*held).when(told(voided=True)).then(VOIDED)


def test_an_unreachable_provider_is_a_fact() -> None:
    payment.given(REQUESTED).when(RecordUnavailable(payment_id="p1", call="authorize", attempts=3)).then(
        PaymentProviderUnavailable(**IDS, call="authorize", attempts=3)
    )

"""What may we ask a provider for? Guards bind our requests: captured + pending <= authorised, refunded +
pending <= captured, nothing after a void.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import count

from domain.kernel import Refused
from domain.payment.commands import (
    CapturePayment,
    RequestAuthorization,
    RequestCapture,
    RequestRefund,
    SubmitEvidence,
)
from domain.payment.events import (
    NOT_SENT,
    AuthorizationExpired,
    AuthorizationRequested,
    CaptureFailed,
    CaptureRequested,
    CustomerActionExpired,
    EvidenceRequested,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentEvent,
    PaymentRefunded,
    PaymentVoided,
    RefundRequested,
    VoidRequested,
)
from domain.payment.state import Payment, status_of

REVERSAL_PAUSES = (timedelta(hours=1), timedelta(hours=6), timedelta(days=1))
"""After how long what was not given back, or let go, is asked for again; after that it is for a person."""

_PAY_ELSE = (
    "an order that was placed with it and is not sent is cancelled with it; to any other add another payment"
)


def authorize(command: RequestAuthorization) -> tuple[PaymentEvent, ...]:
    requested = AuthorizationRequested(**dict(command))
    if command.amount_cents:
        return (requested,)
    free = PaymentAuthorized(
        payment_id=command.payment_id, order_id=command.order_id, amount_cents=0, provider_reference=NOT_SENT
    )
    return (requested, free)


def _lost(command: RequestCapture, payment: Payment) -> str:
    """Why so much can't be captured of it any more; empty where it can, or may yet be authorised."""
    if payment.is_voiding:
        return "the payment is voided, or about to be"
    if payment.expired:
        return "the authorisation has expired"
    if payment.authorized_cents is None:
        return "the payment was declined" if payment.declined else ""
    left = max(0, payment.capturable_cents)
    return f"at most {left} cents can still be captured" if command.amount_cents > left else ""


def capture(command: RequestCapture, payment: Payment) -> tuple[PaymentEvent, ...]:
    if command.capture_id in payment.captures:
        return ()
    if command.rest and payment.is_captured:  # a person was faster, with a part or all of it
        left = payment.capturable_cents
        if left <= 0:
            return ()
        command = command.model_copy(update={"amount_cents": min(left, command.amount_cents)})
    if lost := _lost(command, payment):  # a fact and not a refusal: the goods may be on their way, unpaid
        ids = {"payment_id": command.payment_id, "order_id": payment.order_id}
        return (CaptureFailed(**ids, capture_id=command.capture_id, reason=lost),)
    if payment.authorized_cents is None:
        raise Refused("capture_authorized", "only an authorised payment can be captured")
    ids = {"payment_id": command.payment_id, "order_id": payment.order_id, "capture_id": command.capture_id}
    last = (command.last or not payment.in_parts) and not payment.is_capturing
    requested = CaptureRequested(**ids, amount_cents=command.amount_cents, last=last)
    return (requested,) if command.amount_cents else (requested, PaymentCaptured(**ids, amount_cents=0))


def capture_by_hand(command: CapturePayment, payment: Payment) -> tuple[PaymentEvent, ...]:
    """As `capture`, but what can't be done is a caller's mistake."""
    if command.capture_id in payment.captures:
        return ()
    if payment.is_voiding:
        raise Refused("capture_before_void", f"the payment is voided, or about to be: {_PAY_ELSE}")
    if payment.expired:
        raise Refused("capture_before_expiry", f"the authorisation has expired: {_PAY_ELSE}")
    if payment.authorized_cents is None:
        state = "was declined" if payment.declined else "is not authorised yet"
        raise Refused("capture_authorized", f"the payment {state}; only an authorised one can be captured")
    left = max(0, payment.capturable_cents)  # the provider may have taken more than was authorised
    wanted = left if command.amount_cents is None else command.amount_cents
    if wanted > left or not wanted:
        raise Refused(
            "capture_within_authorized",
            f"{payment.authorized_cents} cents are authorised; {left} can still be captured, not {wanted}",
        )
    if wanted < left and not (payment.in_parts or command.last):
        raise Refused(
            "capture_at_once",
            f"this card is captured once only: take all {left} cents, or say that it is the `last`",
        )
    ids = {"payment_id": command.payment_id, "capture_id": command.capture_id}
    request = RequestCapture(**ids, amount_cents=wanted, last=command.last)
    return capture(request, payment)


def void(payment_id: str, payment: Payment) -> tuple[PaymentEvent, ...]:
    """Let go of what is held: all of it, or what a part capture has left."""
    voiding = payment.is_voiding and not payment.is_held_after_void
    lapsed = payment.expired and payment.void != "refused"  # what was not let go is held all the same
    if voiding or lapsed or (payment.declined and payment.authorized_cents is None):
        return ()
    if payment.is_capturing and payment.requested_cents:
        raise Refused("void_uncaptured", "a capture is under way; ask again when its outcome is told")
    kept = payment.expired and payment.void == "refused"
    if payment.captured_cents and payment.open_cents <= 0 and payment.void != "done" and not kept:
        raise Refused("void_uncaptured", "all of the payment is captured; refund it instead")
    requested = VoidRequested(payment_id=payment_id, order_id=payment.order_id)
    if payment.requested_cents:
        return (requested,)
    return (requested, PaymentVoided(payment_id=payment_id, order_id=payment.order_id, amount_cents=0))


def refund(command: RequestRefund, payment: Payment) -> tuple[PaymentEvent, ...]:
    if command.refund_id in payment.refunds:
        return ()
    if command.rest:
        left = max(0, payment.refundable_cents)
        if not left:
            return ()
        command = command.model_copy(update={"amount_cents": min(left, command.amount_cents)})
    if command.amount_cents > payment.refundable_cents:
        left = max(0, payment.refundable_cents)
        disputed = f"; {payment.disputed_cents} are disputed" if payment.disputed_cents else ""
        raise Refused(
            "refund_within_captured",
            f"{payment.captured_cents} cents are captured; at most {left} can still be refunded{disputed}",
        )
    fields = {**command.model_dump(exclude={"rest"}), "order_id": payment.order_id}
    requested = RefundRequested(**fields)
    if command.amount_cents:
        return (requested,)
    return (requested, PaymentRefunded(**requested.model_dump(exclude={"reason", "note"})))


def reverse(payment_id: str, payment: Payment) -> tuple[PaymentEvent, ...]:
    """Refund what was taken, and let go of what a part capture left; a capture under way comes first."""
    left = payment.refundable_cents
    refunds: tuple[PaymentEvent, ...] = ()
    if left > 0:
        refund_id = _fresh(payment_id, payment)
        refunds = refund(
            RequestRefund(payment_id=payment_id, refund_id=refund_id, amount_cents=left), payment
        )
    if payment.is_capturing or (payment.is_captured and payment.open_cents <= 0):
        return refunds  # captured and given back, or about to be captured
    return refunds + void(payment_id, payment)


def _fresh(payment_id: str, payment: Payment) -> str:
    """A refund id that this payment has not used: `P.refund`, then `P.refund.2` and so on."""
    names = (f"{payment_id}.refund" + (f".{number}" if number > 1 else "") for number in count(1))
    return next(name for name in names if name not in payment.refunds)


def expire(payment_id: str, payment: Payment) -> tuple[PaymentEvent, ...]:
    """What is held lapses, also what a part capture left of it."""
    touched = payment.is_capturing or (payment.is_captured and payment.open_cents <= 0)
    if payment.authorized_cents is None or touched or payment.is_voiding or payment.expired:
        return ()
    lapsed = AuthorizationExpired(
        payment_id=payment_id, order_id=payment.order_id, amount_cents=payment.open_cents
    )
    return (lapsed, *void(payment_id, payment))


def expire_action(payment_id: str, payment: Payment) -> tuple[PaymentEvent, ...]:
    """The customer did not come; one that was authorised or declined meanwhile is past that."""
    if payment.action != "required" or payment.authorized_cents is not None or payment.declined:
        return ()
    expired = CustomerActionExpired(
        payment_id=payment_id, order_id=payment.order_id, action_id=payment.action_id
    )
    return (expired, *void(payment_id, payment))


def submit_evidence(command: SubmitEvidence, payment: Payment) -> tuple[PaymentEvent, ...]:
    if command.evidence_id in payment.evidence:
        return ()
    status = status_of(payment.disputes, command.dispute_id)
    if not status:
        known = ", ".join(sorted(payment.disputes)) or "none"
        raise Refused("dispute_exists", f"there is no dispute {command.dispute_id}; of this payment: {known}")
    if status != "open":
        raise Refused(
            "evidence_while_open", f"the dispute is {status}; evidence counts while it is open only"
        )
    fields = {name: getattr(command, name) for name in SubmitEvidence.model_fields}
    return (EvidenceRequested(**fields, order_id=payment.order_id),)

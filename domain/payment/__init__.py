"""One payment towards an order: what the provider was asked for, and what it said.

Guards bind our requests (`requests`). What the provider says is a fact (`facts`): it folds by the provider's
own references, in any order and any number of times, to the same state, and is never refused.
"""

from __future__ import annotations

from domain.kernel import Decider, Refused
from domain.payment import facts, requests
from domain.payment.commands import (
    CapturePayment,
    CustomerAction,
    Dispute,
    ExpireAuthorization,
    ExpireCustomerAction,
    Finding,
    Movement,
    PaymentCommand,
    RecordFindings,
    RecordProviderPayment,
    RecordUnavailable,
    RecordUnknownCharge,
    RequestAuthorization,
    RequestCapture,
    RequestRefund,
    RequestReversal,
    RequestVoid,
    ResolveDiscrepancy,
    SubmitEvidence,
)
from domain.payment.events import (
    NOT_SENT,
    AuthorizationExpired,
    AuthorizationRequested,
    CaptureFailed,
    CaptureRequested,
    CustomerActionCompleted,
    CustomerActionExpired,
    CustomerActionFailed,
    CustomerActionRequired,
    DisputeLost,
    DisputeOpened,
    DisputeWon,
    Evidence,
    EvidenceFailed,
    EvidenceRequested,
    EvidenceSubmitted,
    Id,
    Mismatch,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    PaymentDiscrepancyOpened,
    PaymentDiscrepancyResolved,
    PaymentEvent,
    PaymentMismatchOpened,
    PaymentProviderUnavailable,
    PaymentRefunded,
    PaymentVoided,
    RefundFailed,
    RefundRequested,
    VoidFailed,
    VoidRequested,
)
from domain.payment.method import (
    PAYMENT_METHOD,
)
from domain.payment.requests import REVERSAL_PAUSES
from domain.payment.state import (
    Payment,
    evolve,
)


def decide(command: PaymentCommand, payment: Payment) -> tuple[PaymentEvent, ...]:
    match command:
        case RequestAuthorization():
            return () if payment.requested_cents is not None else requests.authorize(command)
        case RecordUnknownCharge():
            return facts.record_unknown(command, payment)
        case ResolveDiscrepancy() if payment.order_id:
            return facts.resolve(command, payment)
        case _ if payment.requested_cents is None:
            raise Refused("payment_exists", f"there is no payment {command.payment_id}")
        case RequestCapture():
            return requests.capture(command, payment)
        case CapturePayment():
            return requests.capture_by_hand(command, payment)
        case RequestVoid(payment_id=payment_id):
            return requests.void(payment_id, payment)
        case RequestRefund():
            return requests.refund(command, payment)
        case RequestReversal(payment_id=payment_id):
            return requests.reverse(payment_id, payment)
        case ExpireAuthorization(payment_id=payment_id):
            return requests.expire(payment_id, payment)
        case ExpireCustomerAction(payment_id=payment_id):
            return requests.expire_action(payment_id, payment)
        case SubmitEvidence():
            return requests.submit_evidence(command, payment)
        case RecordProviderPayment():
            return facts.record(command, payment)
        case RecordUnavailable():
            return (PaymentProviderUnavailable(**dict(command), order_id=payment.order_id),)
        case RecordFindings():
            return facts.record_findings(command, payment)
    raise AssertionError(f"nobody decides {type(command).__name__}")


PAYMENT: Decider[PaymentCommand, PaymentEvent, Payment] = Decider(
    "payment",
    decide,
    evolve,
    Payment(),
    events=PaymentEvent.__args__,
    commands=PaymentCommand.__args__,
    evolve_version=2,
    parts=("merchant", "payment_id"),
    of_order=True,
)

AGGREGATES = (PAYMENT, PAYMENT_METHOD)
PERMISSIONS = ("payments:read", "payments:write", "methods:read", "methods:write")
CUSTOMER_PERMISSIONS = ("methods:read", "methods:write")
__all__ = [
    "AGGREGATES",
    "CUSTOMER_PERMISSIONS",
    "NOT_SENT",
    "PAYMENT",
    "PAYMENT_METHOD",
    "PERMISSIONS",
    "REVERSAL_PAUSES",
    "AuthorizationExpired",
    "AuthorizationRequested",
    "CaptureFailed",
    "CapturePayment",
    "CaptureRequested",
    "CustomerAction",
    "CustomerActionCompleted",
    "CustomerActionExpired",
    "CustomerActionFailed",
    "CustomerActionRequired",
    "Dispute",
    "DisputeLost",
    "DisputeOpened",
    "DisputeWon",
    "Evidence",
    "EvidenceFailed",
    "EvidenceRequested",
    "EvidenceSubmitted",
    "ExpireAuthorization",
    "ExpireCustomerAction",
    "Finding",
    "Id",
    "Mismatch",
    "Movement",
    "Payment",
    "PaymentAuthorized",
    "PaymentCaptured",
    "PaymentCommand",
    "PaymentDeclined",
    "PaymentDiscrepancyOpened",
    "PaymentDiscrepancyResolved",
    "PaymentEvent",
    "PaymentMismatchOpened",
    "PaymentProviderUnavailable",
    "PaymentRefunded",
    "PaymentVoided",
    "RecordFindings",
    "RecordProviderPayment",
    "RecordUnavailable",
    "RecordUnknownCharge",
    "RefundFailed",
    "RefundRequested",
    "RequestAuthorization",
    "RequestCapture",
    "RequestRefund",
    "RequestReversal",
    "RequestVoid",
    "ResolveDiscrepancy",
    "SubmitEvidence",
    "VoidFailed",
    "VoidRequested",
    "decide",
    "evolve",
]

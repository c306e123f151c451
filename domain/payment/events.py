"""What happens to a payment: what we ask its provider for, and what the provider says."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import AwareDatetime, Field

from domain.kernel import Event, ProviderId, ProviderText, Value
from domain.money import Cents, Currency
from domain.order.values import CancelReason
from domain.personal import Personal

Id = Annotated[str, Field(min_length=1, max_length=200)]
Installments = Annotated[int, Field(ge=0)]
Note = Annotated[str, Field(max_length=1000)]
NOT_SENT = "not-sent"
"""The provider's reference of a payment of zero, for which nobody was called."""
Mismatch: TypeAlias = Literal[
    "unknown_charge",
    "missing_at_provider",
    "authorized_differs",
    "captured_differs",
    "refunded_differs",
    "disputed_differs",
    "held_after_void",
    "captured_after_expiry",
    "won_and_lost",
    "refunded_and_failed",
]
"""How our books and the provider's may differ: found by a reconciliation, or by a fact."""


class Evidence(Value):
    """What a merchant says against a dispute. It may name a person, so it is sealed as personal data is."""

    text: str
    carrier: str = ""
    tracking_number: str = ""


class AuthorizationRequested(Event):
    """A `method` `stored:ID` is one that the customer has stored: `subject`, who is empty for any other."""

    schema_version: ClassVar[int] = 2

    payment_id: Id
    order_id: Id
    amount_cents: Cents
    currency: Currency
    method: Id
    installments: Installments = 1
    subject: str = ""


class PaymentAuthorized(Event):
    """`happened_at` is the provider's time, None where it is unknown. `in_parts`: it may be captured so; a
    card that may not is captured once, and what that leaves is let go."""

    schema_version: ClassVar[int] = 2

    payment_id: Id
    order_id: Id
    amount_cents: Cents
    provider_reference: ProviderText
    happened_at: AwareDatetime | None = None
    in_parts: bool = True


class PaymentDeclined(Event):
    payment_id: Id
    order_id: Id
    reason: ProviderText
    happened_at: AwareDatetime | None = None


class CaptureRequested(Event):
    """`last`: what it leaves of the payment is let go with it."""

    schema_version: ClassVar[int] = 2

    payment_id: Id
    order_id: Id
    capture_id: Id
    amount_cents: Cents
    last: bool = False


class PaymentCaptured(Event):
    payment_id: Id
    order_id: Id
    capture_id: ProviderId
    amount_cents: Cents
    happened_at: AwareDatetime | None = None


class CaptureFailed(Event):
    payment_id: Id
    order_id: Id
    capture_id: ProviderId
    reason: ProviderText


class VoidRequested(Event):
    payment_id: Id
    order_id: Id


class VoidFailed(Event):
    payment_id: Id
    order_id: Id
    reason: ProviderText


class PaymentVoided(Event):
    """`amount_cents` is what had been authorised: 0 where it never was, or had lapsed before."""

    payment_id: Id
    order_id: Id
    amount_cents: Cents
    happened_at: AwareDatetime | None = None


class RefundRequested(Event):
    """`reason` and `note` say why, where a person asked for it and said so: by the words of a cancel."""

    schema_version: ClassVar[int] = 2

    payment_id: Id
    order_id: Id
    refund_id: Id
    amount_cents: Cents
    reason: CancelReason | None = None
    note: Note = ""


class PaymentRefunded(Event):
    payment_id: Id
    order_id: Id
    refund_id: ProviderId
    amount_cents: Cents
    happened_at: AwareDatetime | None = None


class RefundFailed(Event):
    payment_id: Id
    order_id: Id
    refund_id: ProviderId
    reason: ProviderText


class AuthorizationExpired(Event):
    payment_id: Id
    order_id: Id
    amount_cents: Cents


class PaymentDiscrepancyOpened(Event):
    """What the provider says contradicts what we asked, or itself; a person must look."""

    payment_id: Id
    order_id: Id
    kind: Literal[
        "captured_above_authorized",
        "captured_after_void",
        "refunded_above_captured",
        "authorized_and_declined",
        "authorized_after_void",
        "authorized_differs",
    ]


class PaymentProviderUnavailable(Event):
    """The provider could not be reached for this request; it is tried again later."""

    payment_id: Id
    order_id: Id
    call: str
    attempts: int


class CustomerActionRequired(Event):
    """The bank wants to hear from the customer (3-D Secure) before it authorises, until `expires_at`."""

    payment_id: Id
    order_id: Id
    action_id: ProviderId
    redirect_url: ProviderText = ""
    expires_at: AwareDatetime | None = None


class CustomerActionCompleted(Event):
    payment_id: Id
    order_id: Id
    action_id: ProviderId


class CustomerActionFailed(Event):
    """The customer was not recognised, or gave it up."""

    payment_id: Id
    order_id: Id
    action_id: ProviderId
    reason: ProviderText


class CustomerActionExpired(Event):
    """The customer did not come in time; the provider is asked to let the payment go."""

    payment_id: Id
    order_id: Id
    action_id: ProviderId


class DisputeOpened(Event):
    """The bank took `amount_cents` back until the dispute is decided."""

    payment_id: Id
    order_id: Id
    dispute_id: ProviderId
    amount_cents: Cents
    reason: ProviderText = ""
    evidence_due_at: AwareDatetime | None = None
    happened_at: AwareDatetime | None = None


class EvidenceRequested(Event):
    """We hand evidence in. `subject` is the customer of the order, under whose key it is sealed."""

    payment_id: Id
    order_id: Id
    dispute_id: ProviderId
    evidence_id: Id
    subject: Id
    evidence: Personal[Evidence]


class EvidenceSubmitted(Event):
    payment_id: Id
    order_id: Id
    dispute_id: ProviderId
    evidence_id: ProviderId


class EvidenceFailed(Event):
    payment_id: Id
    order_id: Id
    dispute_id: ProviderId
    evidence_id: ProviderId
    reason: ProviderText


class DisputeWon(Event):
    """The bank gave it back to us."""

    payment_id: Id
    order_id: Id
    dispute_id: ProviderId
    amount_cents: Cents
    happened_at: AwareDatetime | None = None


class DisputeLost(Event):
    """The bank keeps it; also where it was won before, and was taken up again."""

    payment_id: Id
    order_id: Id
    dispute_id: ProviderId
    amount_cents: Cents
    happened_at: AwareDatetime | None = None


class PaymentMismatchOpened(Event):
    """Our books and the provider's differ: `ours_cents` and `theirs_cents` of the same thing."""

    schema_version: ClassVar[int] = 2

    payment_id: Id
    order_id: Id
    kind: Mismatch
    ours_cents: Cents
    theirs_cents: Cents
    provider_reference: ProviderText = ""
    currency: str = ""


class PaymentDiscrepancyResolved(Event):
    """`by` a person, who says why, or a later `fact`, with which it is true no more."""

    payment_id: Id
    order_id: Id
    kind: str
    by: Literal["person", "fact"]
    reason: str


PaymentEvent: TypeAlias = (
    AuthorizationRequested
    | PaymentAuthorized
    | PaymentDeclined
    | CaptureRequested
    | PaymentCaptured
    | CaptureFailed
    | VoidRequested
    | VoidFailed
    | PaymentVoided
    | RefundRequested
    | PaymentRefunded
    | RefundFailed
    | AuthorizationExpired
    | PaymentDiscrepancyOpened
    | PaymentProviderUnavailable
    | CustomerActionRequired
    | CustomerActionCompleted
    | CustomerActionFailed
    | CustomerActionExpired
    | DisputeOpened
    | EvidenceRequested
    | EvidenceSubmitted
    | EvidenceFailed
    | DisputeWon
    | DisputeLost
    | PaymentMismatchOpened
    | PaymentDiscrepancyResolved
)

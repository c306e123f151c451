"""What may be asked of a payment."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import AwareDatetime

from domain.kernel import Command, ProviderId, ProviderText, Value
from domain.money import Cents, Currency
from domain.order.values import CancelReason
from domain.payment.events import Evidence, Id, Installments, Mismatch, Note
from domain.personal import Personal


class RequestAuthorization(Command):
    creates = True
    payment_id: Id
    order_id: Id
    amount_cents: Cents
    currency: Currency
    method: Id
    installments: Installments = 1
    subject: str = ""


class RequestCapture(Command):
    """`rest`: no more than what is left of it, where something of it was captured before. `last`: no more of
    it will be captured, so what it leaves is let go with it."""

    payment_id: Id
    capture_id: Id
    amount_cents: Cents
    rest: bool = False
    last: bool = False


class RequestVoid(Command):
    payment_id: Id


class RequestRefund(Command):
    """`rest`: no more than what is left to be given back, where a person has given back a part before."""

    payment_id: Id
    refund_id: Id
    amount_cents: Cents
    rest: bool = False
    reason: CancelReason | None = None
    note: Note = ""


class RequestReversal(Command):
    """Give back whatever is held or taken: void what was not captured, refund what is left of what was.

    What is under way is not reversed before its outcome is told: ask again then.
    """

    payment_id: Id


class ExpireAuthorization(Command):
    """We hold it no longer: it counts as lapsed, and the provider is asked to let it go."""

    payment_id: Id


class Movement(Value):
    """A capture or refund as the provider tells it."""

    reference: ProviderId
    amount_cents: Cents
    succeeded: bool
    reason: ProviderText = ""
    happened_at: AwareDatetime | None = None


class CustomerAction(Value):
    """What the customer has to do, or has done, before the payment is authorised."""

    action_id: ProviderId
    status: Literal["required", "completed", "failed"]
    redirect_url: ProviderText = ""
    expires_at: AwareDatetime | None = None
    reason: ProviderText = ""


class Dispute(Value):
    """A dispute as the provider tells it."""

    dispute_id: ProviderId
    amount_cents: Cents
    status: Literal["open", "won", "lost"]
    reason: ProviderText = ""
    evidence_due_at: AwareDatetime | None = None
    happened_at: AwareDatetime | None = None


class Finding(Value):
    """A difference that a reconciliation has found."""

    kind: Mismatch
    ours_cents: Cents
    theirs_cents: Cents


class RecordProviderPayment(Command):
    """All that the provider says of the payment now: an answer, a webhook and a reconciliation look alike.

    `void_refused` is why it would not void the payment; empty where it was not asked, or did. `lapsed`: the
    authorisation has run out at the provider. `evidence` has the references of evidence that was handed in.
    `in_parts`: whether it may be captured in parts, as far as the provider says.
    """

    payment_id: Id
    provider_reference: ProviderText
    status: Literal["pending", "authorized", "declined"]
    amount_cents: Cents
    reason: ProviderText = ""
    happened_at: AwareDatetime | None = None
    captures: tuple[Movement, ...] = ()
    refunds: tuple[Movement, ...] = ()
    voided: bool = False
    voided_at: AwareDatetime | None = None
    void_refused: ProviderText = ""
    lapsed: bool = False
    action: CustomerAction | None = None
    disputes: tuple[Dispute, ...] = ()
    evidence: tuple[Movement, ...] = ()
    in_parts: bool = True


class RecordUnavailable(Command):
    payment_id: Id
    call: str
    attempts: int


class CapturePayment(Command):
    """A person has it captured, part or all (None: all that is left), `last`: letting go of what that leaves.
    Refused where that can't be."""

    payment_id: Id
    capture_id: Id
    amount_cents: Cents | None = None
    last: bool = False


class ExpireCustomerAction(Command):
    """The customer had time enough; what was authorised meanwhile stays so."""

    payment_id: Id


class SubmitEvidence(Command):
    payment_id: Id
    dispute_id: ProviderId
    evidence_id: Id
    subject: Id
    evidence: Personal[Evidence]


class RecordFindings(Command):
    """What a reconciliation has found of the payment; nothing, where the books agree."""

    payment_id: Id
    findings: tuple[Finding, ...] = ()
    provider_reference: ProviderText = ""


class RecordUnknownCharge(Command):
    """The provider has a charge that we never asked for: the payment is known by its reference alone."""

    creates = True
    payment_id: Id
    order_id: Id
    provider_reference: ProviderText
    theirs_cents: Cents
    currency: str = ""


class ResolveDiscrepancy(Command):
    """A person has looked at it, and says why it may stand."""

    payment_id: Id
    kind: str
    reason: str


PaymentCommand: TypeAlias = (
    RequestAuthorization
    | RequestCapture
    | RequestVoid
    | RequestRefund
    | RequestReversal
    | ExpireAuthorization
    | RecordProviderPayment
    | RecordUnavailable
    | CapturePayment
    | ExpireCustomerAction
    | SubmitEvidence
    | RecordFindings
    | RecordUnknownCharge
    | ResolveDiscrepancy
)

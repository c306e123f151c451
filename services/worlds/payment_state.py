"""What does a payment provider know of each payment?"""

from dataclasses import dataclass, field
from datetime import datetime

from services.worlds.models import Model
from services.worlds.payment_messages import OpenPayment, Status
from services.worlds.stage import Stage, stable_id

MULTICAPTURE_REFUSED = frozenset({"pm_card_credit_disableEnterpriseCardFeatures"})
"""Test cards that are captured once, whatever is left of what was authorised."""
AUTHENTICATION_REQUIRED = "authentication_required"
"""Why a payment is declined whose customer would have to act, and is away."""
Metadata = dict[str, str]


@dataclass(frozen=True, slots=True)
class Movement:
    """Money that was captured or refunded; `id` is the key of the request."""

    id: str
    amount_cents: int
    happened_at: datetime
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Dispute:
    """`status` is open, won or lost."""

    dispute_id: str
    amount_cents: int
    status: str
    reason: str
    evidence_due_at: datetime
    happened_at: datetime
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Payment:
    """`handed` is the evidence: the key of each request, and the dispute that it is for. `once`: its card is
    captured once only."""

    number: int  # 1, 2, 3 … in the order of opening
    request: OpenPayment
    provider_reference: str
    status: Status
    happened_at: datetime | None
    reason: str | None
    opened_at: datetime
    metadata: Metadata
    captures: tuple[Movement, ...] = ()
    refunds: tuple[Movement, ...] = ()
    voided_at: datetime | None = None
    lapsed: bool = False
    action: str = ""  # required, completed or failed
    disputes: tuple[Dispute, ...] = ()
    handed: tuple[tuple[str, str], ...] = ()
    once: bool = False

    @property
    def opened_with(self) -> Metadata:
        """What the journal of an older world has no metadata for, it has fields for."""
        request = self.request
        old = {"payment": request.payment_id, "checkout": request.checkout, "merchant": request.merchant}
        return old if request.metadata is None else request.metadata

    @property
    def captured_cents(self) -> int:
        return sum(capture.amount_cents for capture in self.captures)

    @property
    def left_cents(self) -> int:
        """What was not captured."""
        return self.request.amount_cents - self.captured_cents

    @property
    def refunded_cents(self) -> int:
        return sum(refund.amount_cents for refund in self.refunds)

    @property
    def disputed_cents(self) -> int:
        """What the bank has taken back: for good, or until it decides."""
        return sum(dispute.amount_cents for dispute in self.disputes if dispute.status != "won")


@dataclass(slots=True)
class Payments:
    """`payments` by the key of the request that opened them; `references` and `named` find that by the
    provider's name, and by the entry `payment` of the metadata."""

    stage: Stage = field(default_factory=Stage)
    payments: dict[str, Payment] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)
    references: dict[str, str] = field(default_factory=dict)
    named: dict[str, list[str]] = field(default_factory=dict)
    disputes: dict[str, str] = field(default_factory=dict)
    # what was asked under a key, and the payment as it was answered
    answers: dict[tuple[str, str, str], tuple[Model, Payment]] = field(default_factory=dict)


def action_id(payment: Payment) -> str:
    return stable_id("act", payment.request.payment_id)

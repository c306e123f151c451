"""What can be asked of a payment provider, and which lines does its journal hold?"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from services.worlds.clock import Instant
from services.worlds.models import Cents, Id, Line, Model
from services.worlds.stage import Fact, PutScenarios, StageCommand, StageLine

Outcome = Literal["authorized", "declined"]
Status = Literal["authorized", "declined", "pending"]

Metadata = Annotated[
    dict[
        Annotated[str, Field(min_length=1, max_length=40)],
        Annotated[str, Field(max_length=500)],
    ],
    Field(max_length=50),
]
"""What a caller notes on an object: so many entries, of such lengths, as Stripe takes."""

# ---- requests


class OpenPayment(Model):
    """`payment_id` is the key of the request."""

    payment_id: Id
    order_id: Id
    merchant: Id
    checkout: Id
    amount_cents: Cents
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    method: Id
    installments: Annotated[int, Field(ge=0, le=1000)]
    token: Annotated[str, Field(max_length=500)] | None = None  # of older journals
    customer: Annotated[str, Field(max_length=500)] | None = None
    off_session: bool = False
    return_url: Annotated[str, Field(max_length=2048)] | None = None
    metadata: Metadata | None = None


class CaptureBody(Model):
    """`capture_id` is the key of the request; `final` lets go of what is left."""

    capture_id: Id
    amount_cents: Cents
    final: bool = False
    metadata: Metadata = Field(default_factory=dict)


class RefundBody(Model):
    refund_id: Id
    amount_cents: Cents
    metadata: Metadata = Field(default_factory=dict)


class VoidBody(Model):
    void_id: Id
    metadata: Metadata = Field(default_factory=dict)


class EvidenceBody(Model):
    """`evidence_id` is the key of the request; the text is what the bank reads."""

    dispute_id: Id
    evidence_id: Id
    text: Annotated[str, Field(max_length=20_000)]
    carrier: Annotated[str, Field(max_length=500)] = ""
    tracking_number: Annotated[str, Field(max_length=500)] = ""
    metadata: Metadata = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChangePayment:
    """A call on a payment that exists; with the same id and body again, it is answered as before."""

    payment_id: str
    body: CaptureBody | RefundBody | VoidBody | EvidenceBody

    @property
    def key(self) -> tuple[str, str, str]:
        match self.body:
            case CaptureBody(capture_id=key):
                return "capture", self.payment_id, key
            case RefundBody(refund_id=key):
                return "refund", self.payment_id, key
            case VoidBody(void_id=key):
                return "void", self.payment_id, key
            case EvidenceBody(evidence_id=key):
                return "evidence", self.payment_id, key


class Authorize(Model):
    outcome: Literal["authorized", "declined", "never"]
    told_at: Instant
    happened_at: Instant | None = None
    reason: str | None = None


LATER = frozenset(
    {"action_required", "action_failed", "expired", "dispute_opened", "dispute_won", "dispute_lost"}
)


def _known_type(fact: Fact) -> Fact:
    if fact.type not in LATER:
        raise ValueError(f"type is none of {', '.join(sorted(LATER))}")
    return fact


class PaymentScenario(Model):
    """`before` is told before it is authorised (the bank wants to hear from the customer), `later` after it
    (it lapses, the customer disputes it)."""

    payment_id: Id
    checkout: Id
    authorize: Authorize
    before: Annotated[tuple[Annotated[Fact, AfterValidator(_known_type)], ...], Field(max_length=10)] = ()
    later: Annotated[tuple[Annotated[Fact, AfterValidator(_known_type)], ...], Field(max_length=20)] = ()

    @property
    def subject(self) -> str:
        return self.payment_id

    @property
    def facts(self) -> tuple[Fact, ...]:
        told = self.authorize
        if told.outcome == "never":
            return (*self.before, *self.later)
        fact = Fact(type=told.outcome, told_at=told.told_at, happened_at=told.happened_at, reason=told.reason)
        return (*self.before, fact, *self.later)


PaymentCommand = OpenPayment | ChangePayment | PutScenarios | StageCommand

# ---- lines


class PaymentScenarioSet(Line):
    kind: Literal["payment_scenario_set"] = "payment_scenario_set"
    scenario: PaymentScenario


class PaymentOpened(Line):
    """The charge was accepted, and this is what its own answer said; `once`: it is not captured in parts."""

    kind: Literal["payment_opened"] = "payment_opened"
    request: OpenPayment
    provider_reference: str
    status: Status
    happened_at: Instant | None
    reason: str | None
    at: Instant
    facts: tuple[Fact, ...] = ()
    once: bool = False

    @property
    def wall_clock_subject(self) -> str | None:
        return self.request.payment_id if self.facts else None


class PaymentCaptured(Line):
    kind: Literal["payment_captured"] = "payment_captured"
    payment_id: str
    body: CaptureBody
    happened_at: Instant
    facts: tuple[Fact, ...] = ()
    once: bool = False

    @property
    def wall_clock_subject(self) -> str | None:
        return self.payment_id if self.facts else None


class PaymentRefunded(Line):
    kind: Literal["payment_refunded"] = "payment_refunded"
    payment_id: str
    body: RefundBody
    happened_at: Instant


class PaymentVoided(Line):
    kind: Literal["payment_voided"] = "payment_voided"
    payment_id: str
    body: VoidBody
    happened_at: Instant


class EvidenceTaken(Line):
    kind: Literal["evidence_taken"] = "evidence_taken"
    payment_id: str
    body: EvidenceBody
    happened_at: Instant


PaymentLine = (
    PaymentScenarioSet
    | PaymentOpened
    | PaymentCaptured
    | PaymentRefunded
    | PaymentVoided
    | EvidenceTaken
    | StageLine
)

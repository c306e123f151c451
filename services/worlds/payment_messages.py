"""What can be asked of a payment provider, and which lines does its journal hold?"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from services.worlds.clock import Instant
from services.worlds.models import Cents, Id, Line, Model
from services.worlds.stage import Fact, PutScenarios, StageCommand, StageLine

Outcome = Literal["authorized", "declined"]
Status = Literal["authorized", "declined", "pending"]

# ---- requests


class OpenPayment(Model):
    payment_id: Id
    order_id: Id
    merchant: Id
    checkout: Id
    amount_cents: Cents
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    method: Id
    installments: Annotated[int, Field(ge=0, le=1000)]


class CaptureBody(Model):
    capture_id: Id
    amount_cents: Cents


class RefundBody(Model):
    refund_id: Id
    amount_cents: Cents


class VoidBody(Model):
    void_id: Id


@dataclass(frozen=True, slots=True)
class ChangePayment:
    """A call on a payment that exists; with the same id and body again, it is answered as before."""

    payment_id: str
    body: CaptureBody | RefundBody | VoidBody

    @property
    def key(self) -> tuple[str, str, str]:
        match self.body:
            case CaptureBody(capture_id=key):
                return "capture", self.payment_id, key
            case RefundBody(refund_id=key):
                return "refund", self.payment_id, key
            case VoidBody(void_id=key):
                return "void", self.payment_id, key


class Authorize(Model):
    outcome: Literal["authorized", "declined", "never"]
    told_at: Instant
    happened_at: Instant | None = None
    reason: str | None = None


class PaymentScenario(Model):
    payment_id: Id
    checkout: Id
    authorize: Authorize

    @property
    def subject(self) -> str:
        return self.payment_id

    @property
    def facts(self) -> tuple[Fact, ...]:
        told = self.authorize
        if told.outcome == "never":
            return ()
        fact = Fact(type=told.outcome, told_at=told.told_at, happened_at=told.happened_at, reason=told.reason)
        return (fact,)


PaymentCommand = OpenPayment | ChangePayment | PutScenarios | StageCommand

# ---- lines


class PaymentScenarioSet(Line):
    kind: Literal["payment_scenario_set"] = "payment_scenario_set"
    scenario: PaymentScenario


class PaymentOpened(Line):
    """The charge was accepted, and this is what its own answer said."""

    kind: Literal["payment_opened"] = "payment_opened"
    request: OpenPayment
    provider_reference: str
    status: Status
    happened_at: Instant | None
    reason: str | None
    at: Instant


class PaymentCaptured(Line):
    kind: Literal["payment_captured"] = "payment_captured"
    payment_id: str
    body: CaptureBody
    happened_at: Instant


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


PaymentLine = (
    PaymentScenarioSet | PaymentOpened | PaymentCaptured | PaymentRefunded | PaymentVoided | StageLine
)

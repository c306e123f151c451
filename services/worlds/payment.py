"""What does a payment provider do with a payment, and what does it refuse?

A payment is authorised, declined or left pending; an authorised one is captured (in parts), what was
captured is refunded (in parts), and what is not captured can be voided. captured <= authorised, refunded
<= captured, and no capture after a void. Captures, refunds and voids are answered at once; a late
authorisation is told by webhook, and so is all that the bank and its customer do: an action that is required
(3-D Secure), an authorisation that lapses, a dispute and its end.
"""

from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from services.worlds.core import Core
from services.worlds.faults import befalls, delay_s, throw
from services.worlds.models import Line, Model, Refused
from services.worlds.payment_messages import (
    CaptureBody,
    ChangePayment,
    EvidenceBody,
    EvidenceTaken,
    OpenPayment,
    PaymentCaptured,
    PaymentCommand,
    PaymentLine,
    PaymentOpened,
    PaymentRefunded,
    PaymentScenario,
    PaymentScenarioSet,
    PaymentVoided,
    RefundBody,
    Status,
    VoidBody,
)
from services.worlds.stage import (
    Fact,
    FactTold,
    PutScenarios,
    Stage,
    decide_scenarios,
    decide_stage,
    evolve_stage,
    expect,
    forget,
    scenario_for,
    stable_id,
    tell,
)
from services.worlds.webhooks import Webhook

# an amount without a scenario that ends in 13.13 is declined: 13.13, 113.13, 213.13 …
DECLINED_CENTS, DECLINED_EVERY_CENTS = 1313, 10_000
CUSTOMER_COMES, BANK_SIDES_WITH_US = 0.7, 0.5
EVIDENCE_DAYS, ACTION_MINUTES = 7, 60

# ---- state


@dataclass(frozen=True, slots=True)
class Movement:
    """Money that was captured or refunded."""

    id: str
    amount_cents: int
    happened_at: datetime


@dataclass(frozen=True, slots=True)
class Dispute:
    """`status` is open, won or lost."""

    dispute_id: str
    amount_cents: int
    status: str
    reason: str
    evidence_due_at: datetime
    happened_at: datetime


@dataclass(frozen=True, slots=True)
class Payment:
    number: int  # 1, 2, 3 … in the order of opening
    request: OpenPayment
    provider_reference: str
    status: Status
    happened_at: datetime | None
    reason: str | None
    captures: tuple[Movement, ...] = ()
    refunds: tuple[Movement, ...] = ()
    voided_at: datetime | None = None
    lapsed: bool = False
    action: str = ""  # required, completed or failed
    action_expires_at: datetime | None = None
    disputes: tuple[Dispute, ...] = ()
    evidence: tuple[str, ...] = ()
    changed_at: datetime | None = None

    @property
    def captured_cents(self) -> int:
        return sum(capture.amount_cents for capture in self.captures)

    @property
    def refunded_cents(self) -> int:
        return sum(refund.amount_cents for refund in self.refunds)

    @property
    def disputed_cents(self) -> int:
        """What the bank has taken back: for good, or until it decides."""
        return sum(dispute.amount_cents for dispute in self.disputes if dispute.status != "won")


@dataclass(slots=True)
class Payments:
    stage: Stage = field(default_factory=Stage)
    payments: dict[str, Payment] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)
    # what was asked under a key, and the payment as it was answered
    answers: dict[tuple[str, str, str], tuple[Model, Payment]] = field(default_factory=dict)

    def first_answer(self, payment_id: str) -> Payment:
        return self.answers["open", payment_id, ""][1]


def render(payment: Payment) -> dict[str, Any]:
    """A payment as answers and webhooks show it."""
    return {
        "payment_id": payment.request.payment_id,
        "merchant": payment.request.merchant,
        "provider_reference": payment.provider_reference,
        "status": payment.status,
        "amount_cents": payment.request.amount_cents,
        "currency": payment.request.currency,
        "happened_at": payment.happened_at,
        "reason": payment.reason,
        "captures": [_render("capture_id", movement) for movement in payment.captures],
        "refunds": [_render("refund_id", movement) for movement in payment.refunds],
        "voided_at": payment.voided_at,
        "voided": payment.voided_at is not None,
        "lapsed": payment.lapsed,
        "action": _render_action(payment),
        "disputes": [asdict(dispute) for dispute in payment.disputes],
        "evidence": [{"reference": reference, "status": "submitted"} for reference in payment.evidence],
    }


def action_id(payment: Payment) -> str:
    return stable_id("act", payment.request.payment_id)


def _render_action(payment: Payment) -> dict[str, Any] | None:
    if not payment.action:
        return None
    return {
        "action_id": action_id(payment),
        "status": payment.action,
        "redirect_url": f"https://bank.example/3ds/{action_id(payment)}",
        "expires_at": payment.action_expires_at,
        "reason": (payment.reason or "") if payment.action == "failed" else "",
    }


def _render(id_field: str, movement: Movement) -> dict[str, Any]:
    return {
        id_field: movement.id,
        "amount_cents": movement.amount_cents,
        "status": "captured" if id_field == "capture_id" else "refunded",
        "happened_at": movement.happened_at,
    }


# ---- decisions


def decide(command: PaymentCommand, state: Payments, now: datetime) -> tuple[Line, ...]:
    match command:
        case OpenPayment():
            return _open(command, state, now)
        case ChangePayment():
            return _change(command, state, now)
        case PutScenarios(scenarios=scenarios):
            return decide_scenarios(scenarios, state.stage, state.payments, PaymentScenarioSet)
        case _:
            return decide_stage(command, state.stage, now)


def _open(command: OpenPayment, state: Payments, now: datetime) -> tuple[Line, ...]:
    payment = state.payments.get(command.payment_id)
    if payment is not None:
        return _seen(payment.request, command)
    scenario = scenario_for(command.payment_id, command.checkout, state.stage)
    status, happened_at, reason = _first_status(command, scenario, state.stage, now)
    facts: tuple[Fact, ...] = ()
    if scenario is None and status == "authorized":
        facts = _befallen(command.payment_id, state.stage, now)
        if facts and facts[0].type == "action_required":
            status, happened_at = "pending", None
    return (
        PaymentOpened(
            request=command,
            provider_reference=stable_id("pay", command.payment_id),
            status=status,
            happened_at=happened_at,
            reason=reason,
            at=now,
            facts=facts,
        ),
    )


def _befallen(payment_id: str, stage: Stage, now: datetime) -> tuple[Fact, ...]:
    """What the dice have in store for a payment: an action of its customer, and that it lapses."""
    faults, facts = stage.faults, []
    if befalls(faults, "action_required", payment_id):
        facts.append(Fact(type="action_required", told_at=now))
        done_at = now + timedelta(seconds=delay_s(faults, "action", payment_id))
        done = throw(faults, "customer", payment_id) < CUSTOMER_COMES
        facts.append(
            Fact(type="authorized" if done else "action_failed", told_at=done_at, happened_at=done_at)
        )
        now = done_at
    if befalls(faults, "authorization_expiry", payment_id):
        lapses_at = now + timedelta(seconds=delay_s(faults, "expiry", payment_id))
        facts.append(Fact(type="expired", told_at=lapses_at, happened_at=lapses_at))
    return tuple(facts)


def _disputed(payment_id: str, stage: Stage, now: datetime) -> tuple[Fact, ...]:
    """What the dice have in store for money that was taken: a dispute, and its end."""
    faults = stage.faults
    if not befalls(faults, "dispute", payment_id):
        return ()
    opened_at = now + timedelta(seconds=delay_s(faults, "dispute", payment_id))
    ended_at = opened_at + timedelta(seconds=delay_s(faults, "decision", payment_id))
    end = "dispute_won" if throw(faults, "bank", payment_id) < BANK_SIDES_WITH_US else "dispute_lost"
    return (
        Fact(type="dispute_opened", told_at=opened_at, happened_at=opened_at),
        Fact(type=end, told_at=ended_at, happened_at=ended_at),
    )


def _first_status(
    command: OpenPayment, scenario: PaymentScenario | None, stage: Stage, now: datetime
) -> tuple[Status, datetime | None, str | None]:
    """What the request's own answer says: a fact that is due is told with it, and by no webhook."""
    if command.token == "":
        return "declined", stage.time_of(command.checkout, now), "payment_method_missing"
    if scenario is None:
        time = stage.time_of(command.checkout, now)
        if command.amount_cents % DECLINED_EVERY_CENTS == DECLINED_CENTS:
            return "declined", time, "do_not_honor"
        return "authorized", time, None
    clock = stage.clocks.get(command.checkout)
    told = scenario.authorize
    if scenario.before or told.outcome == "never" or clock is None or told.told_at > clock:
        return "pending", None, None
    return told.outcome, told.happened_at, told.reason


def _change(command: ChangePayment, state: Payments, now: datetime) -> tuple[Line, ...]:
    payment = state.payments.get(command.payment_id)
    if payment is None:
        raise Refused(404, "payment_not_found", f"there is no payment {command.payment_id}")
    answered = state.answers.get(command.key)
    if answered is not None:
        return _seen(answered[0], command.body)
    time = state.stage.time_of(payment.request.checkout, now)
    match command.body:
        case CaptureBody():
            _check_capture(payment, command.body.amount_cents)
            facts: tuple[Fact, ...] = ()
            if not payment.captures and command.payment_id not in state.stage.scenarios:
                facts = _disputed(command.payment_id, state.stage, now)
            captured = PaymentCaptured(
                payment_id=command.payment_id, body=command.body, happened_at=time, facts=facts
            )
            return (captured,)
        case RefundBody():
            _check_refund(payment, command.body.amount_cents)
            return (PaymentRefunded(payment_id=command.payment_id, body=command.body, happened_at=time),)
        case VoidBody():
            _check_void(payment)
            return (PaymentVoided(payment_id=command.payment_id, body=command.body, happened_at=time),)
        case EvidenceBody():
            _check_evidence(payment, command.body.dispute_id)
            return (EvidenceTaken(payment_id=command.payment_id, body=command.body, happened_at=time),)


def _seen(before: Model, again: Model) -> tuple[Line, ...]:
    """A repeated request changes nothing; another one under the same key is the caller's mistake."""
    if before != again:
        raise Refused(422, "idempotency_key_reused", "this key was used before with another body")
    return ()


def _check_capture(payment: Payment, amount_cents: int) -> None:
    if payment.voided_at is not None:
        raise Refused(409, "payment_voided", "a voided payment cannot be captured")
    if payment.status != "authorized":
        raise Refused(409, "payment_not_authorized", f"the payment is {payment.status}")
    left_cents = payment.request.amount_cents - payment.captured_cents
    if amount_cents > left_cents:
        raise Refused(
            409, "capture_exceeds_authorized", f"{left_cents} cents are left to capture, not {amount_cents}"
        )


def _check_refund(payment: Payment, amount_cents: int) -> None:
    left_cents = payment.captured_cents - payment.refunded_cents - payment.disputed_cents
    if amount_cents > left_cents:
        raise Refused(
            409, "refund_exceeds_captured", f"{left_cents} cents are left to refund, not {amount_cents}"
        )


def _check_void(payment: Payment) -> None:
    if payment.voided_at is not None:
        raise Refused(409, "payment_voided", "the payment is voided already")
    if payment.status == "declined":
        raise Refused(409, "payment_declined", "a declined payment holds nothing to void")
    if payment.captured_cents >= payment.request.amount_cents:
        raise Refused(409, "payment_captured", "what was captured is refunded, not voided")


def _check_evidence(payment: Payment, dispute_id: str) -> None:
    statuses = {dispute.dispute_id: dispute.status for dispute in payment.disputes}
    status = statuses.get(dispute_id)
    if status is None:
        raise Refused(404, "dispute_not_found", f"there is no dispute {dispute_id}")
    if status != "open":
        raise Refused(409, "dispute_decided", f"the dispute is {status}")


# ---- evolution


def evolve(state: Payments, line: PaymentLine) -> Payments:
    match line:
        case PaymentOpened():
            _opened(state, line)
        case PaymentCaptured(body=body):
            capture = Movement(body.capture_id, body.amount_cents, line.happened_at)
            payment = state.payments[line.payment_id]
            _changed(state, line, replace(payment, captures=(*payment.captures, capture)))
            checkout = payment.request.checkout
            expect(state.stage, line.payment_id, checkout, line.facts, on_wall_clock=True)
        case PaymentRefunded(body=body):
            refund = Movement(body.refund_id, body.amount_cents, line.happened_at)
            payment = state.payments[line.payment_id]
            _changed(state, line, replace(payment, refunds=(*payment.refunds, refund)))
        case PaymentVoided():
            _changed(state, line, replace(state.payments[line.payment_id], voided_at=line.happened_at))
            if not state.payments[line.payment_id].captures:
                forget(state.stage, line.payment_id)  # it is never authorised afterwards
        case EvidenceTaken(body=body):
            payment = state.payments[line.payment_id]
            handed = f"{body.dispute_id}/{body.evidence_id}"
            _changed(state, line, replace(payment, evidence=(*payment.evidence, handed)))
        case FactTold():
            _told(state, line)
        case PaymentScenarioSet(scenario=scenario):
            state.stage.scenarios[scenario.payment_id] = scenario
        case _:
            evolve_stage(state.stage, line)
    return state


def _opened(state: Payments, line: PaymentOpened) -> None:
    request = line.request
    state.ids.append(request.payment_id)
    payment = Payment(
        len(state.ids),
        request,
        line.provider_reference,
        line.status,
        line.happened_at,
        line.reason,
        changed_at=line.at,
    )
    state.payments[request.payment_id] = payment
    state.answers["open", request.payment_id, ""] = (request, payment)
    scenario = state.stage.scenarios.get(request.payment_id)
    if isinstance(scenario, PaymentScenario):
        facts = scenario.facts if line.status == "pending" else scenario.later
        expect(state.stage, request.payment_id, request.checkout, facts, on_wall_clock=False)
    else:
        expect(state.stage, request.payment_id, request.checkout, line.facts, on_wall_clock=True)


def _changed(
    state: Payments, line: PaymentCaptured | PaymentRefunded | PaymentVoided | EvidenceTaken, payment: Payment
) -> None:
    payment = replace(payment, changed_at=line.happened_at)
    state.payments[line.payment_id] = payment
    key = ChangePayment(line.payment_id, line.body).key
    state.answers[key] = (line.body, payment)


def _after(payment: Payment, fact: Fact, at: datetime) -> Payment:
    """A payment after what the bank or its customer did."""
    match fact.type:
        case "authorized" | "declined":
            action = ("completed" if fact.type == "authorized" else "failed") if payment.action else ""
            told = {"happened_at": fact.happened_at, "reason": fact.reason, "action": action}
            return replace(payment, status=fact.type, **told)  # type: ignore[arg-type]
        case "action_required":
            until = at + timedelta(minutes=ACTION_MINUTES)
            return replace(payment, action="required", action_expires_at=until)
        case "action_failed":
            reason = fact.reason or "authentication_failed"
            failed = {"status": "declined", "action": "failed", "happened_at": fact.happened_at}
            return replace(payment, reason=reason, **failed)  # type: ignore[arg-type]
        case "expired" if payment.captured_cents < payment.request.amount_cents and not payment.voided_at:
            return replace(payment, lapsed=True, voided_at=fact.happened_at or at)
        case "dispute_opened" if payment.captured_cents > payment.refunded_cents and not payment.disputes:
            return replace(payment, disputes=(_new_dispute(payment, fact, at),))
        case "dispute_won" | "dispute_lost":
            end = fact.type.removeprefix("dispute_")
            ended = tuple(replace(dispute, status=end) for dispute in payment.disputes)
            return replace(payment, disputes=ended)
    return payment  # too late: it was captured, or nothing is there to dispute


def _new_dispute(payment: Payment, fact: Fact, at: datetime) -> Dispute:
    return Dispute(
        dispute_id=stable_id("dp", payment.request.payment_id),
        amount_cents=payment.captured_cents - payment.refunded_cents,
        status="open",
        reason=fact.reason or "fraudulent",
        evidence_due_at=at + timedelta(days=EVIDENCE_DAYS),
        happened_at=fact.happened_at or at,
    )


def _told(state: Payments, line: FactTold) -> None:
    payment = replace(_after(state.payments[line.subject], line.fact, line.at), changed_at=line.at)
    state.payments[line.subject] = payment
    webhook = Webhook(
        id=line.webhook_id,
        subject=line.subject,
        type=f"payment.{line.fact.type}",
        created_at=line.at,
        checkout=payment.request.checkout,
        merchant=payment.request.merchant,
        data=render(payment),
    )
    tell(state.stage, line, webhook)


PAYMENT: Core[Payments] = Core(
    kind="payment",
    initial=Payments,
    decide=decide,
    evolve=evolve,
    lines=TypeAdapter(Annotated[PaymentLine, Field(discriminator="kind")]),
    scenario=PaymentScenario,
)

"""What does a payment provider do with a payment, and what does it refuse?

A payment is authorised, declined or left pending; an authorised one is captured (in parts, until one is the
last), what was captured is refunded (in parts), and what is not captured can be voided. captured <=
authorised, refunded <= captured, and no capture after a void. Captures, refunds and voids are answered at
once; a late authorisation is told by webhook, and so is all that the bank and its customer do: an action that
is required (3-D Secure), an authorisation that lapses, a dispute and its end.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field, TypeAdapter

from services.worlds.core import Core
from services.worlds.faults import befalls, delay_s, throw
from services.worlds.models import Line, Model, Refused
from services.worlds.payment_messages import (
    LATER,
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
from services.worlds.payment_state import (
    AUTHENTICATION_REQUIRED,
    MULTICAPTURE_REFUSED,
    Dispute,
    Movement,
    Payment,
    Payments,
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
from services.worlds.stripe_objects import Event, event

# an amount without a scenario that ends in 13.13 is declined: 13.13, 113.13, 213.13 …
DECLINED_CENTS, DECLINED_EVERY_CENTS = 1313, 10_000
CUSTOMER_COMES, BANK_SIDES_WITH_US = 0.7, 0.5
EVIDENCE_DAYS = 7
DECLINED_CARDS = {
    "pm_card_chargeDeclined": "generic_decline",
    "pm_card_chargeDeclinedInsufficientFunds": "insufficient_funds",
    "pm_card_chargeDeclinedLostCard": "lost_card",
}
"""Stripe's test cards that are declined, and why."""

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
    asks = (scenario.before if isinstance(scenario, PaymentScenario) else facts)[:1]
    if command.off_session and asks and asks[0].type == "action_required":  # nobody is there to ask
        status, reason, facts = "declined", AUTHENTICATION_REQUIRED, ()
        happened_at = state.stage.time_of(command.checkout, now)
    return (
        PaymentOpened(
            request=command,
            provider_reference=stable_id("pi", command.payment_id),
            status=status,
            happened_at=happened_at,
            reason=reason,
            at=now,
            facts=facts,
            once=scenario is None and befalls(state.stage.faults, "captured_once", command.payment_id),
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
    if command.method in DECLINED_CARDS:
        return "declined", stage.time_of(command.checkout, now), DECLINED_CARDS[command.method]
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
            _check_capture(payment, command.body)
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


def _check_capture(payment: Payment, body: CaptureBody) -> None:
    if payment.voided_at is not None:
        raise Refused(409, "payment_voided", "a voided payment cannot be captured")
    if payment.status != "authorized":
        raise Refused(409, "payment_not_authorized", f"the payment is {payment.status}")
    left_cents, asked_cents = payment.left_cents, body.amount_cents
    if asked_cents > left_cents:
        detail = f"{left_cents} cents are left to capture, not {asked_cents}"
        raise Refused(409, "capture_exceeds_authorized", detail)
    if asked_cents < left_cents and not body.final and payment.once:
        raise Refused(409, "capture_must_be_final", "this card is captured once: final_capture must be true")


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
            payment = _captured(state.payments[line.payment_id], body, line.happened_at)
            _changed(state, line, payment)
            checkout = payment.request.checkout
            expect(state.stage, line.payment_id, checkout, line.facts, on_wall_clock=True)
        case PaymentRefunded(body=body):
            refund = Movement(body.refund_id, body.amount_cents, line.happened_at, body.metadata)
            payment = state.payments[line.payment_id]
            _changed(state, line, replace(payment, refunds=(*payment.refunds, refund)))
        case PaymentVoided(body=body):
            payment = state.payments[line.payment_id]
            noted = {**payment.metadata, **body.metadata}
            _changed(state, line, replace(payment, voided_at=line.happened_at, metadata=noted))
            if not state.payments[line.payment_id].captures:
                forget(state.stage, line.payment_id)  # it is never authorised afterwards
        case EvidenceTaken(body=body):
            _changed(state, line, _handed(state.payments[line.payment_id], body))
        case FactTold():
            _told(state, line)
        case PaymentScenarioSet(scenario=scenario):
            state.stage.scenarios[scenario.payment_id] = scenario
        case _:
            evolve_stage(state.stage, line)
    return state


def _captured(payment: Payment, body: CaptureBody, at: datetime) -> Payment:
    """The last one voids what is left."""
    capture = Movement(body.capture_id, body.amount_cents, at)
    noted = {**payment.metadata, **body.metadata}
    payment = replace(payment, captures=(*payment.captures, capture), metadata=noted)
    return replace(payment, voided_at=at) if body.final and payment.left_cents else payment


def _handed(payment: Payment, body: EvidenceBody) -> Payment:
    noted = {
        each.dispute_id: replace(each, metadata={**each.metadata, **body.metadata})
        for each in payment.disputes
        if each.dispute_id == body.dispute_id
    }
    disputes = tuple(noted.get(each.dispute_id, each) for each in payment.disputes)
    handed = (*payment.handed, (body.evidence_id, body.dispute_id))
    return replace(payment, disputes=disputes, handed=handed)


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
        line.at,
        {},
        once=line.once or request.method in MULTICAPTURE_REFUSED,
    )
    payment = replace(payment, metadata=payment.opened_with)
    state.references[line.provider_reference] = request.payment_id
    state.named.setdefault(payment.metadata.get("payment", ""), []).append(request.payment_id)
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
            return replace(payment, action="required")
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
    fact = line.fact
    payment = _after(state.payments[line.subject], fact, line.at)
    state.payments[line.subject] = payment
    state.disputes.update({each.dispute_id: line.subject for each in payment.disputes})
    happened_at = line.at if fact.type in LATER and fact.happened_at is None else fact.happened_at
    kind, data = event(payment, fact.type, line.webhook_id, happened_at)
    webhook = Event(
        id=line.webhook_id,
        subject=line.subject,
        type=kind,
        created_at=line.at,
        checkout=payment.request.checkout,
        merchant=payment.request.merchant,
        data=data,
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

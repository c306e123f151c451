"""What may be asked of a payment from outside: to capture, void and refund it, to add one to an order, to
answer a dispute, to resolve a discrepancy.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import ConfigDict, Field, StrictBool

from commands.executor import Context, Done, Executor
from commands.fields import Body, Id, PaymentId, PaymentName, Reason, Text, whole
from commands.http import PROBLEMS, Call, CommandRoute, Positioned, WantedCall, answers
from commands.order.call import placing_of
from commands.payment_method import check_stored
from commands.payment_method import router as methods
from commands.personal import sealed
from domain.kernel import Group, Target, one
from domain.money import MOST_CENTS
from domain.order import AddOrderPayment, CancelReason, Order, OrderPlaced
from domain.payment import (
    CapturePayment,
    Evidence,
    PaymentCommand,
    RequestAuthorization,
    RequestRefund,
    RequestVoid,
    ResolveDiscrepancy,
    SubmitEvidence,
)
from domain.payment.method import stored_method
from domain.streams import order_stream, payment_stream
from eventstore.codec import decode
from eventstore.seams import derived_id
from services.web.access import requires
from services.web.problems import Problem, conflict

EVIDENCE_CHARACTERS_MAX = 20_000
Amount = Annotated[int, whole(1, MOST_CENTS)]
PaymentPath = Annotated[PaymentId, Path(description="the payment", examples=["1001.card"])]


async def ask_payment(
    executor: Executor, command: PaymentCommand, context: Context, answer: bytes = b""
) -> Done:
    """Have a payment's provider asked for something, or say something of the payment."""
    stream = payment_stream(context.merchant, command.payment_id)
    return await executor.execute(one(stream, command), context, answer)


async def add_payment(
    executor: Executor, command: RequestAuthorization, context: Context, answer: bytes = b""
) -> Done:
    """The order knows of it in the same append: together payments never bring more than is due."""
    add = AddOrderPayment(
        order_id=command.order_id,
        payment_id=command.payment_id,
        method=command.method,
        amount_cents=command.amount_cents,
    )
    order = Target(order_stream(context.merchant, command.order_id), add)
    payment = Target(payment_stream(context.merchant, command.payment_id), command)
    return await executor.execute(Group((order, payment)), context, answer)


class CaptureBody(Body):
    """What is to be taken of what is held."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"amount_cents": 4990}]})

    amount_cents: Amount | None = Field(None, description="minor units; without it, all that is left")
    capture_id: Id | None = Field(None, description="your name for it; it is captured once for each name")
    last: StrictBool = Field(
        default=False, description="no more will be captured: what it leaves is let go with it"
    )


class RefundBody(Body):
    """What is to be given back of what was taken."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"amount_cents": 1290, "reason": "customer", "note": "the handle came off"}]
        }
    )

    amount_cents: Amount
    refund_id: Id | None = Field(None, description="your name for it; it is refunded once for each name")
    reason: CancelReason | None = Field(None, description="why, as a cancel says it")
    note: Text = ""


class AddPaymentBody(Body):
    """A further payment towards an order: it is on account, or one of its payments was reduced, could not be
    captured, or was added and came to nothing."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"payment_id": "card-2", "method": "credit_card", "amount_cents": 2580}]
        }
    )

    payment_id: PaymentName | None = Field(None, description="tells the order's payments apart")
    method: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        description="how it is paid; `stored:ID` charges what the order's customer has stored"
    )
    amount_cents: Amount
    installments: Annotated[int, whole(0, 1000)] = 1


class EvidenceBody(Body):
    """What speaks against the dispute; kept encrypted under the customer's key."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "text": "Delivered on 3 May and signed for by the customer.",
                    "carrier": "Rollpost",
                    "tracking_number": "RP000000000118TR",
                }
            ]
        }
    )

    text: Annotated[str, Field(min_length=1, max_length=EVIDENCE_CHARACTERS_MAX, pattern=r"^[^\x00]*$")]
    carrier: Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")] = ""
    tracking_number: Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")] = ""


class ResolveDiscrepancyBody(Body):
    """Why it may stand."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"reason": "Captured by hand at the provider; agreed with the customer."}]
        }
    )

    reason: Reason


class PaymentAnswer(Positioned):
    """The payment that it was about."""

    payment_id: str = Field(examples=["1001.card"])


class CaptureAnswer(PaymentAnswer):
    capture_id: str = Field(examples=["c-1"])


class RefundAnswer(PaymentAnswer):
    refund_id: str = Field(examples=["r-1"])


class PaymentAddedAnswer(PaymentAnswer):
    order_id: str = Field(examples=["1001"])
    currency: str = Field(examples=["BRL"])


class EvidenceAnswer(PaymentAnswer):
    dispute_id: str = Field(examples=["dp_1"])
    evidence_id: str = Field(examples=["e-1"])


router = APIRouter(prefix="/v1/payments", tags=["payments"], route_class=CommandRoute, responses=PROBLEMS)
of_order = APIRouter(prefix="/v1/orders", tags=["payments"], route_class=CommandRoute, responses=PROBLEMS)


async def _correlation(call: Call, payment_id: str) -> str:
    """What the payment belongs to; nothing where there is none."""
    (events,) = await call.parts.log.read_streams([(payment_stream(call.merchant, payment_id), 0)], 1)
    return events[0].correlation if events else ""


@router.post(
    "/{payment_id}/capture",
    operation_id="capture_payment",
    dependencies=[requires("payments:write")],
    summary="Capture a payment, part or all",
    response_model=CaptureAnswer,
    responses=answers(200, "The capture is asked for; the payment tells what became of it"),
)
async def _capture(call: WantedCall, payment_id: PaymentPath, body: CaptureBody) -> Response:
    """Captured and pending never exceed what is authorised (rule `capture_within_authorized`); nothing is
    captured after a void (`capture_before_void`) or once the authorisation has expired
    (`capture_before_expiry`). What is left is captured when the order is dispatched, or voided. Of a card
    that may not be captured in parts take all at once, or say that it is the `last` (`capture_at_once`).
    """
    await call.settings()
    capture_id = body.capture_id or str(derived_id(call.command_id, "capture"))
    command = CapturePayment(
        payment_id=payment_id, capture_id=capture_id, amount_cents=body.amount_cents, last=body.last
    )
    answer = {"payment_id": payment_id, "capture_id": capture_id}
    correlation = await _correlation(call, payment_id)
    return await call.carry_out(ask_payment, command, answer, correlation=correlation)


@router.post(
    "/{payment_id}/void",
    operation_id="void_payment",
    dependencies=[requires("payments:write")],
    summary="Void a payment, or what a part capture has left",
    response_model=PaymentAnswer,
    responses=answers(200, "It is voided, now or before"),
)
async def _void(call: WantedCall, payment_id: PaymentPath) -> Response:
    """Lets go of what is held and not captured. Where all is captured, or a capture is under way, it is
    refused (rule `void_uncaptured`): refund it, or wait for the capture's outcome. Takes no body.
    """
    await call.settings()
    command = RequestVoid(payment_id=payment_id)
    correlation = await _correlation(call, payment_id)
    return await call.carry_out(ask_payment, command, {"payment_id": payment_id}, correlation=correlation)


@router.post(
    "/{payment_id}/refund",
    operation_id="refund_payment",
    dependencies=[requires("payments:write")],
    summary="Refund a payment, part or all",
    response_model=RefundAnswer,
    responses=answers(200, "The refund is asked for; the payment tells what became of it"),
)
async def _refund(call: WantedCall, payment_id: PaymentPath, body: RefundBody) -> Response:
    """Refunded and pending never exceed what is captured, less what is disputed (rule
    `refund_within_captured`).
    """
    await call.settings()
    refund_id = body.refund_id or str(derived_id(call.command_id, "refund"))
    command = RequestRefund(
        payment_id=payment_id,
        refund_id=refund_id,
        amount_cents=body.amount_cents,
        reason=body.reason,
        note=body.note,
    )
    answer = {"payment_id": payment_id, "refund_id": refund_id}
    correlation = await _correlation(call, payment_id)
    return await call.carry_out(ask_payment, command, answer, correlation=correlation)


@of_order.post(
    "/{order_id}/payments",
    operation_id="add_payment",
    dependencies=[requires("payments:write")],
    summary="Add a payment to an order",
    status_code=201,
    response_model=PaymentAddedAnswer,
    responses=answers(201, "Its authorisation is asked for"),
)
async def _add_payment(
    call: WantedCall,
    order_id: Annotated[Id, Path(description="the order", examples=["1001"])],
    body: AddPaymentBody,
) -> Response:
    """In its currency, beside the payments that it was placed with: as far as these do not bring the whole
    total (rule `payments_within_total`), as it is on account, or as one of them brought less than it was to:
    what could not be captured of one is let go, and taken no more. It is captured when the order is
    dispatched, or at once, if it was; and given back when the order is cancelled. One that is cancelled or
    completed takes none (rule `pay_open_order`): as is an order that is not sent when a payment that it was
    placed with is declined, voided or expires. Place it anew then.
    """
    await call.settings()
    placed, correlation = await _open_order(call, order_id)
    name = body.payment_id or derived_id(call.command_id, "payment").hex[:12]
    stored = stored_method(body.method)
    if stored:
        payment = payment_stream(call.merchant, f"{order_id}.{name}")
        await check_stored(call, (body.method,), placed.subject, makes=payment)
    command = RequestAuthorization(
        payment_id=f"{order_id}.{name}",
        order_id=order_id,
        amount_cents=body.amount_cents,
        currency=placed.currency,
        method=body.method,
        installments=body.installments,
        subject=placed.subject if stored else "",
    )
    answer = {"payment_id": command.payment_id, "order_id": order_id, "currency": placed.currency}
    return await call.carry_out(add_payment, command, answer, status=201, correlation=correlation)


async def _open_order(call: Call, order_id: str) -> tuple[OrderPlaced, str]:
    """The order's placing and its correlation; a 404 or 409 problem where nothing can be paid."""
    stream = order_stream(call.merchant, order_id)
    (events,) = await call.parts.log.read_streams([(stream, 0)], 1)
    if not events:
        raise Problem(404, "not-found", f"there is no order {order_id}", rule="order_exists")
    (state,) = await call.parts.executor.states.load([stream])
    order: Order = state.state
    if order.status in ("cancelled", "completed"):
        raise conflict("pay_open_order", f"the order is {order.status}; it takes no further payment")
    placed = decode(events[0]).event
    assert isinstance(placed, OrderPlaced)
    return placed, events[0].correlation


@router.post(
    "/{payment_id}/disputes/{dispute_id}/evidence",
    operation_id="submit_evidence",
    dependencies=[requires("payments:write")],
    summary="Hand in evidence against a dispute",
    response_model=EvidenceAnswer,
    responses=answers(200, "It is handed in; the dispute tells what became of it"),
)
async def _submit_evidence(
    call: WantedCall,
    payment_id: PaymentPath,
    dispute_id: Annotated[PaymentId, Path(description="the provider's id of it", examples=["dp_1"])],
    body: EvidenceBody,
) -> Response:
    """While the dispute is open only (rule `evidence_while_open`)."""
    await call.settings()
    (state,) = await call.parts.executor.states.load([payment_stream(call.merchant, payment_id)])
    if not state.state.order_id:
        raise Problem(404, "not-found", f"there is no payment {payment_id}", rule="payment_exists")
    stream = order_stream(call.merchant, state.state.order_id)
    correlation, subject = await placing_of(call.parts.log, stream)
    evidence_id = str(derived_id(call.command_id, "evidence"))
    subject = subject or payment_id
    evidence = await sealed(call.parts.keyring, call.parts.ids, subject, Evidence(**dict(body)))
    command = SubmitEvidence(
        payment_id=payment_id,
        dispute_id=dispute_id,
        evidence_id=evidence_id,
        subject=subject,
        evidence=evidence,
    )
    answer = {"payment_id": payment_id, "dispute_id": dispute_id, "evidence_id": evidence_id}
    return await call.carry_out(ask_payment, command, answer, correlation=correlation)


@router.post(
    "/{payment_id}/discrepancies/{kind}/resolve",
    operation_id="resolve_discrepancy",
    dependencies=[requires("payments:write")],
    summary="Resolve a discrepancy of a payment",
    response_model=PaymentAnswer,
    responses=answers(200, "It is resolved, now or before"),
)
async def _resolve(
    call: WantedCall,
    payment_id: PaymentPath,
    kind: Annotated[Id, Path(description="what differs", examples=["captured_differs"])],
    body: ResolveDiscrepancyBody,
) -> Response:
    """Says who let it stand, and why. It opens again only with other figures."""
    await call.settings()
    command = ResolveDiscrepancy(payment_id=payment_id, kind=kind, reason=body.reason)
    correlation = await _correlation(call, payment_id)
    return await call.carry_out(ask_payment, command, {"payment_id": payment_id}, correlation=correlation)


ROUTERS = (router, of_order, methods)

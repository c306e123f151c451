"""What may be asked of a customer's stored payment methods: to store one, as a token, and to remove it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import AfterValidator, ConfigDict, Field

from commands.executor import Context, Done, Executor
from commands.fields import Body, Id
from commands.http import PROBLEMS, CommandRoute, Positioned, WantedCall, answers
from commands.personal import sealed, subject_of
from domain.kernel import one
from domain.payment.method import (
    MethodCommand,
    MethodToken,
    RemovePaymentMethod,
    StorePaymentMethod,
    is_card_number,
)
from domain.streams import payment_method_stream
from eventstore.seams import derived_id
from services.web.access import requires


async def ask_method(
    executor: Executor, command: MethodCommand, context: Context, answer: bytes = b""
) -> Done:
    """Store a payment method, or remove it."""
    stream = payment_method_stream(context.merchant, command.method_id)
    return await executor.execute(one(stream, command), context, answer)


def _no_card(token: str) -> str:
    if is_card_number(token):
        raise ValueError("this is a card's number; send the token that the provider gave for it")
    return token


class StoreMethodBody(Body):
    """A token of the payment provider, and what the customer knows it by."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": "c-4711",
                    "token": "pm_1PqTokenOfTheProvider",
                    "brand": "visa",
                    "last4": "4242",
                    "expires": "2029-04",
                }
            ]
        }
    )

    customer_id: Id = Field(description="the person, as orders name it (`customer_unique_id`, if they do)")
    method_id: Id | None = Field(None, description="your id of it; made up if there is none")
    token: Annotated[
        str, Field(min_length=1, max_length=500, pattern=r"^[^\s\x00]+$"), AfterValidator(_no_card)
    ]
    brand: Annotated[str, Field(max_length=40, pattern=r"^[^\x00]*$")] = ""
    last4: Annotated[str, Field(pattern=r"^([0-9]{4})?$")] = ""
    expires: Annotated[str, Field(pattern=r"^([0-9]{4}-(0[1-9]|1[0-2]))?$")] = ""


class MethodAnswer(Positioned):
    """The payment method that it was about."""

    method_id: str = Field(examples=["visa-4242"])


router = APIRouter(
    prefix="/v1/payment-methods", tags=["payments"], route_class=CommandRoute, responses=PROBLEMS
)


@router.post(
    "",
    operation_id="store_payment_method",
    dependencies=[requires("methods:write")],
    summary="Store a payment method",
    status_code=201,
    response_model=MethodAnswer,
    responses=answers(201, "It is stored, now or before"),
)
async def _store(call: WantedCall, body: StoreMethodBody) -> Response:
    """The provider's token only, never the card. It is sealed under the customer's key, and ends with it when
    the person is erased. An order charges it by the method `stored:ID`.
    """
    await call.settings()
    subject = subject_of(call.parts.keyring, call.merchant, body.customer_id)
    call.check_own(subject)
    method_id = body.method_id or str(derived_id(call.command_id, "method"))
    plain = MethodToken(token=body.token, brand=body.brand, last4=body.last4, expires=body.expires)
    token = await sealed(call.parts.keyring, call.parts.ids, subject, plain)
    command = StorePaymentMethod(method_id=method_id, subject=subject, token=token)
    return await call.carry_out(ask_method, command, {"method_id": method_id}, status=201)


@router.post(
    "/{method_id}/remove",
    operation_id="remove_payment_method",
    dependencies=[requires("methods:write")],
    summary="Remove a payment method",
    response_model=MethodAnswer,
    responses=answers(200, "It is removed, now or before"),
)
async def _remove(
    call: WantedCall, method_id: Annotated[Id, Path(description="it", examples=["visa-4242"])]
) -> Response:
    """What was paid by it stays; nothing is charged to it any more. Takes no body."""
    await call.settings()
    if call.own:
        stream = payment_method_stream(call.merchant, method_id)
        (state,) = await call.parts.executor.states.load([stream])
        call.check_own(state.state.subject or call.own)
    command = RemovePaymentMethod(method_id=method_id)
    return await call.carry_out(ask_method, command, {"method_id": method_id})

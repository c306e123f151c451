"""What may be asked of a customer's payment methods: to store one, as a token, and to remove it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import AfterValidator, ConfigDict, Field

from commands.executor import Context, Done, Executor
from commands.fields import Body, Id
from commands.http import PROBLEMS, Call, CommandRoute, Positioned, WantedCall, answers
from commands.personal import sealed, subject_of
from domain.kernel import one
from domain.payment.method import (
    MethodCommand,
    MethodToken,
    RemovePaymentMethod,
    StorePaymentMethod,
    is_card_number,
    stored_method,
)
from domain.streams import payment_method_stream
from eventstore.seams import derived_id
from services.web.access import requires
from services.web.problems import Problem

EXAMPLE_METHOD = "pm_1PqTokenOfTheProvider"
ReturnUrl = Annotated[str, Field(max_length=2048, pattern=r"^https?://[^\s\x00-\x20]+$")]


async def check_stored(
    call: Call, methods: Iterable[str], subject: str, merchant: str = "", *, makes: str = ""
) -> None:
    """A 404 problem where one of a payment's methods is a stored one that the person does not have there.

    `makes` is the stream that is to be paid by them: once it is there, the request is a repeated one, which
    is answered as the first was, whatever became of the methods since.
    """
    wanted = [stored for stored in map(stored_method, methods) if stored]
    streams = [payment_method_stream(merchant or call.merchant, each) for each in wanted]
    if not streams:
        return
    load = call.parts.executor.states.load
    if makes and (await load([makes]))[0].version:
        return
    for method_id, each in zip(wanted, await load(streams), strict=True):
        if each.state.subject != subject or each.state.removed:
            detail = f"the order's customer has stored no payment method {method_id}"
            raise Problem(404, "not-found", detail, rule="method_exists")


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


class MethodBody(Body):
    """A token of the payment provider, and what the customer knows it by."""

    token: Annotated[
        str, Field(min_length=1, max_length=500, pattern=r"^[^\s\x00]+$"), AfterValidator(_no_card)
    ]
    brand: Annotated[str, Field(max_length=40, pattern=r"^[^\x00]*$")] = ""
    last4: Annotated[str, Field(pattern=r"^([0-9]{4})?$")] = ""
    expires: Annotated[str, Field(pattern=r"^([0-9]{4}-(0[1-9]|1[0-2]))?$")] = ""
    return_url: ReturnUrl | None = Field(
        None,
        description="of a customer who pays now: where their bank sends them back to, once it has heard from"
        " them. Without it nobody is asked, and a bank that would ask declines",
        examples=["https://shop.example.com/thanks"],
    )

    def to_domain(self) -> MethodToken:
        return MethodToken(
            token=self.token,
            brand=self.brand,
            last4=self.last4,
            expires=self.expires,
            return_url=self.return_url or "",
        )


class StoreMethodBody(MethodBody):
    """Whose it is, too."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": "c-4711",
                    "token": EXAMPLE_METHOD,
                    "brand": "visa",
                    "last4": "4242",
                    "expires": "2029-04",
                }
            ]
        }
    )

    customer_id: Id = Field(description="the person, as orders name it (`customer_unique_id`, if they do)")
    method_id: Id | None = Field(None, description="your id of it; made up if there is none")


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
    the person is erased. An order charges it by the method `stored:ID`. One with a `return_url` is given
    while its customer pays: their bank may ask them to act, as the order's payment then tells (`action_url`).
    """
    await call.settings()
    subject = subject_of(call.parts.keyring, call.merchant, body.customer_id)
    call.check_own(subject)
    method_id = body.method_id or str(derived_id(call.command_id, "method"))
    token = await sealed(call.parts.keyring, call.parts.ids, subject, body.to_domain())
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

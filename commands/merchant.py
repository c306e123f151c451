"""What may be asked of a merchant from outside: to be registered, and to set its terms."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import ConfigDict, Field

from commands.executor import Context, Done, Executor
from commands.fields import Body, Text, whole
from commands.http import PROBLEMS, CommandRoute, Positioned, WantedCall, answers
from domain.kernel import one
from domain.merchant import RegisterMerchant, SetMerchantTerms, SetMerchantTimeZone
from domain.order import Terms
from domain.streams import merchant_stream
from domain.time_zones import TimeZone
from services.web.access import requires


async def register_merchant(
    executor: Executor, command: RegisterMerchant, context: Context, answer: bytes = b""
) -> Done:
    """Make a merchant known; one that is known stays as it is, and other data for it is refused."""
    return await executor.execute(one(merchant_stream(command.merchant_id), command), context, answer)


async def set_merchant_terms(
    executor: Executor, command: SetMerchantTerms, context: Context, answer: bytes = b""
) -> Done:
    """Set the terms on which orders are placed from now on."""
    return await executor.execute(one(merchant_stream(command.merchant_id), command), context, answer)


async def set_merchant_time_zone(
    executor: Executor, command: SetMerchantTimeZone, context: Context, answer: bytes = b""
) -> Done:
    """Set whose days, weeks and months the merchant's are."""
    return await executor.execute(one(merchant_stream(command.merchant_id), command), context, answer)


_Seconds = Annotated[int, whole(1, 10 * 366 * 86400)]


class RegisterMerchantBody(Body):
    """Where the merchant sells from."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"zip_prefix": "04052", "city": "São Paulo", "state": "SP"}]}
    )

    zip_prefix: Annotated[Text, Field(max_length=20)] = ""
    city: Annotated[Text, Field(max_length=200)] = ""
    state: Annotated[Text, Field(max_length=100)] = ""


class MerchantTermsBody(Body):
    """How long what is held for an order stays held, in seconds."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reservation_valid_s": 3600, "authorization_valid_s": 432000}]}
    )

    reservation_valid_s: _Seconds = Field(description="stock, until the order is confirmed")
    authorization_valid_s: _Seconds = Field(description="an authorised payment, until it is captured")


class MerchantTimeZoneBody(Body):
    """A name of the tz database."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"time_zone": "America/Sao_Paulo"}]})

    time_zone: TimeZone


class MerchantAnswer(Positioned):
    """The merchant that it was about."""

    merchant_id: str = Field(examples=["m1"])


class TermsAnswer(MerchantAnswer):
    """The terms as they are now."""

    reservation_valid_s: int = Field(examples=[3600])
    authorization_valid_s: int = Field(examples=[432000])


class TimeZoneAnswer(MerchantAnswer):
    """The time zone as it is now."""

    time_zone: str = Field(examples=["America/Sao_Paulo"])


router = APIRouter(prefix="/v1/merchant", tags=["merchant"], route_class=CommandRoute, responses=PROBLEMS)


@router.post(
    "",
    operation_id="register_merchant",
    dependencies=[requires("merchants:write")],
    summary="Register the merchant",
    status_code=201,
    response_model=MerchantAnswer,
    responses=answers(201, "The merchant is registered, now or before"),
)
async def _register_merchant(call: WantedCall, body: RegisterMerchantBody) -> Response:
    """The merchant that the header names. To register it again with the same data changes nothing; with other
    data it is refused (rule `registered_once`).
    """
    command = RegisterMerchant(merchant_id=call.merchant, **dict(body))
    return await call.carry_out(register_merchant, command, {"merchant_id": call.merchant}, status=201)


@router.put(
    "/terms",
    operation_id="set_merchant_terms",
    dependencies=[requires("merchant:write")],
    summary="Set the merchant's terms",
    response_model=TermsAnswer,
    responses=answers(200, "Orders are placed on these terms from now on"),
)
async def _set_merchant_terms(call: WantedCall, body: MerchantTermsBody) -> Response:
    """An order keeps the terms that it was placed on."""
    await call.settings()
    command = SetMerchantTerms(merchant_id=call.merchant, terms=Terms(**dict(body)))
    return await call.carry_out(set_merchant_terms, command, {"merchant_id": call.merchant, **dict(body)})


@router.put(
    "/time-zone",
    operation_id="set_merchant_time_zone",
    dependencies=[requires("merchant:write")],
    summary="Set the merchant's time zone",
    response_model=TimeZoneAnswer,
    responses=answers(200, "Days, weeks and months are of this time zone from now on"),
)
async def _set_merchant_time_zone(call: WantedCall, body: MerchantTimeZoneBody) -> Response:
    """Key figures and analytics are of its days where a request names no other; what is kept does not change.
    A merchant that has set none has UTC.
    """
    await call.settings()
    command = SetMerchantTimeZone(merchant_id=call.merchant, time_zone=body.time_zone)
    return await call.carry_out(
        set_merchant_time_zone, command, {"merchant_id": call.merchant, "time_zone": body.time_zone}
    )


ROUTERS = (router,)

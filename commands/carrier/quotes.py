"""What would a parcel cost, and who would carry it? Asked of the rates as they are now."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from commands.carrier_desk import carriers_of, services_for, track_records
from commands.fields import Body, MethodName, Text, whole
from commands.http import PROBLEMS, CommandRoute, Positioned, WantedCall, answers
from domain.carrier.carriers import Carriers, options, quotes
from domain.carrier.choice import Option, fulfilling, ranked, reason, within
from domain.carrier.rates import NotServed, Parcel
from domain.money import Currency
from services.web.access import requires
from services.web.positions import POSITION_HEADER

_Millimetres = Annotated[int, whole(0, 10**5)]


class QuoteBody(Body):
    """A parcel, and where it goes; 0 is not known."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "weight_g": 1200,
                    "length_mm": 300,
                    "width_mm": 200,
                    "height_mm": 100,
                    "region": "SP",
                    "zip_prefix": "01310",
                    "currency": "BRL",
                }
            ]
        }
    )

    units: Annotated[int, whole(1, 10**6)] = 1
    weight_g: Annotated[int, whole(0, 10**8)] = 0
    length_mm: _Millimetres = 0
    width_mm: _Millimetres = 0
    height_mm: _Millimetres = 0
    region: Annotated[Text, Field(max_length=100)] = ""
    zip_prefix: Annotated[Text, Field(max_length=20)] = ""
    currency: Currency | None = Field(None, description="of the order: who asks in it goes before the others")
    shipping_method: MethodName = Field("", description="the way of shipping that was paid for")


class OptionAnswer(Option):
    """A service that would take it, and whether it keeps to the limits of the rule."""

    within_limits: bool


class RefusedAnswer(BaseModel):
    """A service that would not, and why."""

    carrier: str
    service: str
    why: str = Field(examples=["too_heavy"])


class QuoteAnswer(Positioned):
    """The best first, by the merchant's rule."""

    options: list[OptionAnswer]
    reason: str | None = Field(description="why the first one would be chosen")
    not_served: list[RefusedAnswer]


router = APIRouter(prefix="/v1/carriers", tags=["carriers"], route_class=CommandRoute, responses=PROBLEMS)


@router.post(
    "/quotes",
    operation_id="quote_parcel",
    dependencies=[requires("carriers:read")],
    summary="What each carrier asks for a parcel",
    response_model=QuoteAnswer,
    responses=answers(200, "What each service says"),
)
async def _quote(call: WantedCall, body: QuoteBody) -> Response:
    """By the rates that hold now; which would be chosen, and why. Nothing is booked."""
    await call.settings()
    executor, now = call.parts.executor, call.parts.clock.now()
    carriers = await carriers_of(executor, call.merchant)
    method = body.shipping_method
    parcel = Parcel(**body.model_dump(exclude={"currency", "shipping_method"}))
    currency = body.currency or ""
    named = await services_for(executor, call.merchant, method)
    records = await track_records(executor, call.merchant, carriers)
    found = ranked(
        carriers.rule, fulfilling(method, named, options(carriers, parcel, now, records)), currency
    )
    not_served = [
        RefusedAnswer(carrier=carrier, service=told.service, why=told.why)
        for carrier, _, told in quotes(carriers, parcel, now)
        if isinstance(told, NotServed)
    ]
    position = call.parts.identity.token(await call.parts.log.head())
    answer = QuoteAnswer(
        position=position,
        options=[_told(carriers, each) for each in found],
        reason=reason(carriers.rule, found, currency, method if named else "") if found else None,
        not_served=not_served,
    )
    headers = {POSITION_HEADER: position}
    return Response(answer.model_dump_json(), headers=headers, media_type="application/json")


def _told(carriers: Carriers, option: Option) -> OptionAnswer:
    return OptionAnswer(**dict(option), within_limits=within(carriers.rule, option))

"""What may be asked about carriers: to add, suspend and resume one, to publish its rates, to set the rule."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from pydantic import ConfigDict, Field

from commands.executor import Context, Done, Executor
from commands.fields import Body, Moment, Text, whole
from commands.http import PROBLEMS, CommandRoute, Positioned, WantedCall, answers
from domain.carrier.carriers import (
    AddCarrier,
    CarriersCommand,
    PublishRateCard,
    ResumeCarrier,
    SetChoiceRule,
    SetTrackingLink,
    SuspendCarrier,
    UnitMeasures,
)
from domain.carrier.choice import ChoiceRule
from domain.carrier.rates import Name, RateCard, Service
from domain.carrier.tracking import TrackingTemplate
from domain.kernel import one
from domain.money import Currency
from domain.streams import carriers_stream
from services.web.access import requires


async def change_carriers(
    executor: Executor, command: CarriersCommand, context: Context, answer: bytes = b""
) -> Done:
    """Any change of a merchant's carriers, their rates, or the rule that chooses among them."""
    return await executor.execute(one(carriers_stream(context.merchant), command), context, answer)


EXAMPLE_SERVICE: dict[str, Any] = {
    "service": "express",
    "days": 2,
    "zones": [
        {"zone": "city", "zip_prefixes": ["010", "013"]},
        {"zone": "near", "regions": ["SP", "RJ"]},
        {"zone": "far", "regions": ["*"]},
    ],
    "bands": [
        {"zone": "city", "up_to_g": 5000, "cents": 890},
        {"zone": "near", "up_to_g": 5000, "cents": 1490},
        {"zone": "far", "up_to_g": 1000, "cents": 1990},
        {"zone": "far", "up_to_g": 5000, "cents": 3290},
    ],
    "surcharges": [{"name": "fuel", "basis_points": 1250}, {"name": "bulky", "cents": 500, "above_mm": 900}],
    "volume_divisor": 5000,
    "longest_mm": 1500,
}


class AddCarrierBody(Body):
    """A carrier that parcels may be given to."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Swift Courier"}]})

    name: Annotated[Text, Field(max_length=200)] = ""


class SuspendCarrierBody(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "strike"}]})

    reason: Text = ""


class RateCardBody(Body):
    """All prices of a carrier from a moment on. A service's `bands` price each of its zones by billed weight:
    the real one, or that of the volume (cubic centimetres / `volume_divisor` = kilograms) if it is more.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"expected_version": 0, "currency": "BRL", "services": [EXAMPLE_SERVICE]}]
        }
    )

    expected_version: Annotated[int, whole(0, 10**6)] = Field(
        description="the version that this one replaces; 0 for the first card"
    )
    currency: Currency
    effective_from: Moment | None = Field(None, description="from now on, if it is left out")
    services: Annotated[tuple[Service, ...], Field(min_length=1, max_length=50)]


class ChoiceRuleBody(Body):
    """How a carrier is chosen for a parcel, and what a unit counts as that the catalogue does not know."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "rule": {"prefer": "balanced", "day_cents": 100, "late_cents": 2500, "days_max": 7},
                    "unit": {"weight_g": 700, "length_mm": 300, "width_mm": 200, "height_mm": 60},
                }
            ]
        }
    )

    rule: ChoiceRule
    unit: UnitMeasures = UnitMeasures()


class TrackingLinkBody(Body):
    """Where the carrier shows the way of a parcel, with `{tracking_number}` in place of its number."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"template": "https://track.swift.example/parcels/{tracking_number}"}]
        }
    )

    template: TrackingTemplate = Field(
        description="over https, with the placeholder once, behind the host; empty takes the link away"
    )


class CarrierAnswer(Positioned):
    """The carrier that it was about."""

    carrier: str = Field(examples=["swift"])


router = APIRouter(prefix="/v1/carriers", tags=["carriers"], route_class=CommandRoute, responses=PROBLEMS)
CarrierName = Annotated[
    Name, Path(description="its short name, which stands in addresses", examples=["swift"])
]


@router.put(
    "/{carrier}",
    operation_id="add_carrier",
    dependencies=[requires("carriers:write")],
    summary="Add a carrier",
    response_model=CarrierAnswer,
    responses=answers(200, "The carrier is there, now or before"),
)
async def _add_carrier(call: WantedCall, carrier: CarrierName, body: AddCarrierBody) -> Response:
    """Parcels can be given to it once it has a rate card that holds."""
    await call.settings()
    command = AddCarrier(carrier=carrier, name=body.name)
    return await call.carry_out(change_carriers, command, {"carrier": carrier})


@router.post(
    "/{carrier}/suspend",
    operation_id="suspend_carrier",
    dependencies=[requires("carriers:write")],
    summary="Give a carrier no more parcels",
    response_model=CarrierAnswer,
    responses=answers(200, "It is suspended, now or before"),
)
async def _suspend_carrier(call: WantedCall, carrier: CarrierName, body: SuspendCarrierBody) -> Response:
    """What it has already it carries to its end."""
    await call.settings()
    command = SuspendCarrier(carrier=carrier, reason=body.reason)
    return await call.carry_out(change_carriers, command, {"carrier": carrier})


@router.post(
    "/{carrier}/resume",
    operation_id="resume_carrier",
    dependencies=[requires("carriers:write")],
    summary="Give a carrier parcels again",
    response_model=CarrierAnswer,
    responses=answers(200, "It is not suspended, any more or ever"),
)
async def _resume_carrier(call: WantedCall, carrier: CarrierName) -> Response:
    """Takes no body."""
    await call.settings()
    return await call.carry_out(change_carriers, ResumeCarrier(carrier=carrier), {"carrier": carrier})


@router.put(
    "/{carrier}/tracking-link",
    operation_id="set_tracking_link",
    dependencies=[requires("carriers:write")],
    summary="Say where a carrier shows the way of parcels",
    response_model=CarrierAnswer,
    responses=answers(200, "Its parcels have that link, also those that are on their way"),
)
async def _set_tracking_link(call: WantedCall, carrier: CarrierName, body: TrackingLinkBody) -> Response:
    """Staff and who bought it see it as the `tracking_url` of each parcel."""
    await call.settings()
    command = SetTrackingLink(carrier=carrier, template=body.template)
    return await call.carry_out(change_carriers, command, {"carrier": carrier})


@router.post(
    "/{carrier}/rate-cards",
    operation_id="publish_rate_card",
    dependencies=[requires("carriers:write")],
    summary="Publish a carrier's rates",
    response_model=CarrierAnswer,
    responses=answers(200, "The rates hold from their moment on"),
)
async def _publish_rate_card(call: WantedCall, carrier: CarrierName, body: RateCardBody) -> Response:
    """A card is never changed: a new version replaces it from its own moment on, which is after that of the
    last (rule `rate_card_later_than_the_last`), and names the version it was made from (rule
    `rate_card_follows_the_last`). It has a price for each of its zones (rule `rate_card_complete`).
    """
    await call.settings()
    now = call.parts.clock.now()
    card = RateCard(currency=body.currency, effective_from=body.effective_from or now, services=body.services)
    command = PublishRateCard(carrier=carrier, expected_version=body.expected_version, card=card, now=now)
    return await call.carry_out(change_carriers, command, {"carrier": carrier})


class RuleAnswer(Positioned):
    """The rule as it is now."""

    rule: ChoiceRule
    unit: UnitMeasures


@router.put(
    "",
    operation_id="set_carrier_rule",
    dependencies=[requires("carriers:write")],
    summary="Set how carriers are chosen",
    response_model=RuleAnswer,
    responses=answers(200, "Carriers are chosen by it from now on"),
)
async def _set_rule(call: WantedCall, body: ChoiceRuleBody) -> Response:
    """Each choice keeps its reason, and what was next best, with the parcel."""
    await call.settings()
    command = SetChoiceRule(rule=body.rule, unit=body.unit)
    return await call.carry_out(change_carriers, command, body.model_dump(mode="json"))

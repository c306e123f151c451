"""What may be asked of a parcel from outside: another label, none at all, or to be split in two."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import ConfigDict, Field

from commands.executor import Context, Done, Executor
from commands.fields import Body, Id, Sku, Warehouse, whole
from commands.http import PROBLEMS, Call, CommandRoute, Positioned, WantedCall, answers
from domain.carrier import (
    Measures,
    ParcelLine,
    Rebook,
    RequestShipment,
    Shipment,
    ShipmentCommand,
    SplitParcel,
    VoidLabel,
)
from domain.kernel import Group, Target, one
from domain.streams import shipment_stream
from services.web.access import requires
from services.web.problems import conflict


async def change_shipment(
    executor: Executor, command: ShipmentCommand, context: Context, answer: bytes = b""
) -> Done:
    """A change of one parcel."""
    stream = shipment_stream(context.merchant, command.shipment_id)
    return await executor.execute(one(stream, command), context, answer)


async def split_parcel(
    executor: Executor, command: SplitParcel, context: Context, answer: bytes = b""
) -> Done:
    """Both parcels in one append: no unit is in two of them, or in none."""
    stream = shipment_stream(context.merchant, command.shipment_id)
    (loaded,) = await executor.states.load([stream])
    return await executor.execute(both_parcels(context.merchant, command, loaded.state), context, answer)


def both_parcels(merchant: str, command: SplitParcel, parcel: Shipment) -> Group:
    """The split of `parcel`, and the new one with what it is to hold."""
    stream = shipment_stream(merchant, command.shipment_id)
    request = RequestShipment(
        shipment_id=command.into,
        order_id=parcel.order_id or command.shipment_id,
        subject=parcel.subject or command.shipment_id,
        recipient=parcel.recipient,
        ship_to_state=parcel.ship_to_state,
        units=sum(line.quantity for line in command.lines),
        lines=command.lines,
        shipping_method=parcel.shipping_method,
    )
    into = Target(shipment_stream(merchant, command.into), request)
    return Group((Target(stream, command), into))


router = APIRouter(prefix="/v1/shipments", tags=["shipments"], route_class=CommandRoute, responses=PROBLEMS)
ShipmentId = Annotated[Id, Path(description="the parcel", examples=["1001"])]


class ShipmentAnswer(Positioned):
    """The parcel that it was about."""

    shipment_id: str = Field(examples=["1001"])


class MeasuresBody(Body):
    """Of the whole parcel; 0 is not known."""

    weight_g: Annotated[int, whole(0, 10**8)] = 0
    length_mm: Annotated[int, whole(0, 10**5)] = 0
    width_mm: Annotated[int, whole(0, 10**5)] = 0
    height_mm: Annotated[int, whole(0, 10**5)] = 0


class RebookBody(Body):
    """What was measured, if anybody did."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"measures": {"weight_g": 2400, "length_mm": 400}}]}
    )

    measures: MeasuresBody | None = None


class SplitLine(Body):
    sku: Sku
    warehouse: Warehouse = "main"
    quantity: Annotated[int, whole(1, 10**9)]


class SplitBody(Body):
    """What goes into a parcel of its own, and what that is called."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"into": "1001-b", "lines": [{"sku": "MUG-RED", "warehouse": "main", "quantity": 1}]}
            ]
        }
    )

    into: Id
    lines: Annotated[tuple[SplitLine, ...], Field(min_length=1, max_length=1000)]


async def correlation_of(call: Call, shipment_id: str) -> str:
    """The checkout that the parcel belongs to."""
    (events,) = await call.parts.log.read_streams([(shipment_stream(call.merchant, shipment_id), 0)], 1)
    return events[0].correlation if events else ""


@router.post(
    "/{shipment_id}/void-label",
    operation_id="void_label",
    dependencies=[requires("shipments:write")],
    summary="Give a parcel's label back",
    response_model=ShipmentAnswer,
    responses=answers(200, "The carrier is asked to take it back, now or before"),
)
async def _void_label(call: WantedCall, shipment_id: ShipmentId) -> Response:
    """Until the parcel is listed in a manifest (rule `void_before_manifest`) or handed over (rule
    `void_before_hand_over`). The carrier may refuse, which the parcel tells; it may be asked again. Takes no
    body.
    """
    await call.settings()
    correlation = await correlation_of(call, shipment_id)
    command = VoidLabel(shipment_id=shipment_id)
    return await call.carry_out(
        change_shipment, command, {"shipment_id": shipment_id}, correlation=correlation
    )


@router.post(
    "/{shipment_id}/rebook",
    operation_id="rebook_shipment",
    dependencies=[requires("shipments:write")],
    summary="Book a parcel anew",
    response_model=ShipmentAnswer,
    responses=answers(200, "A carrier is chosen and booked"),
)
async def _rebook(call: WantedCall, shipment_id: ShipmentId, body: RebookBody) -> Response:
    """For a parcel that has no label any more, whose label the carrier does not take back, or that none would
    take (rule `rebook_without_label`).
    """
    await call.settings()
    measures = Measures(**dict(body.measures)) if body.measures else None
    correlation = await correlation_of(call, shipment_id)
    command = Rebook(shipment_id=shipment_id, measures=measures)
    return await call.carry_out(
        change_shipment, command, {"shipment_id": shipment_id}, correlation=correlation
    )


class SplitAnswer(ShipmentAnswer):
    into: str = Field(examples=["1001-b"])


@router.post(
    "/{shipment_id}/split",
    operation_id="split_parcel",
    dependencies=[requires("shipments:write")],
    summary="Split a parcel in two",
    status_code=201,
    response_model=SplitAnswer,
    responses=answers(201, "There are two parcels; the new one is booked by itself"),
)
async def _split(call: WantedCall, shipment_id: ShipmentId, body: SplitBody) -> Response:
    """Some of its units go in a parcel of their own, with a carrier and a label of its own. Both must hold
    something (rule `split_leaves_something`); possible until it is listed or handed over. The new one is
    called after its order: `1001-b` (rule `split_named_after_its_order`).
    """
    await call.settings()
    await _check_new(call, shipment_id, body.into)
    lines = tuple(ParcelLine(**dict(line)) for line in body.lines)
    command = SplitParcel(shipment_id=shipment_id, into=body.into, lines=lines)
    correlation = await correlation_of(call, shipment_id)
    answer = {"shipment_id": shipment_id, "into": body.into}
    return await call.carry_out(split_parcel, command, answer, status=201, correlation=correlation)


async def _check_new(call: Call, shipment_id: str, into: str) -> None:
    """A 409 problem where the new parcel's name is another's, or may be one day: parcels have the names of
    their orders."""
    streams = [shipment_stream(call.merchant, each) for each in (shipment_id, into)]
    parcel, other = [each.state for each in await call.parts.executor.states.load(streams)]
    if into in parcel.split_into:
        return  # asked again
    if other.order_id:
        raise conflict("split_into_new", f"there is a shipment {into} already: take a new name")
    owners = (parcel.order_id or shipment_id, shipment_id)
    if not into.startswith(tuple(f"{owner}{mark}" for owner in owners for mark in "-.")):
        raise conflict(
            "split_named_after_its_order", f"{into} may be another order's: call it {owners[0]}-{into}"
        )

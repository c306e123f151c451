"""What may be asked of pick lists from outside: each step from release to hand-over, and to cancel them."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path, Response
from pydantic import ConfigDict, Field

from commands.executor import Context, Done, Executor
from commands.fields import LINE_UNITS_MAX, Body, Id, Sku, Text, Warehouse, whole
from commands.http import PROBLEMS, Call, CommandRoute, Positioned, WantedCall, answers
from domain.kernel import one
from domain.streams import order_stream, pick_list_stream
from domain.warehouse.pick_list import (
    LINES_MAX,
    CancelPickList,
    HandOverPickList,
    PackOrder,
    PickLine,
    PickListCommand,
    PickUnits,
    ReleasePickList,
    ShortPick,
    ShortReason,
    StagePickList,
    StartPicking,
)
from services.web.access import requires
from services.web.problems import conflict

router = APIRouter(prefix="/v1/pick-lists", tags=["picking"], route_class=CommandRoute, responses=PROBLEMS)
PickListId = Annotated[Id, Path(description="the pick list", examples=["1001.1"])]
_Units = Annotated[int, whole(1, LINE_UNITS_MAX)]
_LineNumber = Annotated[int, whole(1, 100_000)]


def _example(**fields: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [fields]})


class PickLineBody(Body):
    """Units of a line of the order."""

    line: _LineNumber
    sku: Sku
    quantity: _Units


class ReleasePickListBody(Body):
    """What is to be fetched where."""

    model_config = _example(
        pick_list_id="1001.1",
        order_id="1001",
        warehouse="north",
        lines=[{"line": 1, "sku": "MUG-RED", "quantity": 2}],
    )

    pick_list_id: Id
    order_id: Id
    warehouse: Warehouse
    lines: Annotated[list[PickLineBody], Field(min_length=1, max_length=LINES_MAX)]


class PickBody(Body):
    """How many units of a line are picked by now, in all."""

    model_config = _example(line=1, picked=2)

    line: _LineNumber
    picked: _Units


class PickShortBody(Body):
    """How many units of a line are short by now, in all."""

    model_config = _example(line=1, short=1, reason="missing", note="shelf 7 is empty")

    line: _LineNumber
    short: _Units
    reason: ShortReason = "missing"
    note: Text = ""


class PackBody(Body):
    """In how many packages."""

    model_config = _example(packages=1)

    packages: Annotated[int, whole(1, 1000)] = 1


class StageBody(Body):
    """Where the packages stand."""

    model_config = _example(location="dock 2")

    location: Text = ""


class HandOverPickListBody(Body):
    """Your reference of the hand-over: a manifest, a lorry."""

    model_config = _example(reference="manifest 12")

    reference: Text = ""


class PickListAnswer(Positioned):
    """The pick list that it was about."""

    pick_list_id: str = Field(examples=["1001.1"])


async def change_pick_list(
    executor: Executor, command: PickListCommand, context: Context, answer: bytes = b""
) -> Done:
    """Take a pick list a step further, if its state allows it."""
    stream = pick_list_stream(context.merchant, command.pick_list_id)
    return await executor.execute(one(stream, command), context, answer)


async def _belonging(call: Call, order_id: str) -> str:
    """What the order belongs to. A 409 problem where there is no such order."""
    (events,) = await call.parts.log.read_streams([(order_stream(call.merchant, order_id), 0)], 1)
    if not events:
        raise conflict("pick_for_an_order", f"there is no order {order_id}; place it first")
    return events[0].correlation


async def _check_by_hand(call: Call, command: ReleasePickList) -> None:
    """A 409 problem where a list is none of a person's: by its name, or by its order."""
    order_id, name = command.order_id, command.pick_list_id
    streams = [order_stream(call.merchant, order_id), pick_list_stream(call.merchant, name)]
    order, found = await call.parts.executor.states.load(streams)
    if found.version or not order.version:
        return  # what it is then, the list itself says; or that there is no such order
    owner, _, number = name.rpartition(".")
    if number.isdecimal() and owner and owner != order_id:
        raise conflict(
            "pick_list_named_after_its_order",
            f"{name} is the name of a list of order {owner}: call it {order_id}.{number}",
        )
    if order.state.allocated:
        raise conflict(
            "pick_by_the_plan",
            f"order {order_id} is allocated by rules, which release its lists once it is confirmed",
        )
    match order.state.status:
        case "confirmed":
            return
        case "placed" | "reserved":
            raise conflict(
                "pick_what_is_confirmed",
                f"order {order_id} is {order.state.status}: release its list once it is confirmed, "
                "which it is when it is paid and its stock is held",
            )
        case status:
            raise conflict(
                "pick_what_is_to_be_sent", f"order {order_id} is {status}: there is nothing to fetch"
            )


async def _step(call: Call, command: PickListCommand, status: int = 200) -> Response:
    """What comes of it belongs to the order."""
    await call.settings()
    if isinstance(command, ReleasePickList):
        order_id = command.order_id
    else:
        (found,) = await call.parts.executor.states.load(
            [pick_list_stream(call.merchant, command.pick_list_id)]
        )
        order_id = found.state.order_id
    correlation = await _belonging(call, order_id) if order_id else ""
    location = {"Location": f"/v1/pick-lists/{quote(command.pick_list_id, safe='')}"}
    return await call.carry_out(
        change_pick_list,
        command,
        {"pick_list_id": command.pick_list_id},
        status=status,
        correlation=correlation,
        headers=location if status == 201 else None,
    )


@router.post(
    "",
    operation_id="release_pick_list",
    dependencies=[requires("picking:write")],
    summary="Release a pick list",
    status_code=201,
    response_model=PickListAnswer,
    responses=answers(201, "It waits to be picked", Location="its path"),
)
async def _release_pick_list(call: WantedCall, body: ReleasePickListBody) -> Response:
    """Of orders that are allocated by rules, the lists are released by themselves once these are confirmed;
    this is for any other (rule `pick_by_the_plan`), once that is confirmed (rule `pick_what_is_confirmed`).
    Such a list, too, stops with its order.
    """
    lines = tuple(PickLine(**dict(line)) for line in body.lines)
    command = ReleasePickList(**{**dict(body), "lines": lines})
    await call.settings()
    await _check_by_hand(call, command)
    return await _step(call, command, 201)


@router.post(
    "/{pick_list_id}/start",
    operation_id="start_picking",
    dependencies=[requires("picking:write")],
    summary="Start to pick",
    response_model=PickListAnswer,
    responses=answers(200, "Somebody is picking, since now or before"),
)
async def _start_picking(call: WantedCall, pick_list_id: PickListId) -> Response:
    """Not while the order is held (rule `pick_list_not_held`). Takes no body."""
    return await _step(call, StartPicking(pick_list_id=pick_list_id))


@router.post(
    "/{pick_list_id}/pick",
    operation_id="pick_units",
    dependencies=[requires("picking:write")],
    summary="Pick units of a line",
    response_model=PickListAnswer,
    responses=answers(200, "So many of the line are picked"),
)
async def _pick_units(call: WantedCall, pick_list_id: PickListId, body: PickBody) -> Response:
    """The sum by now: sent again, it changes nothing."""
    return await _step(call, PickUnits(pick_list_id=pick_list_id, **dict(body)))


@router.post(
    "/{pick_list_id}/short",
    operation_id="short_pick",
    dependencies=[requires("picking:write")],
    summary="Say that units are short",
    response_model=PickListAnswer,
    responses=answers(200, "So many of the line are short, and the stock is corrected"),
)
async def _short_pick(call: WantedCall, pick_list_id: PickListId, body: PickShortBody) -> Response:
    """They are missing or damaged: the list goes on without them. The sum by now, as with `pick`."""
    return await _step(call, ShortPick(pick_list_id=pick_list_id, **dict(body)))


@router.post(
    "/{pick_list_id}/pack",
    operation_id="pack_order",
    dependencies=[requires("picking:write")],
    summary="Pack what is picked",
    response_model=PickListAnswer,
    responses=answers(200, "It is packed, now or before"),
)
async def _pack_order(call: WantedCall, pick_list_id: PickListId, body: PackBody) -> Response:
    """Once each unit is picked or short (rule `pack_what_is_picked`)."""
    return await _step(call, PackOrder(pick_list_id=pick_list_id, packages=body.packages))


@router.post(
    "/{pick_list_id}/stage",
    operation_id="stage_pick_list",
    dependencies=[requires("picking:write")],
    summary="Stage packages for the carrier",
    response_model=PickListAnswer,
    responses=answers(200, "They stand where the carrier takes them"),
)
async def _stage_pick_list(call: WantedCall, pick_list_id: PickListId, body: StageBody) -> Response:
    """What is packed."""
    return await _step(call, StagePickList(pick_list_id=pick_list_id, location=body.location))


@router.post(
    "/{pick_list_id}/hand-over",
    operation_id="hand_over_pick_list",
    dependencies=[requires("picking:write")],
    summary="Hand packages to the carrier",
    response_model=PickListAnswer,
    responses=answers(200, "The carrier has them"),
)
async def _hand_over_pick_list(
    call: WantedCall, pick_list_id: PickListId, body: HandOverPickListBody
) -> Response:
    """What is packed, staged or not."""
    return await _step(call, HandOverPickList(pick_list_id=pick_list_id, reference=body.reference))


@router.post(
    "/{pick_list_id}/cancel",
    operation_id="cancel_pick_list",
    dependencies=[requires("picking:write")],
    summary="Cancel a pick list",
    response_model=PickListAnswer,
    responses=answers(200, "Nobody goes on with it"),
)
async def _cancel_pick_list(call: WantedCall, pick_list_id: PickListId) -> Response:
    """Until it is handed over (rule `cancel_before_hand_over`). It says what is to be put back. The order
    stays as it is; where that is cancelled, its pick lists are by themselves. Takes no body.
    """
    return await _step(call, CancelPickList(pick_list_id=pick_list_id))

"""What may staff do about an order beside its life? Hold it, release it, write notes, tag it, and say why
what contradicts it may stand.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import ConfigDict, Field

from commands.fields import Body, Id, Reason, Text
from commands.http import PROBLEMS, CommandRoute, WantedCall, answers
from commands.order.call import OrderAnswer, OrderId, carry_out, execute, placing_of
from domain.order import (
    AddOrderNote,
    HoldOrder,
    HoldReason,
    NoteText,
    ReleaseOrder,
    ResolveOrderDiscrepancy,
    TagOrder,
    UntagOrder,
)
from domain.streams import order_stream
from eventstore.seams import derived_id
from services.web.access import requires
from services.web.problems import conflict, not_found

router = APIRouter(prefix="/v1/orders", tags=["orders"], route_class=CommandRoute, responses=PROBLEMS)
HoldId = Annotated[Id, Path(description="the hold", examples=["fraud-check"])]
TagName = Annotated[
    str,
    Path(min_length=1, max_length=50, pattern=r"^[^\s/.\x00-\x1f\x7f][^/\x00-\x1f\x7f]*$", examples=["gift"]),
]


class HoldBody(Body):
    """Why it is held."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "fraud", "note": "third card within an hour"}]}
    )

    hold_id: Id | None = Field(
        None, description="your name for the hold, unique for the order; made up if missing"
    )
    reason: HoldReason
    note: Text = ""


class ReleaseBody(Body):
    """Why it may go on."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "the customer rang back"}]})

    note: Text = ""


class ResolveOrderDiscrepancyBody(Body):
    """Why it may stand."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "reason": "Refused three times; paid back by bank transfer.",
                    "fact": "0190c3f2-a1b4-7c55-b1d2-6d2f6e1c0a11",
                }
            ]
        }
    )

    reason: Reason
    fact: Text = Field(
        "",
        description="the last that you have seen, as it is listed; if missing, of the only one that is open",
    )


class NoteBody(Body):
    """What is to be known about the order, among the merchant's own people."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "wants the parcel on Friday"}]})

    text: Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^[^\x00]*$")]


class HoldAnswer(OrderAnswer):
    """The hold that it was about."""

    hold_id: str = Field(examples=["fraud-check"])


class NoteAnswer(OrderAnswer):
    """The note, by the id that was made up for it."""

    note_id: str = Field(examples=["0190c3f2-6f7e-7c1a-9d4e-2b7a55e0c111"])


class TagAnswer(OrderAnswer):
    """The tag that it was about."""

    tag: str = Field(examples=["gift"])


@router.post(
    "/{order_id}/holds",
    operation_id="hold_order",
    dependencies=[requires("orders:manage")],
    summary="Hold an order",
    status_code=201,
    response_model=HoldAnswer,
    responses=answers(201, "The order is held: it is not fulfilled until all its holds are released"),
)
async def _hold_order(call: WantedCall, order_id: OrderId, body: HoldBody) -> Response:
    """An order may have several holds at once, each with its reason; what is reserved and authorised for it
    stays so. Only an order that is not shipped can be held (rule `hold_before_shipping`).
    """
    hold_id = body.hold_id or str(derived_id(call.command_id, "hold"))
    command = HoldOrder(order_id=order_id, hold_id=hold_id, reason=body.reason, note=body.note)
    return await carry_out(call, command, {"order_id": order_id, "hold_id": hold_id}, status=201)


@router.post(
    "/{order_id}/holds/{hold_id}/release",
    operation_id="release_order",
    dependencies=[requires("orders:manage")],
    summary="Release a hold of an order",
    response_model=HoldAnswer,
    responses=answers(200, "The hold is released, now or before; others stand"),
)
async def _release_order(call: WantedCall, order_id: OrderId, hold_id: HoldId, body: ReleaseBody) -> Response:
    """Holds are released one by one; with the last one the order goes on to be fulfilled."""
    command = ReleaseOrder(order_id=order_id, hold_id=hold_id, note=body.note)
    return await carry_out(call, command, {"order_id": order_id, "hold_id": hold_id})


@router.post(
    "/{order_id}/discrepancies/{kind}/resolve",
    operation_id="resolve_order_discrepancy",
    dependencies=[requires("orders:manage")],
    summary="Resolve a discrepancy of an order",
    response_model=OrderAnswer,
    responses=answers(200, "It is resolved, now or before"),
)
async def _resolve_discrepancy(
    call: WantedCall,
    order_id: OrderId,
    kind: Annotated[Id, Path(description="what contradicts the order", examples=["not_refunded"])],
    body: ResolveOrderDiscrepancyBody,
) -> Response:
    """Says who let it stand, and why. What was told of one payment or parcel is resolved by its last fact:
    name the one that you have seen (rules `fact_named`, `fact_seen`), as another may have come since. A fact
    that was told before does not open it again, another one does.
    """
    command = ResolveOrderDiscrepancy(order_id=order_id, kind=kind, **dict(body))
    return await carry_out(call, command, {"order_id": order_id})


@router.post(
    "/{order_id}/notes",
    operation_id="add_order_note",
    dependencies=[requires("orders:manage")],
    summary="Write a note about an order",
    status_code=201,
    response_model=NoteAnswer,
    responses=answers(201, "The note is kept, with who wrote it and when"),
)
async def _add_note(call: WantedCall, order_id: OrderId, body: NoteBody) -> Response:
    """Notes are for the merchant's own people, never shown to customers. They are kept encrypted under the
    customer's key, and go with the customer's erasure.
    """
    await call.settings()
    correlation, subject = await placing_of(call.parts.log, order_stream(call.merchant, order_id))
    if not subject:
        raise not_found("order", order_id)
    keyring = call.parts.keyring
    await keyring.ensure({subject})
    try:
        text = keyring.seal(subject, NoteText(text=body.text), call.parts.ids)
    except ValueError:
        detail = "the customer of this order was erased; nothing more is written about it"
        raise conflict("customer_not_erased", detail) from None
    note_id = str(derived_id(call.command_id, "note"))
    command = AddOrderNote(order_id=order_id, note_id=note_id, subject=subject, text=text)
    answer = {"order_id": order_id, "note_id": note_id}
    return await call.carry_out(execute, command, answer, status=201, correlation=correlation)


@router.put(
    "/{order_id}/tags/{tag}",
    operation_id="tag_order",
    dependencies=[requires("orders:manage")],
    summary="Tag an order",
    response_model=TagAnswer,
    responses=answers(200, "The order has the tag, since now or before"),
)
async def _tag_order(call: WantedCall, order_id: OrderId, tag: TagName) -> Response:
    """A tag is a word of your own by which orders are found; an order has 50 at most. Takes no body."""
    answer = {"order_id": order_id, "tag": tag}
    return await carry_out(call, TagOrder(order_id=order_id, tag=tag), answer)


@router.delete(
    "/{order_id}/tags/{tag}",
    operation_id="untag_order",
    dependencies=[requires("orders:manage")],
    summary="Take a tag off an order",
    response_model=TagAnswer,
    responses=answers(200, "The order does not have the tag, since now or before"),
)
async def _untag_order(call: WantedCall, order_id: OrderId, tag: TagName) -> Response:
    """Takes no body."""
    answer = {"order_id": order_id, "tag": tag}
    return await carry_out(call, UntagOrder(order_id=order_id, tag=tag), answer)

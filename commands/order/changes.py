"""How is a placed order changed over HTTP? Units are cancelled by line, all else is a change set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Response
from pydantic import ConfigDict, Field

from commands.fields import LINE_UNITS_MAX, Body, Id, Sku, Text, whole
from commands.http import PROBLEMS, CommandRoute, WantedCall, answers
from commands.names import Named, Source
from commands.order.call import OrderAnswer, OrderId, cancelled_by, carry_out, execute, placing_of
from commands.order_body import CustomerBody, LineBody
from commands.personal import sealed
from domain.money import MOST_CENTS
from domain.order import (
    AddLine,
    CancelOrderLines,
    Change,
    ConfirmOrderEdit,
    DeclineOrderEdit,
    LineQuantity,
    ProposeOrderEdit,
    RemoveLine,
    SetQuantity,
    SetShipping,
)
from domain.streams import order_stream, payment_stream, stock_stream
from eventstore.seams import derived_id
from services.web.access import requires
from services.web.problems import invalid, not_found

VALID_S_DEFAULT, VALID_S_MAX = 86_400, 30 * 86_400
CHANGES_MAX, CUTS_MAX = 100, 1000
router = APIRouter(prefix="/v1/orders", tags=["orders"], route_class=CommandRoute, responses=PROBLEMS)
ChangeSetId = Annotated[Id, Path(description="the change set", examples=["two-more"])]
LineNumber = Annotated[int, whole(1, 100_000)]
_Amount = Annotated[int, whole(0, MOST_CENTS)]


class CutBody(Body):
    """So many units of a line."""

    line: LineNumber = Field(examples=[1])
    quantity: Annotated[int, whole(1, LINE_UNITS_MAX)] = Field(examples=[1])

    def to_domain(self) -> LineQuantity:
        return LineQuantity(line=self.line, quantity=self.quantity)


class CancelLinesBody(Body):
    """Which units are called off, and why."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"lines": [{"line": 1, "quantity": 1}], "reason": "stock", "note": "one is broken"}]
        }
    )

    lines: list[CutBody] = Field(min_length=1, max_length=CUTS_MAX)
    reason: Literal["customer", "declined", "fraud", "stock", "staff", "expired", "other"]
    note: Text = ""


class ChangeBody(Body):
    """One change. `add` wants `new`; `quantity` a line and its units; `shipping` a line and its price of
    shipping a unit; `remove` a line.
    """

    kind: Literal["add", "quantity", "remove", "shipping"]
    line: LineNumber | None = Field(None, description="the line that is changed", examples=[1])
    quantity: Annotated[int, whole(1, LINE_UNITS_MAX)] | None = None
    unit_shipping_cents: _Amount | None = None
    new: LineBody | None = Field(None, description="the line that is added; its number must be new")

    def to_domain(self) -> Change:
        """Raises ValueError for a change that lacks what its kind needs."""
        match self:
            case ChangeBody(kind="add", new=LineBody(line=int() as number) as new):
                return AddLine(line=new.to_domain(number))
            case ChangeBody(kind="quantity", line=int() as line, quantity=int() as quantity):
                return SetQuantity(line=line, quantity=quantity)
            case ChangeBody(kind="shipping", line=int() as line, unit_shipping_cents=int() as cents):
                return SetShipping(line=line, unit_shipping_cents=cents)
            case ChangeBody(kind="remove", line=int() as line):
                return RemoveLine(line=line)
        needs = {
            "add": "`new` with its `line`",
            "quantity": "`line` and `quantity`",
            "shipping": "`line` and `unit_shipping_cents`",
        }
        raise ValueError(f"a change of kind {self.kind} needs {needs.get(self.kind, '`line`')}")


class AddressBody(CustomerBody):
    """Where the parcel goes instead, whole: what is not said here is empty from then on. Personal, kept
    encrypted as with the order.
    """

    ship_to_state: Annotated[Text, Field(max_length=100)] = Field("", examples=["RJ"])


class ProposeBody(Body):
    """What is to be changed. Nothing is, until it is confirmed."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "change_set_id": "two-more",
                    "changes": [
                        {"kind": "quantity", "line": 1, "quantity": 4},
                        {
                            "kind": "add",
                            "new": {
                                "line": 2,
                                "sku": "MUG-BLUE",
                                "name": "Mug, blue",
                                "quantity": 1,
                                "unit_price_cents": 4990,
                                "unit_shipping_cents": 0,
                            },
                        },
                    ],
                    "note": "asked by phone",
                    "method": "credit_card",
                }
            ]
        }
    )

    change_set_id: Id | None = Field(
        None, max_length=60, description="your id for it, unique for the order; made up if missing"
    )
    changes: list[ChangeBody] = Field(default=[], max_length=CHANGES_MAX)
    address: AddressBody | None = Field(None, description="another place that the parcel is to go to")
    note: Text = ""
    method: Sku | None = Field(
        None,
        description="how more money would be paid; as the first payment if missing",
        examples=["credit_card"],
    )
    valid_s: Annotated[int, whole(60, VALID_S_MAX)] = Field(
        VALID_S_DEFAULT, description="seconds after which the proposal expires"
    )


class DeclineBody(Body):
    """Why it is not to be."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "customer", "note": "too dear after all"}]}
    )

    reason: Literal["customer", "staff"]
    note: Text = ""


class LinesCancelledAnswer(OrderAnswer):
    """The cancellation that it was about."""

    cancel_id: str = Field(examples=["0190c3f2-6f7e-7c1a-9d4e-2b7a55e0c111"])


class ChangeSetAnswer(OrderAnswer):
    """The change set that it was about; `GET /v1/orders/{order_id}/changes` shows its preview."""

    change_set_id: str = Field(examples=["two-more"])


@router.post(
    "/{order_id}/lines/cancel",
    operation_id="cancel_order_lines",
    dependencies=[requires("orders:write")],
    summary="Cancel a part of an order",
    response_model=LinesCancelledAnswer,
    responses=answers(200, "These units are called off"),
)
async def _cancel_lines(call: WantedCall, order_id: OrderId, body: CancelLinesBody) -> Response:
    """Units that are not shipped can be called off (rule `cancel_before_shipping`); all that is left of an
    order of which nothing is shipped is the whole order. Their stock is released. Of surcharges and
    shortfalls on the whole they take their part by value; each payment brings less in proportion: what was
    captured beyond it is refunded. Of an order that is allocated by rules the units are let go where
    they were planned, and not picked any more.
    """
    await call.settings()
    correlation = await cancelled_by(call, order_id, body.reason)
    cancel_id = str(derived_id(call.command_id, "cancel"))
    command = CancelOrderLines(
        order_id=order_id,
        cancel_id=cancel_id,
        reason=body.reason,
        note=body.note,
        lines=tuple(cut.to_domain() for cut in body.lines),
    )
    answer = {"order_id": order_id, "cancel_id": cancel_id}
    return await call.carry_out(execute, command, answer, correlation=correlation)


@router.post(
    "/{order_id}/changes",
    operation_id="propose_order_change",
    dependencies=[requires("orders:manage")],
    summary="Propose a change of an order",
    status_code=201,
    response_model=ChangeSetAnswer,
    responses=answers(201, "It is proposed; its preview says what it would come to"),
)
async def _propose(call: WantedCall, order_id: OrderId, body: ProposeBody) -> Response:
    """Of a confirmed order that is not shipped (rule `edit_confirmed`); one change set is open at a time
    (`one_change_set`). The preview tells the difference in money, what would be charged or refunded by which
    payment, and which units would be reserved or released: of an order that is allocated by rules these are
    planned by the rules that it was placed with, once it is confirmed.
    """
    await call.settings()
    correlation, subject = await placing_of(call.parts.log, order_stream(call.merchant, order_id))
    if not subject:
        raise not_found("order", order_id)
    now = call.parts.clock.now()
    change_set_id = body.change_set_id or str(derived_id(call.command_id, "change"))
    address = body.address
    parts = call.parts
    command = ProposeOrderEdit(
        order_id=order_id,
        change_set_id=change_set_id,
        changes=_changes(body),
        subject=subject if address else "",
        customer=await sealed(parts.keyring, parts.ids, subject, address.to_domain()) if address else None,
        ship_to_state=address.ship_to_state if address else "",
        note=body.note,
        method=body.method,
        now=now,
        expires_at=now + timedelta(seconds=body.valid_s),
    )
    answer = {"order_id": order_id, "change_set_id": change_set_id}
    return await call.carry_out(execute, command, answer, status=201, correlation=correlation)


@router.post(
    "/{order_id}/changes/{change_set_id}/confirm",
    operation_id="confirm_order_change",
    dependencies=[requires("orders:manage")],
    summary="Confirm a change of an order",
    response_model=ChangeSetAnswer,
    responses=answers(200, "It is carried out, since now or before"),
)
async def _confirm(call: WantedCall, order_id: OrderId, change_set_id: ChangeSetId) -> Response:
    """What it needs is reserved and authorised first; then the order is changed, or, where that can't be had,
    the change set is declined and the order stays as it was. Takes no body.
    """
    now = call.parts.clock.now()
    command = ConfirmOrderEdit(order_id=order_id, change_set_id=change_set_id, now=now)
    return await carry_out(call, command, {"order_id": order_id, "change_set_id": change_set_id})


@router.post(
    "/{order_id}/changes/{change_set_id}/decline",
    operation_id="decline_order_change",
    dependencies=[requires("orders:manage")],
    summary="Decline a change of an order",
    response_model=ChangeSetAnswer,
    responses=answers(200, "It is declined, now or before; the order is as it was"),
)
async def _decline(
    call: WantedCall, order_id: OrderId, change_set_id: ChangeSetId, body: DeclineBody
) -> Response:
    """Before it is confirmed; afterwards it is under way (rule `change_set_open`)."""
    command = DeclineOrderEdit(order_id=order_id, change_set_id=change_set_id, **dict(body))
    return await carry_out(call, command, {"order_id": order_id, "change_set_id": change_set_id})


def _changes(body: ProposeBody) -> tuple[Change, ...]:
    """A 422 problem for a change that lacks something."""
    try:
        return tuple(each.to_domain() for each in body.changes)
    except ValueError as error:
        raise invalid("changes", str(error), where="body") from None


def named_by_change(merchant: str, change: ProposeOrderEdit) -> Iterator[Named]:
    """What the agents do for a change goes into streams of these names."""
    name: Mapping[Source, str] = {("body", "change_set_id"): change.change_set_id}
    yield payment_stream(merchant, f"{change.order_id}.{change.change_set_id}"), name
    for place, each in enumerate(change.changes):
        if isinstance(each, AddLine):
            sku: Source = ("body", "changes", place, "new", "sku")
            parts = {sku: each.line.sku, (*sku[:-1], "warehouse"): each.line.warehouse}
            yield stock_stream(merchant, each.line.sku, each.line.warehouse), parts

"""What may be asked of stock from outside: to receive, correct, move and write it off, and its rules."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Response
from pydantic import AfterValidator, ConfigDict, Field, model_validator

from commands.fields import Body, Id, Sku, Text, Warehouse, whole
from commands.http import PROBLEMS, CommandRoute, Positioned, WantedCall, answers
from commands.inventory.common import check_warehouse, order_correlation, to_stock, together
from domain.inventory import (
    AdjustReason,
    AdjustStock,
    CancelBackorder,
    MoveStock,
    ReceiveStock,
    SetStockRules,
    StockCommand,
    StockRules,
    WriteOffStock,
)
from domain.inventory.stock_events import BACKORDER_DAYS_MAX, BACKORDER_UNITS_MAX, Bucket
from services.web.access import requires

Units = Annotated[int, whole(1, 10**9)]


def _not_zero(delta: int) -> int:
    if delta == 0:
        raise ValueError("an adjustment by 0 changes nothing")
    return delta


def _example(**fields: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [{"sku": "MUG-RED", "warehouse": "main", **fields}]})


class PlaceBody(Body):
    """Which stock it is about."""

    sku: Sku
    warehouse: Warehouse = "main"


class ReceiveStockBody(PlaceBody):
    """Goods that came in."""

    model_config = _example(quantity=40, reference="delivery note 118")

    quantity: Units
    reference: Text = Field("", description="what it came with: a delivery note, a purchase order")
    condition: Bucket = Field("available", description="where it goes: what can't be sold is kept apart")


class AdjustStockBody(PlaceBody):
    """A correction, and why."""

    model_config = _example(delta=-2, reason="damage", note="dropped")

    delta: Annotated[int, whole(-(10**9), 10**9), AfterValidator(_not_zero)] = Field(
        description="units to add, or below zero to take off; not 0"
    )
    reason: AdjustReason
    note: Text = ""


class MoveStockBody(PlaceBody):
    """Units that lie elsewhere from now on."""

    model_config = _example(quantity=1, source="quality_control", target="available", note="passed")

    quantity: Units
    source: Bucket
    target: Bucket
    note: Text = ""


class WriteOffStockBody(PlaceBody):
    """Units that can't be sold any more."""

    model_config = _example(quantity=1, source="damaged", note="beyond repair")

    quantity: Units
    source: Literal["quality_control", "damaged"]
    note: Text = ""


class StockRulesBody(PlaceBody):
    """All rules of one stock: what is left out is as if it were never set."""

    model_config = _example(safety_stock=2, backorder_limit=20, backorder_days=30, reorder_point=10)

    safety_stock: Annotated[int, whole(0, 10**9)] = Field(0, description="units that are never promised")
    backorder_limit: Annotated[int, whole(0, BACKORDER_UNITS_MAX)] = Field(
        0,
        description="units that may be owed to orders that wait; 0: what is not there is refused",
    )
    backorder_days: Annotated[int, whole(0, BACKORDER_DAYS_MAX)] = Field(
        30, description="so long an order waits at most"
    )
    reorder_point: Annotated[int, whole(0, 10**9)] = Field(
        0, description="with so many available, or fewer, it is low on stock; 0: never"
    )

    @model_validator(mode="after")
    def _waits_for_a_time(self) -> StockRulesBody:
        if self.backorder_limit and not self.backorder_days:
            raise ValueError("an order that may wait needs a day at least: backorder_days")
        return self


class CancelBackorderBody(PlaceBody):
    """An order that shall wait no more."""

    model_config = _example(order_id="1001")

    order_id: Id


class StockAnswer(Positioned):
    """The stock that it was about."""

    sku: str = Field(examples=["MUG-RED"])
    warehouse: str = Field(examples=["main"])


router = APIRouter(prefix="/v1/stock", tags=["stock"], route_class=CommandRoute, responses=PROBLEMS)


async def _carry_out(call: WantedCall, command: StockCommand, correlation: str = "") -> Response:
    await call.settings()
    await check_warehouse(call, command.warehouse, [command.sku])
    answer = {"sku": command.sku, "warehouse": command.warehouse}
    handler = together(to_stock(call.merchant, command))
    return await call.carry_out(handler, command, answer, correlation=correlation)


@router.post(
    "/receive",
    operation_id="receive_stock",
    dependencies=[requires("stock:write")],
    summary="Receive stock",
    response_model=StockAnswer,
    responses=answers(200, "The units are on hand"),
)
async def _receive_stock(call: WantedCall, body: ReceiveStockBody) -> Response:
    """Each request adds to what is on hand: with an `Idempotency-Key` a repeated one adds it once. Orders
    that wait get theirs at once, in the order of their coming.
    """
    return await _carry_out(call, ReceiveStock(**dict(body)))


@router.post(
    "/adjust",
    operation_id="adjust_stock",
    dependencies=[requires("stock:write")],
    summary="Adjust stock",
    response_model=StockAnswer,
    responses=answers(200, "What is on hand is corrected"),
)
async def _adjust_stock(call: WantedCall, body: AdjustStockBody) -> Response:
    """After a count, for damage or loss. Units that are held for orders can't be taken off (rule
    `adjust_within_available`): cancel those orders first.
    """
    return await _carry_out(call, AdjustStock(**dict(body)))


@router.post(
    "/move",
    operation_id="move_stock",
    dependencies=[requires("stock:write")],
    summary="Move stock",
    response_model=StockAnswer,
    responses=answers(200, "The units lie there from now on"),
)
async def _move_stock(call: WantedCall, body: MoveStockBody) -> Response:
    """Between what can be sold, quality control and damaged goods; on hand stays as it is. No more than lies
    there (rule `move_within_source`): what is held for an order is missed by its pick list, or cut from it.
    """
    return await _carry_out(call, MoveStock(**dict(body)))


@router.post(
    "/write-off",
    operation_id="write_off_stock",
    dependencies=[requires("stock:write")],
    summary="Write stock off",
    response_model=StockAnswer,
    responses=answers(200, "The units are gone"),
)
async def _write_off_stock(call: WantedCall, body: WriteOffStockBody) -> Response:
    """Of what is damaged or in quality control, no more than lies there (rule `write_off_within_source`)."""
    return await _carry_out(call, WriteOffStock(**dict(body)))


@router.put(
    "/rules",
    operation_id="set_stock_rules",
    dependencies=[requires("stock:write")],
    summary="Set the rules of a stock",
    response_model=StockAnswer,
    responses=answers(200, "These are its rules"),
)
async def _set_stock_rules(call: WantedCall, body: StockRulesBody) -> Response:
    """Safety stock, back-orders and the point at which it is low. Orders that wait already go on waiting."""
    place = {"sku": body.sku, "warehouse": body.warehouse}
    rules = StockRules(**body.model_dump(exclude={*place}))
    return await _carry_out(call, SetStockRules(**place, rules=rules))


@router.post(
    "/backorders/cancel",
    operation_id="cancel_backorder",
    dependencies=[requires("stock:write")],
    summary="Cancel a back-order",
    response_model=StockAnswer,
    responses=answers(200, "The order waits no more"),
)
async def _cancel_backorder(call: WantedCall, body: CancelBackorderBody) -> Response:
    """Its order is cancelled for want of stock."""
    correlation = await order_correlation(call, body.order_id)
    return await _carry_out(call, CancelBackorder(**dict(body), reason="staff"), correlation)

"""What may be asked of stock from outside: to receive and to adjust it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import AfterValidator, ConfigDict, Field

from commands.executor import Context, Done, Executor
from commands.fields import Body, Sku, Text, Warehouse, whole
from commands.http import PROBLEMS, CommandRoute, Positioned, WantedCall, answers
from domain.inventory import AdjustReason, AdjustStock, ReceiveStock
from domain.kernel import one
from domain.streams import stock_stream
from services.web.access import requires


async def receive_stock(
    executor: Executor, command: ReceiveStock, context: Context, answer: bytes = b""
) -> Done:
    """Take goods into a warehouse; from now on they can be promised."""
    stream = stock_stream(context.merchant, command.sku, command.warehouse)
    return await executor.execute(one(stream, command), context, answer)


async def adjust_stock(
    executor: Executor, command: AdjustStock, context: Context, answer: bytes = b""
) -> Done:
    """Correct what is on hand; refused where units would go that are held for orders."""
    stream = stock_stream(context.merchant, command.sku, command.warehouse)
    return await executor.execute(one(stream, command), context, answer)


def _not_zero(delta: int) -> int:
    if delta == 0:
        raise ValueError("an adjustment by 0 changes nothing")
    return delta


class ReceiveStockBody(Body):
    """Goods that came in."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"sku": "MUG-RED", "warehouse": "main", "quantity": 40, "reference": "delivery note 118"}
            ]
        }
    )

    sku: Sku
    warehouse: Warehouse = "main"
    quantity: Annotated[int, whole(1, 10**9)]
    reference: Text = Field("", description="what it came with: a delivery note, a purchase order")


class AdjustStockBody(Body):
    """A correction, and why."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"sku": "MUG-RED", "warehouse": "main", "delta": -2, "reason": "damage", "note": "dropped"}
            ]
        }
    )

    sku: Sku
    warehouse: Warehouse = "main"
    delta: Annotated[int, whole(-(10**9), 10**9), AfterValidator(_not_zero)] = Field(
        description="units to add, or below zero to take off; not 0"
    )
    reason: AdjustReason
    note: Text = ""


class StockAnswer(Positioned):
    """The stock that it was about."""

    sku: str = Field(examples=["MUG-RED"])
    warehouse: str = Field(examples=["main"])


router = APIRouter(prefix="/v1/stock", tags=["stock"], route_class=CommandRoute, responses=PROBLEMS)


@router.post(
    "/receive",
    operation_id="receive_stock",
    dependencies=[requires("stock:write")],
    summary="Receive stock",
    response_model=StockAnswer,
    responses=answers(200, "The units are on hand"),
)
async def _receive_stock(call: WantedCall, body: ReceiveStockBody) -> Response:
    """Each request adds to what is on hand: with an `Idempotency-Key` a repeated one adds it once."""
    await call.settings()
    answer = {"sku": body.sku, "warehouse": body.warehouse}
    return await call.carry_out(receive_stock, ReceiveStock(**dict(body)), answer)


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
    await call.settings()
    answer = {"sku": body.sku, "warehouse": body.warehouse}
    return await call.carry_out(adjust_stock, AdjustStock(**dict(body)), answer)


ROUTERS = (router,)

"""What may be asked of stocktakes: to start one, say what was counted, and have the books corrected by it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Path, Response
from pydantic import ConfigDict, Field

from commands.fields import Body, Id, Sku, Text, Warehouse, whole
from commands.http import PROBLEMS, Call, CommandRoute, Positioned, WantedCall, answers
from commands.inventory.common import check_warehouse, stocks_named, to_stock, together
from commands.names import Named, Source
from domain.inventory import CancelCount, CountStock, SettleCount, StartCount
from domain.inventory.stocktake import (
    SKUS_MAX,
    CancelStocktake,
    FinishStocktake,
    RecordCount,
    StartStocktake,
    Stocktake,
    StocktakeCommand,
)
from domain.kernel import Target
from domain.streams import stocktake_stream
from eventstore.seams import derived_id
from services.web.access import requires

router = APIRouter(prefix="/v1/stocktakes", tags=["stocktakes"], route_class=CommandRoute, responses=PROBLEMS)
StocktakeId = Annotated[Id, Path(description="the stocktake", examples=["2026-05"])]


def _example(**fields: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [fields]})


class StartStocktakeBody(Body):
    """What shall be counted, and where."""

    model_config = _example(stocktake_id="2026-05", warehouse="main", skus=["MUG-RED", "MUG-BLUE"])

    stocktake_id: Id | None = Field(None, description="made up where it is left out")
    warehouse: Warehouse = "main"
    skus: Annotated[list[Sku], Field(min_length=1, max_length=SKUS_MAX)]
    note: Text = ""


class RecordCountBody(Body):
    """What was counted of one SKU."""

    model_config = _example(sku="MUG-RED", counted=47)

    sku: Sku
    counted: Annotated[int, whole(0, 10**9)] = Field(
        description="all units in the warehouse: held, damaged and in quality control, too"
    )
    as_of: Literal["start", "now"] = Field(
        "now", description="`start`: as it was when the stocktake began, whatever came and went since"
    )


class FinishStocktakeBody(Body):
    """How it ends."""

    model_config = _example(leave_uncounted=False)

    leave_uncounted: bool = Field(
        default=False, description="leave the books of what is not counted as they are"
    )


class StocktakeAnswer(Positioned):
    """The stocktake that it was about."""

    stocktake_id: str = Field(examples=["2026-05"])


async def _known(call: Call, stocktake_id: str) -> Stocktake:
    (loaded,) = await call.parts.executor.states.load([stocktake_stream(call.merchant, stocktake_id)])
    stocktake: Stocktake = loaded.state
    return stocktake


async def _carry_out(call: Call, command: StocktakeCommand, *stocks: Any, status: int = 200) -> Response:
    """The stocktake, and the stocks that it is of, in one append."""
    first = Target(stocktake_stream(call.merchant, command.stocktake_id), command)
    handler = together(first, *(to_stock(call.merchant, each) for each in stocks))
    headers = {"Location": f"/v1/stocktakes/{quote(command.stocktake_id, safe='')}"}
    return await call.carry_out(
        handler,
        command,
        {"stocktake_id": command.stocktake_id},
        status=status,
        headers=headers if status == 201 else None,
    )


@router.post(
    "",
    operation_id="start_stocktake",
    dependencies=[requires("stock:write")],
    summary="Start a stocktake",
    status_code=201,
    response_model=StocktakeAnswer,
    responses=answers(201, "It is started: what the books say now is noted", Location="its path"),
)
async def _start_stocktake(call: WantedCall, body: StartStocktakeBody) -> Response:
    """Trade goes on meanwhile. A SKU is counted by one stocktake at a time (rule `one_count_at_a_time`)."""
    await call.settings()
    await check_warehouse(call, body.warehouse, body.skus)
    stocktake_id = body.stocktake_id or str(derived_id(call.command_id, "stocktake"))
    skus = tuple(body.skus)
    command = StartStocktake(**{**dict(body), "stocktake_id": stocktake_id, "skus": skus})
    counts = (StartCount(sku=sku, warehouse=body.warehouse, stocktake_id=stocktake_id) for sku in skus)
    return await _carry_out(call, command, *counts, status=201)


@router.post(
    "/{stocktake_id}/counts",
    operation_id="record_count",
    dependencies=[requires("stock:write")],
    summary="Record what was counted",
    response_model=StocktakeAnswer,
    responses=answers(200, "It is noted, beside what the books say"),
)
async def _record_count(call: WantedCall, stocktake_id: StocktakeId, body: RecordCountBody) -> Response:
    """Counted again, the last count stands. The books are corrected once the stocktake is finished, by the
    difference: what comes and goes after the count is not lost.
    """
    await call.settings()
    stocktake = await _known(call, stocktake_id)
    command = RecordCount(stocktake_id=stocktake_id, sku=body.sku, counted=body.counted)
    if body.sku not in stocktake.skus:
        return await _carry_out(call, command)
    count = CountStock(**dict(body), warehouse=stocktake.warehouse, stocktake_id=stocktake_id)
    return await _carry_out(call, command, count)


@router.post(
    "/{stocktake_id}/finish",
    operation_id="finish_stocktake",
    dependencies=[requires("stock:write")],
    summary="Finish a stocktake",
    response_model=StocktakeAnswer,
    responses=answers(200, "The books are corrected"),
)
async def _finish_stocktake(
    call: WantedCall, stocktake_id: StocktakeId, body: FinishStocktakeBody
) -> Response:
    """All must be counted, or left out explicitly (rule `finish_what_is_counted`)."""
    await call.settings()
    stocktake = await _known(call, stocktake_id)
    counted = tuple(stocktake.counted)
    left = stocktake.left if body.leave_uncounted else ()
    place = {"warehouse": stocktake.warehouse, "stocktake_id": stocktake_id}
    return await _carry_out(
        call,
        FinishStocktake(stocktake_id=stocktake_id, counted=counted, left=left),
        *(SettleCount(sku=sku, **place) for sku in counted),
        *(CancelCount(sku=sku, **place) for sku in left),
    )


@router.post(
    "/{stocktake_id}/cancel",
    operation_id="cancel_stocktake",
    dependencies=[requires("stock:write")],
    summary="Cancel a stocktake",
    response_model=StocktakeAnswer,
    responses=answers(200, "It is cancelled; the books stay as they are"),
)
async def _cancel_stocktake(call: WantedCall, stocktake_id: StocktakeId) -> Response:
    """What was counted is dropped. Takes no body."""
    await call.settings()
    stocktake = await _known(call, stocktake_id)
    place = {"warehouse": stocktake.warehouse, "stocktake_id": stocktake_id}
    counts = (CancelCount(sku=sku, **place) for sku in stocktake.skus)
    return await _carry_out(call, CancelStocktake(stocktake_id=stocktake_id), *counts)


def named_by_stocktake(merchant: str, command: StartStocktake) -> Iterator[Named]:
    skus: dict[Source, str] = {("body", "skus", at): sku for at, sku in enumerate(command.skus)}
    return stocks_named(merchant, skus, {("body", "warehouse"): command.warehouse})

"""What may be asked of transfers between warehouses: to plan, ship, receive one, and settle what is lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path, Response
from pydantic import ConfigDict, Field

from commands.fields import Body, Id, Sku, Text, Warehouse, whole
from commands.http import PROBLEMS, Call, CommandRoute, Positioned, WantedCall, answers
from commands.inventory.common import check_warehouse, stocks_named, to_stock, together
from commands.names import Named, Source
from domain.inventory import CancelExpectedStock, ExpectStock, ReceiveStock, SendStock
from domain.inventory.transfer import (
    LINES_MAX,
    CancelTransfer,
    Kind,
    Outcome,
    PlanTransfer,
    ReceiveTransfer,
    ResolveTransferDiscrepancy,
    ShipTransfer,
    Transfer,
    TransferCommand,
    TransferLine,
)
from domain.kernel import Target
from domain.streams import transfer_stream
from eventstore.seams import derived_id
from services.web.access import requires

router = APIRouter(prefix="/v1/transfers", tags=["transfers"], route_class=CommandRoute, responses=PROBLEMS)
TransferId = Annotated[Id, Path(description="the transfer", examples=["T-3"])]


def _example(**fields: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [fields]})


class TransferLineBody(Body):
    """Units of one SKU."""

    sku: Sku
    quantity: Annotated[int, whole(1, 10**9)]


class PlanTransferBody(Body):
    """Goods that shall go to another warehouse."""

    model_config = _example(
        transfer_id="T-3", source="main", target="north", lines=[{"sku": "MUG-RED", "quantity": 10}]
    )

    transfer_id: Id | None = Field(None, description="made up where it is left out")
    source: Warehouse
    target: Warehouse
    lines: Annotated[list[TransferLineBody], Field(min_length=1, max_length=LINES_MAX)]
    note: Text = ""


class ShipTransferBody(Body):
    """What is really sent."""

    model_config = _example(lines=[{"sku": "MUG-RED", "quantity": 10}])

    lines: Annotated[list[TransferLineBody], Field(min_length=1, max_length=LINES_MAX)] | None = Field(
        None, description="left out: all that was planned"
    )


class ReceiveTransferBody(Body):
    """What arrived."""

    model_config = _example(receipt_id="R-1", lines=[{"sku": "MUG-RED", "quantity": 8}], complete=True)

    receipt_id: Id | None = Field(None, description="made up where it is left out")
    lines: Annotated[list[TransferLineBody], Field(max_length=LINES_MAX)] = Field(
        default_factory=list, description="may be empty where it is `complete`"
    )
    complete: bool = Field(
        default=False, description="nothing more will come: what is missing opens a discrepancy"
    )


class ResolveTransferBody(Body):
    """What became of missing units, or of such as nobody sent."""

    model_config = _example(sku="MUG-RED", kind="missing", quantity=2, outcome="lost", note="the lorry")

    sku: Sku
    kind: Kind
    quantity: Annotated[int, whole(1, 10**9)]
    outcome: Outcome
    note: Text = ""


class TransferAnswer(Positioned):
    """The transfer that it was about."""

    transfer_id: str = Field(examples=["T-3"])


def _reference(transfer_id: str) -> str:
    return f"transfer {transfer_id}"


async def _known(call: Call, transfer_id: str) -> Transfer:
    (loaded,) = await call.parts.executor.states.load([transfer_stream(call.merchant, transfer_id)])
    transfer: Transfer = loaded.state
    return transfer


async def _carry_out(call: Call, command: TransferCommand, *stocks: Any, status: int = 200) -> Response:
    """The transfer, and the stocks that change with it, in one append."""
    first = Target(transfer_stream(call.merchant, command.transfer_id), command)
    handler = together(first, *(to_stock(call.merchant, each) for each in stocks))
    headers = {"Location": f"/v1/transfers/{quote(command.transfer_id, safe='')}"}
    return await call.carry_out(
        handler,
        command,
        {"transfer_id": command.transfer_id},
        status=status,
        headers=headers if status == 201 else None,
    )


def _lines(bodies: Iterable[TransferLineBody]) -> tuple[TransferLine, ...]:
    return tuple(TransferLine(**dict(each)) for each in bodies)


@router.post(
    "",
    operation_id="plan_transfer",
    dependencies=[requires("stock:write")],
    summary="Plan a transfer",
    status_code=201,
    response_model=TransferAnswer,
    responses=answers(201, "The transfer is planned; nothing is moved yet", Location="its path"),
)
async def _plan_transfer(call: WantedCall, body: PlanTransferBody) -> Response:
    """From one warehouse to another (rule `transfer_between_two`)."""
    await call.settings()
    await check_warehouse(call, body.target, (line.sku for line in body.lines), "target")
    transfer_id = body.transfer_id or str(derived_id(call.command_id, "transfer"))
    fields = {**dict(body), "transfer_id": transfer_id, "lines": _lines(body.lines)}
    return await _carry_out(call, PlanTransfer(**fields), status=201)


@router.post(
    "/{transfer_id}/ship",
    operation_id="ship_transfer",
    dependencies=[requires("stock:write")],
    summary="Ship a transfer",
    response_model=TransferAnswer,
    responses=answers(200, "The units left, and are expected where they go"),
)
async def _ship_transfer(call: WantedCall, transfer_id: TransferId, body: ShipTransferBody) -> Response:
    """Only what is promised to nobody can be sent (rule `send_within_available`), and no more than was
    planned.
    """
    await call.settings()
    transfer = await _known(call, transfer_id)
    planned = tuple(TransferLine(sku=sku, quantity=units) for sku, units in transfer.planned.items())
    lines = planned if body.lines is None else _lines(body.lines)
    stocks: list[SendStock | ExpectStock] = []
    for line in lines if transfer.status == "planned" else ():
        units = {"sku": line.sku, "quantity": line.quantity, "reference": _reference(transfer_id)}
        stocks.append(SendStock(**units, warehouse=transfer.source))
        stocks.append(ExpectStock(**units, warehouse=transfer.target))
    command = ShipTransfer(transfer_id=transfer_id, lines=lines)
    return await _carry_out(call, command, *stocks)


@router.post(
    "/{transfer_id}/receive",
    operation_id="receive_transfer",
    dependencies=[requires("stock:write")],
    summary="Receive a transfer",
    response_model=TransferAnswer,
    responses=answers(200, "What arrived is on hand"),
)
async def _receive_transfer(call: WantedCall, transfer_id: TransferId, body: ReceiveTransferBody) -> Response:
    """In parts, if need be. What is missing once it is `complete` stays incoming, and a discrepancy open,
    until it is said to be lost or found.
    """
    await call.settings()
    transfer = await _known(call, transfer_id)
    receipt_id = body.receipt_id or str(derived_id(call.command_id, "receipt"))
    command = ReceiveTransfer(
        transfer_id=transfer_id, receipt_id=receipt_id, lines=_lines(body.lines), complete=body.complete
    )
    reference = _reference(transfer_id)
    stocks = (
        ReceiveStock(
            sku=line.sku,
            warehouse=transfer.target,
            quantity=line.quantity,
            reference=f"{reference}, receipt {receipt_id}",
            expected_by=reference,
        )
        for line in (command.lines if transfer.target else ())
    )
    return await _carry_out(call, command, *stocks)


@router.post(
    "/{transfer_id}/discrepancies/resolve",
    operation_id="resolve_transfer_discrepancy",
    dependencies=[requires("stock:write")],
    summary="Resolve a discrepancy of a transfer",
    response_model=TransferAnswer,
    responses=answers(200, "It is resolved"),
)
async def _resolve_transfer_discrepancy(
    call: WantedCall, transfer_id: TransferId, body: ResolveTransferBody
) -> Response:
    """Missing units were `lost`, or are `found` and on hand where they should go; some may be the one and
    some the other. Surplus ones, which are on hand, are `accepted`.
    """
    await call.settings()
    transfer = await _known(call, transfer_id)
    command = ResolveTransferDiscrepancy(transfer_id=transfer_id, **dict(body))
    reference = _reference(transfer_id)
    stocks: list[ReceiveStock | CancelExpectedStock] = []
    place = {"sku": body.sku, "warehouse": transfer.target, "quantity": body.quantity}
    if transfer.target and body.outcome == "found":
        stocks = [ReceiveStock(**place, reference=f"{reference}, found", expected_by=reference)]
    elif transfer.target and body.outcome == "lost":
        stocks = [CancelExpectedStock(**place, reference=reference)]
    return await _carry_out(call, command, *stocks)


@router.post(
    "/{transfer_id}/cancel",
    operation_id="cancel_transfer",
    dependencies=[requires("stock:write")],
    summary="Cancel a transfer",
    response_model=TransferAnswer,
    responses=answers(200, "It is cancelled"),
)
async def _cancel_transfer(call: WantedCall, transfer_id: TransferId) -> Response:
    """As long as it is not shipped (rule `cancel_planned_transfer`). Takes no body."""
    await call.settings()
    return await _carry_out(call, CancelTransfer(transfer_id=transfer_id))


def named_by_transfer(merchant: str, command: PlanTransfer) -> Iterator[Named]:
    skus: dict[Source, str] = {
        ("body", "lines", at, "sku"): line.sku for at, line in enumerate(command.lines)
    }
    warehouses: dict[Source, str] = {("body", "source"): command.source, ("body", "target"): command.target}
    return stocks_named(merchant, skus, warehouses)

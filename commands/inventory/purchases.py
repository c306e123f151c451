"""What may be asked of purchase orders: to place one, take in what came, settle what was wrong, end it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path, Response
from pydantic import ConfigDict, Field

from commands.fields import Body, Id, Moment, Sku, Text, Warehouse, whole
from commands.http import PROBLEMS, Call, CommandRoute, Positioned, WantedCall, answers
from commands.inventory.common import check_warehouse, stocks_named, to_stock, together
from commands.names import Named, Source
from domain.inventory import AdjustStock, CancelExpectedStock, ExpectStock, ReceiveStock, WriteOffStock
from domain.inventory.purchase_order import (
    LINES_MAX,
    CancelPurchaseOrder,
    ClosePurchaseOrder,
    Kind,
    PlacePurchaseOrder,
    Purchase,
    PurchaseCommand,
    PurchaseLine,
    ReceivedItem,
    ReceivePurchase,
    Resolution,
    ResolvePurchaseDiscrepancy,
)
from domain.kernel import Target
from domain.money import MOST_CENTS
from domain.streams import purchase_stream
from eventstore.seams import derived_id
from services.web.access import requires

router = APIRouter(
    prefix="/v1/purchase-orders", tags=["purchase orders"], route_class=CommandRoute, responses=PROBLEMS
)
PurchaseId = Annotated[Id, Path(description="the purchase order", examples=["PO-7"])]


def _example(**fields: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [fields]})


class PurchaseLineBody(Body):
    """What is ordered of one SKU."""

    sku: Sku
    quantity: Annotated[int, whole(1, 10**9)]
    unit_cost_cents: Annotated[int, whole(0, MOST_CENTS)] = 0


class PlacePurchaseOrderBody(Body):
    """An order to a supplier."""

    model_config = _example(
        purchase_id="PO-7",
        supplier="ACME",
        warehouse="main",
        currency="BRL",
        lines=[{"sku": "MUG-RED", "quantity": 100, "unit_cost_cents": 1250}],
        expected_at="2026-06-01T12:00:00Z",
    )

    purchase_id: Id | None = Field(None, description="made up where it is left out")
    supplier: Id
    warehouse: Warehouse = "main"
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    lines: Annotated[list[PurchaseLineBody], Field(min_length=1, max_length=LINES_MAX)]
    expected_at: Moment | None = None
    note: Text = ""


class ReceivedItemBody(Body):
    """What came of one SKU."""

    sku: Sku
    quantity: Annotated[int, whole(0, 10**9)] = Field(0, description="units that can be sold")
    damaged: Annotated[int, whole(0, 10**9)] = Field(0, description="damaged units beside them")


class ReceivePurchaseBody(Body):
    """What came with one delivery."""

    model_config = _example(receipt_id="R-1", items=[{"sku": "MUG-RED", "quantity": 98, "damaged": 2}])

    receipt_id: Id | None = Field(None, description="made up where it is left out")
    items: Annotated[list[ReceivedItemBody], Field(min_length=1, max_length=LINES_MAX)]


class ResolvePurchaseBody(Body):
    """What became of what was wrong."""

    model_config = _example(sku="MUG-RED", kind="damaged", quantity=2, resolution="credited")

    sku: Sku
    kind: Kind
    quantity: Annotated[int, whole(1, 10**9)] = Field(description="of how many units the discrepancy is")
    resolution: Resolution = Field(description="what is returned to the supplier leaves the warehouse")
    note: Text = ""


class EndPurchaseBody(Body):
    """Why it ends."""

    model_config = _example(note="the supplier is out of it")

    note: Text = ""


class PurchaseAnswer(Positioned):
    """The purchase order that it was about."""

    purchase_id: str = Field(examples=["PO-7"])


class ReceiptAnswer(PurchaseAnswer):
    """What was taken in."""

    receipt_id: str = Field(examples=["R-1"])


def _reference(purchase_id: str) -> str:
    return f"purchase {purchase_id}"


async def _known(call: Call, purchase_id: str) -> Purchase:
    (loaded,) = await call.parts.executor.states.load([purchase_stream(call.merchant, purchase_id)])
    purchase: Purchase = loaded.state
    return purchase


async def _carry_out(
    call: Call,
    command: PurchaseCommand,
    *stocks: Any,
    told: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    """The purchase order, and the stocks that change with it, in one append."""
    first = Target(purchase_stream(call.merchant, command.purchase_id), command)
    handler = together(first, *(to_stock(call.merchant, each) for each in stocks))
    answer = {"purchase_id": command.purchase_id, **(told or {})}
    headers = {"Location": f"/v1/purchase-orders/{quote(command.purchase_id, safe='')}"}
    return await call.carry_out(
        handler, command, answer, status=status, headers=headers if status == 201 else None
    )


@router.post(
    "",
    operation_id="place_purchase_order",
    dependencies=[requires("stock:write")],
    summary="Place a purchase order",
    status_code=201,
    response_model=PurchaseAnswer,
    responses=answers(201, "The goods are expected", Location="its path"),
)
async def _place_purchase_order(call: WantedCall, body: PlacePurchaseOrderBody) -> Response:
    """What is ordered counts as incoming until it comes, or the purchase order ends."""
    await call.settings()
    await check_warehouse(call, body.warehouse, (line.sku for line in body.lines))
    purchase_id = body.purchase_id or str(derived_id(call.command_id, "purchase"))
    lines = tuple(PurchaseLine(**dict(line)) for line in body.lines)
    command = PlacePurchaseOrder(**{**dict(body), "purchase_id": purchase_id, "lines": lines})
    expected = (
        ExpectStock(
            sku=line.sku,
            warehouse=body.warehouse,
            reference=_reference(purchase_id),
            quantity=line.quantity,
        )
        for line in lines
    )
    return await _carry_out(call, command, *expected, status=201)


def _taken_in(purchase: Purchase, command: ReceivePurchase) -> Iterator[ReceiveStock]:
    reference = _reference(command.purchase_id)
    for item in command.items:
        place = {"sku": item.sku, "warehouse": purchase.warehouse, "expected_by": reference}
        told = f"{reference}, receipt {command.receipt_id}"
        if item.quantity:
            yield ReceiveStock(**place, quantity=item.quantity, reference=told)
        if item.damaged:
            yield ReceiveStock(**place, quantity=item.damaged, reference=told, condition="damaged")


@router.post(
    "/{purchase_id}/receive",
    operation_id="receive_purchase",
    dependencies=[requires("stock:write")],
    summary="Receive goods of a purchase order",
    response_model=ReceiptAnswer,
    responses=answers(200, "The units are on hand"),
)
async def _receive_purchase(call: WantedCall, purchase_id: PurchaseId, body: ReceivePurchaseBody) -> Response:
    """Part of it, all of it, or more: what came is a fact. What is more than was ordered, or damaged, opens a
    discrepancy. A receipt counts once (rule `receipt_unique`).
    """
    await call.settings()
    receipt_id = body.receipt_id or str(derived_id(call.command_id, "receipt"))
    items = tuple(ReceivedItem(**dict(item)) for item in body.items)
    command = ReceivePurchase(purchase_id=purchase_id, receipt_id=receipt_id, items=items)
    purchase = await _known(call, purchase_id)
    stocks = tuple(_taken_in(purchase, command)) if purchase.warehouse else ()
    return await _carry_out(call, command, *stocks, told={"receipt_id": receipt_id})


@router.post(
    "/{purchase_id}/discrepancies/resolve",
    operation_id="resolve_purchase_discrepancy",
    dependencies=[requires("stock:write")],
    summary="Resolve a discrepancy of a purchase order",
    response_model=PurchaseAnswer,
    responses=answers(200, "It is resolved"),
)
async def _resolve_purchase_discrepancy(
    call: WantedCall, purchase_id: PurchaseId, body: ResolvePurchaseBody
) -> Response:
    """Accepted as it is, credited by the supplier, or returned to it: then the units leave the warehouse."""
    await call.settings()
    command = ResolvePurchaseDiscrepancy(purchase_id=purchase_id, **dict(body))
    purchase = await _known(call, purchase_id)
    stocks: list[AdjustStock | WriteOffStock] = []
    if body.resolution == "returned" and purchase.warehouse:
        place = {"sku": body.sku, "warehouse": purchase.warehouse}
        note = f"returned to the supplier of {_reference(purchase_id)}"
        stocks = [
            WriteOffStock(**place, quantity=body.quantity, source="damaged", note=note)
            if body.kind == "damaged"
            else AdjustStock(**place, delta=-body.quantity, reason="correction", note=note)
        ]
    return await _carry_out(call, command, *stocks)


def _expected_no_more(purchase: Purchase, purchase_id: str) -> Iterator[CancelExpectedStock]:
    for sku in purchase.ordered:
        yield CancelExpectedStock(sku=sku, warehouse=purchase.warehouse, reference=_reference(purchase_id))


@router.post(
    "/{purchase_id}/close",
    operation_id="close_purchase_order",
    dependencies=[requires("stock:write")],
    summary="Close a purchase order",
    response_model=PurchaseAnswer,
    responses=answers(200, "Nothing more is expected"),
)
async def _close_purchase_order(call: WantedCall, purchase_id: PurchaseId) -> Response:
    """Nothing more will come: what is missing opens a discrepancy. Takes no body."""
    await call.settings()
    gone = _expected_no_more(await _known(call, purchase_id), purchase_id)
    return await _carry_out(call, ClosePurchaseOrder(purchase_id=purchase_id), *gone)


@router.post(
    "/{purchase_id}/cancel",
    operation_id="cancel_purchase_order",
    dependencies=[requires("stock:write")],
    summary="Cancel a purchase order",
    response_model=PurchaseAnswer,
    responses=answers(200, "It is cancelled"),
)
async def _cancel_purchase_order(
    call: WantedCall, purchase_id: PurchaseId, body: EndPurchaseBody
) -> Response:
    """As long as nothing came of it (rule `cancel_before_receipt`); else close it."""
    await call.settings()
    gone = _expected_no_more(await _known(call, purchase_id), purchase_id)
    return await _carry_out(call, CancelPurchaseOrder(purchase_id=purchase_id, note=body.note), *gone)


def named_by_purchase(merchant: str, command: PlacePurchaseOrder) -> Iterator[Named]:
    skus: dict[Source, str] = {
        ("body", "lines", at, "sku"): line.sku for at, line in enumerate(command.lines)
    }
    return stocks_named(merchant, skus, {("body", "warehouse"): command.warehouse})

"""What may be asked about carriers' invoices: to take one in, and to resolve what does not fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import ConfigDict, Field

from commands.executor import Context, Done, Executor
from commands.fields import Body, Id, Text, whole
from commands.http import PROBLEMS, CommandRoute, Positioned, WantedCall, answers
from commands.states import States
from domain.carrier import BillShipment, Shipment
from domain.carrier.invoice import (
    LINES_MAX,
    ImportCarrierInvoice,
    InvoiceLine,
    Resolution,
    ResolveInvoiceDiscrepancy,
    is_known,
    matched,
)
from domain.carrier.rates import Name
from domain.kernel import Group, Target, one
from domain.money import MOST_CENTS, Currency
from domain.streams import carrier_invoice_stream, shipment_stream
from services.web.access import requires


async def import_carrier_invoice(
    executor: Executor, command: ImportCarrierInvoice, context: Context, answer: bytes = b""
) -> Done:
    """The invoice and each parcel that it is about in one append, matched with what the parcels are by then.

    Refused (rule `billed_as_read`) where another invoice billed one of them meanwhile.
    """
    group = await with_parcels(executor.states, context.merchant, command)
    return await executor.execute(group, context, answer)


async def with_parcels(states: States, merchant: str, command: ImportCarrierInvoice) -> Group:
    """The invoice with what does not fit of it by now, and a bill for each parcel that it is about."""
    stream = carrier_invoice_stream(merchant, command.carrier, command.invoice_id)
    wanted = sorted({line.shipment_id for line in command.lines if line.shipment_id})
    streams = [shipment_stream(merchant, each) for each in wanted]
    invoice, *loaded = await states.load([stream, *streams])
    if invoice.state.lines:
        return one(stream, command)  # it is there, or another is
    shipments = {each: state.state for each, state in zip(wanted, loaded, strict=True)}
    found = matched(command.carrier, command.currency, command.lines, shipments)
    targets = _bills(merchant, command, shipments)
    return Group((Target(stream, command.model_copy(update={"found": found})), *targets))


def _bills(merchant: str, command: ImportCarrierInvoice, shipments: Mapping[str, Shipment]) -> list[Target]:
    """One for each line that is about a parcel of ours."""
    times = Counter({each: len(shipment.bills) for each, shipment in shipments.items()})
    targets = []
    for line in command.lines:
        shipment = shipments.get(line.shipment_id)
        if shipment is None or not is_known(command.carrier, line, shipment):
            continue
        bill = BillShipment(
            shipment_id=line.shipment_id,
            carrier=command.carrier,
            invoice_id=command.invoice_id,
            line=line.line,
            charged_cents=line.charged_cents,
            currency=command.currency,
            expected=times[line.shipment_id],
        )
        times[line.shipment_id] += 1
        targets.append(Target(shipment_stream(merchant, line.shipment_id), bill))
    return targets


async def resolve_discrepancy(
    executor: Executor, command: ResolveInvoiceDiscrepancy, context: Context, answer: bytes = b""
) -> Done:
    """Say what became of a line that does not fit."""
    stream = carrier_invoice_stream(context.merchant, command.carrier, command.invoice_id)
    return await executor.execute(one(stream, command), context, answer)


class InvoiceLineBody(Body):
    """A parcel on the invoice; `shipment_id` is our reference, as it stands on the label."""

    line: Annotated[int, whole(1, 10**6)]
    shipment_id: Annotated[Text, Field(max_length=100)] = ""
    tracking_number: Annotated[Text, Field(max_length=200)] = ""
    charged_cents: Annotated[int, whole(0, MOST_CENTS)]


class InvoiceBody(Body):
    """An invoice, with a line for each parcel."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "currency": "BRL",
                    "lines": [
                        {
                            "line": 1,
                            "shipment_id": "1001",
                            "tracking_number": "SW000000000017TR",
                            "charged_cents": 1490,
                        }
                    ],
                }
            ]
        }
    )

    currency: Currency
    lines: Annotated[tuple[InvoiceLineBody, ...], Field(min_length=1, max_length=LINES_MAX)]


class ResolveInvoiceLineBody(Body):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"resolution": "credited", "note": "credit note 7"}]}
    )

    resolution: Resolution = Field(
        description="`accepted`: paid as it is; `credited`: given back; `rejected`: not paid"
    )
    note: Text = ""


class InvoiceAnswer(Positioned):
    """The invoice that it was about."""

    carrier: str = Field(examples=["swift"])
    invoice_id: str = Field(examples=["2026-05"])


router = APIRouter(
    prefix="/v1/carrier-invoices", tags=["carrier invoices"], route_class=CommandRoute, responses=PROBLEMS
)
CarrierName = Annotated[Name, Path(examples=["swift"])]
InvoiceId = Annotated[Id, Path(description="its number at the carrier", examples=["2026-05"])]


@router.put(
    "/{carrier}/{invoice_id}",
    operation_id="import_carrier_invoice",
    dependencies=[requires("carriers:write")],
    summary="Take in a carrier's invoice",
    response_model=InvoiceAnswer,
    responses=answers(200, "It is taken in and matched, now or before"),
)
async def _import_invoice(
    call: WantedCall, carrier: CarrierName, invoice_id: InvoiceId, body: InvoiceBody
) -> Response:
    """Each line is matched with the quote of its parcel. What does not fit is opened as a discrepancy: above
    the quote, an unknown parcel, one billed before, one whose label was given back, another currency.
    """
    await call.settings()
    lines = tuple(InvoiceLine(**dict(line)) for line in body.lines)
    command = ImportCarrierInvoice(
        carrier=carrier, invoice_id=invoice_id, currency=body.currency, lines=lines, found=()
    )
    answer = {"carrier": carrier, "invoice_id": invoice_id}
    return await call.carry_out(import_carrier_invoice, command, answer)


@router.post(
    "/{carrier}/{invoice_id}/lines/{line}/resolve",
    operation_id="resolve_invoice_discrepancy",
    dependencies=[requires("carriers:write")],
    summary="Resolve a discrepancy",
    response_model=InvoiceAnswer,
    responses=answers(200, "It is resolved like this, now or before"),
)
async def _resolve(
    call: WantedCall,
    carrier: CarrierName,
    invoice_id: InvoiceId,
    line: Annotated[int, Path(ge=1, le=10**6)],
    body: ResolveInvoiceLineBody,
) -> Response:
    """Once: what was resolved stays so (rule `resolved_once`)."""
    await call.settings()
    command = ResolveInvoiceDiscrepancy(carrier=carrier, invoice_id=invoice_id, line=line, **dict(body))
    answer = {"carrier": carrier, "invoice_id": invoice_id}
    return await call.carry_out(resolve_discrepancy, command, answer)

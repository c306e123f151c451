"""A carrier's invoice, against what was quoted: each line is matched, and what does not fit is opened.

A line is a fact, so it is taken as it is; a discrepancy stays open until a person has resolved it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from domain.carrier.rates import Name
from domain.carrier.shipment import Shipment
from domain.kernel import Command, Decider, Event, Refused, Value
from domain.money import Cents, Currency

LINES_MAX = 500
Id = Annotated[str, Field(min_length=1, max_length=200)]
DiscrepancyKind: TypeAlias = Literal[
    "above_quote", "unknown_parcel", "billed_twice", "voided_label", "other_currency"
]
Resolution: TypeAlias = Literal["accepted", "credited", "rejected"]


class InvoiceLine(Value):
    """One parcel on the invoice. `shipment_id` is our reference as repeated: it may be wrong."""

    line: Annotated[int, Field(ge=1, le=10**6)]
    shipment_id: Annotated[str, Field(max_length=200)] = ""
    tracking_number: Annotated[str, Field(max_length=200)] = ""
    charged_cents: Cents


class Found(Value):
    """A line that does not fit. `expected_cents` is what should have been charged, where that is known."""

    line: int
    kind: DiscrepancyKind
    expected_cents: Cents | None = None


Lines = Annotated[tuple[InvoiceLine, ...], Field(min_length=1, max_length=LINES_MAX)]


class CarrierInvoiceImported(Event):
    carrier: Name
    invoice_id: Id
    currency: Currency
    lines: Lines
    total_cents: Cents


class InvoiceDiscrepancyOpened(Event):
    carrier: Name
    invoice_id: Id
    line: int
    kind: DiscrepancyKind
    shipment_id: str = ""
    tracking_number: str = ""
    charged_cents: Cents
    expected_cents: Cents | None = None
    currency: Currency


class InvoiceDiscrepancyResolved(Event):
    """`accepted`: it is paid as it is; `credited`: the carrier gave it back; `rejected`: it is not paid."""

    carrier: Name
    invoice_id: Id
    line: int
    resolution: Resolution
    note: str = ""


InvoiceEvent: TypeAlias = CarrierInvoiceImported | InvoiceDiscrepancyOpened | InvoiceDiscrepancyResolved


class ImportCarrierInvoice(Command):
    """Part of a group: the others bill each parcel of it, and refuse if they were billed meanwhile."""

    carrier: Name
    invoice_id: Id
    currency: Currency
    lines: Lines
    found: tuple[Found, ...]


class ResolveInvoiceDiscrepancy(Command):
    carrier: Name
    invoice_id: Id
    line: int
    resolution: Resolution
    note: Annotated[str, Field(max_length=1000)] = ""


InvoiceCommand: TypeAlias = ImportCarrierInvoice | ResolveInvoiceDiscrepancy


@dataclass(frozen=True, slots=True)
class Invoice:
    """`open` and `resolved`: by line."""

    currency: str = ""
    lines: tuple[InvoiceLine, ...] = ()
    open: Mapping[int, DiscrepancyKind] = field(default_factory=dict)
    resolved: Mapping[int, Resolution] = field(default_factory=dict)


def matched(
    carrier: str, currency: str, lines: Sequence[InvoiceLine], shipments: Mapping[str, Shipment]
) -> tuple[Found, ...]:
    """What does not fit, line by line; a parcel that stands on the invoice twice is billed twice."""
    times = {shipment_id: len(shipment.bills) for shipment_id, shipment in shipments.items()}
    found = []
    for line in lines:
        shipment = shipments.get(line.shipment_id, Shipment())
        wrong = _wrong(carrier, currency, line, shipment, times.get(line.shipment_id, 0))
        if wrong:
            found.append(wrong)
        if is_known(carrier, line, shipment):
            times[line.shipment_id] += 1
    return tuple(found)


def is_known(carrier: str, line: InvoiceLine, shipment: Shipment) -> bool:
    """Whether the parcel has a label of this carrier, by this number if the line says one."""
    return any(
        carrier in (label.carrier, shipment.carriers.get(booking))
        and line.tracking_number in ("", label.tracking_number)
        for booking, label in shipment.labels.items()
    )


def _wrong(carrier: str, currency: str, line: InvoiceLine, shipment: Shipment, times: int) -> Found | None:
    quoted = shipment.quoted_cents
    if not is_known(carrier, line, shipment):
        return Found(line=line.line, kind="unknown_parcel", expected_cents=0)
    if times:
        return Found(line=line.line, kind="billed_twice", expected_cents=0)
    if shipment.void == "done":
        return Found(line=line.line, kind="voided_label", expected_cents=0)
    if shipment.option and shipment.option.currency != currency:
        return Found(line=line.line, kind="other_currency")
    if quoted is not None and line.charged_cents > quoted:
        return Found(line=line.line, kind="above_quote", expected_cents=quoted)
    return None


def _import(command: ImportCarrierInvoice, invoice: Invoice) -> tuple[InvoiceEvent, ...]:
    ids = {"carrier": command.carrier, "invoice_id": command.invoice_id, "currency": command.currency}
    by_line = {line.line: line for line in command.lines}
    if len(by_line) < len(command.lines):
        raise Refused("invoice_lines_once", "two lines of the invoice have one number")
    if invoice.lines:
        if (invoice.currency, invoice.lines) == (command.currency, command.lines):
            return ()
        raise Refused(
            "invoice_imported_once",
            f"invoice {command.invoice_id} of {command.carrier} is there, with {len(invoice.lines)} lines:"
            " a corrected one needs a number of its own",
        )
    total = sum(line.charged_cents for line in command.lines)
    opened = (
        InvoiceDiscrepancyOpened(
            **ids, **by_line[each.line].model_dump(), kind=each.kind, expected_cents=each.expected_cents
        )
        for each in command.found
        if each.line in by_line
    )
    return (CarrierInvoiceImported(**ids, lines=command.lines, total_cents=total), *opened)


def _resolve(command: ResolveInvoiceDiscrepancy, invoice: Invoice) -> tuple[InvoiceEvent, ...]:
    name = f"line {command.line} of invoice {command.invoice_id} of {command.carrier}"
    if command.line in invoice.resolved:
        if invoice.resolved[command.line] == command.resolution:
            return ()
        raise Refused("resolved_once", f"{name} is resolved: {invoice.resolved[command.line]}")
    if command.line not in invoice.open:
        raise Refused("discrepancy_exists", f"there is no discrepancy in {name}")
    return (InvoiceDiscrepancyResolved(**dict(command)),)


def decide(command: InvoiceCommand, invoice: Invoice) -> tuple[InvoiceEvent, ...]:
    match command:
        case ImportCarrierInvoice():
            return _import(command, invoice)
        case ResolveInvoiceDiscrepancy():
            return _resolve(command, invoice)


def evolve(invoice: Invoice, event: InvoiceEvent) -> Invoice:
    match event:
        case CarrierInvoiceImported(currency=currency, lines=lines):
            return replace(invoice, currency=currency, lines=lines)
        case InvoiceDiscrepancyOpened(line=line, kind=kind):
            return replace(invoice, open={**invoice.open, line: kind})
        case InvoiceDiscrepancyResolved(line=line, resolution=resolution):
            left = {number: kind for number, kind in invoice.open.items() if number != line}
            return replace(invoice, open=left, resolved={**invoice.resolved, line: resolution})


CARRIER_INVOICE: Decider[InvoiceCommand, InvoiceEvent, Invoice] = Decider(
    "carrierinvoice",
    decide,
    evolve,
    Invoice(),
    events=InvoiceEvent.__args__,
    commands=InvoiceCommand.__args__,
    parts=("merchant", "carrier", "invoice_id"),
)

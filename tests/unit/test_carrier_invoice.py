"""What of a carrier's invoice does not fit, and who says what becomes of it?"""

from __future__ import annotations

import pytest

from domain.carrier.invoice import (
    CARRIER_INVOICE,
    CarrierInvoiceImported,
    Found,
    ImportCarrierInvoice,
    InvoiceDiscrepancyOpened,
    InvoiceDiscrepancyResolved,
    InvoiceLine,
    ResolveInvoiceDiscrepancy,
)
from tests.specification import Specification

invoice = Specification(CARRIER_INVOICE)
IDS = {"carrier": "swift", "invoice_id": "2024-7"}
LINES = (
    InvoiceLine(line=1, shipment_id="o1", tracking_number="S1", charged_cents=900),
    InvoiceLine(line=2, shipment_id="o2", tracking_number="S2", charged_cents=500),
)
ABOVE = Found(line=1, kind="above_quote", expected_cents=700)
IMPORT = ImportCarrierInvoice(**IDS, currency="BRL", lines=LINES, found=(ABOVE,))
IMPORTED = CarrierInvoiceImported(**IDS, currency="BRL", lines=LINES, total_cents=1400)
OPENED = InvoiceDiscrepancyOpened(
    **IDS,
    line=1,
    kind="above_quote",
    shipment_id="o1",
    tracking_number="S1",
    charged_cents=900,
    expected_cents=700,
    currency="BRL",
)
RESOLVE = ResolveInvoiceDiscrepancy(**IDS, line=1, resolution="credited", note="by letter")
RESOLVED = InvoiceDiscrepancyResolved(**IDS, line=1, resolution="credited", note="by letter")


def test_a_carriers_invoice_above_its_quote_is_taken_as_it_is_and_opens_a_discrepancy() -> None:
    invoice.given().when(IMPORT).then(IMPORTED, OPENED)
    assert invoice.given().when(IMPORT).state.open == {1: "above_quote"}


def test_an_invoice_that_fits_opens_nothing() -> None:
    invoice.given().when(IMPORT.model_copy(update={"found": ()})).then(IMPORTED)


def test_an_invoice_is_imported_once() -> None:
    invoice.given(IMPORTED, OPENED).when(IMPORT).then_nothing()
    other = IMPORT.model_copy(update={"lines": LINES[:1]})
    invoice.given(IMPORTED, OPENED).when(other).then_refused("invoice_imported_once")
    twice = IMPORT.model_copy(update={"lines": LINES[:1] * 2})
    invoice.given().when(twice).then_refused("invoice_lines_once")


def test_a_person_resolves_what_does_not_fit_once() -> None:
    invoice.given(IMPORTED, OPENED).when(RESOLVE).then(RESOLVED)
    invoice.given(IMPORTED, OPENED, RESOLVED).when(RESOLVE).then_nothing()
    again = RESOLVE.model_copy(update={"resolution": "rejected"})
    invoice.given(IMPORTED, OPENED, RESOLVED).when(again).then_refused("resolved_once")


@pytest.mark.parametrize("line", [2, 3])
def test_of_a_line_that_fits_there_is_nothing_to_resolve(line: int) -> None:
    resolve = RESOLVE.model_copy(update={"line": line})
    invoice.given(IMPORTED, OPENED).when(resolve).then_refused("discrepancy_exists")

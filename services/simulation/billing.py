"""Which invoices does a carrier send in a simulation, and what does staff make of them?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from commands.carrier.invoices import with_parcels
from domain.carrier.invoice import ImportCarrierInvoice, InvoiceLine, ResolveInvoiceDiscrepancy, is_known
from domain.kernel import Group, one
from domain.streams import carrier_invoice_stream, shipment_stream
from services.simulation.acts import Act
from services.simulation.node import Node
from services.simulation.placing import CURRENCY
from services.simulation.plan import PlannedInvoice, PlannedOrder

PARCELS_MIN, LINES_MAX = 2, 6
TOO_MUCH_CENTS = 100


def acts_of(invoice: PlannedInvoice, orders: Sequence[PlannedOrder]) -> Iterator[Act]:
    """One that is refused, as another billed a parcel of it meanwhile, is taken in again."""
    mine = [order.order_id for order in orders if order.merchant == invoice.merchant]
    stream = carrier_invoice_stream(invoice.merchant, invoice.carrier, invoice.name)
    ids = {"carrier": invoice.carrier, "invoice_id": invoice.name}

    async def is_time(node: Node) -> bool:
        return len(await _lines(node, invoice, mine)) > PARCELS_MIN

    async def take_in(node: Node) -> Group:
        lines = await _lines(node, invoice, mine)
        command = ImportCarrierInvoice(**ids, currency=CURRENCY, lines=tuple(lines), found=())
        return await with_parcels(node.executor.states, invoice.merchant, command)

    async def settle(node: Node) -> Group:
        (loaded,) = await node.executor.states.load([stream])
        first = min(loaded.state.open, default=1)
        return one(stream, ResolveInvoiceDiscrepancy(**ids, line=first, resolution="credited"))

    yield Act(invoice.look_after_s, "take in", take_in, is_time)
    yield Act(0.5, "take in again", take_in)
    yield Act(0.5, "settle a line of", settle)


async def _lines(node: Node, invoice: PlannedInvoice, parcels: Sequence[str]) -> list[InvoiceLine]:
    loaded = await node.executor.states.load([shipment_stream(invoice.merchant, each) for each in parcels])
    lines = [InvoiceLine(line=1, shipment_id="nobody's", charged_cents=500)]
    for parcel, found in zip(parcels, loaded, strict=True):
        line = InvoiceLine(line=len(lines) + 1, shipment_id=parcel, charged_cents=0)
        if is_known(invoice.carrier, line, found.state) and len(lines) < LINES_MAX:
            more = TOO_MUCH_CENTS if len(lines) % 3 == 0 else 0
            quoted = found.state.quoted_cents or 0
            lines.append(line.model_copy(update={"charged_cents": quoted + more}))
    return lines

"""Carriers, rates, parcels, manifests and invoices, made up for tests of read models, roles and tenants."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from domain.carrier import (
    BookingFailed,
    CarrierChosen,
    CarrierUnavailable,
    LabelBought,
    LabelRefused,
    LabelVoidFailed,
    ParcelCalledOff,
    ParcelLine,
    RebookingRequested,
    ScanMisdirected,
    ShipmentBilled,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentHandedOver,
    ShipmentManifested,
    ShipmentRequested,
    ShipmentScanned,
    Weighed,
)
from domain.carrier.carriers import (
    CarrierAdded,
    CarrierSuspended,
    ChoiceRuleSet,
    RateCardPublished,
    TrackingLinkSet,
    UnitMeasures,
)
from domain.carrier.choice import ChoiceRule, Option
from domain.carrier.invoice import (
    CarrierInvoiceImported,
    InvoiceDiscrepancyOpened,
    InvoiceDiscrepancyResolved,
    InvoiceLine,
)
from domain.carrier.manifest import ManifestClosed, ManifestHandedOver
from domain.carrier.rates import Band, RateCard, Service, Zone
from domain.carrier.track_record import DeliveryMeasured
from domain.personal import Customer
from domain.streams import (
    carrier_invoice_stream,
    carriers_stream,
    manifest_stream,
    shipment_stream,
    track_record_stream,
)
from tests.integration.projections_trade import START, Step

LATER = START + timedelta(days=1)
RULE = ChoiceRule(prefer="balanced", day_cents=100, late_cents=2500, days_max=9, on_time_min_permille=500)
UNIT = UnitMeasures(weight_g=700, length_mm=300, width_mm=200, height_mm=60)


def _service(name: str) -> Service:
    zones = (Zone(zone="all", regions=("*",)),)
    return Service(service=name, days=3, zones=zones, bands=(Band(zone="all", up_to_g=9_000, cents=990),))


def carriers(merchant: str, name: str = "swift") -> list[Step]:
    """Two carriers, one of them suspended, the other with two rate cards and a record."""
    stream, other = carriers_stream(merchant), f"{name}2"
    steps: list[Step] = [
        (stream, CarrierAdded(carrier=each, name=f"Name of {each}")) for each in (name, other)
    ]
    for version in (1, 2):
        card = RateCard(
            currency="BRL", effective_from=START + timedelta(days=version), services=(_service(name),)
        )
        steps.append((stream, RateCardPublished(carrier=name, version=version, card=card)))
    steps += [
        (stream, CarrierSuspended(carrier=other, reason=f"strike at {other}")),
        (stream, ChoiceRuleSet(rule=RULE, unit=UNIT)),
        (stream, TrackingLinkSet(carrier=name, template=f"https://{name}.example/{{tracking_number}}")),
    ]
    for service in ("calm", "express"):
        record = track_record_stream(merchant, name, f"{name}-{service}")
        ids = {"carrier": name, "service": f"{name}-{service}"}
        steps += [
            (record, DeliveryMeasured(**ids, shipment_id=f"{merchant}p1", on_time=True)),
            (record, DeliveryMeasured(**ids, shipment_id=f"{merchant}p2", on_time=False, days_late=2)),
        ]
    return steps


def manifests(merchant: str, mark: str = "d", carrier: str = "swift") -> list[Step]:
    """Two; the first is handed over."""
    ids = [{"manifest_id": f"{mark}{number}", "carrier": carrier, "warehouse": "main"} for number in (1, 2)]
    steps: list[Step] = [
        (
            manifest_stream(merchant, each["manifest_id"]),
            ManifestClosed(**each, shipments=(f"{merchant}p1",), closed_at=LATER),
        )
        for each in ids
    ]
    over = ManifestHandedOver(**ids[0], received_by="R. Lima", happened_at=LATER)
    return [*steps, (manifest_stream(merchant, ids[0]["manifest_id"]), over)]


def invoices(merchant: str, mark: str = "i", carrier: str = "swift") -> list[Step]:
    """Two, each with a line that does not fit; that of the first is resolved."""
    steps: list[Step] = []
    for number in (1, 2):
        ids = {"carrier": carrier, "invoice_id": f"{mark}{number}"}
        stream = carrier_invoice_stream(merchant, carrier, f"{mark}{number}")
        lines = tuple(
            InvoiceLine(line=line, shipment_id=f"{merchant}p{line}", charged_cents=1_500) for line in (1, 2)
        )
        imported = CarrierInvoiceImported(**ids, currency="BRL", lines=lines, total_cents=3_000)
        steps.append((stream, imported))
        for line in lines:
            told = {**line.model_dump(), "kind": "above_quote", "expected_cents": 990, "currency": "BRL"}
            steps.append((stream, InvoiceDiscrepancyOpened(**ids, **told)))
        if number == 1:
            resolved = InvoiceDiscrepancyResolved(**ids, line=1, resolution="credited", note="note 7")
            steps.append((stream, resolved))
    return steps


def a_parcel(
    merchant: str, order_id: str, shipment_id: str, carrier: str = "swift", manifest_id: str = "d1"
) -> list[Step]:
    """One that is refused, booked elsewhere, given back, booked anew, handed over, scanned and billed."""
    stream = shipment_stream(merchant, shipment_id)
    ids = {"shipment_id": shipment_id, "order_id": order_id}
    to = Customer(customer_id="c", customer_unique_id="u", zip_prefix="01310", city="São Paulo")
    asked: dict[str, Any] = {"subject": "subject-p1", "recipient": to, "ship_to_state": "SP", "units": 2}
    option = Option(
        carrier=carrier,
        service="express",
        card_version=2,
        zone="all",
        billed_g=1_400,
        cents=990,
        currency="BRL",
        days=3,
        on_time_permille=900,
        seen=2,
    )
    chosen = {"option": option, "reason": "the cheapest", "chosen_at": START, "promised_at": LATER}
    label = {"carrier": carrier, "service": "express", "cents": 990}
    scan = {"happened_at": LATER + timedelta(hours=1)}
    wrong = {"carrier": carrier, "tracking_number": f"OLD-{shipment_id}", "type": "delivered"}
    return [
        (
            stream,
            ShipmentRequested(**ids, **asked, lines=(ParcelLine(sku="A", warehouse="main", quantity=2),)),
        ),
        (stream, CarrierChosen(**ids, **asked, booking=1, **chosen)),
        (
            stream,
            BookingFailed(
                **ids, booking=1, carrier=carrier, service="express", kind="refused", reason="not offered"
            ),
        ),
        (stream, CarrierChosen(**ids, **asked, booking=2, **chosen)),
        (stream, CarrierUnavailable(**ids, call="book", attempts=3, booking=2)),
        (stream, LabelRefused(**ids, reason="not offered")),
        (stream, RebookingRequested(**ids, **asked, booking=3)),
        (
            stream,
            CarrierChosen(**ids, **asked, booking=3, **chosen, weighed=Weighed(weight_g=1_400, by="staff")),
        ),
        (stream, LabelBought(**ids, **label, tracking_number=f"SW-{shipment_id}", booking=3)),
        (stream, ShipmentManifested(**ids, manifest_id=manifest_id)),
        (stream, ShipmentHandedOver(**ids, manifest_id=manifest_id, happened_at=LATER)),
        (stream, ShipmentDispatched(**ids, happened_at=LATER, units=2, booking=3)),
        (stream, ScanMisdirected(**ids, scan_id=f"{shipment_id}.0", **wrong)),
        (
            stream,
            ShipmentScanned(
                **ids, scan_id=f"{shipment_id}.1", type="exception", detail="held at customs", **scan
            ),
        ),
        (stream, ShipmentDelivered(**ids, scan_id=f"{shipment_id}.2", units=2, **scan)),
        (
            stream,
            ShipmentBilled(
                **ids,
                carrier=carrier,
                invoice_id="i1",
                line=1,
                charged_cents=1_500,
                quoted_cents=990,
                currency="BRL",
            ),
        ),
        (stream, LabelVoidFailed(**ids, reason="it was used", booking=3)),
        (stream, ParcelCalledOff(**ids)),
    ]

"""What may be sent to carriers, parcels, manifests and invoices: in a universe where all repeats."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from domain.carrier import (
    BillShipment,
    ChangeParcel,
    ChooseCarrier,
    HandOver,
    HoldParcel,
    LeaveBehind,
    Measures,
    ParcelLine,
    PutOnManifest,
    ReaddressParcel,
    Rebook,
    ReleaseParcel,
    SplitParcel,
    VoidLabel,
    Weighed,
)
from domain.carrier.carriers import (
    AddCarrier,
    PublishRateCard,
    ResumeCarrier,
    SetChoiceRule,
    SetTrackingLink,
    SuspendCarrier,
    UnitMeasures,
)
from domain.carrier.choice import ChoiceRule, Option
from domain.carrier.invoice import Found, ImportCarrierInvoice, InvoiceLine, ResolveInvoiceDiscrepancy
from domain.carrier.manifest import CloseManifest, HandOverManifest
from domain.carrier.rates import Band, RateCard, Service, Zone
from domain.carrier.track_record import MeasureDelivery
from domain.kernel import Command
from domain.personal import Erased, Sealed

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
PARCEL_LINES = (
    ParcelLine(sku="A-1", warehouse="main", quantity=2),
    ParcelLine(sku="B.2", warehouse="north", quantity=1),
)
NAMES = ("correios", "swift", "post")
names = st.sampled_from(NAMES[1:])
moments = st.integers(0, 2).map(lambda days: NOON + timedelta(days=days))
_shipment: dict[str, Any] = {"shipment_id": st.just("s1")}
_manifest: dict[str, Any] = {"manifest_id": st.sampled_from(["d1", "d2"])}
_parcels = st.sampled_from([("s1",), ("s1", "s2"), ("s1", "s1")])


def option(carrier: str, cents: int) -> Option:
    told: dict[str, Any] = {"service": "s", "card_version": 1, "zone": "z", "billed_g": 1, "currency": "BRL"}
    return Option(carrier=carrier, cents=cents, days=2, on_time_permille=900, seen=0, **told)


SERVICE = Service(
    service="s", days=2, zones=(Zone(zone="z", regions=("*",)),), bands=(Band(zone="z", up_to_g=9, cents=5),)
)
options = st.lists(st.sampled_from([option(name, 100) for name in NAMES]), max_size=3, unique=True).map(tuple)
lines = st.lists(
    st.builds(
        ParcelLine,
        sku=st.sampled_from(["A-1", "B.2"]),
        warehouse=st.sampled_from(["main", "north"]),
        quantity=st.integers(1, 2),
    ),
    max_size=2,
).map(tuple)
invoice_lines = st.lists(
    st.builds(
        InvoiceLine,
        line=st.integers(1, 2),
        shipment_id=st.sampled_from(["", "s1"]),
        charged_cents=st.sampled_from([100, 130]),
    ),
    min_size=1,
    max_size=2,
).map(tuple)
found = st.builds(
    Found, line=st.integers(1, 3), kind=st.sampled_from(["above_quote", "billed_twice", "unknown_parcel"])
)
_invoice: dict[str, Any] = {"carrier": st.just("swift"), "invoice_id": st.just("i1")}
_resolutions = st.sampled_from(["accepted", "credited", "rejected"])

_some = st.sampled_from([(), ("s1",), ("s2",)])
CARRIER_COMMANDS: dict[type[Command], SearchStrategy[Any]] = {
    SplitParcel: st.builds(SplitParcel, **_shipment, into=st.sampled_from(["s2", "s3"]), lines=lines),
    ChangeParcel: st.builds(ChangeParcel, **_shipment, lines=lines),
    ChooseCarrier: st.builds(
        ChooseCarrier,
        **_shipment,
        booking=st.integers(1, 3),
        options=options,
        reason=st.just("it is the cheapest"),
        weighed=st.sampled_from([None, Weighed(weight_g=900, by="catalogue")]),
        now=moments,
    ),
    HoldParcel: st.builds(HoldParcel, **_shipment),
    ReleaseParcel: st.builds(ReleaseParcel, **_shipment),
    ReaddressParcel: st.builds(
        ReaddressParcel,
        **_shipment,
        subject=st.just("u1"),
        recipient=st.sampled_from([Sealed(sealed="bm9uY2U="), Sealed(sealed="ZWxzZXdoZXJl"), Erased()]),
        ship_to_state=st.sampled_from(["RJ", "SP"]),
    ),
    LeaveBehind: st.builds(LeaveBehind, **_shipment, **_manifest),
    Rebook: st.builds(Rebook, **_shipment, measures=st.none() | st.builds(Measures, weight_g=st.just(5))),
    VoidLabel: st.builds(VoidLabel, **_shipment),
    PutOnManifest: st.builds(
        PutOnManifest,
        **_shipment,
        **_manifest,
        carrier=st.sampled_from(NAMES),
        warehouse=st.sampled_from(["main", "south"]),
    ),
    HandOver: st.builds(HandOver, **_shipment, **_manifest, now=moments),
    BillShipment: st.builds(
        BillShipment,
        **_shipment,
        **_invoice,
        line=st.integers(1, 2),
        charged_cents=st.just(100),
        currency=st.just("BRL"),
        expected=st.integers(0, 2),
    ),
    AddCarrier: st.builds(AddCarrier, carrier=names, name=st.sampled_from(["", "S"])),
    SuspendCarrier: st.builds(SuspendCarrier, carrier=names),
    ResumeCarrier: st.builds(ResumeCarrier, carrier=names),
    PublishRateCard: st.builds(
        PublishRateCard,
        carrier=names,
        expected_version=st.integers(0, 2),
        card=st.builds(
            RateCard, currency=st.just("BRL"), effective_from=moments, services=st.just((SERVICE,))
        ),
        now=st.just(NOON),
    ),
    SetChoiceRule: st.builds(
        SetChoiceRule,
        rule=st.builds(ChoiceRule, prefer=st.sampled_from(["cost", "speed"])),
        unit=st.just(UnitMeasures()),
    ),
    SetTrackingLink: st.builds(
        SetTrackingLink,
        carrier=names,
        template=st.sampled_from(["", "https://track.example/{tracking_number}"]),
    ),
    MeasureDelivery: st.builds(
        MeasureDelivery,
        carrier=st.just("swift"),
        service=st.just("s"),
        shipment_id=st.sampled_from(["s1", "s2"]),
        on_time=st.booleans(),
    ),
    CloseManifest: st.builds(
        CloseManifest,
        **_manifest,
        carrier=st.just("swift"),
        warehouse=st.just("main"),
        shipments=_parcels,
        now=st.just(NOON),
    ),
    HandOverManifest: st.builds(
        HandOverManifest, **_manifest, shipments=_parcels, left_behind=_some, now=st.just(NOON)
    ),
    ImportCarrierInvoice: st.builds(
        ImportCarrierInvoice,
        **_invoice,
        currency=st.just("BRL"),
        lines=invoice_lines,
        found=st.lists(found, max_size=2, unique_by=lambda each: each.line).map(tuple),
    ),
    ResolveInvoiceDiscrepancy: st.builds(
        ResolveInvoiceDiscrepancy, **_invoice, line=st.integers(1, 2), resolution=_resolutions
    ),
}
CARRIER_OPENINGS: dict[str, tuple[Command, ...]] = {
    "carrier": (AddCarrier(carrier="swift"),),
    "carrierinvoice": (
        ImportCarrierInvoice(
            carrier="swift",
            invoice_id="i1",
            currency="BRL",
            lines=(InvoiceLine(line=1, charged_cents=130),),
            found=(Found(line=1, kind="unknown_parcel", expected_cents=0),),
        ),
    ),
}

"""Where is each parcel, by what its carrier said? All scans are kept; none moves a parcel backwards.

`status` is how far our parcel is; `tracking_status` is the carrier's last word, by the time of its scans: a
late scan of an earlier time changes nothing, and none but a return goes beyond a delivery.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from domain.carrier import (
    BookingFailed,
    CarrierChosen,
    CarrierUnavailable,
    LabelBought,
    LabelRefused,
    LabelVoided,
    LabelVoidFailed,
    ParcelCalledOff,
    ParcelChanged,
    ParcelHeld,
    ParcelLine,
    ParcelReaddressed,
    ParcelReleased,
    ParcelSplit,
    RebookingRequested,
    ScanMisdirected,
    ShipmentBilled,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentHandedOver,
    ShipmentLeftBehind,
    ShipmentManifested,
    ShipmentRequested,
    ShipmentReturned,
    ShipmentScanned,
    Weighed,
)
from domain.kernel import Event, Fact
from projections.order.orders import latest
from projections.read_model import ReadModel, Rows

STATUSES = (
    "requested",
    "label_bought",
    "label_voided",
    "dispatched",
    "in_transit",
    "out_for_delivery",
    "delivered",
    "returned",
)
"""The stages of a parcel, as in `shipments.sql`: it only moves to a later one, whatever comes late."""
_TRACKED = {
    "pre_transit": (1, "pre_transit"),
    "collected": (2, "in_transit"),
    "in_transit": (2, "in_transit"),
    "out_for_delivery": (2, "out_for_delivery"),
    "available_for_pickup": (2, "available_for_pickup"),
    "return_to_sender": (2, "return_to_sender"),
    "failure": (2, "failure"),
    "exception": (2, "failure"),
    "delivered": (3, "delivered"),
    "returned": (4, "return_to_sender"),
}
"""Kind of scan -> the level that only a scan of it or a higher one changes, and the status it shows."""
_STAGE = {status: stage for stage, status in enumerate(STATUSES)}


@dataclass(slots=True)
class ShipmentRow:
    merchant: str
    shipment_id: str
    order_id: str
    ship_to_state: str
    units_count: int
    warehouse: str | None
    requested_at: datetime


@dataclass(slots=True)
class ShipmentProgress:
    """The furthest stage, and what is known from now on (None: as it was)."""

    merchant: str
    shipment_id: str
    stage: int = 0
    carrier: str | None = None
    booked_with: str | None = None
    tracking_number: str | None = None
    dispatch_inferred: bool | None = None
    scans_count: int = 0
    dispatched_at: datetime | None = None
    delivered_at: datetime | None = None
    returned_at: datetime | None = None
    last_scan_at: datetime | None = None
    tracking_level: int = 0
    tracking_status: str | None = None
    tracking_at: datetime | None = None
    units_count: int | None = None
    warehouse: str | None = None
    booking: int | None = None
    fallbacks_count: int = 0
    service: str | None = None
    choice_reason: str | None = None
    weight_g: int | None = None
    weighed_by: str | None = None
    billed_g: int | None = None
    quoted_cents: int | None = None
    label_cents: int | None = None
    billed_cents: int = 0
    currency: str | None = None
    promised_at: datetime | None = None
    manifest_id: str | None = None
    unlisted: bool = False
    is_held: bool | None = None
    ship_to_state: str | None = None
    handed_over_at: datetime | None = None
    misdirected_count: int = 0
    dispatched_booking: int | None = None
    called_off_at: datetime | None = None
    trouble: str | None = None
    trouble_reason: str | None = None
    trouble_at: datetime | None = None
    trouble_told: bool = False
    weight_told: bool = False
    anew: bool = False

    def has_trouble(self, kind: str, reason: str, at: datetime) -> None:
        self.trouble, self.trouble_reason, self.trouble_at, self.trouble_told = kind, reason, at, True

    def weighs(self, weighed: Weighed | None) -> None:
        """None where nothing that was weighed says anything of it."""
        self.weight_g, self.weighed_by = (weighed.weight_g, weighed.by) if weighed else (None, None)
        self.weight_told = True

    def goes_on(self) -> None:
        """Whatever kept it is over."""
        self.trouble = self.trouble_reason = self.trouble_at = None
        self.trouble_told = True

    def track(self, kind: str, at: datetime | None) -> None:
        """The latest of the highest level stands; a scan without a time is before all others."""
        level, status = _TRACKED[kind]
        if (level, _moment(at)) >= (self.tracking_level, _moment(self.tracking_at)):
            self.tracking_level, self.tracking_status, self.tracking_at = level, status, at


def _moment(at: datetime | None) -> datetime:
    return at or datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class ScanRow:
    """`misdirected`: it is of another parcel, by a number that this one does not have."""

    merchant: str
    shipment_id: str
    scan_id: str
    type: str
    happened_at: datetime | None
    position: int
    detail: str
    misdirected: bool
    carrier: str | None = None
    tracking_number: str | None = None


@dataclass(slots=True)
class LabelRow:
    merchant: str
    shipment_id: str
    booking: int
    order_id: str
    carrier: str
    service: str
    tracking_number: str
    cents: int | None
    bought_at: datetime


@dataclass(slots=True)
class LabelVoid:
    merchant: str
    shipment_id: str
    booking: int
    voided_at: datetime


@dataclass(slots=True)
class ChangedParcel:
    """What was in it before counts no more."""

    merchant: str
    shipment_id: str


@dataclass(slots=True)
class LineUnits:
    """By how many units there are more, or fewer, in the parcel."""

    merchant: str
    shipment_id: str
    sku: str
    warehouse: str
    quantity: int


Place = tuple[str, str]
"""A SKU, and the warehouse that it leaves from."""


class _Batch:
    def __init__(self) -> None:
        self.contents: dict[tuple[str, str], Counter[Place]] = {}
        self.changed: dict[tuple[str, str], ChangedParcel] = {}
        self.requested: list[ShipmentRow] = []
        self.moved: dict[tuple[str, str], ShipmentProgress] = {}
        self.scans: list[ScanRow] = []
        self.labels: list[LabelRow] = []
        self.voids: list[LabelVoid] = []

    def moving(self, event: Any, fact: Fact, status: str = "requested") -> ShipmentProgress:
        key = (fact.merchant, event.shipment_id)
        parcel = self.moved.get(key) or self.moved.setdefault(key, ShipmentProgress(*key))
        parcel.stage = max(parcel.stage, _STAGE[status])
        return parcel

    def fill(self, event: ShipmentRequested | ParcelChanged, fact: Fact) -> None:
        """From now on these lines are in it, and no other."""
        self.contents[fact.merchant, event.shipment_id] = _units(event.lines)

    def take_out(self, event: ParcelSplit, fact: Fact) -> None:
        self.contents.setdefault((fact.merchant, event.shipment_id), Counter()).subtract(_units(event.lines))

    def lines(self) -> list[LineUnits]:
        return [
            LineUnits(*parcel, *place, quantity)
            for parcel, units in self.contents.items()
            for place, quantity in units.items()
            if quantity
        ]

    def scan(self, parcel: ShipmentProgress, event: Any, fact: Fact, kind: str) -> None:
        parcel.scans_count += 1
        parcel.last_scan_at = latest(parcel.last_scan_at, event.happened_at)
        parcel.track(kind, event.happened_at)
        self.keep_scan(event, fact, kind)

    def keep_scan(self, event: Any, fact: Fact, kind: str, **of_another: Any) -> None:
        told = (kind, event.happened_at, fact.position, getattr(event, "detail", ""), bool(of_another))
        self.scans.append(ScanRow(fact.merchant, event.shipment_id, event.scan_id, *told, **of_another))


def _units(lines: Sequence[ParcelLine]) -> Counter[Place]:
    units: Counter[Place] = Counter()
    for line in lines:
        units[line.sku, line.warehouse] += line.quantity
    return units


def _warehouse(lines: Sequence[ParcelLine]) -> str | None:
    """That it leaves from: one, but for what was asked for before each had parcels of its own."""
    return min((line.warehouse for line in lines), default=None)


def _requested(batch: _Batch, event: ShipmentRequested, fact: Fact) -> None:
    batch.fill(event, fact)
    batch.requested.append(
        ShipmentRow(
            fact.merchant,
            event.shipment_id,
            event.order_id,
            event.ship_to_state,
            event.units,
            _warehouse(event.lines),
            fact.occurred_at,
        )
    )


def _label_bought(batch: _Batch, event: LabelBought, fact: Fact) -> None:
    if not event.surplus:
        parcel = batch.moving(event, fact, "label_bought")
        parcel.carrier, parcel.tracking_number = event.carrier, event.tracking_number
        parcel.label_cents = event.cents
        parcel.track("pre_transit", None)
        parcel.goes_on()
    ids = (fact.merchant, event.shipment_id, event.booking, event.order_id)
    what = (event.carrier, event.service, event.tracking_number, event.cents)
    batch.labels.append(LabelRow(*ids, *what, fact.occurred_at))


def _label_voided(batch: _Batch, event: LabelVoided, fact: Fact) -> None:
    """That of a booking that we gave up on changes nothing of the parcel."""
    if not event.surplus:
        batch.moving(event, fact, "label_voided").goes_on()
    batch.voids.append(LabelVoid(fact.merchant, event.shipment_id, event.booking, fact.occurred_at))


def _split(batch: _Batch, event: ParcelSplit, fact: Fact) -> None:
    parcel = batch.moving(event, fact)
    parcel.units_count = event.units_left
    parcel.weighs(None)
    batch.take_out(event, fact)


def _changed(batch: _Batch, event: ParcelChanged, fact: Fact) -> None:
    parcel = batch.moving(event, fact)
    parcel.units_count, parcel.warehouse = event.units, _warehouse(event.lines) or parcel.warehouse
    parcel.weighs(None)
    key = (fact.merchant, event.shipment_id)
    batch.changed[key] = ChangedParcel(*key)
    batch.fill(event, fact)


def _chosen(batch: _Batch, event: CarrierChosen, fact: Fact) -> None:
    parcel, option = batch.moving(event, fact), event.option
    parcel.booking, parcel.choice_reason = event.booking, event.reason
    parcel.carrier = parcel.booked_with = option.carrier
    parcel.service = option.service
    parcel.quoted_cents, parcel.currency = option.cents, option.currency
    parcel.billed_g = option.billed_g
    parcel.weighs(event.weighed)
    parcel.promised_at = event.promised_at
    parcel.goes_on()


def _booking_failed(batch: _Batch, event: BookingFailed, fact: Fact) -> None:
    batch.moving(event, fact).fallbacks_count += 1


def _rebooked(batch: _Batch, event: RebookingRequested, fact: Fact) -> None:
    """It begins anew: nobody has it yet."""
    parcel = batch.moving(event, fact)
    parcel.booking, parcel.anew, parcel.stage = event.booking, True, 0
    parcel.tracking_number = parcel.tracking_status = parcel.tracking_at = None
    parcel.tracking_level = 0
    parcel.goes_on()


def _refused(batch: _Batch, event: LabelRefused, fact: Fact) -> None:
    batch.moving(event, fact).has_trouble("no_carrier", event.reason, fact.occurred_at)


def _not_taken_back(batch: _Batch, event: LabelVoidFailed, fact: Fact) -> None:
    batch.moving(event, fact).has_trouble("label_not_taken_back", event.reason, fact.occurred_at)


def _unavailable(batch: _Batch, event: CarrierUnavailable, fact: Fact) -> None:
    reason = f"{event.call}: no answer in {event.attempts} attempts"
    batch.moving(event, fact).has_trouble("carrier_unavailable", reason, fact.occurred_at)


def _called_off(batch: _Batch, event: ParcelCalledOff, fact: Fact) -> None:
    batch.moving(event, fact).called_off_at = fact.occurred_at


def _held(batch: _Batch, event: ParcelHeld | ParcelReleased, fact: Fact) -> None:
    batch.moving(event, fact).is_held = isinstance(event, ParcelHeld)


def _readdressed(batch: _Batch, event: ParcelReaddressed, fact: Fact) -> None:
    _unlisted(batch, event, fact)
    batch.moving(event, fact).ship_to_state = event.ship_to_state


def _manifested(batch: _Batch, event: ShipmentManifested, fact: Fact) -> None:
    batch.moving(event, fact).manifest_id = event.manifest_id


def _unlisted(batch: _Batch, event: ShipmentLeftBehind | ParcelReaddressed, fact: Fact) -> None:
    """Whatever manifest it stood in; it may be listed anew later in the batch."""
    parcel = batch.moving(event, fact)
    parcel.manifest_id, parcel.unlisted = None, True


def _handed_over(batch: _Batch, event: ShipmentHandedOver, fact: Fact) -> None:
    batch.moving(event, fact).handed_over_at = event.happened_at


def _misdirected(batch: _Batch, event: ScanMisdirected, fact: Fact) -> None:
    batch.moving(event, fact).misdirected_count += 1
    number = {"carrier": event.carrier, "tracking_number": event.tracking_number}
    batch.keep_scan(event, fact, event.type, **number)


def _billed(batch: _Batch, event: ShipmentBilled, fact: Fact) -> None:
    batch.moving(event, fact).billed_cents += event.charged_cents


def _dispatched(batch: _Batch, event: ShipmentDispatched, fact: Fact) -> None:
    parcel = batch.moving(event, fact, "dispatched")
    parcel.dispatched_at, parcel.dispatch_inferred = event.happened_at, event.inferred
    parcel.dispatched_booking = event.booking
    parcel.goes_on()


def _scanned(batch: _Batch, event: ShipmentScanned, fact: Fact) -> None:
    status = event.type if event.type in ("in_transit", "out_for_delivery") else "requested"
    batch.scan(batch.moving(event, fact, status), event, fact, event.type)


def _delivered(batch: _Batch, event: ShipmentDelivered, fact: Fact) -> None:
    parcel = batch.moving(event, fact, "delivered")
    parcel.delivered_at = event.happened_at
    batch.scan(parcel, event, fact, "delivered")


def _returned(batch: _Batch, event: ShipmentReturned, fact: Fact) -> None:
    parcel = batch.moving(event, fact, "returned")
    parcel.returned_at = event.happened_at
    batch.scan(parcel, event, fact, "returned")


_CHANGES: dict[type[Event], Callable[[_Batch, Any, Fact], None]] = {
    ShipmentRequested: _requested,
    ParcelSplit: _split,
    ParcelChanged: _changed,
    ParcelHeld: _held,
    ParcelReleased: _held,
    ParcelReaddressed: _readdressed,
    CarrierChosen: _chosen,
    BookingFailed: _booking_failed,
    RebookingRequested: _rebooked,
    LabelRefused: _refused,
    LabelVoidFailed: _not_taken_back,
    CarrierUnavailable: _unavailable,
    ParcelCalledOff: _called_off,
    ShipmentManifested: _manifested,
    ShipmentLeftBehind: _unlisted,
    ShipmentHandedOver: _handed_over,
    ScanMisdirected: _misdirected,
    ShipmentBilled: _billed,
    LabelBought: _label_bought,
    LabelVoided: _label_voided,
    ShipmentDispatched: _dispatched,
    ShipmentScanned: _scanned,
    ShipmentDelivered: _delivered,
    ShipmentReturned: _returned,
}


def project(facts: Sequence[Fact]) -> Rows:
    batch = _Batch()
    for fact in facts:
        _CHANGES[type(fact.event)](batch, fact.event, fact)
    lines = batch.lines()
    return {
        "request_shipments": batch.requested,
        "move_shipments": list(batch.moved.values()),
        "drop_shipment_lines": list(batch.changed.values()),
        "add_shipment_lines": lines,
        "drop_emptied_lines": [each for each in lines if each.quantity < 0],
        "insert_scans": batch.scans,
        "insert_labels": batch.labels,
        "void_labels": batch.voids,
    }


SHIPMENTS = ReadModel(
    "shipments",
    ("shipments", "shipment_lines", "shipment_scans", "shipment_labels"),
    tuple(_CHANGES),
    project,
    version=9,
)

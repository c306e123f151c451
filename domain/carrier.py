"""One parcel of an order: its label, its hand-over to the carrier, and where the scans say it is.

Scans arrive late, twice and out of order: all are kept, and a late one never undoes a delivery.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal, TypeAlias

from pydantic import AwareDatetime, Field

from domain.kernel import Command, Decider, Event, ProviderId, ProviderText, Refused, Value
from domain.personal import Customer, Personal

Id = Annotated[str, Field(min_length=1, max_length=200)]
ScanType: TypeAlias = Literal[
    "collected", "in_transit", "out_for_delivery", "delivered", "returned", "exception"
]


class ShipmentRequested(Event):
    shipment_id: Id
    order_id: Id
    subject: Id
    recipient: Personal[Customer]
    ship_to_state: str
    units: int


class LabelBought(Event):
    shipment_id: Id
    order_id: Id
    carrier: ProviderText
    tracking_number: ProviderText


class LabelRefused(Event):
    """The carrier does not take the parcel; a person must look."""

    shipment_id: Id
    order_id: Id
    reason: ProviderText


class LabelVoidRequested(Event):
    shipment_id: Id
    order_id: Id


class LabelVoided(Event):
    shipment_id: Id
    order_id: Id


class LabelVoidFailed(Event):
    """The carrier has the parcel, or does not take the label back."""

    shipment_id: Id
    order_id: Id
    reason: ProviderText


class ShipmentDispatched(Event):
    """The carrier has the parcel. `inferred`: no pick-up scan was seen, but a later one proves it."""

    shipment_id: Id
    order_id: Id
    happened_at: AwareDatetime | None = None
    inferred: bool = False


class ShipmentScanned(Event):
    """A scan that changes nothing by itself: kept, for the track."""

    shipment_id: Id
    order_id: Id
    scan_id: ProviderId
    type: ScanType
    happened_at: AwareDatetime | None = None


class ShipmentDelivered(Event):
    """`happened_at` is None where the carrier does not know when."""

    shipment_id: Id
    order_id: Id
    scan_id: ProviderId
    happened_at: AwareDatetime | None = None


class ShipmentReturned(Event):
    """The parcel came back to its sender."""

    shipment_id: Id
    order_id: Id
    scan_id: ProviderId
    happened_at: AwareDatetime | None = None


class CarrierUnavailable(Event):
    """The carrier could not be reached for this request; it is tried again later."""

    shipment_id: Id
    order_id: Id
    call: str
    attempts: int


ShipmentEvent: TypeAlias = (
    ShipmentRequested
    | LabelBought
    | LabelRefused
    | LabelVoidRequested
    | LabelVoided
    | LabelVoidFailed
    | ShipmentDispatched
    | ShipmentScanned
    | ShipmentDelivered
    | ShipmentReturned
    | CarrierUnavailable
)


class RequestShipment(Command):
    creates = True
    shipment_id: Id
    order_id: Id
    subject: Id
    recipient: Personal[Customer]
    ship_to_state: str
    units: int


class RequestLabelVoid(Command):
    shipment_id: Id


class Scan(Value):
    scan_id: ProviderId
    type: ScanType
    happened_at: AwareDatetime | None = None


class RecordCarrierShipment(Command):
    """All, or some, of what the carrier says of the parcel: an answer or a webhook."""

    shipment_id: Id
    carrier: ProviderText
    tracking_number: ProviderText
    booking_refused: ProviderText = ""
    voided: bool = False
    void_refused: ProviderText = ""
    scans: tuple[Scan, ...] = ()


class RecordUnavailable(Command):
    shipment_id: Id
    call: str
    attempts: int


ShipmentCommand: TypeAlias = RequestShipment | RequestLabelVoid | RecordCarrierShipment | RecordUnavailable


@dataclass(frozen=True, slots=True)
class Shipment:
    order_id: str = ""
    tracking_number: str = ""
    label_refused: bool = False
    void: Literal["no", "requested", "refused", "done"] = "no"
    dispatched: bool = False
    delivered: bool = False
    returned: bool = False
    scans: frozenset[str] = frozenset()


def _scan(scan: Scan, shipment: Shipment, ids: dict[str, str]) -> tuple[ShipmentEvent, ...]:
    """The events of one scan: the first that proves a step makes it, every other is kept as it is."""
    told = {**ids, "happened_at": scan.happened_at}
    moving = scan.type in ("in_transit", "out_for_delivery", "delivered", "returned")
    inferred = (ShipmentDispatched(**ids, inferred=True),) if moving and not shipment.dispatched else ()
    match scan.type:
        case "collected" if not shipment.dispatched:
            return (
                ShipmentDispatched(**told),
                ShipmentScanned(**told, scan_id=scan.scan_id, type=scan.type),
            )
        case "delivered" if not shipment.delivered:
            return (*inferred, ShipmentDelivered(**told, scan_id=scan.scan_id))
        case "returned" if not shipment.returned:
            return (*inferred, ShipmentReturned(**told, scan_id=scan.scan_id))
    return (*inferred, ShipmentScanned(**told, scan_id=scan.scan_id, type=scan.type))


def _record(told: RecordCarrierShipment, shipment: Shipment) -> tuple[ShipmentEvent, ...]:
    ids = {"shipment_id": told.shipment_id, "order_id": shipment.order_id}
    news: list[ShipmentEvent] = []
    known = shipment
    if told.tracking_number and not shipment.tracking_number:
        news.append(LabelBought(**ids, carrier=told.carrier, tracking_number=told.tracking_number))
    elif told.booking_refused and not (shipment.tracking_number or shipment.label_refused):
        news.append(LabelRefused(**ids, reason=told.booking_refused))
    for scan in told.scans:
        if scan.scan_id not in known.scans:
            for event in _scan(scan, known, ids):
                news.append(event)
                known = evolve(known, event)
    if told.voided and shipment.void != "done":
        news.append(LabelVoided(**ids))
    elif told.void_refused and shipment.void == "requested":
        news.append(LabelVoidFailed(**ids, reason=told.void_refused))
    return tuple(news)


def _void_label(ids: dict[str, str], shipment: Shipment) -> tuple[ShipmentEvent, ...]:
    if shipment.void != "no" or shipment.dispatched:
        return ()
    never_bought = shipment.label_refused and not shipment.tracking_number
    return (LabelVoidRequested(**ids), *((LabelVoided(**ids),) if never_bought else ()))


def decide(command: ShipmentCommand, shipment: Shipment) -> tuple[ShipmentEvent, ...]:
    if isinstance(command, RequestShipment):
        return () if shipment.order_id else (ShipmentRequested(**dict(command)),)
    if not shipment.order_id:
        raise Refused("shipment_exists", f"there is no shipment {command.shipment_id}")
    match command:
        case RequestLabelVoid(shipment_id=shipment_id):
            return _void_label({"shipment_id": shipment_id, "order_id": shipment.order_id}, shipment)
        case RecordCarrierShipment():
            return _record(command, shipment)
        case RecordUnavailable():
            return (CarrierUnavailable(**dict(command), order_id=shipment.order_id),)


def evolve(shipment: Shipment, event: ShipmentEvent) -> Shipment:
    match event:
        case ShipmentRequested(order_id=order_id):
            return replace(shipment, order_id=order_id)
        case LabelBought(tracking_number=tracking_number):
            return replace(shipment, tracking_number=tracking_number)
        case LabelRefused():
            return replace(shipment, label_refused=True)
        case LabelVoidRequested():
            return replace(shipment, void="requested")
        case LabelVoided():
            return replace(shipment, void="done")
        case LabelVoidFailed():
            return replace(shipment, void="refused")
        case ShipmentDispatched():
            return replace(shipment, dispatched=True)
        case ShipmentScanned(scan_id=scan_id):
            return replace(shipment, scans=shipment.scans | {scan_id})
        case ShipmentDelivered(scan_id=scan_id):
            return replace(shipment, delivered=True, scans=shipment.scans | {scan_id})
        case ShipmentReturned(scan_id=scan_id):
            return replace(shipment, returned=True, scans=shipment.scans | {scan_id})
        case CarrierUnavailable():
            return shipment


SHIPMENT: Decider[ShipmentCommand, ShipmentEvent, Shipment] = Decider(
    "shipment",
    decide,
    evolve,
    Shipment(),
    events=ShipmentEvent.__args__,
    commands=ShipmentCommand.__args__,
    parts=("merchant", "shipment_id"),
    of_order=True,
)

AGGREGATES = (SHIPMENT,)
PERMISSIONS = ("shipments:read", "deliveries:read")

"""One parcel of an order: its carrier and label, its hand-over, and where the scans say it is.

A parcel is booked with one carrier at a time; bookings count from 1. Where one fails, the next best is
booked, and what may have come of the failed one is given back. Scans arrive late, twice and out of order:
all are kept, and a late one never undoes a delivery. Carriers use tracking numbers again, so a scan counts
only for the parcel that it names, and only with the number that this parcel has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

from domain.carrier.choice import Option
from domain.carrier.shipment_messages import (
    BillShipment,
    BookingFailed,
    CarrierChosen,
    CarrierUnavailable,
    ChangeParcel,
    ChooseCarrier,
    HandOver,
    HoldParcel,
    LabelBought,
    LabelRefused,
    LabelVoided,
    LabelVoidFailed,
    LabelVoidRequested,
    LeaveBehind,
    Measures,
    ParcelCalledOff,
    ParcelChanged,
    ParcelHeld,
    ParcelLine,
    ParcelReaddressed,
    ParcelReleased,
    ParcelSplit,
    PutOnManifest,
    ReaddressParcel,
    Rebook,
    RebookingRequested,
    RecordCarrierShipment,
    RecordUnavailable,
    ReleaseParcel,
    RequestLabelVoid,
    RequestShipment,
    Scan,
    ScanMisdirected,
    ShipmentBilled,
    ShipmentCommand,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentEvent,
    ShipmentHandedOver,
    ShipmentLeftBehind,
    ShipmentManifested,
    ShipmentRequested,
    ShipmentReturned,
    ShipmentScanned,
    SplitParcel,
    VoidLabel,
    Weighed,
)
from domain.kernel import Decider, Refused
from domain.personal import Customer, Erased, Personal

_MOVING = frozenset(
    {
        "in_transit",
        "out_for_delivery",
        "available_for_pickup",
        "delivered",
        "return_to_sender",
        "returned",
    }
)
"""What is scanned so is under way, whether its pick-up was seen or not."""
Void: TypeAlias = Literal["no", "requested", "refused", "done"]


@dataclass(frozen=True, slots=True)
class Label:
    """What was bought. `carrier` is its name as the carrier says it."""

    carrier: str
    tracking_number: str
    service: str = ""


@dataclass(frozen=True, slots=True)
class Shipment:
    """`booking` is the present one, from 1; labels and their return are known by it."""

    order_id: str = ""
    subject: str = ""
    recipient: Personal[Customer] = field(default_factory=Erased)
    ship_to_state: str = ""
    units: int = 0
    lines: tuple[ParcelLine, ...] = ()
    measures: Measures | None = None
    weighed: Weighed | None = None
    shipping_method: str = ""
    booking: int = 0
    option: Option | None = None
    rest: tuple[Option, ...] = ()
    chosen_at: datetime | None = None
    labels: Mapping[int, Label] = field(default_factory=dict)
    label_refused: bool = False
    voids: Mapping[int, Void] = field(default_factory=dict)
    carriers: Mapping[int, str] = field(default_factory=dict)
    manifest_id: str = ""
    held: bool = False
    called_off: bool = False
    handed_over: bool = False
    dispatched: bool = False
    dispatched_with: int = 0
    delivered: bool = False
    returned: bool = False
    scans: frozenset[str] = frozenset()
    bills: frozenset[str] = frozenset()
    split_into: Mapping[str, tuple[ParcelLine, ...]] = field(default_factory=dict)

    @property
    def tracking_number(self) -> str:
        """Of the present booking; empty while there is no label."""
        label = self.labels.get(self.booking)
        return label.tracking_number if label else ""

    @property
    def void(self) -> Void:
        """Of the present booking's label."""
        return self.voids.get(self.booking, "no")

    @property
    def quoted_cents(self) -> int | None:
        return self.option.cents if self.option else None

    @property
    def status(self) -> str:
        """In a word, for who is refused."""
        for word in ("returned", "delivered", "dispatched", "handed_over"):
            if getattr(self, word):
                return word
        if self.void == "done":
            return "label_voided"
        return (
            "label_bought" if self.tracking_number else "label_refused" if self.label_refused else "requested"
        )


def _dispatch(ids: dict[str, str], booking: int, shipment: Shipment, **told: Any) -> ShipmentDispatched:
    parcel = {"units": shipment.units, "lines": shipment.lines}
    return ShipmentDispatched(**ids, **parcel, booking=booking, **told)


def _scan(scan: Scan, booking: int, shipment: Shipment, ids: dict[str, str]) -> tuple[ShipmentEvent, ...]:
    """The events of one scan: the first that proves a step makes it, every other is kept as it is."""
    told = {**ids, "happened_at": scan.happened_at}
    moving = scan.type in _MOVING
    inferred = (
        (_dispatch(ids, booking, shipment, inferred=True),) if moving and not shipment.dispatched else ()
    )
    kept = ShipmentScanned(**told, scan_id=scan.scan_id, type=scan.type, detail=scan.detail)
    parcel = {"units": shipment.units}
    match scan.type:
        case "collected" if not shipment.dispatched:
            return (_dispatch(ids, booking, shipment, happened_at=scan.happened_at), kept)
        case "delivered" if not shipment.delivered:
            return (*inferred, ShipmentDelivered(**told, **parcel, scan_id=scan.scan_id))
        case "returned" if not shipment.returned:
            back = ShipmentReturned(**told, **parcel, lines=shipment.lines, scan_id=scan.scan_id)
            return (*inferred, back)
    return (*inferred, kept)


def _is_of_another(told: RecordCarrierShipment, shipment: Shipment) -> bool:
    """Whether its number is not the one that this booking has: numbers are used again."""
    label = shipment.labels.get(told.booking)
    if label is None or not told.tracking_number:
        return False
    return (label.carrier, label.tracking_number) != (told.carrier, told.tracking_number)


def _misdirected(
    told: RecordCarrierShipment, shipment: Shipment, ids: dict[str, str]
) -> tuple[ShipmentEvent, ...]:
    number = {"carrier": told.carrier, "tracking_number": told.tracking_number}
    new = {scan.scan_id: scan for scan in told.scans if scan.scan_id not in shipment.scans}
    return tuple(
        ScanMisdirected(**ids, **number, scan_id=scan.scan_id, type=scan.type, happened_at=scan.happened_at)
        for scan in new.values()
    )


def _record(told: RecordCarrierShipment, shipment: Shipment) -> tuple[ShipmentEvent, ...]:
    ids = {"shipment_id": told.shipment_id, "order_id": shipment.order_id}
    if _is_of_another(told, shipment):
        return _misdirected(told, shipment, ids)
    news: list[ShipmentEvent] = []
    surplus = told.booking != shipment.booking
    if told.tracking_number and told.booking not in shipment.labels:
        bought = {"carrier": told.carrier, "tracking_number": told.tracking_number, "surplus": surplus}
        news.append(
            LabelBought(**ids, **bought, booking=told.booking, service=told.service, cents=told.cents)
        )
    elif told.booking_refused and told.booking == shipment.booking:
        news += _booking_refused(told, shipment, ids)
    known = _after(shipment, news)
    for scan in told.scans:
        if scan.scan_id not in known.scans:
            events = _scan(scan, told.booking, known, ids)
            known = _after(known, events)
            news += events
    too_many = _surplus(told.booking, known, ids)
    known = _after(known, too_many)
    news += too_many
    void = known.voids.get(told.booking, "no")
    if told.voided and void != "done":
        spare = told.booking != (known.dispatched_with or known.booking)
        news.append(LabelVoided(**ids, booking=told.booking, surplus=spare))
    elif told.void_refused and void == "requested":
        news.append(LabelVoidFailed(**ids, reason=told.void_refused, booking=told.booking))
    return tuple(news)


def _after(shipment: Shipment, events: list[ShipmentEvent] | tuple[ShipmentEvent, ...]) -> Shipment:
    for event in events:
        shipment = evolve(shipment, event)
    return shipment


def _surplus(booking: int, now: Shipment, ids: dict[str, str]) -> tuple[ShipmentEvent, ...]:
    """A booking that we gave up on has come to something after all: one label too many, which goes back.

    Kept is the label that the parcel is on its way with, else that of the present booking.
    """
    if booking == now.booking or booking not in now.labels:
        return ()
    kept = now.dispatched_with if now.dispatched else now.booking
    return tuple(
        LabelVoidRequested(**ids, booking=each, carrier=now.carriers.get(each, ""))
        for each in (booking, now.booking)
        if each != kept and now.voids.get(each, "no") == "no"
    )


def _booking_refused(
    told: RecordCarrierShipment, shipment: Shipment, ids: dict[str, str]
) -> tuple[ShipmentEvent, ...]:
    if shipment.tracking_number or shipment.label_refused:
        return ()
    reason = told.booking_refused
    instead = _fall_back(told.suspended, "refused", reason, shipment, ids)
    return instead or (LabelRefused(**ids, reason=reason),)


def _unavailable(command: RecordUnavailable, shipment: Shipment) -> tuple[ShipmentEvent, ...]:
    """Beyond our patience another carrier gets the parcel. What the first may have done is taken back."""
    ids = {"shipment_id": command.shipment_id, "order_id": shipment.order_id}
    fields = dict(command)
    del fields["suspended"]
    told = CarrierUnavailable(**fields, order_id=shipment.order_id)
    waits = command.call == "book" and command.booking == shipment.booking and shipment.option
    if not waits or shipment.tracking_number or shipment.label_refused or not shipment.option:
        return (told,)
    carrier = shipment.option.carrier
    reason = f"no answer in {command.attempts} attempts"
    instead = _fall_back((carrier, *command.suspended), "unavailable", reason, shipment, ids)
    taken_back = LabelVoidRequested(**ids, booking=command.booking, carrier=carrier)
    return (told, *instead, taken_back) if instead else (told,)


def _fall_back(
    without: tuple[str, ...],
    kind: Literal["refused", "unavailable"],
    reason: str,
    shipment: Shipment,
    ids: dict[str, str],
) -> tuple[ShipmentEvent, ...]:
    """The next best instead, `without` the services of these carriers; nothing where there is none, or where
    no label is wanted any more.
    """
    failed = shipment.option
    rest = tuple(each for each in shipment.rest if each.carrier not in without)
    if not rest or failed is None or shipment.chosen_at is None or shipment.void != "no":
        return ()
    best = rest[0]
    unlike = f", though it is not named for {failed.fulfils}," if failed.fulfils and not best.fulfils else ","
    return (
        BookingFailed(
            **ids,
            booking=shipment.booking,
            carrier=failed.carrier,
            service=failed.service,
            kind=kind,
            reason=reason,
        ),
        CarrierChosen(
            **ids,
            **_asked(shipment),
            weighed=shipment.weighed,
            booking=shipment.booking + 1,
            option=best,
            reason=f"{best.name} is the next best{unlike} as {failed.name} failed ({kind}: {reason})"[:1000],
            rest=rest[1:],
            chosen_at=shipment.chosen_at,
            promised_at=_promised(shipment.chosen_at, best),
        ),
    )


def _asked(shipment: Shipment) -> dict[str, Any]:
    """What a carrier needs to know of the parcel."""
    names = ("subject", "recipient", "ship_to_state", "units", "measures", "shipping_method")
    return {name: getattr(shipment, name) for name in names}


def _promised(chosen_at: datetime, option: Option) -> datetime:
    return chosen_at + timedelta(days=option.days)


def _choose(command: ChooseCarrier, shipment: Shipment) -> tuple[ShipmentEvent, ...]:
    ids = {"shipment_id": command.shipment_id, "order_id": shipment.order_id}
    begun = shipment.option or shipment.tracking_number or shipment.label_refused
    if command.booking != shipment.booking or begun or shipment.void != "no":
        return ()
    if not command.options:
        return (LabelRefused(**ids, reason=command.reason),)
    best, *rest = command.options
    return (
        CarrierChosen(
            **ids,
            **_asked(shipment),
            weighed=command.weighed,
            booking=command.booking,
            option=best,
            reason=command.reason,
            rest=tuple(rest),
            chosen_at=command.now,
            promised_at=_promised(command.now, best),
        ),
    )


def _call_off(shipment_id: str, shipment: Shipment) -> tuple[ShipmentEvent, ...]:
    if shipment.called_off or shipment.dispatched:
        return ()
    off = ParcelCalledOff(shipment_id=shipment_id, order_id=shipment.order_id)
    return (off, *_void_label(shipment_id, shipment))


def _check_wanted(rule: str, shipment_id: str, shipment: Shipment) -> None:
    if shipment.called_off:
        raise Refused(
            rule,
            f"shipment {shipment_id} was called off: nothing of it is wanted, so it is not sent any more",
        )


def _void_label(shipment_id: str, shipment: Shipment) -> tuple[ShipmentEvent, ...]:
    if shipment.void != "no" or shipment.dispatched:
        return ()
    never_bought = shipment.label_refused and not shipment.tracking_number
    ids = {"shipment_id": shipment_id, "order_id": shipment.order_id, "booking": shipment.booking}
    return (_void_request(shipment_id, shipment), *((LabelVoided(**ids),) if never_bought else ()))


def _void_request(shipment_id: str, shipment: Shipment) -> LabelVoidRequested:
    return LabelVoidRequested(
        shipment_id=shipment_id,
        order_id=shipment.order_id,
        carrier=shipment.carriers.get(shipment.booking, ""),
        booking=shipment.booking,
    )


def _check_here(rule: str, shipment_id: str, shipment: Shipment) -> None:
    if shipment.dispatched or shipment.handed_over:
        raise Refused(
            rule, f"shipment {shipment_id} is {shipment.status}: that is possible until it is handed over"
        )


def _void_by_person(shipment_id: str, shipment: Shipment) -> tuple[ShipmentEvent, ...]:
    _check_here("void_before_hand_over", shipment_id, shipment)
    if not shipment.tracking_number:
        raise Refused("label_bought", f"shipment {shipment_id} has no label to void: it is {shipment.status}")
    if shipment.manifest_id:
        raise Refused(
            "void_before_manifest",
            f"shipment {shipment_id} stands in manifest {shipment.manifest_id}",
        )
    if shipment.void == "refused":
        return (_void_request(shipment_id, shipment),)
    return _void_label(shipment_id, shipment)


def _rebook(command: Rebook, shipment: Shipment) -> tuple[ShipmentEvent, ...]:
    _check_here("rebook_before_hand_over", command.shipment_id, shipment)
    _check_wanted("rebook_what_is_wanted", command.shipment_id, shipment)
    refused = shipment.label_refused and not shipment.tracking_number  # else it came after all
    if not (shipment.void in ("refused", "done") or (refused and shipment.void == "no")):
        raise Refused(
            "rebook_without_label",
            f"shipment {command.shipment_id} is {shipment.status}: void its label first",
        )
    asked = {**_asked(shipment), "measures": command.measures or shipment.measures}
    ids = {"shipment_id": command.shipment_id, "order_id": shipment.order_id}
    return (RebookingRequested(**ids, **asked, booking=shipment.booking + 1),)


def _without(lines: tuple[ParcelLine, ...], taken: tuple[ParcelLine, ...]) -> tuple[ParcelLine, ...]:
    """What stays of the lines."""
    left = Counter({(line.sku, line.warehouse): line.quantity for line in lines})
    left.subtract({(line.sku, line.warehouse): line.quantity for line in taken})
    return tuple(ParcelLine(sku=s, warehouse=w, quantity=n) for (s, w), n in left.items() if n > 0)


def _check_there(taken: tuple[ParcelLine, ...], shipment: Shipment) -> None:
    there = {(line.sku, line.warehouse): line.quantity for line in shipment.lines}
    places = [(line.sku, line.warehouse) for line in taken]
    if len(set(places)) < len(places):
        raise Refused("split_lines_once", "name each SKU of a warehouse once")
    for line in taken:
        have = there.get((line.sku, line.warehouse), 0)
        if line.quantity > have:
            raise Refused(
                "split_what_is_there",
                f"{have} units of {line.sku} from warehouse {line.warehouse} are in it, not {line.quantity}",
            )


def _split(command: SplitParcel, shipment: Shipment) -> tuple[ShipmentEvent, ...]:
    if command.into in shipment.split_into:
        return ()
    _check_here("split_before_hand_over", command.shipment_id, shipment)
    _check_wanted("split_what_is_wanted", command.shipment_id, shipment)
    if shipment.manifest_id:
        raise Refused("split_before_manifest", f"it stands in manifest {shipment.manifest_id}")
    if not shipment.lines:
        raise Refused(
            "split_by_lines", f"what is in shipment {command.shipment_id} is not known line by line"
        )
    _check_there(command.lines, shipment)
    left = sum(line.quantity for line in _without(shipment.lines, command.lines))
    if not left or not command.lines:
        raise Refused("split_leaves_something", "both parcels must hold something after the split")
    return (
        ParcelSplit(
            shipment_id=command.shipment_id,
            order_id=shipment.order_id,
            into=command.into,
            lines=command.lines,
            units_left=left,
        ),
    )


def _change(command: ChangeParcel, shipment: Shipment) -> tuple[ShipmentEvent, ...]:
    lines = command.lines
    for into, taken in shipment.split_into.items() if command.beside is not None else ():
        if into not in (command.beside or ()):
            lines = _without(lines, taken)
    same = _without(lines, shipment.lines) == _without(shipment.lines, lines) == ()
    if shipment.dispatched or same or not lines:
        return ()
    ids = {"shipment_id": command.shipment_id, "order_id": shipment.order_id}
    return (ParcelChanged(**ids, lines=lines, units=sum(line.quantity for line in lines)),)


def _hold(command: HoldParcel | ReleaseParcel, shipment: Shipment) -> tuple[ShipmentEvent, ...]:
    """The agents ask, so what came too late is nobody's mistake."""
    held = isinstance(command, HoldParcel)
    if shipment.dispatched or shipment.held == held:
        return ()
    ids = {"shipment_id": command.shipment_id, "order_id": shipment.order_id}
    return (ParcelHeld(**ids) if held else ParcelReleased(**ids),)


def _readdress(command: ReaddressParcel, shipment: Shipment) -> tuple[ShipmentEvent, ...]:
    """Until it is handed over. What was asked of a carrier is given back, bought or not, and a carrier is
    chosen anew: prices and times are others there. Where a label is given back anyhow, a person decides."""
    if shipment.dispatched or shipment.handed_over or shipment.recipient == command.recipient:
        return ()
    ids = {"shipment_id": command.shipment_id, "order_id": shipment.order_id}
    to = {"subject": command.subject, "recipient": command.recipient, "ship_to_state": command.ship_to_state}
    readdressed = ParcelReaddressed(**ids, **to)
    if shipment.called_off or shipment.void in ("requested", "done"):
        return (readdressed,)
    carrier, booking = shipment.carriers.get(shipment.booking, ""), shipment.booking
    given_back = shipment.void == "no" and not (shipment.label_refused and not shipment.tracking_number)
    void = LabelVoidRequested(**ids, carrier=carrier, booking=booking)
    asked = {**_asked(shipment), **to}
    return (
        readdressed,
        *((void,) if given_back else ()),
        RebookingRequested(**ids, **asked, booking=booking + 1),
    )


def _leave_behind(command: LeaveBehind, shipment: Shipment) -> tuple[ShipmentEvent, ...]:
    if shipment.handed_over or shipment.manifest_id != command.manifest_id:
        return ()
    return (ShipmentLeftBehind(**dict(command), order_id=shipment.order_id),)


def _request(command: RequestShipment, shipment: Shipment) -> tuple[ShipmentEvent, ...]:
    if not shipment.order_id:
        return (ShipmentRequested(**dict(command)),)
    if (shipment.order_id, shipment.lines) != (command.order_id, command.lines):
        raise Refused(
            "shipment_new",
            f"there is a shipment {command.shipment_id} of order {shipment.order_id}: take a new name",
        )
    return ()


def _put_on_manifest(command: PutOnManifest, shipment: Shipment) -> tuple[ShipmentEvent, ...]:
    name = f"shipment {command.shipment_id}"
    if shipment.manifest_id == command.manifest_id:
        return ()
    if shipment.manifest_id:
        raise Refused("manifested_once", f"{name} stands in manifest {shipment.manifest_id} already")
    _check_wanted("manifest_what_is_wanted", command.shipment_id, shipment)
    if not shipment.tracking_number or shipment.void in ("requested", "done") or shipment.dispatched:
        raise Refused(
            "manifest_of_labels", f"{name} is {shipment.status}: only one with a label can be listed"
        )
    if shipment.held:
        raise Refused("manifest_not_held", f"{name} is held, as its order is: list it once that is released")
    carrier = shipment.labels[shipment.booking].carrier
    if command.carrier not in {carrier, shipment.carriers.get(shipment.booking)}:
        raise Refused("manifest_of_one_carrier", f"{name} goes with {carrier}, not with {command.carrier}")
    warehouses = {line.warehouse for line in shipment.lines}
    if warehouses and command.warehouse not in warehouses:
        raise Refused(
            "manifest_of_one_warehouse",
            f"{name} leaves from {', '.join(sorted(warehouses))}, not from {command.warehouse}",
        )
    return (
        ShipmentManifested(
            shipment_id=command.shipment_id, order_id=shipment.order_id, manifest_id=command.manifest_id
        ),
    )


def _hand_over(command: HandOver, shipment: Shipment) -> tuple[ShipmentEvent, ...]:
    """Our word that the carrier has it: it is dispatched, unless a scan has told so before.

    One whose label was asked back meanwhile, as its order was cancelled, stays behind.
    """
    unwanted = shipment.called_off or shipment.void in ("requested", "done")
    if shipment.handed_over or (unwanted and not shipment.dispatched):
        return ()
    stays = (
        f"shipment {command.shipment_id} must stay here: name it in `left_behind`, and hand over the others"
    )
    if shipment.manifest_id != command.manifest_id:
        raise Refused("hand_over_what_is_listed", f"{stays}; it goes elsewhere now, with another label")
    if shipment.held and not shipment.dispatched:
        raise Refused("hand_over_not_held", f"{stays}; or release the holds of its order first")
    ids = {"shipment_id": command.shipment_id, "order_id": shipment.order_id}
    given = ShipmentHandedOver(**ids, manifest_id=command.manifest_id, happened_at=command.now)
    dispatched = (
        (_dispatch(ids, shipment.booking, shipment, happened_at=command.now),)
        if not shipment.dispatched
        else ()
    )
    return (given, *dispatched)


def _bill(command: BillShipment, shipment: Shipment) -> tuple[ShipmentEvent, ...]:
    if f"{command.carrier}.{command.invoice_id}.{command.line}" in shipment.bills:
        return ()
    if len(shipment.bills) != command.expected:
        raise Refused(
            "billed_as_read", f"shipment {command.shipment_id} was billed meanwhile: import the invoice again"
        )
    fields = dict(command)
    del fields["expected"]
    return (ShipmentBilled(**fields, order_id=shipment.order_id, quoted_cents=shipment.quoted_cents),)


def decide(command: ShipmentCommand, shipment: Shipment) -> tuple[ShipmentEvent, ...]:
    if isinstance(command, RequestShipment):
        return _request(command, shipment)
    if not shipment.order_id:
        raise Refused("shipment_exists", f"there is no shipment {command.shipment_id}")
    match command:
        case SplitParcel():
            return _split(command, shipment)
        case ChangeParcel():
            return _change(command, shipment)
        case HoldParcel() | ReleaseParcel():
            return _hold(command, shipment)
        case ReaddressParcel():
            return _readdress(command, shipment)
        case LeaveBehind():
            return _leave_behind(command, shipment)
        case ChooseCarrier():
            return _choose(command, shipment)
        case Rebook():
            return _rebook(command, shipment)
        case RequestLabelVoid(shipment_id=shipment_id):
            return _call_off(shipment_id, shipment)
        case VoidLabel(shipment_id=shipment_id):
            return _void_by_person(shipment_id, shipment)
        case PutOnManifest():
            return _put_on_manifest(command, shipment)
        case HandOver():
            return _hand_over(command, shipment)
        case RecordCarrierShipment():
            return _record(command, shipment)
        case RecordUnavailable():
            return _unavailable(command, shipment)
        case BillShipment():
            return _bill(command, shipment)


def _holding(shipment: Shipment, lines: tuple[ParcelLine, ...], units: int) -> Shipment:
    """Something else than before: what was measured or weighed says nothing of it."""
    return replace(shipment, lines=lines, units=units, measures=None, weighed=None)


def evolve(shipment: Shipment, event: ShipmentEvent) -> Shipment:
    match event:
        case ShipmentRequested():
            names = ShipmentRequested.model_fields.keys() - {"shipment_id"}
            return replace(shipment, **{name: getattr(event, name) for name in names}, booking=1)
        case ParcelSplit(lines=lines, units_left=units, into=into):
            split_into = {**shipment.split_into, into: lines}
            return _holding(replace(shipment, split_into=split_into), _without(shipment.lines, lines), units)
        case ParcelChanged(lines=lines, units=units):
            return _holding(shipment, lines, units)
        case ParcelHeld() | ParcelReleased():
            return replace(shipment, held=isinstance(event, ParcelHeld))
        case ParcelCalledOff():
            return replace(shipment, called_off=True)
        case ParcelReaddressed(subject=subject, recipient=recipient, ship_to_state=state):
            return replace(
                shipment, subject=subject, recipient=recipient, ship_to_state=state, manifest_id=""
            )
        case ShipmentLeftBehind():
            return replace(shipment, manifest_id="")
        case CarrierChosen(booking=booking, option=option):
            return replace(
                shipment,
                booking=booking,
                option=option,
                weighed=event.weighed,
                rest=event.rest,
                chosen_at=event.chosen_at,
                carriers={**shipment.carriers, booking: option.carrier},
            )
        case RebookingRequested(booking=booking, measures=measures):
            return replace(
                shipment, booking=booking, option=None, rest=(), label_refused=False, measures=measures
            )
        case LabelBought(booking=booking):
            label = Label(event.carrier, event.tracking_number, event.service)
            return replace(shipment, labels={**shipment.labels, booking: label})
        case LabelRefused():
            return replace(shipment, label_refused=True)
        case LabelVoidRequested(booking=booking):
            return replace(shipment, voids={**shipment.voids, booking: "requested"})
        case LabelVoided(booking=booking):
            return replace(shipment, voids={**shipment.voids, booking: "done"})
        case LabelVoidFailed(booking=booking):
            return replace(shipment, voids={**shipment.voids, booking: "refused"})
        case ShipmentManifested(manifest_id=manifest_id):
            return replace(shipment, manifest_id=manifest_id)
        case ShipmentHandedOver():
            return replace(shipment, handed_over=True)
        case ShipmentDispatched(booking=booking):
            return replace(shipment, dispatched=True, dispatched_with=booking)
        case ShipmentScanned(scan_id=scan_id) | ScanMisdirected(scan_id=scan_id):
            return replace(shipment, scans=shipment.scans | {scan_id})
        case ShipmentDelivered(scan_id=scan_id):
            return replace(shipment, delivered=True, scans=shipment.scans | {scan_id})
        case ShipmentReturned(scan_id=scan_id):
            return replace(shipment, returned=True, scans=shipment.scans | {scan_id})
        case ShipmentBilled():
            bill = f"{event.carrier}.{event.invoice_id}.{event.line}"
            return replace(shipment, bills=shipment.bills | {bill})
        case BookingFailed() | CarrierUnavailable():
            return shipment


SHIPMENT: Decider[ShipmentCommand, ShipmentEvent, Shipment] = Decider(
    "shipment",
    decide,
    evolve,
    Shipment(),
    events=ShipmentEvent.__args__,
    commands=ShipmentCommand.__args__,
    evolve_version=3,
    parts=("merchant", "shipment_id"),
    of_order=True,
)

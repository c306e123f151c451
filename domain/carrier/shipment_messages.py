"""What can be said and asked of a parcel: the events and commands of `shipment`."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AwareDatetime, Field

from domain.carrier.choice import Option
from domain.carrier.rates import Grams, Millimetres
from domain.kernel import Command, Event, ProviderId, ProviderText, Value
from domain.money import Cents, Currency
from domain.personal import Customer, Personal

Id = Annotated[str, Field(min_length=1, max_length=200)]
ScanType: TypeAlias = Literal[
    "pre_transit",
    "collected",
    "in_transit",
    "out_for_delivery",
    "available_for_pickup",
    "delivered",
    "return_to_sender",
    "returned",
    "failure",
    "exception",
]
OPTIONS_MAX, LINES_MAX = 50, 1_000


class ParcelLine(Value):
    """Units of one SKU from one warehouse."""

    sku: Id
    warehouse: Id
    quantity: Annotated[int, Field(gt=0)]


class Measures(Value):
    """Of the whole parcel, as somebody measured it; 0 is unknown."""

    weight_g: Grams = 0
    length_mm: Millimetres = 0
    width_mm: Millimetres = 0
    height_mm: Millimetres = 0


WeighedBy: TypeAlias = Literal["staff", "catalogue", "catalogue_in_part", "unit"]
"""Whose weight it is: staff measured the parcel; the catalogue knows all, or some, of what is in it; or the
merchant's usual unit stands for each."""
_WEIGHED_WORDS: dict[WeighedBy, str] = {
    "staff": "by who measured it",
    "catalogue": "by the catalogue",
    "catalogue_in_part": "by the catalogue, and by the usual unit where that does not know",
    "unit": "by the usual unit",
}


class Weighed(Measures):
    """What a parcel was taken to measure when its carrier was chosen, and by whose word it weighs that."""

    by: WeighedBy

    @property
    def words(self) -> str:
        return f"weighed {self.weight_g} g {_WEIGHED_WORDS[self.by]}"


MethodName = Annotated[str, Field(max_length=200)]
"""The way of shipping that was paid for; empty where nobody said."""
Lines = Annotated[tuple[ParcelLine, ...], Field(max_length=LINES_MAX)]
"""What is in the parcel. Empty in what was recorded before parcels had lines: then it is all of the order."""


class ShipmentRequested(Event):
    schema_version = 4
    shipment_id: Id
    order_id: Id
    subject: Id
    recipient: Personal[Customer]
    ship_to_state: str
    units: int
    lines: Lines = ()
    measures: Measures | None = None
    shipping_method: MethodName = ""


class ParcelSplit(Event):
    """These units go in a parcel of their own, `into`; the rest stays in this one."""

    shipment_id: Id
    order_id: Id
    into: Id
    lines: Lines
    units_left: int


class ParcelChanged(Event):
    """What is in it from now on, as the order was changed."""

    shipment_id: Id
    order_id: Id
    lines: Lines
    units: int


class ParcelHeld(Event):
    """Its order is held: it is not handed over."""

    shipment_id: Id
    order_id: Id


class ParcelReleased(Event):
    """Nothing holds its order any more."""

    shipment_id: Id
    order_id: Id


class ParcelCalledOff(Event):
    """Nothing of it is wanted any more: it is not sent, nor booked anew; a label that it has goes back."""

    shipment_id: Id
    order_id: Id


class ParcelReaddressed(Event):
    """It goes elsewhere, and is listed in no manifest any more: its label is of the former address."""

    schema_version = 2
    shipment_id: Id
    order_id: Id
    subject: Id
    recipient: Personal[Customer]
    ship_to_state: str


class CarrierChosen(Event):
    """The booking to make, and why with this service. `rest` are the next best, should it fail. `weighed` is
    what all of them were quoted on; None in what was recorded before."""

    schema_version = 3
    shipment_id: Id
    order_id: Id
    subject: Id
    recipient: Personal[Customer]
    ship_to_state: str
    units: int
    measures: Measures | None = None
    weighed: Weighed | None = None
    shipping_method: MethodName = ""
    booking: int
    option: Option
    reason: str
    rest: Annotated[tuple[Option, ...], Field(max_length=OPTIONS_MAX)] = ()
    chosen_at: AwareDatetime
    promised_at: AwareDatetime


class BookingFailed(Event):
    """The carrier refused the booking, or could not be reached for longer than we wait; another is chosen."""

    shipment_id: Id
    order_id: Id
    booking: int
    carrier: ProviderText
    service: ProviderText
    kind: Literal["refused", "unavailable"]
    reason: ProviderText


class RebookingRequested(Event):
    """A person wants another label, as there is none any more: it is chosen and booked anew."""

    schema_version = 3
    shipment_id: Id
    order_id: Id
    booking: int
    subject: Id
    recipient: Personal[Customer]
    ship_to_state: str
    units: int
    measures: Measures | None = None
    shipping_method: MethodName = ""


class LabelBought(Event):
    """`cents` is what the carrier says that it costs; None where it does not. `surplus`: of a booking that we
    had given up on, so that it is to be given back."""

    schema_version = 2
    shipment_id: Id
    order_id: Id
    carrier: ProviderText
    tracking_number: ProviderText
    booking: int = 1
    service: ProviderText = ""
    cents: Cents | None = None
    surplus: bool = False


class LabelRefused(Event):
    """No carrier takes the parcel; a person must look."""

    shipment_id: Id
    order_id: Id
    reason: ProviderText


class LabelVoidRequested(Event):
    schema_version = 2
    shipment_id: Id
    order_id: Id
    booking: int = 1
    carrier: str = ""


class LabelVoided(Event):
    """`surplus`: it was one too many, and the parcel has another, or is to get one."""

    schema_version = 2
    shipment_id: Id
    order_id: Id
    booking: int = 1
    surplus: bool = False


class LabelVoidFailed(Event):
    """The carrier has the parcel, or does not take the label back."""

    schema_version = 2
    shipment_id: Id
    order_id: Id
    reason: ProviderText
    booking: int = 1


class ShipmentManifested(Event):
    """The parcel stands in the list of what a carrier fetches from a warehouse."""

    shipment_id: Id
    order_id: Id
    manifest_id: Id


class ShipmentHandedOver(Event):
    """We gave it to the carrier: its label can't be given back any more."""

    shipment_id: Id
    order_id: Id
    manifest_id: Id
    happened_at: AwareDatetime


class ShipmentLeftBehind(Event):
    """It stood in a manifest, and stayed here when that was handed over: it can be listed in another."""

    shipment_id: Id
    order_id: Id
    manifest_id: Id


class ShipmentDispatched(Event):
    """The carrier has the parcel. `inferred`: no pick-up scan was seen, but a later one proves it.

    `units` is 0, and `lines` empty, in what was recorded before: then it is all of the order.
    """

    schema_version = 2
    shipment_id: Id
    order_id: Id
    happened_at: AwareDatetime | None = None
    inferred: bool = False
    booking: int = 1
    units: int = 0
    lines: Lines = ()


class ShipmentScanned(Event):
    """A scan that changes nothing by itself: kept, for the track."""

    schema_version = 2
    shipment_id: Id
    order_id: Id
    scan_id: ProviderId
    type: ScanType
    happened_at: AwareDatetime | None = None
    detail: ProviderText = ""


class ScanMisdirected(Event):
    """A scan by a tracking number, or of a carrier, that this parcel does not have: kept, it moves nothing.

    Carriers use their numbers again: it is of another parcel, of now or of long ago.
    """

    shipment_id: Id
    order_id: Id
    scan_id: ProviderId
    carrier: ProviderText
    tracking_number: ProviderText
    type: ScanType
    happened_at: AwareDatetime | None = None


class ShipmentDelivered(Event):
    """`happened_at` is None where the carrier does not know when."""

    schema_version = 2
    shipment_id: Id
    order_id: Id
    scan_id: ProviderId
    happened_at: AwareDatetime | None = None
    units: int = 0


class ShipmentReturned(Event):
    """The parcel came back to its sender."""

    schema_version = 2
    shipment_id: Id
    order_id: Id
    scan_id: ProviderId
    happened_at: AwareDatetime | None = None
    units: int = 0
    lines: Lines = ()


class ShipmentBilled(Event):
    """A line of a carrier's invoice is about this parcel; `quoted_cents` is None where no price was known."""

    shipment_id: Id
    order_id: Id
    carrier: str
    invoice_id: Id
    line: int
    charged_cents: Cents
    quoted_cents: Cents | None = None
    currency: Currency


class CarrierUnavailable(Event):
    """The carrier could not be reached for this request: it is tried again later, or another is chosen."""

    schema_version = 2
    shipment_id: Id
    order_id: Id
    call: str
    attempts: int
    booking: int = 1


ShipmentEvent: TypeAlias = (
    ShipmentRequested
    | ParcelSplit
    | ParcelChanged
    | ParcelCalledOff
    | ParcelHeld
    | ParcelReleased
    | ParcelReaddressed
    | CarrierChosen
    | BookingFailed
    | RebookingRequested
    | LabelBought
    | LabelRefused
    | LabelVoidRequested
    | LabelVoided
    | LabelVoidFailed
    | ShipmentManifested
    | ShipmentHandedOver
    | ShipmentLeftBehind
    | ShipmentDispatched
    | ShipmentScanned
    | ScanMisdirected
    | ShipmentDelivered
    | ShipmentReturned
    | ShipmentBilled
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
    lines: Lines = ()
    measures: Measures | None = None
    shipping_method: MethodName = ""


class SplitParcel(Command):
    """Half of a group: the other half requests the shipment `into`."""

    shipment_id: Id
    into: Id
    lines: Lines


class ChangeParcel(Command):
    """The order was changed: this is what goes into its parcel. What is on its way stays as it is; what was
    put into a parcel of its own stays there. `beside` are the parcels that whoever asks knows of."""

    shipment_id: Id
    lines: Lines
    beside: frozenset[Id] | None = None


class HoldParcel(Command):
    shipment_id: Id


class ReleaseParcel(Command):
    shipment_id: Id


class ReaddressParcel(Command):
    """Its order goes elsewhere: what was bought is given back, and bought anew."""

    shipment_id: Id
    subject: Id
    recipient: Personal[Customer]
    ship_to_state: str


class ChooseCarrier(Command):
    """`options` are ranked, the best first, and quoted on `weighed`. With none, `reason` says why nobody
    takes the parcel."""

    shipment_id: Id
    booking: int
    options: Annotated[tuple[Option, ...], Field(max_length=OPTIONS_MAX)]
    reason: str
    weighed: Weighed | None = None
    now: AwareDatetime


class Rebook(Command):
    """A person wants another label, for a parcel of these measures, if somebody measured it anew."""

    shipment_id: Id
    measures: Measures | None = None


class RequestLabelVoid(Command):
    """Nothing of it is wanted: whatever label there is, or may come to be, is not needed, nor another."""

    shipment_id: Id


class VoidLabel(Command):
    """A person wants the label to be given back; refused where there is none to give."""

    shipment_id: Id


class PutOnManifest(Command):
    shipment_id: Id
    manifest_id: Id
    carrier: str
    warehouse: str


class LeaveBehind(Command):
    """It stays here, though it stands in the manifest that is handed over."""

    shipment_id: Id
    manifest_id: Id


class HandOver(Command):
    shipment_id: Id
    manifest_id: Id
    now: AwareDatetime


class Scan(Value):
    scan_id: ProviderId
    type: ScanType
    happened_at: AwareDatetime | None = None
    detail: ProviderText = ""


class RecordCarrierShipment(Command):
    """All, or some, of what the carrier says of one booking: an answer or a webhook. `suspended` are the
    merchant's carriers that get nothing new."""

    shipment_id: Id
    carrier: ProviderText
    tracking_number: ProviderText
    booking: int = 1
    service: ProviderText = ""
    cents: Cents | None = None
    booking_refused: ProviderText = ""
    voided: bool = False
    void_refused: ProviderText = ""
    scans: tuple[Scan, ...] = ()
    suspended: tuple[str, ...] = ()


class RecordUnavailable(Command):
    """`suspended` are the merchant's carriers that get nothing new."""

    shipment_id: Id
    call: str
    attempts: int
    booking: int = 1
    suspended: tuple[str, ...] = ()


class BillShipment(Command):
    """A fact: the carrier has billed it. `expected`: how often before, as the sender read it."""

    shipment_id: Id
    carrier: str
    invoice_id: Id
    line: int
    charged_cents: Cents
    currency: Currency
    expected: int


ShipmentCommand: TypeAlias = (
    RequestShipment
    | SplitParcel
    | ChangeParcel
    | HoldParcel
    | ReleaseParcel
    | ReaddressParcel
    | ChooseCarrier
    | Rebook
    | RequestLabelVoid
    | VoidLabel
    | PutOnManifest
    | LeaveBehind
    | HandOver
    | RecordCarrierShipment
    | RecordUnavailable
    | BillShipment
)

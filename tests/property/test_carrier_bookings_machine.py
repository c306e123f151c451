"""Whatever carriers do with its bookings: is a parcel shipped once, and its delivery never undone?"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from domain.carrier import (
    SHIPMENT,
    BookingFailed,
    CarrierChosen,
    ChooseCarrier,
    LabelBought,
    Rebook,
    RecordCarrierShipment,
    RecordUnavailable,
    RequestLabelVoid,
    RequestShipment,
    Scan,
    ScanMisdirected,
    ScanType,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentReturned,
    ShipmentScanned,
    VoidLabel,
)
from tests.property.machine import AggregateMachine
from tests.strategies import CUSTOMER
from tests.strategies_carrier import NAMES, NOON, option

KINDS: tuple[ScanType, ...] = (
    "collected",
    "in_transit",
    "delivered",
    "return_to_sender",
    "returned",
    "failure",
)
bookings = st.integers(1, 4)


class BookingsMachine(AggregateMachine):
    """The model: the scans that were told by a number which the parcel has, and those by any other."""

    decider = SHIPMENT

    def __init__(self) -> None:
        super().__init__()
        self.told: dict[str, ScanType] = {}
        self.foreign: set[str] = set()
        self.scans = 0

    @initialize()
    def request(self) -> None:
        self.send(
            RequestShipment(
                shipment_id="s1", order_id="o1", subject="u1", recipient=CUSTOMER, ship_to_state="SP", units=1
            )
        )
        best = tuple(option(name, 100) for name in NAMES)
        self.send(ChooseCarrier(shipment_id="s1", booking=1, options=best, reason="it is", now=NOON))

    def carrier_of(self, booking: int) -> str:
        return self.state.carriers.get(booking, "")

    @rule(booking=bookings)
    def books(self, booking: int) -> None:
        if carrier := self.carrier_of(booking):
            self.tell(booking, carrier, number=f"N{booking}")

    def tell(self, booking: int, carrier: str, *scans: Scan, number: str = "", **fields: Any) -> None:
        label = {"carrier": carrier, "tracking_number": number, "booking": booking}
        self.send(RecordCarrierShipment(shipment_id="s1", **label, scans=scans, **fields))

    @rule(booking=bookings)
    def refuses(self, booking: int) -> None:
        self.tell(booking, self.carrier_of(booking), booking_refused="no")

    @rule(booking=bookings, call=st.sampled_from(["book", "void"]))
    def is_down(self, booking: int, call: str) -> None:
        self.send(RecordUnavailable(shipment_id="s1", call=call, attempts=6, booking=booking))

    @rule(booking=bookings, kind=st.sampled_from(KINDS))
    def scans_it(self, booking: int, kind: ScanType) -> None:
        if carrier := self.carrier_of(booking):
            self.scans += 1
            self.told[f"t{self.scans}"] = kind
            self.tell(booking, carrier, Scan(scan_id=f"t{self.scans}", type=kind), number=f"N{booking}")

    @precondition(lambda self: self.told)
    @rule(booking=bookings, again=st.integers(0, 99))
    def tells_it_again(self, booking: int, again: int) -> None:
        scan_id, kind = list(self.told.items())[again % len(self.told)]
        if carrier := self.carrier_of(booking):
            self.tell(booking, carrier, Scan(scan_id=scan_id, type=kind), number=f"N{booking}")

    @rule(booking=bookings, kind=st.sampled_from(KINDS))
    def tells_of_another_parcel(self, booking: int, kind: ScanType) -> None:
        if booking in self.state.labels:
            self.scans += 1
            self.foreign.add(f"t{self.scans}")
            scan = Scan(scan_id=f"t{self.scans}", type=kind)
            self.tell(booking, self.carrier_of(booking), scan, number="N-of-old")

    @rule(booking=bookings, took=st.booleans())
    def gives_back(self, booking: int, took: bool) -> None:
        if self.state.voids.get(booking) == "requested":
            answer = {"voided": True} if took else {"void_refused": "collected"}
            number = f"N{booking}" if booking in self.state.labels else ""
            self.tell(booking, self.carrier_of(booking), number=number, **answer)

    @rule(command=st.sampled_from([RequestLabelVoid, VoidLabel, Rebook]))
    def is_wanted_otherwise(self, command: type) -> None:
        self.send(command(shipment_id="s1"))

    @rule()
    def is_chosen_for_again(self) -> None:
        best = tuple(option(name, 100) for name in NAMES)
        booking = self.state.booking
        self.send(ChooseCarrier(shipment_id="s1", booking=booking, options=best, reason="it is", now=NOON))

    # ---- what must be true

    @invariant()
    def it_is_shipped_once(self) -> None:
        assert sum(isinstance(event, ShipmentDispatched) for event in self.stream) <= 1

    @invariant()
    def a_late_scan_never_undoes_a_delivery(self) -> None:
        kinds = set(self.told.values())
        assert self.state.delivered == ("delivered" in kinds)
        assert self.state.returned == ("returned" in kinds)

    @invariant()
    def every_scan_is_kept_once_and_those_of_another_parcel_apart(self) -> None:
        ours = (ShipmentScanned, ShipmentDelivered, ShipmentReturned)
        kept = sorted(event.scan_id for event in self.stream if isinstance(event, ours))
        assert kept == sorted(self.told)
        foreign = sorted(event.scan_id for event in self.stream if isinstance(event, ScanMisdirected))
        assert foreign == sorted(self.foreign)

    @invariant()
    def a_label_of_a_booking_that_is_over_goes_back(self) -> None:
        for booking in self.state.labels:
            over = booking != (self.state.dispatched_with or self.state.booking)
            assert not over or self.state.voids.get(booking, "no") != "no"

    @invariant()
    def a_booking_has_one_label_and_fails_once(self) -> None:
        for kind in (LabelBought, BookingFailed, CarrierChosen):
            of = [event.booking for event in self.stream if isinstance(event, kind)]
            assert len(set(of)) == len(of)


TestBookings = BookingsMachine.TestCase

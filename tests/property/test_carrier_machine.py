"""Does a parcel's state follow from the set of its scans alone, whenever and however often they are told?"""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from domain.carrier import (
    SHIPMENT,
    RecordCarrierShipment,
    RecordUnavailable,
    RequestLabelVoid,
    RequestShipment,
    ShipmentDelivered,
    ShipmentReturned,
    ShipmentScanned,
)
from tests.property.machine import AggregateMachine
from tests.strategies import CUSTOMER, SCANS, tracks

MOVING = ("collected", "in_transit", "out_for_delivery", "delivered", "returned")


class ShipmentMachine(AggregateMachine):
    """The model: whether it was asked for, the scans told so far, and what became of its label."""

    decider = SHIPMENT

    def __init__(self) -> None:
        super().__init__()
        self.requested = False
        self.tracking_number = ""
        self.refused = False
        self.void = "no"
        self.called_off = False
        self.told: set[str] = set()

    @property
    def types(self) -> set[str]:
        return {SCANS[scan_id] for scan_id in self.told}

    @property
    def dispatched(self) -> bool:
        return any(kind in self.types for kind in MOVING)

    @initialize(first=st.sampled_from([True, True, True, False]))
    def begin(self, first: bool) -> None:
        if first:
            self.request()

    @rule()
    def request(self) -> None:
        command = RequestShipment(
            shipment_id="s1", order_id="o1", subject="u1", recipient=CUSTOMER, ship_to_state="SP", units=1
        )
        assert self.send(command) == ([] if self.requested else ["ShipmentRequested"])
        self.requested = True

    @rule()
    def request_void(self) -> None:
        came = self.send(RequestLabelVoid(shipment_id="s1"))
        if not self.requested:
            assert came == "shipment_exists"
        elif not (self.called_off or self.dispatched):
            never_bought = self.refused and not self.tracking_number
            asked = self.void == "no"
            goes_back = ["LabelVoidRequested", *(["LabelVoided"] if never_bought else [])]
            assert came == ["ParcelCalledOff", *(goes_back if asked else [])]
            self.called_off = True
            if asked:
                self.void = "done" if never_bought else "requested"
        else:
            assert came == []

    @rule(account=tracks)
    def carrier_tells(self, account: RecordCarrierShipment) -> None:
        came = self.send(account)
        if not self.requested:
            assert came == "shipment_exists"
            return
        assert ("LabelBought" in came) == (account.tracking_number != "" and not self.tracking_number)
        refuses = account.booking_refused and not (account.tracking_number or self.tracking_number)
        assert ("LabelRefused" in came) == bool(refuses and not self.refused)
        self.refused = self.refused or bool(refuses)
        self.tracking_number = self.tracking_number or account.tracking_number
        self.told |= {scan.scan_id for scan in account.scans}
        if account.voided:
            self.void = "done"
        elif account.void_refused and self.void == "requested":
            self.void = "refused"
        assert self.send(account) == [], "told again, it is known"

    @rule(attempts=st.integers(1, 3))
    def nobody_answers(self, attempts: int) -> None:
        came = self.send(RecordUnavailable(shipment_id="s1", call="label", attempts=attempts))
        assert came == (["CarrierUnavailable"] if self.requested else "shipment_exists")

    @invariant()
    def is_what_the_scans_say(self) -> None:
        parcel = self.state
        assert parcel.scans == self.told
        assert parcel.dispatched == self.dispatched
        assert parcel.delivered == ("delivered" in self.types)
        assert parcel.returned == ("returned" in self.types)
        assert parcel.void == self.void
        assert parcel.tracking_number == self.tracking_number

    @invariant()
    def every_scan_is_kept_once_and_every_step_made_once(self) -> None:
        kept = [
            event.scan_id
            for event in self.stream
            if isinstance(event, ShipmentScanned | ShipmentDelivered | ShipmentReturned)
        ]
        assert sorted(kept) == sorted(self.told)
        names = [type(event).__name__ for event in self.stream]
        for step in (
            "LabelBought",
            "ShipmentDispatched",
            "ShipmentDelivered",
            "ShipmentReturned",
            "LabelVoided",
        ):
            assert names.count(step) <= 1

    @invariant()
    def nothing_is_delivered_that_was_not_dispatched(self) -> None:
        names = [type(event).__name__ for event in self.stream]
        for step in ("ShipmentDelivered", "ShipmentReturned"):
            if step in names:
                assert "ShipmentDispatched" in names[: names.index(step)]


TestShipment = ShipmentMachine.TestCase

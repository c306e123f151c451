"""Does a parcel's track hold every scan, and never go back?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from domain.carrier import (
    SHIPMENT,
    CarrierUnavailable,
    LabelBought,
    LabelVoided,
    LabelVoidFailed,
    LabelVoidRequested,
    RecordCarrierShipment,
    RecordUnavailable,
    RequestLabelVoid,
    RequestShipment,
    Scan,
    ScanType,
    ShipmentCommand,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentRequested,
    ShipmentReturned,
    ShipmentScanned,
)
from domain.personal import Customer
from tests.specification import Specification

shipment = Specification(SHIPMENT)
IDS = {"shipment_id": "s1", "order_id": "o1"}
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
RECIPIENT = Customer(customer_id="c1", customer_unique_id="u1", zip_prefix="01310", city="São Paulo")
ASK = RequestShipment(**IDS, subject="u1", recipient=RECIPIENT, ship_to_state="SP", units=2)
REQUESTED = ShipmentRequested(**IDS, subject="u1", recipient=RECIPIENT, ship_to_state="SP", units=2)
BOUGHT = LabelBought(**IDS, carrier="correios", tracking_number="BR1")
DISPATCHED = ShipmentDispatched(**IDS, happened_at=NOON)
INFERRED = ShipmentDispatched(**IDS, inferred=True)
DELIVERED = ShipmentDelivered(**IDS, scan_id="t9", happened_at=NOON)
VOID = LabelVoidRequested(**IDS)
VOIDED = LabelVoided(**IDS)


def scan(scan_id: str, kind: ScanType) -> Scan:
    return Scan(scan_id=scan_id, type=kind, happened_at=NOON)


def scanned(scan_id: str, kind: ScanType) -> ShipmentScanned:
    return ShipmentScanned(**IDS, scan_id=scan_id, type=kind, happened_at=NOON)


def told(*scans: Scan, **fields: Any) -> RecordCarrierShipment:
    usual: dict[str, Any] = {"carrier": "correios", "tracking_number": "BR1"}
    return RecordCarrierShipment(shipment_id="s1", scans=scans, **{**usual, **fields})


def test_asks_for_a_parcel_once() -> None:
    shipment.given().when(ASK).then(REQUESTED)
    shipment.given(REQUESTED).when(ASK).then_nothing()


@pytest.mark.parametrize(
    "command",
    [
        RequestLabelVoid(shipment_id="s1"),
        told(),
        RecordUnavailable(shipment_id="s1", call="label", attempts=3),
    ],
)
def test_nothing_happens_to_a_parcel_that_does_not_exist(command: ShipmentCommand) -> None:
    shipment.given().when(command).then_refused("shipment_exists")


def test_a_label_is_bought_once_and_has_a_number() -> None:
    shipment.given(REQUESTED).when(told()).then(BOUGHT)
    shipment.given(REQUESTED, BOUGHT).when(told()).then_nothing()
    shipment.given(REQUESTED).when(told(tracking_number="")).then_nothing()


def test_a_pick_up_dispatches_and_is_kept_as_a_scan() -> None:
    shipment.given(REQUESTED, BOUGHT).when(told(scan("t1", "collected"))).then(
        DISPATCHED, scanned("t1", "collected")
    )


@pytest.mark.parametrize("kind", ["in_transit", "out_for_delivery"])
def test_a_moving_parcel_was_dispatched(kind: ScanType) -> None:
    shipment.given(REQUESTED, BOUGHT).when(told(scan("t2", kind))).then(INFERRED, scanned("t2", kind))


def test_a_delivery_or_a_return_proves_the_dispatch() -> None:
    given = shipment.given(REQUESTED, BOUGHT)
    given.when(told(scan("t9", "delivered"))).then(INFERRED, DELIVERED)
    given.when(told(scan("t8", "returned"))).then(
        INFERRED, ShipmentReturned(**IDS, scan_id="t8", happened_at=NOON)
    )


def test_an_exception_proves_nothing() -> None:
    shipment.given(REQUESTED, BOUGHT).when(told(scan("t6", "exception"))).then(scanned("t6", "exception"))


def test_a_late_scan_is_kept_and_never_undoes_a_delivery() -> None:
    late = shipment.given(REQUESTED, BOUGHT, INFERRED, DELIVERED).when(
        told(scan("t1", "collected"), scan("t3", "out_for_delivery"), scan("t10", "delivered"))
    )
    late.then(
        scanned("t1", "collected"),
        scanned("t3", "out_for_delivery"),
        scanned("t10", "delivered"),
    )
    assert late.state.delivered


def test_a_parcel_that_comes_back_was_delivered_all_the_same() -> None:
    back = shipment.given(REQUESTED, BOUGHT, INFERRED, DELIVERED).when(told(scan("t8", "returned")))
    back.then(ShipmentReturned(**IDS, scan_id="t8", happened_at=NOON))
    assert (back.state.delivered, back.state.returned) == (True, True)


def test_a_scan_told_twice_is_kept_once() -> None:
    twice = told(scan("t1", "collected"), scan("t1", "collected"))
    shipment.given(REQUESTED, BOUGHT).when(twice).then(DISPATCHED, scanned("t1", "collected"))
    shipment.given(REQUESTED, BOUGHT, DISPATCHED, scanned("t1", "collected")).when(twice).then_nothing()


def test_a_delivery_may_have_no_time() -> None:
    undated = Scan(scan_id="t9", type="delivered")
    shipment.given(REQUESTED, BOUGHT, DISPATCHED).when(told(undated)).then(
        ShipmentDelivered(**IDS, scan_id="t9")
    )


def test_a_label_is_voided_while_the_parcel_is_here() -> None:
    ask = RequestLabelVoid(shipment_id="s1")
    shipment.given(REQUESTED, BOUGHT).when(ask).then(VOID)
    shipment.given(REQUESTED, BOUGHT, VOID).when(ask).then_nothing()
    shipment.given(REQUESTED, BOUGHT, DISPATCHED).when(ask).then_nothing()


def test_the_carrier_takes_a_label_back_or_does_not() -> None:
    refused = LabelVoidFailed(**IDS, reason="collected")
    asked = shipment.given(REQUESTED, BOUGHT, VOID)
    asked.when(told(voided=True)).then(VOIDED)
    asked.when(told(void_refused="collected")).then(refused)
    shipment.given(REQUESTED, BOUGHT, VOID, VOIDED).when(told(voided=True)).then_nothing()
    shipment.given(REQUESTED, BOUGHT, VOID, refused).when(told(void_refused="collected")).then_nothing()
    shipment.given(REQUESTED, BOUGHT, VOID, refused).when(told(voided=True)).then(VOIDED)


def test_a_voided_label_stays_voided_whatever_else_is_said() -> None:
    both = shipment.given(REQUESTED, BOUGHT, VOID).when(told(voided=True, void_refused="collected"))
    both.then(VOIDED)
    assert both.state.void == "done"


def test_an_unreachable_carrier_is_a_fact() -> None:
    shipment.given(REQUESTED).when(RecordUnavailable(shipment_id="s1", call="label", attempts=3)).then(
        CarrierUnavailable(**IDS, call="label", attempts=3)
    )

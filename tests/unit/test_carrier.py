"""Does a parcel's track hold every scan, and never go back?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.carrier import (
    SHIPMENT,
    BillShipment,
    BookingFailed,
    CarrierChosen,
    CarrierUnavailable,
    ChangeParcel,
    ChooseCarrier,
    HandOver,
    LabelBought,
    LabelRefused,
    LabelVoided,
    LabelVoidFailed,
    LabelVoidRequested,
    Measures,
    ParcelCalledOff,
    ParcelChanged,
    ParcelLine,
    ParcelSplit,
    PutOnManifest,
    Rebook,
    RebookingRequested,
    RecordCarrierShipment,
    RecordUnavailable,
    RequestLabelVoid,
    RequestShipment,
    Scan,
    ScanMisdirected,
    ScanType,
    ShipmentBilled,
    ShipmentCommand,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentHandedOver,
    ShipmentManifested,
    ShipmentRequested,
    ShipmentReturned,
    ShipmentScanned,
    SplitParcel,
    VoidLabel,
    Weighed,
)
from domain.carrier.choice import Option
from domain.personal import Customer
from tests.specification import Specification

shipment = Specification(SHIPMENT)
IDS = {"shipment_id": "s1", "order_id": "o1"}
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
RECIPIENT = Customer(customer_id="c1", customer_unique_id="u1", zip_prefix="01310", city="São Paulo")
ASK = RequestShipment(**IDS, subject="u1", recipient=RECIPIENT, ship_to_state="SP", units=2)
REQUESTED = ShipmentRequested(**IDS, subject="u1", recipient=RECIPIENT, ship_to_state="SP", units=2)
BOUGHT = LabelBought(**IDS, carrier="correios", tracking_number="BR1")
DISPATCHED = ShipmentDispatched(**IDS, happened_at=NOON, units=2)
INFERRED = ShipmentDispatched(**IDS, inferred=True, units=2)
DELIVERED = ShipmentDelivered(**IDS, scan_id="t9", happened_at=NOON, units=2)
VOID = LabelVoidRequested(**IDS)
OFF = ParcelCalledOff(**IDS)
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
        INFERRED, ShipmentReturned(**IDS, scan_id="t8", happened_at=NOON, units=2)
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
    back.then(ShipmentReturned(**IDS, scan_id="t8", happened_at=NOON, units=2))
    assert (back.state.delivered, back.state.returned) == (True, True)


def test_a_scan_told_twice_is_kept_once() -> None:
    twice = told(scan("t1", "collected"), scan("t1", "collected"))
    shipment.given(REQUESTED, BOUGHT).when(twice).then(DISPATCHED, scanned("t1", "collected"))
    shipment.given(REQUESTED, BOUGHT, DISPATCHED, scanned("t1", "collected")).when(twice).then_nothing()


def test_a_delivery_may_have_no_time() -> None:
    undated = Scan(scan_id="t9", type="delivered")
    shipment.given(REQUESTED, BOUGHT, DISPATCHED).when(told(undated)).then(
        ShipmentDelivered(**IDS, scan_id="t9", units=2)
    )


def test_a_label_is_voided_while_the_parcel_is_here() -> None:
    ask = RequestLabelVoid(shipment_id="s1")
    shipment.given(REQUESTED, BOUGHT).when(ask).then(OFF, VOID)
    shipment.given(REQUESTED, BOUGHT, OFF, VOID).when(ask).then_nothing()
    shipment.given(REQUESTED, BOUGHT, VOID).when(ask).then(OFF)
    shipment.given(REQUESTED, BOUGHT, DISPATCHED).when(ask).then_nothing()


def test_what_was_called_off_is_sent_in_no_other_way() -> None:
    off = (IN_PARCEL, BOUGHT, OFF, VOID, VOIDED)
    shipment.given(*off).when(Rebook(shipment_id="s1")).then_refused("rebook_what_is_wanted")
    split = SplitParcel(shipment_id="s1", into="s2", lines=(ONE_MUG,))
    shipment.given(*off).when(split).then_refused("split_what_is_wanted")
    kept = (IN_PARCEL, BOUGHT, OFF, VOID, LabelVoidFailed(**IDS, reason="too late"))
    listed = PutOnManifest(shipment_id="s1", manifest_id="d1", carrier="swift", warehouse="main")
    shipment.given(*kept).when(listed).then_refused("manifest_what_is_wanted")
    over = HandOver(shipment_id="s1", manifest_id="d1", now=NOON)
    shipment.given(*kept, ShipmentManifested(**IDS, manifest_id="d1")).when(over).then_nothing()


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


# ---- several carriers

SWIFT = Option(
    carrier="swift",
    service="express",
    card_version=1,
    zone="sp",
    billed_g=900,
    cents=1000,
    currency="BRL",
    days=2,
    on_time_permille=900,
    seen=0,
)
CALM = SWIFT.model_copy(update={"service": "calm", "cents": 1100, "days": 9})
POST = SWIFT.model_copy(update={"carrier": "post", "service": "parcel", "cents": 1200, "days": 5})
PARCEL = {"subject": "u1", "recipient": RECIPIENT, "ship_to_state": "SP", "units": 2}
WEIGHED = Weighed(weight_g=900, by="catalogue")
CHOOSE = ChooseCarrier(
    shipment_id="s1", booking=1, options=(SWIFT, CALM, POST), reason="cheapest", weighed=WEIGHED, now=NOON
)


def chosen(booking: int, option: Option, rest: tuple[Option, ...], why: str) -> CarrierChosen:
    promised_at = NOON + timedelta(days=option.days)
    return CarrierChosen(
        **IDS,
        **PARCEL,
        weighed=WEIGHED,
        booking=booking,
        option=option,
        reason=why,
        rest=rest,
        chosen_at=NOON,
        promised_at=promised_at,
    )


CHOSEN = chosen(1, SWIFT, (CALM, POST), "cheapest")
SWIFT_BOUGHT = LabelBought(**IDS, carrier="swift", tracking_number="SW1", service="express", cents=1000)


def swift(*scans: Scan, **fields: Any) -> RecordCarrierShipment:
    label = {"carrier": "swift", "tracking_number": "SW1", "service": "express", "cents": 1000}
    return told(*scans, **{**label, **fields})


def test_the_choice_and_its_reason_stand_in_the_event_and_are_made_once() -> None:
    shipment.given(REQUESTED).when(CHOOSE).then(CHOSEN)
    shipment.given(REQUESTED, CHOSEN).when(CHOOSE).then_nothing()
    shipment.given(REQUESTED, VOID).when(CHOOSE).then_nothing()


def test_where_no_carrier_takes_the_parcel_a_person_must_look() -> None:
    nobody = CHOOSE.model_copy(update={"options": (), "reason": "too heavy for all"})
    shipment.given(REQUESTED).when(nobody).then(LabelRefused(**IDS, reason="too heavy for all"))


def failed(kind: Any, reason: str, option: Option = SWIFT, booking: int = 1) -> BookingFailed:
    fields = {"carrier": option.carrier, "service": option.service, "kind": kind, "reason": reason}
    return BookingFailed(**IDS, booking=booking, **fields)


def test_the_booked_service_fails_and_the_next_best_is_booked() -> None:
    refused = swift(tracking_number="", booking_refused="not offered")
    why = "swift calm is the next best, as swift express failed (refused: not offered)"
    next_best = chosen(2, CALM, (POST,), why)
    shipment.given(REQUESTED, CHOSEN).when(refused).then(failed("refused", "not offered"), next_best)
    shipment.given(REQUESTED, CHOSEN, VOID).when(refused).then(LabelRefused(**IDS, reason="not offered"))
    # the same answer once more is about a booking that is over
    shipment.given(REQUESTED, CHOSEN, next_best).when(refused).then_nothing()


def test_who_is_suspended_meanwhile_is_passed_over() -> None:
    why = "post parcel is the next best, as swift express failed (refused: not offered)"
    refused = swift(tracking_number="", booking_refused="not offered", suspended=("swift",))
    passed_over = chosen(2, POST, (), why)
    shipment.given(REQUESTED, CHOSEN).when(refused).then(failed("refused", "not offered"), passed_over)
    nobody = refused.model_copy(update={"suspended": ("post", "swift")})
    shipment.given(REQUESTED, CHOSEN).when(nobody).then(LabelRefused(**IDS, reason="not offered"))
    down = RecordUnavailable(shipment_id="s1", call="book", attempts=6, suspended=("post",))
    unavailable = CarrierUnavailable(**IDS, call="book", attempts=6)
    shipment.given(REQUESTED, CHOSEN).when(down).then(unavailable)


def test_where_the_services_of_a_paid_way_of_shipping_fail_another_carries_and_says_so() -> None:
    paid = SWIFT.model_copy(update={"fulfils": "fast"})
    refused = swift(tracking_number="", booking_refused="not offered")
    why = (
        "post parcel is the next best, though it is not named for fast,"
        " as swift express failed (refused: not offered)"
    )
    next_best = chosen(2, POST, (), why)
    first = chosen(1, paid, (POST,), "cheapest")
    shipment.given(REQUESTED, first).when(refused).then(failed("refused", "not offered"), next_best)


def test_a_parcel_that_is_booked_anew_keeps_its_way_of_shipping() -> None:
    asked = REQUESTED.model_copy(update={"shipping_method": "fast"})
    voided = LabelVoided(**IDS)
    rebooked = shipment.given(asked, BOUGHT, VOID, voided).when(Rebook(shipment_id="s1")).events
    assert [each.shipping_method for each in rebooked if isinstance(each, RebookingRequested)] == ["fast"]


def test_the_last_service_fails_and_a_person_must_look() -> None:
    last = chosen(3, POST, (), "last")
    refused = told(tracking_number="", booking_refused="no", booking=3)
    shipment.given(REQUESTED, last).when(refused).then(LabelRefused(**IDS, reason="no"))


def test_a_carrier_that_is_down_beyond_our_patience_is_left_for_another_and_its_label_taken_back() -> None:
    unavailable = RecordUnavailable(shipment_id="s1", call="book", attempts=6)
    why = "post parcel is the next best, as swift express failed (unavailable: no answer in 6 attempts)"
    shipment.given(REQUESTED, CHOSEN).when(unavailable).then(
        CarrierUnavailable(**IDS, call="book", attempts=6),
        failed("unavailable", "no answer in 6 attempts"),
        chosen(2, POST, (), why),
        LabelVoidRequested(**IDS, booking=1, carrier="swift"),
    )
    only = chosen(1, SWIFT, (CALM,), "only swift goes there")
    shipment.given(REQUESTED, only).when(unavailable).then(CarrierUnavailable(**IDS, call="book", attempts=6))


def test_a_carrier_that_we_gave_up_on_has_the_parcel_after_all() -> None:
    """Then the label that it does not bear goes back, and the parcel is dispatched once."""
    void_first = LabelVoidRequested(**IDS, booking=1, carrier="swift")
    second = chosen(2, POST, (), "next")
    late = shipment.given(REQUESTED, CHOSEN, second, void_first).when(swift(scan("t1", "collected")))
    late.then(
        SWIFT_BOUGHT.model_copy(update={"surplus": True}),
        DISPATCHED,
        scanned("t1", "collected"),
        LabelVoidRequested(**IDS, booking=2, carrier="post"),
    )


# ---- tracking numbers


def test_tracking_numbers_are_recycled_by_carriers() -> None:
    """A scan by a number that this parcel does not have is kept, and moves nothing."""
    foreign = swift(scan("t7", "delivered"), tracking_number="SW0")
    kept = ScanMisdirected(
        **IDS, scan_id="t7", carrier="swift", tracking_number="SW0", type="delivered", happened_at=NOON
    )
    given = shipment.given(REQUESTED, CHOSEN, SWIFT_BOUGHT)
    assert not given.when(foreign).state.delivered
    given.when(foreign).then(kept)
    shipment.given(REQUESTED, CHOSEN, SWIFT_BOUGHT, kept).when(foreign).then_nothing()
    of_another_carrier = swift(scan("t7", "delivered"), carrier="post")
    given.when(of_another_carrier).then(kept.model_copy(update={"carrier": "post", "tracking_number": "SW1"}))


@pytest.mark.parametrize("kind", ["available_for_pickup", "return_to_sender"])
def test_a_parcel_that_waits_or_goes_back_was_dispatched(kind: ScanType) -> None:
    shipment.given(REQUESTED, BOUGHT).when(told(scan("t2", kind))).then(INFERRED, scanned("t2", kind))


@pytest.mark.parametrize("kind", ["pre_transit", "failure"])
def test_what_is_announced_or_failed_proves_nothing(kind: ScanType) -> None:
    shipment.given(REQUESTED, BOUGHT).when(told(scan("t2", kind))).then(scanned("t2", kind))


# ---- labels


def test_a_person_voids_a_label_until_it_is_handed_over() -> None:
    ask = VoidLabel(shipment_id="s1")
    asked = LabelVoidRequested(**IDS, booking=1, carrier="swift")
    shipment.given(REQUESTED, CHOSEN, SWIFT_BOUGHT).when(ask).then(asked)
    kept = LabelVoidFailed(**IDS, reason="try again")
    shipment.given(REQUESTED, CHOSEN, SWIFT_BOUGHT, asked, kept).when(ask).then(asked)
    shipment.given(REQUESTED, CHOSEN, SWIFT_BOUGHT, asked, kept, asked).when(ask).then_nothing()
    shipment.given(REQUESTED).when(ask).then_refused("label_bought")
    shipment.given(REQUESTED, CHOSEN, SWIFT_BOUGHT, DISPATCHED).when(ask).then_refused(
        "void_before_hand_over"
    )
    listed = ShipmentManifested(**IDS, manifest_id="d1")
    shipment.given(REQUESTED, CHOSEN, SWIFT_BOUGHT, listed).when(ask).then_refused("void_before_manifest")


def test_another_label_is_booked_once_there_is_none() -> None:
    ask = Rebook(shipment_id="s1")
    again = RebookingRequested(**IDS, **PARCEL, booking=2)
    void = LabelVoidRequested(**IDS, carrier="swift")
    shipment.given(REQUESTED, CHOSEN, SWIFT_BOUGHT).when(ask).then_refused("rebook_without_label")
    shipment.given(REQUESTED, CHOSEN, SWIFT_BOUGHT, void).when(ask).then_refused("rebook_without_label")
    shipment.given(REQUESTED, CHOSEN, SWIFT_BOUGHT, void, VOIDED).when(ask).then(again)
    shipment.given(REQUESTED, LabelRefused(**IDS, reason="no")).when(ask).then(again)
    kept = LabelVoidFailed(**IDS, reason="too late")
    shipment.given(REQUESTED, CHOSEN, SWIFT_BOUGHT, void, kept).when(ask).then(again)
    came_after_all = (REQUESTED, CHOSEN, LabelRefused(**IDS, reason="no"), SWIFT_BOUGHT)
    shipment.given(*came_after_all).when(ask).then_refused("rebook_without_label")
    shipment.given(REQUESTED, BOUGHT, DISPATCHED).when(ask).then_refused("rebook_before_hand_over")


# ---- several parcels of one order

MUGS = ParcelLine(sku="MUG", warehouse="main", quantity=2)
IN_PARCEL = REQUESTED.model_copy(update={"lines": (MUGS,)})
ONE_MUG = MUGS.model_copy(update={"quantity": 1})


def test_a_parcel_is_split_and_each_says_what_is_in_it() -> None:
    ask = SplitParcel(shipment_id="s1", into="s2", lines=(ONE_MUG,))
    split = ParcelSplit(**IDS, into="s2", lines=(ONE_MUG,), units_left=1)
    shipment.given(IN_PARCEL).when(ask).then(split)
    shipment.given(IN_PARCEL, split, BOUGHT).when(told(scan("t1", "collected"))).then(
        DISPATCHED.model_copy(update={"units": 1, "lines": (ONE_MUG,)}), scanned("t1", "collected")
    )


def test_a_change_that_crosses_a_split_leaves_what_was_split_off_in_its_own_parcel() -> None:
    """Who asks for a third mug does not know yet that one goes by itself."""
    split = ParcelSplit(**IDS, into="s2", lines=(ONE_MUG,), units_left=1)
    three = (MUGS.model_copy(update={"quantity": 3}),)
    ask = ChangeParcel(shipment_id="s1", lines=three, beside=frozenset({"s1"}))
    shipment.given(IN_PARCEL, split).when(ask).then(ParcelChanged(**IDS, lines=(MUGS,), units=2))
    knows = ask.model_copy(update={"beside": frozenset({"s1", "s2"})})
    shipment.given(IN_PARCEL, split).when(knows).then(ParcelChanged(**IDS, lines=three, units=3))
    only_that = ask.model_copy(update={"lines": (ONE_MUG,)})
    shipment.given(IN_PARCEL, split).when(only_that).then_nothing()


@pytest.mark.parametrize(
    "change",
    [
        ParcelSplit(**IDS, into="s2", lines=(ONE_MUG,), units_left=1),
        ParcelChanged(**IDS, lines=(ONE_MUG,), units=1),
    ],
)
def test_what_was_weighed_says_nothing_of_a_parcel_that_holds_something_else_now(
    change: ParcelSplit | ParcelChanged,
) -> None:
    before = replace(SHIPMENT.fold((IN_PARCEL,)), measures=Measures(weight_g=900))
    now = SHIPMENT.fold((change,), replace(before, weighed=Weighed(weight_g=900, by="staff")))
    assert (now.units, now.lines, now.measures, now.weighed) == (1, (ONE_MUG,), None, None)


@pytest.mark.parametrize(
    ("lines", "rule"),
    [
        ((MUGS,), "split_leaves_something"),
        ((), "split_leaves_something"),
        ((MUGS.model_copy(update={"quantity": 3}),), "split_what_is_there"),
        ((MUGS.model_copy(update={"sku": "CUP"}),), "split_what_is_there"),
        ((ONE_MUG, ONE_MUG), "split_lines_once"),
    ],
)
def test_a_split_moves_what_is_there(lines: tuple[ParcelLine, ...], rule: str) -> None:
    shipment.given(IN_PARCEL).when(SplitParcel(shipment_id="s1", into="s2", lines=lines)).then_refused(rule)


# ---- manifests and hand-over


def test_a_parcel_stands_in_one_manifest_and_is_handed_over_with_it() -> None:
    ask = PutOnManifest(shipment_id="s1", manifest_id="d1", carrier="swift", warehouse="main")
    listed = ShipmentManifested(**IDS, manifest_id="d1")
    given = shipment.given(REQUESTED, CHOSEN, SWIFT_BOUGHT)
    given.when(ask).then(listed)
    given.when(ask.model_copy(update={"carrier": "post"})).then_refused("manifest_of_one_carrier")
    shipment.given(REQUESTED, CHOSEN).when(ask).then_refused("manifest_of_labels")
    shipment.given(IN_PARCEL, CHOSEN, SWIFT_BOUGHT).when(
        ask.model_copy(update={"warehouse": "north"})
    ).then_refused("manifest_of_one_warehouse")
    on_it = shipment.given(REQUESTED, CHOSEN, SWIFT_BOUGHT, listed)
    on_it.when(ask).then_nothing()
    on_it.when(ask.model_copy(update={"manifest_id": "d2"})).then_refused("manifested_once")
    over = HandOver(shipment_id="s1", manifest_id="d1", now=NOON)
    given_away = ShipmentHandedOver(**IDS, manifest_id="d1", happened_at=NOON)
    on_it.when(over).then(given_away, DISPATCHED)
    shipment.given(REQUESTED, CHOSEN, SWIFT_BOUGHT, listed, given_away, DISPATCHED).when(over).then_nothing()
    shipment.given(REQUESTED, CHOSEN, SWIFT_BOUGHT, listed, DISPATCHED).when(over).then(given_away)


@pytest.mark.parametrize("voided", [(), (LabelVoided(**IDS, booking=1),)])
def test_a_parcel_whose_label_was_asked_back_stays_behind_when_its_manifest_is_handed_over(
    voided: tuple[LabelVoided, ...],
) -> None:
    """Its order was cancelled after it was listed. One that the carrier kept is handed over all the same."""
    listed = ShipmentManifested(**IDS, manifest_id="d1")
    asked_back = LabelVoidRequested(**IDS, booking=1, carrier="swift")
    over = HandOver(shipment_id="s1", manifest_id="d1", now=NOON)
    on_it = (REQUESTED, CHOSEN, SWIFT_BOUGHT, listed, asked_back)
    shipment.given(*on_it, *voided).when(over).then_nothing()
    kept = LabelVoidFailed(**IDS, booking=1, reason="collected")
    given_away = ShipmentHandedOver(**IDS, manifest_id="d1", happened_at=NOON)
    shipment.given(*on_it, kept).when(over).then(given_away, DISPATCHED)


def test_a_bill_is_kept_once_and_refused_if_another_came_first() -> None:
    bill = BillShipment(
        shipment_id="s1",
        carrier="swift",
        invoice_id="i1",
        line=1,
        charged_cents=1300,
        currency="BRL",
        expected=0,
    )
    billed = ShipmentBilled(
        **IDS, carrier="swift", invoice_id="i1", line=1, charged_cents=1300, quoted_cents=1000, currency="BRL"
    )
    shipment.given(REQUESTED, CHOSEN, SWIFT_BOUGHT).when(bill).then(billed)
    shipment.given(REQUESTED, CHOSEN, SWIFT_BOUGHT, billed).when(bill).then_nothing()
    other = bill.model_copy(update={"invoice_id": "i2"})
    shipment.given(REQUESTED, CHOSEN, SWIFT_BOUGHT, billed).when(other).then_refused("billed_as_read")

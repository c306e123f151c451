"""What stops a parcel before it is handed over: its order is held, or goes to another address."""

from __future__ import annotations

import pytest

from domain.carrier import (
    HandOver,
    HoldParcel,
    LabelRefused,
    LabelVoidFailed,
    LabelVoidRequested,
    LeaveBehind,
    ParcelHeld,
    ParcelReaddressed,
    ParcelReleased,
    PutOnManifest,
    ReaddressParcel,
    RebookingRequested,
    ReleaseParcel,
    ShipmentEvent,
    ShipmentHandedOver,
    ShipmentLeftBehind,
    ShipmentManifested,
)
from domain.carrier.manifest import MANIFEST, HandOverManifest, ManifestClosed, ManifestHandedOver
from domain.personal import Customer
from tests.specification import Specification
from tests.unit.test_carrier import (
    BOUGHT,
    CHOSEN,
    DISPATCHED,
    IDS,
    NOON,
    REQUESTED,
    SWIFT_BOUGHT,
    VOID,
    VOIDED,
    shipment,
    told,
)

manifest = Specification(MANIFEST)
ID, ON_IT = {"shipment_id": "s1"}, {"manifest_id": "d1"}
READY: tuple[ShipmentEvent, ...] = (REQUESTED, CHOSEN, SWIFT_BOUGHT)
HELD, RELEASED = ParcelHeld(**IDS), ParcelReleased(**IDS)
LISTED = ShipmentManifested(**IDS, **ON_IT)
LIST = PutOnManifest(**ID, **ON_IT, carrier="swift", warehouse="main")
OVER = HandOver(**ID, **ON_IT, now=NOON)
GIVEN = ShipmentHandedOver(**IDS, **ON_IT, happened_at=NOON)
STAYS = ShipmentLeftBehind(**IDS, **ON_IT)
ELSEWHERE = Customer(customer_id="c1", customer_unique_id="u1", zip_prefix="20000", city="Rio")
TO = {"subject": "u1", "recipient": ELSEWHERE, "ship_to_state": "RJ"}
MOVE, MOVED = ReaddressParcel(**ID, **TO), ParcelReaddressed(**IDS, **TO)
AGAIN = RebookingRequested(**IDS, **TO, units=2, booking=2)


def test_a_parcel_is_held_with_its_order_and_released() -> None:
    shipment.given(*READY).when(HoldParcel(**ID)).then(HELD)
    shipment.given(*READY, HELD).when(HoldParcel(**ID)).then_nothing()
    shipment.given(*READY, HELD).when(ReleaseParcel(**ID)).then(RELEASED)
    shipment.given(*READY).when(ReleaseParcel(**ID)).then_nothing()
    shipment.given(*READY, DISPATCHED).when(HoldParcel(**ID)).then_nothing()


def test_hold_after_the_label_was_asked_for() -> None:
    """Its label is bought all the same, but nobody lists it or hands it over until the hold is over."""
    shipment.given(REQUESTED, HELD).when(told()).then(BOUGHT)
    shipment.given(*READY, HELD).when(LIST).then_refused("manifest_not_held")
    shipment.given(*READY, HELD, RELEASED).when(LIST).then(LISTED)
    assert "left_behind" in shipment.given(*READY, LISTED, HELD).when(OVER).then_refused("hand_over_not_held")
    shipment.given(*READY, LISTED, HELD, RELEASED).when(OVER).then(GIVEN, DISPATCHED)
    # the carrier has it already: true, whatever we think of it
    shipment.given(*READY, LISTED, HELD, DISPATCHED).when(OVER).then(GIVEN)


def test_a_parcel_that_stays_behind_can_be_listed_anew() -> None:
    leave = LeaveBehind(**ID, **ON_IT)
    shipment.given(*READY, LISTED, HELD).when(leave).then(STAYS)
    shipment.given(*READY, LISTED, HELD, STAYS).when(leave).then_nothing()
    shipment.given(*READY, LISTED, STAYS).when(LIST.model_copy(update={"manifest_id": "d2"})).then(
        LISTED.model_copy(update={"manifest_id": "d2"})
    )


def test_address_changed_after_the_parcel_was_asked_for() -> None:
    """The label is given back, and another bought to where it goes now."""
    void = LabelVoidRequested(**IDS, carrier="swift")
    shipment.given(*READY).when(MOVE).then(MOVED, void, AGAIN)
    shipment.given(*READY, MOVED, void, AGAIN).when(MOVE).then_nothing()
    # it may be on its way to be bought: what comes of that goes back, too
    shipment.given(REQUESTED).when(MOVE).then(MOVED, VOID, AGAIN)
    shipment.given(REQUESTED, LabelRefused(**IDS, reason="no")).when(MOVE).then(MOVED, AGAIN)
    refused = LabelVoidFailed(**IDS, reason="collected")
    shipment.given(*READY, void, refused).when(MOVE).then(MOVED, AGAIN)


@pytest.mark.parametrize("given_back", [(VOID,), (VOID, VOIDED)])
def test_a_parcel_whose_label_is_given_back_anyhow_is_booked_by_a_person(
    given_back: tuple[ShipmentEvent, ...],
) -> None:
    outcome = shipment.given(*READY, *given_back).when(MOVE)
    outcome.then(MOVED)
    assert outcome.state.recipient == ELSEWHERE


@pytest.mark.parametrize("late", [(DISPATCHED,), (LISTED, GIVEN, DISPATCHED)])
def test_address_changed_once_the_parcel_is_gone(late: tuple[ShipmentEvent, ...]) -> None:
    shipment.given(*READY, *late).when(MOVE).then_nothing()


def test_a_parcel_that_goes_elsewhere_is_not_handed_over_with_its_old_label() -> None:
    outcome = shipment.given(*READY, LISTED).when(MOVE)
    assert outcome.state.manifest_id == ""
    assert outcome.refused is None
    moved = (*READY, LISTED, *outcome.events)
    shipment.given(*moved).when(OVER).then_refused("hand_over_what_is_listed")
    shipment.given(*moved).when(LeaveBehind(**ID, **ON_IT)).then_nothing()


CLOSED = ManifestClosed(**ON_IT, carrier="swift", warehouse="main", shipments=("s1", "s2"), closed_at=NOON)
HAND = HandOverManifest(**ON_IT, shipments=("s1", "s2"), now=NOON)
PLACE = {"carrier": "swift", "warehouse": "main"}


def test_a_manifest_is_handed_over_without_what_stays_behind() -> None:
    some = HAND.model_copy(update={"left_behind": ("s2",)})
    manifest.given(CLOSED).when(some).then(
        ManifestHandedOver(**ON_IT, **PLACE, left_behind=("s2",), happened_at=NOON)
    )
    none = HAND.model_copy(update={"left_behind": ("s1", "s2")})
    manifest.given(CLOSED).when(none).then(
        ManifestHandedOver(**ON_IT, **PLACE, left_behind=("s1", "s2"), happened_at=NOON)
    )
    other = HAND.model_copy(update={"left_behind": ("s3",)})
    manifest.given(CLOSED).when(other).then_refused("left_behind_was_listed")

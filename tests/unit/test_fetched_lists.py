"""Does a pick list end once a carrier has fetched what is on it, though nobody said so?"""

from __future__ import annotations

from typing import Any

import pytest

from domain.allocation import AllocationPlanned, Pick
from domain.carrier import ParcelLine, ShipmentDispatched
from domain.kernel import Event
from domain.order import OrderCancelled, OrderConfirmed, OrderHeld
from domain.warehouse.pick_list import (
    CancelPickList,
    ConcludePickList,
    HoldPickList,
    PickLine,
    PickListCancelled,
    PickListHandedOver,
    PickListReleased,
    PickShorted,
)
from services.agents.warehouse import WAREHOUSE_AGENT
from tests.unit.test_agents import react_to

PICKS = (
    Pick(line=1, sku="A", warehouse="w0", quantity=2),
    Pick(line=2, sku="B", warehouse="w0", quantity=1),
    Pick(line=1, sku="A", warehouse="w1", quantity=1),
)
BEGUN: tuple[Event, ...] = (
    AllocationPlanned(
        order_id="o1", attempt=1, settings_version=1, rule="fewest_splits", candidates=(), picks=PICKS
    ),
    OrderConfirmed(order_id="o1"),
)
FIRST, SECOND = {"pick_list_id": "o1.1"}, {"pick_list_id": "o1.2"}
HELD = OrderHeld(order_id="o1", hold_id="h1", reason="fraud")
CANCELLED = OrderCancelled(order_id="o1", reason="customer")


def parcel(name: str, *lines: tuple[str, str, int]) -> ShipmentDispatched:
    each = tuple(ParcelLine(sku=sku, warehouse=warehouse, quantity=n) for sku, warehouse, n in lines)
    return ShipmentDispatched(shipment_id=name, order_id="o1", lines=each)


def released(name: str, *lines: PickLine) -> PickListReleased:
    return PickListReleased(pick_list_id=name, order_id="o1", warehouse="w0", lines=lines)


def given_away(name: str, *lines: PickLine, inferred: bool = False) -> PickListHandedOver:
    ids = {"pick_list_id": name, "order_id": "o1"}
    return PickListHandedOver(**ids, warehouse="w0", lines=lines, inferred=inferred)


def concluded(ids: dict[str, str], shipment_id: str) -> ConcludePickList:
    return ConcludePickList(**ids, shipment_id=shipment_id)


ALL = parcel("p1", ("A", "w0", 2), ("B", "w0", 1))
PART = parcel("p1", ("A", "w0", 2))
REST = parcel("p2", ("B", "w0", 1))
OTHER = parcel("p3", ("A", "w1", 1))
A2, A1, B1 = (
    PickLine(line=1, sku="A", quantity=2),
    PickLine(line=1, sku="A", quantity=1),
    PickLine(line=2, sku="B", quantity=1),
)
GIVEN = given_away("o1.1", A2, B1)
NO_B = PickShorted(**FIRST, order_id="o1", warehouse="w0", line=2, sku="B", quantity=1, reason="missing")
STOPPED = PickListCancelled(**FIRST, order_id="o1", reason="staff")
MINE, AGAIN = released("mine", A1), released("again", A1)


@pytest.mark.parametrize(
    ("heard", "then"),
    [
        ([*BEGUN, ALL], [concluded(FIRST, "p1")]),
        ([*BEGUN, OTHER], [concluded(SECOND, "p3")]),
        ([*BEGUN, PART], []),  # of the list something is here yet
        ([*BEGUN, PART, REST], [concluded(FIRST, "p2")]),
        (
            [*BEGUN, parcel("p1")],
            [concluded(FIRST, "p1"), concluded(SECOND, "p1")],
        ),  # of before: all of the order
        ([*BEGUN, NO_B, PART], [concluded(FIRST, "p1")]),  # what was not found is not waited for
        ([*BEGUN, GIVEN, ALL], []),  # people said so before
        ([*BEGUN, ALL, given_away("o1.1", A2, B1, inferred=True), OTHER], [concluded(SECOND, "p3")]),
        ([*BEGUN, STOPPED, ALL], []),
        ([MINE, PART], [concluded({"pick_list_id": "mine"}, "p1")]),
        ([MINE, AGAIN, PART], [concluded({"pick_list_id": each}, "p1") for each in ("mine", "again")]),
        # a parcel tells first of what people gave away, and only then of what is on other lists
        ([MINE, AGAIN, given_away("again", A1), parcel("p1", ("A", "w0", 1))], []),
        (
            [
                MINE,
                AGAIN,
                given_away("again", A1),
                parcel("p1", ("A", "w0", 1)),
                parcel("p2", ("A", "w0", 1)),
            ],
            [concluded({"pick_list_id": "mine"}, "p2")],
        ),
        # and a list that is given away may be what a parcel left with in part
        ([*BEGUN, PART, GIVEN, released("mine", A2), parcel("p2", ("B", "w0", 1), ("A", "w0", 1))], []),
        # a list that comes after the parcel is of other goods: a replacement
        ([PART, MINE], []),
        ([PART, MINE, parcel("p2", ("A", "w0", 1))], [concluded({"pick_list_id": "mine"}, "p2")]),
        # what a carrier has is neither held nor called off
        ([*BEGUN, ALL, HELD], [HoldPickList(**SECOND)]),
        ([*BEGUN, GIVEN, CANCELLED], [CancelPickList(**SECOND, reason="order_cancelled")]),
    ],
)
def test_a_list_ends_with_what_was_fetched(heard: list[Event], then: list[Any]) -> None:
    _, commands, _ = react_to(WAREHOUSE_AGENT, *heard)
    assert commands == then

"""Does a pick list end once a carrier has fetched what is on it, though nobody said so?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from domain.allocation import SHORT_PICK, AllocationPlanned, AllocationRevised, Pick
from domain.carrier import ParcelLine, ShipmentDispatched
from domain.kernel import Event
from domain.order import LineCut, OrderCancelled, OrderConfirmed, OrderHeld, OrderLinesCancelled, OrderShipped
from domain.warehouse.pick_list import (
    CancelPickList,
    ConcludePickList,
    CutPickLine,
    HoldPickList,
    PickLine,
    PickListCancelled,
    PickListHandedOver,
    PickListReleased,
    PickShorted,
)
from services.agents.warehouse import WAREHOUSE_AGENT
from tests.unit.test_agents import fact, react_to
from tests.unit.test_allocation_agents import CUT

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


def revised(cause: str, *picks: Pick, added: Sequence[Pick] = ()) -> AllocationRevised:
    return AllocationRevised(order_id="o1", cause=cause, picks=picks, added=tuple(added))


def cut(line: int, sku: str, left: int) -> OrderLinesCancelled:
    line_cut = LineCut(line=line, sku=sku, warehouse="w0", quantity=1, left=left, amount_cents=0)
    return CUT.model_copy(update={"cancel_id": "c1", "lines": (line_cut,)})


def cut_for(short: PickShorted, position: int, left: int = 1) -> OrderLinesCancelled:
    """The order goes without what was not found."""
    update = {"cancel_id": f"{SHORT_PICK}{fact(short, position).event_id}"}
    return cut(1, "A", left).model_copy(update=update)


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
NO_A1 = PickShorted(**SECOND, order_id="o1", warehouse="w1", line=1, sku="A", quantity=1, reason="missing")
NOT_A = PickShorted(
    pick_list_id="mine", order_id="o1", warehouse="w0", line=1, sku="A", quantity=1, reason="missing"
)
ONE_A = NOT_A.model_copy(update={"left": (A1,)})
A3 = PickLine(line=3, sku="A", quantity=1)
TWICE_A = released("mine", A1, B1, A3)
FIRST_A = NOT_A.model_copy(update={"left": (A3,)})
NOT_THE_THIRD = cut(3, "A", 0).model_copy(update={"cancel_id": cut_for(FIRST_A, 2).cancel_id})
SENT = OrderShipped(order_id="o1", shipment_id="p1")
ONE = parcel("p1", ("A", "w0", 1))
LESS_A = PICKS[0].model_copy(update={"quantity": 1})
MINE2, MINE_AB = released("mine", A2), released("both", A2, B1)
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
        # what is still missing of it is not to be fetched any more
        ([*BEGUN, PART, NO_B], [concluded(FIRST, "p1")]),
        ([*BEGUN, PART, OTHER, NO_B], [concluded(FIRST, "p3")]),
        (
            [*BEGUN, PART, revised("e1", *PICKS[::2])],
            [CutPickLine(**FIRST, cause="e1", line=2, quantity=1), concluded(FIRST, "p1")],
        ),
        (
            [MINE_AB, PART, cut(2, "B", 0)],
            [
                CutPickLine(pick_list_id="both", cause="c1", line=2, quantity=1),
                concluded({"pick_list_id": "both"}, "p1"),
            ],
        ),
        # of what was called off before the parcel came nothing is left for a list of later
        (
            [*BEGUN, PART, revised("e1", *PICKS[1:]), revised("e2", *PICKS, added=PICKS[:1]), REST],
            [concluded(FIRST, "p2")],
        ),
        # a list that is given away before a cut reaches it has what it says
        ([*BEGUN, revised("e1", LESS_A, *PICKS[1:]), GIVEN, revised("e2", *PICKS, added=[LESS_A]), ALL], []),
        # a parcel may not know of what was not found
        ([MINE2, AGAIN, NOT_A, parcel("p1", ("A", "w0", 2))], [concluded({"pick_list_id": "mine"}, "p1")]),
        # nor is it counted twice
        (
            [MINE2, AGAIN, NOT_A, parcel("p1", ("A", "w0", 1)), parcel("p2", ("A", "w0", 1))],
            [concluded({"pick_list_id": "mine"}, "p2")],
        ),
        # a list of which nothing was found stops with its order
        ([*BEGUN, NO_A1, HELD], [HoldPickList(**FIRST), HoldPickList(**SECOND)]),
        # what is cut is taken off what is here yet
        (
            [MINE, AGAIN, given_away("again", A1), cut(1, "A", 1)],
            [CutPickLine(pick_list_id="mine", cause="c1", line=1, quantity=1)],
        ),
        ([MINE, NOT_A, HELD], [HoldPickList(pick_list_id="mine")]),
        ([MINE, NOT_A, CANCELLED], [CancelPickList(pick_list_id="mine", reason="order_cancelled")]),
        # a person who makes a list may not know of the change
        (
            [cut(1, "A", 1), MINE2],
            [CutPickLine(pick_list_id="mine", cause=fact(MINE2, 2).event_id, line=1, quantity=1, left=1)],
        ),
        ([cut(1, "A", 1), MINE2, parcel("p1", ("A", "w0", 1))], [concluded({"pick_list_id": "mine"}, "p1")]),
        ([cut(1, "A", 2), MINE2], []),
        # of an order without a plan its parcels know what was not found once it does
        ([MINE2, ONE_A, cut_for(ONE_A, 2), ONE], [concluded({"pick_list_id": "mine"}, "p1")]),
        ([MINE2, ONE_A, cut_for(ONE_A, 2, left=4), ONE], [concluded({"pick_list_id": "mine"}, "p1")]),
        ([MINE2, ONE_A, PART], [concluded({"pick_list_id": "mine"}, "p1")]),
        # what was not found of one line is wanted yet when another of the product is called off
        ([TWICE_A, FIRST_A, cut(3, "A", 0)], []),
        (
            [TWICE_A, FIRST_A, NOT_THE_THIRD, cut(2, "B", 0)],
            [CutPickLine(pick_list_id="mine", cause="c1", line=2, quantity=1)],
        ),
        ([MINE2, ONE_A, ONE], []),  # perhaps it was made of both
        ([MINE2, ONE_A, ONE, SENT], [concluded({"pick_list_id": "mine"}, "p1")]),  # then it was not
        ([MINE2, STOPPED.model_copy(update={"pick_list_id": "mine"}), ONE, SENT], []),
        # and what was called off before is not missed
        ([MINE2, cut(1, "A", 1), ONE_A, ONE], [concluded({"pick_list_id": "mine"}, "p1")]),
        ([cut(1, "A", 1), MINE, PART, AGAIN], []),  # what takes the place of goods that are gone
        # what a carrier has is neither held nor called off
        ([*BEGUN, ALL, HELD], [HoldPickList(**SECOND)]),
        ([*BEGUN, GIVEN, CANCELLED], [CancelPickList(**SECOND, reason="order_cancelled")]),
    ],
)
def test_a_list_ends_with_what_was_fetched(heard: list[Event], then: list[Any]) -> None:
    _, commands, _ = react_to(WAREHOUSE_AGENT, *heard)
    assert commands == then


def test_what_was_kept_before_hand_overs_were_heard_of_infers_nothing() -> None:
    kept = {"order_id": "o1", "by_hand": [{"pick_list_id": "mine", "warehouse": "w0", "lines": [dict(A1)]}]}
    process: Any = type(WAREHOUSE_AGENT.initial).model_validate(kept)
    fetched = WAREHOUSE_AGENT.react(process, fact(parcel("p1", ("A", "w0", 1)), 1))
    assert (fetched.process, fetched.commands) == (process, ())
    again = type(process).model_validate_json(WAREHOUSE_AGENT.initial.model_dump_json())
    assert again == WAREHOUSE_AGENT.initial

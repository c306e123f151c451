"""May an order be held, released, written about and tagged, and what may not go on meanwhile?"""

from __future__ import annotations

import pytest

from domain.order import (
    AddOrderNote,
    CancelOrder,
    ConfirmOrder,
    HoldOrder,
    NoteText,
    OrderDiscrepancyOpened,
    OrderHeld,
    OrderNoteAdded,
    OrderReleased,
    OrderTagged,
    OrderUntagged,
    RecordDispatch,
    ReleaseOrder,
    StartPreparation,
    TagOrder,
    UntagOrder,
)
from domain.order.handling import HOLDS_MAX, TAGS_MAX
from tests.unit.test_order import (
    CANCELLED,
    COMPLETED,
    CONFIRMED,
    PLACED,
    RESERVED,
    SHIPPED,
    TO_CONFIRMED,
    order,
)

FRAUD = OrderHeld(order_id="o1", hold_id="h1", reason="fraud", note="third card")
ADDRESS = OrderHeld(order_id="o1", hold_id="h2", reason="address")
HOLD = HoldOrder(order_id="o1", hold_id="h1", reason="fraud", note="third card")


def released(hold: OrderHeld, remaining: int) -> OrderReleased:
    return OrderReleased(order_id="o1", hold_id=hold.hold_id, reason=hold.reason, remaining=remaining)


def test_an_order_is_held_until_it_ships_and_never_after() -> None:
    order.given(PLACED).when(HOLD).then(FRAUD)
    order.given(*TO_CONFIRMED).when(HOLD).then(FRAUD)
    order.given(*TO_CONFIRMED, SHIPPED).when(HOLD).then_refused("hold_before_shipping")
    order.given(*TO_CONFIRMED, SHIPPED, COMPLETED).when(HOLD).then_refused("hold_before_shipping")
    order.given(PLACED, CANCELLED).when(HOLD).then_refused("hold_before_shipping")
    order.given().when(HOLD).then_refused("order_exists")


def test_several_holds_stand_at_once_and_are_released_one_by_one() -> None:
    both = order.given(*TO_CONFIRMED, FRAUD, ADDRESS)
    both.when(HOLD).then_nothing()
    first = both.when(ReleaseOrder(order_id="o1", hold_id="h2"))
    first.then(released(ADDRESS, 1))
    assert first.state.holds == {"h1": "fraud"}
    last = order.given(*TO_CONFIRMED, FRAUD, ADDRESS, released(ADDRESS, 1))
    last.when(ReleaseOrder(order_id="o1", hold_id="h1")).then(released(FRAUD, 0))
    last.when(ReleaseOrder(order_id="o1", hold_id="h2")).then_nothing()


def test_only_a_hold_that_was_set_is_released_and_its_id_is_used_once() -> None:
    told = (
        order.given(PLACED, FRAUD).when(ReleaseOrder(order_id="o1", hold_id="h9")).then_refused("hold_exists")
    )
    assert "h1 (fraud)" in told
    order.given(PLACED, FRAUD, released(FRAUD, 0)).when(HOLD).then_refused("hold_id_unique")


def test_a_held_order_is_reserved_and_confirmed_but_not_prepared() -> None:
    order.given(PLACED, RESERVED, FRAUD).when(ConfirmOrder(order_id="o1")).then(CONFIRMED)
    held = order.given(*TO_CONFIRMED, FRAUD)
    told = held.when(StartPreparation(order_id="o1")).then_refused("prepare_not_held")
    assert "h1 (fraud)" in told
    order.given(*TO_CONFIRMED, FRAUD, released(FRAUD, 0)).when(StartPreparation(order_id="o1"))


def test_a_held_order_that_ships_all_the_same_is_a_discrepancy() -> None:
    told = {"about": "o1", "fact": "o1"}
    contradicted = OrderDiscrepancyOpened(order_id="o1", kind="shipped_while_held", **told)
    order.given(*TO_CONFIRMED, FRAUD).when(RecordDispatch(order_id="o1")).then(SHIPPED, contradicted)


def test_a_cancelled_order_is_held_by_nothing() -> None:
    cancelled = order.given(*TO_CONFIRMED, FRAUD).when(CancelOrder(order_id="o1", reason="customer"))
    cancelled.then(CANCELLED)
    assert not cancelled.state.holds
    order.given(*TO_CONFIRMED, FRAUD, CANCELLED).when(
        ReleaseOrder(order_id="o1", hold_id="h1")
    ).then_nothing()


def test_there_is_a_limit_to_holds() -> None:
    holds = [OrderHeld(order_id="o1", hold_id=str(number), reason="other") for number in range(HOLDS_MAX)]
    order.given(PLACED, *holds).when(HOLD).then_refused("holds_within_limit")


def test_a_note_is_kept_once_whatever_became_of_the_order() -> None:
    note = AddOrderNote(order_id="o1", note_id="n1", subject="u1", text=NoteText(text="wants it on Friday"))
    added = OrderNoteAdded(**dict(note))
    order.given(PLACED, CANCELLED).when(note).then(added)
    order.given(PLACED, added).when(note).then_nothing()
    order.given().when(note).then_refused("order_exists")


def test_a_tag_is_on_an_order_or_not() -> None:
    tagged, untagged = OrderTagged(order_id="o1", tag="gift"), OrderUntagged(order_id="o1", tag="gift")
    order.given(PLACED).when(TagOrder(order_id="o1", tag="gift")).then(tagged)
    order.given(PLACED, tagged).when(TagOrder(order_id="o1", tag="gift")).then_nothing()
    order.given(PLACED, tagged).when(UntagOrder(order_id="o1", tag="gift")).then(untagged)
    order.given(PLACED, tagged, untagged).when(UntagOrder(order_id="o1", tag="gift")).then_nothing()
    full = [OrderTagged(order_id="o1", tag=str(number)) for number in range(TAGS_MAX)]
    order.given(PLACED, *full).when(TagOrder(order_id="o1", tag="gift")).then_refused("tags_within_limit")


@pytest.mark.parametrize("reason", ["fraud", "address", "payment", "staff", "other"])
def test_a_hold_says_why(reason: str) -> None:
    command = HoldOrder.model_validate({"order_id": "o1", "hold_id": "h1", "reason": reason})
    order.given(PLACED).when(command).then(OrderHeld(**dict(command)))

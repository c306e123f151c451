"""The steps of a pick list, one by one: released, picking, packed, staged, handed over."""

from __future__ import annotations

import pytest

from domain.warehouse.pick_list import (
    PICK_LIST,
    CancelPickList,
    ConcludePickList,
    CutPickLine,
    HandOverPickList,
    HoldPickList,
    LinePicked,
    OrderPacked,
    PackOrder,
    PickingStarted,
    PickLine,
    PickLineCut,
    PickListCancelled,
    PickListCommand,
    PickListEvent,
    PickListHandedOver,
    PickListHeld,
    PickListReleased,
    PickListResumed,
    PickListStaged,
    PickShorted,
    PickUnits,
    ReleasePickList,
    ResumePickList,
    ShortPick,
    StagePickList,
    StartPicking,
)
from tests.specification import Specification

pick_list = Specification(PICK_LIST)
ID = {"pick_list_id": "o1.1"}
IDS = {**ID, "order_id": "o1"}
LINES = (PickLine(line=1, sku="A-1", quantity=3), PickLine(line=2, sku="B.2", quantity=1))
RELEASE = ReleasePickList(**IDS, warehouse="north", lines=LINES)
RELEASED = PickListReleased(**IDS, warehouse="north", lines=LINES)
STARTED, HELD, RESUMED = PickingStarted(**IDS), PickListHeld(**IDS), PickListResumed(**IDS)
ALL_A = LinePicked(**IDS, line=1, sku="A-1", quantity=3)
ALL_B = LinePicked(**IDS, line=2, sku="B.2", quantity=1)
SHORT_B = PickShorted(**IDS, warehouse="north", line=2, sku="B.2", quantity=1, reason="missing")
PACKED = OrderPacked(**IDS, packages=1, units=4)
STAGED = PickListStaged(**IDS)
HANDED = PickListHandedOver(**IDS, warehouse="north", lines=LINES)
CANCELLED = PickListCancelled(**IDS, reason="staff")
PICKED = [RELEASED, STARTED, ALL_A, ALL_B]


def test_from_release_to_hand_over() -> None:
    pick_list.given().when(RELEASE).then(RELEASED)
    pick_list.given(RELEASED).when(StartPicking(**ID)).then(STARTED)
    pick_list.given(RELEASED, STARTED).when(PickUnits(**ID, line=1, picked=3)).then(ALL_A)
    pick_list.given(*PICKED).when(PackOrder(**ID)).then(PACKED)
    staged = PickListStaged(**IDS, location="dock 2")
    pick_list.given(*PICKED, PACKED).when(StagePickList(**ID, location="dock 2")).then(staged)
    pick_list.given(*PICKED, PACKED, staged).when(HandOverPickList(**ID)).then(HANDED)
    pick_list.given(*PICKED, PACKED).when(HandOverPickList(**ID)).then(HANDED)


@pytest.mark.parametrize(
    ("given", "command"),
    [
        ([RELEASED], RELEASE),
        ([RELEASED, STARTED], StartPicking(**ID)),
        ([RELEASED, STARTED, ALL_A], PickUnits(**ID, line=1, picked=3)),
        ([RELEASED, STARTED, SHORT_B], ShortPick(**ID, line=2, short=1)),
        ([*PICKED, PACKED], PackOrder(**ID)),
        ([*PICKED, PACKED, STAGED], StagePickList(**ID)),
        ([*PICKED, PACKED, HANDED], HandOverPickList(**ID)),
        ([RELEASED, HELD], HoldPickList(**ID)),
        ([RELEASED], ResumePickList(**ID)),
        ([RELEASED, CANCELLED], CancelPickList(**ID)),
        ([RELEASED, CANCELLED], HoldPickList(**ID)),
        ([*PICKED, PACKED, HANDED], HoldPickList(**ID)),
    ],
)
def test_what_is_done_already_changes_nothing(given: list[PickListEvent], command: PickListCommand) -> None:
    pick_list.given(*given).when(command).then_nothing()


@pytest.mark.parametrize(
    ("given", "command", "rule"),
    [
        ([], StartPicking(**ID), "pick_list_exists"),
        ([RELEASED], ReleasePickList(**IDS, warehouse="main", lines=LINES), "pick_list_id_unique"),
        ([], ReleasePickList(**IDS, warehouse="main", lines=LINES[:1] * 2), "pick_lines_unique"),
        ([RELEASED], PickUnits(**ID, line=1, picked=1), "pick_while_picking"),
        ([RELEASED, STARTED], PickUnits(**ID, line=7, picked=1), "pick_line_exists"),
        ([RELEASED, STARTED], PickUnits(**ID, line=1, picked=4), "pick_what_is_wanted"),
        ([RELEASED, STARTED, SHORT_B], PickUnits(**ID, line=2, picked=1), "pick_what_is_wanted"),
        ([RELEASED, STARTED, ALL_A], ShortPick(**ID, line=1, short=1), "short_what_is_open"),
        ([RELEASED], ShortPick(**ID, line=1, short=1), "short_while_picking"),
        ([RELEASED, STARTED, ALL_A], PackOrder(**ID), "pack_what_is_picked"),
        ([RELEASED], PackOrder(**ID), "pack_what_is_picked"),
        (PICKED, StagePickList(**ID), "stage_what_is_packed"),
        (PICKED, HandOverPickList(**ID), "hand_over_what_is_packed"),
        ([*PICKED, PACKED, HANDED], CancelPickList(**ID), "cancel_before_hand_over"),
        ([RELEASED, HELD], StartPicking(**ID), "pick_list_not_held"),
        ([RELEASED, STARTED, HELD], PickUnits(**ID, line=1, picked=1), "pick_list_not_held"),
        ([*PICKED, HELD], PackOrder(**ID), "pick_list_not_held"),
        ([*PICKED, PACKED, HELD], StagePickList(**ID), "pick_list_not_held"),
        ([*PICKED, PACKED, HELD], HandOverPickList(**ID), "pick_list_not_held"),
        ([RELEASED, CANCELLED], StartPicking(**ID), "pick_what_is_released"),
    ],
)
def test_what_can_not_be(given: list[PickListEvent], command: PickListCommand, rule: str) -> None:
    message = pick_list.given(*given).when(command).then_refused(rule)
    assert len(message) > 20


FETCHED = ConcludePickList(**ID, shipment_id="o1-north")
INFERRED = HANDED.model_copy(update={"reference": "o1-north", "inferred": True})


@pytest.mark.parametrize(
    "given",
    [[RELEASED], [RELEASED, HELD], [RELEASED, STARTED, ALL_A], [*PICKED, PACKED], [*PICKED, PACKED, STAGED]],
)
def test_what_a_carrier_has_fetched_is_handed_over(given: list[PickListEvent]) -> None:
    """Whatever was said of it: nobody looks for it any more."""
    fetched = pick_list.given(*given).when(FETCHED)
    fetched.then(INFERRED)
    pick_list.given(*given, INFERRED).when(StartPicking(**ID)).then_refused("pick_what_is_released")
    assert not pick_list.given(*given, INFERRED).state.held


def test_what_was_short_was_not_fetched() -> None:
    only_a = INFERRED.model_copy(update={"lines": LINES[:1]})
    pick_list.given(RELEASED, STARTED, SHORT_B).when(FETCHED).then(only_a)
    short_a = PickShorted(**IDS, warehouse="north", line=1, sku="A-1", quantity=3, reason="missing")
    pick_list.given(RELEASED, STARTED, short_a, SHORT_B).when(FETCHED).then_nothing()


@pytest.mark.parametrize("given", [[RELEASED, CANCELLED], [*PICKED, PACKED, HANDED]])
def test_the_carriers_word_may_come_too_late(given: list[PickListEvent]) -> None:
    pick_list.given(*given).when(FETCHED).then_nothing()


def test_pick_short() -> None:
    """The list goes on with what there is, and says who lacks what."""
    given = pick_list.given(RELEASED, STARTED, ALL_A)
    given.when(ShortPick(**ID, line=2, short=1)).then(SHORT_B.model_copy(update={"left": ()}))
    packed = pick_list.given(RELEASED, STARTED, ALL_A, SHORT_B).when(PackOrder(**ID, packages=2))
    packed.then(OrderPacked(**IDS, packages=2, units=3))


def test_short_in_parts_tells_only_what_is_more() -> None:
    one = PickShorted(**IDS, warehouse="north", line=1, sku="A-1", quantity=1, reason="damaged")
    given = pick_list.given(RELEASED, STARTED, one)
    given.when(ShortPick(**ID, line=1, short=3)).then(
        PickShorted(**IDS, warehouse="north", line=1, sku="A-1", quantity=2, reason="missing", left=())
    )


def test_a_short_pick_says_what_is_left_of_the_product() -> None:
    """On all lines of it, as one unit does for another."""
    lines = (*LINES, PickLine(line=3, sku="A-1", quantity=2))
    given = pick_list.given(RELEASED.model_copy(update={"lines": lines}), STARTED)
    (event,) = given.when(ShortPick(**ID, line=1, short=1)).events
    assert event.left == (PickLine(line=1, sku="A-1", quantity=2), lines[-1])


def test_what_is_called_off_and_what_is_not_found_may_be_the_same_units() -> None:
    """Nothing that was found is cut for what is short already."""
    short = PickShorted(**IDS, warehouse="north", line=1, sku="A-1", quantity=1, reason="missing")
    given = pick_list.given(RELEASED, STARTED, short)
    given.when(CutPickLine(**ID, **CUT, quantity=1, left=2)).then_nothing()
    given.when(CutPickLine(**ID, **CUT, quantity=2, left=1)).then(cut_of(1))


def test_all_short_is_nothing_to_pack() -> None:
    short_a = PickShorted(**IDS, warehouse="north", line=1, sku="A-1", quantity=3, reason="missing")
    given = pick_list.given(RELEASED, STARTED, short_a, SHORT_B)
    assert "cancel" in given.when(PackOrder(**ID)).then_refused("pack_something")


def test_cancel_while_picking() -> None:
    """What is in hand goes back to its place."""
    some = LinePicked(**IDS, line=1, sku="A-1", quantity=2)
    back = (PickLine(line=1, sku="A-1", quantity=2),)
    command = CancelPickList(**ID, reason="order_cancelled")
    pick_list.given(RELEASED, STARTED, some).when(command).then(
        PickListCancelled(**IDS, reason="order_cancelled", put_back=back)
    )
    pick_list.given(*PICKED, PACKED, STAGED, HELD).when(command).then(
        PickListCancelled(**IDS, reason="order_cancelled", put_back=LINES)
    )


CUT = {"cause": "c1", "line": 1}


def cut_of(quantity: int, put_back: int = 0) -> PickLineCut:
    return PickLineCut(**IDS, **CUT, sku="A-1", quantity=quantity, put_back=put_back)


def test_units_that_are_called_off_are_not_picked() -> None:
    """What nobody has fetched yet is taken off first; said again, it takes off no more."""
    some = LinePicked(**IDS, line=1, sku="A-1", quantity=2)
    command = CutPickLine(**ID, **CUT, quantity=1, left=2)
    pick_list.given(RELEASED).when(command).then(cut_of(1))
    pick_list.given(RELEASED, STARTED, some).when(command).then(cut_of(1))
    pick_list.given(RELEASED, STARTED, some, cut_of(1)).when(command).then_nothing()
    given = pick_list.given(RELEASED, STARTED, some, cut_of(1))
    given.when(PickUnits(**ID, line=1, picked=3)).then_refused("pick_what_is_wanted")


def test_a_unit_of_another_line_is_called_off_where_that_line_has_none() -> None:
    """One unit does for another: what nobody has picked goes first, whichever line it is of."""
    two = (LINES[0], PickLine(line=3, sku="A-1", quantity=2))
    given = (RELEASED.model_copy(update={"lines": two}), STARTED)
    short = PickShorted(**IDS, warehouse="north", line=1, sku="A-1", quantity=2, reason="missing")
    picked = LinePicked(**IDS, line=1, sku="A-1", quantity=1)
    other = {"cause": "c1", "line": 3, "sku": "A-1"}
    cut = pick_list.given(*given, short, picked).when(CutPickLine(**ID, **CUT, quantity=2, left=1))
    cut.then(PickLineCut(**IDS, **other, quantity=2, put_back=0))
    both = pick_list.given(*given, short, picked).when(CutPickLine(**ID, **CUT, quantity=3, left=0))
    both.then(
        PickListCancelled(
            **IDS, reason="order_cancelled", put_back=(LINES[0].model_copy(update={"quantity": 1}),)
        )
    )


def test_what_is_packed_is_opened_for_units_that_are_called_off() -> None:
    outcome = pick_list.given(*PICKED, PACKED, STAGED).when(CutPickLine(**ID, **CUT, quantity=2))
    outcome.then(cut_of(2, put_back=2))
    assert outcome.state.status == "picking"
    again = pick_list.given(*PICKED, PACKED, STAGED, cut_of(2, put_back=2)).when(PackOrder(**ID))
    again.then(OrderPacked(**IDS, packages=1, units=2))


def test_a_list_of_which_all_is_called_off_is_over() -> None:
    both = (cut_of(3, put_back=3), CutPickLine(**ID, cause="c1", line=2, quantity=1))
    pick_list.given(*PICKED, both[0]).when(both[1]).then(
        PickListCancelled(**IDS, reason="order_cancelled", put_back=LINES[1:])
    )


@pytest.mark.parametrize("over", [HANDED, CANCELLED])
def test_what_is_called_off_too_late_is_nobodys_mistake(over: PickListEvent) -> None:
    pick_list.given(*PICKED, PACKED, over).when(CutPickLine(**ID, **CUT, quantity=1)).then_nothing()
    pick_list.given(RELEASED).when(CutPickLine(**ID, cause="c1", line=9, quantity=1)).then_nothing()


def test_a_held_list_is_released_but_begun_by_nobody_until_it_is_resumed() -> None:
    pick_list.given().when(RELEASE.model_copy(update={"held": True})).then(RELEASED, HELD)
    pick_list.given(RELEASED, HELD).when(ResumePickList(**ID)).then(RESUMED)
    pick_list.given(RELEASED, HELD, RESUMED).when(StartPicking(**ID)).then(STARTED)

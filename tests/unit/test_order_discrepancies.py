"""Is a discrepancy of an order opened once for each fact, closed by a person, and opened anew by another?"""

from __future__ import annotations

from typing import Any

import pytest

from domain.order import (
    ORDER,
    OpenOrderDiscrepancy,
    OrderCancelled,
    OrderDiscrepancyOpened,
    OrderDiscrepancyResolved,
    OrderHeld,
    ParcelUnits,
    RecordDispatch,
    ResolveOrderDiscrepancy,
)
from tests.specification import Specification
from tests.unit.test_order import CANCELLED, PLACED, SHIPPED, TO_CONFIRMED

order = Specification(ORDER)
KINDS = ("not_captured", "not_refunded", "not_voided", "not_shippable")


def told(kind: Any, fact: str = "e1", about: str = "p1") -> OrderDiscrepancyOpened:
    return OrderDiscrepancyOpened(order_id="o1", kind=kind, about=about, fact=fact)


def tell(kind: Any, fact: str = "e1", about: str = "p1") -> OpenOrderDiscrepancy:
    return OpenOrderDiscrepancy(order_id="o1", kind=kind, about=about, fact=fact)


def resolve(kind: str, fact: str = "", reason: str = "paid in cash") -> ResolveOrderDiscrepancy:
    return ResolveOrderDiscrepancy(order_id="o1", kind=kind, reason=reason, fact=fact)


def resolved(kind: Any, about: str | None = "p1", remaining: int = 0) -> OrderDiscrepancyResolved:
    return OrderDiscrepancyResolved(
        order_id="o1", kind=kind, reason="paid in cash", about=about, remaining=remaining
    )


def sent(parcel: str = "o1", kind: Any = "shipped_after_cancel") -> OrderDiscrepancyOpened:
    return told(kind, parcel, parcel)


def leaves(parcel: str, units: int = 0) -> RecordDispatch:
    what = (ParcelUnits(sku="A-1", warehouse="main", quantity=units),) if units else ()
    return RecordDispatch(order_id="o1", shipment_id=parcel, units=what)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("life", [(), (SHIPPED,), (CANCELLED,)])
def test_a_person_resolves_what_is_open_whatever_became_of_the_order(
    kind: str, life: tuple[Any, ...]
) -> None:
    history = (*TO_CONFIRMED, *life, told(kind))
    outcome = order.given(*history).when(resolve(kind))
    outcome.then(resolved(kind))
    assert not outcome.state.discrepancies
    order.given(*history, resolved(kind)).when(resolve(kind, reason="once more")).then_nothing()


def test_what_is_not_open_is_not_resolved_and_the_refusal_says_what_is() -> None:
    message = order.given(PLACED).when(resolve("not_captured")).then_refused("discrepancy_exists")
    assert message == "no discrepancy not_captured of this order is open; open: none"
    open_two = order.given(PLACED, told("not_voided"), told("not_shippable"), sent())
    message = open_two.when(resolve("no_such_kind")).then_refused("discrepancy_exists")
    assert message.endswith("open: not_shippable, not_voided, shipped_after_cancel")
    order.given().when(resolve("not_captured")).then_refused("order_exists")


def test_one_kind_is_resolved_and_the_others_stay_open() -> None:
    both = order.given(PLACED, told("not_voided"), told("not_refunded")).when(resolve("not_voided"))
    assert both.state.discrepancies == {"not_refunded": {"p1": "e1"}}


TWO = (PLACED, told("not_voided"), told("not_voided", "e2", "p2"))
ONE_LEFT = (*TWO, resolved("not_voided", "p1", remaining=1))


def test_of_two_that_are_open_the_one_that_is_named_is_resolved_and_the_kind_stays_open() -> None:
    first = order.given(*TWO).when(resolve("not_voided", "e1"))
    first.then(resolved("not_voided", "p1", remaining=1))
    assert first.state.discrepancies == {"not_voided": {"p2": "e2"}}
    last = order.given(*TWO, *first.events).when(resolve("not_voided", "e2"))
    last.then(resolved("not_voided", "p2"))
    assert not last.state.discrepancies


def test_of_two_that_are_open_one_must_be_named_and_the_refusal_names_them() -> None:
    """The second may have come after the person has looked."""
    message = order.given(*TWO).when(resolve("not_voided")).then_refused("fact_named")
    assert message.startswith("2 of not_voided are open: e1 (of p1), e2 (of p2); name the one")
    order.given(*ONE_LEFT).when(resolve("not_voided")).then(resolved("not_voided", "p2"))


def test_what_was_told_again_after_the_look_is_not_closed_with_it() -> None:
    again = (*TWO, told("not_voided", "e3"))
    message = order.given(*again).when(resolve("not_voided", "e1")).then_refused("fact_seen")
    assert message == "p1 was told again since e1; look at e3 first"
    all_of_it = order.given(*again).when(resolve("not_voided", "e3"))
    all_of_it.then(resolved("not_voided", "p1", remaining=1))
    assert all_of_it.state.discrepancies == {"not_voided": {"p2": "e2"}}


def test_what_is_about_a_payment_is_resolved_by_who_knows_that_it_is_mended() -> None:
    def mended(about: str) -> ResolveOrderDiscrepancy:
        what = {"kind": "not_voided", "reason": "paid in cash", "about": about}
        return ResolveOrderDiscrepancy(order_id="o1", **what)

    again = (*TWO, told("not_voided", "e3"))
    order.given(*again).when(mended("p1")).then(resolved("not_voided", "p1", remaining=1))
    order.given(*ONE_LEFT).when(mended("p1")).then_nothing()
    order.given(PLACED).when(mended("p1")).then_nothing()


def test_a_fact_that_was_resolved_is_so_once_also_while_another_is_open() -> None:
    order.given(*ONE_LEFT).when(resolve("not_voided", "e1", "once more")).then_nothing()
    order.given(*ONE_LEFT).when(tell("not_voided")).then_nothing()


def test_a_fact_that_nobody_told_is_not_resolved_and_the_refusal_says_which_are_open() -> None:
    message = order.given(*TWO).when(resolve("not_voided", "e3")).then_refused("discrepancy_exists")
    assert message == "no discrepancy not_voided of this order is of e3; open: e1 (of p1), e2 (of p2)"
    over = order.given(*ONE_LEFT, resolved("not_voided", "p2"))
    message = over.when(resolve("not_voided", "e3")).then_refused("discrepancy_exists")
    assert message.endswith("open: none")


def test_what_was_resolved_before_each_was_for_itself_was_resolved_as_a_whole() -> None:
    whole = order.given(*TWO, resolved("not_voided", None))
    whole.when(resolve("not_voided")).then_nothing()
    whole.when(resolve("not_voided", "e2")).then_nothing()
    whole.when(tell("not_voided", "e3")).then(told("not_voided", "e3"))


def test_a_fact_without_a_name_is_resolved_as_the_only_one_and_waits_for_those_that_have_one() -> None:
    unnamed = told("not_voided", "", "")
    order.given(PLACED, unnamed).when(resolve("not_voided")).then(resolved("not_voided", ""))
    both = order.given(PLACED, told("not_voided"), unnamed)
    message = both.when(resolve("not_voided")).then_refused("fact_named")
    assert message.startswith("2 of not_voided are open: e1 (of p1), one without a name;")
    both.when(resolve("not_voided", "e1")).then(resolved("not_voided", "p1", remaining=1))
    left = order.given(PLACED, told("not_voided"), unnamed, resolved("not_voided", "p1", remaining=1))
    left.when(resolve("not_voided")).then(resolved("not_voided", ""))


@pytest.mark.parametrize("kind", KINDS)
def test_a_fact_told_again_opens_nothing_and_another_one_opens_it_again(kind: str) -> None:
    history = (*TO_CONFIRMED, told(kind), resolved(kind))
    order.given(*history).when(tell(kind)).then_nothing()
    order.given(*history).when(tell(kind, "e2")).then(told(kind, "e2"))
    again = (*history, told(kind, "e2"))
    order.given(*again).when(resolve(kind)).then(resolved(kind))
    order.given(*again, resolved(kind)).when(tell(kind)).then_nothing()
    order.given(*again, resolved(kind)).when(tell(kind, "e2")).then_nothing()


def test_two_facts_of_a_kind_are_both_told_so_that_neither_opens_it_again_once_it_is_resolved() -> None:
    """The second comes while it is open: had nobody kept it, its repetition would be taken for news."""
    first, second = told("not_captured"), told("not_captured", "e2", "p2")
    order.given(PLACED, first).when(tell("not_captured", "e2", "p2")).then(second)
    each = (resolved("not_captured", remaining=1), resolved("not_captured", "p2"))
    over = order.given(PLACED, first, second, *each)
    over.when(tell("not_captured")).then_nothing()
    over.when(tell("not_captured", "e2", "p2")).then_nothing()


def test_a_parcel_that_left_a_cancelled_order_is_told_once_though_it_was_resolved() -> None:
    history = (*TO_CONFIRMED, CANCELLED, sent("s1"), resolved("shipped_after_cancel", "s1"))
    order.given(*history).when(leaves("s1")).then_nothing()
    order.given(*history).when(leaves("s2")).then(sent("s2"))
    whole = (*TO_CONFIRMED, CANCELLED, sent(), resolved("shipped_after_cancel", "o1"))
    order.given(*whole).when(RecordDispatch(order_id="o1")).then_nothing()


def test_a_parcel_too_many_of_a_shipped_order_is_told_once_though_it_was_resolved() -> None:
    history = (*TO_CONFIRMED, SHIPPED, sent("s1"), resolved("shipped_after_cancel", "s1"))
    order.given(*history).when(leaves("s1", 1)).then_nothing()
    order.given(*history).when(leaves("s2", 1)).then(sent("s2"))


def test_a_parcel_that_left_a_held_order_is_told_once_though_it_was_resolved() -> None:
    held = OrderHeld(order_id="o1", hold_id="h1", reason="fraud")
    left = order.given(*TO_CONFIRMED, held).when(leaves("s1", 1))
    assert left.events[1:] == (sent("s1", "shipped_while_held"),)
    history = (*TO_CONFIRMED, held, *left.events, resolved("shipped_while_held", "s1"))
    order.given(*history).when(leaves("s1", 1)).then_nothing()
    second = order.given(*history).when(leaves("s2", 1))
    assert second.events[1:] == (sent("s2", "shipped_while_held"),)


def test_what_was_told_before_facts_had_names_is_known_again_while_it_is_open() -> None:
    unnamed = told("not_captured", "", "")
    order.given(PLACED, unnamed).when(tell("not_captured")).then_nothing()
    over = (PLACED, unnamed, resolved("not_captured", ""))
    order.given(*over).when(tell("not_captured", "", "")).then_nothing()
    order.given(*over).when(tell("not_captured")).then(told("not_captured"))
    another = order.given(*over, told("not_captured")).when(tell("not_captured", "e2"))
    another.then(told("not_captured", "e2"))


def test_an_order_that_came_back_is_not_told_of_its_parcel_again() -> None:
    back = OrderCancelled(order_id="o1", reason="returned")
    order.given(*TO_CONFIRMED, SHIPPED, back).when(leaves("o1")).then_nothing()

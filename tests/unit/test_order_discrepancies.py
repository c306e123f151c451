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


def resolve(kind: str, reason: str = "paid in cash") -> ResolveOrderDiscrepancy:
    return ResolveOrderDiscrepancy(order_id="o1", kind=kind, reason=reason)


def resolved(kind: Any, reason: str = "paid in cash") -> OrderDiscrepancyResolved:
    return OrderDiscrepancyResolved(order_id="o1", kind=kind, reason=reason)


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
    order.given(*history, resolved(kind)).when(resolve(kind, "once more")).then_nothing()


def test_what_is_not_open_is_not_resolved_and_the_refusal_says_what_is() -> None:
    message = order.given(PLACED).when(resolve("not_captured")).then_refused("discrepancy_exists")
    assert message == "no discrepancy not_captured of this order is open; open: none"
    open_two = order.given(PLACED, told("not_voided"), told("not_shippable"), sent())
    message = open_two.when(resolve("no_such_kind")).then_refused("discrepancy_exists")
    assert message.endswith("open: not_shippable, not_voided, shipped_after_cancel")
    order.given().when(resolve("not_captured")).then_refused("order_exists")


def test_one_kind_is_resolved_and_the_others_stay_open() -> None:
    both = order.given(PLACED, told("not_voided"), told("not_refunded")).when(resolve("not_voided"))
    assert both.state.discrepancies == {"not_refunded"}


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
    over = order.given(PLACED, first, second, resolved("not_captured"))
    over.when(tell("not_captured")).then_nothing()
    over.when(tell("not_captured", "e2", "p2")).then_nothing()


def test_a_parcel_that_left_a_cancelled_order_is_told_once_though_it_was_resolved() -> None:
    history = (*TO_CONFIRMED, CANCELLED, sent("s1"), resolved("shipped_after_cancel"))
    order.given(*history).when(leaves("s1")).then_nothing()
    order.given(*history).when(leaves("s2")).then(sent("s2"))
    whole = (*TO_CONFIRMED, CANCELLED, sent(), resolved("shipped_after_cancel"))
    order.given(*whole).when(RecordDispatch(order_id="o1")).then_nothing()


def test_a_parcel_too_many_of_a_shipped_order_is_told_once_though_it_was_resolved() -> None:
    history = (*TO_CONFIRMED, SHIPPED, sent("s1"), resolved("shipped_after_cancel"))
    order.given(*history).when(leaves("s1", 1)).then_nothing()
    order.given(*history).when(leaves("s2", 1)).then(sent("s2"))


def test_a_parcel_that_left_a_held_order_is_told_once_though_it_was_resolved() -> None:
    held = OrderHeld(order_id="o1", hold_id="h1", reason="fraud")
    left = order.given(*TO_CONFIRMED, held).when(leaves("s1", 1))
    assert left.events[1:] == (sent("s1", "shipped_while_held"),)
    history = (*TO_CONFIRMED, held, *left.events, resolved("shipped_while_held"))
    order.given(*history).when(leaves("s1", 1)).then_nothing()
    second = order.given(*history).when(leaves("s2", 1))
    assert second.events[1:] == (sent("s2", "shipped_while_held"),)


def test_what_was_told_before_facts_had_names_is_known_again_while_it_is_open() -> None:
    unnamed = told("not_captured", "", "")
    order.given(PLACED, unnamed).when(tell("not_captured")).then_nothing()
    over = order.given(PLACED, unnamed, resolved("not_captured"))
    over.when(tell("not_captured", "", "")).then_nothing()
    over.when(tell("not_captured")).then(told("not_captured"))


def test_an_order_that_came_back_is_not_told_of_its_parcel_again() -> None:
    back = OrderCancelled(order_id="o1", reason="returned")
    order.given(*TO_CONFIRMED, SHIPPED, back).when(leaves("o1")).then_nothing()

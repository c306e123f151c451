"""Who must be kept, by which rule, and which rule can be overruled?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.kernel import Refused
from services.audit.keeping import ORDERS_ARE_OVER, RULES, Found, Rule, check, check_names, speaking_against

BUSY = Found("m1", orders=3, open_orders=2, plain_rows=3)
INVOICED = Rule("invoices_kept", "the law wants them for ten years", lambda found: "3 invoices", binding=True)


def test_whose_orders_are_over_may_be_erased() -> None:
    assert check(replace(BUSY, open_orders=0), ()) == ()
    assert check(replace(BUSY, open_orders=0), ("orders_are_over",)) == (), "it did not speak against it"


def test_a_rule_refuses_by_its_name_and_says_how_it_is_overruled() -> None:
    assert speaking_against(BUSY) == {"orders_are_over": "2 of its orders are under way"}
    with pytest.raises(Refused, match="--despite orders_are_over") as refused:
        check(BUSY, ())
    assert refused.value.rule == ORDERS_ARE_OVER.name
    assert check(BUSY, ("orders_are_over",)) == ("orders_are_over",)


def test_a_rule_of_the_law_is_not_overruled() -> None:
    with pytest.raises(Refused, match="the law wants them for ten years") as refused:
        check(BUSY, ("orders_are_over", "invoices_kept"), (*RULES, INVOICED))
    assert refused.value.rule == "invoices_kept"


def test_a_rule_that_is_none_is_said_so() -> None:
    with pytest.raises(Refused, match="there is no rule whim; there are: orders_are_over"):
        check(BUSY, ("whim",))
    with pytest.raises(Refused, match="there is no rule whim"):
        check_names(("orders_are_over", "whim"))
    check_names(("orders_are_over",))


def test_no_rule_of_the_law_exists_today() -> None:
    """When one does, docs/audit-erasure.md says which."""
    assert not any(rule.binding for rule in RULES)

"""Whatever carriers ask for, and in which currency: is nothing chosen by comparing what can't be?"""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from domain.carrier.choice import ChoiceRule, Option, ranked, reason

CURRENCIES = ("BRL", "EUR", "USD")
rules = st.builds(
    ChoiceRule,
    prefer=st.sampled_from(["cost", "speed", "reliability", "balanced"]),
    day_cents=st.integers(0, 300),
    late_cents=st.integers(0, 3_000),
    days_max=st.none() | st.integers(0, 9),
    on_time_min_permille=st.integers(0, 1_000),
)
options = st.lists(
    st.builds(
        Option,
        carrier=st.sampled_from(["swift", "post", "correios"]),
        service=st.sampled_from(["express", "calm"]),
        card_version=st.just(1),
        zone=st.just("z"),
        billed_g=st.just(500),
        cents=st.integers(0, 3_000),
        currency=st.sampled_from(CURRENCIES),
        days=st.integers(0, 9),
        on_time_permille=st.integers(0, 1_000),
        seen=st.just(9),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda each: each.name,
)
orders = st.sampled_from([*CURRENCIES, "", "JPY"])


@given(rules, options, orders)
def test_who_asks_in_the_orders_currency_goes_before_all_others(
    rule: ChoiceRule, found: list[Option], currency: str
) -> None:
    order = [each.currency for each in ranked(rule, found, currency)]
    assert currency not in order or order[0] == currency
    changes = sum(one != other for one, other in pairwise(order))
    assert changes == len(set(order)) - 1, "one currency after the other"


@given(rules, options, orders, st.sampled_from(CURRENCIES), st.integers(0, 10**9))
def test_what_is_asked_in_one_currency_changes_nothing_in_another(
    rule: ChoiceRule, found: list[Option], currency: str, changed: str, cents: int
) -> None:
    """As if its money was worth more, or less."""
    other = [each.model_copy(update={"cents": cents}) if each.currency == changed else each for each in found]
    before, after = (
        [each.name for each in ranked(rule, asked, currency) if each.currency != changed]
        for asked in (found, other)
    )
    assert before == after
    first = [ranked(rule, asked, currency)[0] for asked in (found, other)]
    assert first[0].currency == first[1].currency


@given(rules, options, orders)
def test_the_reason_names_who_was_not_compared(rule: ChoiceRule, found: list[Option], currency: str) -> None:
    best, *rest = ranked(rule, found, currency)
    told = reason(rule, (best, *rest), currency)
    others = [each for each in rest if each.currency != best.currency]
    assert f"of {len(found) - len(others)}" in told
    assert ("not compared, as in another currency" in told) == bool(others)
    assert ("nobody asks in" in told) == bool(currency and currency != best.currency)

"""Is every unit planned once, never more than is known to be there, and is the plan really the best?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.allocation import (
    ALLOCATION,
    AllocationFailed,
    AllocationPlanned,
    AllocationRules,
    AllocationTerms,
    FewestSplits,
    Nearest,
    PlanAllocation,
    PreferWarehouses,
    Site,
)
from domain.allocation.allocation import Allocation
from domain.allocation.planning import Known, Plan, plan_all, plan_available, unit_scores
from tests.strategies_warehouse import COMMANDS, SKUS, WAREHOUSES, allocation_terms

few = st.integers(0, 3)
wanted = st.dictionaries(st.sampled_from(SKUS), st.integers(1, 3), min_size=1)
known = st.dictionaries(st.tuples(st.sampled_from(SKUS), st.sampled_from(WAREHOUSES)), few)


def units_of(taken: Mapping[tuple[str, str], int]) -> dict[str, int]:
    units: Counter[str] = Counter()
    for (sku, _), quantity in taken.items():
        units[sku] += quantity
    return dict(units)


def every_plan(
    wanted: Mapping[str, int], names: list[str], free: Known
) -> Iterator[dict[tuple[str, str], int]]:
    """By brute force: every way to spread the units."""

    def ways(sku: str, units: int) -> list[dict[tuple[str, str], int]]:
        parts = product(*(range(min(units, free.get((sku, name), units)) + 1) for name in names))
        return [
            {(sku, name): part for name, part in zip(names, way, strict=True) if part}
            for way in parts
            if sum(way) == units
        ]

    for chosen in product(*(ways(sku, units) for sku, units in wanted.items())):
        yield {place: part for each in chosen for place, part in each.items()}


def score(
    taken: Mapping[tuple[str, str], int], terms: AllocationTerms, state: str, already: frozenset[str]
) -> tuple[int, ...]:
    """Written down anew, rule by rule."""
    found: list[int] = []
    sites = {site.warehouse: site for site in terms.sites}
    for rule in terms.rules.rules:
        match rule:
            case FewestSplits():
                found.append(len(already | {warehouse for _, warehouse in taken}))
            case PreferWarehouses(warehouses=listed):
                places = {name: at for at, name in enumerate(listed)}
                found.append(sum(n * places.get(w, len(listed)) for (_, w), n in taken.items()))
            case Nearest():
                here = {w for w, site in sites.items() if state and site.state == state}
                far = len(sites)
                found.append(
                    sum(n * (sites[w].rank + (0 if w in here else far)) for (_, w), n in taken.items())
                )
    return tuple(found)


@given(
    wanted=wanted,
    terms=allocation_terms,
    state=st.sampled_from(["", "SP"]),
    free=known,
    already=st.frozensets(st.sampled_from(WAREHOUSES), max_size=2),
)
@settings(max_examples=150)
def test_no_plan_is_better_by_the_rules(
    wanted: dict[str, int],
    terms: AllocationTerms,
    state: str,
    free: dict[tuple[str, str], int],
    already: frozenset[str],
) -> None:
    names = [site.warehouse for site in terms.sites]
    already &= frozenset(names)
    plan = plan_all(wanted, terms, state, free, already)
    scores = [score(each, terms, state, already) for each in every_plan(wanted, names, free)]
    if plan is None:
        assert not scores, "there is a plan"
        return
    assert units_of(plan.taken) == wanted, "each unit once"
    assert all(n <= free.get(place, n) for place, n in plan.taken.items()), "no more than is there"
    assert score(plan.taken, terms, state, already) == min(scores)


@given(wanted=wanted, terms=allocation_terms, free=known)
def test_what_is_there_is_planned_and_the_rest_is_short(
    wanted: dict[str, int], terms: AllocationTerms, free: dict[tuple[str, str], int]
) -> None:
    plan = plan_available(wanted, terms, "", free) or Plan({}, dict(wanted), "")
    planned = units_of(plan.taken)
    names = [site.warehouse for site in terms.sites]
    for sku, units in wanted.items():
        assert planned.get(sku, 0) + plan.short.get(sku, 0) == units
        assert planned.get(sku, 0) == min(units, sum(free.get((sku, name), units) for name in names))
    assert all(n <= free.get(place, n) for place, n in plan.taken.items())


@given(command=COMMANDS[PlanAllocation])
def test_each_unit_of_each_line_is_planned_once_or_short(command: PlanAllocation) -> None:
    command = command.model_copy(update={"attempt": 1})
    (event,) = ALLOCATION.decide(command, Allocation())
    if isinstance(event, AllocationFailed):
        assert event.reason == "not_enough"
        assert event.missing, "it says what"
        return
    assert isinstance(event, AllocationPlanned)
    units: Counter[int] = Counter()
    for each in (*event.picks, *event.short):
        units[each.line] += each.quantity
    assert units == {line.line: line.quantity for line in command.lines}
    free = {(each.sku, each.warehouse): each.units for each in command.known}
    taken: Counter[tuple[str, str]] = Counter()
    for pick in event.picks:
        taken[pick.sku, pick.warehouse] += pick.quantity
    if not event.waits:
        assert all(n <= max(0, free.get(p, n + event.kept) - event.kept) for p, n in taken.items())
    chosen = {each.warehouse for each in event.candidates if each.chosen}
    assert chosen == {pick.warehouse for pick in event.picks}
    assert event.rule
    assert {free for each in event.candidates for free in each.free} <= set(command.known)


@given(
    quantities=st.lists(st.integers(1, 5), min_size=1, max_size=5),
    free=st.dictionaries(st.tuples(st.integers(0, 4), st.integers(0, 39)), st.integers(0, 4), min_size=60),
)
@settings(max_examples=25)
def test_a_network_too_large_to_try_in_full_still_gives_a_plan(
    quantities: list[int], free: dict[tuple[int, int], int]
) -> None:
    wanted = {f"sku{at}": quantity for at, quantity in enumerate(quantities)}
    sites = tuple(Site(warehouse=f"w{at:02}") for at in range(40))
    places = {(f"sku{s}", f"w{w:02}"): free.get((s, w), 0) for s in range(5) for w in range(40)}
    rules = AllocationRules(rules=(Nearest(kind="nearest"), FewestSplits(kind="fewest_splits")))
    terms = AllocationTerms(version=1, rules=rules, sites=sites)
    plan = plan_all(wanted, terms, "", places)
    enough = all(sum(places[sku, s.warehouse] for s in sites) >= n for sku, n in wanted.items())
    assert (plan is not None) == enough
    if plan:
        assert units_of(plan.taken) == wanted
        assert all(n <= places[place] for place, n in plan.taken.items())
        assert set(unit_scores(terms, "")) >= {warehouse for _, warehouse in plan.taken}

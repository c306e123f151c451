"""Which units come from which warehouse? Pure, and exact for what orders are like (see `_shortlist`).

A plan is scored by each rule in turn, and the least score wins: by `fewest_splits` the number of warehouses,
by `preferred` and `nearest` the sum over all units of how late their warehouse comes. For a given set of
warehouses the best plan takes each SKU from the best of them first; so it is enough to try the sets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from domain.allocation.rules import AllocationTerms, FewestSplits, Nearest, PreferWarehouses, Site

TRIES_MAX = 50_000
"""Of sets of warehouses times SKUs: 12 warehouses and 12 SKUs are tried in full, in some 0.1 s at worst."""

Known = Mapping[tuple[str, str], int]
"""(SKU, warehouse) -> units that are free there. Of what nobody heard, it is assumed that there is enough."""
Taken = dict[tuple[str, str], int]
"""(SKU, warehouse) -> units to take from there."""
Score = tuple[int, ...]
ONLY_CHOICE = "only_choice"


@dataclass(frozen=True, slots=True)
class Plan:
    """`rule` is the one that decided against the next best set of warehouses; `short` what is nowhere."""

    taken: Taken
    short: dict[str, int]
    rule: str


def unit_scores(terms: AllocationTerms, ship_to_state: str) -> dict[str, Score]:
    """Warehouse -> what a unit from there scores by each of the rules that look at single units."""
    return {site.warehouse: tuple(_of_unit(terms, site, ship_to_state)) for site in terms.sites}


def _of_unit(terms: AllocationTerms, site: Site, ship_to_state: str) -> Iterator[int]:
    for rule in terms.rules.rules:
        match rule:
            case PreferWarehouses(warehouses=listed):
                yield listed.index(site.warehouse) if site.warehouse in listed else len(listed)
            case Nearest():
                # all of the buyer's own state come before any other, whatever the zip prefix says
                elsewhere = site.state != ship_to_state or not ship_to_state
                yield site.rank + (len(terms.sites) if elsewhere else 0)


def usable(known: Known, kept: int) -> Known:
    """What may be taken where `kept` units of each SKU stay in each warehouse."""
    return {place: max(0, units - kept) for place, units in known.items()}


def _take(
    wanted: Mapping[str, int], order: Sequence[str], free: Known, *, all_of_it: bool = True
) -> Taken | None:
    """From the warehouses in this order; None where `all_of_it` is not there."""
    taken: Taken = {}
    for sku, units in wanted.items():
        left = units
        for warehouse in order:
            if part := min(left, free.get((sku, warehouse), left)):
                taken[sku, warehouse] = part
                left -= part
        if left and all_of_it:
            return None
    return taken


def _score(
    taken: Taken, terms: AllocationTerms, units: Mapping[str, Score], already: frozenset[str]
) -> Score:
    sums = [sum(part * units[w][at] for (_, w), part in taken.items()) for at in range(_unit_rules(terms))]
    found = iter(sums)
    used = len(already.union(warehouse for _, warehouse in taken))
    return tuple(
        used if isinstance(rule, FewestSplits) else next(found)
        for rule in terms.rules.rules
        if isinstance(rule, FewestSplits | PreferWarehouses | Nearest)
    )


def _unit_rules(terms: AllocationTerms) -> int:
    return sum(isinstance(rule, PreferWarehouses | Nearest) for rule in terms.rules.rules)


def _shortlist(wanted: Mapping[str, int], order: Sequence[str], free: Known) -> list[str]:
    """All, if their sets can all be tried; else half of those that score best, and half that have most."""
    most = len(order)
    while 2**most * len(wanted) > TRIES_MAX and most > 1:
        most -= 1
    if most == len(order):
        return list(order)
    there = {w: sum(min(units, free.get((sku, w), units)) for sku, units in wanted.items()) for w in order}
    has_most = sorted(order, key=lambda warehouse: -there[warehouse])
    few = dict.fromkeys([*order[: most // 2], *has_most])
    return sorted(list(few)[:most], key=order.index)


def plan_all(
    wanted: Mapping[str, int],
    terms: AllocationTerms,
    ship_to_state: str,
    free: Known,
    already: frozenset[str] = frozenset(),
) -> Plan | None:
    """The best plan for all units of each SKU; None where they are not there. The order comes from the
    warehouses `already` anyway: what comes from there, too, splits it no further."""
    units = unit_scores(terms, ship_to_state)
    order = sorted(units, key=lambda warehouse: (units[warehouse], warehouse))
    if _take(wanted, order, free) is None:
        return None
    best: list[tuple[Score, tuple[str, ...], Taken]] = []
    already = already.intersection(order)
    for taken in _tried(wanted, order, free, already, fewest_first=_fewest_first(terms)):
        used = tuple(sorted({warehouse for _, warehouse in taken}))
        best = sorted([*best, (_score(taken, terms, units, already), used, taken)], key=lambda each: each[:2])
        best = [each for at, each in enumerate(best) if not at or each[1] != best[0][1]][:2]
    return Plan(best[0][2], {}, _decisive(best, terms))


def _tried(
    wanted: Mapping[str, int],
    order: Sequence[str],
    free: Known,
    already: frozenset[str],
    *,
    fewest_first: bool,
) -> Iterator[Taken]:
    """A plan for each set of warehouses that has all; if fewest come first, no larger sets than needed.

    Those that the order comes from already are in each set: by no rule is a plan worse for that.
    """
    others = [warehouse for warehouse in order if warehouse not in already]
    candidates = _shortlist(wanted, others, free)
    needed: int | None = None
    for size in range(0 if already else 1, len(candidates) + 1):
        if fewest_first and needed is not None and size > needed + 1:
            return
        for chosen in combinations(candidates, size):
            there = sorted({*already, *chosen}, key=order.index)
            if taken := _take(wanted, there, free):
                needed = size if needed is None else needed
                yield taken
    if needed is None:
        # what is spread over more warehouses than can be tried: from the best ones first
        taken = _take(wanted, order, free)
        assert taken, "there is enough of all, as was seen before"
        yield taken


def _fewest_first(terms: AllocationTerms) -> bool:
    asked = [
        rule for rule in terms.rules.rules if isinstance(rule, FewestSplits | PreferWarehouses | Nearest)
    ]
    return bool(asked) and isinstance(asked[0], FewestSplits)


def _decisive(best: Sequence[tuple[Score, tuple[str, ...], Taken]], terms: AllocationTerms) -> str:
    if len(best) == 1:
        return ONLY_CHOICE
    kinds = [
        rule.kind for rule in terms.rules.rules if isinstance(rule, FewestSplits | PreferWarehouses | Nearest)
    ]
    ways = zip(kinds, best[0][0], best[1][0], strict=True)
    return next((kind for kind, one, other in ways if one != other), "name")


def plan_available(
    wanted: Mapping[str, int],
    terms: AllocationTerms,
    ship_to_state: str,
    free: Known,
    already: frozenset[str] = frozenset(),
) -> Plan | None:
    """The best plan for whatever is there; None where nothing is."""
    units = unit_scores(terms, ship_to_state)
    there = {
        sku: min(quantity, sum(free.get((sku, warehouse), quantity) for warehouse in units))
        for sku, quantity in wanted.items()
    }
    some = {sku: quantity for sku, quantity in there.items() if quantity}
    plan = plan_all(some, terms, ship_to_state, free, already) if some else None
    if plan is None:
        return None
    short = {sku: quantity - there[sku] for sku, quantity in wanted.items() if quantity > there[sku]}
    return Plan(plan.taken, short, plan.rule)


def plan_backorder(
    wanted: Mapping[str, int], terms: AllocationTerms, ship_to_state: str, free: Known, room: Known
) -> Plan | None:
    """What is there from where it is; each SKU's rest waits in the first warehouse by the rules that has the
    `room`. None where none has.

    What is taken there waits with it: in one warehouse an order has all that it wants of a SKU, or waits.
    """
    units = unit_scores(terms, ship_to_state)
    order = sorted(units, key=lambda warehouse: (units[warehouse], warehouse))
    there = plan_available(wanted, terms, ship_to_state, free) or Plan({}, dict(wanted), ONLY_CHOICE)
    taken = dict(there.taken)
    for sku, quantity in there.short.items():
        asked = {warehouse: taken.get((sku, warehouse), 0) + quantity for warehouse in order}
        first = next((w for w, units_ in asked.items() if units_ <= room.get((sku, w), units_)), None)
        if first is None:
            return None
        taken[sku, first] = asked[first]
    return Plan(taken, {}, there.rule)

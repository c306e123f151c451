"""Which carrier gets a parcel? By a merchant's rule over cost, speed and what we saw of each service.

A choice is a pure function of quotes, rule and records; its reason is kept with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from domain.carrier.rates import Name
from domain.kernel import Value
from domain.money import Cents, Currency

Preference: TypeAlias = Literal["cost", "speed", "reliability", "balanced"]
NAMED_MAX = 5
PRIOR_ON_TIME, PRIOR_PARCELS = 9, 10
"""Nobody seen yet counts as nine of ten on time, so that one late parcel condemns no service."""


class ChoiceRule(Value):
    """What counts most; the others break a tie. `balanced`: the least of price + days x `day_cents` + share
    of late parcels x `late_cents`. A service beyond a limit is taken only where none keeps to it.
    """

    prefer: Preference = "cost"
    day_cents: Cents = 0
    late_cents: Cents = 0
    days_max: Annotated[int, Field(ge=0, le=365)] | None = None
    on_time_min_permille: Annotated[int, Field(ge=0, le=1000)] = 0


class Option(Value):
    """A service that would take the parcel: its price, its promise, and what we saw of it.

    `on_time_permille` is an estimate from `seen` parcels of ours. `fulfils` is the way of shipping that was
    paid for, where the merchant named this service for it.
    """

    carrier: Name
    service: Name
    card_version: int
    zone: Name
    billed_g: int
    cents: int
    currency: Currency
    days: int
    on_time_permille: int
    seen: int
    fulfils: Annotated[str, Field(max_length=200)] = ""

    @property
    def name(self) -> str:
        return f"{self.carrier} {self.service}"


Record: TypeAlias = tuple[int, int]
"""Of one service: parcels that came on time, and all whose end we saw."""


def on_time_permille(record: Record) -> int:
    on_time, seen = record
    return 1000 * (on_time + PRIOR_ON_TIME) // (seen + PRIOR_PARCELS)


def _keys(rule: ChoiceRule, option: Option) -> tuple[int | str, ...]:
    late = 1000 - option.on_time_permille
    cost, speed, reliability = option.cents, option.days, late
    balanced = 1000 * (cost + speed * rule.day_cents) + late * rule.late_cents
    first = {"cost": cost, "speed": speed, "reliability": reliability, "balanced": balanced}[rule.prefer]
    return (first, cost, speed, reliability, option.carrier, option.service)


def within(rule: ChoiceRule, option: Option) -> bool:
    in_days = rule.days_max is None or option.days <= rule.days_max
    return in_days and option.on_time_permille >= rule.on_time_min_permille


def fulfilling(method: str, services: Set[tuple[str, str]], options: Iterable[Option]) -> tuple[Option, ...]:
    """The options; marked are those of the `services` (carrier, service) named for this way of shipping."""
    return tuple(
        each.model_copy(update={"fulfils": method}) if (each.carrier, each.service) in services else each
        for each in options
    )


def ranked(rule: ChoiceRule, options: Sequence[Option], currency: str = "") -> tuple[Option, ...]:
    """The best first: those that fulfil what was paid for before the others. Of each, currencies apart, as
    their amounts can't be compared: those in the order's `currency` first, then those of the currency that
    most are in. So among those that fulfil, as among the others, another currency is chosen only where
    nobody asks for the order's, or all who do have failed. Those beyond a limit of the rule come last.
    """
    offers = Counter(each.currency for each in options)

    def place(each: Option) -> tuple[bool, bool, int, str]:
        return (not each.fulfils, each.currency != currency, -offers[each.currency], each.currency)

    return tuple(sorted(options, key=lambda each: (place(each), not within(rule, each), *_keys(rule, each))))


def reason(rule: ChoiceRule, options: Sequence[Option], currency: str = "", wanted: str = "") -> str:
    """Why the first of the ranked options, in words for the person who asks. `wanted`: the way of shipping
    that was paid for, where services are named for it.
    """
    best = options[0]
    count = sum((each.fulfils, each.currency) == (best.fulfils, best.currency) for each in options)
    among = f"{count} that fulfil {best.fulfils}" if best.fulfils else f"{count}"
    words = {
        "cost": f"the cheapest of {among}",
        "speed": f"the fastest of {among}",
        "reliability": f"the most reliable of {among}",
        "balanced": f"the best of {among} by price, days and late parcels together",
    }[rule.prefer]
    seen = f"{best.on_time_permille / 10:.1f} % on time, of {best.seen} seen"
    told = f"{best.name} is {words}: {best.cents} cents {best.currency}, {best.days} days, {seen}"
    told = told if within(rule, best) else f"{told}; none keeps to the limits of the rule"
    if wanted and not best.fulfils:
        told = f"{told}; no service that fulfils {wanted} takes the parcel"
    return "; ".join((told, *_of_other_currencies(options, currency)))


def _of_other_currencies(options: Sequence[Option], currency: str) -> Iterator[str]:
    best = options[0]
    if currency and best.currency != currency:
        all_are = all(each.currency != currency for each in options)
        who = "nobody" if all_are else f"nobody who fulfils {best.fulfils}"
        yield f"{who} asks in {currency}, the order's currency"
    others = [each for each in options if each.currency != best.currency]
    if others:
        names = ", ".join(f"{each.name} ({each.currency})" for each in others[:NAMED_MAX])
        more = f" and {len(others) - NAMED_MAX} more" if len(others) > NAMED_MAX else ""
        yield f"not compared, as in another currency: {names}{more}"


def estimates(records: Mapping[tuple[str, str], Record], carrier: str, service: str) -> tuple[int, int]:
    """On time, permille, and how many were seen."""
    record = records.get((carrier, service), (0, 0))
    return on_time_permille(record), record[1]

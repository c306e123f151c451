"""Every history ends well, whatever goes wrong in it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter

import pytest

from domain.contexts import CONTEXTS, module_of
from services.simulation.command import Asked, Summary, _summaries
from services.simulation.draw import plan_of
from services.simulation.faults import Faults
from services.simulation.plan import Plan
from services.simulation.run import simulate
from services.simulation.shorten import shortened
from tests.simulation.mutants import MUTANTS

HISTORIES = int(os.environ.get("TILLROLL_SIMULATIONS", "50"))
ORDERS = 80
JOBS = 2


def test_histories_end_well() -> None:
    """As many seeds as TILLROLL_SIMULATIONS says, under all faults."""
    found = list(_summaries(Asked(ORDERS, "all"), range(1, HISTORIES + 1), JOBS))
    failed = [(each.seed, each.violations[:5]) for each in found if each.violations]
    assert failed == [], "see `tillroll simulate --seed SEED`"
    _check_worth(found)


def _check_worth(found: list[Summary]) -> None:
    """There was trade, and there was trouble: a simulation of nothing proves nothing."""
    assert all(each.events > 5 * ORDERS for each in found)
    assert all(each.deaths > 0 for each in found)


NOT_TRADE = ("user", "api_key", "mail", "parked", "erasure")
"""Contexts that are about people and operation, not about what is bought and sold."""
NEVER = {
    "nobody corrects stock but by counting it": ("StockAdjusted",),
    "seldom does stock lapse, go to another, and then get paid for": (
        "StockAllocationRefused",
        "ReservationRestored",
    ),
    "orders may wait for what is short, or are shipped in part": (
        "AllocationFailed",
        "AllocationChangeFailed",
    ),
    "seldom does an order end that waits for stock": ("BackorderCancelled",),
    "a manifest leaves with all that it lists": ("ShipmentLeftBehind",),
    "an order is cut or cancelled as a whole, and seldom once a parcel of it is on its way": (
        "OrderParcelUnwanted",
    ),
    "an order is paid for as it was placed, or as a change set says": ("OrderPaymentAdded",),
    "seldom is a later capture alone refused": ("OrderPaymentReduced",),
    "the carrier knows its parcels": ("ScanMisdirected",),
    "where a carrier lets its parcels be followed was said before, if at all": ("TrackingLinkSet",),
    "the bank's customer does come": ("CustomerActionExpired",),
    "whoever fills a cart was known before": ("CartAssigned", "CartMerged"),
    "categories have the names that they come with": ("CategoryTranslated",),
    "nobody stores a card": ("PaymentMethodStored", "PaymentMethodRemoved"),
    "merchants were there before, and have the terms that orders bring": (
        "MerchantRegistered",
        "MerchantTermsSet",
        "MerchantTimeZoneSet",
    ),
    "the provider does not contradict itself, and its amounts are ours": (
        "PaymentDiscrepancyOpened",
        "PaymentDiscrepancyResolved",
        "PaymentMismatchOpened",
    ),
}
"""What no history needs to reach, by the reason: the simulation does not play it, or seldom."""


def test_histories_reach_all_that_there_is() -> None:
    """Under all faults, too: orders that all end before they are paid for prove little. While providers are
    away for most of the time, few end well; with few faults, many do."""
    outages, few = (
        _events_of(range(1, 6), "all,outage=0.1"),
        _events_of(range(6, 10), "mild,staff=1"),
    )
    found = outages + few
    known = _of_trade()
    never = {name for names in NEVER.values() for name in names}
    assert never <= known
    assert known - set(found) <= never
    assert outages["OrderCompleted"] > 0.15 * outages["OrderPlaced"]
    assert few["OrderCompleted"] > 0.35 * few["OrderPlaced"]


def _of_trade() -> set[str]:
    modules = (module_of("domain", context) for context in CONTEXTS if context not in NOT_TRADE)
    return {
        kind.__name__ for module in modules if module for each in module.AGGREGATES for kind in each.events
    }


def _events_of(seeds: range, faults: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for seed in seeds:
        outcome = simulate(seed, 100, Faults.parse(faults))
        assert outcome.violations == []
        found.update(event.type for event in outcome.events)
    return found


@pytest.mark.parametrize("faults", ["none", "mild"])
def test_with_few_faults_most_orders_are_completed(faults: str) -> None:
    outcome = simulate(1, 100, Faults.parse(faults))
    assert outcome.violations == []
    completed = sum(event.type == "OrderCompleted" for event in outcome.events)
    assert completed > 20


_DIGEST = """
from services.simulation.faults import Faults
from services.simulation.run import simulate
outcome = simulate(7, 40, Faults.parse("all"))
print(outcome.digest, outcome.schedule, outcome.steps)
"""


def test_one_seed_is_one_history() -> None:
    """In any process, however it hashes its strings."""

    def history(hash_seed: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", _DIGEST]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    assert history("1") == history("4711")
    assert simulate(7, 40, Faults.parse("all")).digest != simulate(8, 40, Faults.parse("all")).digest


def test_a_failing_history_becomes_short() -> None:
    mutant = next(each for each in MUTANTS if each.name == "a cancelled order keeps its stock")
    faults = Faults.parse("none")
    whole = simulate(1, 40, faults, parts=mutant.parts)
    assert not whole.passed

    def fails(plan: Plan) -> bool:
        return not simulate(1, faults=faults, plan=plan, parts=mutant.parts).passed

    short = shortened(whole.plan, fails)
    assert len(short.orders) <= 2
    assert fails(short)


def test_a_plan_is_of_its_seed() -> None:
    from random import Random

    assert plan_of(Random(1), 20) == plan_of(Random(1), 20)
    assert plan_of(Random(1), 20) != plan_of(Random(2), 20)

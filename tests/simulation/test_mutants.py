"""Where the code has a bug, a history does not end well: each of those that are planted is found."""

from __future__ import annotations

import pytest

from services.simulation.faults import Faults
from services.simulation.run import simulate
from tests.planted import in_turns
from tests.simulation.commerce_mutants import COMMERCE_MUTANTS
from tests.simulation.found_by import FOUND_BY
from tests.simulation.fulfilment_mutants import FULFILMENT_MUTANTS
from tests.simulation.mutants import MUTANTS
from tests.simulation.planting import Mutant
from tests.simulation.price_mutants import PRICE_MUTANTS
from tests.simulation.projection_mutants import PROJECTION_MUTANTS
from tests.simulation.rule_mutants import RULE_MUTANTS

SEEDS_OF_A_MUTANT = 100
"""Two bugs were found by none of the first 40 once, and then by 51 and by 58."""
ALL_MUTANTS = (
    *MUTANTS,
    *RULE_MUTANTS,
    *COMMERCE_MUTANTS,
    *FULFILMENT_MUTANTS,
    *PRICE_MUTANTS,
    *PROJECTION_MUTANTS,
)
WHERE_FOUND = tuple(
    dict.fromkeys((FOUND_BY.get(each.name, 1), each.orders, each.faults) for each in ALL_MUTANTS)
)


@pytest.mark.parametrize(("seed", "orders", "faults"), in_turns(WHERE_FOUND))
def test_where_a_planted_bug_is_found_nothing_is_without_it(seed: int, orders: int, faults: str) -> None:
    assert simulate(seed, orders, Faults.parse(faults)).passed


@pytest.mark.parametrize("mutant", in_turns(ALL_MUTANTS), ids=lambda mutant: mutant.name)
def test_a_planted_bug_is_found(mutant: Mutant) -> None:
    """`FOUND_BY` says where to look first. Most are found among few orders, in half the time of many."""
    faults = Faults.parse(mutant.faults)
    for seed in dict.fromkeys((FOUND_BY.get(mutant.name, 1), *range(1, SEEDS_OF_A_MUTANT + 1))):
        with mutant.planted():
            outcome = simulate(seed, mutant.orders, faults, parts=mutant.parts)
        if not outcome.passed:
            print(f"found by {seed}: {mutant.name}")
            return
    pytest.fail(f"{SEEDS_OF_A_MUTANT} histories ended well, though {mutant.name}")


def test_what_found_a_planted_bug_is_told_of_bugs_that_there_are() -> None:
    assert set(FOUND_BY) <= {mutant.name for mutant in ALL_MUTANTS}

"""A failing history as a test: given what is sent, when it is played under this seed, then all is well."""

from __future__ import annotations

from services.simulation.run import Outcome

_FILE = '''"""{title}

What was wrong when this was exported:
{violations}
"""

from services.simulation.faults import Faults
from services.simulation.plan import (
    Plan,
    PlannedCart,
    PlannedDelivery,
    PlannedEdit,
    PlannedGoods,
    PlannedLine,
    PlannedManifest,
    PlannedOrder,
    PlannedRefusal,
    PlannedShopping,
)
from services.simulation.run import simulate


def test_seed_{seed}() -> None:
    given = Plan(
        deliveries=(
{deliveries}
        ),
        orders=(
{orders}
        ),
        goods=(
{goods}
        ),
        manifests=(
{manifests}
        ),
        rules_change_every_s={every_s!r},
    )
    when = Faults.parse("{faults}")
    then = simulate({seed}, faults=when, plan=given)
    assert then.violations == []
'''


def exported(outcome: Outcome, faults: str) -> str:
    """The text of a pytest file that fails as `outcome` did."""
    plan = outcome.plan
    return _FILE.format(
        title=f"Seed {outcome.seed} of the simulation, shortened to {len(plan.orders)} orders.",
        violations="\n".join(f"- {_plain(each)}" for each in outcome.violations),
        seed=outcome.seed,
        faults=faults,
        deliveries="\n".join(f"            {each!r}," for each in plan.deliveries),
        orders="\n".join(f"            {each!r}," for each in plan.orders),
        goods="\n".join(f"            {each!r}," for each in plan.goods),
        every_s=plan.rules_change_every_s,
        manifests="\n".join(f"            {each!r}," for each in plan.manifests),
    )


def _plain(violation: str) -> str:
    """On one line, and nothing that would end the docstring."""
    return " ".join(violation.split()).replace("\\", "/").replace('"', "'")[:300]

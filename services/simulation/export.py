"""A failing history as a test: given what is sent, when it is played under this seed, then all is well."""

from __future__ import annotations

import re

from services.simulation.plan import Plan
from services.simulation.run import Outcome

_FILE = '''"""{title}

What was wrong when this was exported:
{violations}
"""

from services.simulation.faults import Faults
from services.simulation.plan import (
{names}
)
from services.simulation.run import simulate


def test_seed_{seed}() -> None:
    given = Plan(
{fields}
    )
    when = Faults.parse("{faults}")
    then = simulate({seed}, faults=when, plan=given)
    assert then.violations == []
'''


def exported(outcome: Outcome, faults: str) -> str:
    """The text of a pytest file that fails as `outcome` did."""
    plan = outcome.plan
    fields = "\n".join(_field(name, getattr(plan, name)) for name in Plan.model_fields)
    names = {Plan.__name__, *re.findall(r"\bPlanned\w+(?=\()", fields)}
    return _FILE.format(
        title=f"Seed {outcome.seed} of the simulation, shortened to {len(plan.orders)} orders.",
        violations="\n".join(f"- {_plain(each)}" for each in outcome.violations),
        names="\n".join(f"    {name}," for name in sorted(names)),
        seed=outcome.seed,
        faults=faults,
        fields=fields,
    )


def _field(name: str, value: object) -> str:
    if not isinstance(value, tuple):
        return f"        {name}={value!r},"
    lines = "".join(f"            {each!r},\n" for each in value)
    return f"        {name}=(\n{lines}        ),"


def _plain(violation: str) -> str:
    """On one line, and nothing that would end the docstring."""
    return " ".join(violation.split()).replace("\\", "/").replace('"', "'")[:300]

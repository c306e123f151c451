"""How is a log tried by the machine, and how is the machine tried by a log that is wrong?"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.contract.log_machine import LogMachine

EXAMPLES = os.environ.get("TILLROLL_MODEL_EXAMPLES", "")
"""How many histories to try; if it is not said, few, and the same ones in each run."""

Machines = Callable[[], LogMachine]


def stands(machine: Machines, examples: int, steps: int, phases: Sequence[Phase] = tuple(Phase)) -> None:
    """Try it: as many `examples` as the environment says, or these."""
    how = settings(stateful_step_count=steps, phases=phases, deadline=None, report_multiple_bugs=False)
    if EXAMPLES:
        how = settings(how, max_examples=int(EXAMPLES))
    else:
        how = settings(how, max_examples=examples, derandomize=True)
    run_state_machine_as_test(machine, settings=how)  # type: ignore[arg-type]


def is_found(machine: Machines, examples: int, steps: int) -> None:
    """The machine must find that this log is wrong, and tell the history of it."""
    few = settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, derandomize=True,
        phases=[Phase.generate], report_multiple_bugs=False,
    )  # fmt: skip
    tried: list[LogMachine] = []

    def kept() -> LogMachine:
        tried.append(machine())
        return tried[-1]

    # What is raised in the end may be that it did not fail again: processes never take quite the same turns.
    with pytest.raises(Exception):  # noqa: B017, PT011
        run_state_machine_as_test(kept, settings=few)  # type: ignore[arg-type]
    failure = next(each.failure for each in tried if each.failure)
    assert isinstance(failure, AssertionError), failure
    assert failure.__notes__[0].startswith("the history:")

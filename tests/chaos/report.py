"""What is told of a run: one line a fault and target, with how long it took to come back, and the verdict."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.chaos.faults import KINDS
from tests.chaos.recovery import Recovery
from tests.chaos.round import Round

TABLE_WIDTH = 120


def show(console: Console, rounds: Sequence[Round]) -> None:
    table = Table(title="Faults, and seconds from the end of each until …", title_justify="left")
    table.add_column("fault", no_wrap=True)
    table.add_column("target", no_wrap=True)
    for name in ("times", "answers\nmedian", "answers\nmax", "caught up\nmedian", "caught up\nmax"):
        table.add_column(name, justify="right")
    table.add_column("verdict")
    for (kind, target), (recoveries, clean) in sorted(_by_fault(rounds).items()):
        answers = [each.answers for each in recoveries]
        caught_up = [each.caught_up for each in recoveries]
        figures = [
            f"{figure(each):.2f}" for each in (answers, caught_up) for figure in (statistics.median, max)
        ]
        sign = "[green]✓[/]" if clean else "[red]✗[/]"
        table.add_row(KINDS[kind].what, target, str(len(recoveries)), *figures, sign)
    console.print(table)
    for number, each in enumerate(rounds, 1):
        for problem in each.problems:
            console.print(f"[red]✗[/] round {number}: {problem}", markup=True, soft_wrap=True)


def _by_fault(rounds: Sequence[Round]) -> dict[tuple[str, str], tuple[list[Recovery], bool]]:
    """Recoveries by fault and target, and whether all rounds in which it was inflicted ended clean."""
    found: dict[tuple[str, str], list[tuple[Recovery, bool]]] = defaultdict(list)
    for each in rounds:
        for fault, recovery in each.done:
            found[fault.kind, fault.target].append((recovery, not each.problems))
    return {
        key: ([recovery for recovery, _ in many], all(clean for _, clean in many))
        for key, many in found.items()
    }


def as_members(rounds: Sequence[Round]) -> dict[str, Any]:
    """For `--report`."""
    return {
        "clean": all(not each.problems for each in rounds),
        "rounds": [
            {
                "faults": [asdict(fault) | asdict(recovery) for fault, recovery in each.done],
                "problems": each.problems,
            }
            for each in rounds
        ],
    }

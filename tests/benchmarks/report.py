"""What did the benchmarks find? Tables and goals on the terminal, everything in `build/bench.json`."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure should be at least (or, `at_most`, at most)."""

    name: str
    found: float
    wanted: float
    at_most: bool = False

    @property
    def met(self) -> bool:
        return self.found <= self.wanted if self.at_most else self.found >= self.wanted


@dataclass(slots=True)
class Report:
    """Suites add figures, tables and goals; `print` and `write` show them."""

    directory: Path
    """A scratch folder for servers' data, gone after the run."""
    console: Console = field(default_factory=Console)
    figures: dict[str, Any] = field(default_factory=dict)
    goals: list[Goal] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Progress, for who watches."""
        self.console.print(text, style="dim", highlight=False)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table: the first column names the row, the others are figures."""
        table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE)
        for at, column in enumerate(columns):
            table.add_column(column, justify="right" if at else "left")
        for row in rows:
            table.add_row(*row)
        self.console.print(table)

    def goal(self, name: str, found: float, wanted: float, *, at_most: bool = False) -> None:
        """Hold a figure against what it should be."""
        self.goals.append(Goal(name, found, wanted, at_most))

    def print_goals(self) -> None:
        rows = [
            (each.name, f"{each.found:,.2f}", f"{'<=' if each.at_most else '>='} {each.wanted:,.2f}",
             "met" if each.met else "MISSED")
            for each in self.goals
        ]  # fmt: skip
        self.table("Goals", ("goal", "found", "wanted", ""), rows)

    def write(self, path: Path) -> None:
        """The figures, goals and machine as JSON."""
        machine = {
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "system": platform.platform(),
        }
        goals = [
            {"name": each.name, "found": each.found, "wanted": each.wanted, "met": each.met}
            for each in self.goals
        ]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            json.dumps({"machine": machine, "figures": self.figures, "goals": goals}, indent=2) + "\n"
        )

"""What did the benchmarks find? Tables and goals on the terminal, everything in `build/bench.json`."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

TELL_SECONDS, WIDTH = 2.0, 130


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says; what it does not say is each suite's own to choose."""

    rounds: int | None = None
    seconds: float | None = None
    events: int | None = None
    growth: int | None = None


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
    """Suites add figures, tables and goals; `print_all` and `write` show them."""

    directory: Path
    """A scratch folder for servers' data, gone after the run."""
    options: Options = field(default_factory=Options)
    console: Console = field(default_factory=lambda: Console(width=None if sys.stdout.isatty() else WIDTH))
    suite: str = ""
    figures: dict[str, Any] = field(default_factory=dict)
    goals: dict[str, list[Goal]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    _tables: list[Table | str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Progress, for who watches."""
        self.console.print(text, style="dim", highlight=False, markup=False)

    def progress(self, what: str, total: int) -> Progress:
        return Progress(self, what, total)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """For the end: the first column names the row, the others are figures."""
        table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE)
        for at, column in enumerate(columns):
            table.add_column(column, justify="right" if at else "left")
        for row in rows:
            table.add_row(*row)
        self._tables.append(table)

    def note(self, text: str) -> None:
        """For the end, below the last table: what its figures don't say."""
        self._tables.append(text)

    def goal(self, name: str, found: float, wanted: float, *, at_most: bool = False) -> None:
        """Hold a figure against what it should be."""
        self.goals.setdefault(self.suite, []).append(Goal(name, found, wanted, at_most))

    def print_all(self) -> None:
        for each in self._tables:
            self.console.print(each, highlight=False)
        rows = [
            (each.name, f"{each.found:,.2f}", f"{'<=' if each.at_most else '>='} {each.wanted:,.2f}",
             "met" if each.met else "MISSED")
            for goals in self.goals.values() for each in goals
        ]  # fmt: skip
        rows += [(suite, "-", "-", f"FAILED: {why}") for suite, why in self.failed.items()]
        self._tables.clear()
        self.table("Goals", ("goal", "found", "wanted", ""), rows)
        self.console.print(self._tables.pop())

    def write(self, path: Path) -> None:
        """The figures, goals and machine as JSON, beside what other suites found before."""
        known = json.loads(path.read_text()) if path.exists() else {}
        goals = {
            suite: [
                {"name": each.name, "found": each.found, "wanted": each.wanted, "met": each.met}
                for each in goals
            ]
            for suite, goals in self.goals.items()
        }
        stamped = {
            suite: {"measured_at": datetime.now(UTC).isoformat(timespec="seconds"), **figures}
            for suite, figures in self.figures.items()
        }
        document = {
            "machine": machine(),
            "figures": {**known.get("figures", {}), **stamped},
            "goals": {**_by_suite(known.get("goals")), **goals},
            "failed": self.failed,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=2) + "\n")


def _by_suite(goals: Any) -> dict[str, Any]:
    return goals if isinstance(goals, dict) else {}


def machine() -> dict[str, Any]:
    return {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}


class Progress:
    """How far something is, how fast it goes and when it will be done: a line every few seconds."""

    def __init__(self, report: Report, what: str, total: int) -> None:
        self._report = report
        self._what = what
        self._total = total
        self._done = 0
        self._started = self._told = time.monotonic()

    def advance(self, count: int = 1) -> None:
        self.at(self._done + count)

    def at(self, done: int) -> None:
        self._done = done
        now = time.monotonic()
        if now - self._told < TELL_SECONDS and done < self._total:
            return
        self._told = now
        rate = done / max(1e-9, now - self._started)
        left = max(0, self._total - done) / rate if rate else 0.0
        self._report.say(
            f"{self._what}: {done:,} of {self._total:,}, {rate:,.1f} a second, {left:,.0f} s left"
        )

"""How did a play end? For a person: what needs a look, and the sums; for a script, all of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import orjson
from rich.table import Table

from services.console import results
from services.play.driver import Report
from services.play.oracles import Answer
from services.play.plan import PlannedRows


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a play ended: what was played, how fast, and each oracle with its answer."""

    report: Report
    rows: PlannedRows
    seconds: float
    answers: list[Answer]

    @property
    def orders_per_second(self) -> float:
        """None of a play that found everything done: it was looked through, not played."""
        return self.report.checkouts / self.seconds if self.seconds and self.report.done else 0.0

    @property
    def good(self) -> bool:
        return not self.report.refused and all(answer.good for answer in self.answers)


def show(outcome: Outcome, *, every: bool = False) -> None:
    """The oracles that need a look, or `every` one, then what was played and what was not."""
    _show_oracles(outcome.answers, every=every)
    for file, count in outcome.rows.played.items():
        results.print(f"{file}: {count:,} rows played")
    unplayed = Counter((each.file, each.reason) for each in outcome.rows.unplayed)
    for (file, reason), count in unplayed.items():
        results.print(f"{file}: {count:,} {'row' if count == 1 else 'rows'} not played: {reason}")
    if unplayed:
        results.print("each of these by its line: `tillroll play … --json`")
    for checkout, what, why in outcome.report.refused[:20]:
        results.print(f"[red]refused[/] {checkout} {what}: {why}")
    results.print(_sum(outcome), soft_wrap=True)


def _show_oracles(answers: list[Answer], *, every: bool) -> None:
    shown = [each for each in answers if not each.reason and (every or not each.good)]
    if shown:
        table = Table("", title="Oracles", title_justify="left")
        table.add_column("oracle", no_wrap=True)
        table.add_column("expected", overflow="fold")
        table.add_column("found", overflow="fold")
        for each in shown:
            table.add_row(_sign(each), each.name, _short(each.expected), _found(each, every=every))
        results.print(table)
    for each in answers:
        if each.reason:
            results.print(f"· {each.name} can't be asked: {each.reason}", soft_wrap=True)
    for group, of_group in _by_group(answers).items():
        results.print(f"{group}: {tally(of_group)}")
    if not every:
        results.print("every oracle with what was found, and by which query: `--all`")


def _by_group(answers: Iterable[Answer]) -> dict[str, list[Answer]]:
    groups: dict[str, list[Answer]] = {}
    for answer in answers:
        groups.setdefault(answer.name.partition(".")[0], []).append(answer)
    return groups


def tally(answers: list[Answer]) -> str:
    """`12 of 13 oracles match, 1 can't be asked`."""
    asked = [answer for answer in answers if not answer.reason]
    unasked = f", {len(answers) - len(asked)} can't be asked" if len(asked) < len(answers) else ""
    return f"{sum(answer.good for answer in asked)} of {len(asked)} oracles match{unasked}"


def _sum(outcome: Outcome) -> str:
    report = outcome.report
    what = f"{report.checkouts:,} checkouts, {report.orders:,} merchant orders"
    if not report.done:
        return f"{what}: all of it had been played before, and is as it was; {tally(outcome.answers)}"
    rate = f"{outcome.orders_per_second:.1f} checkouts a second"
    return f"{what} in {outcome.seconds:.1f} s: {rate}; {tally(outcome.answers)}"


def _sign(answer: Answer) -> str:
    return "[green]✓[/]" if answer.good else "[red]✗[/]"


def _found(answer: Answer, *, every: bool) -> str:
    found = _short(answer.found) if answer.query else "nobody knows this oracle"
    return f"{found}\n[dim]{answer.query}[/]" if every and answer.query else found


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
    return text if len(text) <= 60 else text[:57] + "…"


def as_members(outcome: Outcome) -> dict[str, Any]:
    """For `--json`."""
    return {
        "checkouts": outcome.report.checkouts,
        "merchant_orders": outcome.report.orders,
        "seconds": outcome.seconds,
        "checkouts_per_second": outcome.orders_per_second,
        "refused": outcome.report.refused,
        "played": outcome.rows.played,
        "unplayed": [asdict(each) for each in outcome.rows.unplayed],
        "oracles": [{**asdict(each), "good": each.good} for each in outcome.answers],
    }

"""`tillroll play`: reads or makes up trade, plays it through the running system, and compares the books."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from rich.table import Table

from eventstore.checkpoints import Pool
from eventstore.postgres import make_pool
from eventstore.queries import load_queries
from eventstore.roles import ALL_MERCHANTS
from services.console import console, progressing
from services.context import ProcessContext, open_context
from services.play.catalogue import TRIAL
from services.play.driver import Driver, Report, keep_trying
from services.play.facts import compute_facts
from services.play.oracles import Answer, ask_oracles
from services.play.plan import PlannedRows, account_for, plan_catalogue, plan_checkouts
from services.play.reader import read_olist
from services.play.rows import OlistRows
from services.play.synthetic import synthetic_rows
from services.play.worlds import Worlds
from services.settings import Settings

OPENED_BEFORE = timedelta(days=1)
_QUERIES = load_queries("services.play", "play.sql")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a play ended: what was played, how fast, and each oracle with its answer."""

    report: Report
    rows: PlannedRows
    seconds: float
    answers: list[Answer]

    @property
    def orders_per_second(self) -> float:
        return self.report.checkouts / self.seconds if self.seconds else 0.0

    @property
    def good(self) -> bool:
        return not self.report.refused and all(answer.good for answer in self.answers)


class OtherTrade(Exception):
    """The oracles ask of the whole log, so other trade in it would make them say no."""

    expected = True

    def __init__(self, data_dir: Path, merchants: frozenset[str]) -> None:
        super().__init__(
            f"the log in {data_dir} holds other trade: its oracles could not be told apart;"
            " use another TILLROLL_DATA_DIR or remove it"
            " (with a TILLROLL_DATABASE_URL of your own: another database)"
        )
        self.only_tried = merchants == {TRIAL}
        """Whether it is that of who tried the API of a demo, and no more."""


async def play_olist(settings: Settings, directory: Path, oracles: Path | None, *, as_json: bool) -> int:
    rows = await asyncio.to_thread(read_olist, directory)
    expected = await asyncio.to_thread(_expected, rows, oracles)
    return await _play(settings, rows, expected, as_json=as_json)


def _expected(rows: OlistRows, oracles: Path | None) -> dict[str, Any]:
    """The facts that were computed elsewhere, and those of our own that they do not hold."""
    facts: dict[str, Any] = compute_facts(rows)
    return facts | orjson.loads(oracles.read_bytes()) if oracles else facts


async def play_synthetic(settings: Settings, orders: int, seed: int, *, as_json: bool) -> int:
    rows = synthetic_rows(orders, seed)
    return await _play(settings, rows, compute_facts(rows), as_json=as_json)


async def _play(settings: Settings, rows: OlistRows, expected: dict[str, Any], *, as_json: bool) -> int:
    async with open_context(settings, "play", follow=False) as context:
        outcome = await play_rows(context, rows, expected)
    if as_json:
        sys.stdout.write(orjson.dumps(_as_json(outcome), option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        show(outcome)
    return 0 if outcome.good else 1


async def play_rows(context: ProcessContext, rows: OlistRows, expected: dict[str, Any]) -> Outcome:
    """Set up, play, wait until every read model has caught up, and ask the oracles.

    Raises OtherTrade before anything is written.
    """
    await refuse_other_trade(context.pool, context.settings.data_dir, rows)
    async with aiohttp.ClientSession() as http:
        driver = Driver(context, Worlds(context.settings, http))
        with progressing() as progress:
            opened_at = min(row.purchased_at for row in rows.orders) - OPENED_BEFORE
            for stage in plan_catalogue(rows).stages():
                task = progress.add_task(stage.name, total=stage.total)
                await driver.set_up(stage, opened_at, lambda n, t=task: progress.advance(t, n))  # type: ignore[misc]
            task = progress.add_task("orders", total=len(rows.orders))
            started = time.perf_counter()
            plans = plan_checkouts(rows, context.keyring.subject)
            report = await driver.play(plans, lambda n: progress.advance(task, n))
            await caught_up(context)
            seconds = time.perf_counter() - started
    async with make_pool(context.settings.url("audit"), max_size=1, options=ALL_MERCHANTS) as auditing:
        answers = await keep_trying(lambda: ask_oracles(auditing, expected))
    return Outcome(report, account_for(rows), seconds, answers)


async def refuse_other_trade(pool: Pool, data_dir: Path, rows: OlistRows) -> None:
    """Raises OtherTrade if the log holds a checkout that is not of this play; the same play may go on."""
    arguments = {"checkouts": [row.order_id for row in rows.orders]}

    async def other() -> frozenset[str]:
        async with pool.connection() as connection:
            cursor = await connection.execute(_QUERIES.other_checkouts.sql.encode(), arguments)
            return frozenset(merchant for (merchant,) in await cursor.fetchall())

    if merchants := await keep_trying(other):
        raise OtherTrade(data_dir, merchants)


async def caught_up(context: ProcessContext) -> None:
    """Wait until every read model shows the head of the log."""

    async def built() -> int:
        async with context.pool.connection() as connection:
            row = await (await connection.execute(_QUERIES.projections_at.sql.encode())).fetchone()
        return row[0] if row else -1

    head = await keep_trying(context.log.head)
    while await keep_trying(built) < head:  # noqa: ASYNC110 - it is built by another process
        await asyncio.sleep(0.05)


def show(outcome: Outcome) -> None:
    """The table of oracles, then what was played and what was not."""
    table = Table(title="Oracles", title_justify="left", show_lines=False)
    for column in ("", "oracle", "expected", "found", "found by"):
        table.add_column(column, overflow="fold")
    for answer in outcome.answers:
        sign = "[green]✓[/]" if answer.good and not answer.reason else "·" if answer.reason else "[red]✗[/]"
        table.add_row(
            sign, answer.name, _short(answer.expected), _short(answer.found), answer.reason or answer.query
        )
    console.print(table)
    asked = [answer for answer in outcome.answers if not answer.reason]
    matching = sum(answer.good for answer in asked)
    for file, count in outcome.rows.played.items():
        console.print(f"{file}: {count:,} rows played")
    unplayed = Counter((each.file, each.reason) for each in outcome.rows.unplayed)
    for (file, reason), count in unplayed.items():
        console.print(f"{file}: {count:,} {'row' if count == 1 else 'rows'} not played: {reason}")
    if unplayed:
        console.print("each of these by its line: `tillroll play … --json`")
    for checkout, what, why in outcome.report.refused[:20]:
        console.print(f"[red]refused[/] {checkout} {what}: {why}")
    console.print(
        f"{outcome.report.checkouts:,} checkouts, {outcome.report.orders:,} merchant orders in"
        f" {outcome.seconds:.1f} s: {outcome.orders_per_second:.1f} checkouts a second;"
        f" {matching} of {len(asked)} oracles match, {len(outcome.answers) - len(asked)} can't be asked"
    )


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
    return text if len(text) <= 60 else text[:57] + "…"


def _as_json(outcome: Outcome) -> dict[str, Any]:
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

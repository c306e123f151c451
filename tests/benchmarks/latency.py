"""How long does a commit take to show in every read model, at a tenth, half and nine tenths of the full
load?

On the system as an operator runs it. The full load is what a play of made-up orders reaches at once; then
orders come at an even pace of so much of it, in interleaved rounds, and each event's delay is taken: from
the notice of its commit to the notice of the slowest read model.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from statistics import median

import aiohttp
import orjson
import psycopg

from services.context import ProcessContext, open_context
from services.play.driver import Driver
from services.play.synthetic import synthetic_rows
from services.play.worlds import Worlds
from services.settings import Settings
from services.up import running
from tests.benchmarks.flow import play, play_orders, set_up
from tests.benchmarks.report import Report

FULL_ORDERS = 2_000
LOADS = (0.1, 0.5, 0.9)
ROUNDS, SECONDS = 5, 10.0
ORDERS_MIN = 50
GOAL_P99_MS, GOAL_LOAD = 10, 0.5

Figures = dict[float, list[dict[str, float]]]


async def run(report: Report) -> None:
    rounds, seconds = report.options.rounds or ROUNDS, report.options.seconds or SECONDS
    figures: Figures = defaultdict(list)
    settings = Settings(data_dir=report.directory / "latency", api_port=0)
    async with (
        running(settings) as system,
        open_context(await system.start(), "bench", follow=False) as context,
    ):
        orders = report.options.events or FULL_ORDERS
        progress = report.progress("latency: finding the full load", orders)
        full = orders / await play(context, synthetic_rows(orders, 1), progress.advance)
        report.say(
            f"{full:.0f} checkouts a second; now at {', '.join(f'{load:.0%}' for load in LOADS)} of it"
        )
        progress = report.progress("latency: rounds", rounds * len(LOADS))
        for number in range(rounds):
            for at, load in enumerate(LOADS):
                delays = await at_load(context, full * load, seconds, seed=2 + number * len(LOADS) + at)
                figures[load].append(delays.figures())
                progress.advance()
    _tell(report, full, figures)
    report.figures["latency"] = {
        "full_checkouts_per_second": full,
        "rounds": {f"{load:.0%}": each for load, each in figures.items()},
    }


def _tell(report: Report, full: float, figures: Figures) -> None:
    names = ("visible_p50_ms", "visible_p99_ms", "visible_from_stamp_p99_ms")
    rows = []
    for load, rounds in figures.items():
        found = {name: median(each[name] for each in rounds) for name in names}
        worst = [each["visible_p99_ms"] for each in rounds]
        told = (f"{found[name]:.1f}" for name in names)
        rows.append((f"{load:.0%}", f"{full * load:.1f}", *told, f"{min(worst):.1f} to {max(worst):.1f}"))
        if load == GOAL_LOAD:
            goal = f"commit to visible at {load:.0%} load, p99 ms"
            report.goal(goal, found["visible_p99_ms"], GOAL_P99_MS, at_most=True)
    report.table(
        "Commit to visible in all read models, ms",
        (
            "load",
            "checkouts a second",
            "p50",
            "p99",
            "p99 from the stamp before the append",
            "p99, best to worst round",
        ),
        rows,
    )


@dataclass(frozen=True, slots=True)
class Delays:
    """For each event, milliseconds until the slowest read model showed it."""

    from_stamp: list[float]
    """Since the appender stamped it, before it sent the append."""
    from_commit: list[float]
    """Since the database told of the commit."""

    def figures(self) -> dict[str, float]:
        stamped = statistics.quantiles(self.from_stamp, n=100)
        visible = statistics.quantiles(self.from_commit, n=100)
        return {
            "visible_p50_ms": visible[49],
            "visible_p99_ms": visible[98],
            "visible_from_stamp_p50_ms": stamped[49],
            "visible_from_stamp_p99_ms": stamped[98],
        }


async def at_load(context: ProcessContext, per_second: float, seconds: float, seed: int) -> Delays:
    rows = synthetic_rows(max(ORDERS_MIN, int(per_second * seconds)), seed)
    async with aiohttp.ClientSession() as http:
        driver = Driver(context, Worlds(context.settings, http), per_second=per_second)
        await set_up(context, driver, rows)
        before = await context.log.head()
        notices = Notices()
        listening = asyncio.create_task(notices.listen(context.database_url))
        await play_orders(context, driver, rows)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    async with context.pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT position, extract(epoch FROM recorded_at)::float8 FROM events WHERE position > %s"
            " ORDER BY position",
            (before,),
        )
        stamps = await cursor.fetchall()
    delays = Delays([], [])
    for position, stamped_at in stamps:
        shown_at = time_of(notices.shown, position)
        if shown_at:
            delays.from_stamp.append(1000 * (shown_at - stamped_at))
            delays.from_commit.append(1000 * (shown_at - (time_of(notices.committed, position) or shown_at)))
    return delays


def time_of(notices: list[tuple[int, float]], position: int) -> float | None:
    """When it was told that the log, or the read models, are at `position` or past it."""
    index = bisect_left(notices, position, key=lambda notice: notice[0])
    return notices[index][1] if index < len(notices) else None


@dataclass(slots=True)
class Notices:
    """Which position was told when, on one connection: committed by the log, shown by all read models."""

    committed: list[tuple[int, float]] = field(default_factory=list)
    shown: list[tuple[int, float]] = field(default_factory=list)

    async def listen(self, database_url: str) -> None:
        places: dict[str, int] = {}
        async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
            await connection.execute("LISTEN tillroll_events")
            await connection.execute("LISTEN tillroll_projections")
            async for notice in connection.notifies():
                if notice.channel == "tillroll_events":
                    self.committed.append((int(notice.payload), time.time()))
                    continue
                places |= orjson.loads(notice.payload)
                position = min(places.values())
                if not self.shown or position > self.shown[-1][0]:
                    self.shown.append((position, time.time()))

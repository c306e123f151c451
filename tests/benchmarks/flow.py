"""The whole flow: from a placed order to every read model caught up, on the system as an operator runs it.

Orders a second over a whole play (Olist where TILLROLL_OLIST_DIR is set, else made up), the memory of all our
processes meanwhile, and, at half of the load that is wanted and half of the load that was found, how long a
commit takes to show in the read models.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from bisect import bisect_left
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import aiohttp
import orjson
import psutil
import psycopg

from services.context import ProcessContext, open_context
from services.play.command import caught_up
from services.play.driver import Driver
from services.play.plan import plan_catalogue, plan_checkouts
from services.play.reader import read_olist
from services.play.rows import OlistRows
from services.play.synthetic import synthetic_rows
from services.play.worlds import Worlds
from services.settings import Settings
from services.supervisor import Supervisor
from services.up import running
from tests.benchmarks.report import Report

MADE_UP_ORDERS = 4_000
LOAD_SECONDS = 20
SERVERS = ("postgres", "nats")
GOAL_ORDERS_PER_SECOND, GOAL_VISIBLE_MS, GOAL_PSS_MIB = 100, 50, 1024


async def run(report: Report) -> None:
    directory = os.environ.get("TILLROLL_OLIST_DIR")
    rows = read_olist(Path(directory)) if directory else synthetic_rows(MADE_UP_ORDERS, 1)
    name = "Olist" if directory else "made-up orders"
    settings = Settings(data_dir=report.directory / "flow", api_port=0)
    async with (
        running(settings) as (chosen, supervisor),
        open_context(chosen, "bench", follow=False) as context,
    ):
        report.say(f"playing {len(rows.orders):,} checkouts ({name})")
        async with watching_memory(supervisor) as memory:
            seconds = await play(context, rows)
        rate = len(rows.orders) / seconds
        report.say(f"{rate:.0f} checkouts a second; now at half of what is wanted, then at half of that")
        at_goal = await at_load(context, GOAL_ORDERS_PER_SECOND / 2, seed=2)
        at_half = await at_load(context, rate / 2, seed=3)
    report.table(
        f"Whole flow ({name})",
        ("figure", "found"),
        [
            ("checkouts", f"{len(rows.orders):,}"),
            ("checkouts a second, command to all read models caught up", f"{rate:.1f}"),
            *at_goal.rows(f"at {GOAL_ORDERS_PER_SECOND / 2:.0f} a second"),
            *at_half.rows(f"at {rate / 2:.0f} a second, half of the above"),
            ("memory of our processes, highest sum of PSS in MiB", f"{max(memory.samples_mib):.0f}"),
        ],
    )
    report.figures["flow"] = {
        "trade": name,
        "checkouts": len(rows.orders),
        "checkouts_per_second": rate,
        "at_half_of_goal": at_goal.figures(),
        "at_half_of_found": at_half.figures(),
        "pss_mib_max": max(memory.samples_mib),
    }
    report.goal("whole flow, checkouts a second", rate, GOAL_ORDERS_PER_SECOND)
    report.goal(
        f"commit to visible at {GOAL_ORDERS_PER_SECOND / 2:.0f} checkouts a second, p99 ms",
        at_goal.figures()["visible_p99_ms"],
        GOAL_VISIBLE_MS,
        at_most=True,
    )
    report.goal("memory of our processes, MiB", max(memory.samples_mib), GOAL_PSS_MIB, at_most=True)


async def play(context: ProcessContext, rows: OlistRows) -> float:
    """Seconds from the first order to all read models caught up; the catalogue is set up before."""
    async with aiohttp.ClientSession() as http:
        driver = Driver(context, Worlds(context.settings, http))
        await set_up(context, driver, rows)
        return await play_orders(context, driver, rows)


async def set_up(context: ProcessContext, driver: Driver, rows: OlistRows) -> None:
    opened_at = min(row.purchased_at for row in rows.orders) - timedelta(days=1)
    for stage in plan_catalogue(rows).stages():
        await driver.set_up(stage, opened_at, lambda _: None)
    await caught_up(context)


async def play_orders(context: ProcessContext, driver: Driver, rows: OlistRows) -> float:
    started = time.perf_counter()
    played = await driver.play(plan_checkouts(rows, context.keyring.subject), lambda _: None)
    await caught_up(context)
    assert not played.refused, played.refused[:3]
    return time.perf_counter() - started


@dataclass(slots=True)
class Memory:
    samples_mib: list[float] = field(default_factory=list)


@asynccontextmanager
async def watching_memory(supervisor: Supervisor) -> AsyncIterator[Memory]:
    """The sum of PSS of all our processes, this one with the play in it too, once a second."""
    memory = Memory()

    def sample() -> None:
        pids = [each["pid"] for name, each in supervisor.status().items() if name not in SERVERS]
        ours = [psutil.Process(pid) for pid in (*pids, os.getpid()) if pid]
        memory.samples_mib.append(sum(each.memory_full_info().pss for each in ours) / 2**20)

    async def watch() -> None:
        while True:
            sample()
            await asyncio.sleep(1)

    task = asyncio.create_task(watch())
    try:
        yield memory
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        sample()


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

    def rows(self, when: str) -> list[tuple[str, str]]:
        told = {
            "visible_p50_ms": "commit to visible, p50 ms",
            "visible_p99_ms": "commit to visible, p99 ms",
            "visible_from_stamp_p99_ms": "from the stamp before the append, p99 ms",
        }
        figures = self.figures()
        return [(f"{what}, {when}", f"{figures[name]:.1f}") for name, what in told.items()]


async def at_load(context: ProcessContext, per_second: float, seed: int) -> Delays:
    rows = synthetic_rows(max(100, int(per_second * LOAD_SECONDS)), seed)
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

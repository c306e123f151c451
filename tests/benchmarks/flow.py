"""The whole flow: from a placed order to every read model caught up, on the system as an operator runs it.

Orders a second over whole plays (Olist where TILLROLL_OLIST_DIR is set, then one; else made up), the CPU that
each process spent on an order, and the memory of all our processes meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from statistics import median

import aiohttp
import psutil

from services.context import ProcessContext, open_context
from services.play.command import caught_up
from services.play.driver import Driver
from services.play.network import Networks
from services.play.plan import plan_catalogue, plan_checkouts
from services.play.reader import read_olist
from services.play.rows import OlistRows
from services.play.synthetic import synthetic_rows
from services.play.worlds import Worlds
from services.settings import Settings
from services.supervisor import Supervisor
from services.up import running
from tests.benchmarks.report import Report

MADE_UP_ORDERS, ROUNDS = 4_000, 5
SERVERS = ("postgres", "nats")
GOAL_ORDERS_PER_SECOND, GOAL_PSS_MIB = 250, 1024


async def run(report: Report) -> None:
    directory = os.environ.get("TILLROLL_OLIST_DIR")
    name = "Olist" if directory else "made-up orders"
    rounds = 1 if directory else report.options.rounds or ROUNDS
    orders = report.options.events or MADE_UP_ORDERS
    rates: list[float] = []
    spent: Counter[str] = Counter()
    settings = Settings(data_dir=report.directory / "flow", api_port=0)
    async with (
        running(settings) as system,
        open_context(await system.start(), "bench", follow=False) as context,
        watching_memory(system.supervisor) as memory,
    ):
        for seed in range(1, rounds + 1):
            rows = read_olist(Path(directory)) if directory else synthetic_rows(orders, seed)
            progress = report.progress(f"flow: play {seed} of {rounds} ({name})", len(rows.orders))
            before = cpu_seconds(system.supervisor)
            rates.append(len(rows.orders) / await play(context, rows, progress.advance))
            spent += cpu_seconds(system.supervisor) - before
    cpu_ms = {who: 1000 * seconds / (rounds * len(rows.orders)) for who, seconds in spent.most_common()}
    _tell(report, name, rates, max(memory.samples_mib))
    _tell_cpu(report, cpu_ms)
    report.figures["flow"] = {
        "trade": name,
        "checkouts": len(rows.orders),
        "checkouts_per_second": median(rates),
        "rounds": [round(rate, 1) for rate in rates],
        "pss_mib_max": max(memory.samples_mib),
        "cpu_ms_an_order": {who: round(each, 3) for who, each in cpu_ms.items()},
    }


def _tell(report: Report, name: str, rates: list[float], pss_mib: float) -> None:
    report.table(
        f"Whole flow ({name})",
        ("figure", "found"),
        [
            ("checkouts a second, command to all read models caught up", f"{median(rates):.1f}"),
            ("memory of our processes, highest sum of PSS in MiB", f"{pss_mib:.0f}"),
        ],
    )
    report.goal("whole flow, checkouts a second", median(rates), GOAL_ORDERS_PER_SECOND)
    report.goal("memory of our processes, MiB", pss_mib, GOAL_PSS_MIB, at_most=True)


def _tell_cpu(report: Report, cpu_ms: dict[str, float]) -> None:
    whole = sum(cpu_ms.values())
    rows = [(who, f"{each:.2f}", f"{each / whole:.0%}") for who, each in cpu_ms.items() if each > whole / 100]
    report.table(
        "CPU of an order, its part of the catalogue too",
        ("process", "ms", "of all"),
        [*rows, ("all", f"{whole:.2f}", "")],
    )


def cpu_seconds(supervisor: Supervisor) -> Counter[str]:
    """By process, what it has spent so far; of Postgres by the role that its backends have."""
    spent = Counter({"the play itself": _seconds(psutil.Process())})
    for name, each in supervisor.status().items():
        if not each["pid"]:
            continue
        process = psutil.Process(each["pid"])
        if name != "postgres":
            spent[name] = _seconds(process)
            continue
        for backend in process.children():
            with suppress(psutil.NoSuchProcess):
                spent[_role(backend)] += _seconds(backend)
    return spent


def _role(backend: psutil.Process) -> str:
    """`postgres: tillroll_write tillroll [local] idle` is a backend, `postgres: checkpointer` is none."""
    words = " ".join(backend.cmdline()).split()
    return f"postgres for {words[1]}" if "[local]" in words else "postgres itself"


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _unheard(_: int) -> None:
    """For those who don't want to know how far a play is."""


async def play(
    context: ProcessContext,
    rows: OlistRows,
    tell: Callable[[int], None] = _unheard,
    networks: Networks | None = None,
) -> float:
    """Seconds from the first order to all read models caught up; the catalogue is set up before."""
    async with aiohttp.ClientSession() as http:
        driver = Driver(context, Worlds(context.settings, http))
        await set_up(context, driver, rows, networks)
        return await play_orders(context, driver, rows, tell, networks)


async def set_up(
    context: ProcessContext, driver: Driver, rows: OlistRows, networks: Networks | None = None
) -> None:
    opened_at = min(row.purchased_at for row in rows.orders) - timedelta(days=1)
    for stage in plan_catalogue(rows, networks).stages():
        await driver.set_up(stage, opened_at, _unheard)
    await caught_up(context)


async def play_orders(
    context: ProcessContext,
    driver: Driver,
    rows: OlistRows,
    tell: Callable[[int], None] = _unheard,
    networks: Networks | None = None,
) -> float:
    started = time.perf_counter()
    played = await driver.play(plan_checkouts(rows, context.keyring.subject, networks), tell)
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

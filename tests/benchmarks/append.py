"""How many appends a second, beside what the table could take at most and beside others?

Appends of three events of 300 bytes to a new stream, at several numbers of concurrent writers, each of which
waits for its answer before it sends the next. All on one Postgres with fsync on (UmaDB on its own server,
durable as it comes), in interleaved rounds; figures are medians of the rounds.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from statistics import median

import psycopg
from psycopg import sql

from eventstore.postgres import PostgresLog
from eventstore.schema import migrate
from services.embedded import PostgresServer
from tests.benchmarks.ceilings import Batched, Ready
from tests.benchmarks.report import Report
from tests.benchmarks.rivals import Library, Umadb
from tests.benchmarks.shapes import EVENTS, enough, make_append

WRITERS = (1, 8, 32, 128)
ROUNDS = 5
SECONDS = 0.6
CEILING_BATCHES = 40
OTHERS = ("library", "umadb", "batched", "ready", "copy")
READ_PAGE = 2_000

Figures = dict[str, list[float]]


class Ours:
    """The log as the system uses it: one process, one appender, a task a writer."""

    def __init__(self, log: PostgresLog) -> None:
        self._log = log

    async def measure(self, writers: int, seconds: float) -> float:
        """Appends a second; they are made before the clock starts, like the rows and events of all others."""
        ready = [make_append() for _ in range(enough(writers, seconds))]
        count = 0
        deadline = (started := time.perf_counter()) + seconds

        async def write() -> None:
            nonlocal count
            while time.perf_counter() < deadline:
                await self._log.append(ready.pop())
                count += 1

        await asyncio.gather(*(write() for _ in range(writers)))
        return count / (time.perf_counter() - started)

    async def read(self, pages: int) -> float:
        """Events a second, read page by page from the beginning."""
        started = time.perf_counter()
        position = 0
        for _ in range(pages):
            position += len(await self._log.read(position, READ_PAGE))
        return position / (time.perf_counter() - started)


async def run(report: Report) -> None:
    server = PostgresServer(report.directory / "append")
    await server.start()
    try:
        figures = await _measure(report, server)
    finally:
        await server.stop()
    _tell(report, figures)
    report.figures["append"] = {
        "unit": f"appends of {EVENTS} events a second, medians of {ROUNDS} rounds",
        "medians": {name: round(median(rates)) for name, rates in figures.items()},
        "rounds": {name: [round(rate) for rate in rates] for name, rates in figures.items()},
    }


def _database(server: PostgresServer, name: str, *, migrated: bool = True) -> str:
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    if migrated:
        migrate(server.dsn_for(name))
    return server.dsn_for(name)


async def _measure(report: Report, server: PostgresServer) -> Figures:
    figures: Figures = defaultdict(list)
    batched = Batched(_database(server, "batched"))
    ready, copy = Ready(_database(server, "ready")), Ready(_database(server, "copy"), copy=True)
    library = Library(_database(server, "library", migrated=False))
    umadb = await Umadb.start(report.directory / "umadb")
    try:
        async with await PostgresLog.connect(_database(server, "ours")) as log:
            ours = Ours(log)
            await ours.measure(8, 0.2)
            for number in range(1, ROUNDS + 1):
                report.say(f"append: round {number} of {ROUNDS}")
                for writers in WRITERS:  # the many last, beside what they are held against
                    figures[f"ours {writers}"].append(await ours.measure(writers, SECONDS))
                    figures[f"library {writers}"].append(await library.measure(writers, SECONDS))
                    figures[f"umadb {writers}"].append(await umadb.measure(writers, SECONDS))
                figures["batched"].append(await batched.measure(CEILING_BATCHES))
                figures["ready"].append(await ready.measure(CEILING_BATCHES))
                figures["copy"].append(await copy.measure(CEILING_BATCHES))
                figures["read"].append(await ours.read(10))
    finally:
        await umadb.close()
        await library.close()
        await batched.close()
        await ready.close()
        await copy.close()
    return figures


def _ratio(figures: Figures, writers: int, other: str) -> float:
    """Ours in units of another's: the median of each round's own ratio, since a machine's mood changes."""
    theirs = figures.get(f"{other} {writers}") or figures[other]
    return median(one / two for one, two in zip(figures[f"ours {writers}"], theirs, strict=True))


def _tell(report: Report, figures: Figures) -> None:
    rows = []
    for writers in WRITERS:
        rates = (f"{median(figures[f'{who} {writers}']):,.0f}" for who in ("ours", "library", "umadb"))
        ratios = {other: _ratio(figures, writers, other) for other in OTHERS}
        rows.append((str(writers), *rates, *(f"{ratio:.2f}" for ratio in ratios.values())))
        report.goal(f"appends at {writers} writers, in UmaDB's", ratios["umadb"], 1)
        report.goal(
            f"appends at {writers} writers, in the library's", ratios["library"], 15 if writers == 128 else 1
        )
    # the harder of the two: what the server takes when no client has anything to compute
    report.goal("appends at 128 writers, in batched inserts (ready-made)", _ratio(figures, 128, "ready"), 0.5)
    report.table(
        f"Appends of {EVENTS} events a second, and in units of the others'",
        ("writers", "ours", "library", "UmaDB", "/ library", "/ UmaDB", "/ batched", "/ ready", "/ COPY"),
        rows,
    )
    batched, ready, copy = (median(figures[other]) * EVENTS for other in ("batched", "ready", "copy"))
    report.say(
        f"In rows a second: batched inserts, encoded as ours are, {batched:,.0f}; of ready-made bytes"
        f" {ready:,.0f}; COPY of them {copy:,.0f}. Reading: {median(figures['read']):,.0f} events a second."
    )

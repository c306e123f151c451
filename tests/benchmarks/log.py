"""How fast is the log read, as rows and decoded to facts, as followers do that catch up?

Pages of the log from its beginning, one after the other on one connection; the log holds whole lives of
orders with their sealed fields (see `history`). Decoding alone is measured on rows that are in memory; read
ahead is as a rebuild does it, which decodes a page while the next one comes in.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from statistics import median

from eventstore.ahead import Ahead
from eventstore.codec import decode
from eventstore.log import PAGE, StoredEvent
from eventstore.postgres import PostgresLog
from projections.page import TURN
from tests.benchmarks.databases import make_database, serving
from tests.benchmarks.history import write_history
from tests.benchmarks.report import Report

EVENTS, ROUNDS = 200_000, 5
GOAL_DECODED = 300_000

Handle = Callable[[list[StoredEvent]], object]


async def run(report: Report) -> None:
    events, rounds = report.options.events or EVENTS, report.options.rounds or ROUNDS
    figures: defaultdict[str, list[float]] = defaultdict(list)
    async with serving(report.directory / "log") as server:
        database = make_database(server, "log")
        await write_history(database, events, report.progress("log: history written", events).at)
        async with await PostgresLog.connect(database) as log:
            ways = _ways(log, await log.read(0, min(events, 20_000)))
            progress = report.progress("log: rounds", rounds * len(ways))
            for _ in range(rounds):
                for name, way in ways.items():
                    started = time.perf_counter()
                    figures[name].append(await way() / (time.perf_counter() - started))
                    progress.advance()
    medians = {name: median(rates) for name, rates in figures.items()}
    _tell(report, events, medians)
    report.figures["log"] = {
        "unit": f"events a second of a log of {events:,}, medians of {rounds} rounds",
        "medians": {name: round(rate) for name, rate in medians.items()},
        "rounds": {name: [round(rate) for rate in rates] for name, rates in figures.items()},
    }


def _ways(log: PostgresLog, in_memory: list[StoredEvent]) -> dict[str, Callable[[], Awaitable[int]]]:
    """What is measured; each answers how many events it handled."""

    async def decoding() -> int:
        _decode(in_memory)
        return len(in_memory)

    return {
        "read": lambda: _read(log, PAGE, len),
        "read and decoded": lambda: _read(log, PAGE, _decode),
        "read and decoded, pages of 10,000": lambda: _read(log, 10_000, _decode),
        "read ahead and decoded, pages of 10,000": lambda: _read_ahead(log, 10_000),
        "decoded only": decoding,
    }


async def _read(log: PostgresLog, page: int, handle: Handle) -> int:
    position = 0
    while events := await log.read(position, page):
        handle(events)
        position = events[-1].position
    return position


async def _read_ahead(log: PostgresLog, page: int) -> int:
    end = await log.head()
    async with Ahead(lambda after: log.read_range(after, min(after + page, end)), 0, end) as pages:
        while events := await pages.next():
            for start in range(0, len(events), TURN):
                await asyncio.sleep(0)
                _decode(events[start : start + TURN])
    return end


def _decode(events: Sequence[StoredEvent]) -> None:
    for event in events:
        decode(event)


def _tell(report: Report, events: int, medians: dict[str, float]) -> None:
    decoded = medians["read and decoded"]
    rows = [(name, f"{rate:,.0f}", f"{rate / decoded:.2f}") for name, rate in medians.items()]
    report.table(
        f"Reading a log of {events:,} events",
        ("what", "events a second", "in units of read and decoded"),
        rows,
    )
    report.goal("log read and decoded, events a second", decoded, GOAL_DECODED)

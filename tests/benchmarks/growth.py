"""Does an append, or a load, cost more when the log has grown? Logs of ten thousand, a million, ten million.

All on one server and measured in turn, in interleaved rounds. The logs hold whole lives of orders, encoded
and hashed for real, with an entry in the ledger of commands for each event (see `history`); beyond a million,
copies of those under streams, ids and positions of their own, with the leaf hashes of the originals. The
smallest has a copy for each round, as the rounds' own appends would soon make it many times as large.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import psycopg
from psycopg import sql

from commands.states import States
from eventstore.log import Append, Appended, NewEvent, StreamAppend
from eventstore.postgres import PostgresLog
from services.embedded import PostgresServer
from tests.benchmarks.databases import make_database, serving
from tests.benchmarks.history import LEDGER, settle, write_history
from tests.benchmarks.report import Report
from tests.benchmarks.rivals import Ours
from tests.benchmarks.shapes import METADATA, OCCURRED, next_id

SMALLEST, ORIGINALS, LARGEST = 10_000, 1_000_000, 1_000_000
"""`LARGEST` is what is measured if nothing else is asked for; ten million take some minutes to make."""
ROUNDS, SECONDS, WARM_SECONDS = 5, 0.6, 0.1
WRITERS = 128
ORDERS = 50
"""Orders that are loaded in a round, each for the first time, and added to."""
BYTES_AN_EVENT = 1_100
"""With indexes and its ledger entry; and the write-ahead log has its 4 GB besides."""
WAL_BYTES = 5 << 30
GOAL = 1.2
NOTE = NewEvent("OrderDiscrepancyOpened", 1, b'{"order_id":"o","kind":"not_shippable"}', next_id())
COPIES = """
INSERT INTO events
SELECT position + %(after)s, stream || '~' || %(number)s::text, version, type, schema, data, merchant,
       correlation, causation, metadata, uuidv7(), occurred_at, recorded_at, leaf_hash
FROM events WHERE position <= %(count)s ORDER BY position
"""
SOME_ORDERS = """
SELECT DISTINCT stream FROM events
WHERE position IN (SELECT (random() * %(events)s)::bigint FROM generate_series(1, %(tries)s))
  AND stream LIKE 'order-%%'
"""
MEASURES = (
    "append, one writer, ms",
    f"append, {WRITERS} writers, us",
    "append to an order of the log, ms",
    "load of an order of the log, ms",
)
Figures = dict[tuple[str, int], list[float]]


@dataclass(frozen=True, slots=True)
class Grown:
    """A log of so many events, its database in each round, and orders of it from everywhere, in no order."""

    events: int
    databases: list[str]
    orders: list[str]


async def run(report: Report) -> None:
    largest = report.options.growth or LARGEST
    sizes = sorted({SMALLEST, min(ORIGINALS, largest), largest})
    rounds, seconds = report.options.rounds or ROUNDS, report.options.seconds or SECONDS
    _check_disk(report, sizes)
    figures: Figures = defaultdict(list)
    async with serving(report.directory / "growth") as server:
        logs = [await _make_log(report, server, size, rounds) for size in sizes]
        progress = report.progress("growth: rounds", rounds * len(sizes))
        for number in range(rounds):
            for grown in logs if number % 2 else reversed(logs):
                taken = await _measure(server, grown, number, seconds)
                for name, cost in zip(MEASURES, taken, strict=True):
                    figures[name, grown.events].append(cost)
                progress.advance()
    _tell(report, sizes, figures)
    report.figures["growth"] = {
        "unit": f"milliseconds, or microseconds, an append or a load, medians of {rounds} rounds",
        "medians": {f"{name} at {size}": round(median(costs), 4) for (name, size), costs in figures.items()},
        "rounds": {
            f"{name} at {size}": [round(c, 4) for c in costs] for (name, size), costs in figures.items()
        },
    }


def _check_disk(report: Report, sizes: list[int]) -> None:
    needed = sum(sizes) * BYTES_AN_EVENT + WAL_BYTES
    free = shutil.disk_usage(report.directory).free
    if free < needed:
        raise OSError(
            f"logs of {sizes} events need {needed >> 30} GB in {report.directory}, {free >> 30} are free"
        )


async def _make_log(report: Report, server: PostgresServer, size: int, rounds: int) -> Grown:
    name = f"log_{size}"
    progress = report.progress(f"growth: log of {size:,} written", size)
    if size <= ORIGINALS:
        await write_history(make_database(server, name), size, progress.at)
    else:
        _copy(server, f"log_{ORIGINALS}", name)
        await asyncio.to_thread(_multiply, server.dsn_for(name), size, progress.at)
    databases = [name] * rounds
    if size == SMALLEST:
        databases = [f"{name}_{number}" for number in range(rounds)]
        for each in databases:
            _copy(server, name, each)
    return Grown(size, databases, _some_orders(server.dsn_for(name), size, rounds))


def _copy(server: PostgresServer, original: str, name: str) -> None:
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(original))
        )


def _multiply(database_url: str, size: int, progress: Callable[[int], None]) -> None:
    """A log of so many events, from one that has the originals."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        for number, after in enumerate(range(ORIGINALS, size, ORIGINALS), 1):
            count = min(ORIGINALS, size - after)
            connection.execute(COPIES.encode(), {"after": after, "number": number, "count": count})
            connection.execute(LEDGER.encode(), (after, after + count))
            progress(after + count)
        settle(connection)


def _some_orders(database_url: str, events: int, rounds: int) -> list[str]:
    """In a small log they come again in later rounds."""
    wanted = rounds * ORDERS
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(SOME_ORDERS.encode(), {"events": events, "tries": wanted * 8}).fetchall()
    orders = [row[0] for row in rows]
    random.Random(1).shuffle(orders)
    return (orders * (1 + wanted // len(orders)))[:wanted]


async def _measure(server: PostgresServer, grown: Grown, number: int, seconds: float) -> tuple[float, ...]:
    """What an append and a load take, as `MEASURES` has them."""
    async with await PostgresLog.connect(server.dsn_for(grown.databases[number])) as log:
        await _rate(log, WRITERS, WARM_SECONDS)
        alone, many = await _rate(log, 1, seconds), await _rate(log, WRITERS, seconds)
        orders = grown.orders[number * ORDERS : (number + 1) * ORDERS]
        taken = [await _load_and_add(log, order) for order in orders]
        assert await log.head() > grown.events
    loads, appends = zip(*taken, strict=True)
    return 1e3 / alone, 1e6 / many, median(appends), median(loads)


async def _rate(log: PostgresLog, writers: int, seconds: float) -> float:
    ours = Ours(log)
    await ours.prepare(writers, seconds)
    return await ours.run(writers, seconds)


async def _load_and_add(log: PostgresLog, order: str) -> tuple[float, float]:
    """Milliseconds of loading an order that no cache of ours has, and of adding an event to it."""
    started = time.perf_counter()
    (loaded,) = await States(log).load([order])
    between = time.perf_counter()
    assert loaded.version > 0
    stream = StreamAppend(order, loaded.version, (NOTE._replace(event_id=next_id()),))
    done = await log.append(Append(next_id(), "merchant", "growth", "growth", OCCURRED, (stream,), METADATA))
    assert isinstance(done, Appended)
    return 1e3 * (between - started), 1e3 * (time.perf_counter() - between)


def _tell(report: Report, sizes: list[int], figures: Figures) -> None:
    rows = []
    large, small = sizes[-1], sizes[0]
    for name in MEASURES:
        costs = [figures[name, size] for size in sizes]
        ratio = median(most / least for most, least in zip(costs[-1], costs[0], strict=True))
        rows.append((name, *(f"{median(each):.3f}" for each in costs), f"{ratio:.2f}"))
        report.goal(f"growth: {name}, {large:,} events / {small:,}", ratio, GOAL, at_most=True)
    head = (f"{size:,} events" for size in sizes)
    report.table("Cost by the size of the log", ("what", *head, "largest / smallest"), rows)
    if large < 10 * ORIGINALS:
        report.note(
            f"A log of {10 * ORIGINALS:,} events takes some minutes to make:"
            f" GROWTH={10 * ORIGINALS} make bench"
        )

"""How long does an auditor wait: for any moment of a million events, for events by a key, for an export?

On a log of whole lives of orders (see `history`), described and with kept states as the projector makes
both, while nothing else runs. Beside each read model as of seeded random moments stands what it takes without
kept states: folding all of the log up to there. Last, appends with the index following, against appends
alone; what they append is of no read model, so no states are kept of it.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import psycopg

from eventstore.keyring import Keyring, PostgresKeyStore
from eventstore.postgres import PostgresLog, make_pool
from eventstore.roles import let_in
from eventstore.seams import WallClock
from eventstore.tasks import end_tasks
from services.audit.as_of_kept import KeptStates
from services.audit.as_of_models import table_named
from services.audit.desk import Asked, Desk
from services.audit.export import Format, export
from services.audit.filters import EventFilter
from services.audit.folding import Parked, facts_between, fold, make_shadow
from services.audit.history_index import HistoryIndex
from services.settings import Settings
from tests.benchmarks.crew import crew, python_worker
from tests.benchmarks.databases import make_database, serving
from tests.benchmarks.history import MASTER_KEY, settle, write_history
from tests.benchmarks.report import Report

EVENTS, MOMENTS, FROM_THE_BEGINNING = 1_000_000, 20, 3
WHOLE = ("orders", "sales_by_day", "stock_levels", "merchant_overview", "payments")
WRITERS, APPEND_ROUNDS, APPEND_SECONDS = (8, 32, 128), 7, 1.5
SEED = 1
_SIZES = """
SELECT pg_total_relation_size('events'), pg_total_relation_size('history_keys')
    + pg_total_relation_size('history_blocks'),
    coalesce((
        SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relname ~ '_at[0-9]+$'
    ), 0)
"""


@dataclass(frozen=True, slots=True)
class Ground:
    """A log with all that as-of needs, and a desk over it."""

    database: str
    log: PostgresLog
    desk: Desk
    events: int
    orders: list[str]


async def run(report: Report) -> None:
    events = report.options.events or EVENTS
    figures: dict[str, Any] = {"events": events}
    async with serving(report.directory / "as_of") as server, _ground(report, server, events) as ground:
        figures["made"] = await _make(report, ground)
        figures["moments"] = await _moments(report, ground)
        figures["search"] = await _search(report, ground)
        figures["export"] = await _exports(report, ground)
        figures["append"] = await _appends(report, server)
    report.figures["as_of"] = figures


@asynccontextmanager
async def _ground(report: Report, server: Any, events: int) -> AsyncIterator[Ground]:
    database = make_database(server, "as_of")
    settings = Settings(data_dir=report.directory / "as_of", database_url=database)
    let_in(database, settings.role_passwords())
    written = await write_history(database, events, report.progress("as_of: history written", events).at)
    url = settings.url("audit")
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(await PostgresLog.connect(settings.url("project")))
        reading = await stack.enter_async_context(make_pool(url, max_size=2))
        folding = await stack.enter_async_context(make_pool(url, max_size=2, statement_seconds=600))
        keyring = Keyring(MASTER_KEY, PostgresKeyStore(log.pool))
        yield Ground(database, log, Desk(reading, folding, keyring), events, written.order_streams)


async def _make(report: Report, ground: Ground) -> dict[str, Any]:
    """What the projector does on the side, all at once."""
    indexed = await _seconds(HistoryIndex(ground.log, ground.log.pool).catch_up())
    async with ground.log.pool.connection() as connection:
        kept = await _seconds(KeptStates(ground.log, ground.log.pool).catch_up(connection))
        (states,) = await (await connection.execute("SELECT count(*) FROM kept_read_models")).fetchone() or (
            0,
        )
    with psycopg.connect(ground.database, autocommit=True) as owner:
        sizes = owner.execute(_SIZES).fetchone() or (0, 0, 0)
        settle(owner)
    rows = [
        ("index of the history", f"{ground.events / indexed:,.0f}", f"{sizes[1] / ground.events:,.0f}"),
        (f"{states} kept states", f"{ground.events / kept:,.0f}", f"{sizes[2] / ground.events:,.0f}"),
        ("the log itself", "", f"{sizes[0] / ground.events:,.0f}"),
    ]
    columns = ("made beside the log", "events a second", "bytes an event")
    report.table(f"What as-of needs, of a log of {ground.events:,} events", columns, rows)
    return {
        "index_events_a_second": round(ground.events / indexed),
        "kept_events_a_second": round(ground.events / kept),
        "log_index_kept_bytes": [int(size) for size in sizes],
    }


async def _moments(report: Report, ground: Ground) -> dict[str, Any]:
    """Milliseconds to any moment, by what is asked for."""
    chance = random.Random(SEED)
    moments = sorted(chance.sample(range(1, ground.events + 1), MOMENTS))
    whole = sorted(chance.sample(moments, FROM_THE_BEGINNING))
    progress = report.progress("as_of: moments", len(WHOLE) + 2)
    found: dict[str, tuple[list[float], list[float]]] = {}

    async def page(table: str, key: str, position: int) -> None:
        await ground.desk.rows(Asked(table=table, key=key), position, 50)

    for table in WHOLE:
        kept = [await _seconds(page(table, "", each)) for each in moments]
        found[f"{table}, whole"] = kept, [await _seconds(_fold_all(ground, table, each)) for each in whole]
        progress.advance()
    streams = chance.choices(ground.orders, k=MOMENTS)
    keys = ["/".join(stream.partition("-")[2].split(".", 1)) for stream in streams]
    own = [await _seconds(page("orders", *each)) for each in zip(keys, moments, strict=True)]
    found["orders, one order"] = own, [await _seconds(_fold_all(ground, "orders", each)) for each in whole]
    states = [
        await _seconds(ground.desk.state(Asked(stream=s), p)) for s, p in zip(streams, moments, strict=True)
    ]
    found["an order's aggregate"] = states, []
    processes = [
        await _seconds(ground.desk.state(Asked(agent="order", key=s), p))
        for s, p in zip(streams, moments, strict=True)
    ]
    found["an order's process"] = processes, []
    rows = [
        (name, _ms(median(kept)), _ms(max(kept)), _ms(median(all_)) if all_ else "")
        for name, (kept, all_) in found.items()
    ]
    columns = ("as of", "ms, median", "ms, slowest", "ms, folding all the log")
    report.table(f"As of {MOMENTS} random moments of {ground.events:,} events", columns, rows)
    for name, (kept, all_) in found.items():
        if all_:
            report.goal(f"as of, {name}: less than all the log", median(all_) / median(kept), 2.0)
    return {name: {"ms": [round(1e3 * each, 2) for each in kept]} for name, (kept, _) in found.items()}


async def _fold_all(ground: Ground, table: str, position: int) -> None:
    """The same without kept states."""
    model, _ = table_named(table)
    async with ground.log.pool.connection() as connection, connection.transaction(force_rollback=True):
        await connection.execute(b"SET LOCAL search_path = pg_temp, public; SET LOCAL enable_seqscan = off")
        await make_shadow(connection, model)
        parked: Parked = {}
        async for events in facts_between(connection, model, 0, position):
            await fold(connection, model, events, parked)
        assert not parked, "no handler fails here"


async def _search(report: Report, ground: Ground) -> dict[str, float]:
    """Milliseconds until all that fits is found, or the first page of it."""
    chance = random.Random(SEED)
    streams = chance.choices(ground.orders, k=MOMENTS)
    everything = {
        "all events about an order": [EventFilter(order=each) for each in streams],
        "a correlation that is not there": [EventFilter(correlation=f"none {n}") for n in range(MOMENTS)],
        "an actor and a type that are not": [EventFilter(actor="nobody", type="OrderPlaced")] * MOMENTS,
    }
    pages = {
        "a page of a merchant's orders": [EventFilter(merchant="merchant1", type="OrderPlaced")] * MOMENTS,
        "a page of cancellations": [EventFilter(type="OrderCancelled")] * MOMENTS,
    }
    found: dict[str, list[float]] = {}
    for name, wanted in everything.items():
        found[name] = [await _seconds(_all(ground, each)) for each in wanted]
    for name, wanted in pages.items():
        starts = (chance.randrange(ground.events // 2) for _ in wanted)
        work = [
            ground.desk.events(each, start, ground.events, 50)
            for each, start in zip(wanted, starts, strict=True)
        ]
        found[name] = [await _seconds(each) for each in work]
    rows = [(name, _ms(median(each)), _ms(max(each))) for name, each in found.items()]
    report.table("Events by filter", ("", "ms, median", "ms, slowest"), rows)
    return {name: round(1e3 * median(each), 2) for name, each in found.items()}


async def _all(ground: Ground, wanted: EventFilter) -> None:
    async for _ in ground.desk.stream_of_events(wanted, 0, ground.events):
        pass


async def _exports(report: Report, ground: Ground) -> dict[str, Any]:
    """Events a second, and how much memory the process has at each tenth of the way."""
    figures: dict[str, Any] = {}
    rows = []
    formats: tuple[Format, ...] = ("ndjson", "csv", "parquet")
    for format_ in formats:
        lines: list[int] = []

        def tell(_: str, done: int, total: int, lines: list[int] = lines) -> None:
            while len(lines) <= done * 10 // total:  # of a short log a page is several tenths
                lines.append(psutil.Process().memory_info().rss >> 20)

        target = report.directory / f"export.{format_}"
        seconds = await _seconds(_export(ground, target, format_, tell))
        size = target.stat().st_size
        target.unlink()
        rate = ground.events / seconds
        rows.append((format_, f"{rate:,.0f}", f"{size / ground.events:,.0f}", " ".join(map(str, lines[1:]))))
        figures[format_] = {"events_a_second": round(rate), "bytes": size, "memory_mb": lines}
        report.goal(
            f"export, {format_}: memory at the end in that at two tenths",
            lines[-1] / lines[2],
            1.1,
            at_most=True,
        )
    columns = ("", "events a second", "bytes an event", "MB of memory at each tenth")
    report.table(f"Export of {ground.events:,} events", columns, rows)
    return figures


async def _export(
    ground: Ground, target: Path, format_: Format, tell: Callable[[str, int, int], None]
) -> None:
    await export(ground.log, target, format_, 1, ground.events, tell, WallClock().now())


async def _appends(report: Report, server: Any) -> dict[str, Any]:
    """Appends a second, with the index following and without, in turn."""
    database = make_database(server, "appends")
    rounds, seconds = report.options.rounds or APPEND_ROUNDS, report.options.seconds or APPEND_SECONDS
    found: dict[int, list[tuple[float, float]]] = {writers: [] for writers in WRITERS}
    progress = report.progress("as_of: appends", rounds)
    async with (
        crew("as_of", python_worker("ours", database), report.directory) as workers,
        await PostgresLog.connect(database) as log,
    ):
        await workers.measure(1, 8, 0.3)
        for number in range(rounds):
            for writers in WRITERS:

                async def alone(writers: int = writers) -> float:
                    return await workers.measure(1, writers, seconds)

                async def followed(writers: int = writers) -> float:
                    return await _followed(log, lambda: workers.measure(1, writers, seconds))

                pair = (
                    (await alone(), await followed())
                    if number % 2
                    else (await followed(), await alone())[::-1]
                )
                found[writers].append(pair)
            progress.advance()
    ratios = {writers: median(b / a for a, b in pairs) for writers, pairs in found.items()}
    rows = [
        (
            str(writers),
            f"{median(a for a, _ in pairs):,.0f}",
            f"{median(b for _, b in pairs):,.0f}",
            f"{ratios[writers]:.2f}",
        )
        for writers, pairs in found.items()
    ]
    report.table(
        "Appends, with the index of the history following", ("writers", "alone", "followed", "ratio"), rows
    )
    return {
        str(writers): {"pairs": [[round(a), round(b)] for a, b in pairs]} for writers, pairs in found.items()
    }


async def _followed(log: PostgresLog, work: Callable[[], Awaitable[float]]) -> float:
    """While the index follows from where the log is."""
    await HistoryIndex(log, log.pool).catch_up()
    following = asyncio.create_task(HistoryIndex(log, log.pool).run())
    try:
        return await work()
    finally:
        await end_tasks(following)


async def _seconds(work: Awaitable[Any]) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:,.1f}"

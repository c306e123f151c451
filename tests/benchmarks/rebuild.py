"""How many events a second does a rebuild of the orders take, from the first event to the switch?

As `tillroll rebuild orders` runs it, on a log of whole lives of orders (see `history`), with personal
fields that are opened and keys that are loaded; nothing else runs.
"""

from __future__ import annotations

import time
from statistics import median

from eventstore.keyring import Keyring, PostgresKeyStore
from eventstore.postgres import PostgresLog
from projections.rebuild import rebuild
from tests.benchmarks.databases import make_database, serving
from tests.benchmarks.history import MASTER_KEY, write_history
from tests.benchmarks.report import Report

EVENTS, ROUNDS = 300_000, 5
GOAL = 100_000
READ_MODEL = "orders"


async def run(report: Report) -> None:
    events, rounds = report.options.events or EVENTS, report.options.rounds or ROUNDS
    async with serving(report.directory / "rebuild") as server:
        database = make_database(server, "rebuild")
        await write_history(database, events, report.progress("rebuild: history written", events).at)
        async with await PostgresLog.connect(database) as log:
            rates = [await _rebuild(report, log, events) for _ in range(rounds)]
            rows = await _rows(log)
    found = median(rates)
    report.table(
        f"Rebuild of the {READ_MODEL} from a log of {events:,} events",
        ("events a second", "rows", "slowest and fastest round"),
        [(f"{found:,.0f}", f"{rows:,}", f"{min(rates):,.0f} to {max(rates):,.0f}")],
    )
    report.goal("rebuild of the orders, events a second", found, GOAL)
    report.figures["rebuild"] = {
        "unit": f"events a second, medians of {rounds} rounds",
        "events": events,
        "rows": rows,
        "median": round(found),
        "rounds": [round(rate) for rate in rates],
    }


async def _rebuild(report: Report, log: PostgresLog, events: int) -> float:
    """Events a second, with a keyring that knows no key yet."""
    progress = report.progress("rebuild", events)
    keyring = Keyring(MASTER_KEY, PostgresKeyStore(log.pool))
    started = time.perf_counter()
    rebuilt = await rebuild(
        log.pool, log, keyring, READ_MODEL, lambda _what, done, _total: progress.at(done), comparing=False
    )
    seconds = time.perf_counter() - started
    assert rebuilt.position == events, f"the rebuild stands at {rebuilt.position}, the log at {events}"
    return events / seconds


async def _rows(log: PostgresLog) -> int:
    async with log.pool.connection() as connection:
        row = await (await connection.execute("SELECT count(*) FROM orders")).fetchone()
    assert row is not None
    assert row[0] > 0, "a rebuild of nothing"
    return int(row[0])

"""How long does an auditor wait on real orders: for any moment of them, and for why?

The first orders of the Olist data in TILLROLL_OLIST_DIR, played by the real agents in one process, with the
history's index and kept states as the projector makes both. It says so where there is no data.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Awaitable
from pathlib import Path
from statistics import median
from typing import Any

from psycopg import sql

from domain.streams import stream_parts
from eventstore.keyring import Keyring, PostgresKeyStore
from eventstore.postgres import make_pool
from eventstore.roles import let_in
from eventstore.statements import Pool
from services.audit.as_of_kept import KeptStates
from services.audit.causes_asked import Bound, bound, why_order
from services.audit.desk import Asked, Desk
from services.audit.history_index import HistoryIndex
from services.audit.numbers import explain
from services.audit.numbers_table import read_table
from services.play.reader import read_olist
from services.settings import Settings
from tests.benchmarks.databases import make_database, serving
from tests.benchmarks.report import Report
from tests.integration.played import played, some_of
from tests.integration.trade import Trade

CHECKOUTS, MOMENTS, NUMBERS, ORDERS, SEED = 3_000, 20, 100, 20, 1
TABLES = ("orders", "sales_by_day", "stock_levels", "merchant_overview", "payments")
_KEYS = sql.SQL("SELECT {} FROM {} LIMIT 100000")
_PLACED = "SELECT stream FROM events WHERE type = 'OrderPlaced' ORDER BY position LIMIT 100000"


async def run(report: Report) -> None:
    if not (data := os.environ.get("TILLROLL_OLIST_DIR")):
        report.note("desk: TILLROLL_OLIST_DIR is not set, so there are no real orders to ask about")
        return
    count = report.options.events or CHECKOUTS
    rows = some_of(read_olist(Path(data)), count)
    async with serving(report.directory / "desk") as server:
        database = make_database(server, "desk")
        settings = Settings(data_dir=report.directory / "desk", database_url=database)
        let_in(database, settings.role_passwords())
        report.say(f"desk: playing {count:,} orders")
        async with (
            played(database, rows) as trade,
            make_pool(settings.url("audit"), max_size=2) as pool,
            make_pool(settings.url("audit"), max_size=2, statement_seconds=600) as folding,
        ):
            await HistoryIndex(trade.log, trade.log.pool).catch_up()
            async with trade.log.pool.connection() as connection:
                await KeptStates(trade.log, trade.log.pool).catch_up(connection)
            desk = Desk(pool, folding, Keyring(bytes(32), PostgresKeyStore(trade.log.pool)))
            seconds = await _moments(desk, trade) | await _whys(pool)
            _tell(report, count, await trade.log.head(), seconds)


async def _moments(desk: Desk, trade: Trade) -> dict[str, list[float]]:
    chance = random.Random(SEED)
    moments = chance.sample(range(1, await trade.log.head() + 1), MOMENTS)
    async with trade.log.pool.connection() as connection:
        streams = [row[0] for row in await (await connection.execute(_PLACED)).fetchall()]
    orders = chance.choices(streams, k=MOMENTS)

    async def page(table: str, position: int, key: str = "") -> None:
        await desk.rows(Asked(table=table, key=key), position, 50)

    found = {
        f"as of a moment: {table}, whole": [await _seconds(page(table, each)) for each in moments]
        for table in TABLES
    }
    own = zip(orders, moments, strict=True)
    found["as of a moment: orders, one order"] = [await _seconds(page("orders", at, key)) for key, at in own]
    return found


async def _whys(pool: Pool) -> dict[str, list[float]]:
    chance = random.Random(SEED)
    async with bound(pool, Bound("")) as connection:
        streams = [row[0] for row in await (await connection.execute(_PLACED)).fetchall()]

    async def causes(stream: str) -> None:
        merchant, order_id = stream_parts(stream)
        async with bound(pool, Bound(merchant)) as connection:
            await why_order(connection, merchant, order_id)

    found = {"why: an order": [await _seconds(causes(each)) for each in chance.sample(streams, ORDERS)]}
    for table in TABLES:
        found[f"why: a number of {table}"] = await _numbers(pool, table, chance)
    return found


async def _numbers(pool: Pool, table: str, chance: random.Random) -> list[float]:
    """Random numbers of a table, each of which must add up."""
    async with bound(pool, Bound("")) as connection:
        shape, _ = await read_table(connection, table)
        query = _KEYS.format(sql.SQL(", ").join(map(sql.Identifier, shape.key)), sql.Identifier(table))
        found = await (await connection.execute(query)).fetchall()
    seconds = []
    for key in chance.sample(found, min(len(found), NUMBERS // len(TABLES))):
        column = chance.choice(shape.numbers)
        async with bound(pool, Bound("")) as connection:
            started = time.perf_counter()
            told = await explain(connection, table, dict(zip(shape.key, key, strict=True)), column)
            seconds.append(time.perf_counter() - started)
        assert told.adds_up, (table, column, key)
    return seconds


async def _seconds(work: Awaitable[None]) -> float:
    started = time.perf_counter()
    await work
    return time.perf_counter() - started


def _tell(report: Report, count: int, events: int, seconds: dict[str, list[float]]) -> None:
    report.table(
        f"An auditor's questions on {count:,} orders of Olist, {events:,} events",
        ("asked", "ms, median", "ms, slowest", "asked so often"),
        [
            (name, f"{1e3 * median(of):,.1f}", f"{1e3 * max(of):,.1f}", f"{len(of)}")
            for name, of in seconds.items()
        ],
    )
    figures: dict[str, Any] = {name: [round(1e3 * each, 2) for each in of] for name, of in seconds.items()}
    report.figures["desk"] = {"unit": "milliseconds", "orders": count, "events": events, **figures}

"""How long does "why" take: of an order, of an order's number, of a day's sum, of all that a merchant took?

On a log of whole lives of orders (see `history`) whose read models are built. A day of that history has as
many orders as the log has room for, as lives begin a second apart: it is the largest sum that a day can have.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Any

from domain.streams import stream_parts
from eventstore.bus import MemoryBus
from eventstore.feed import Feed
from eventstore.keyring import Keyring, PostgresKeyStore
from eventstore.postgres import PostgresLog, make_pool
from eventstore.roles import let_in
from eventstore.statements import Pool
from eventstore.tasks import end_tasks
from projections.read_models import READ_MODELS
from projections.runner import ProjectionRunner
from projections.session import PostgresReadModels
from services.audit.causes_asked import Bound, bound, why_order
from services.audit.numbers import explain
from services.settings import Settings
from tests.benchmarks.databases import make_database, serving
from tests.benchmarks.history import MASTER_KEY, START, History, write_history
from tests.benchmarks.report import Report

EVENTS, ROUNDS, ORDERS = 300_000, 5, 20
MERCHANT = "merchant0"
STATEMENT_SECONDS = 120.0
_STANDING = """
SELECT coalesce(min(c.position), 0) FROM read_models AS r
JOIN checkpoints AS c ON c.follower = projection_follower(r.name, r.generation) WHERE r.live
HAVING count(*) = %(models)s
"""
Measure = Callable[[], Awaitable[str]]


async def run(report: Report) -> None:
    events, rounds = report.options.events or EVENTS, report.options.rounds or ROUNDS
    async with serving(report.directory / "why") as server:
        database = make_database(server, "why")
        settings = Settings(data_dir=report.directory / "why", database_url=database)
        await asyncio.to_thread(let_in, database, settings.role_passwords())
        history = await write_history(database, events, report.progress("why: history written", events).at)
        await _project(report, database, events)
        async with make_pool(settings.url("audit"), statement_seconds=STATEMENT_SECONDS) as pool:
            seconds: dict[str, list[float]] = defaultdict(list)
            told: dict[str, str] = {}
            for number in range(rounds):
                for name, measure in _measures(pool, history, number).items():
                    started = time.perf_counter()
                    told[name] = await measure()
                    seconds[name].append(time.perf_counter() - started)
    _tell(report, events, rounds, seconds, told)


async def _project(report: Report, database: str, events: int) -> None:
    """The read models, built by the projector's own runner."""
    progress = report.progress("why: read models built", events)
    async with await PostgresLog.connect(database) as log, Feed(log, MemoryBus()).running() as feed:
        keyring = Keyring(MASTER_KEY, PostgresKeyStore(log.pool))
        task = asyncio.create_task(ProjectionRunner(feed, PostgresReadModels(log.pool), keyring).run())
        position = 0
        try:
            while position < events:
                await asyncio.sleep(0.2)
                assert not task.done(), "the projector ended"
                async with log.pool.connection() as connection:
                    cursor = await connection.execute(_STANDING.encode(), {"models": len(READ_MODELS)})
                    row = await cursor.fetchone()
                position = row[0] if row else 0
                progress.at(position)
        finally:
            await end_tasks(task)


def _measures(pool: Pool, history: History, number: int) -> dict[str, Measure]:
    """What is measured in a round, each with other orders and days than in the last."""
    chance = random.Random(number)
    begun = history.order_streams[: len(history.order_streams) * 4 // 5]  # the last are still to be placed
    orders = [stream_parts(stream) for stream in chance.sample(begun, ORDERS)]

    async def causes() -> str:
        events = 0
        for merchant, order_id in orders:
            async with bound(pool, Bound(merchant)) as connection:
                tree = await why_order(connection, merchant, order_id)
            events += sum(each.kind == "event" for _, each in tree.walk())
        return f"{events / len(orders):.0f} events each"

    def number_of(table: str, column: str, **key: Any) -> Measure:
        async def measure() -> str:
            of = {"merchant": MERCHANT, **key}
            async with bound(pool, Bound(MERCHANT)) as connection:
                explained = await explain(connection, table, of, column)
            assert explained.adds_up, (table, column, key)
            return f"{explained.parts_count:,} parts of {explained.events:,} events"

        return measure

    order_id = next(order_id for merchant, order_id in orders if merchant == MERCHANT)
    return {
        f"causes of an order (one of {ORDERS})": causes,
        "orders.captured_cents of an order": number_of("orders", "captured_cents", order_id=order_id),
        "sales_by_day.net_cents of a day": number_of(
            "sales_by_day", "net_cents", day=START.date(), currency="BRL"
        ),
        "sales_by_product.gross_cents": number_of(
            "sales_by_product", "gross_cents", sku="sku0", currency="BRL"
        ),
        "stock_levels.available": number_of("stock_levels", "available", sku="sku0", warehouse="main"),
        "merchant_money.captured_cents": number_of("merchant_money", "captured_cents", currency="BRL"),
    }


def _tell(
    report: Report, events: int, rounds: int, seconds: dict[str, list[float]], told: dict[str, str]
) -> None:
    each = {
        name: [s / (ORDERS if name.startswith("causes") else 1) for s in of] for name, of in seconds.items()
    }
    report.table(
        f"Why, on a log of {events:,} events",
        ("of", "ms", "slowest and fastest round", "what it is made of"),
        [
            (name, f"{median(of) * 1e3:,.1f}", f"{min(of) * 1e3:,.1f} to {max(of) * 1e3:,.1f}", told[name])
            for name, of in each.items()
        ],
    )
    report.figures["why"] = {
        "unit": f"milliseconds, medians of {rounds} rounds",
        "events": events,
        "medians": {name: round(median(of) * 1e3, 2) for name, of in each.items()},
        "rounds": {name: [round(s * 1e3, 2) for s in of] for name, of in each.items()},
        "made_of": told,
    }

"""How long does a page of a merchant's order list take, over many orders, whatever it is looked for by?

`--events N` are the orders, all of one merchant: their events are made in bulk and brought in by COPY, the
read models are built from them. Asked over the application's own routes, in its process, by the role that
reads, behind row-level security: p50 and p99 of each way of asking, the first pages and those that follow.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any

import httpx
import psycopg
from fastapi import FastAPI

from domain.order import (
    OrderCancelled,
    OrderCompleted,
    OrderConfirmed,
    OrderDiscrepancyOpened,
    OrderDiscrepancyResolved,
    OrderHeld,
    OrderReserved,
    OrderShipped,
    OrderTagged,
)
from eventstore.keyring import Keyring, PostgresKeyStore
from eventstore.postgres import PostgresLog, make_pool
from eventstore.roles import let_in
from projections.read_models import READ_MODELS
from projections.rebuild import rebuild
from queries.order import ROUTERS
from queries.waiting import ProjectionsWaiter
from services.settings import Settings
from services.web.problems import install_problems
from tests.benchmarks.databases import make_database, serving
from tests.benchmarks.history import _HEAD, _TAIL, COPY, MASTER_KEY, PAGE, START, History, copy_row, settle
from tests.benchmarks.report import Report
from tests.integration.api_client import MEMORY_KEY, OneKeyGate
from tests.integration.projections_trade import Bought, Step, setting_up

ORDERS, ASKED = 100_000, 60
GOAL_MS = 100.0
MERCHANT, PEOPLE, SKUS = "merchant0", 10_000, 500
MODELS = (
    "merchants",
    "orders",
    "order_lines",
    "order_holds",
    "order_tags",
    "order_discrepancies",
    "shipments",
)


def _life(number: int) -> tuple[Bought, list[Step]]:
    """Of a hundred orders 70 are completed, 5 cancelled, 2 held, 3 shipped; a tag is on one of fifty. One is
    contradicted, and half of these discrepancies are resolved."""
    bought = Bought(
        MERCHANT,
        f"{number:012d}",
        checkout_id=f"checkout{number:x}",
        sku=f"sku{number * number % SKUS}",
        unit_price_cents=100 + number * 7919 % 90_000,
        placed_at=START + timedelta(seconds=37 * number),
        person=str(number % PEOPLE),
    )
    ids = {"order_id": bought.order_id}
    steps: list[Any] = [bought.placing()[0][1], OrderReserved(**ids), OrderConfirmed(**ids)]
    match number % 100:
        case kind if kind < 70:
            steps += [OrderShipped(**ids), OrderCompleted(**ids)]
        case kind if kind < 75:
            steps += [OrderCancelled(**ids, reason="customer")]
        case kind if kind < 77:
            steps += [OrderHeld(**ids, hold_id="h1", reason="fraud" if kind == 75 else "staff")]
        case kind if kind < 80:
            steps += [OrderShipped(**ids)]
    if number % 50 == 0:
        steps.append(OrderTagged(**ids, tag="gift" if number % 5_000 else "rare"))
    if number % 100 == 71:
        kind = "not_voided" if number % 5_000 in (71, 171) else "shipped_after_cancel"
        steps.append(OrderDiscrepancyOpened.model_validate({**ids, "kind": kind, "about": "p", "fact": "e"}))
        if number % 200 == 71:
            steps.append(OrderDiscrepancyResolved.model_validate({**ids, "kind": kind, "reason": "seen"}))
    return bought, [(bought.order, event) for event in steps]


@dataclass(slots=True)
class OrderHistory(History):
    """Lives of orders alone, one after the other."""

    async def pages(self, orders: int) -> AsyncIterator[list[Any]]:
        for number in range(PEOPLE // 1000):
            await self.keyring.ensure([f"subject-{number * 1000 + each}" for each in range(1000)])
        waiting = deque(self._ready(MERCHANT, "opening", step, START) for step in setting_up(MERCHANT))
        numbers = iter(range(orders))
        while waiting or (batch := list(islice(numbers, PAGE // 5))):
            if not waiting:
                waiting.extend(self._steps(batch))
            yield [self._placed(waiting.popleft()) for _ in range(min(PAGE, len(waiting)))]

    def _steps(self, numbers: list[int]) -> Iterator[Any]:
        for number in numbers:
            bought, steps = _life(number)
            for at, step in enumerate(steps):
                yield self._ready(
                    MERCHANT, bought.checkout_id, step, bought.placed_at + timedelta(minutes=at)
                )


async def _write(database: str, orders: int, report: Report) -> int:
    progress = report.progress("orders: history written", orders * 5)
    async with make_pool(database, statement_seconds=3600) as pool:
        history = OrderHistory(Keyring(MASTER_KEY, PostgresKeyStore(pool)))
        with psycopg.connect(database, autocommit=True) as connection:
            async for page in history.pages(orders):
                with connection.cursor().copy(COPY) as copy:
                    copy.write(b"".join((_HEAD, *map(copy_row, page), _TAIL)))
                progress.at(history.position)
            settle(connection)
    return history.position


async def _build(database: str, report: Report, events: int) -> float:
    """The read models of orders, each from the first event; seconds."""
    started = time.perf_counter()
    async with await PostgresLog.connect(database) as log:
        for name in MODELS:
            progress = report.progress(f"orders: {name} built", events)
            keyring = Keyring(MASTER_KEY, PostgresKeyStore(log.pool))
            await rebuild(
                log.pool,
                log,
                keyring,
                name,
                lambda _w, done, _t, told=progress: told.at(done),
                comparing=False,
            )
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")
    return time.perf_counter() - started


WAYS: dict[str, dict[str, Any]] = {
    "newest": {},
    "oldest": {"sort": "oldest"},
    "largest": {"sort": "largest"},
    "by status, rare": {"status": "shipped"},
    "by status, usual": {"status": "completed"},
    "by status of payment": {"payment_status": "pending"},
    "held for fraud": {"hold": "fraud"},
    "tag, usual": {"tag": "gift"},
    "tag, rare": {"tag": "rare"},
    "discrepancy, any": {"discrepancy": "any"},
    "discrepancy, rare": {"discrepancy": "not_voided"},
    "cancelled, by reason": {"cancel_reason": "customer"},
    "parcel": {"tracking_number": "T000000000777"},
    "product": {"sku": "sku1"},
    "customer": {"customer": "customer-000000000777"},
    "days": {"placed_from": "2018-03-02T00:00:00Z", "placed_to": "2018-03-03T00:00:00Z"},
    "amount": {"total_min": 100_000, "total_max": 110_000},
    "beginning of an id": {"q": "0000000012"},
    "nothing found": {"q": "zzz"},
}


@asynccontextmanager
async def _client(database: str, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        await PostgresLog.connect(database) as log,
        make_pool(settings.url("query"), statement_seconds=30) as pool,
        ProjectionsWaiter(database, log.pool).running() as waiter,
    ):
        app = FastAPI()
        install_problems(app)
        for router in ROUTERS:
            app.include_router(router)
        app.state.gate = OneKeyGate()
        app.state.pool, app.state.identity, app.state.projections_waiter = pool, log.identity, waiter
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bench") as client:
            client.headers.update({"Authorization": f"Bearer {MEMORY_KEY}", "Tillroll-Merchant": MERCHANT})
            yield client


async def _ask(client: httpx.AsyncClient, **query: Any) -> tuple[float, dict[str, Any]]:
    started = time.perf_counter()
    answer = await client.get("/v1/orders", params=query)
    seconds = time.perf_counter() - started
    assert answer.status_code == 200, answer.text
    return seconds * 1e3, answer.json()


def _p(values: list[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


async def run(report: Report) -> None:
    orders, asked = report.options.events or ORDERS, report.options.rounds or ASKED
    async with serving(report.directory / "orders") as server:
        database = make_database(server, "orders")
        settings = Settings(data_dir=report.directory / "orders", database_url=database)
        await asyncio.to_thread(let_in, database, settings.role_passwords())
        events = await _write(database, orders, report)
        built = await _build(database, report, events)
        assert set(MODELS) <= READ_MODELS.keys()
        took: dict[str, list[float]] = defaultdict(list)
        found: dict[str, int] = {}
        async with _client(database, settings) as client:
            chance = random.Random(1)
            cursors: dict[str, str | None] = {}
            for _ in range(asked):
                for way in chance.sample(list(WAYS), len(WAYS)):
                    cursor = {"cursor": cursors[way]} if cursors.get(way) else {}
                    milliseconds, page = await _ask(client, **WAYS[way], **cursor)
                    took[way].append(milliseconds)
                    found.setdefault(way, len(page["items"]))
                    cursors[way] = page["next_cursor"]  # the next time it is asked for the next page
            started = time.perf_counter()
            counts = await client.get("/v1/order-counts")
            counted = (time.perf_counter() - started) * 1e3
            assert counts.status_code == 200, counts.text
    _tell(report, orders, events, built, took, found, counted)


def _tell(
    report: Report,
    orders: int,
    events: int,
    built: float,
    took: dict[str, list[float]],
    found: dict[str, int],
    counted: float,
) -> None:
    everything = [each for of in took.values() for each in of]
    report.table(
        f"A page of the order list, over {orders:,} orders of one merchant ({events:,} events; read models"
        f" built in {built:,.0f} s); counts by status took {counted:,.0f} ms",
        ("asked by", "p50 ms", "p99 ms", "on the first page"),
        [
            (way, f"{_p(of, 0.5):,.1f}", f"{_p(of, 0.99):,.1f}", str(found[way]))
            for way, of in [*took.items(), ("all", everything)]
            if found.setdefault(way, 0) is not None
        ],
    )
    report.goal("order list, p99 in milliseconds", _p(everything, 0.99), GOAL_MS, at_most=True)
    report.figures["orders"] = {
        "unit": "milliseconds of a page, over HTTP in the process",
        "orders": orders,
        "events": events,
        "built_seconds": round(built, 1),
        "p50": {way: round(_p(of, 0.5), 2) for way, of in took.items()},
        "p99": {way: round(_p(of, 0.99), 2) for way, of in took.items()},
        "p99_of_all": round(_p(everything, 0.99), 2),
        "counts_ms": round(counted, 1),
    }

"""How long does a shopper wait for a search of 100,000 products? Over HTTP, in each way of asking.

The products are made of seeded words, as often as words are in a language: a few stand in very many names,
most in few. Half of them come in three variants, each of a colour and a size. Their events are appended, and
the projector makes its own read models of them.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Iterator
from statistics import quantiles
from typing import Any
from uuid import uuid4

from domain.inventory import StockReceived
from domain.kernel import Event
from domain.merchant import MerchantRegistered
from domain.product import (
    Details,
    PriceSet,
    ProductActivated,
    ProductDrafted,
    ProductPublished,
    SkuAssigned,
    Variant,
    VariantAdded,
)
from domain.streams import merchant_stream, product_stream, stock_stream
from eventstore.bus import MemoryBus
from eventstore.codec import encode
from eventstore.feed import Feed
from eventstore.keyring import Keyring, PostgresKeyStore
from eventstore.log import Append, StreamAppend
from eventstore.postgres import PostgresLog
from eventstore.roles import let_in
from eventstore.seams import RandomIds
from eventstore.tasks import end_tasks
from projections.runner import ProjectionRunner
from projections.session import PostgresReadModels
from services.embedded import NatsServer
from services.settings import Settings
from tests.benchmarks.databases import make_database, serving
from tests.benchmarks.report import Report
from tests.integration import api_client
from tests.integration.projections_trade import MASTER_KEY, START

PRODUCTS, ASKED, VOCABULARY, SEED = 100_000, 200, 20_000, 1
MERCHANT = "m1"
GOAL_P99_MS = 100
IN_FLIGHT = 256
CATEGORIES = [f"category {number}" for number in range(40)]
BRANDS = [f"brand {number}" for number in range(200)]
COLOURS = [f"colour {number}" for number in range(12)]
SIZES = ["XS", "S", "M", "L", "XL", "XXL"]
DRESSED = list(itertools.product(COLOURS, SIZES))
SYLLABLES = [c + v for c in "bcdfgklmnprstvz" for v in "aeiou"]


class Catalogue:
    """Made-up products; the same for the same seed."""

    def __init__(self, products: int) -> None:
        self._chance = random.Random(SEED)
        self.products = products
        self.vocabulary = sorted({self._word() for _ in range(VOCABULARY)})
        self._chance.shuffle(self.vocabulary)
        self._weights = list(itertools.accumulate(1 / (rank + 3) for rank in range(len(self.vocabulary))))

    def _word(self) -> str:
        return "".join(self._chance.choices(SYLLABLES, k=self._chance.randint(2, 4)))

    def words(self, count: int) -> list[str]:
        return self._chance.choices(self.vocabulary, cum_weights=self._weights, k=count)

    def appends(self) -> Iterator[dict[str, list[Event]]]:
        """By stream, what happened to each product."""
        for number in range(self.products):
            yield self._product(f"P{number}")

    def _product(self, product_id: str) -> dict[str, list[Event]]:
        chance = self._chance
        dressed = chance.random() < 0.5
        details = Details(
            name=" ".join(self.words(4)),
            description=" ".join(self.words(30)),
            brand=chance.choice(BRANDS),
            category=chance.choice(CATEGORIES),
            options=("colour", "size") if dressed else (),
        )
        events: list[Event] = [ProductDrafted(product_id=product_id, details=details)]
        streams = {product_stream(MERCHANT, product_id): events}
        for number, options in enumerate(chance.sample(DRESSED, 3) if dressed else [()], 1):
            sku = f"{product_id}-{number}"
            price = {"product_id": product_id, "sku": sku, "channel": "web", "currency": "EUR"}
            cents = chance.randint(100, 100_000)
            events += [
                VariantAdded(product_id=product_id, variant=Variant(sku=sku, options=options)),
                PriceSet(**price, price_cents=cents, valid_from=START, set_at=START),
            ]
            streams[product_stream(MERCHANT, sku)] = [SkuAssigned(sku=sku, product_id=product_id)]
            if chance.random() < 0.7:
                received = StockReceived(sku=sku, warehouse="main", quantity=5, reference="opening")
                streams[stock_stream(MERCHANT, sku, "main")] = [received]
        events += [
            ProductPublished(product_id=product_id, channel="web"),
            ProductActivated(product_id=product_id),
        ]
        return streams

    def mistyped(self) -> str:
        word = max(self.words(5), key=len)
        at = self._chance.randrange(1, len(word))
        return word[:at] + "x" + word[at + 1 :]

    def queries(self) -> dict[str, list[dict[str, Any]]]:
        """Each way of asking, ASKED times."""
        priced = {"channel": "web", "currency": "EUR"}
        ways = {
            "the most common word": lambda: {"words": self.vocabulary[0]},
            "a word": lambda: {"words": self.words(1)[0]},
            "two words": lambda: {"words": " ".join(self.words(2))},
            "half a word": lambda: {"words": self.words(1)[0][:4]},
            "a mistyped word": lambda: {"words": self.mistyped()},
            "a word, in stock, on a channel": lambda: {
                "words": self.words(1)[0],
                "in_stock": "true",
                "channel": "web",
            },
            "a word, in a colour and a size": lambda: {
                "words": self.words(1)[0],
                "option": [f"colour:{self._chance.choice(COLOURS)}", f"size:{self._chance.choice(SIZES)}"],
            },
            "a word, in a price range, the cheapest first": lambda: {
                "words": self.words(1)[0],
                **priced,
                "price_from": 1_000,
                "price_to": 20_000,
                "sort": "cheapest",
            },
            "a category, by name": lambda: {"category": self._chance.choice(CATEGORIES)},
            "all, the cheapest first": lambda: {**priced, "sort": "cheapest"},
        }
        return {name: [make() for _ in range(ASKED)] for name, make in ways.items()}


async def run(report: Report) -> None:
    catalogue = Catalogue(report.options.events or PRODUCTS)
    directory = report.directory / "search"
    async with serving(directory) as server:
        database = make_database(server, "search")
        let_in(database, Settings(database_url=database, data_dir=directory).role_passwords())
        async with await PostgresLog.connect(database) as log:
            events = await _write(report, log, catalogue)
            seconds = await _project(log)
        nats = NatsServer(directory)
        await nats.start()
        try:
            async with api_client.serving(database, nats.url, directory) as api:
                found = {name: await _ask(api, asked) for name, asked in catalogue.queries().items()}
        finally:
            await nats.stop()
    _tell(report, catalogue.products, events, seconds, found)


async def _write(report: Report, log: PostgresLog, catalogue: Catalogue) -> int:
    keyring, ids = Keyring(MASTER_KEY, PostgresKeyStore(log.pool)), RandomIds()
    progress = report.progress("search: products written", catalogue.products)

    async def append(streams: dict[str, list[Event]]) -> int:
        appends = tuple(
            StreamAppend(stream, 0, tuple(encode(event, ids, keyring) for event in events))
            for stream, events in streams.items()
        )
        await log.append(
            Append(uuid4(), MERCHANT, "c", "benchmark", START, appends, b'{"actor":"benchmark"}')
        )
        return sum(map(len, streams.values()))

    events = await append({merchant_stream(MERCHANT): [MerchantRegistered(merchant_id=MERCHANT)]})
    making = catalogue.appends()
    while batch := list(itertools.islice(making, IN_FLIGHT)):
        events += sum(await asyncio.gather(*map(append, batch)))
        progress.advance(len(batch))
    return events


async def _project(log: PostgresLog) -> float:
    """Seconds until the read models show it all."""
    started, head = time.perf_counter(), await log.head()
    keyring = Keyring(MASTER_KEY, PostgresKeyStore(log.pool))
    async with Feed(log, MemoryBus()).running() as feed:
        task = asyncio.create_task(ProjectionRunner(feed, PostgresReadModels(log.pool), keyring).run())
        try:
            while await _behind(log, head):
                await asyncio.sleep(0.2)
        finally:
            await end_tasks(task)
    seconds = time.perf_counter() - started
    async with log.pool.connection() as connection:
        await connection.set_autocommit(True)
        await connection.execute(b"VACUUM ANALYZE")
        await connection.set_autocommit(False)
    return seconds


async def _behind(log: PostgresLog, head: int) -> bool:
    async with log.pool.connection() as connection:
        cursor = await connection.execute(
            b"SELECT coalesce(min(position), 0) FROM checkpoints WHERE follower LIKE 'projection:%'"
        )
        row = await cursor.fetchone()
    assert row
    return int(row[0]) < head


async def _ask(api: api_client.Api, asked: list[dict[str, Any]]) -> list[float]:
    """Milliseconds of each, one after the other; the first few warm the plans and are not counted."""
    took = []
    for query in [*asked[:5], *asked]:
        started = time.perf_counter()
        answer = await api.send("GET", "/v1/catalogue/search", params=query)
        took.append(1000 * (time.perf_counter() - started))
        assert answer.status_code == 200, answer.text
    return took[5:]


def percentiles(took: list[float]) -> tuple[float, float, float]:
    """The median, the 95th and the 99th, of milliseconds."""
    cuts = quantiles(took, n=100, method="inclusive")
    return cuts[49], cuts[94], cuts[98]


def _tell(report: Report, products: int, events: int, seconds: float, found: dict[str, list[float]]) -> None:
    every = [each for took in found.values() for each in took]
    rows = {**found, "all of them": every}
    report.table(
        f"Search of {products:,} products, over HTTP, one after the other: milliseconds",
        ("asked for", "median", "p95", "p99"),
        [(name, *(f"{each:.1f}" for each in percentiles(took))) for name, took in rows.items()],
    )
    report.goal("product search, p99 in ms", percentiles(every)[2], GOAL_P99_MS, at_most=True)
    report.figures["search"] = {
        "products": products,
        "events": events,
        "read_models_made_in_seconds": round(seconds, 1),
        "milliseconds": {name: [round(each, 2) for each in percentiles(took)] for name, took in rows.items()},
    }

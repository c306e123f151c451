"""What does it take to load an aggregate of 15 events, and of 1,000, with nothing in a cache?

The same stock with the same events, ours from our log and the `eventsourcing` library's by `Repository.get`
from its own Postgres recorder, one load after the other, in interleaved rounds; both without snapshots, then
both with a snapshot that 249 events followed.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any
from uuid import UUID

from eventsourcing.application import Application

from commands.states import States
from domain.inventory import STOCK, Stock, StockAllocated, StockReceived, StockReserved, StockShipped
from domain.kernel import Event
from domain.streams import stock_stream
from eventstore.codec import decode, encode
from eventstore.keyring import Keyring, MemoryKeyStore
from eventstore.log import Append, Appended, StreamAppend
from eventstore.postgres import PostgresLog
from eventstore.seams import RandomIds
from eventstore.snapshots import PostgresSnapshots, Snapshot, Snapshots, encode_state, form_of
from tests.benchmarks.databases import make_database, serving
from tests.benchmarks.library_stock import StockItem, library_application
from tests.benchmarks.report import Report

SIZES = (15, 1_000)
STREAMS, LOADS, ROUNDS = 20, 20, 5
"""So many aggregates of each size; in a round, each way loads so many of them."""
SNAPSHOT_AT = 751
"""The version that the snapshot of the longer aggregates is of, in the middle between two of every 500."""
ON_HAND, QUANTITY = 1_000_000, 2
GOAL_AT_1000 = 8
NOW = datetime(2018, 3, 1, 12, tzinfo=UTC)
SNAPSHOTS = " with snapshots"
Load = Callable[[int, int], Awaitable[int]]
"""(events, which of the aggregates) -> what is on hand, so that all ways are seen to know the same."""


async def run(report: Report) -> None:
    rounds = report.options.rounds or ROUNDS
    figures: defaultdict[str, list[float]] = defaultdict(list)
    async with serving(report.directory / "load") as server:
        library_url = make_database(server, "library", migrated=False)
        async with await PostgresLog.connect(make_database(server, "ours")) as log:
            ways: dict[str, Load] = {**await _ours(log), **_library(library_url)}
            progress = report.progress("load: rounds", rounds * len(SIZES) * len(ways))
            for _ in range(rounds):
                for size in SIZES:
                    for name, load in ways.items():
                        figures[f"{name} {size}"].append(await _measure(load, size))
                        progress.advance()
    _tell(report, list(ways), figures)
    report.figures["load"] = {
        "unit": f"milliseconds a load, medians of {rounds} rounds of {LOADS} loads",
        "medians": {name: round(median(each), 3) for name, each in figures.items()},
        "rounds": {name: [round(ms, 3) for ms in each] for name, each in figures.items()},
    }


async def _measure(load: Load, size: int) -> float:
    """Milliseconds of a load, the median of a round's."""
    taken = []
    for number in range(LOADS):
        started = time.perf_counter()
        on_hand = await load(size, number % STREAMS)
        taken.append(1000 * (time.perf_counter() - started))
        assert on_hand == ON_HAND - QUANTITY * len(list(_shipped(size))), f"{on_hand} on hand"
    return median(taken)


async def _ours(log: PostgresLog) -> dict[str, Load]:
    """States as the executor loads them, each time with an empty cache."""
    snapshots = PostgresSnapshots(log.pool)
    ids, keyring = RandomIds(), Keyring(bytes(32), MemoryKeyStore())
    for size in SIZES:
        new = tuple(encode(event, ids, keyring) for event in _events(size))
        for number in range(STREAMS):
            append = StreamAppend(_stream(size, number), 0, new)
            fresh = tuple(event._replace(event_id=ids.new()) for event in append.events)
            done = await log.append(Append(
                ids.new(), "merchant", "opening", "opening", NOW, (StreamAppend(append.stream, 0, fresh),)
            ))  # fmt: skip
            assert isinstance(done, Appended)
            if size >= SNAPSHOT_AT:
                await snapshots.keep(await _snapshot(log, append.stream))

    def loading(snapshots: Snapshots | None) -> Load:
        async def load(size: int, number: int) -> int:
            (loaded,) = await States(log, snapshots).load([_stream(size, number)])
            stock: Stock = loaded.state
            return stock.on_hand

        return load

    return {"ours": loading(None), f"ours{SNAPSHOTS}": loading(snapshots)}


async def _snapshot(log: PostgresLog, stream: str) -> Snapshot:
    (events,) = await log.read_streams([(stream, 0)], SNAPSHOT_AT)
    state = STOCK.fold(decode(each).event for each in events)  # type: ignore[misc]
    return Snapshot(stream, SNAPSHOT_AT, events[-1].leaf_hash, form_of(STOCK), encode_state(STOCK, state))


def _library(database_url: str) -> dict[str, Load]:
    plain, snapshotting = library_application(database_url), library_application(database_url, snapshots=True)
    made: dict[tuple[int, int], UUID] = {}
    for size in SIZES:
        for number in range(STREAMS):
            item = StockItem("sku", "main", ON_HAND)
            for moved in list(_events(size))[1:]:
                _happen(item, moved)
            assert item.version == size
            plain.save(item)
            made[size, number] = item.id
            if size >= SNAPSHOT_AT:
                snapshotting.take_snapshot(item.id, SNAPSHOT_AT)

    def loading(application: Application[Any]) -> Load:
        async def load(size: int, number: int) -> int:
            item: Any = application.repository.get(made[size, number])
            on_hand: int = item.on_hand
            return on_hand

        return load

    return {"library": loading(plain), f"library{SNAPSHOTS}": loading(snapshotting)}


def _happen(item: StockItem, moved: Event) -> None:
    fields = dict(moved)
    match moved:
        case StockReserved():
            item.reserve(**fields)
        case StockAllocated():
            item.allocate(**fields)
        case StockShipped():
            fields.pop("uncommitted")
            item.ship(**fields)


def _stream(size: int, number: int) -> str:
    return stock_stream("merchant", f"sku{size}x{number}", "main")


def _events(size: int) -> Iterator[Event]:
    """Received once; then orders that reserve, allocate and ship, as far as so many events go."""
    yield StockReceived(sku="sku", warehouse="main", quantity=ON_HAND, reference="opening")
    for number in range(1, size):
        order, step = divmod(number - 1, 3)
        moved: dict[str, Any] = {
            "order_id": f"0190c3f2a1b470008000{order:012x}",
            "sku": "sku",
            "warehouse": "main",
            "quantity": QUANTITY,
        }
        if step == 0:
            yield StockReserved(**moved, expires_at=NOW + timedelta(hours=1))
        else:
            yield StockAllocated(**moved) if step == 1 else StockShipped(**moved)


def _shipped(size: int) -> Iterator[Event]:
    return (event for event in _events(size) if isinstance(event, StockShipped))


def _tell(report: Report, ways: list[str], figures: dict[str, list[float]]) -> None:
    def times_as_fast(size: int, name: str, as_library: str) -> float:
        pairs = zip(figures[f"{name} {size}"], figures[f"{as_library} {size}"], strict=True)
        return median(library / own for own, library in pairs)

    def alike(name: str) -> str:
        return f"library{SNAPSHOTS}" if name.endswith(SNAPSHOTS) else "library"

    rows = [
        (
            f"{size:,} events",
            name,
            f"{median(figures[f'{name} {size}']):.2f}",
            f"{times_as_fast(size, name, alike(name)):.1f}",
            f"{times_as_fast(size, name, 'library'):.1f}",
        )
        for size in SIZES
        for name in ways
    ]
    header = ("of", "by", "ms", "times as fast as the library so", "as the library without snapshots")
    report.table("Loading an aggregate", header, rows)
    goal = "an aggregate of 1,000 events, times as fast as the library"
    as_they_come = times_as_fast(1000, f"ours{SNAPSHOTS}", "library")
    report.goal(f"{goal}, each as it comes (ours with snapshots)", as_they_come, GOAL_AT_1000)
    report.goal(f"{goal}, neither with snapshots", times_as_fast(1000, "ours", "library"), GOAL_AT_1000)

"""A feed gives every event once and in order, whatever the bus loses, repeats or turns around."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

import pytest

from eventstore import feed as feed_module
from eventstore.bus import MemoryBus
from eventstore.feed import Feed
from eventstore.log import Append, NewEvent, StoredEvent, StreamAppend
from eventstore.memory import MemoryLog
from eventstore.tasks import TaskGroup

NOW = datetime(2026, 1, 1, tzinfo=UTC)


RECEIVED = b'{"sku":"a","warehouse":"main","quantity":1}'


async def append(log: MemoryLog, count: int, data: bytes = RECEIVED) -> None:
    for _ in range(count):
        number = len(log.events) + 1
        event = NewEvent("StockReceived", 1, data, UUID(int=number))
        streams = (StreamAppend(f"stock-m.{number}.main", 0, (event,)),)
        await log.append(Append(UUID(int=number), "m", "c", "c", NOW, streams))


async def follow(feed: Feed, end: int) -> list[int]:
    """The positions that a follower sees, from the beginning to `end`."""
    seen: list[int] = []
    async with asyncio.timeout(20):
        while not seen or seen[-1] < end:
            seen += [event.position for event in await feed.page(seen[-1] if seen else 0, limit=3)]
    return seen


@asynccontextmanager
async def fed(busy: float = 1e9, capacity: int = 5) -> AsyncIterator[tuple[MemoryLog, MemoryBus, Feed]]:
    log, bus = MemoryLog(), MemoryBus()
    feed = Feed(log, bus, capacity, busy)
    async with feed.running():
        await asyncio.sleep(0)
        yield log, bus, feed


async def test_events_of_the_bus_are_taken_at_once() -> None:
    async with fed() as (log, bus, feed):
        await append(log, 4)
        await bus.publish(log.events)
        assert feed.head == 4
        assert await follow(feed, 4) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "published",
    [[0, 0, 1, 1, 2, 0, 3], [0, 3], [3, 2, 1, 0], [1], [3]],
    ids=["repeated", "lost", "turned around", "only one", "only the last"],
)
async def test_what_the_bus_does_not_tell_in_order_is_read_from_the_log(published: list[int]) -> None:
    async with fed() as (log, bus, feed):
        await append(log, 4)
        await bus.publish([log.events[index] for index in published])
        assert await follow(feed, 4) == [1, 2, 3, 4]


async def test_a_lost_last_message_is_noticed() -> None:
    async with fed() as (log, _, feed):
        await append(log, 2)
        assert await follow(feed, 2) == [1, 2]


async def test_what_is_older_than_the_buffer_is_read_from_the_log() -> None:
    async with fed(capacity=2) as (log, bus, feed):
        await append(log, 50)
        await bus.publish(log.events)
        assert await follow(feed, 50) == list(range(1, 51))


async def test_heavy_trade_is_read_from_the_log_and_light_trade_from_the_bus_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feed_module, "HEAD_SECONDS", 0.02)
    async with fed(busy=100) as (log, bus, feed):
        async with asyncio.timeout(20):
            while not feed.busy:
                await append(log, 10)
                await asyncio.sleep(0.001)
        heavy = len(log.events)
        assert await follow(feed, heavy) == list(range(1, heavy + 1))
        async with asyncio.timeout(20):
            while feed.busy:
                await asyncio.sleep(0.01)
        await append(log, 1)
        await bus.publish(log.events[-1:])
        assert await follow(feed, heavy + 1) == list(range(1, heavy + 2))


def a_large_event(size: int) -> bytes:
    """Stored in so many bytes."""
    return RECEIVED[:-1] + b',"reference":"' + b"x" * (size - len(RECEIVED) - 15) + b'"}'


async def test_one_look_at_the_log_serves_all_who_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "LOOK_SECONDS", 30.0)
    async with fed() as (log, _, feed):
        looks, read = 0, log.read

        async def counted(after: int, limit: int) -> list[StoredEvent]:
            nonlocal looks
            looks += 1
            await asyncio.sleep(0)
            return await read(after, limit)

        monkeypatch.setattr(log, "read", counted)
        feed.busy = True
        async with TaskGroup() as tasks:
            waiting = [tasks.create_task(feed.page(0, wait_seconds=0.05)) for _ in range(3)]
        assert [each.result() for each in waiting] == [[], [], []]
        assert looks == 1


async def test_a_page_holds_what_its_data_allow_wherever_it_comes_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feed_module, "PAGE_BYTES", 1_000)
    async with fed(capacity=10) as (log, bus, feed):
        for size in [400, 400, 200, 1, 2_000, 400, 400, 400] * 2:
            await append(log, 1, a_large_event(size) if size > 100 else RECEIVED)
        await bus.publish(log.events)
        pages, after = [], 0
        while page := await feed.page(after, limit=50, wait_seconds=0):
            pages.append([event.position for event in page])
            after = page[-1].position
        first = [[1, 2, 3], [4], [5], [6, 7]]
        assert pages[:4] == first, "from the log"
        assert pages[4:] == [[8, 9], [10, 11, 12], [13], [14, 15], [16]], "the newest ten from here"


async def test_recent_events_are_kept_by_number_and_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "RECENT_BYTES", 10_000)
    async with fed(capacity=50) as (log, bus, feed):
        await append(log, 100)
        await bus.publish(log.events)
        assert len(feed._recent) == 50
        await append(log, 20, a_large_event(1_000))
        await bus.publish(log.events[100:])
        assert [event.position for event in feed._recent] == list(range(111, 121))
        assert await follow(feed, 120) == list(range(1, 121))
        await append(log, 60)
        await bus.publish(log.events[120:])
        assert len(feed._recent) == 50, "room is regained"


async def test_facts_are_kept_by_number_and_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "FACTS_BYTES", 10_000)
    async with fed() as (log, _, feed):
        await append(log, 50, a_large_event(1_000))
        for stored in log.events:
            fact = feed.fact(stored)
            assert fact is feed.fact(stored), "decoded once for all who ask"
            assert len(fact.event.reference) > 900  # type: ignore[attr-defined]
            assert len(feed._facts) <= 10
        assert len(feed._facts) > 0
        monkeypatch.setattr(feed_module, "CAPACITY", 7)
        await append(log, 50)
        for stored in log.events[50:]:
            feed.fact(stored)
            assert len(feed._facts) <= 8

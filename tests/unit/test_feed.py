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
from eventstore.log import Append, NewEvent, StreamAppend
from eventstore.memory import MemoryLog

NOW = datetime(2026, 1, 1, tzinfo=UTC)


async def append(log: MemoryLog, count: int) -> None:
    for _ in range(count):
        number = len(log.events) + 1
        event = NewEvent("StockReceived", 1, b"{}", UUID(int=number))
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

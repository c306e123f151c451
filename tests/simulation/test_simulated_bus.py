"""The simulated bus is as bad as its faults say; a feed over it gives every event once all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from eventstore.bus import Bus, BusUnavailable
from eventstore.feed import Feed
from eventstore.log import Append, NewEvent, StoredEvent, StreamAppend
from eventstore.memory import MemoryLog
from services.simulation.bus import Broker, SimulatedBus
from services.simulation.clock import SeededIds, SeededRandom, SimulatedClock
from services.simulation.faults import Faults
from services.simulation.loop import SimulatedLoop
from services.simulation.nemesis import Nemesis
from services.simulation.processes import Processes

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DATA = b'{"sku":"a","warehouse":"main","quantity":1}'
SEEDS = range(10)


class Town:
    """A log, a publisher that follows it, and whatever a test adds."""

    def __init__(self, seed: int, faults: str = "none") -> None:
        chance = SeededRandom(seed)
        self.faults = Faults.parse(faults)
        self.loop = SimulatedLoop(chance.stream("loop"))
        self.clock = SimulatedClock(self.loop)
        self.processes = Processes(self.loop)
        self.broker = Broker(self.loop, chance.stream("bus"), self.faults)
        self.nemesis = Nemesis(self.processes, self.clock, chance.stream("nemesis"), self.faults)
        self.log = MemoryLog(self.clock, SeededIds(self.clock, chance.stream("ids")))
        self.published = 0

    async def append(self, count: int = 1) -> None:
        for _ in range(count):
            number = len(self.log.events) + 1
            event = NewEvent("StockReceived", 1, DATA, UUID(int=number))
            streams = (StreamAppend(f"stock-m.{number}.main", 0, (event,)),)
            await self.log.append(Append(UUID(int=number), "m", "c", "c", NOW, streams))

    async def publish(self) -> None:
        """What the relay does, in little."""
        bus: Bus = SimulatedBus(self.broker)
        while True:
            try:
                await SimulatedBus(self.broker).ensure_stream()
                while page := await self.log.read(self.published, 10):
                    await bus.publish(page)
                    self.published = page[-1].position
            except BusUnavailable:
                pass
            await asyncio.sleep(0.01)

    def run(self, main: Coroutine[Any, Any, None]) -> SimulatedLoop:
        self.loop.run(main)
        return self.loop


async def listened(town: Town) -> tuple[list[int], list[None]]:
    """What a subscriber in a process of its own gets, and its doubts."""
    got: list[int] = []
    doubts: list[None] = []

    async def main() -> None:
        async with SimulatedBus(town.broker).subscribe(
            lambda event: got.append(event.position), lambda: doubts.append(None)
        ):
            await asyncio.sleep(1e9)

    town.processes.start("listener", main)
    town.processes.start("publisher", town.publish)
    await asyncio.sleep(2)
    return got, doubts


def test_without_faults_all_comes_once_and_in_order() -> None:
    async def main() -> None:
        got, doubts = await listened(town)
        await town.append(100)
        await asyncio.sleep(10)
        assert got == list(range(1, 101))
        assert 1 <= len(doubts) <= 2

    for seed in SEEDS:
        town = Town(seed)
        town.run(main())


@pytest.mark.parametrize(
    ("faults", "missing", "repeated", "ordered"),
    [
        ("loss=0.1", True, False, True),
        ("repeat=0.1", False, True, False),
        ("reorder=0.1", False, False, False),
        ("delay=0.1", False, False, True),
    ],
)
def test_messages_are_lost_repeated_reordered_and_late(
    faults: str, missing: bool, repeated: bool, ordered: bool
) -> None:
    async def main() -> None:
        got, _ = await listened(town)
        await town.append(200)
        await asyncio.sleep(60)
        assert (len(set(got)) < 200) is missing
        assert (len(got) > len(set(got))) is repeated
        assert (got == sorted(got)) is ordered

    town = Town(1, faults)
    town.run(main())


def test_who_is_cut_off_neither_sends_nor_gets_and_doubts_when_it_is_healed() -> None:
    async def main() -> None:
        got, doubts = await listened(town)
        town.broker.cut_off("listener")
        await town.append(10)
        await asyncio.sleep(1)
        doubted = len(doubts)
        assert (got, town.published) == ([], 10)
        town.broker.heal("listener")
        await asyncio.sleep(1)
        assert len(doubts) == doubted + 1
        town.broker.cut_off("publisher", 5)
        await town.append(10)
        await asyncio.sleep(4)
        assert (got, town.published) == ([], 10)
        await asyncio.sleep(20)
        assert got == list(range(11, 21))

    town = Town(1)
    town.run(main())


def test_a_wiped_bus_takes_nothing_until_it_has_a_stream_again() -> None:
    async def main() -> None:
        got, doubts = await listened(town)
        town.processes.kill("publisher")
        bus = SimulatedBus(town.broker)
        await town.append(3)
        await bus.publish(town.log.events[:1])
        await asyncio.sleep(1)
        town.broker.take(town.log.events[1:2])
        town.broker.wipe()
        with pytest.raises(BusUnavailable):
            await bus.publish(town.log.events)
        await bus.ensure_stream()
        await asyncio.sleep(10)
        await bus.publish(town.log.events[2:])
        await asyncio.sleep(1)
        assert got == [1, 3]
        assert len(doubts) >= 2

    town = Town(1)
    town.loop.on_death.clear()
    town.run(main())


def test_a_dead_process_gets_nothing() -> None:
    async def main() -> None:
        got, _ = await listened(town)
        town.loop.on_death.clear()
        await town.append(1)
        await asyncio.sleep(1)
        town.processes.kill("listener")
        await town.append(1)
        await asyncio.sleep(10)
        assert got == [1]
        assert not town.broker.subscriptions

    town = Town(1)
    town.run(main())


async def fed(town: Town, count: int = 300) -> None:
    """Followers keep their position outside of their process, as in a database, and get each event once."""
    seen: dict[str, list[int]] = {"one": [], "two": [], "three": []}

    async def follow(name: str) -> None:
        feed = Feed(town.log, SimulatedBus(town.broker), capacity=50)
        async with feed.running():
            while True:
                positions = seen[name]
                for event in await feed.page(positions[-1] if positions else 0, limit=7):
                    positions.append(event.position)

    for name in seen:
        town.processes.start(name, lambda name=name: follow(name))
    town.processes.start("publisher", town.publish)
    troubling = asyncio.create_task(town.nemesis.run())
    while len(town.log.events) < count:
        await town.append(3)
        await asyncio.sleep(0.1)
    while any(len(positions) < count for positions in seen.values()):
        await asyncio.sleep(0.5)
    troubling.cancel()
    assert all(positions == list(range(1, count + 1)) for positions in seen.values())


@pytest.mark.parametrize("faults", ["none", "mild", "all", "all,crash=0.3,pause=0.1,partition=0.1"])
def test_a_feed_gives_every_event_exactly_once_under_faults(faults: str) -> None:
    for seed in SEEDS:
        town = Town(seed, faults)
        town.run(fed(town))


def test_a_late_acknowledgement_is_no_loss() -> None:
    """What was published by one who was cut off before the acknowledgement came has been taken."""
    outcomes: set[tuple[bool, bool]] = set()

    async def main() -> None:
        got, _ = await listened(town)
        town.processes.kill("publisher")
        await town.append(1)
        events: list[StoredEvent] = town.log.events
        publishing = asyncio.create_task(SimulatedBus(town.broker).publish(events))
        await asyncio.sleep(0.0005)
        town.broker.cut_off("world")
        acknowledged = False
        with suppress(BusUnavailable):
            await publishing
            acknowledged = True
        await asyncio.sleep(1)
        outcomes.add((acknowledged, bool(got)))

    for seed in range(50):
        town = Town(seed)
        town.loop.on_death.clear()
        town.run(main())
    assert outcomes == {(True, True), (False, True), (False, False)}

"""The bus of a simulated system: a broker that all processes share, and each one's connection to it.

It does what NATS may do: lose, repeat, reorder and delay messages, cut a process off, and lose its storage.
Unlike NATS it does so often.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from random import Random

from eventstore.bus import BusUnavailable, OnDoubt, OnEvent
from eventstore.log import StoredEvent
from services.simulation.faults import Faults
from services.simulation.loop import SimulatedLoop
from services.simulation.process import Process

LATENCY_SECONDS = 0.001
GIVE_UP_SECONDS = 10.0
AGAIN_SECONDS = 1.0
NOTICE_SECONDS = 5.0
"""Until a subscriber notices that the stream is gone."""
LATE_SECONDS, CUT_SECONDS = 2.0, 4.0
_BUNCH_RATE = 0.75
"""How often the next message comes together with the last one, as from one read of a socket."""


class Broker:
    """What stands for the NATS server. Faults come by their rates, and when a test calls for them."""

    def __init__(self, loop: SimulatedLoop, random: Random, faults: Faults | None = None) -> None:
        self.loop = loop
        self.random = random
        self.faults = faults or Faults()
        self.has_stream = False
        self.subscriptions: list[Subscription] = []
        self._cuts: dict[str, int] = {}

    def cut_off(self, name: str, seconds: float | None = None) -> None:
        """A process neither sends nor gets anything until `heal`, or for so long."""
        self._cuts[name] = cut = self._cuts.get(name, 0) + 1
        if seconds is not None:
            outside = self.loop.outside.context
            self.loop.call_later(seconds, self._heal_cut, name, cut, context=outside)

    def heal(self, name: str) -> None:
        """It is connected again, and knows that it may have missed something."""
        self._cuts.pop(name, None)
        for subscription in self._living():
            if subscription.process.name == name:
                subscription.doubt_soon()

    def wipe(self) -> None:
        """All that is in flight is lost, and so is the stream: nothing is taken until it is made again."""
        self.has_stream = False
        for subscription in self._living():
            subscription.lose()

    def is_cut_off(self, process: Process) -> bool:
        return process.name in self._cuts

    def take(self, events: Sequence[StoredEvent]) -> None:
        """Send the events to each subscriber."""
        if not self.has_stream:
            raise BusUnavailable("no stream")
        for subscription in self._living():
            subscription.send(events)

    def break_by_chance(self, publisher: Process) -> None:
        """Before something is published: the partitions and wipes that the rates ask for."""
        if self.random.random() < self.faults.partition:
            names = [publisher.name, *(each.process.name for each in self._living())]
            self.cut_off(self.random.choice(names), self.random.random() * CUT_SECONDS)
        if self.random.random() < self.faults.wipe:
            self.wipe()

    def _heal_cut(self, name: str, cut: int) -> None:
        if self._cuts.get(name) == cut:  # else it was healed, or cut off again, meanwhile
            self.heal(name)

    def _living(self) -> list[Subscription]:
        self.subscriptions = [each for each in self.subscriptions if not each.process.dead]
        return self.subscriptions


class SimulatedBus:
    """See `eventstore.bus.Bus`: the connection of the process that made it."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._process = broker.loop.process

    async def ensure_stream(self) -> None:
        await self._travel()
        self._broker.has_stream = True

    async def publish(self, events: Sequence[StoredEvent]) -> None:
        self._broker.break_by_chance(self._process)
        await self._travel()
        self._broker.take(events)
        await self._travel()  # the acknowledgement; if that is lost, the events have been taken all the same

    @asynccontextmanager
    async def subscribe(self, on_event: OnEvent, on_doubt: OnDoubt) -> AsyncIterator[None]:
        subscription = Subscription(self._broker, self._process, on_event, on_doubt)
        self._broker.subscriptions.append(subscription)
        subscription.begin()
        try:
            yield
        finally:
            subscription.end()

    async def close(self) -> None:
        """Nothing is held."""

    async def _travel(self) -> None:
        """To the broker, or back; who is cut off finds out at once, or after a while."""
        random = self._broker.random.random
        await asyncio.sleep(random() * LATENCY_SECONDS)
        if self._broker.is_cut_off(self._process):
            await asyncio.sleep(GIVE_UP_SECONDS if random() < 0.1 else 0)
            raise BusUnavailable("cut off")


class Subscription:
    """What one subscriber gets, as callbacks of its process: so it gets nothing once that is dead."""

    def __init__(self, broker: Broker, process: Process, on_event: OnEvent, on_doubt: OnDoubt) -> None:
        self.process = process
        self._broker = broker
        self._loop = broker.loop
        self._on_event = on_event
        self._on_doubt = on_doubt
        self._listening = 0
        """0 while it is not; else which time it is: what was in flight before is not for it."""
        self._begun = 0
        self._last = 0.0

    def begin(self, within: float = LATENCY_SECONDS) -> None:
        self._begun += 1
        self._later(self._broker.random.random() * within, self._try_to_listen, self._begun)

    def end(self) -> None:
        self._listening, self._begun = 0, self._begun + 1
        if self in self._broker.subscriptions:
            self._broker.subscriptions.remove(self)

    def lose(self) -> None:
        """The stream is gone: so is what was in flight, and that is noticed some time."""
        self._listening = 0
        self.begin(NOTICE_SECONDS)

    def doubt_soon(self) -> None:
        self._later(self._broker.random.random() * AGAIN_SECONDS, self._doubt, self._begun)

    def send(self, events: Sequence[StoredEvent]) -> None:
        """In order and in bunches, except for those that the faults take out."""
        random, faults = self._broker.random.random, self._broker.faults
        now = self._loop.time()
        bunch: list[StoredEvent] = []
        for event in events:
            if random() < faults.repeat:
                self._deliver_at(now + random() * LATE_SECONDS, [event])
            if random() < faults.loss:
                continue
            if random() < faults.reorder:
                self._deliver_at(now + random() * LATE_SECONDS, [event])
                continue
            if bunch and random() > _BUNCH_RATE:
                self._deliver_next(bunch)
                bunch = []
            bunch.append(event)
        if bunch:
            self._deliver_next(bunch)

    def _deliver_next(self, events: list[StoredEvent]) -> None:
        """After all that was delivered in order before."""
        random = self._broker.random.random
        late = LATE_SECONDS if random() < self._broker.faults.delay else LATENCY_SECONDS
        self._last = max(self._last, self._loop.time() + random() * late)
        self._deliver_at(self._last, events)

    def _deliver_at(self, when: float, events: list[StoredEvent]) -> None:
        if self._listening:
            context = self.process.context
            self._loop.call_at(when, self._deliver, events, self._listening, context=context)

    def _deliver(self, events: list[StoredEvent], listening: int) -> None:
        if listening == self._listening and not self._broker.is_cut_off(self.process):
            for event in events:
                self._on_event(event)

    def _doubt(self, begun: int) -> None:
        if begun == self._begun:
            self._on_doubt()

    def _try_to_listen(self, begun: int) -> None:
        if begun != self._begun:
            return
        if self._broker.has_stream and not self._broker.is_cut_off(self.process):
            self._listening = begun
        else:
            self._later(AGAIN_SECONDS, self._try_to_listen, begun)
        self._on_doubt()

    def _later(self, seconds: float, callback: Callable[[int], None], begun: int) -> None:
        self._loop.call_later(seconds, callback, begun, context=self.process.context)

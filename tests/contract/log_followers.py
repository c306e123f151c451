"""Who follows the log in the machine? Plain readers at every door, and some on a feed whose bus lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from eventstore.bus import MemoryBus
from eventstore.feed import Feed
from eventstore.log import Log, StoredEvent


@dataclass
class Follower:
    """Reads on from where it is; `door` is the one it reads through, None that it reads the feed."""

    name: str
    door: int | None
    seen: list[StoredEvent] = field(default_factory=list)

    async def step(self, log: Log | Feed, limit: int) -> list[StoredEvent]:
        if isinstance(log, Feed):
            page = await log.page(len(self.seen), limit, wait_seconds=0.005)
        else:
            page = await log.read(len(self.seen), limit)
        self.seen += page
        return page

    def check(self, rows: Sequence[StoredEvent]) -> None:
        """Each event exactly once, in order, and none that is not there."""
        positions = [event.position for event in self.seen]
        assert self.seen == rows[: len(self.seen)], f"{self.name} saw {positions}"


class Relay:
    """Publishes what is new in the log, but drops, repeats, holds back and digs up as it is told."""

    def __init__(self, bus: MemoryBus) -> None:
        self._bus = bus
        self._after = 0
        self._held: list[StoredEvent] = []
        self._first: list[StoredEvent] = []

    async def publish(self, log: Log, manners: Sequence[str]) -> int:
        """How many were new."""
        page = await log.read(self._after)
        for event in page:
            await self._pass(event, manners[self._after % len(manners)])
            self._after += 1
        return len(page)

    async def _pass(self, event: StoredEvent, manner: str) -> None:
        self._first = self._first or [event]
        if manner == "hold":
            self._held.append(event)
        elif manner != "drop":
            extra = {"twice": [event], "old": self._first}.get(manner, [])
            await self._bus.publish([event, *self._held, *extra])
            self._held = []

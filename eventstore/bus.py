"""What a bus is asked: broadcast committed events, in order, as a fast hint. It may lose, repeat and reorder.

`MemoryBus` is the shipped twin of the NATS bus in `services/bus.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from eventstore.log import StoredEvent

OnEvent = Callable[[StoredEvent], None]
OnDoubt = Callable[[], None]


class BusUnavailable(Exception):
    """The bus did not take or acknowledge what was published: publish it again later."""


class Bus(Protocol):
    """A bus of one log in one epoch: events of others are never delivered."""

    async def publish(self, events: Sequence[StoredEvent]) -> None:
        """Broadcast; returns once all are acknowledged, raises BusUnavailable otherwise."""

    def subscribe(self, on_event: OnEvent, on_doubt: OnDoubt) -> AbstractAsyncContextManager[None]:
        """Deliver from now on; `on_doubt` is called when something may have been missed."""


class MemoryBus:
    """Delivers at once, to all subscribers, in the order of publishing."""

    def __init__(self) -> None:
        self._subscribers: list[OnEvent] = []

    async def publish(self, events: Sequence[StoredEvent]) -> None:
        for event in events:
            for deliver in tuple(self._subscribers):
                deliver(event)

    @asynccontextmanager
    async def subscribe(self, on_event: OnEvent, on_doubt: OnDoubt) -> AsyncIterator[None]:
        self._subscribers.append(on_event)
        on_doubt()
        try:
            yield
        finally:
            self._subscribers.remove(on_event)

"""What became of the orders of a race, as the log tells it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager

from domain.inventory import ReservationExpired, StockAllocated, StockReserved
from domain.order import OrderCancelled, OrderConfirmed, OrderPlaced
from eventstore.codec import decode
from eventstore.log import Log
from eventstore.tasks import end_tasks
from tests.patience import HANGS

PAGE = 2000


class Outcomes:
    """Follows the log: which orders were placed, confirmed and cancelled, and what is held for them."""

    def __init__(self, log: Log, after: int) -> None:
        self._log, self._position = log, after
        self.placed: Counter[str] = Counter()
        self.confirmed: Counter[str] = Counter()
        self.cancelled: dict[str, str] = {}
        self.reserved: Counter[str] = Counter()
        self.expired: Counter[str] = Counter()
        self.allocated: Counter[str] = Counter()
        self._moved = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Outcomes]:
        following = asyncio.create_task(self._follow())
        try:
            yield self
        finally:
            await end_tasks(following)

    async def decided(self, orders: Collection[str], units: int) -> None:
        """Wait until each of these is cancelled, or confirmed with so many units of its own."""
        waiting = set(orders)

        def all_are() -> bool:
            done = {each for each in waiting if each in self.cancelled or self._has(each, units)}
            waiting.difference_update(done)
            return not waiting

        await self._until(all_are)

    def _has(self, order_id: str, units: int) -> bool:
        return order_id in self.confirmed and self.allocated[order_id] >= units

    async def given_up(self, order_id: str) -> None:
        """Wait until what was reserved for the order has expired."""
        await self._until(lambda: order_id in self.expired)

    async def held(self, order_id: str) -> None:
        """Wait until something is reserved for the order."""
        await self._until(lambda: order_id in self.reserved)

    async def _until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(HANGS):
            while not reached():
                await self._moved.wait()

    async def _follow(self) -> None:
        while True:
            page = await self._log.read(self._position, PAGE)
            for stored in page:
                self._take(decode(stored).event)
                self._position = stored.position
            moved, self._moved = self._moved, asyncio.Event()
            moved.set()
            if len(page) < PAGE:
                await asyncio.sleep(0.02)

    def _take(self, event: object) -> None:
        match event:
            case OrderPlaced(order_id=order_id):
                self.placed[order_id] += 1
            case OrderConfirmed(order_id=order_id):
                self.confirmed[order_id] += 1
            case OrderCancelled(order_id=order_id, reason=reason):
                self.cancelled[order_id] = reason
            case StockReserved(order_id=order_id, quantity=quantity):
                self.reserved[order_id] += quantity
            case StockAllocated(order_id=order_id, quantity=quantity):
                self.allocated[order_id] += quantity
            case ReservationExpired(order_id=order_id, quantity=quantity):
                self.expired[order_id] += quantity

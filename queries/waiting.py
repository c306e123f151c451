"""How does a reader wait until read models show a position? Woken by the projector's word, not by asking.

One connection of a process listens; a question once a second is the safety net for what it may have missed.
Whoever gets into the database may send such a word, and a false one too. So what is heard only ends a wait:
the read looks for itself how far it is, and what it sees goes over what was heard (`correct`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any

import orjson
import psycopg
import structlog
from psycopg_pool import PoolTimeout

from eventstore.partitions import PARTITIONS
from eventstore.queries import load_queries
from eventstore.statements import Pool
from eventstore.tasks import end_tasks

CHANNEL = "tillroll_projections"
SAFETY_SECONDS = 1.0
_QUERIES = load_queries("queries", "positions.sql")
logger = structlog.get_logger()


class ProjectionsWaiter:
    """Use as `async with ProjectionsWaiter(database_url, pool).running() as waiter`."""

    def __init__(self, database_url: str, pool: Pool) -> None:
        self._url = database_url
        self._pool = pool
        self._positions: dict[str, int] = {}
        self._parts: dict[str, list[int]] = {}  # of read models that several workers share, by partition
        self._moved = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[ProjectionsWaiter]:
        listening = asyncio.create_task(self._listen())
        try:
            yield self
        finally:
            await end_tasks(listening)

    def shown(self, names: Iterable[str]) -> int:
        """The position that all of these read models are known to show."""
        return min(self._positions.get(name, 0) for name in names)

    async def wait(self, names: tuple[str, ...], position: int, seconds: float) -> bool:
        """Whether the read models show `position`, within that time."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        ask_at = loop.time()
        while self.shown(names) < position:
            now = loop.time()
            if now >= ask_at:
                await self._ask()
                ask_at = now + SAFETY_SECONDS
                continue
            if now >= until:
                return False
            moved = self._moved
            with suppress(TimeoutError):
                # not wait_for: Python 3.11's may swallow a cancellation that comes with the news
                async with asyncio.timeout(min(until, ask_at) - now):
                    await moved.wait()
        return True

    def correct(self, names: Iterable[str], position: int) -> None:
        """A read saw less than these were said to show: believe it, and not what was heard."""
        for name in names:
            self._positions[name] = min(position, self._positions.get(name, 0))
            self._parts.pop(name, None)

    def _hear(self, payload: str) -> None:
        """Note what is said of the read models that somebody has waited for; anything else is nothing."""
        try:
            told = orjson.loads(payload)
        except orjson.JSONDecodeError:
            told = None
        if not isinstance(told, dict):
            logger.warning("notice_not_understood", channel=CHANNEL)
            return
        known = {name: to for name, to in told.items() if name in self._positions}
        self._note({name: to if type(to) is int else self._part(name, to) for name, to in known.items()})

    def _part(self, name: str, told: Any) -> int:
        """What the read model shows, once some of its partitions are where they are said to be."""
        parts = self._parts.setdefault(name, [0] * PARTITIONS)
        for first, last, to in told if _are_parts(told) else ():
            parts[first : last + 1] = [max(to, before) for before in parts[first : last + 1]]
        return min(parts)

    def _note(self, positions: dict[str, int]) -> None:
        """Remember, and wake who waits. A lower position than before is only older news."""
        for name, position in positions.items():
            self._positions[name] = max(position, self._positions.get(name, 0))
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def _ask(self) -> None:
        with suppress(psycopg.OperationalError, PoolTimeout, OSError):
            async with self._pool.connection() as connection:
                rows = await (await connection.execute(_QUERIES.read_positions.sql.encode())).fetchall()
            self._note(dict(rows))

    async def _listen(self) -> None:
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    self._url, autocommit=True, connect_timeout=10, fallback_application_name="tillroll"
                ) as connection:
                    await connection.execute(f"LISTEN {CHANNEL}".encode())
                    async for notice in connection.notifies():
                        self._hear(notice.payload)
            except (psycopg.Error, OSError) as error:
                logger.warning("waiting_without_notices", error=str(error))
                await asyncio.sleep(SAFETY_SECONDS)


def _are_parts(told: Any) -> bool:
    """Whether it is [[first partition, last partition, position], …]."""
    return isinstance(told, list) and all(
        isinstance(each, list)
        and len(each) == 3
        and all(type(number) is int for number in each)
        and 0 <= each[0] <= each[1] < PARTITIONS
        for each in told
    )

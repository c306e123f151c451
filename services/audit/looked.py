"""Where is it kept who looked, how is it read, and for how long does it stay?

Looks that come while others are written go in with the next statement, all at once: a look costs a commit at
most, and many at a time cost one together.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any

import orjson
import psycopg
import structlog
from psycopg.rows import dict_row
from psycopg_pool import PoolTimeout

from eventstore.queries import load_queries
from eventstore.seams import Clock
from eventstore.statements import Pool
from eventstore.tasks import end_tasks, finish
from services.web.looked import Look, NotRecorded, Outcome

PATIENCE_SECONDS = 5.0
WAITING_MAX, BATCH, SWEEP_BATCH = 1_000, 200, 5_000
SWEEP_SECONDS = 3_600.0
FIRST = 2**63 - 1
QUERIES = load_queries("services.audit", "looks.sql")
AWAY = (psycopg.Error, PoolTimeout, OSError)
_COLUMNS = [each.name for each in fields(Look)]
logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which looks: None is any. `before` is the number of one that is not wanted, nor are younger ones."""

    merchant: str | None = None
    actor: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: int = FIRST


class Looks:
    """A `services.web.looked.Recorder`, over a pool of the role `access`: `async with looks.running()`.

    `seen_by` is another pool, for who asks: then a slow answer keeps nobody from being recorded.
    """

    def __init__(
        self,
        pool: Pool,
        clock: Clock,
        *,
        seen_by: Pool | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._pool = pool
        self._seen_by = seen_by or pool
        self._clock = clock
        self._patience_seconds = patience_seconds
        self._waiting: list[tuple[Look, asyncio.Future[int]]] = []
        self._ending: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Looks]:
        writing = asyncio.create_task(self._write())
        try:
            yield self
        finally:
            try:
                await finish(self._settle())
            finally:
                await end_tasks(writing)

    async def _settle(self) -> None:
        while self._ending:
            await asyncio.wait(self._ending)

    async def record(self, look: Look) -> int:
        if len(self._waiting) >= WAITING_MAX:
            raise NotRecorded(f"{WAITING_MAX} looks wait to be recorded already")
        recorded: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((look, recorded))
        self._news.set()
        try:
            async with asyncio.timeout(self._patience_seconds):
                return await recorded
        except TimeoutError:
            raise NotRecorded(f"it took longer than {self._patience_seconds:.0f} s") from None

    async def end(self, number: int, outcome: Outcome, rows: int) -> None:
        """Also where who waits for it is cancelled: a client that is gone takes no record along."""
        ending = asyncio.create_task(self._end(number, outcome, rows))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
        await asyncio.shield(ending)

    async def _end(self, number: int, outcome: Outcome, rows: int) -> None:
        ended = {"number": number, "ended_at": self._clock.now(), "outcome": outcome, "rows": rows}
        try:
            await self._fetch("end_look", ended)
        except AWAY as error:
            logger.warning("end_of_look_not_recorded", look=number, outcome=outcome, error=str(error))

    async def seen(self, wanted: Wanted, limit: int) -> list[dict[str, Any]]:
        """The newest first."""
        return await self._fetch("list_looks", asdict(wanted) | {"limit": limit}, self._seen_by)

    async def forget(self, before: datetime) -> int:
        """How many were older; the database keeps what is younger than 30 days, whatever is asked."""
        total = 0
        while True:
            arguments = {"before": before, "limit": SWEEP_BATCH}
            forgotten: int = (await self._fetch("forget_looks", arguments))[0]["forgotten"]
            total += forgotten
            if forgotten < SWEEP_BATCH:
                return total

    async def _write(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
                # whoever has given up shows nothing: it is not said to have looked
                await self._write_batch([(look, told) for look, told in batch if not told.done()])

    async def _write_batch(self, batch: list[tuple[Look, asyncio.Future[int]]]) -> None:
        if not batch:
            return
        columns = {name: [getattr(look, name) for look, _ in batch] for name in _COLUMNS}
        try:
            rows = await self._fetch("record_looks", columns)
        except AWAY as error:
            if isinstance(error, psycopg.DataError) and len(batch) > 1:
                for each in batch:  # what no column holds takes no other along
                    await self._write_batch([each])
                return
            for _, told in batch:
                if not told.done():
                    told.set_exception(NotRecorded(type(error).__name__))
            return
        for (_, told), row in zip(batch, rows, strict=True):
            if not told.done():
                told.set_result(row["number"])

    async def _fetch(
        self, name: str, arguments: dict[str, Any], pool: Pool | None = None
    ) -> list[dict[str, Any]]:
        async with (pool or self._pool).connection(timeout=self._patience_seconds) as connection:
            cursor = connection.cursor(row_factory=dict_row)
            await cursor.execute(getattr(QUERIES, name).sql.encode(), arguments, prepare=False)
            return await cursor.fetchall() if cursor.description else []


async def keep_forgetting_looks(looks: Looks, clock: Clock, days: int) -> None:
    """Once an hour, until cancelled. Several that do so do no harm."""
    while True:
        try:
            forgotten = await looks.forget(clock.now() - timedelta(days=days))
            logger.info("looks_forgotten", looks=forgotten)
        except AWAY as error:
            logger.warning("looks_not_forgotten", error=str(error))
        await asyncio.sleep(SWEEP_SECONDS)


def told(row: dict[str, Any]) -> dict[str, Any]:
    """A look as it is shown."""
    return row | {"parameters": orjson.loads(row["parameters"])}

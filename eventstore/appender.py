"""Group commit: one appender per process turns the appends that wait into few calls of the database.

While up to two batches are in flight, appends queue; when a connection is free it takes its share of the
queue. One fsync serves many commands, and a conflict fails only its own append.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from eventstore.connections import Connection, connect
from eventstore.log import Append, Batch, EpochChanged, LogIdentity, LogUnavailable, Outcome, check_append
from eventstore.seams import Clock, WallClock
from eventstore.wire import RowTypes, call_append, decode_outcomes, encode_batch, prepare_append

CONNECTIONS = 2
BATCH_MIN, BATCH_MAX = 16, 256
QUEUE_MAX = 20_000
RETRY_SECONDS = 30.0


@dataclass(slots=True)
class _Waiting:
    append: Append
    answer: asyncio.Future[Outcome]


class Appender:
    """Appends over its own connections. `start` before use, `stop` at the end (what waits is finished)."""

    def __init__(self, database_url: str, identity: LogIdentity, clock: Clock | None = None) -> None:
        self._url = database_url
        self._identity = identity
        self._clock = clock or WallClock()
        self._queue: deque[_Waiting] = deque()
        self._in_flight = 0
        self._wake = asyncio.Event()
        self._stopping = False
        self._types = RowTypes(0, 0, 0)
        self._workers: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._workers = [asyncio.create_task(self._work()) for _ in range(CONNECTIONS)]

    async def stop(self) -> None:
        self._stopping = True
        self._wake.set()
        await asyncio.gather(*self._workers, return_exceptions=True)

    async def append(self, append: Append) -> Outcome:
        """See `Log.append`."""
        check_append(append)
        if self._stopping or len(self._queue) >= QUEUE_MAX:
            raise LogUnavailable("the queue of appends is full, or closing; try again")
        waiting = _Waiting(append, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._wake.set()
        return await waiting.answer

    def _take(self) -> list[_Waiting]:
        """This connection's share of the queue; a stream that is taken already stays for the next batch."""
        share = min(BATCH_MAX, max(BATCH_MIN, -(-(len(self._queue) + self._in_flight) // CONNECTIONS)))
        batch = Batch()
        taken: list[_Waiting] = []
        passed: list[_Waiting] = []
        while self._queue and len(taken) < share:
            waiting = self._queue.popleft()
            if waiting.answer.cancelled():
                continue
            (taken if batch.takes(waiting.append) else passed).append(waiting)
        self._queue.extendleft(reversed(passed))
        return taken

    async def _work(self) -> None:
        connection: Connection | None = None
        while True:
            taken = self._take()
            if not taken:
                if self._stopping:
                    break
                self._wake.clear()
                await self._wake.wait()
                continue
            self._in_flight += len(taken)
            try:
                connection = await self._commit(connection, taken)
            finally:
                self._in_flight -= len(taken)
        if connection:
            await connection.close()

    async def _commit(self, connection: Connection | None, taken: list[_Waiting]) -> Connection | None:
        """Send until it is answered. A lost reply is no loss: the ledger answers the second time."""
        deadline = asyncio.get_running_loop().time() + RETRY_SECONDS
        pause = 0.05
        while True:
            try:
                connection = connection or await self._connect()
                outcomes = await self._send(connection, [each.append for each in taken])
            except (psycopg.OperationalError, psycopg.InterfaceError, OSError) as error:
                await _close(connection)
                connection = None
                if asyncio.get_running_loop().time() > deadline:
                    _fail(taken, LogUnavailable(f"the log did not answer for {RETRY_SECONDS:.0f} s: {error}"))
                    return None
                await asyncio.sleep(pause)
                pause = min(1.0, pause * 2)
            except (psycopg.Error, EpochChanged) as error:
                return await self._one_by_one(connection, taken, error)
            else:
                for waiting, outcome in zip(taken, outcomes, strict=True):
                    if not waiting.answer.done():
                        waiting.answer.set_result(outcome)
                return connection

    async def _one_by_one(
        self, connection: Connection | None, taken: list[_Waiting], error: Exception
    ) -> Connection | None:
        """One of a batch is to blame: the others must not suffer."""
        if len(taken) == 1 or isinstance(error, EpochChanged):
            _fail(taken, error)
            return connection
        for each in taken:
            connection = await self._commit(connection, [each])
        return connection

    async def _connect(self) -> Connection:
        connection = await connect(self._url, self._identity)
        self._types = await prepare_append(connection)
        return connection

    async def _send(self, connection: Connection, appends: Sequence[Append]) -> list[Outcome]:
        arguments = encode_batch(appends, self._identity.epoch, self._clock.now(), self._types)
        return decode_outcomes(appends, *await call_append(connection, arguments))


def _fail(taken: Sequence[_Waiting], error: Exception) -> None:
    for waiting in taken:
        if not waiting.answer.done():
            waiting.answer.set_exception(error)


async def _close(connection: Connection | None) -> None:
    if connection:
        with contextlib.suppress(psycopg.Error, OSError):
            await connection.close()

"""Group commit: one appender per process turns the appends that wait into few calls of the database.

While up to two batches are in flight, appends queue; when a connection is free it takes its share of the
queue. One fsync serves many commands, and a conflict fails only its own append.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import psycopg

from eventstore.connections import Connection, connect
from eventstore.line import Line
from eventstore.log import Append, Batch, EpochChanged, LogIdentity, LogUnavailable, Outcome, check_append
from eventstore.seams import Clock, WallClock
from eventstore.tasks import end_tasks
from eventstore.wire import RowTypes, call_append, decode_outcomes, encode_batch, prepare_append

CONNECTIONS = 2
BATCH_MIN, BATCH_MAX = 16, 256
PASSED_MAX = 2_000
QUEUE_MAX = 20_000
RETRY_SECONDS = 30.0
STOP_SECONDS = 10.0
# Classes of SQLSTATE by which the server says that it is in trouble, not that an append is wrong: connection,
# read-only (a standby), rollback by deadlock, resources, lock time-out, intervention by an operator, system.
_PASSING = ("08", "25006", "40", "53", "55P03", "57", "58")


class Door(Protocol):
    """A connection to the log that carries out one batch at a time."""

    async def commit(self, appends: list[Append]) -> list[Outcome]:
        """All of them in one transaction; the outcome of each. After an error it is closed and left."""

    async def close(self) -> None: ...


class _PostgresDoor:
    def __init__(self, connection: Connection, types: RowTypes, epoch: int, clock: Clock) -> None:
        self._line = Line(connection)
        self._types = types
        self._epoch = epoch
        self._clock = clock

    async def commit(self, appends: list[Append]) -> list[Outcome]:
        arguments = encode_batch(appends, self._epoch, self._clock.now(), self._types)
        return decode_outcomes(appends, await call_append(self._line, arguments))

    async def close(self) -> None:
        await self._line.close()


@dataclass(slots=True)
class _Waiting:
    append: Append
    size: int
    answer: asyncio.Future[Outcome]


class Appender:
    """Appends over its own connections. `start` before use, `stop` at the end (what waits is finished)."""

    def __init__(self, database_url: str, identity: LogIdentity, clock: Clock | None = None) -> None:
        self._database_url = database_url
        self._identity = identity
        self._clock = clock or WallClock()
        self._queue: deque[_Waiting] = deque()
        self._in_flight = 0
        self._idle: list[asyncio.Future[None]] = []
        self._woken = False
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._tasks = [asyncio.create_task(self._work(_Sender(self.open))) for _ in range(CONNECTIONS)]

    async def open(self) -> Door:
        """A new connection to the log."""
        connection = await connect(self._database_url, self._identity)
        return _PostgresDoor(connection, await prepare_append(connection), self._identity.epoch, self._clock)

    async def stop(self) -> None:
        """Finish what waits, for some seconds; what is left then fails with LogUnavailable."""
        self._stopping = True
        while self._idle:
            self._woken = False
            self._wake()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=STOP_SECONDS)
            await end_tasks(*late)
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self._abandon()

    async def append(self, append: Append) -> Outcome:
        """See `Log.append`."""
        size = check_append(append)
        if self._stopping or len(self._queue) >= QUEUE_MAX:
            raise LogUnavailable("the queue of appends is full, or closing; try again")
        waiting = _Waiting(append, size, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._wake()
        return await waiting.answer

    def _wake(self) -> None:
        """Wake one worker at a time: it takes what was appended by the time it runs, and wakes the next."""
        while self._idle and not self._woken:
            idle = self._idle.pop()
            if not idle.done():
                self._woken = True
                idle.set_result(None)

    def _take(self) -> list[_Waiting]:
        """This connection's share of the queue; a stream that is taken already stays for the next batch."""
        share = min(BATCH_MAX, max(BATCH_MIN, -(-(len(self._queue) + self._in_flight) // CONNECTIONS)))
        batch = Batch()
        taken: list[_Waiting] = []
        passed: list[_Waiting] = []
        while self._queue and len(taken) < share and len(passed) < PASSED_MAX:
            waiting = self._queue.popleft()
            if waiting.answer.cancelled():
                continue
            (taken if batch.takes(waiting.append, waiting.size) else passed).append(waiting)
        self._queue.extendleft(reversed(passed))
        return taken

    async def _work(self, sender: _Sender) -> None:
        taken: list[_Waiting] = []
        try:
            while not self._stopping or self._queue:
                taken = self._take()
                if self._queue:
                    self._wake()
                if taken:
                    self._in_flight += len(taken)
                    await sender.commit(taken)
                    self._in_flight -= len(taken)
                elif not self._stopping:
                    await self._sleep()
        except asyncio.CancelledError:
            # Nobody may serve those who wait; and whether the batch in flight was done is unknown.
            self._stopping = True
            _fail(taken, LogUnavailable("the log was closed before it answered"))
            self._abandon()
            raise
        finally:
            await sender.close()

    async def _sleep(self) -> None:
        idle = asyncio.get_running_loop().create_future()
        self._idle.append(idle)
        await idle
        self._woken = False

    def _abandon(self) -> None:
        _fail(self._queue, LogUnavailable("the log was closed"))
        self._queue.clear()


class _Sender:
    """One connection to the log, opened when it is needed."""

    def __init__(self, open_door: Callable[[], Awaitable[Door]]) -> None:
        self._open = open_door
        self._door: Door | None = None

    async def close(self) -> None:
        door, self._door = self._door, None
        if door:
            await door.close()

    async def commit(self, taken: list[_Waiting]) -> None:
        """Send until it is answered. A lost reply is no loss: the ledger answers the second time."""
        deadline = asyncio.get_running_loop().time() + RETRY_SECONDS
        pause = 0.05
        while True:
            try:
                outcomes = await self._send([each.append for each in taken])
            except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
                if not passes(error):
                    await self._one_by_one(taken, error)
                    return
                await self.close()
                if asyncio.get_running_loop().time() > deadline:
                    _fail(taken, LogUnavailable(f"the log did not answer for {RETRY_SECONDS:.0f} s: {error}"))
                    return
                await asyncio.sleep(pause)
                pause = min(1.0, pause * 2)
            else:
                for waiting, outcome in zip(taken, outcomes, strict=True):
                    if not waiting.answer.done():
                        waiting.answer.set_result(outcome)
                return

    async def _one_by_one(self, taken: list[_Waiting], error: Exception) -> None:
        """One of a batch is to blame: the others must not suffer."""
        if len(taken) == 1 or isinstance(error, EpochChanged):
            _fail(taken, error)
            return
        for each in taken:
            await self.commit([each])

    async def _send(self, appends: list[Append]) -> list[Outcome]:
        if self._door is None:
            self._door = await self._open()
        return await self._door.commit(appends)


def passes(error: Exception) -> bool:
    """Whether the error is the server's trouble, which may be over soon, and not an append's own fault."""
    if isinstance(error, psycopg.Error) and error.sqlstate:
        return error.sqlstate.startswith(_PASSING)
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | OSError)


def _fail(taken: Iterable[_Waiting], error: Exception) -> None:
    for waiting in taken:
        if not waiting.answer.done():
            waiting.answer.set_exception(error)

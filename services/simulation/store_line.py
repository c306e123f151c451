"""The line to the database server of a simulated system: what a call of it costs, and how it fails.

The server is a process of its own, "store", that does one work after another, each at once and whole, like a
serializable transaction. What a dead client has sent may still be done, like that of one who gave up.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable
from random import Random
from typing import Any, TypeVar

from psycopg import OperationalError

from services.simulation.faults import Faults
from services.simulation.loop import SimulatedLoop
from services.simulation.process import Process

T = TypeVar("T")
LATENCY_SECONDS = 0.001
SLOW_SECONDS, DOWN_SECONDS = 5.0, 3.0


class StoreLine:
    """`call` is a round trip. Faults come by their rates, and when a test calls for them."""

    def __init__(self, loop: SimulatedLoop, random: Random, faults: Faults | None = None) -> None:
        self._loop = loop
        self._random = random
        self.faults = faults or Faults()
        self.server = loop.new_process("store")
        self.is_down = False
        self.on_down: list[Callable[[], None]] = []
        """Called when the server breaks down: sessions, and what they held, are gone."""
        self._in_flight: dict[int, _Call] = {}
        self._calls = 0
        self._downs = 0

    async def call(self, process: Process, work: Callable[[], T]) -> T:
        """What `work` returns or raises, done on the server for a process.

        Raises OperationalError if the line or the server failed; the work may have been done, then.
        """
        self._calls += 1
        call = _Call(self._calls, process, work, self._loop.create_future())
        self._in_flight[call.number] = call
        self._after_a_way(self._arrive, call)
        return await call.answer  # type: ignore[no-any-return]

    def go_down(self, seconds: float | None = None) -> None:
        """Fail all that is in flight, half of it done all until `come_up`, or for so long."""
        self.is_down = True
        self._downs += 1
        with self._loop.within(self.server):
            for call in list(self._in_flight.values()):
                if not call.done and self._chance(0.5):
                    call.do()
                self._fail(call, "the server broke down")
            for tell in self.on_down:
                tell()
        if seconds is not None:
            outside = self._loop.outside.context
            self._loop.call_later(seconds, self._come_up_from, self._downs, context=outside)

    def come_up(self) -> None:
        self.is_down = False

    def _come_up_from(self, down: int) -> None:
        if down == self._downs:  # else it broke down again meanwhile
            self.come_up()

    def _arrive(self, call: _Call) -> None:
        if self._chance(self.faults.down) and not self.is_down:
            self.go_down(self._random.random() * DOWN_SECONDS)
        if call.number not in self._in_flight:
            return  # it failed when the server broke down
        if self.is_down or self._chance(self.faults.refuse):
            self._fail(call, "no connection")
        elif call.is_given_up and self._chance(0.5):
            del self._in_flight[call.number]
        else:
            call.do()
            lost = self._chance(self.faults.unanswered)
            self._after_a_way(self._lose_answer if lost else self._answer, call)

    def _answer(self, call: _Call) -> None:
        if self._in_flight.pop(call.number, None):
            call.reply()

    def _lose_answer(self, call: _Call) -> None:
        if call.number in self._in_flight:
            self._fail(call, "the connection was lost")

    def _fail(self, call: _Call, why: str) -> None:
        del self._in_flight[call.number]
        call.error = OperationalError(f"simulated: {why}")
        call.reply()

    def _after_a_way(self, callback: Callable[[_Call], None], call: _Call) -> None:
        seconds = SLOW_SECONDS if self._chance(self.faults.slow) else LATENCY_SECONDS
        seconds *= self._random.random()
        self._loop.call_later(seconds, callback, call, context=self.server.context)

    def _chance(self, rate: float) -> bool:
        return rate > 0 and self._random.random() < rate


class _Call:
    """A work on its way."""

    def __init__(self, number: int, process: Process, work: Callable[[], Any], answer: Future[Any]) -> None:
        self.number = number
        self.process = process
        self.answer = answer
        self.done = False
        self.error: Exception | None = None
        self._work = work
        self._result: Any = None

    @property
    def is_given_up(self) -> bool:
        return self.process.dead or self.answer.done()

    def do(self) -> None:
        self.done = True
        try:
            self._result = self._work()
        except Exception as error:  # noqa: BLE001 - it is the caller's
            self.error = error

    def reply(self) -> None:
        if self.is_given_up:
            return
        if self.error:
            self.answer.set_exception(self.error)
        else:
            self.answer.set_result(self._result)

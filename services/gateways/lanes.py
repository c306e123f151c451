"""Which call is made when: those of one account in order, accounts side by side, failed ones again later."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from datetime import timedelta

import structlog

from eventstore.checkpoints import LeaseLost
from eventstore.log import EpochChanged
from eventstore.seams import Clock
from eventstore.tasks import TaskGroup
from services.gateways.breaker import Patience
from services.gateways.caller import Caller
from services.gateways.calls import Call, OpenCalls
from services.gateways.gateway import LeftAlone, Unavailable
from services.gateways.trouble import OUR_TROUBLE

IN_FLIGHT_MAX = 64
OPEN_MAX = 5_000
logger = structlog.get_logger()


class Lanes:
    """Sees calls through, in tasks of the group `tasks`. `news` is set whenever an open call changes."""

    def __init__(self, caller: Caller, clock: Clock, patience: Patience, tasks: TaskGroup) -> None:
        self.open = OpenCalls()
        self.news = asyncio.Event()
        self._caller = caller
        self._clock = clock
        self._patience = patience
        self._tasks = tasks
        self._lanes: dict[str, deque[Call]] = {}
        self._slots = asyncio.Semaphore(IN_FLIGHT_MAX)
        self._closed = asyncio.Event()

    async def room(self) -> None:
        """Wait until few enough calls are open to start more."""
        while len(self.open) >= OPEN_MAX:
            self._closed.clear()
            await self._closed.wait()

    def start(self, call: Call) -> None:
        self.open.open(call)
        account = self._caller.account_of(call)
        lane = self._lanes.get(account)
        if lane is not None:
            lane.append(call)
            return
        self._lanes[account] = lane = deque((call,))
        self._tasks.create_task(self._serve(account, lane))

    async def _serve(self, account: str, lane: deque[Call]) -> None:
        while lane:
            call = lane[0]
            await self._see_through(call)
            lane.popleft()
            self.open.close(call)
            self._closed.set()
            self.news.set()
        del self._lanes[account]

    async def _see_through(self, call: Call) -> None:
        """Try until there is an outcome."""
        if call.attempts:
            # no longer than a pause may be: whoever wrote that down may have had a clock that was ahead
            wait_s = (call.next_at - self._clock.now()).total_seconds()
            await asyncio.sleep(min(max(0.0, wait_s), self._patience.pause_s_max))
        while not await self._attempt(call):
            pause_s = self._patience.pause_s(call.attempts, self._patience.throw())
            call.next_at = self._clock.now() + timedelta(seconds=pause_s)
            self.open.postponed(call)
            self.news.set()
            await asyncio.sleep(pause_s)

    async def _attempt(self, call: Call) -> bool:
        """Whether there is an outcome."""
        try:
            await self._carry_out(call)
        except OUR_TROUBLE as error:
            logger.warning("call_waits_for_the_log", stream=call.fact.stream, error=str(error))
            return False
        except (EpochChanged, LeaseLost):
            raise
        except Unavailable as error:
            logger.info("call_failed", stream=call.fact.stream, error=str(error))
        except Exception:
            # what one answer does to us must not stop the others: this call is tried again, and shows as open
            logger.exception("call_broke", stream=call.fact.stream, position=call.fact.position)
        else:
            return True
        call.attempts += 1
        await self._degrade(call)
        return False

    async def _carry_out(self, call: Call) -> None:
        """Once the provider is not left alone any more."""
        for refusals in itertools.count(1):
            try:
                async with self._slots:
                    await self._caller.carry_out(call)
                    return
            except LeftAlone:
                call.left_alone += 1
            await self._degrade(call)
            pause_s = self._patience.pause_s(refusals, self._patience.throw())
            await asyncio.sleep(min(pause_s, self._patience.left_alone_s_max))

    async def _degrade(self, call: Call) -> None:
        """After enough failures tell the log, once, that the provider can't be reached for this."""
        if call.failures < self._patience.attempts or call.told_unavailable:
            return
        try:
            await self._caller.record_unavailable(call)
        except OUR_TROUBLE as error:
            logger.warning("call_waits_for_the_log", stream=call.fact.stream, error=str(error))
        else:
            call.told_unavailable = True

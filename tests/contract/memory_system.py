"""The log in memory under trial. Its doors are slow, so that calls overlap, and may die with an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis.stateful import rule

from eventstore import feed as feed_module
from eventstore.log import PAGE, STREAM_LIMIT, Append, Appended, Content, LogIdentity, Outcome, StoredEvent
from eventstore.memory import MemoryLog
from tests.contract.appends import StillClock
from tests.contract.log_calls import Key
from tests.contract.log_machine import LogMachine
from tests.contract.log_model import CheckedLog
from tests.contract.log_plan import DOORS, ROUNDS, Fault, Round, faults


class Gone(Exception):
    """The door is no more."""


class Door:
    """A log behind some turns of the loop; when it dies, it may have done what it does not answer."""

    def __init__(self, log: MemoryLog) -> None:
        self.log = log
        self.identity = log.identity
        self.alive = True

    async def _turn(self) -> None:
        await asyncio.sleep(0)
        if not self.alive:
            raise Gone

    async def append(self, append: Append) -> Outcome:
        await self._turn()
        try:
            return await self.log.append(append)
        finally:
            await self._turn()

    async def read(self, after: int, limit: int = PAGE) -> list[StoredEvent]:
        await self._turn()
        return await self.log.read(after, limit)

    async def read_streams(
        self, wanted: Sequence[tuple[str, int]], limit: int = STREAM_LIMIT
    ) -> list[list[StoredEvent]]:
        await self._turn()
        return await self.log.read_streams(wanted, limit)

    async def read_contents(
        self, wanted: Sequence[tuple[str, int]], limit: int = STREAM_LIMIT
    ) -> list[list[Content]]:
        await self._turn()
        return await self.log.read_contents(wanted, limit)

    async def head(self) -> int:
        await self._turn()
        return await self.log.head()

    async def present(self) -> tuple[LogIdentity, bool]:
        return await self.log.present()


class MemorySystem:
    """See `log_machine.System`."""

    troubles: tuple[type[Exception], ...] = (Gone,)

    def __init__(self, runner: asyncio.Runner, log_type: type[MemoryLog] = CheckedLog) -> None:
        self._runner = runner
        self._log_type = log_type

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        self._runner.run(work)

    async def open(self) -> None:
        self.log = self._log_type(StillClock())
        self.doors = [Door(self.log) for _ in range(DOORS)]

    async def close(self) -> None:
        pass

    async def strike(self, kind: str) -> None:
        if kind == "writer":
            self.doors[-1].alive = False

    async def mend(self) -> None:
        self.doors[-1] = Door(self.log)

    async def rows(self) -> list[StoredEvent]:
        return list(self.log.events)

    async def ledger(self) -> Mapping[Key, Appended]:
        return dict(self.log.ledger)


class MemoryLogMachine(LogMachine):
    @rule(plan=ROUNDS, fault=faults("writer", "caller"))
    def trouble(self, plan: Round, fault: Fault) -> None:
        self.do(self._play(plan, fault))


@contextmanager
def quick_loop() -> Iterator[asyncio.Runner]:
    """A loop to run on, with feeds that look at the log more often than once a second."""
    with pytest.MonkeyPatch.context() as patch, asyncio.Runner() as runner:
        patch.setattr(feed_module, "HEAD_SECONDS", 0.01)
        patch.setattr(feed_module, "LOOK_SECONDS", 0.001)
        yield runner

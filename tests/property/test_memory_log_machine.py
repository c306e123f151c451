"""Does the log in memory stand the state machine of logs, and does the machine see what is wrong with a log?

Its doors are slow, so that the calls of a round overlap, and may die with an answer that they had.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis.stateful import rule

from eventstore import feed as feed_module
from eventstore.feed import Feed
from eventstore.log import PAGE, Append, Appended, LogIdentity, Outcome, StoredEvent
from eventstore.memory import MemoryLog
from tests.contract.appends import StillClock
from tests.contract.log_calls import Key
from tests.contract.log_machine import LogMachine
from tests.contract.log_model import CheckedLog
from tests.contract.log_plan import DOORS, ROUNDS, Fault, Round, faults
from tests.contract.log_trial import is_found, stands
from tests.property.log_mutants import FEEDS, LOGS


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

    async def read_streams(self, wanted: Sequence[tuple[str, int]]) -> list[list[StoredEvent]]:
        await self._turn()
        return await self.log.read_streams(wanted)

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


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> Iterator[asyncio.Runner]:
    monkeypatch.setattr(feed_module, "HEAD_SECONDS", 0.01)
    monkeypatch.setattr(feed_module, "LOOK_SECONDS", 0.001)
    with asyncio.Runner() as runner:
        yield runner


def test_the_log_in_memory_is_as_it_should_be(runner: asyncio.Runner) -> None:
    system = MemorySystem(runner)
    stands(lambda: MemoryLogMachine(system), examples=25, steps=8)


@pytest.mark.parametrize("mutant", LOGS, ids=lambda mutant: mutant.__name__)
def test_a_log_that_is_wrong_is_found(runner: asyncio.Runner, mutant: type[MemoryLog]) -> None:
    system = MemorySystem(runner, mutant)
    is_found(lambda: MemoryLogMachine(system), examples=100, steps=8)


@pytest.mark.parametrize("mutant", FEEDS, ids=lambda mutant: mutant.__name__)
def test_a_feed_that_is_wrong_is_found(runner: asyncio.Runner, mutant: type[Feed]) -> None:
    machine = type("FedMachine", (MemoryLogMachine,), {"feed_type": mutant})
    is_found(lambda: machine(MemorySystem(runner)), examples=100, steps=8)

"""Does the log in memory stand the state machine of logs, and does the machine see what is wrong with a log?

Its doors are slow, so that the calls of a round overlap, and may die with an answer that they had. Each mutant
has one mistake that event stores or their followers are known to make: the machine must find it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis.stateful import rule

from eventstore import feed as feed_module
from eventstore.feed import Feed
from eventstore.log import PAGE, Append, Appended, Conflict, LogIdentity, Outcome, StoredEvent
from eventstore.memory import MemoryLog
from tests.contract.appends import StillClock
from tests.contract.log_calls import Key
from tests.contract.log_machine import LogMachine, is_found, stands
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

    troubles = (Gone,)

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


class NoVersions(CheckedLog):
    """Appends wherever the stream stands."""

    async def append(self, append: Append) -> Outcome:
        versions = {event.stream: event.version for event in self.events}
        streams = (
            replace(each, expected_version=versions.get(each.stream, 0), begins_anywhere=False)
            for each in append.streams
        )
        return await super().append(replace(append, streams=tuple(streams)))


class NoLedger(CheckedLog):
    """Keeps no ledger."""

    async def append(self, append: Append) -> Outcome:
        outcome = await super().append(append)
        self.ledger.pop((append.merchant, append.command_id), None)
        return outcome


class Again(CheckedLog):
    """Does a repeated command once more where its streams stand now."""

    async def append(self, append: Append) -> Outcome:
        if not self.ledger.pop((append.merchant, append.command_id), None):
            return await super().append(append)
        return await NoVersions.append(self, append)  # type: ignore[arg-type]


class VersionsFirst(CheckedLog):
    """Compares versions before it looks into the ledger: a retry is in conflict with itself."""

    async def append(self, append: Append) -> Outcome:
        key = (append.merchant, append.command_id)
        known = self.ledger.pop(key, None)
        outcome = await super().append(append) if known and append.streams else known
        if known:
            self.ledger[key] = known
        return outcome or await super().append(append)


class LastAnswer(CheckedLog):
    """Answers a repeated command with what it says now."""

    async def append(self, append: Append) -> Outcome:
        outcome = await super().append(append)
        if isinstance(outcome, Appended) and outcome.repeated:
            return replace(outcome, fingerprint=append.fingerprint, answer=append.answer)
        return outcome


class OneMerchant(CheckedLog):
    """Takes the command ids of all merchants for the same."""

    async def append(self, append: Append) -> Outcome:
        for (_, command_id), entry in self.ledger.items():
            if command_id == append.command_id:
                return entry
        return await super().append(append)


class Gaps(CheckedLog):
    """Takes positions from a sequence; who is refused has taken some all the same."""

    burned = 0

    async def append(self, append: Append) -> Outcome:
        outcome = await super().append(append)
        self.burned += isinstance(outcome, Conflict) and append.event_count
        return outcome

    def _write(self, append: Append) -> None:
        first = len(self.events)
        super()._write(append)
        for index in range(first, len(self.events)):
            self.events[index] = self.events[index]._replace(position=index + 1 + self.burned)


class HalfAConflict(CheckedLog):
    """Leaves what was right of an append that is refused."""

    async def append(self, append: Append) -> Outcome:
        outcome = await super().append(append)
        if isinstance(outcome, Conflict):
            versions = {event.stream: event.version for event in self.events}
            right = [each for each in append.streams if each.expected_version == versions.get(each.stream, 0)]
            self._write(replace(append, streams=tuple(right)))
        return outcome


class TornReads(CheckedLog):
    """Reads streams one after another, while others append."""

    async def read_streams(self, wanted: Sequence[tuple[str, int]]) -> list[list[StoredEvent]]:
        found = []
        for each in wanted:
            found += await super().read_streams([each])
            for _ in range(3):
                await asyncio.sleep(0)
        return found


class OldReads(CheckedLog):
    """Reads from a copy that lags one event behind."""

    async def read(self, after: int, limit: int = PAGE) -> list[StoredEvent]:
        return self.events[:-1][after : after + limit]


class OtherLeaves(CheckedLog):
    """Hashes what it does not store."""

    def _write(self, append: Append) -> None:
        super()._write(append)
        for index in range(len(self.events) - append.event_count, len(self.events)):
            self.events[index] = self.events[index]._replace(metadata=b"{}")


class Trusting(Feed):
    """Takes a jump for the next event."""

    def _take(self, event: StoredEvent) -> None:
        if event.position > self.head:
            self._keep(event)
            self._announce()


class Twice(Feed):
    """Takes what it had before for news."""

    def _take(self, event: StoredEvent) -> None:
        if event.position <= self.head:
            self._keep(event)
        super()._take(event)


MUTANTS = [
    NoVersions, NoLedger, Again, VersionsFirst, LastAnswer, OneMerchant, Gaps, HalfAConflict, TornReads, OldReads, OtherLeaves,
]  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_log_that_is_wrong_is_found(runner: asyncio.Runner, mutant: type[MemoryLog]) -> None:
    system = MemorySystem(runner, mutant)
    is_found(lambda: MemoryLogMachine(system), examples=100, steps=8)


@pytest.mark.parametrize("mutant", [Trusting, Twice], ids=lambda mutant: mutant.__name__)
def test_a_feed_that_is_wrong_is_found(runner: asyncio.Runner, mutant: type[Feed]) -> None:
    machine = type("FedMachine", (MemoryLogMachine,), {"feed_type": mutant})
    is_found(lambda: machine(MemorySystem(runner)), examples=100, steps=8)

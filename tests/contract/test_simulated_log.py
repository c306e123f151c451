"""Does the log of a simulated process keep the contract of logs, too, with its appender, line and server?

The tests are those of the other logs, each in a world of its own. Faults that leave unsaid whether an append
was done are not among these: after them the ledger answers that it is repeated, rightly, and the tests say
exactly which one is the first. Whole histories have them (`tests/simulation`).
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any, TypeVar

import pytest
from psycopg import OperationalError

from eventstore.keyring import MemoryKeyStore
from eventstore.log import Log
from eventstore.memory import MemoryLog
from services.simulation.clock import SeededRandom, SimulatedClock
from services.simulation.faults import Faults
from services.simulation.loop import SimulatedLoop
from services.simulation.node import Line, Server, SimulatedLog
from services.simulation.store_line import StoreLine
from services.simulation.tables import Tables
from tests.contract import test_append, test_ledger, test_read
from tests.contract.appends import an_append, appended, refused, to_stream

T = TypeVar("T")
Test = Callable[..., Awaitable[None]]
FAULTS = ("none", "refuse=0.1,slow=0.1")
SEEDS = range(1, 4)


def _tests_of(module: ModuleType) -> list[Test]:
    """Those that want a log, or one that is filled, and nothing else."""
    tests = [each for name, each in vars(module).items() if name.startswith("test_")]
    return [each for each in tests if set(inspect.signature(each).parameters) in ({"log"}, {"filled"})]


MODULES = (test_append, test_ledger, test_read)
TESTS = [test for module in MODULES for test in _tests_of(module)]


class Patient(SimulatedLog):
    """Asks again when the line failed, as whoever reads may."""

    async def read(self, *asked: Any) -> Any:
        return await _insisted(lambda: super(Patient, self).read(*asked))

    async def read_streams(self, *asked: Any) -> Any:
        return await _insisted(lambda: super(Patient, self).read_streams(*asked))

    async def read_contents(self, *asked: Any) -> Any:
        return await _insisted(lambda: super(Patient, self).read_contents(*asked))

    async def head(self) -> int:
        return await _insisted(super().head)

    async def present(self) -> Any:
        return await _insisted(super().present)


async def _insisted(ask: Callable[[], Awaitable[T]]) -> T:
    while True:
        try:
            return await ask()
        except OperationalError:
            continue


def _server(clock: SimulatedClock) -> Server:
    log = MemoryLog(clock)
    return Server(log, Tables(log, clock), MemoryKeyStore())


async def _log(
    loop: SimulatedLoop, chance: SeededRandom, faults: Faults, server: Server | None = None
) -> Log:
    clock = SimulatedClock(loop)
    server = server or _server(clock)
    line = Line(StoreLine(loop, chance.stream("store"), faults), loop.process)
    log = Patient(line, server, clock)
    await log.start()
    return log


@pytest.mark.parametrize("faults", FAULTS)
@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.__name__)
def test_a_simulated_log_keeps_the_contract(test: Test, faults: str) -> None:
    for seed in SEEDS:
        chance = SeededRandom(seed)
        loop = SimulatedLoop(chance.stream("loop"))

        async def play(loop: SimulatedLoop = loop, chance: SeededRandom = chance) -> None:
            log = await _log(loop, chance, Faults.parse(faults))
            wants_filled = "filled" in inspect.signature(test).parameters
            await test(await test_read.fill(log) if wants_filled else log)

        loop.run(play())


def test_none_of_the_contract_is_forgotten() -> None:
    """But for what the appender, the same one everywhere, refuses before anything is simulated."""
    there = {name for module in MODULES for name in vars(module) if name.startswith("test_")}
    assert there - {test.__name__ for test in TESTS} == {"test_an_invalid_append_is_refused"}


def test_an_append_that_writes_nothing_brings_nothing_to_the_disk() -> None:
    """A transaction that wrote nothing has no commit to wait for: what was relaxed before stays at risk."""
    loop = SimulatedLoop(1)
    server = _server(SimulatedClock(loop))

    async def play() -> None:
        log = await _log(loop, SeededRandom(1), Faults(), server)
        first = an_append(to_stream("order-1"))
        await appended(log, first)
        server.tables.run("create_checkpoint", {"follower": "agents", "position": 0}, relaxed=True)
        assert (await appended(log, first)).repeated
        await refused(log, an_append(to_stream("order-1")))
        assert server.tables.unsynced == 1
        await appended(log, an_append(to_stream("order-2")))
        assert server.tables.unsynced == 0

    loop.run(play())

"""Does the state machine of logs see what is wrong with a log, or with a feed?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from eventstore.feed import Feed
from eventstore.memory import MemoryLog
from tests.contract.log_mutants import FEEDS, LOGS
from tests.contract.log_trial import is_found
from tests.contract.memory_system import MemoryLogMachine, MemorySystem, quick_loop


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with quick_loop() as runner:
        yield runner


@pytest.mark.parametrize("mutant", LOGS, ids=lambda mutant: mutant.__name__)
def test_a_log_that_is_wrong_is_found(runner: asyncio.Runner, mutant: type[MemoryLog]) -> None:
    system = MemorySystem(runner, mutant)
    is_found(lambda: MemoryLogMachine(system), examples=100, steps=8)


@pytest.mark.parametrize("mutant", FEEDS, ids=lambda mutant: mutant.__name__)
def test_a_feed_that_is_wrong_is_found(runner: asyncio.Runner, mutant: type[Feed]) -> None:
    machine = type("FedMachine", (MemoryLogMachine,), {"feed_type": mutant})
    is_found(lambda: machine(MemorySystem(runner)), examples=100, steps=8)

"""Projectors as processes, under load: one is killed, one is stopped past its lease and wakes up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.runfile import read_run
from tests.integration.projections_trade import Trade, open_trade
from tests.integration.system import system, tillroll, wait
from tests.integration.test_projections import no_differences
from tests.integration.test_shares import divided, flowing

PROJECTOR = """
import asyncio, sys
from eventstore.bus import MemoryBus
from eventstore.feed import Feed
from eventstore.keyring import Keyring, PostgresKeyStore
from eventstore.postgres import PostgresLog
from projections.runner import ProjectionRunner
from projections.session import PostgresReadModels
from services.processes.lasting import persist

async def main(database):
    async with await PostgresLog.connect(database) as log:
        keyring = Keyring(bytes(range(32)), PostgresKeyStore(log.pool))
        async with Feed(log, MemoryBus()).running() as feed:
            await persist("projector", ProjectionRunner(feed, PostgresReadModels(log.pool), keyring).run)

asyncio.run(main(sys.argv[1]))
"""

pytestmark = pytest.mark.slow


@pytest.fixture
async def trade(database: str) -> AsyncIterator[Trade]:
    async with open_trade(database) as opened:
        yield opened


@contextmanager
def projector(database: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROJECTOR, database], stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def test_projectors_are_killed_and_stopped_and_wake_up(trade: Trade, database: str) -> None:
    with projector(database) as stopped, projector(database) as killed:
        async with flowing(trade):
            await divided(trade, 2)
            with projector(database):
                await divided(trade, 3)
                killed.kill()
                await divided(trade, 2)
                await no_differences(trade)
                for _ in range(2):
                    stopped.send_signal(signal.SIGSTOP)
                    await divided(trade, 1)  # its lease is over, and another has its partitions
                    stopped.send_signal(signal.SIGCONT)
                    await divided(trade, 2)
            await divided(trade, 1)
        assert stopped.poll() is None


@pytest.mark.parametrize(("process", "setting"), [("projector", "PROJECTORS"), ("agents", "AGENTS")])
def test_up_starts_as_many_as_are_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, process: str, setting: str
) -> None:
    monkeypatch.setenv(f"TILLROLL_{setting}", "2")
    follower = "agents" if process == "agents" else "projection:"

    def sharing() -> dict[str, set[tuple[int, int]]]:
        _, status = tillroll(environment, "status")
        found: dict[str, set[tuple[int, int]]] = {}
        for each in status["followers"]:
            if each["follower"].startswith(follower) and each["alive"]:
                partitions = (each["first_partition"], each["last_partition"])
                found.setdefault(each["worker"], set()).add(partitions)
        return found

    def both_share() -> bool:
        return sorted(sharing().values(), key=min) == [{(0, 31)}, {(32, 63)}]

    with system(tmp_path) as environment:
        wait(both_share)
        before = sharing()
        run = read_run(tmp_path)
        assert run
        os.kill(int(run.processes[f"{process}-2"]["pid"] or 0), signal.SIGKILL)
        _, played = tillroll(environment, "play", "synthetic", "--orders", "60", "--seed", "5")
        assert not [each for each in played["oracles"] if not each["good"] and not each["reason"]]
        wait(both_share)
        assert len(before.keys() & sharing().keys()) == 1  # the other was started anew
        assert tillroll(environment, "verify")[1]["problems"] == []

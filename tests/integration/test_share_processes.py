"""Projectors as processes, under load: one is killed, one is stopped past its lease and wakes up."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest

from tests.integration.projections_trade import Trade, open_trade
from tests.integration.test_projections import fetch, no_differences
from tests.integration.test_shares import divided, flowing

PROJECTOR = """
import asyncio, sys
from eventstore.bus import MemoryBus
from eventstore.feed import Feed
from eventstore.keyring import Keyring, PostgresKeyStore
from eventstore.postgres import PostgresLog
from projections.runner import ProjectionRunner
from services.processes import persist

async def main(database):
    async with await PostgresLog.connect(database) as log:
        keyring = Keyring(bytes(range(32)), PostgresKeyStore(log.pool))
        async with Feed(log, MemoryBus()).running() as feed:
            await persist("projector", ProjectionRunner(feed, log.pool, keyring).run)

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

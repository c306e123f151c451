"""Is what a person asks of a parked key answered, where the handler ends the process that carries it out?"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from domain.order import OrderCancelled
from domain.parked import RequestParkedRetry
from eventstore import tasks
from eventstore.statements import Pool
from services.parked_keys import ATTEMPTS_MAX, ENDS, Connection
from services.supervisor import Supervisor
from tests.integration.projections_trade import Trade
from tests.integration.test_parked import FOLLOWER, KEY, ask, ask_to_skip, failing_at, parked, positions
from tests.integration.test_projections import fetch
from tests.patience import HANGS

DEADLY_PROCESS = """
import asyncio, os, sys
from dataclasses import replace
from domain.order import OrderCancelled
from domain.payment import PaymentVoided
from projections.order.orders import ORDERS
from projections.read_models import READ_MODELS
from services.parked_keys import ParkedKeys, keep_answering
from services.agents.registered import AGENTS
from tests.integration.projections_trade import open_trade

database, deadly = sys.argv[1:]

def project(facts):
    for fact in facts:
        if type(fact.event).__name__ == deadly:
            os._exit(9)
    return ORDERS.project(facts)

async def main():
    models = {**READ_MODELS, "orders": replace(ORDERS, project=project)}
    async with open_trade(database) as trade:
        keys = ParkedKeys(trade.log.pool, trade.log, trade.keyring, AGENTS, models)
        await keep_answering(keys, lambda follower: True)

asyncio.run(main())
"""


async def answered_by_the_deadly(database: str, deadly: str, trade: Trade, asked: int, data: Path) -> int:
    """How often its process was started anew until it had answered, and lived."""
    argv = [sys.executable, "-c", DEADLY_PROCESS, database, deadly]
    async with asyncio.timeout(HANGS), Supervisor(data) as supervisor:
        await supervisor.add("projector", argv, os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
        while not await fetch(trade, f"SELECT request FROM parked_answers WHERE request = {asked}"):
            await asyncio.sleep(0.1)
        restarts = supervisor.status()["projector"]["restarts"]
        await asyncio.sleep(2)
        assert supervisor.status()["projector"]["restarts"] == restarts, "it lives from now on"
    return restarts


@pytest.mark.slow
async def test_a_retry_that_ends_the_process_is_answered_and_the_key_stays(
    database: str, tmp_path: Path
) -> None:
    async with parked(database, failing_at(OrderCancelled)) as (trade, keys):
        before = await positions(trade)
        asked = await ask(trade, RequestParkedRetry(follower=FOLLOWER, key=KEY, stands_at=before[0]))
        restarts = await answered_by_the_deadly(database, "OrderCancelled", trade, asked, tmp_path)
        assert restarts == ATTEMPTS_MAX
        answer = await keys.answer(asked)
        assert (answer.skipped, answer.went_on, answer.error) == (None, 0, ENDS)
        assert await positions(trade) == before


@pytest.mark.slow
async def test_a_skip_is_carried_out_though_what_comes_behind_ends_the_process(
    database: str, tmp_path: Path
) -> None:
    async with parked(database, failing_at(OrderCancelled)) as (trade, keys):
        first, *rest = await positions(trade)
        asked = await ask_to_skip(trade, keys)
        restarts = await answered_by_the_deadly(database, "PaymentVoided", trade, asked, tmp_path)
        assert restarts == ATTEMPTS_MAX
        answer = await keys.answer(asked)
        assert (answer.skipped, answer.went_on, answer.error) == (first, 0, ENDS)
        assert await positions(trade) == rest


async def test_who_fails_and_lives_has_not_ended_its_process(database: str) -> None:
    async with parked(database, failing_at(OrderCancelled)) as (trade, keys):
        first = await keys.first(FOLLOWER, KEY)
        assert first is not None
        asked = await ask(trade, RequestParkedRetry(follower=FOLLOWER, key=KEY, stands_at=first))

        async def fail(*_: object) -> None:
            raise OSError("the network is away")

        broken = keys.__class__(trade.log.pool, trade.log, trade.keyring, ())
        broken._lock = fail  # type: ignore[method-assign, assignment]
        for _ in range(ATTEMPTS_MAX + 1):
            with pytest.raises(OSError, match="network"):
                await broken.answer(asked)
        assert "OrderCancelled" in (await keys.answer(asked)).error, "it was tried all the same"


async def test_who_is_stopped_has_not_been_ended_by_what_it_carried_out(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so, though that has to wait, and others insist that it ends."""
    monkeypatch.setattr(tasks, "INSIST_SECONDS", 0.0)
    async with parked(database, failing_at(OrderCancelled)) as (trade, keys):
        first = await keys.first(FOLLOWER, KEY)
        assert first is not None
        asked = await ask(trade, RequestParkedRetry(follower=FOLLOWER, key=KEY, stands_at=first))
        stopped = keys.__class__(trade.log.pool, trade.log, trade.keyring, ())
        for _ in range(ATTEMPTS_MAX + 1):
            begun = asyncio.Event()

            async def hang(*_: object, begun: asyncio.Event = begun) -> None:
                begun.set()
                await asyncio.Event().wait()

            monkeypatch.setattr(stopped, "_lock", hang)
            answering = asyncio.create_task(stopped.answer(asked))
            await begun.wait()
            async with trade.log.pool.connection() as other, other.transaction():
                await other.execute("SELECT FROM parked_attempts FOR UPDATE")
                ending = asyncio.create_task(tasks.end_tasks(answering))
                await asyncio.wait([ending], timeout=0.2)
            await ending
        assert "OrderCancelled" in (await keys.answer(asked)).error, "it was tried all the same"


class SlowToTakeBack:
    """A pool whose users may be told to end when what they did is done, and they have not gone on yet."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.given_back = asyncio.Event()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        async with self._pool.connection() as connection:
            yield connection
        self.given_back.set()
        await asyncio.sleep(0.1)


async def test_who_is_stopped_when_it_has_just_begun_has_not_been_ended_either(database: str) -> None:
    async with parked(database, failing_at(OrderCancelled)) as (trade, keys):
        first = await keys.first(FOLLOWER, KEY)
        assert first is not None
        asked = await ask(trade, RequestParkedRetry(follower=FOLLOWER, key=KEY, stands_at=first))
        for _ in range(ATTEMPTS_MAX + 1):
            pool = SlowToTakeBack(trade.log.pool)
            stopped = keys.__class__(cast("Pool", pool), trade.log, trade.keyring, ())
            answering = asyncio.create_task(stopped.answer(asked))
            await pool.given_back.wait()
            await tasks.end_tasks(answering)
            assert answering.cancelled()
        assert await fetch(trade, "SELECT attempts FROM parked_attempts WHERE request = %s", asked) == [(0,)]
        assert "OrderCancelled" in (await keys.answer(asked)).error, "it was tried all the same"

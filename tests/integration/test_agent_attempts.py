"""Does an agent go on past what ends its process, every time? One key is parked, and all others go on."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from domain.streams import order_stream
from eventstore import tasks
from eventstore.partitions import WHOLE, Partitions
from eventstore.seams import WallClock
from eventstore.shares import Place
from services.agents.attempts import ATTEMPTS_MAX, ENDS, Attempts
from services.agents.reactions import WAITS
from services.agents.registered import AGENTS
from services.agents.runner import FOLLOWER, AgentRunner
from services.parked_keys import ParkedKeys
from services.supervisor import Supervisor
from tests.integration.trade import MERCHANT, Trade, agents_running, trading
from tests.patience import HANGS

KILLER, OTHERS = "killer", [f"o{number}" for number in range(30)]
KEY = order_stream(MERCHANT, KILLER)
DEADLY_PROCESS = """
import asyncio, os, sys
import eventstore.checkpoints
eventstore.checkpoints.LEASE_SECONDS = 1.0  # who comes next waits for less
from dataclasses import replace
from commands.executor import Executor
from domain.order import OrderPlaced
from domain.inventory import ReserveStock
from eventstore.bus import MemoryBus
from eventstore.feed import Feed
from eventstore.keyring import Keyring, PostgresKeyStore
from eventstore.postgres import PostgresLog
from eventstore.seams import RandomIds, WallClock
from services.agents.inventory import INVENTORY_AGENT
from services.agents.runner import AgentRunner
from services.agents.registered import AGENTS
from services.processes.lasting import persist

database, where = sys.argv[1:]

def react(process, fact):
    if where == "reaction" and isinstance(fact.event, OrderPlaced) and fact.event.order_id == "killer":
        os._exit(9)
    return INVENTORY_AGENT.react(process, fact)

class Deadly(Executor):
    async def execute(self, group, context, answer=b""):
        for target in group.targets:
            if where == "command" and isinstance(target.command, ReserveStock):
                if target.command.order_id == "killer":
                    os._exit(9)
        return await super().execute(group, context, answer)

async def main():
    agents = [replace(each, react=react) if each is INVENTORY_AGENT else each for each in AGENTS]
    async with await PostgresLog.connect(database) as log:
        executor = Deadly(log, RandomIds(), Keyring(bytes(32), PostgresKeyStore(log.pool)))
        async with Feed(log, MemoryBus()).running() as feed:
            await persist("agents", AgentRunner(agents, feed, executor, log.database, WallClock()).run)

asyncio.run(main())
"""


@pytest.fixture
async def trade(database: str) -> AsyncIterator[Trade]:
    async with trading(database) as opened:
        yield opened


@asynccontextmanager
async def deadly(database: str, where: str, data_dir: Path) -> AsyncIterator[Supervisor]:
    """An agents' process, supervised, which ends whenever it comes to that order."""
    argv = [sys.executable, "-c", DEADLY_PROCESS, database, where]
    async with Supervisor(data_dir) as supervisor:
        await supervisor.add("agents", argv, os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
        yield supervisor


async def parked(trade: Trade) -> list[tuple[str, str, str]]:
    """Who has parked what, and why."""
    async with trade.log.pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT follower, key, error FROM parked ORDER BY follower, position"
        )
        return list(await cursor.fetchall())


@pytest.mark.slow
@pytest.mark.parametrize("where", ["reaction", "command"])
async def test_what_ends_the_process_is_parked_and_the_rest_goes_on(
    trade: Trade, database: str, tmp_path: Path, where: str
) -> None:
    await trade.stock("a", len(OTHERS) + 1)
    for order in (*OTHERS[:15], KILLER, *OTHERS[15:]):
        await trade.place(order)

    async def others_reserved() -> bool:
        found = Counter(await trade.types())
        return found["StockReserved"] == found["OrderReserved"] == len(OTHERS) and bool(await parked(trade))

    async with asyncio.timeout(HANGS), deadly(database, where, tmp_path) as supervisor:
        while not await others_reserved():
            await asyncio.sleep(0.1)
        restarts = supervisor.status()["agents"]["restarts"]
        found = await parked(trade)
        assert {key for _, key, _ in found} == {KEY}
        assert ("agent:inventory", KEY, ENDS) in found
        assert {error for _, _, error in found} <= {ENDS, WAITS}
        assert restarts <= 2 * ATTEMPTS_MAX
        await trade.rest()
        await asyncio.sleep(1)
        assert supervisor.status()["agents"]["restarts"] == restarts, "it lives from now on"

    keys = ParkedKeys(trade.log.pool, trade.log, trade.keyring, AGENTS)  # its handler is mended
    for follower in {follower for follower, _, _ in found}:
        await keys.retry(follower, KEY)
    async with agents_running(trade):
        await trade.rest()
        assert Counter(await trade.types())["OrderReserved"] == len(OTHERS) + 1
        assert await parked(trade) == []


async def test_a_worker_that_lives_counts_its_first_page_and_no_more(trade: Trade) -> None:
    async with agents_running(trade):
        await trade.stock("a", 3)
        await trade.rest()
        first = await attempts_in(trade)
        for number in range(3):
            await trade.place(f"o{number}")
            await trade.rest()
        assert await attempts_in(trade) == first
    assert first == [(0, 63, False, 0, 1)]


async def test_who_leaves_by_itself_was_not_ended_by_what_it_had_begun(
    trade: Trade, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often: stopped in the middle of a page, it says so, though others insist that it ends."""
    monkeypatch.setattr(tasks, "INSIST_SECONDS", 0.0)
    await trade.stock("a", 1)
    await trade.place("o1")
    for _ in range(ATTEMPTS_MAX + 1):
        runner = AgentRunner(AGENTS, trade.feed, trade.executor, trade.log.database, WallClock())
        begun = asyncio.Event()

        async def hang(*_: object, begun: asyncio.Event = begun) -> None:
            begun.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(runner, "_load", hang)
        async with agents_running(trade, runner):
            await begun.wait()
            assert [each[-1] for each in await attempts_in(trade)] == [1]
        assert [each[-1] for each in await attempts_in(trade)] == [0]
    async with agents_running(trade):
        await trade.rest()
    assert await parked(trade) == []


async def test_who_goes_with_care_up_to_the_head_is_done_there(trade: Trade) -> None:
    died = Attempts(trade.log.database.statements("services.agents", "agents.sql"))
    await died.count([Place(FOLLOWER, WHOLE, 0, 0, 0)], 0, ATTEMPTS_MAX - 1)
    await trade.stock("a", 1)
    await trade.place("o1")
    async with agents_running(trade):
        await trade.rest()
        assert "OrderReserved" in await trade.types()
    assert await parked(trade) == []


async def attempts_in(trade: Trade) -> list[tuple[int, int, bool, int, int]]:
    async with trade.log.pool.connection() as connection:
        cursor = await connection.execute("SELECT * FROM agent_attempts ORDER BY 1")
        return list(await cursor.fetchall())


async def test_what_was_begun_is_found_by_who_has_a_part_of_it_and_not_by_who_began_it(trade: Trade) -> None:
    statements = trade.log.database.statements("services.agents", "agents.sql")
    ours, others = Attempts(statements), Attempts(statements)
    whole, lower, upper = (
        Place(FOLLOWER, part, 1, 7, 7) for part in (WHOLE, Partitions(0, 31), Partitions(32, 63))
    )
    await ours.count([whole], 7, 2)
    for each in (ours, others):
        await each.load()
    assert [ours.of_page(place) for place in (whole, lower, upper)] == [0, 0, 0]
    assert [others.of_page(place) for place in (whole, lower, upper)] == [2, 2, 2]
    assert others.of_resuming(whole) == (0, 0)
    upper.position = 8
    assert others.of_page(upper) == 0, "somebody has gone past it since"
    await others.count([upper], 5, 4, resuming=True)
    await ours.load()
    assert ours.of_resuming(upper) == (5, 4)
    assert ours.of_resuming(lower) == (0, 0)
    await ours.count([whole], 9, 1)
    assert await attempts_in(trade) == [(0, 63, False, 9, 1)], "what was begun in a part of it is past"

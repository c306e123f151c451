"""Does an agent's key with much behind it go on in pages, and as far as it can? All agents stand still."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import pairwise
from uuid import uuid4

import orjson
import pytest

from domain.kernel import Fact, Reaction, Value
from domain.order import OrderDiscrepancyOpened
from domain.streams import order_stream
from eventstore.log import PAGE, Append, NewEvent, StoredEvent, StreamAppend
from eventstore.seams import WallClock
from services.agents import parking
from services.agents.agent import Agent
from services.agents.runner import AgentRunner
from services.parked_keys import CannotGoOn, ParkedKeys
from tests.integration.trade import MERCHANT, NOW, Trade, agents_running, trading

KEY, FOLLOWER = order_stream(MERCHANT, "o1"), "agent:witness"
EVENTS, POISON, TOGETHER = 150, 77, 40


class Seen(Value):
    positions: tuple[int, ...] = ()


def witness(*, fails_from: int = EVENTS + 1) -> tuple[Agent, ...]:
    """An agent that remembers where it was told of what, and fails on the so-manieth, and all behind it."""

    def react(process: Seen, fact: Fact) -> Reaction[Seen]:
        if len(process.positions) + 1 >= fails_from:
            raise RuntimeError("this handler has a bug")
        return Reaction(Seen(positions=(*process.positions, fact.position)))

    return (Agent("witness", "order", Seen(), (OrderDiscrepancyOpened,), react),)


@pytest.fixture
async def trade(database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Trade]:
    """All of a key is parked; events of others stand between what waits."""
    monkeypatch.setattr(parking, "TOGETHER", TOGETHER)
    async with trading(database) as opened:
        for start in range(0, EVENTS, 50):
            await append(opened, "o1", start, 50)
            await append(opened, f"other-{start}", 0, 20)
        agents = witness(fails_from=1)
        runner = AgentRunner(agents, opened.feed, opened.executor, opened.log.database, WallClock())
        async with agents_running(opened, runner):
            await opened.rest()
        yield opened


async def append(trade: Trade, order_id: str, version: int, number: int) -> None:
    data = orjson.dumps({"order_id": order_id, "kind": "not_captured"})
    events = tuple(NewEvent("OrderDiscrepancyOpened", 1, data, uuid4()) for _ in range(number))
    stream = StreamAppend(order_stream(MERCHANT, order_id), version, events)
    await trade.log.append(Append(uuid4(), MERCHANT, "c", "c", NOW, (stream,)))


class Reading:
    """The log, which notes how much is asked of it at once."""

    def __init__(self, trade: Trade) -> None:
        self._log = trade.log
        self.limits: list[int] = []

    async def read(self, after: int, limit: int = PAGE) -> list[StoredEvent]:
        self.limits.append(limit)
        return await self._log.read(after, limit)


def keys_of(trade: Trade, reading: Reading, agents: tuple[Agent, ...]) -> ParkedKeys:
    return ParkedKeys(trade.log.pool, reading, trade.keyring, agents)  # type: ignore[arg-type]


async def waiting(trade: Trade) -> int:
    async with trade.log.pool.connection() as connection:
        cursor = await connection.execute("SELECT count(*) FROM parked WHERE key = %s", (KEY,))
        ((count,),) = await cursor.fetchall()
    return int(count)


async def seen(trade: Trade) -> list[int]:
    async with trade.log.pool.connection() as connection:
        cursor = await connection.execute("SELECT state FROM agent_processes WHERE key = %s", (KEY,))
        ((state,),) = await cursor.fetchall()
    return list(orjson.loads(state)["positions"])


async def test_a_key_that_is_mended_goes_on_in_pages(trade: Trade) -> None:
    reading = Reading(trade)
    assert await waiting(trade) == EVENTS
    assert await keys_of(trade, reading, witness()).retry(FOLLOWER, KEY) == EVENTS
    assert len(reading.limits) == 4, "not one by one"
    assert max(reading.limits) <= 2 * TOGETHER, "and not all at once"
    assert await waiting(trade) == 0
    positions = await seen(trade)
    assert len(positions) == EVENTS
    assert all(one < other for one, other in pairwise(positions))


async def test_a_key_that_fails_further_on_goes_as_far_as_it_can(trade: Trade) -> None:
    keys = keys_of(trade, Reading(trade), witness(fails_from=POISON))
    with pytest.raises(CannotGoOn, match=f"{POISON - 1} events went on, .* this handler has a bug"):
        await keys.retry(FOLLOWER, KEY)
    assert await waiting(trade) == EVENTS - (POISON - 1) == EVENTS - len(await seen(trade))
    mended = keys_of(trade, Reading(trade), witness())
    assert await mended.retry(FOLLOWER, KEY) == EVENTS - (POISON - 1)
    assert len(set(await seen(trade))) == EVENTS

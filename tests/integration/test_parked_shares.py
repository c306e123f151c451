"""Does a parked key go on as a person says where several projectors share: once, and for all of them?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from itertools import count, islice

import pytest

from domain.kernel import Command, Fact
from domain.order import OrderCancelled
from domain.parked import RequestParkedRetry, RequestParkedSkip
from eventstore.partitions import Partitions, partition_of
from eventstore.postgres import PostgresLog
from eventstore.tasks import end_tasks
from projections.generations import Connection, lock_checkpoints
from projections.order.sales import SALES
from projections.read_model import ReadModel, Rows
from projections.read_models import READ_MODELS
from services.agents.parking import lock_parked
from services.agents.registered import AGENTS
from services.parked_keys import ParkedKeys, keep_answering
from tests.integration.projections_trade import Bought, Trade, open_trade, setting_up
from tests.integration.test_parked import ask
from tests.integration.test_projections import fetch, no_differences, until
from tests.integration.test_shares import LOWER, UPPER, divided, shown, worker

FOLLOWER = SALES.follower(1)
REQUESTS = 3
ANSWERS = """
SELECT key, count(skipped), count(skipped) + sum(went_on) BETWEEN 1 AND 2, max(error)
FROM parked_answers GROUP BY key ORDER BY key
"""
"""A key is parked with one event; the next one may be queued behind it, or come when it is free."""
CUT = (
    b"UPDATE checkpoints SET last_partition = 15 WHERE follower = %s AND first_partition = 0",
    b"INSERT INTO checkpoints (follower, first_partition) VALUES (%s, 16)",
)
RANGES = "SELECT first_partition FROM checkpoints WHERE follower = %s ORDER BY 1"
STANDS = "SELECT min(position) FROM checkpoints WHERE follower = %s AND first_partition = %s"


@pytest.fixture
async def trade(database: str) -> AsyncIterator[Trade]:
    async with open_trade(database) as opened:
        yield opened


def failing_until(mended: list[bool]) -> dict[str, ReadModel]:
    """All read models; that of sales, whose rows are added to, fails on every cancellation."""

    def project(facts: Sequence[Fact]) -> Rows:
        if not mended and any(isinstance(fact.event, OrderCancelled) for fact in facts):
            raise RuntimeError("this handler has a bug")
        return SALES.project(facts)

    return {**READ_MODELS, "sales": replace(SALES, project=project)}


@asynccontextmanager
async def projector(database: str, trade: Trade, models: dict[str, ReadModel]) -> AsyncIterator[None]:
    """Moves its share and answers requests, over connections of its own, as a projector's process does."""
    async with await PostgresLog.connect(database) as log, worker(database, trade, models=models.values()):
        keys = ParkedKeys(log.pool, log, trade.keyring, AGENTS, models)
        answering = asyncio.create_task(keep_answering(keys, lambda follower: follower == FOLLOWER))
        try:
            yield
        finally:
            await end_tasks(answering)


def bought_in(part: Partitions) -> Iterator[Bought]:
    orders = (Bought("m1", f"o{number}") for number in count(1))
    return (each for each in orders if partition_of(each.order) in part)


async def cancel(trade: Trade, bought: Bought) -> int:
    return await trade.append("m1", [*bought.placing(), *bought.paying(), *bought.cancelling()])


async def first_parked(trade: Trade) -> dict[str, int]:
    """By key, the event that it stands at."""
    return dict(await fetch(trade, "SELECT key, min(position) FROM parked GROUP BY key"))


async def all_answered(trade: Trade, requests: int) -> None:
    async def so() -> bool:
        return await fetch(trade, "SELECT count(*) FROM parked_answers") == [(requests,)]

    await until(so)


async def test_each_request_is_carried_out_once_by_whichever_projector(trade: Trade, database: str) -> None:
    """Both see every request, and meet at it; meanwhile the keys have new events, in both shares."""
    mended: list[bool] = []
    models = failing_until(mended)
    bought = [*islice(bought_in(LOWER), 4), *islice(bought_in(UPPER), 4)]
    await trade.append("m1", setting_up("m1"))
    async with AsyncExitStack() as projectors:
        for _ in range(2):
            await projectors.enter_async_context(projector(database, trade, models))
        await divided(trade, 2)
        for each in bought:
            last = await cancel(trade, each)
        await shown(trade, last)
        first = await first_parked(trade)
        assert first.keys() == {f"m1/{each.order_id}" for each in bought}
        mended.append(True)
        for number, each in enumerate(bought):
            key = f"m1/{each.order_id}"
            whose = {"follower": FOLLOWER, "key": key, "stands_at": first[key]}
            if number % 2:
                skip = RequestParkedSkip(**whose, position=first[key], reason="a test order")
                asked: list[Command] = [skip] * REQUESTS
            else:
                asked = [RequestParkedRetry(**whose)] * REQUESTS
            await asyncio.gather(*(ask(trade, command) for command in asked))
            last = await trade.append("m1", each.returning()[1:3])
        await all_answered(trade, REQUESTS * len(bought))
        await divided(trade, 2)  # though nothing happens
        for each in bought:
            last = await trade.append("m1", each.returning()[1:3])
        await shown(trade, last)
    assert await first_parked(trade) == {}
    assert await fetch(trade, ANSWERS) == sorted(
        (f"m1/{each.order_id}", number % 2, True, "") for number, each in enumerate(bought)
    )
    await no_differences(trade)


async def test_verify_leaves_out_what_was_skipped_in_parts_that_stand_at_different_positions(
    trade: Trade, database: str
) -> None:
    models = failing_until([])
    keys = ParkedKeys(trade.log.pool, trade.log, trade.keyring, AGENTS, models)
    early, late = islice(bought_in(LOWER), 2)
    upper = next(bought_in(UPPER))

    async def skip(bought: Bought) -> int:
        key = f"m1/{bought.order_id}"
        at = (await first_parked(trade))[key]
        skipping = RequestParkedSkip(
            follower=FOLLOWER, key=key, position=at, reason="a test order", stands_at=at
        )
        assert (await keys.answer(await ask(trade, skipping))).skipped == at
        return at

    await trade.append("m1", setting_up("m1"))
    async with (
        worker(database, trade, models=models.values()),
        worker(database, trade, models=models.values()),
    ):
        await divided(trade, 2)
        await cancel(trade, early)
        await shown(trade, await cancel(trade, upper))
        await divided(trade, 2)
    await skip(early)
    await skip(upper)
    await fetch(trade, "UPDATE checkpoints SET leased_until = 'infinity' WHERE first_partition = 32")
    async with worker(database, trade, models=models.values()):  # the upper part stays behind
        last = await cancel(trade, late)

        async def lower_is_there() -> bool:
            return bool((await fetch(trade, STANDS, FOLLOWER, 0))[0][0] >= last)

        await until(lower_is_there)
    behind = (await fetch(trade, STANDS, FOLLOWER, 32))[0][0]
    assert await skip(late) > behind
    await no_differences(trade)
    await fetch(trade, "UPDATE parked_answers SET skipped = NULL WHERE key = %s", f"m1/{late.order_id}")
    with pytest.raises(AssertionError, match="sales"):
        await no_differences(trade)


@pytest.mark.parametrize("follower", [FOLLOWER, "agents"])
async def test_a_part_that_is_cut_off_at_this_moment_is_locked_too(
    trade: Trade, database: str, follower: str
) -> None:
    async with worker(database, trade):
        await divided(trade, 1)
    await fetch(trade, "INSERT INTO checkpoints (follower) VALUES ('agents')")

    async def lock(connection: Connection) -> None:
        if follower == FOLLOWER:
            await lock_checkpoints(connection, follower)
        else:
            await lock_parked(connection, trade.log, AGENTS[0])

    async def unlocked() -> list[tuple[int]]:
        async with trade.log.pool.connection() as connection, connection.transaction():
            await lock(connection)
            return await fetch(trade, f"{RANGES} FOR UPDATE SKIP LOCKED", follower)

    async def it_waits() -> bool:
        return bool((await fetch(trade, "SELECT count(*) FROM pg_locks WHERE NOT granted"))[0][0])

    async with trade.log.pool.connection() as connection, connection.transaction():
        for statement in CUT:
            await connection.execute(statement, (follower,))
        locking = asyncio.create_task(unlocked())
        await until(it_waits)
    assert await locking == []
    assert await fetch(trade, RANGES, follower) == [(0,), (16,)]

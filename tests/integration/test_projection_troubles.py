"""Does a projector, or a rebuild, keep others waiting: in a circle, for who reads, or for what is broken?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from domain.kernel import Fact
from eventstore.partitions import WHOLE, Partitions
from eventstore.shares import adjoining, merge, release, share_statements, take
from eventstore.tasks import end_tasks
from projections import advance as advance_module
from projections import compare as compare_module
from projections.advance import Advancer
from projections.holding import Holding
from projections.order.orders import ORDERS
from projections.page import Follow
from projections.read_model import Rows
from projections.read_models import READ_MODELS
from projections.rebuild import rebuild
from projections.session import PostgresReadModels, PostgresSession
from tests.integration.projections_trade import Bought, Trade, open_trade, setting_up
from tests.integration.test_projections import fetch, no_differences, running, shown, until
from tests.patience import HANGS

IN_THE_MIDDLE = "SELECT 1 FROM checkpoints WHERE follower = 'projection:merchants:g1' FOR UPDATE"
KILLED_IN_ITS_FIRST_PAGE = """
INSERT INTO projection_attempts (follower, position, attempts) SELECT follower, position, 1 FROM checkpoints
WHERE follower LIKE 'projection:%%'
ON CONFLICT (follower, first_partition) DO UPDATE SET position = excluded.position, attempts = 1
"""


@pytest.fixture
async def trade(database: str) -> AsyncIterator[Trade]:
    async with open_trade(database) as opened:
        yield opened


async def begun(trade: Trade) -> int:
    last = await trade.append("m1", setting_up("m1"))
    async with running(trade):
        await shown(trade, last)
    return last


async def test_a_page_and_a_renewal_do_not_wait_for_each_other(trade: Trade) -> None:
    """What is held is in another order than what moves, once a read model was rebuilt."""
    position = await begun(trade)
    await trade.append("m1", Bought("m1", "one").life())
    events = await trade.log.read(position, 100)
    holding = Holding(PostgresReadModels(trade.log.pool), READ_MODELS.values(), 100)
    await holding.join()
    async with trade.log.pool.connection() as connection, trade.log.pool.connection() as other:
        await holding.refresh(PostgresSession(connection))
        follows = [*holding.follows[1:], holding.follows[0]]
        advancer = Advancer(PostgresSession(connection), trade.keyring, trade.feed.fact)
        async with other.transaction():
            await other.execute(IN_THE_MIDDLE.encode())  # both have begun, and neither is done
            renewing = asyncio.create_task(holding._worker.look(follows))
            moving = asyncio.create_task(advancer.advance(follows, events))
            await asyncio.sleep(0.5)
        assert await renewing == []
        assert await moving


async def test_what_was_lost_unseen_is_not_held_beside_what_was_taken_of_it_since(
    trade: Trade, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another takes our half while we seem dead, makes one checkpoint of both, and is gone: all of it is ours
    then."""
    await begun(trade)
    name = ORDERS.follower(1)
    holding = Holding(PostgresReadModels(trade.log.pool), [ORDERS], 100)
    statements = share_statements(trade.log.database)
    lower = await take(statements, {name: Partitions(0, 31)}, 99)
    await holding.join()

    async def come_between(*_: Any) -> dict[str, Follow]:
        wanted = await look(session)
        await fetch(trade, "UPDATE checkpoints SET leased_until = '-infinity' WHERE follower = %s", name)
        both = [*lower, *await take(statements, {name: WHOLE}, 99)]
        ((whole, lease),) = await merge(statements, adjoining(both))
        await release(statements, [replace(both[0], partitions=whole, lease=lease)])
        return wanted

    async with trade.log.pool.connection() as connection:
        session = PostgresSession(connection)
        await holding.refresh(session)
        assert [each.partitions for each in holding.follows] == [Partitions(32, 63)]
        look = holding._wanted
        monkeypatch.setattr(holding, "_wanted", come_between)
        await holding.refresh(session)
        assert [each.partitions for each in holding.follows] == [WHOLE]


async def test_what_is_given_back_is_not_renewed_by_who_was_at_it(
    trade: Trade, monkeypatch: pytest.MonkeyPatch
) -> None:
    await begun(trade)
    holding = Holding(PostgresReadModels(trade.log.pool), READ_MODELS.values(), 100)
    renewing, go_on, run = asyncio.Event(), asyncio.Event(), holding._statements.run

    async def slowly(name: str, **arguments: Any) -> Any:
        if name == "renew":
            renewing.set()
            await go_on.wait()
        return await run(name, **arguments)

    await holding.join()
    async with trade.log.pool.connection() as connection:
        await holding.refresh(PostgresSession(connection))
    monkeypatch.setattr(holding._statements, "run", slowly)
    keeping = asyncio.create_task(holding.keep())
    await renewing.wait()
    giving = asyncio.create_task(holding.give_back())
    await asyncio.sleep(0.2)
    go_on.set()
    await giving
    await asyncio.sleep(0.2)
    await end_tasks(keeping)
    assert await fetch(trade, "SELECT follower FROM checkpoints WHERE leased_until > now()") == []


async def test_a_switch_gives_way_to_a_reader_who_wants_the_views_the_other_way_round(trade: Trade) -> None:
    last = await begun(trade)
    async with trade.log.pool.connection() as reader:
        async with reader.transaction():
            await reader.execute("SELECT 1 FROM checkout_orders")
            building = asyncio.create_task(rebuild(trade.log.pool, trade.log, trade.keyring, "checkouts"))
            await asyncio.sleep(0.5)  # the first of them is locked, the second is waited for
            await reader.execute("SELECT 1 FROM checkouts")
        assert (await building).position == last


async def test_nobody_waits_for_who_reads_a_generation_that_was_replaced(trade: Trade) -> None:
    await begun(trade)
    async with asyncio.timeout(HANGS), trade.log.pool.connection() as reader, reader.transaction():
        await reader.execute("SELECT 1 FROM orders_g1")  # as `verify` does, for long
        await rebuild(trade.log.pool, trade.log, trade.keyring, "orders")
        last = await trade.append("m1", Bought("m1", "one").life())
        async with running(trade):
            await shown(trade, last)
    async with running(trade):
        await until(lambda: _is_gone(trade, "orders_g1"))
    await no_differences(trade)


async def _is_gone(trade: Trade, table: str) -> bool:
    return not await fetch(trade, "SELECT 1 FROM pg_tables WHERE tablename = %s", table)


async def test_a_comparison_of_large_tables_may_take_long(
    trade: Trade, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every other statement is ended after half a minute, in which some millions of rows are compared."""
    await begun(trade)
    bounds, compare_table = set(), compare_module._Shadows._compare_table

    async def telling(shadows: Any, *arguments: Any) -> None:
        bounds.add(await (await shadows._connection.execute("SHOW statement_timeout")).fetchone())
        await compare_table(shadows, *arguments)

    monkeypatch.setattr(compare_module._Shadows, "_compare_table", telling)
    await no_differences(trade)
    assert bounds == {("1h",)}
    assert await fetch(trade, "SHOW statement_timeout") == [("30s",)]


async def test_who_was_careful_goes_on_as_usual_once_it_is_at_the_head(trade: Trade) -> None:
    await begun(trade)
    await fetch(trade, KILLED_IN_ITS_FIRST_PAGE)
    last = await trade.append("m1", Bought("m1", "one").life())
    async with running(trade):
        await shown(trade, last)
        for number in range(3):
            await asyncio.sleep(0.1)
            last = await trade.append("m1", Bought("m1", f"more-{number}").life())
            await shown(trade, last)
        query = "SELECT count(*) FROM projection_attempts WHERE attempts > 1 AND position > %s"
        assert await fetch(trade, query, last - 10) == [(0,)]  # pages are not counted any more
    await no_differences(trade)


async def test_a_handler_that_fails_on_all_it_gets_does_not_hold_up_the_others(
    trade: Trade, monkeypatch: pytest.MonkeyPatch
) -> None:
    def project(facts: Sequence[Fact]) -> Rows:
        raise RuntimeError("this handler has a bug")

    pauses, pages = [], 0
    advance = Advancer.advance

    async def pausing(seconds: float) -> None:
        pauses.append(seconds)

    async def counting(advancer: Advancer, *page: Any) -> bool:
        nonlocal pages
        pages += 1
        return await advance(advancer, *page)

    monkeypatch.setattr(advance_module, "asyncio", SimpleNamespace(sleep=pausing))
    monkeypatch.setattr(Advancer, "advance", counting)
    models = {**READ_MODELS, "orders": replace(ORDERS, project=project)}
    last = await trade.append("m1", setting_up("m1"))
    for number in range(20):
        last = await trade.append("m1", Bought("m1", f"o{number}").placing())
    async with asyncio.timeout(HANGS), running(trade, models=models.values()):
        await shown(trade, last)
        assert await fetch(trade, "SELECT count(DISTINCT key) FROM parked") == [(20,)]
    assert 0 < len(pauses) <= pages * advance_module.PAUSES < 20 * advance_module.PAUSES

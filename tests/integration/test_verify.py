"""Does `verify` notice what nobody did, and leave a running system in peace?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from domain.inventory import STOCK, Stock
from domain.order import CancelOrder
from domain.streams import order_stream
from eventstore.checkpoints import holding
from eventstore.keyring import Keyring, PostgresKeyStore
from eventstore.seams import WallClock
from eventstore.snapshots import PostgresSnapshots, Snapshot, encode_state, form_of
from eventstore.tasks import end_tasks
from projections.runner import ProjectionRunner
from projections.session import PostgresReadModels
from services import stragglers
from services.books import Books
from services.context import ProcessContext, open_context
from services.settings import Settings
from services.stragglers import NOTHING_RUNS
from services.verify import verify
from tests.integration.trade import Trade, agents_running, trading
from tests.patience import HANGS

EVERYBODY = ("agents", "gateway:payment", "gateway:carrier", "gateway:mail", "projector")


@pytest.fixture
async def context(database: str, nats_url: str, tmp_path: Path) -> AsyncIterator[ProcessContext]:
    settings = Settings(data_dir=tmp_path, database_url=database, nats_url=nats_url)
    async with open_context(settings, "verify", "project", follow=False) as context:
        keyring = Keyring(bytes(32), PostgresKeyStore(context.pool))  # that of `trading`
        yield replace(context, keyring=keyring)


async def problems(context: ProcessContext, patience_s: float = 60.0) -> list[str]:
    """Patience is needed only where somebody stands still: a projector that starts beside others may."""
    return (await verify(context, lambda *_: None, patience_s)).problems


async def execute(database: str, statement: str) -> None:
    """As the owner: what no role of ours may do."""
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        await connection.execute(statement.encode())


@asynccontextmanager
async def following(trade: Trade, context: ProcessContext, *names: str) -> AsyncIterator[None]:
    """Those who follow the log: agents and projector as they are; of a gateway, its checkpoint."""
    async with AsyncExitStack() as stack:
        if "agents" in names:
            await stack.enter_async_context(agents_running(trade))
        work = [_pass_over(trade, name) for name in names if name.startswith("gateway:")]
        if "projector" in names:
            work.append(ProjectionRunner(trade.feed, PostgresReadModels(context.pool), trade.keyring).run())
        tasks = [asyncio.create_task(each) for each in work]
        stack.push_async_callback(end_tasks, *tasks)
        yield


async def _pass_over(trade: Trade, follower: str) -> None:
    async with holding(trade.log.database, follower) as checkpoint:
        while True:
            await checkpoint.move(await trade.log.head())
            await asyncio.sleep(0.02)


async def _others_done(trade: Trade, stopped: str) -> None:
    """Wait until all but this one are done with the whole log, so that patience is needed for nobody else."""
    behind = "SELECT count(*) FROM checkpoints WHERE done < %s AND NOT starts_with(follower, %s)"
    name = "projection" if stopped == "projector" else stopped
    async with asyncio.timeout(HANGS):
        while True:
            head = await trade.log.head()
            async with trade.log.pool.connection() as connection:
                row = await (await connection.execute(behind.encode(), (head, name))).fetchone()
            if row and not row[0] and head == await trade.log.head():
                return
            await asyncio.sleep(0.05)


async def trade_a_little(trade: Trade) -> None:
    await trade.stock("a", 3)
    for order_id in ("o1", "o2"):
        await trade.place(order_id)


async def test_a_running_system_catches_up_and_is_clean(database: str, context: ProcessContext) -> None:
    async with trading(database) as trade, following(trade, context, *EVERYBODY):
        await trade_a_little(trade)  # nobody waits for anybody to be done with it
        assert await problems(context) == []


async def test_who_stopped_is_named_and_those_who_go_on_are_not(
    database: str, context: ProcessContext
) -> None:
    async with trading(database) as trade:
        async with following(trade, context, *EVERYBODY):
            await trade_a_little(trade)
            await trade.rest()
            assert await problems(context) == []
        for stopped in EVERYBODY:
            async with following(trade, context, *(name for name in EVERYBODY if name != stopped)):
                await trade.place(f"after {stopped}")
                await _others_done(trade, stopped)
                found = await problems(context, patience_s=2.0)
                named = {problem.partition(" is done up to ")[0].partition(":g")[0] for problem in found}
                if stopped == "projector":
                    assert "projection:orders" in named
                    assert all(each.startswith("projection:") for each in named)
                else:
                    assert named == {stopped}
            async with following(trade, context, *EVERYBODY):
                await trade.rest()
                assert await problems(context) == []


async def test_that_nothing_runs_is_a_problem_of_its_own(database: str, context: ProcessContext) -> None:
    async with trading(database) as trade:
        assert (await problems(context))[0] == NOTHING_RUNS
        async with following(trade, context, *EVERYBODY):
            await trade_a_little(trade)
            await trade.rest()
            assert await problems(context) == []
        assert await problems(context) == [NOTHING_RUNS]
        await trade.place("o3")
        first, *behind = await problems(context)
        assert first == NOTHING_RUNS
        assert any(each.startswith("agents is done up to") for each in behind)


async def test_books_judge_an_order_once_its_agents_have_seen_its_end(
    database: str, context: ProcessContext
) -> None:
    """Agents that pass over the end of an order leave its stock held."""

    async def faults() -> list[str]:
        found = (await verify(context, lambda *_: None, 0.0, books=Books())).problems
        return [each for each in found if each.startswith("books: ")]

    async with trading(database) as trade:
        async with following(trade, context, *EVERYBODY):
            await trade_a_little(trade)
            await trade.rest()
        await trade.command(order_stream("m", "o1"), CancelOrder(order_id="o1", reason="customer"))
        assert await faults() == [], "nobody has seen it yet"
        async with following(trade, context, *EVERYBODY):
            await trade.rest()
        assert await faults() == [], "what was held is let go"
        await trade.command(order_stream("m", "o2"), CancelOrder(order_id="o2", reason="customer"))
        passing = asyncio.create_task(_pass_over(trade, "agents"))
        await trade.rest()
        await end_tasks(passing)
        held = "books: order-m.o2: it is cancelled, and 1 units of stock-m.a.main are held for it"
        assert await faults() == [held]
        park = "INSERT INTO parked (follower, key, position, error) VALUES ('agent:inventory', '{}', 1, 'x')"
        await execute(database, park.format("order-m.o1"))
        assert await faults() == [held]
        await execute(database, park.format("order-m.o2"))
        assert await faults() == [], "they are stuck with it, which is told anyway"


@dataclass(frozen=True, slots=True)
class Later:
    """The clock of somebody who looks some days later."""

    days: int

    def now(self) -> datetime:
        return WallClock().now() + timedelta(days=self.days)


LEDGER_FAULTS = {
    "DELETE FROM commands": "covers the events 1 to ",
    "DELETE FROM commands WHERE first_position = 2": "covers the events 2 to 2",
    "DELETE FROM commands WHERE last_position = (SELECT max(position) FROM events)": "covers the events",
    "UPDATE commands SET last_position = 3 WHERE first_position = 2": "more than one entry",
    "INSERT INTO commands SELECT gen_random_uuid(), 'x', '', 1, 9, '', now()": "more than one entry",
}


@pytest.mark.parametrize(("damage", "problem"), LEDGER_FAULTS.items())
async def test_the_ledger_covers_each_event_once_until_it_may_forget(
    database: str, context: ProcessContext, damage: str, problem: str
) -> None:
    async with trading(database) as trade, following(trade, context, *EVERYBODY):
        await trade_a_little(trade)
        await trade.rest()
        assert await problems(context) == []
        await execute(database, damage)
        found = await problems(context)
        assert found
        assert all("of the ledger covers the event" in each for each in found)
        assert problem in found[0]
        days = context.settings.ledger_days
        assert await problems(replace(context, clock=Later(days + 1))) == []
        assert await problems(replace(context, clock=Later(days - 1))) == found


async def test_what_is_left_lying_is_told_once_it_is_old(
    database: str, context: ProcessContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with trading(database) as trade, following(trade, context, *EVERYBODY):
        await trade_a_little(trade)
        await trade.rest()
        await execute(database, "INSERT INTO provider_calls VALUES ('payment', 1, 'c1', 4)")
        await execute(
            database,
            "INSERT INTO webhook_inbox (provider, webhook_id, stream, correlation, body)"
            " VALUES ('carrier', 'w1', 'shipment-m.o9', 'c1', '')",
        )
        assert await problems(context) == []
        monkeypatch.setattr(stragglers, "LEFT_LYING_SECONDS", -60.0)
        assert await problems(context) == [
            "payment: the call for position 1 is open after 4 attempts",
            "carrier: webhook w1 matches nothing after 0 attempts",
        ]


async def test_a_deadline_that_nobody_reaches_is_told(database: str, context: ProcessContext) -> None:
    async with trading(database) as trade, following(trade, context, *EVERYBODY):
        await trade_a_little(trade)
        await trade.rest()
        assert await problems(context) == []
        statement = "INSERT INTO business_clocks VALUES ('c1', now() + interval '100 years')"
        await execute(database, statement)
        assert await problems(context, patience_s=0.5) == [
            f"the deadline inventory order-m.{order_id} reservation has come, and is not reached"
            for order_id in ("o1", "o2")
        ]
        statement = (
            "INSERT INTO deadlines VALUES ('order', 'k', 'n', 'm', 'c', 'wall', 'e', now() - interval '1 s')"
        )
        await execute(database, "DELETE FROM deadlines")
        await execute(database, statement)
        assert await problems(context, patience_s=0.5) == [
            "the deadline order k n has come, and is not reached"
        ]


async def test_a_snapshot_that_is_not_the_state_is_told(database: str, context: ProcessContext) -> None:
    """Of one that nobody begins at, nothing is said."""
    async with trading(database) as trade:
        await trade.stock("a", 3)
        (event,) = await trade.log.read(0)
        snapshots = PostgresSnapshots(trade.log.pool)
        right = Snapshot(
            event.stream, 1, event.leaf_hash, form_of(STOCK), encode_state(STOCK, Stock(on_hand=3))
        )

        async def told(snapshot: Snapshot) -> list[str]:
            await execute(database, "DELETE FROM snapshots")
            await snapshots.keep(snapshot)
            return [problem for problem in await problems(context, 0.0) if "snapshot" in problem]

        assert await told(right) == []
        (problem,) = await told(right._replace(state=encode_state(STOCK, Stock(on_hand=4))))
        assert f"the snapshot of {event.stream} is not its state at version 1" in problem
        for passed_over in ({"form": "0.other"}, {"version": 7}, {"state": b"{"}, {"leaf_hash": bytes(32)}):
            wrong = right._replace(**{"state": encode_state(STOCK, Stock(on_hand=4))} | passed_over)
            assert await told(wrong) == []

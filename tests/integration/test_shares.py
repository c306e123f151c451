"""Do several workers share the read models while they come and go, each event merged once, keys in order?"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from itertools import count
from typing import Any

import psycopg
import pytest

from domain.kernel import Fact
from domain.order import OrderCancelled
from eventstore import tasks
from eventstore.checkpoints import LeaseLost, holding
from eventstore.feed import Feed
from eventstore.partitions import PARTITIONS, WHOLE, Partitions, partition_of
from eventstore.postgres import PostgresLog
from eventstore.shares import Place, Worker, adjoining, merge, release, share_statements, take
from eventstore.tasks import end_tasks
from projections.advance import Advancer, Moved
from projections.generations import Connection
from projections.order.orders import ORDERS
from projections.page import Follow
from projections.read_model import Rows
from projections.read_models import READ_MODELS
from projections.rebuild import rebuild
from projections.runner import ProjectionRunner
from projections.session import Call, PostgresReadModels, PostgresSession
from queries.waiting import ProjectionsWaiter
from services.agents.registered import AGENTS
from services.parked_keys import ParkedKeys
from tests.integration.projections_trade import Bought, Trade, open_trade, setting_up
from tests.integration.test_projections import fetch, no_differences, until

LOWER, UPPER = Partitions(0, 31), Partitions(32, 63)
MERCHANTS = ("m1", "m2", "m3")
HELD = """
SELECT worker, first_partition, last_partition, count(*) FROM checkpoints
WHERE leased_until > now() AND follower LIKE 'projection:%%' GROUP BY 1, 2, 3 ORDER BY first_partition
"""
LEAST = """
SELECT min(position) FROM read_models JOIN checkpoints ON follower = projection_follower(name, generation)
WHERE live
"""


@pytest.fixture
async def trade(database: str) -> AsyncIterator[Trade]:
    async with open_trade(database) as opened:
        yield opened


@asynccontextmanager
async def worker(database: str, trade: Trade, **options: Any) -> AsyncIterator[asyncio.Task[None]]:
    """A runner with connections and a feed of its own, as in a process of its own."""
    async with await PostgresLog.connect(database) as log, Feed(log, trade.bus).running() as feed:
        task = asyncio.create_task(
            ProjectionRunner(feed, PostgresReadModels(log.pool), trade.keyring, **options).run()
        )
        try:
            yield task
        finally:
            await end_tasks(task)


async def divided(trade: Trade, workers: int, models: int = len(READ_MODELS)) -> None:
    """Wait until so many workers hold all read models, each one range of each."""

    async def so() -> bool:
        rows = await fetch(trade, HELD)
        whole = sum(last - first + 1 for _, first, last, _ in rows) == PARTITIONS
        each_of_all = all(held == models for *_, held in rows)
        return whole and each_of_all and len(rows) == workers == len({number for number, *_ in rows})

    await until(so)


async def shown(trade: Trade, position: int) -> None:
    """Wait until all partitions of all live read models stand at `position` at least."""

    async def there() -> bool:
        rows = await fetch(
            trade,
            "SELECT count(DISTINCT name), coalesce(min(position), 0) FROM read_models JOIN checkpoints"
            " ON follower = projection_follower(name, generation) WHERE live",
        )
        return bool(rows[0][0] == len(READ_MODELS) and rows[0][1] >= position)

    await until(there)


class Flow:
    """Trade that goes on until it is stopped: checkouts of two merchants each; some are called off."""

    def __init__(self, trade: Trade) -> None:
        self._trade = trade
        self._stopping = False
        self.last = 0
        self.orders = 0

    def stop(self) -> None:
        self._stopping = True

    async def run(self) -> None:
        for merchant in MERCHANTS:
            self.last = await self._trade.append(merchant, setting_up(merchant))
        while not self._stopping:
            one, other = random.Random(self.orders).sample(MERCHANTS, 2)
            bought = [
                Bought(
                    merchant, f"o{self.orders}", checkout_id=f"c{self.orders}", person=f"p{self.orders % 5}"
                )
                for merchant in (one, other)
            ]
            for each in bought:
                await self._trade.append(each.merchant, each.placing())
            for number, each in enumerate(bought):
                ending = each.cancelling() if (self.orders + number) % 3 == 0 else each.shipping()
                self.last = await self._trade.append(each.merchant, [*each.paying(), *ending])
            self.orders += 1


@asynccontextmanager
async def flowing(trade: Trade) -> AsyncIterator[Flow]:
    """Trade flows in the block; at its end all of it is in the read models, once, and nothing is parked."""
    flow = Flow(trade)
    task = asyncio.create_task(flow.run())
    try:
        yield flow
        flow.stop()
        await task
        await shown(trade, flow.last)
        await no_differences(trade)
        assert await fetch(trade, "SELECT * FROM parked") == []
        assert await fetch(trade, "SELECT count(*) FROM orders") == [(2 * flow.orders,)]
    finally:
        await end_tasks(task)


async def test_workers_join_and_leave_under_load(trade: Trade, database: str) -> None:
    async with AsyncExitStack() as at_the_end, flowing(trade):
        first, second, third = AsyncExitStack(), AsyncExitStack(), AsyncExitStack()
        for each in (first, second, third):
            at_the_end.push_async_callback(each.aclose)
        await first.enter_async_context(worker(database, trade))
        await divided(trade, 1)
        await second.enter_async_context(worker(database, trade))
        await divided(trade, 2)
        await third.enter_async_context(worker(database, trade))
        await divided(trade, 3)
        await no_differences(trade)  # while they stand at different positions
        await first.aclose()
        await divided(trade, 2)
        await third.aclose()
        await divided(trade, 1)
        assert await fetch(trade, "SELECT count(*) FROM checkpoints") == [(len(READ_MODELS),)]
        assert await fetch(trade, "SELECT count(*) FROM workers") == [(1,)]


async def test_who_is_told_to_end_again_and_again_leaves_all_the_same(
    trade: Trade, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where leaving takes longer than those wait who insist: nobody need wait until the leases are over."""
    monkeypatch.setattr(tasks, "INSIST_SECONDS", 0.0)
    async with worker(database, trade):
        await divided(trade, 1)
    assert await fetch(trade, "SELECT * FROM workers") == []
    assert await fetch(trade, "SELECT * FROM checkpoints WHERE worker IS NOT NULL") == []


async def test_a_lease_is_given_back_though_others_insist(
    trade: Trade, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "INSIST_SECONDS", 0.0)
    held = asyncio.Event()

    async def follow() -> None:
        async with holding(trade.log.database, "f"):
            held.set()
            await asyncio.sleep(60)

    following = asyncio.create_task(follow())
    await held.wait()
    await end_tasks(following)
    assert await fetch(trade, "SELECT leased_until FROM checkpoints WHERE leased_until > now()") == []


async def test_parked_keys_wait_and_go_on_whoever_has_their_partitions(trade: Trade, database: str) -> None:
    fixed: list[bool] = []

    def project(facts: Sequence[Fact]) -> Rows:
        if not fixed and any(isinstance(fact.event, OrderCancelled) for fact in facts):
            raise RuntimeError("this handler has a bug")
        return ORDERS.project(facts)

    models = {**READ_MODELS, "orders": replace(ORDERS, project=project)}
    await trade.append("m1", setting_up("m1"))
    bought = [Bought("m1", f"o{number}") for number in range(12)]
    async with worker(database, trade, models=models.values()), AsyncExitStack() as other:
        await other.enter_async_context(worker(database, trade, models=models.values()))
        await divided(trade, 2)
        for each in bought:
            last = await trade.append("m1", [*each.placing(), *each.paying(), *each.cancelling()])
        await shown(trade, last)
        assert await parked_of_each(trade) == {f"m1/{each.order_id}": 2 for each in bought}
        await other.aclose()
        await divided(trade, 1)  # one checkpoint of both parts: it knows what is parked in either
        for each in bought:
            last = await trade.append("m1", each.returning()[1:3])
        await shown(trade, last)
        assert await parked_of_each(trade) == {f"m1/{each.order_id}": 3 for each in bought}
        async with worker(database, trade, models=models.values()):
            await divided(trade, 2)
            fixed.append(True)
            keys = ParkedKeys(trade.log.pool, trade.log, trade.keyring, AGENTS, models)
            for each in bought:
                key = f"m1/{each.order_id}"
                assert await keys.retry("orders", key) == 3
            for each in bought:
                last = await trade.append("m1", each.delivering()[1:])
            await shown(trade, last)
            await divided(trade, 2)
    assert await parked_of_each(trade) == {}
    await no_differences(trade)


async def parked_of_each(trade: Trade) -> dict[str, int]:
    return dict(await fetch(trade, "SELECT key, count(*) FROM parked GROUP BY key"))


async def test_a_read_model_is_rebuilt_while_two_workers_serve(trade: Trade, database: str) -> None:
    async with worker(database, trade), worker(database, trade), flowing(trade):
        await divided(trade, 2)
        for name in ("orders", "sales", "checkouts"):
            await rebuild(trade.log.pool, trade.log, trade.keyring, name)
            assert await fetch(trade, "SELECT generation FROM read_models WHERE name = %s", name) == [(2,)]
            await divided(trade, 2)


async def test_a_wait_ends_when_every_partition_shows_it(trade: Trade, database: str) -> None:
    """Readers are woken by the words of both workers, of which one may be faster."""
    names = tuple(READ_MODELS)
    waiter = ProjectionsWaiter(database, trade.log.pool)
    async with waiter.running(), worker(database, trade), worker(database, trade):
        await divided(trade, 2)
        for number in range(60):
            last = await trade.append("m1", Bought("m1", f"o{number}").placing())
            assert await waiter.wait(names, last, 30)
            assert (await fetch(trade, LEAST))[0][0] >= last


async def test_rows_that_keys_share_are_right_though_workers_meet_at_them(
    trade: Trade, database: str
) -> None:
    """A checkout's row is derived from its orders: by one worker while the other's order is not committed."""

    async def waiting(sessions: int) -> None:
        async def so() -> bool:
            rows = await fetch(trade, "SELECT count(*) FROM pg_locks WHERE NOT granted")
            return bool(rows[0][0] >= sessions)

        await until(so)

    lower, upper = (bought_in(merchant, part) for merchant, part in (("m1", LOWER), ("m2", UPPER)))
    async with worker(database, trade), worker(database, trade), trade.log.pool.connection() as connection:
        for merchant in ("m1", "m2"):
            last = await trade.append(merchant, setting_up(merchant))
        await shown(trade, last)
        await divided(trade, 2)
        async with connection.transaction():
            await connection.execute("SELECT FROM merchant_overview_g1 WHERE merchant = 'm1' FOR UPDATE")
            await trade.append("m1", lower.placing()[:1])
            await waiting(1)  # for that row, once the checkout is derived
            last = await trade.append("m2", upper.placing()[:1])
            await waiting(2)
        await shown(trade, last)
    await no_differences(trade)
    assert await fetch(trade, "SELECT orders_count, merchants_count FROM checkouts") == [(2, 2)]


def bought_in(merchant: str, part: Partitions) -> Bought:
    """An order of the checkout `c` with a key in those partitions."""
    orders = (Bought(merchant, f"o{number}", checkout_id="c", person="p") for number in count(1))
    return next(each for each in orders if partition_of(each.order) in part)


async def test_a_worker_of_other_code_shares_what_it_can(trade: Trade, database: str) -> None:
    """A read model of a newer version is nobody's but the newer worker's; the others they share."""
    newer = {**READ_MODELS, "orders": replace(ORDERS, version=ORDERS.version + 1)}

    shared = len(READ_MODELS) - 1

    async def only_the_newer_has_orders() -> bool:
        return sorted(held for *_, held in await fetch(trade, HELD)) == [1, shared, shared]

    async with AsyncExitStack() as older:
        await older.enter_async_context(worker(database, trade))
        await divided(trade, 1)
        async with worker(database, trade, models=newer.values()), flowing(trade):
            await rebuild(trade.log.pool, trade.log, trade.keyring, "orders", models=newer)
            await until(only_the_newer_has_orders)
            await older.aclose()
            await divided(trade, 1)


async def test_only_who_holds_the_very_range_moves_it(trade: Trade, database: str) -> None:
    """A worker that was stopped while its checkpoint was cut may still know its lease: the range tells."""
    async with worker(database, trade):
        await shown(trade, await trade.append("m1", setting_up("m1")))
    last = await trade.append("m1", Bought("m1", "one").life())
    statements = share_statements(trade.log.database)
    async with trade.log.pool.connection() as connection:
        (stopped,) = await take(statements, {ORDERS.follower(1): WHOLE}, 1)
        await connection.execute("UPDATE checkpoints SET leased_until = '-infinity'")
        (upper,) = await take(statements, {ORDERS.follower(1): Partitions(32, 63)}, 2)
        assert upper.position == stopped.position
        query = "SELECT lease FROM checkpoints WHERE follower = %s AND first_partition = 0"
        lease = await fetch(trade, query, ORDERS.follower(1))
        assert lease == [(stopped.lease,)]  # of the part that nobody took
        advancer = Advancer(PostgresSession(connection), trade.keyring, trade.feed.fact)
        events = await trade.log.read(stopped.position, 100)
        follow = Follow(ORDERS, 1, lease=stopped.lease, position=stopped.position)
        with pytest.raises(Moved):
            await advancer.advance([follow], events)
    assert await fetch(trade, "SELECT 1 FROM orders") == []
    async with worker(database, trade):
        await shown(trade, last)
    await no_differences(trade)


class Stopped(PostgresSession):
    """Its process stands still in the middle of a page."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.connection = connection

    async def write(self, calls: Sequence[Call]) -> None:
        await self.connection.execute("BEGIN")
        await self.execute(calls[:2])


async def test_who_is_stopped_in_the_middle_of_a_page_holds_nobody_up(trade: Trade, database: str) -> None:
    async with worker(database, trade):
        await shown(trade, 0)
    last = await trade.append("m1", Bought("m1", "o1").life())
    statements = share_statements(PostgresReadModels(trade.log.pool))
    async with trade.log.pool.connection() as connection:
        (held,) = await take(statements, {ORDERS.follower(1): WHOLE}, 1)
        await fetch(trade, "UPDATE checkpoints SET leased_until = '-infinity'")
        advancer = Advancer(Stopped(connection), trade.keyring, trade.feed.fact)
        events = await trade.log.read(held.position, 100)
        await advancer.advance([Follow(ORDERS, 1, lease=held.lease, position=held.position)], events)
        cursor = await connection.execute("SHOW transaction_timeout")
        assert await cursor.fetchall() == [("30s",)]
        await connection.execute("SET LOCAL transaction_timeout = 0")
        await connection.execute("SET LOCAL transaction_timeout = '200ms'")  # the test need not wait so long
        async with worker(database, trade):
            await shown(trade, last)
        with pytest.raises(psycopg.errors.TransactionTimeout):
            await connection.execute("COMMIT")
    await no_differences(trade)


async def test_who_is_told_to_end_in_the_middle_of_a_page_leaves_at_once(
    trade: Trade, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has locked would keep itself from giving its leases back."""
    begun, whole = asyncio.Event(), PostgresSession.execute

    async def begin(session: PostgresSession, calls: Sequence[Call]) -> None:
        await whole(session, calls[:1])
        begun.set()
        await asyncio.Event().wait()

    async with worker(database, trade):
        await divided(trade, 1)
        monkeypatch.setattr(PostgresSession, "execute", begin)
        await trade.append("m1", Bought("m1", "o1").placing())
        await begun.wait()
    assert await fetch(trade, "SELECT * FROM workers") == []
    assert await fetch(trade, "SELECT * FROM checkpoints WHERE worker IS NOT NULL") == []


async def test_a_checkpoint_that_was_lost_is_not_merged(trade: Trade, database: str) -> None:
    async with worker(database, trade):
        await divided(trade, 1)
    name = ORDERS.follower(1)
    statements = share_statements(trade.log.database)
    async with trade.log.pool.connection() as connection:
        lower = await take(statements, {name: Partitions(0, 31)}, 1)
        upper = await take(statements, {name: Partitions(32, 63)}, 1)
        assert lower[0].position == upper[0].position
        await connection.execute("UPDATE checkpoints SET leased_until = '-infinity'")
        await take(statements, {name: Partitions(40, 63)}, 2)
        with pytest.raises(LeaseLost):
            await merge(statements, adjoining([*lower, *upper]))
    assert await fetch(trade, _RANGES, name) == [(0, 31), (32, 39), (40, 63)]


_RANGES = "SELECT first_partition, last_partition FROM checkpoints WHERE follower = %s ORDER BY 1"


async def test_whatever_workers_do_at_once_every_partition_has_one_checkpoint(trade: Trade) -> None:
    """Eight workers take, release and merge at random, side by side; then they settle."""
    await fetch(trade, "INSERT INTO checkpoints (follower) VALUES ('f')")
    statements = share_statements(trade.log.database)
    workers = [Worker(statements, ["f"]) for _ in range(8)]
    held: dict[int, list[Place]] = {}
    for each in workers:
        await each.join()

    async def look(each: Worker) -> None:
        await each.look(held.get(each.number, []))
        share = each.share_of("f")
        mine = held.pop(each.number, [])
        fitting = [place for place in mine if place.partitions.within(share)]
        await release(statements, [place for place in mine if place not in fitting])
        fitting += await take(statements, {"f": share} if share else {}, each.number)
        for run in adjoining(fitting):
            ((partitions, lease),) = await merge(statements, [run])
            fitting = [place for place in fitting if place not in run]
            fitting.append(replace(run[0], partitions=partitions, lease=lease))
        held[each.number] = fitting

    dice = random.Random(3)
    for _ in range(60):
        chosen = dice.sample(workers, 4)
        if dice.random() < 0.3:
            leaving = chosen.pop()
            await release(statements, held.pop(leaving.number, []))
            await leaving.leave()
        await asyncio.gather(*(look(each) for each in chosen if each.number))
        for each in workers:
            if not each.number and dice.random() < 0.1:
                await each.join()
        ranges = [Partitions(*row) for row in await fetch(trade, _RANGES, "f")]
        assert [number for each in ranges for number in range(each.first, each.last + 1)] == [
            *range(PARTITIONS)
        ]
    remaining = [each for each in workers if each.number]
    for _ in range(3):
        for each in remaining:
            await look(each)
    assert sorted(place.partitions for places in held.values() for place in places) == sorted(
        share for each in remaining if (share := each.share_of("f"))
    )

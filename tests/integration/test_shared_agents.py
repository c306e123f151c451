"""Do several workers share the agents while they come and go, each command done once, each order in order?"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from itertools import count
from uuid import uuid4

import pytest

from commands.executor import Context, Done, Executor
from domain.inventory import Stock
from domain.kernel import Group
from domain.streams import order_stream, stock_stream
from eventstore.checkpoints import LeaseLost
from eventstore.feed import Feed
from eventstore.log import Append, NewEvent, StreamAppend
from eventstore.partitions import PARTITIONS, WHOLE, Partitions, covered, partition_of
from eventstore.postgres import PostgresLog
from eventstore.seams import RandomIds, WallClock
from eventstore.shares import Place, share_statements, take
from eventstore.sharing import Sharing
from eventstore.tasks import end_tasks
from services.agents.registered import AGENTS
from services.agents.runner import FOLLOWER, AgentRunner
from services.processes.lasting import persist
from tests.integration.test_projections import until
from tests.integration.trade import MERCHANT, NOW, Trade, trading

ORDERS = 40
ONCE_EACH = (
    "OrderPlaced", "StockReserved", "OrderReserved", "AuthorizationRequested", "OrderConfirmed",
    "StockAllocated", "ShipmentRequested", "OrderShipped", "StockShipped", "PaymentCaptured",
    "OrderCompleted",
)  # fmt: skip


@pytest.fixture
async def trade(database: str) -> AsyncIterator[Trade]:
    async with trading(database) as opened:
        yield opened


def runner_of(log: PostgresLog, feed: Feed, trade: Trade) -> AgentRunner:
    executor = Executor(log, RandomIds(), trade.keyring)
    return AgentRunner(AGENTS, feed, executor, log.database, WallClock())


@asynccontextmanager
async def worker(database: str, trade: Trade) -> AsyncIterator[AgentRunner]:
    """With connections, a feed and states of its own, as in a process of its own."""
    bus = trade.log.bus  # type: ignore[attr-defined]
    async with await PostgresLog.connect(database) as log, Feed(log, bus).running() as feed:
        runner = runner_of(log, feed, trade)
        task = asyncio.create_task(persist("agents", runner.run))
        try:
            yield runner
        finally:
            await end_tasks(task)


async def held(trade: Trade) -> list[tuple[int, Partitions]]:
    """By whom what is held, and alive."""
    async with trade.log.pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT worker, first_partition, last_partition FROM checkpoints"
            " WHERE follower = 'agents' AND leased_until > now() ORDER BY first_partition"
        )
        return [(number, Partitions(first, last)) for number, first, last in await cursor.fetchall()]


async def divided(trade: Trade, workers: int) -> None:
    """Wait until so many workers hold all partitions, each one range."""

    async def so() -> bool:
        found = await held(trade)
        whole = covered([each for _, each in found]) == PARTITIONS
        return whole and workers == len(found) == len({number for number, _ in found})

    await until(so)


class Flow:
    """Orders that go their whole way, a step of each at a time, while workers come and go."""

    def __init__(self, trade: Trade) -> None:
        self._trade = trade
        self._orders = [f"o{number}" for number in range(ORDERS)]

    async def place(self) -> None:
        await self._trade.stock("a", ORDERS)
        await self._each(self._trade.place)

    async def pay(self) -> None:
        await self._each(lambda order: self._trade.provider_says(order, "authorized"))

    async def deliver(self) -> None:
        await self._each(lambda order: self._trade.carrier_says(order, "collected"))
        await self._each(lambda order: self._trade.provider_says(order, "authorized", captured=True))
        await self._each(lambda order: self._trade.carrier_says(order, "collected", "delivered"))

    async def _each(self, step: Callable[[str], Awaitable[Done]]) -> None:
        for order in self._orders:
            await step(order)

    async def ended_well(self) -> None:
        """All orders are completed, nothing was done twice, and nothing is parked."""
        await self._trade.rest()
        found = Counter(await self._trade.types())
        assert {kind: found[kind] for kind in ONCE_EACH} == dict.fromkeys(ONCE_EACH, ORDERS)
        (state,) = await self._trade.executor.states.load([stock_stream(MERCHANT, "a", "main")])
        stock: Stock = state.state
        assert (stock.on_hand, stock.committed) == (0, 0)
        async with self._trade.log.pool.connection() as connection:
            assert await (await connection.execute("SELECT * FROM parked")).fetchall() == []


@asynccontextmanager
async def during(work: Awaitable[None], trade: Trade) -> AsyncIterator[None]:
    """The work is going on in the block, and done and followed after it."""
    task = asyncio.ensure_future(work)
    try:
        yield
        await task
        await trade.rest()
    finally:
        await end_tasks(task)


async def test_workers_join_and_leave_under_load(trade: Trade, database: str) -> None:
    flow = Flow(trade)
    async with AsyncExitStack() as at_the_end:
        first, second, third = AsyncExitStack(), AsyncExitStack(), AsyncExitStack()
        for each in (first, second, third):
            at_the_end.push_async_callback(each.aclose)
        await first.enter_async_context(worker(database, trade))
        async with during(flow.place(), trade):
            await second.enter_async_context(worker(database, trade))
            await divided(trade, 2)
        async with during(flow.pay(), trade):
            await third.enter_async_context(worker(database, trade))
            await divided(trade, 3)
            await first.aclose()
            await divided(trade, 2)
        async with during(flow.deliver(), trade):
            await second.aclose()
            await divided(trade, 1)
        await flow.ended_well()
        assert [each for _, each in await held(trade)] == [WHOLE]


async def test_a_worker_reacts_to_its_own_partitions_only(trade: Trade, database: str) -> None:
    async with worker(database, trade) as lower, worker(database, trade) as upper:
        await divided(trade, 2)
        await Flow(trade).place()
        await trade.rest()
        for each in (lower, upper):
            (place,) = each._shared.places
            keys = {key for _, key in each._processes._kept}
            assert keys
            assert all(partition_of(key) in place.partitions for key in keys)


async def test_what_a_worker_had_decided_is_done_by_who_takes_over(trade: Trade, database: str) -> None:
    """It leaves with commands in its hands, that it recorded, and never sent."""
    async with worker(database, trade) as leaving:
        await divided(trade, 1)
        sending = asyncio.Event()

        async def hang(group: Group, context: Context, answer: bytes = b"") -> Done:
            sending.set()
            await asyncio.Event().wait()
            raise AssertionError

        leaving._executor.execute = hang  # type: ignore[method-assign]
        await trade.stock("a", 2)
        for part in (Partitions(0, 31), Partitions(32, 63)):
            await trade.place(order_in(part))
        await sending.wait()
    assert Counter(await trade.types())["StockReserved"] == 0
    async with worker(database, trade), worker(database, trade):
        await divided(trade, 2)
        await trade.rest()
    found = Counter(await trade.types())
    assert found["StockReserved"] == found["AuthorizationRequested"] == 2


def order_in(part: Partitions) -> str:
    names = (f"o{number}" for number in count(1))
    return next(each for each in names if partition_of(order_stream(MERCHANT, each)) in part)


async def test_only_who_holds_the_very_range_records(trade: Trade, database: str) -> None:
    """A worker that was stopped while its checkpoint was cut may still know its lease: the range tells."""
    async with worker(database, trade):
        await trade.rest()
    statements = share_statements(trade.log.database)
    (stopped,) = await take(statements, {FOLLOWER: WHOLE}, 1)
    async with trade.log.pool.connection() as connection:
        await connection.execute("UPDATE checkpoints SET leased_until = '-infinity'")
        (upper,) = await take(statements, {FOLLOWER: Partitions(32, 63)}, 2)
        cursor = await connection.execute(
            "SELECT lease, position FROM checkpoints WHERE follower = 'agents' AND first_partition = 0"
        )
        # of the part that nobody took
        assert await cursor.fetchall() == [(stopped.lease, stopped.position)]
        assert upper.position == stopped.position
    await trade.stock("a", 1)
    await trade.place("o1")
    runner = runner_of(trade.log, trade.feed, trade)
    runner._shared = Sharing(statements, FOLLOWER)
    with pytest.raises(LeaseLost):
        await runner._take([stopped], await trade.log.read(stopped.position))
    runner._shared.places = [stopped]
    with pytest.raises(LeaseLost):
        await runner._park(AGENTS[0], order_stream(MERCHANT, "o1"), [1], "too late")
    async with trade.log.pool.connection() as connection:
        for table in ("reactions", "agent_processes", "parked"):
            assert await (await connection.execute(f"SELECT * FROM {table}")).fetchall() == []
    assert await trade.types() == ["StockReceived", "OrderPlaced"]


async def test_who_does_not_know_an_event_leaves_it_to_others(trade: Trade, database: str) -> None:
    """It is of a newer version: another worker has the halted one's share, and nothing is parked."""
    await trade.stock("a", 1)
    await trade.place("o1")
    newer = NewEvent("OrderPlaced", 99, b"{}", uuid4())
    stream = StreamAppend(order_stream(MERCHANT, "o2"), 0, (newer,))
    await trade.log.append(Append(uuid4(), MERCHANT, "c", "c", NOW, (stream,)))

    async def reserved_and_aside() -> bool:
        return "StockReserved" in [each.type for each in await trade.log.read(0)] and not await held(trade)

    async with worker(database, trade):
        await until(reserved_and_aside)
    async with trade.log.pool.connection() as connection:
        assert await (await connection.execute("SELECT * FROM parked")).fetchall() == []
        cursor = await connection.execute("SELECT position FROM checkpoints WHERE follower = 'agents'")
        assert await cursor.fetchall() == [(2,)]


async def test_who_is_ahead_of_what_is_known_waits_for_news(trade: Trade) -> None:
    """Places may have been taken over from workers that were told of more: nobody turns round and round."""
    runner = runner_of(trade.log, trade.feed, trade)
    runner._shared = Sharing(share_statements(trade.log.database), FOLLOWER)
    for part, position in ((Partitions(0, 31), 5), (Partitions(32, 63), 10)):
        runner._shared.places.append(Place(FOLLOWER, part, 1, position, position))
    turn = asyncio.create_task(runner._turn(600.0))
    for _ in range(100):
        await asyncio.sleep(0)
    assert not turn.done()
    await end_tasks(turn)


AGENTS_PROCESS = """
import asyncio, sys
from commands.executor import Executor
from eventstore.bus import MemoryBus
from eventstore.feed import Feed
from eventstore.log import Append, NewEvent, StreamAppend
from eventstore.keyring import Keyring, PostgresKeyStore
from eventstore.postgres import PostgresLog
from eventstore.seams import RandomIds, WallClock
from services.agents.runner import AgentRunner
from services.agents.registered import AGENTS
from services.processes.lasting import persist

async def main(database):
    async with await PostgresLog.connect(database) as log:
        keyring = Keyring(bytes(32), PostgresKeyStore(log.pool))
        async with Feed(log, MemoryBus()).running() as feed:
            executor = Executor(log, RandomIds(), keyring)
            await persist("agents", AgentRunner(AGENTS, feed, executor, log.database, WallClock()).run)

asyncio.run(main(sys.argv[1]))
"""


@contextmanager
def process(database: str) -> Iterator[subprocess.Popen[bytes]]:
    started = subprocess.Popen(
        [sys.executable, "-c", AGENTS_PROCESS, database], stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield started
    finally:
        started.kill()
        started.wait()


@pytest.mark.slow
async def test_processes_are_killed_and_stopped_and_wake_up(trade: Trade, database: str) -> None:
    flow = Flow(trade)
    with process(database) as stopped, process(database) as killed:
        await divided(trade, 2)
        with process(database):
            await divided(trade, 3)
            async with during(flow.place(), trade):
                killed.kill()
                await divided(trade, 2)
            for step in (flow.pay(), flow.deliver()):
                async with during(step, trade):
                    stopped.send_signal(signal.SIGSTOP)
                    await divided(trade, 1)  # its lease is over, and another has its partitions
                    stopped.send_signal(signal.SIGCONT)
                await divided(trade, 2)
        await divided(trade, 1)
        await flow.ended_well()
        assert stopped.poll() is None

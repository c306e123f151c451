"""The four agents on a real log: the whole way of an order, each way out of it, and crashes anywhere."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from psycopg.rows import TupleRow

from commands.executor import Context, Done, Executor
from domain.inventory import Stock
from domain.kernel import Event, Fact, Group, Reaction, Value
from domain.order import CancelOrder, OrderCancelled, OrderPlaced
from domain.parked import RequestParkedSkip
from domain.streams import order_stream, parked_stream, stock_stream
from eventstore.log import Append, NewEvent, StreamAppend
from eventstore.seams import RandomIds, WallClock
from eventstore.tasks import end_tasks
from services.agents.agent import Agent
from services.agents.registered import AGENTS
from services.agents.runner import AgentRunner
from services.parked_keys import Answer, CannotGoOn, ParkedKeys
from services.scheduler import Scheduler
from tests.integration.test_worlds import eventually
from tests.integration.trade import MERCHANT, NOW, Trade, agents_running, trading


async def stock_of(trade: Trade, sku: str = "a") -> Stock:
    (state,) = await trade.executor.states.load([stock_stream(MERCHANT, sku, "main")])
    stock: Stock = state.state
    return stock


async def cancel(trade: Trade, order_id: str) -> None:
    command = CancelOrder(order_id=order_id, reason="customer")
    await trade.command(order_stream(MERCHANT, order_id), command)
    await trade.rest()


async def test_an_order_goes_its_whole_way(database: str) -> None:
    async with trading(database) as trade, agents_running(trade):
        await trade.stock("a", 1)
        await trade.place("o1")
        await trade.rest()
        await trade.provider_says("o1", "authorized")
        await trade.rest()
        await trade.carrier_says("o1", "collected")
        await trade.rest()
        await trade.provider_says("o1", "authorized", captured=True)
        await trade.carrier_says("o1", "delivered")
        await trade.rest()
        assert await trade.types() == [
            "StockReceived", "OrderPlaced", "StockReserved", "OrderReserved", "AuthorizationRequested",
            "PaymentAuthorized", "OrderConfirmed", "StockAllocated", "ShipmentRequested", "LabelBought",
            "ShipmentDispatched", "ShipmentScanned", "StockShipped", "OrderShipped", "CaptureRequested",
            "PaymentCaptured", "ShipmentDelivered", "OrderCompleted",
        ] or sorted(await trade.types()) == sorted([  # agents work side by side: neighbours may swap
            "StockReceived", "OrderPlaced", "StockReserved", "OrderReserved", "AuthorizationRequested",
            "PaymentAuthorized", "OrderConfirmed", "StockAllocated", "ShipmentRequested", "LabelBought",
            "ShipmentDispatched", "ShipmentScanned", "StockShipped", "OrderShipped", "CaptureRequested",
            "PaymentCaptured", "ShipmentDelivered", "OrderCompleted",
        ])  # fmt: skip
        assert (await stock_of(trade)).on_hand == 0


async def test_two_buyers_one_last_unit_exactly_one_gets_it(database: str) -> None:
    async with trading(database) as trade, agents_running(trade):
        await trade.stock("a", 1)
        await asyncio.gather(*(trade.place(f"o{n}") for n in range(32)))
        await trade.rest()
        found = Counter(await trade.types())
        assert found["StockReserved"] == 1
        assert found["StockReservationRefused"] == 31
        assert found["OrderCancelled"] == 31


async def test_declined_releases_the_stock(database: str) -> None:
    async with trading(database) as trade, agents_running(trade):
        await trade.stock("a", 1)
        await trade.place("o1")
        await trade.rest()
        await trade.provider_says("o1", "declined")
        await trade.rest()
        assert {"OrderCancelled", "StockReleased"} <= set(await trade.types())
        assert (await stock_of(trade)).available == 1


@pytest.mark.parametrize("authorized", [False, True])
async def test_cancelled_before_or_after_authorisation_is_voided_and_released(
    database: str, authorized: bool
) -> None:
    async with trading(database) as trade, agents_running(trade):
        await trade.stock("a", 1)
        await trade.place("o1")
        await trade.rest()
        if authorized:
            await trade.provider_says("o1", "authorized")
            await trade.rest()
        await cancel(trade, "o1")
        types = set(await trade.types())
        assert {"OrderCancelled", "StockReleased", "VoidRequested"} <= types
        assert ("LabelVoidRequested" in types) == authorized
        assert (await stock_of(trade)).available == 1


async def test_a_reservation_expires_by_the_scheduler(database: str) -> None:
    async with trading(database) as trade, agents_running(trade):
        await trade.stock("a", 1)
        await trade.place("o1")
        await trade.rest()
        async with trade.log.pool.connection() as connection:
            await connection.execute(
                "INSERT INTO business_clocks VALUES ('c1', %s)", (NOW + timedelta(hours=2),)
            )
        reached = await Scheduler(trade.executor, trade.log.database, WallClock()).reach()
        await trade.rest()
        assert reached == 1
        assert {"DeadlineReached", "ReservationExpired", "OrderCancelled", "VoidRequested"} <= set(
            await trade.types()
        )
        assert (await stock_of(trade)).available == 1


async def test_a_deadline_that_was_withdrawn_never_comes(database: str) -> None:
    async with trading(database) as trade, agents_running(trade):
        await trade.stock("a", 1)
        await trade.place("o1")
        await trade.rest()
        await trade.provider_says("o1", "authorized")
        await trade.rest()
        async with trade.log.pool.connection() as connection:
            await connection.execute(
                "INSERT INTO business_clocks VALUES ('c1', %s)", (NOW + timedelta(hours=2),)
            )
        assert await Scheduler(trade.executor, trade.log.database, WallClock()).reach() == 0


@pytest.mark.parametrize("seed", range(3))
async def test_agents_stopped_anywhere_do_nothing_twice_and_lose_nothing(database: str, seed: int) -> None:
    chance = random.Random(seed)
    orders = [f"o{n}" for n in range(20)]
    async with trading(database) as trade:
        await trade.stock("a", 20)
        await asyncio.gather(*(trade.place(order) for order in orders))

        async def fact(order: str) -> None:
            await trade.provider_says(order, "authorized")
            await trade.carrier_says(order, "collected", "delivered")

        for _ in range(12):  # cut off in the middle of whatever they do
            async with agents_running(trade):
                await asyncio.sleep(chance.uniform(0, 0.05))
            await _release_leases(trade)
        async with agents_running(trade):
            await trade.rest()
        await asyncio.gather(*(trade.provider_says(order, "authorized") for order in orders))
        for _ in range(6):
            async with agents_running(trade):
                await asyncio.sleep(chance.uniform(0, 0.05))
            await _release_leases(trade)
        async with agents_running(trade):
            await trade.rest()
        found = Counter(await trade.types())
        for kind in ("StockReserved", "OrderReserved", "AuthorizationRequested", "OrderConfirmed",
                     "StockAllocated", "ShipmentRequested"):  # fmt: skip
            assert found[kind] == len(orders), (kind, found)
        assert (await stock_of(trade)).committed == len(orders)


async def _release_leases(trade: Trade) -> None:
    """What time would do: a worker that was cut off gave nothing back."""
    async with trade.log.pool.connection() as connection:
        await connection.execute("UPDATE checkpoints SET leased_until = '-infinity'")


async def test_a_process_is_never_forgotten_while_a_page_needs_it(database: str) -> None:
    """More orders in one page than the cache holds: none of them starts anew from nothing."""
    orders = [f"o{n}" for n in range(12)]
    async with trading(database) as trade:
        await trade.stock("a", len(orders))
        runner = AgentRunner(AGENTS, trade.feed, trade.executor, trade.log.database, WallClock(), capacity=3)
        async with agents_running(trade, runner):
            await asyncio.gather(*(trade.place(order) for order in orders))
            await trade.rest()
            await asyncio.gather(*(trade.provider_says(order, "authorized") for order in orders))
            await trade.rest()
            await asyncio.gather(*(trade.carrier_says(order, "collected") for order in orders))
            await trade.rest()
        found = Counter(await trade.types())
        assert found["CaptureRequested"] == found["StockShipped"] == found["OrderShipped"] == len(orders)


def break_inventory(trade: Trade, order: str) -> Callable[[], None]:
    """Commands of the inventory agent for that order fail, until the returned function is called."""
    execute = trade.executor.execute

    async def broken(group: Group, context: Context, answer: bytes = b"") -> Done:
        if context.actor == "agent:inventory" and order in str(group):
            raise ZeroDivisionError("planted")
        return await execute(group, context, answer)

    trade.executor.execute = broken  # type: ignore[method-assign]

    def mend() -> None:
        trade.executor.execute = execute  # type: ignore[method-assign]

    return mend


async def parked_keys(trade: Trade) -> list[TupleRow]:
    async with trade.log.pool.connection() as connection:
        cursor = await connection.execute("SELECT DISTINCT follower, key FROM parked")
        return await cursor.fetchall()


async def test_a_command_that_can_not_be_carried_out_parks_its_key_alone(database: str) -> None:
    async with trading(database) as trade:
        await trade.stock("a", 2)
        break_inventory(trade, "o1")
        async with agents_running(trade):
            await trade.place("o1")
            await trade.place("o2")
            await trade.rest()
        assert await parked_keys(trade) == [("agent:inventory", order_stream(MERCHANT, "o1"))]
        assert Counter(await trade.types())["StockReserved"] == 1


async def test_an_authorisation_that_is_told_after_the_void_is_voided_again(database: str) -> None:
    async with trading(database) as trade, agents_running(trade):
        await trade.stock("a", 1)
        await trade.place("o1")
        await trade.rest()
        await trade.command(order_stream(MERCHANT, "o1"), CancelOrder(order_id="o1", reason="customer"))
        await trade.rest()
        await trade.provider_says("o1", "pending", voided=True)
        await trade.rest()
        await trade.provider_says("o1", "authorized")
        await trade.rest()
        assert (await trade.types()).count("VoidRequested") == 2
        await trade.provider_says("o1", "authorized", voided=True)
        await trade.rest()
        types = await trade.types()
        assert (types.count("VoidRequested"), types.count("PaymentVoided")) == (2, 2)


async def test_an_event_of_a_newer_version_parks_nobody(database: str) -> None:
    """It is mended by an upgrade. Whom it does not concern goes on."""
    async with trading(database) as trade:
        await trade.stock("a", 1)
        await trade.stock("b", 1)
        await trade.place("o1", sku="a")
        await trade.place("o2", sku="b")
        newer = NewEvent("StockReceived", 99, b"{}", uuid4())
        stream = StreamAppend(stock_stream(MERCHANT, "b", "main"), 1, (newer,))
        await trade.log.append(Append(uuid4(), MERCHANT, "c", "c", NOW, (stream,)))
        trade.executor = Executor(trade.log, RandomIds(), trade.keyring)
        runner = AgentRunner(AGENTS, trade.feed, trade.executor, trade.log.database, WallClock())
        running = asyncio.create_task(runner.run())
        try:

            async def reserved() -> bool:
                return [each.type for each in await trade.log.read(0)].count("StockReserved") == 1

            await eventually(reserved)
            async with trade.log.pool.connection() as connection:
                assert await (await connection.execute("SELECT * FROM parked")).fetchall() == []
        finally:
            await end_tasks(running)


async def test_a_parked_key_stays_so_through_a_crash(database: str) -> None:
    """What was recorded for it is not sent by the agents that start anew: only a retry lets it go on."""
    async with trading(database) as trade:
        await trade.stock("a", 1)
        mend = break_inventory(trade, "o1")
        async with agents_running(trade):
            await trade.place("o1")
            await trade.rest()
        mend()
        async with (
            trade.log.pool.connection() as connection
        ):  # as if they had been killed before they finished
            await connection.execute("UPDATE checkpoints SET done = 0 WHERE follower = 'agents'")
        async with agents_running(trade):
            await trade.rest()
        assert await parked_keys(trade) == [("agent:inventory", order_stream(MERCHANT, "o1"))]
        assert Counter(await trade.types())["StockReserved"] == 0


async def test_a_parked_key_goes_on_with_all_that_waited_behind_it(database: str) -> None:
    """Its commands were recorded before they failed, and later events of the key queue up behind them."""
    key = order_stream(MERCHANT, "o1")
    async with trading(database) as trade:
        parked = ParkedKeys(trade.log.pool, trade.log, trade.keyring, AGENTS)
        await trade.stock("a", 1)
        mend = break_inventory(trade, "o1")
        async with agents_running(trade):
            await trade.place("o1")
            await trade.rest()
            await cancel(trade, "o1")
            mend()
            assert await parked.retry("agent:inventory", key) == 2
            await trade.rest()
            assert await parked_keys(trade) == []
        found = Counter(await trade.types())
        assert found["StockReserved"] == found["StockReleased"] == 1
        assert (await stock_of(trade)).available == 1
        with pytest.raises(CannotGoOn, match="no parked key"):
            await parked.retry("agent:inventory", key)


async def test_an_agent_that_fails_as_before_leaves_its_key_parked(database: str) -> None:
    key = order_stream(MERCHANT, "o1")

    def react(_: object, __: Fact) -> Reaction[Value]:
        raise ZeroDivisionError("planted")

    broken = tuple(replace(agent, react=react) if agent.name == "inventory" else agent for agent in AGENTS)
    async with trading(database) as trade:
        await trade.stock("a", 1)
        runner = AgentRunner(broken, trade.feed, trade.executor, trade.log.database, WallClock())
        async with agents_running(trade, runner):
            await trade.place("o1")
            await trade.rest()
        assert await parked_keys(trade) == [("agent:inventory", key)]
        parts = (trade.log.pool, trade.log, trade.keyring)
        with pytest.raises(CannotGoOn, match="planted"):
            await ParkedKeys(*parts, broken).retry("agent:inventory", key)
        assert await parked_keys(trade) == [("agent:inventory", key)]
        assert await ParkedKeys(*parts, AGENTS).retry("agent:inventory", key) == 1
        async with agents_running(trade):
            await trade.rest()
        assert Counter(await trade.types())["StockReserved"] == 1


def failing_reactions(agent_name: str, *kinds: type[Event]) -> tuple[Agent, ...]:
    """All agents; one of them fails on these events."""
    (agent,) = (each for each in AGENTS if each.name == agent_name)

    def react(process: Any, fact: Fact) -> Reaction[Any]:
        if isinstance(fact.event, kinds):
            raise ZeroDivisionError(f"planted for {type(fact.event).__name__}")
        return agent.react(process, fact)

    return tuple(replace(agent, react=react) if each is agent else each for each in AGENTS)


def running_with(trade: Trade, agents: tuple[Agent, ...]) -> AgentRunner:
    return AgentRunner(agents, trade.feed, trade.executor, trade.log.database, WallClock())


async def skip(trade: Trade, keys: ParkedKeys, key: str) -> Answer:
    """What the inventory agent's key stands at, as a person would."""
    follower = "agent:inventory"
    first = await keys.first(follower, key)
    assert first is not None
    command = RequestParkedSkip(follower=follower, key=key, position=first, reason="a test", stands_at=first)
    done = await trade.command(parked_stream(follower), command, str(first))
    return await keys.answer(done.position)


async def test_an_agent_never_reacts_to_what_a_person_skips(database: str) -> None:
    """What comes later of the key it takes in order, when it runs again, and when it runs already."""
    key = order_stream(MERCHANT, "o1")
    async with trading(database) as trade:
        await trade.stock("a", 2)
        broken = failing_reactions("inventory", OrderPlaced)
        keys = ParkedKeys(trade.log.pool, trade.log, trade.keyring, broken)
        async with agents_running(trade, running_with(trade, broken)):
            await trade.place("o1")
            await trade.rest()
            await cancel(trade, "o1")
            answer = await skip(trade, keys, key)
            assert (answer.went_on, answer.error) == (1, "")
            await trade.rest()
        assert await parked_keys(trade) == []
        async with agents_running(trade):
            await trade.place("o2")
            await trade.rest()
        found = Counter(await trade.types())
        assert found["StockReserved"] == 1, "of o2; nobody has reserved anything for o1"
        assert (await stock_of(trade)).available == 1


async def test_what_was_decided_and_skipped_is_never_sent(database: str) -> None:
    """Its command failed after it was recorded. A crash brings recorded commands back, but not this one."""
    key = order_stream(MERCHANT, "o1")
    async with trading(database) as trade:
        await trade.stock("a", 1)
        mend = break_inventory(trade, "o1")
        async with agents_running(trade):
            await trade.place("o1")
            await trade.rest()
        mend()
        keys = ParkedKeys(trade.log.pool, trade.log, trade.keyring, AGENTS)
        assert (await skip(trade, keys, key)).error == ""
        async with trade.log.pool.connection() as connection:
            await connection.execute("UPDATE checkpoints SET done = 0 WHERE follower = 'agents'")
        async with agents_running(trade):
            await trade.rest()
        assert await parked_keys(trade) == []
        assert Counter(await trade.types())["StockReserved"] == 0


async def test_what_went_on_is_sent_though_the_key_is_stopped_behind_it(database: str) -> None:
    """The first command failed and is mended; now the agent fails on what waited behind it."""
    key = order_stream(MERCHANT, "o1")
    async with trading(database) as trade:
        await trade.stock("a", 1)
        mend = break_inventory(trade, "o1")
        async with agents_running(trade):
            await trade.place("o1")
            await trade.rest()
            await cancel(trade, "o1")
        mend()
        broken = ParkedKeys(
            trade.log.pool, trade.log, trade.keyring, failing_reactions("inventory", OrderCancelled)
        )
        with pytest.raises(CannotGoOn, match="planted for OrderCancelled"):
            await broken.retry("agent:inventory", key)
        async with agents_running(trade):
            await trade.rest()
            assert Counter(await trade.types())["StockReserved"] == 1
            assert await parked_keys(trade) == [("agent:inventory", key)]
            keys = ParkedKeys(trade.log.pool, trade.log, trade.keyring, AGENTS)
            assert await keys.retry("agent:inventory", key) == 1
            await trade.rest()
        assert Counter(await trade.types())["StockReleased"] == 1

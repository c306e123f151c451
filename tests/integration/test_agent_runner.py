"""The four agents on a real log: the whole way of an order, each way out of it, and crashes anywhere."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import timedelta

import pytest

from domain.order import CancelOrder
from domain.stock import Stock
from domain.streams import order_stream, stock_stream
from eventstore.seams import WallClock
from services.scheduler import Scheduler
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
        reached = await Scheduler(trade.executor, trade.log.pool, WallClock()).reach()
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
        assert await Scheduler(trade.executor, trade.log.pool, WallClock()).reach() == 0


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

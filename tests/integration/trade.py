"""A small system in one process for tests: the log in Postgres, a bus in memory, four agents."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from commands.executor import Context, Done, Executor
from domain.carrier import RecordCarrierShipment, Scan
from domain.inventory import ReceiveStock
from domain.kernel import Command, Event, one
from domain.order import Line, PlaceOrder, Portion, Terms
from domain.payment import Movement, RecordProviderPayment
from domain.personal import Customer
from domain.streams import order_stream, payment_stream, shipment_stream, stock_stream
from eventstore.bus import MemoryBus
from eventstore.codec import decode
from eventstore.feed import Feed
from eventstore.keyring import Keyring, PostgresKeyStore
from eventstore.postgres import PostgresLog
from eventstore.seams import RandomIds, WallClock, key_id
from eventstore.tasks import end_tasks
from services.agents.registered import AGENTS
from services.agents.runner import AgentRunner
from services.processes.lasting import persist
from tests.patience import HANGS

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MERCHANT = "m"


@dataclass(slots=True)
class Trade:
    """What a test does and sees."""

    log: PostgresLog
    feed: Feed
    executor: Executor
    keyring: Keyring

    async def command(self, stream: str, command: Command, *words: str, at: datetime = NOW) -> Done:
        kind = type(command).__name__
        context = Context(key_id(stream, kind, *words), MERCHANT, "test", "c1", "test", at, clock="c1")
        return await self.executor.execute(one(stream, command), context)

    async def stock(self, sku: str, quantity: int) -> None:
        command = ReceiveStock(sku=sku, warehouse="main", quantity=quantity)
        await self.command(stock_stream(MERCHANT, sku, "main"), command)

    async def place(self, order_id: str, *, sku: str = "a", quantity: int = 1, cents: int = 1000) -> Done:
        line = Line(line=1, sku=sku, quantity=quantity, unit_price_cents=cents)
        command = PlaceOrder(
            order_id=order_id,
            checkout_id="c1",
            subject=f"subject of {order_id}",
            customer=Customer(customer_id="1", customer_unique_id="u", zip_prefix="01000", city="sao paulo"),
            currency="BRL",
            lines=(line,),
            portions=(Portion(payment_id=order_id, method="card", amount_cents=line.total_cents),),
            terms=Terms(reservation_valid_s=3600, authorization_valid_s=86400),
        )
        return await self.command(order_stream(MERCHANT, order_id), command)

    async def provider_says(
        self, order_id: str, status: str, *, captured: bool = False, voided: bool = False
    ) -> Done:
        captures = (
            (Movement(reference=f"{order_id}.capture", amount_cents=1000, succeeded=True),)
            if captured
            else ()
        )
        command = RecordProviderPayment(
            payment_id=order_id,
            provider_reference=f"ref {order_id}",
            status=status,  # type: ignore[arg-type]
            amount_cents=1000,
            captures=captures,
            voided=voided,
        )
        return await self.command(
            payment_stream(MERCHANT, order_id), command, status, str(captured), str(voided)
        )

    async def carrier_says(self, order_id: str, *scans: str) -> Done:
        command = RecordCarrierShipment(
            shipment_id=order_id,
            carrier="c",
            tracking_number=f"t {order_id}",
            scans=tuple(Scan(scan_id=f"{order_id} {scan}", type=scan) for scan in scans),  # type: ignore[arg-type]
        )
        return await self.command(shipment_stream(MERCHANT, order_id), command, *scans)

    async def events(self) -> list[Event]:
        return [decode(stored).event for stored in await self.log.read(0, 10_000)]

    async def types(self) -> list[str]:
        return [type(event).__name__ for event in await self.events()]

    async def rest(self) -> None:
        """Wait until every agent is done with the whole log."""
        async with asyncio.timeout(HANGS):
            while not await self._at_rest():
                await asyncio.sleep(0.02)

    async def _at_rest(self) -> bool:
        head = await self.log.head()
        async with self.log.pool.connection() as connection:
            row = await (await connection.execute(_DONE)).fetchone()
        return bool(row and row[0] and row[1] >= head == await self.log.head())


_DONE = """
SELECT count(*), coalesce(min(done), 0) FROM checkpoints
WHERE follower = 'agents' AND NOT EXISTS (SELECT FROM reactions WHERE resend)
"""


class PublishingLog(PostgresLog):
    """Tells the bus of what it appends, at once: what relay and NATS do, without them."""

    bus: MemoryBus

    async def append(self, append):  # type: ignore[no-untyped-def]
        outcome = await super().append(append)
        await self.bus.publish(await self.read(await self._told(), 1000))
        return outcome

    async def _told(self) -> int:
        return max(0, await self.head() - 50)


@asynccontextmanager
async def trading(database: str) -> AsyncIterator[Trade]:
    """The log, a feed and an executor; no agents yet."""
    async with await PublishingLog.connect(database) as log:
        log.bus = MemoryBus()  # type: ignore[attr-defined]
        keyring = Keyring(bytes(32), PostgresKeyStore(log.pool))
        feed = Feed(log, log.bus)  # type: ignore[attr-defined]
        async with feed.running():
            yield Trade(log, feed, Executor(log, RandomIds(), keyring), keyring)


@asynccontextmanager
async def agents_running(
    trade: Trade, runner: AgentRunner | None = None
) -> AsyncIterator[list[asyncio.Task[None]]]:
    """All four agents, until the block ends; they are cancelled wherever they are."""
    runner = runner or AgentRunner(AGENTS, trade.feed, trade.executor, trade.log.database, WallClock())
    tasks = [asyncio.create_task(persist("agents", runner.run))]
    try:
        yield tasks
    finally:
        await end_tasks(*tasks)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results), results

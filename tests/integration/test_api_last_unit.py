"""Many shoppers want the last unit at once, over HTTP: how many get it? One."""

from __future__ import annotations

import asyncio
from pathlib import Path

from domain.inventory import StockReservationRefused, StockReserved
from eventstore.bus import MemoryBus
from eventstore.feed import Feed
from eventstore.tasks import end_tasks
from services.agents.inventory import INVENTORY_AGENT
from services.agents.runner import AgentRunner
from tests.integration.api_client import an_order, serving
from tests.patience import HANGS

SHOPPERS = 32


async def test_one_last_unit_is_sold_once(database: str, nats_url: str, tmp_path: Path) -> None:
    async with serving(database, nats_url, tmp_path) as api:
        context = api.context
        assert context is not None
        await api.post("/v1/stock/receive", {"sku": "A-1", "quantity": 1})
        async with Feed(context.log, MemoryBus()).running() as feed:
            runner = AgentRunner(
                (INVENTORY_AGENT,), feed, context.executor, context.log.database, context.clock
            )
            running = asyncio.create_task(runner.run())
            try:
                placed = await asyncio.gather(
                    *(api.post("/v1/orders", an_order(), key=f"shopper {n}") for n in range(SHOPPERS))
                )
                assert {each.status_code for each in placed} == {201}
                async with asyncio.timeout(HANGS):
                    while len(decided := await api.events(StockReserved, StockReservationRefused)) < SHOPPERS:
                        await asyncio.sleep(0.1)
            finally:
                await end_tasks(running)
    assert sum(isinstance(each, StockReserved) for each in decided) == 1
    assert len({each.order_id for each in decided}) == SHOPPERS

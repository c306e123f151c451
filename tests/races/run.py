"""Rounds of a race on a real API with the agents that decide an order: some at a time, until all are done."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eventstore.bus import MemoryBus
from eventstore.feed import Feed
from eventstore.tasks import end_tasks
from services.agents.agent import Agent
from services.agents.allocation import ALLOCATION_AGENT
from services.agents.cart import CART_AGENT
from services.agents.inventory import INVENTORY_AGENT
from services.agents.order import ORDER_AGENT
from services.agents.registered import AGENTS
from services.agents.runner import AgentRunner
from services.scheduler import Scheduler
from tests.integration.api_client import Api, serving
from tests.races.last_unit import RACES
from tests.races.outcomes import Outcomes

DECIDING = (ORDER_AGENT, INVENTORY_AGENT, ALLOCATION_AGENT, CART_AGENT)
WITHOUT_LIMITS = {"rate_address": "1000000 per second", "rate_principal": "1000000 per second"}


@dataclass(slots=True)
class Raced:
    """How it went: rounds that were done, orders that were placed in them, and what was wrong."""

    rounds: int = 0
    orders: int = 0
    problems: list[str] = field(default_factory=list)


@asynccontextmanager
async def agents(api: Api, some: Sequence[Agent[Any]] = AGENTS) -> AsyncIterator[None]:
    """Agents, all by default, and the scheduler, beside the API."""
    context = api.context
    assert context is not None
    database = context.log.database
    async with Feed(context.log, MemoryBus()).running() as feed:
        runner = AgentRunner(some, feed, context.executor, database, context.clock)
        scheduler = Scheduler(context.executor, database, context.clock)
        tasks = [asyncio.create_task(runner.run()), asyncio.create_task(scheduler.run())]
        try:
            yield
        finally:
            await end_tasks(*tasks)


async def race(
    name: str,
    rounds: int,
    servers: tuple[str, str],
    directory: Path,
    *,
    side_by_side: int = 1,
    done: Callable[[], None] = lambda: None,
) -> Raced:
    """`servers` are the addresses of an empty, migrated database and of NATS."""
    begin, set_up = RACES[name]
    raced, numbers = Raced(), iter(range(rounds))
    async with serving(*servers, directory, **WITHOUT_LIMITS) as api, agents(api, DECIDING):
        if set_up:
            await set_up(api)
        async with Outcomes(api.log, await api.log.head()).running() as outcomes:

            async def go_on() -> None:
                for number in numbers:
                    raced.problems += await begin(api, outcomes, f"LAST-{name}-{number}")
                    raced.rounds += 1
                    done()

            await asyncio.gather(*(go_on() for _ in itertools.repeat(None, side_by_side)))
            raced.orders = len(outcomes.placed)
    return raced

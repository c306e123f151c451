"""The agents, all of them."""

from __future__ import annotations

from eventstore.tasks import TaskGroup
from services.agents.registered import AGENTS
from services.agents.runner import AgentRunner
from services.context import ProcessContext
from services.parked_keys import PROJECTION
from services.processes.answering import answer
from services.processes.lasting import persist


async def main(context: ProcessContext) -> None:
    runner = AgentRunner(AGENTS, context.feed, context.executor, context.log.database, context.clock)
    async with TaskGroup() as tasks:
        tasks.create_task(answer(context, lambda follower: not follower.startswith(PROJECTION)))
        await persist("agents", runner.run)

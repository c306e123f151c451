"""The projector: builds the read models from the log."""

from __future__ import annotations

from eventstore.tasks import TaskGroup
from projections.runner import ProjectionRunner
from projections.session import PostgresReadModels
from services.audit.as_of_kept import KeptStates
from services.audit.history_index import HistoryIndex
from services.context import ProcessContext
from services.parked_keys import PROJECTION
from services.processes.answering import answer
from services.processes.lasting import persist


async def main(context: ProcessContext) -> None:
    runner = ProjectionRunner(context.feed, PostgresReadModels(context.pool), context.keyring)
    async with TaskGroup() as tasks:
        tasks.create_task(answer(context, lambda follower: follower.startswith(PROJECTION)))
        tasks.create_task(persist("history index", HistoryIndex(context.log, context.pool).run))
        tasks.create_task(persist("kept states", KeptStates(context.log, context.pool).run))
        await persist("projector", runner.run)

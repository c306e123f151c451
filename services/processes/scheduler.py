"""The scheduler: appends the deadlines that have come, and sweeps what is over."""

from __future__ import annotations

from eventstore.postgres import make_pool
from eventstore.tasks import TaskGroup
from services.access.forgetting import keep_forgetting
from services.audit.erasure import Erasures, keep_saying
from services.audit.erasure_list import ErasureList
from services.audit.looked import Looks, keep_forgetting_looks
from services.context import ProcessContext
from services.ledger import keep_sweeping
from services.processes.lasting import persist
from services.scheduler import Scheduler


async def main(context: ProcessContext) -> None:
    run = Scheduler(context.executor, context.log.database, context.clock).run
    knowing = make_pool(context.settings.url("access"), max_size=1)
    async with knowing, TaskGroup() as tasks:
        tasks.create_task(keep_sweeping(context.pool, context.clock, context.settings.ledger_days))
        tasks.create_task(keep_forgetting(knowing, context.clock))
        tasks.create_task(_saying_erasures(context))
        looks = Looks(knowing, context.clock)
        tasks.create_task(keep_forgetting_looks(looks, context.clock, context.settings.looks_days))
        await persist("scheduler", run)


async def _saying_erasures(context: ProcessContext) -> None:
    noted = ErasureList(context.settings.erasures())
    erasures = Erasures(context.pool, context.executor, context.keyring, noted)
    await persist("erasures", lambda: keep_saying(erasures, context.pool, noted))

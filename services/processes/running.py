"""How does a process begin, and leave in order?"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable

import uvloop

from eventstore.roles import Role
from eventstore.tasks import TaskGroup, end_tasks
from services.audit.erasure import erase_again
from services.audit.erasure_list import ErasureList
from services.collector import spare_the_collector
from services.context import ProcessContext, open_context
from services.logs import say_where_tasks_wait
from services.processes.lasting import end_with_the_epoch
from services.restored import refuse_older_log
from services.settings import Settings

Main = Callable[[ProcessContext], Awaitable[None]]


def run_process(
    name: str, settings: Settings, main: Main, role: Role = "write", *, follow: bool = True
) -> None:
    """Run `main` until SIGTERM or SIGINT, then leave in order.

    Raises EpochChanged when the log begins a new epoch: whoever supervises us starts us again, in that one.
    """

    async def process() -> None:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _cancel_once, task)
        loop.add_signal_handler(signal.SIGUSR1, say_where_tasks_wait)
        with contextlib.suppress(asyncio.CancelledError):
            async with open_context(settings, name, role, follow=follow) as context:
                await refuse_older_log(context.log, context.bus)
                await _erase_whoever_was(context)
                if task.cancelling():  # it comes once, and may have been lost: see `eventstore.tasks`
                    raise asyncio.CancelledError
                await _as_long_as_the_epoch(context, main)

    spare_the_collector()
    uvloop.run(process())


async def _erase_whoever_was(context: ProcessContext) -> None:
    """Before it serves: a log that was restored may know a person who was erased since."""
    async with context.pool.connection() as connection:
        await erase_again(connection, ErasureList(context.settings.erasures()))


async def _as_long_as_the_epoch(context: ProcessContext, main: Main) -> None:
    async def work() -> None:
        try:
            await main(context)
        finally:
            await end_tasks(watching)

    async with TaskGroup() as tasks:
        watching = tasks.create_task(end_with_the_epoch(context))
        tasks.create_task(work())


def _cancel_once(task: asyncio.Task[None]) -> None:
    """A second signal must not break off what the first one has begun to end in order."""
    if not task.cancelling():
        task.cancel()

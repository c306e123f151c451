"""How are tasks ended for certain, and what they do last is done?

A task that is cancelled in the very moment when what it waits for comes may not notice: up to Python 3.11
`asyncio.wait_for` swallows that cancellation, and psycopg's pool waits with it. So whoever cancels, insists;
and what has to be done at the end is done though others insist, by `finish`.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine
from typing import Any

import structlog

INSIST_SECONDS = 1.0
LEFT_SECONDS_MAX = 5.0
"""Who stops a process waits longer than that before it kills it."""
logger = structlog.get_logger()


async def end_tasks(*tasks: asyncio.Task[Any]) -> None:
    """Cancel until they are done; what they end with is theirs.

    Whoever is cancelled himself meanwhile (others insist, too) ends them first: nobody else would.
    """
    cancelled = False
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            task.cancel()
        try:
            await asyncio.wait(running, timeout=INSIST_SECONDS)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError


async def finish(work: Coroutine[Any, Any, object]) -> None:
    """Do what is left to do at an end: raises what it raises.

    Where we are cancelled meanwhile, however often, it has LEFT_SECONDS_MAX from then on; then CancelledError
    is raised, and the log says what was not done.
    """
    loop = asyncio.get_running_loop()
    task, until = loop.create_task(work), math.inf
    while not task.done() and (left := until - loop.time()) > 0:
        try:
            await asyncio.wait([task], timeout=left if left < math.inf else None)
        except asyncio.CancelledError:
            until = min(until, loop.time() + LEFT_SECONDS_MAX)
    await drop_task(task)
    if until == math.inf:
        task.result()
        return
    if error := TimeoutError("it took too long") if task.cancelled() else task.exception():
        logger.warning("left_undone", work=getattr(work, "__qualname__", ""), error=repr(error))
    raise asyncio.CancelledError


async def drop_task(task: asyncio.Task[Any]) -> None:
    """End one that worked ahead: nobody needs what it has made.

    If it failed, whoever does that work next will fail in the same way, and tell.
    """
    try:
        await end_tasks(task)
    finally:
        if not task.cancelled():
            task.exception()


class TaskGroup(asyncio.TaskGroup):  # noqa: TID251 - the one that is meant
    """As `asyncio.TaskGroup`, but the tasks that it cancels are cancelled again until they end."""

    def __init__(self) -> None:
        super().__init__()
        self._ours: set[asyncio.Task[Any]] = set()

    def create_task(self, *arguments: Any, **options: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = super().create_task(*arguments, **options)
        self._ours.add(task)
        task.add_done_callback(self._ours.discard)
        return task

    async def __aexit__(self, *error: Any) -> None:
        self._insist_later()
        try:
            await super().__aexit__(*error)
        finally:
            self._insisting.cancel()

    def _insist_later(self) -> None:
        self._insisting = asyncio.get_running_loop().call_later(INSIST_SECONDS, self._insist)

    def _insist(self) -> None:
        for task in self._ours:
            if self._aborting and task.cancelling():  # type: ignore[attr-defined]
                task.cancel()
        self._insist_later()

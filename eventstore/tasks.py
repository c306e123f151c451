"""How are tasks ended for certain, and what they do last is done?

A task that is cancelled in the very moment when what it waits for comes may not notice: up to Python 3.11
`asyncio.wait_for` swallows that cancellation, and psycopg's pool waits with it. So whoever cancels, insists;
and what has to be done at the end is done though others insist, by `finish`.
"""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Coroutine
from typing import Any, Self

import structlog

INSIST_SECONDS = 1.0
LEFT_SECONDS_MAX = 5.0
"""For each `finish`. Who stops a process waits longer than that before it kills it."""
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

    Once we are cancelled, before or meanwhile and however often, it has LEFT_SECONDS_MAX; then it is, too.
    If so, or if it fails, the log tells and CancelledError is raised, by which we end. If we were cancelled
    meanwhile, CancelledError is raised in any case.
    """
    loop = asyncio.get_running_loop()
    task, us = loop.create_task(work), asyncio.current_task()
    assert us
    until = loop.time() + LEFT_SECONDS_MAX if us.cancelling() else math.inf
    interrupted = False
    while not task.done() and (left := until - loop.time()) > 0:
        try:
            await asyncio.wait([task], timeout=left if left < math.inf else None)
        except asyncio.CancelledError:
            interrupted, until = True, min(until, loop.time() + LEFT_SECONDS_MAX)
    if until == math.inf:
        task.result()
        return
    try:
        await drop_task(task)
    except asyncio.CancelledError:
        interrupted = True
    error = asyncio.CancelledError() if task.cancelled() else task.exception()
    if error:
        logger.warning("left_undone", work=getattr(work, "__qualname__", ""), error=repr(error))
    if interrupted or error:
        raise asyncio.CancelledError


async def drop_task(task: asyncio.Task[Any]) -> None:
    """End one that worked ahead: nobody needs what it has made.

    If it failed, whoever does that work next will fail in the same way, and tell.
    """
    try:
        await end_tasks(task)
    finally:
        if task.done() and not task.cancelled():
            task.exception()


class TaskGroup(asyncio.TaskGroup):  # noqa: TID251 - the one that is meant
    """As `asyncio.TaskGroup` of Python 3.13, but what it cancels is cancelled again until it ends: its tasks,
    and its block. What those have left to do at their end, they do by `finish`.
    """

    _block: asyncio.Task[Any] | None = None
    """Whose the block is, while it runs."""
    _insisting: asyncio.TimerHandle | None = None

    def __init__(self) -> None:
        super().__init__()
        self._ours: set[asyncio.Task[Any]] = set()
        self._insisted = 0
        """How often the block was cancelled again."""

    def create_task(self, *arguments: Any, **options: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = super().create_task(*arguments, **options)
        self._ours.add(task)
        task.add_done_callback(self._ours.discard)
        return task

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._block = asyncio.current_task()
        self._cancelled = self._block.cancelling() if self._block else 0
        return self

    async def __aexit__(self, *error: Any) -> None:
        block, self._block = self._block, None
        assert block
        for _ in range(self._insisted):
            block.uncancel()
        before = self._cancels_block
        try:
            await super().__aexit__(*error)
        except BaseExceptionGroup:
            if sys.version_info < (3, 13):
                self._leave_as_it_was(block, ours=self._cancels_block and not before)
            raise
        finally:
            if self._insisting:
                self._insisting.cancel()

    @property
    def _cancels_block(self) -> bool:
        """Whether it has cancelled it, for a task that failed."""
        return self._parent_cancel_requested  # type: ignore[attr-defined, no-any-return]

    def _leave_as_it_was(self, block: asyncio.Task[Any], *, ours: bool) -> None:
        """As 3.13 does: our own cancellation is taken back; another's, which our errors hide, comes again."""
        if ours:
            block.uncancel()
        if block.cancelling() > self._cancelled:
            block.uncancel()
            block.cancel()

    def _abort(self) -> None:
        super()._abort()  # type: ignore[misc]
        self._insist_later()

    def _insist_later(self) -> None:
        self._insisting = asyncio.get_running_loop().call_later(INSIST_SECONDS, self._insist)

    def _insist(self) -> None:
        for task in self._ours:
            if task.cancelling():
                task.cancel()
        if self._block:
            self._insisted += 1
            self._block.cancel()
        self._insist_later()

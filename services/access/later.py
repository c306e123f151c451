"""What is done after the answer, so that how long an answer takes tells nothing?"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

WAITING_MAX = 1_000
logger = structlog.get_logger()


class Later:
    """Work in the background of a process; `settle` waits for what is in hand."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def full(self) -> bool:
        return len(self._tasks) >= WAITING_MAX

    def do(self, what: str, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(_done(what, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settle(self) -> None:
        while self._tasks:
            await asyncio.wait(self._tasks)


async def _done(what: str, work: Coroutine[Any, Any, Any]) -> None:
    try:
        await work
    except Exception as error:  # noqa: BLE001 - nobody is left to be told but the log
        # its message might hold an address: the type is enough
        logger.error(  # noqa: TRY400 - no trace, for the same reason
            "not_done_later", what=what, error=type(error).__name__
        )

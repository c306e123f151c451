"""Handles, tasks and futures of the simulated loop: numbered, and each in its process.

They hash by their number, not by their address, so that a set of them is iterated alike in each run.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from services.simulation.loop import SimulatedLoop
    from services.simulation.process import Process


def _nothing() -> None:
    """What is left of a cancelled callback."""


class SimulatedTask(asyncio.Task[Any]):
    """A task that knows its process."""

    __slots__ = ("number", "process")

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, Any],
        loop: SimulatedLoop,
        number: int,
        process: Process,
        name: object,
        context: contextvars.Context | None,
    ) -> None:
        self.number = number  # first: asyncio puts the task into a set before its __init__ is done
        self.process = process
        super().__init__(
            coroutine, loop=loop, name=str(name) if name else f"{process.name}-{number}", context=context
        )

    def __hash__(self) -> int:
        return self.number

    @property
    def failed_unseen(self) -> bool:
        """Whether it ended with an error at which nobody has looked."""
        return bool(self._log_traceback)


class SimulatedFuture(asyncio.Future[Any]):
    """A future that knows which process made it."""

    __slots__ = ("number", "process")
    number: int
    process: Process

    def __hash__(self) -> int:
        return self.number


class Handle(asyncio.TimerHandle):
    """A callback that is ready, or due at `_when`.

    `key` is the number of its task, or of its process if it is no task's step.
    """

    __slots__ = ("key", "number", "process")
    _source_traceback = None
    _repr = None
    _callback: Callable[..., object]
    _context: contextvars.Context
    _loop: SimulatedLoop
    _scheduled: bool
    _when: float

    def __init__(  # what asyncio's own does, but for its debugging: this is done for every step
        self,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        loop: SimulatedLoop,
        context: contextvars.Context,
        process: Process,
        number: int,
        key: int,
    ) -> None:
        self._callback = callback
        self._args = args
        self._loop = loop
        self._context = context
        self._cancelled = False
        self._scheduled = False
        self.process = process
        self.number = number
        self.key = key

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return self is other

    def cancel(self) -> None:
        if not self._cancelled:
            self._cancelled = True
            self._callback, self._args = _nothing, ()
            if self._scheduled:
                self._loop.timer_cancelled()

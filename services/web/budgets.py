"""How long may a task take? Who is over its budget is cancelled, by a look at all of them now and then.

A timer for each request would cost more than everything else that is done for it at the door.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

LOOKS = 20
"""Within a budget: so late may the end of one come."""


class OutOfTime(Exception):
    """The budget was used up; what was begun was cancelled."""


class Budgets:
    """Of the tasks of one loop, each as long as the others'."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._running: set[Budget] = set()
        self._look: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._running)

    def begin(self) -> Budget:
        """Use as `with budgets.begin() as budget`."""
        return Budget(self)

    def start(self, budget: Budget) -> None:
        self._running.add(budget)
        if self._look is None:
            self._look = asyncio.get_running_loop().call_later(self.seconds / LOOKS, self._look_at_all)

    def stop(self, budget: Budget) -> None:
        self._running.discard(budget)

    def _look_at_all(self) -> None:
        self._look = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        for budget in [each for each in self._running if each.until <= now]:
            self._running.discard(budget)
            budget.end()
        if self._running:
            self._look = loop.call_later(self.seconds / LOOKS, self._look_at_all)


class Budget:
    """The budget of the present task, within a `with` block; raises OutOfTime at its end."""

    __slots__ = ("_all", "_asked", "_cancelled", "_task", "until")

    def __init__(self, all_: Budgets) -> None:
        self._all = all_
        self._cancelled = False

    def __enter__(self) -> Budget:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._asked = task.cancelling()
        self.until = asyncio.get_running_loop().time() + self._all.seconds
        self._all.start(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._all.stop(self)
        # as asyncio.timeout does: only what we asked for ourselves is ours to turn into something else
        if self._cancelled and self._task.uncancel() <= self._asked and kind is asyncio.CancelledError:
            raise OutOfTime from error

    def end(self) -> None:
        self._cancelled = True
        self._task.cancel()

    def pause(self) -> float:
        """Let the time stand still; what is left of it, for `go_on`."""
        self._all.stop(self)
        return self.until - asyncio.get_running_loop().time()

    def go_on(self, left: float) -> None:
        if not self._cancelled:
            self.until = asyncio.get_running_loop().time() + left
            self._all.start(self)

"""What is a simulated process? A name, its number, and what is ready to run in it."""

from __future__ import annotations

import contextvars
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.simulation.handles import Handle, SimulatedTask


class Process:
    """One life of a process: after a restart it is another one of the same name.

    It stands in the loop's pool, once, for its callbacks: they run in the order
    in which they were called for.
    """

    __slots__ = (
        "callbacks",
        "context",
        "dead",
        "dies_in",
        "halted",
        "held",
        "key",
        "listed",
        "main",
        "name",
        "process",
        "prune_at",
        "tasks",
    )

    def __init__(self, name: str, key: int) -> None:
        self.name = name
        self.key = key
        self.process = self
        self.callbacks: deque[Handle] = deque()
        self.listed = False
        """Whether it stands in the pool (or in `held`, instead)."""
        self.halted = False
        self.dead = False
        self.held: list[Handle | Process] = []
        """What was ready while it was paused."""
        self.dies_in = 0
        """Steps until it is killed; 0: it is not."""
        self.tasks: list[SimulatedTask] = []
        self.prune_at = 64
        self.main: SimulatedTask | None = None
        """What it was started with; its result or error may be awaited."""
        self.context = contextvars.copy_context()
        self.context.run(PROCESS.set, self)

    def __repr__(self) -> str:
        return f"<Process {self.name}>"

    @property
    def ended(self) -> bool:
        """Whether its main has come to an end by itself."""
        return self.main is not None and self.main.done()

    def adopt(self, task: SimulatedTask) -> None:
        """Hold the task until it is done (asyncio's own references are weak), or failed and not looked at."""
        self.tasks.append(task)
        if len(self.tasks) >= self.prune_at:
            self.tasks = [each for each in self.tasks if not each.done() or each.failed_unseen]
            self.prune_at = max(64, 2 * len(self.tasks))

    def hold(self, entry: Handle | Process) -> None:
        """Keep what is ready while it is paused; the dead need nothing."""
        if not self.dead:
            self.held.append(entry)

    def die(self) -> None:
        """As by kill -9: what it has is kept as it is, for ever suspended; nothing of it runs again."""
        self.dead = self.halted = True
        self.callbacks.clear()
        self.held.clear()


PROCESS: contextvars.ContextVar[Process] = contextvars.ContextVar("simulated process")

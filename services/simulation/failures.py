"""How does a run fail, other than by the error of its main coroutine?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

from services.simulation.handles import Handle, SimulatedTask


class Failure(NamedTuple):
    """An error that nobody took."""

    process: str
    message: str
    error: BaseException | None

    @classmethod
    def of_task(cls, task: SimulatedTask) -> Self:
        return cls(task.process.name, f"nobody took the error of task {task.get_name()}", task.exception())

    @classmethod
    def of_handle(cls, handle: Handle, error: BaseException) -> Self:
        return cls(handle.process.name, f"a callback failed: {handle._callback!r}", error)

    def __str__(self) -> str:
        return f"{self.process}: {self.message}: {self.error!r}"


class RunFailed(Exception):
    """Callbacks failed, or tasks whose errors nobody took."""

    def __init__(self, failures: Sequence[Failure]) -> None:
        super().__init__("\n".join(map(str, failures)))
        self.failures = failures
        self.__cause__ = next((each.error for each in failures if each.error), None)


class Deadlock(Exception):
    """Nothing is ready and no timer runs, but the main coroutine is not done."""

    def __init__(self, waiting: Sequence[str]) -> None:
        super().__init__("all wait for one another:\n" + "\n".join(waiting))


class StepsExceeded(Exception):
    """The run went on for more steps than it may: perhaps something spins."""

    def __init__(self, steps: int, waiting: Sequence[str]) -> None:
        super().__init__(f"no end after {steps} steps:\n" + "\n".join(waiting))


class Unsimulated(RuntimeError):
    """Something of the real world was asked for that a simulated one does not have."""

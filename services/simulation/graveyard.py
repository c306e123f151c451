"""How does what was killed leave, without a word?

Python runs the `finally` blocks of a suspended coroutine when it is dropped, and a killed process must run
none. So the tasks of the dead are kept, as they are, until the run is over and its outcome known. Only then
are they closed, in a world that is gone: whoever asks the loop for anything gets `Buried`, which no
`except Exception` takes, so that what is left of the code ends without a trace.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from services.simulation.handles import SimulatedTask
    from services.simulation.loop import SimulatedLoop

TRIES = 100
_undead: list[Any] = []
"""Such as go on waiting whatever they are told; they are never dropped."""


class Buried(BaseException):
    """The world has ended; raised to what wants something of it after that."""


def bury(loop: SimulatedLoop, tasks: Sequence[SimulatedTask]) -> None:
    """Close the coroutines of all tasks that are not done; the loop is closed already."""
    asyncio._set_running_loop(loop)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # coroutines that were made in the last moment, never awaited
            coroutines = [task.get_coro() for task in tasks if not task.done()]
            _undead.extend(coroutine for coroutine in coroutines if not _close(coroutine))
    finally:
        asyncio._set_running_loop(None)


def _close(coroutine: Any) -> bool:
    """Whether it is closed; it waits again and again if its `finally` blocks await."""
    for _ in range(TRIES):
        try:
            coroutine.close()
        except BaseException as error:  # noqa: BLE001 - it is dead: what it has to say is not heard
            if isinstance(error, RuntimeError) and "ignored GeneratorExit" in str(error):
                continue
        return True
    return False

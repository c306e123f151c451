"""Where does each task wait? For the report of a run that does not go on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from services.simulation.handles import SimulatedTask
from services.simulation.process import Process

_ASYNCIO = str(Path(asyncio.__file__).parent)


def waiting_places(processes: Sequence[Process]) -> list[str]:
    """A line for each task that is not done, of processes that live."""
    return [
        f"  {task.get_name()} of {process.name}{' (paused)' if process.halted else ''}: {_place(task)}"
        for process in processes
        if not process.dead
        for task in process.tasks
        if not task.done()
    ]


def _place(task: SimulatedTask) -> str:
    """Our innermost frame, and what of asyncio it calls."""
    frames = list(_frames(task.get_coro()))
    if not frames:
        return "has not begun"
    ours = [frame for frame in frames if not frame.f_code.co_filename.startswith(_ASYNCIO)] or frames[:1]
    code = ours[-1].f_code
    place = f"{Path(code.co_filename).name}:{ours[-1].f_lineno} in {code.co_qualname}"
    return place if frames[-1] is ours[-1] else f"{place} -> {frames[-1].f_code.co_qualname}"


def _frames(awaitable: Any) -> Iterator[FrameType]:
    """From the outermost coroutine (or async generator) inwards."""
    while awaitable is not None:
        for kind in ("cr", "ag", "gi"):
            if hasattr(awaitable, f"{kind}_frame"):
                frame, inner = (
                    getattr(awaitable, f"{kind}_frame"),
                    getattr(awaitable, "gi_yieldfrom" if kind == "gi" else f"{kind}_await"),
                )
                break
        else:
            return
        if frame is not None:
            yield frame
        awaitable = inner

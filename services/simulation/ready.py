"""What is ready, and what of it runs next? Any task's step, by chance, but no callback out of its order."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from services.simulation.handles import Handle
from services.simulation.process import Process


class Ready:
    """Steps of tasks, and the processes that have callbacks: each process once, for the first of them."""

    __slots__ = ("_die", "_random", "entries")

    def __init__(self, random: Random, die: Callable[[Process], None]) -> None:
        self.entries: list[Handle | Process] = []
        self._random = random.random
        self._die = die

    def add_step(self, handle: Handle) -> None:
        if not handle.process.dead:
            self.entries.append(handle)

    def add_callback(self, handle: Handle) -> None:
        process = handle.process
        if not process.dead:
            process.callbacks.append(handle)
            if not process.listed:
                process.listed = True
                self.entries.append(process)

    def release(self, process: Process) -> None:
        """What became ready while the process was halted."""
        self.entries += process.held
        process.held.clear()

    def take(self) -> Handle | None:
        """What runs next, or nothing if the choice fell on what does not run any more, or not now."""
        size = len(self.entries)
        index = int(self._random() * size) if size > 1 else 0
        entry = self.entries[index]
        process = entry.process
        if process.halted:
            self._remove(index)
            process.hold(entry)
            return None
        callbacks = process.callbacks
        if isinstance(entry, Process):
            if callbacks:
                return callbacks.popleft()
            self._remove(index)
            process.listed = False
            return None
        if callbacks and callbacks[0].number < entry.number:
            return callbacks.popleft()
        self._remove(index)
        if process.dies_in:
            process.dies_in -= 1
            if not process.dies_in:
                self._die(process)
                return None
        return entry

    def _remove(self, index: int) -> None:
        last = self.entries.pop()
        if index < len(self.entries):
            self.entries[index] = last

"""Which timer is the next?"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

from services.simulation.handles import Handle


class Timers:
    """By their time, and of one time in the order in which they were set."""

    __slots__ = ("_cancelled", "heap")

    def __init__(self) -> None:
        self.heap: list[tuple[float, int, Handle]] = []
        self._cancelled = 0

    def set(self, handle: Handle, when: float) -> None:
        handle._when = when
        handle._scheduled = True
        heappush(self.heap, (when, handle.number, handle))

    def cancelled(self) -> None:
        """Forget cancelled timers when they are the most: time-outs that are not met pile up."""
        self._cancelled += 1
        if self._cancelled > 100 and 2 * self._cancelled > len(self.heap):
            self.heap[:] = [timer for timer in self.heap if not timer[2]._cancelled]
            heapify(self.heap)
            self._cancelled = 0

    def next_time(self) -> float | None:
        """When the next one is due that is neither cancelled nor a dead process's."""
        while self.heap and (self.heap[0][2]._cancelled or self.heap[0][2].process.dead):
            self._pop()
        return self.heap[0][0] if self.heap else None

    def due(self, now: float) -> list[Handle]:
        """Those that are due, in order."""
        handles = []
        while self.heap and self.heap[0][0] <= now:
            handle = self._pop()
            if not handle._cancelled:
                handles.append(handle)
        return handles

    def _pop(self) -> Handle:
        handle = heappop(self.heap)[2]
        handle._scheduled = False
        if handle._cancelled:
            self._cancelled -= 1
        return handle

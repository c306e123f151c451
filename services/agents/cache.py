"""Which processes does a runner have at hand? Those wanted last, as many as their number and bytes allow."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from domain.kernel import Value
from services.agents.reactions import Key

CACHED_PROCESSES = 10_000
CACHED_BYTES = 8 << 20
"""Of processes as they are recorded; only very large ones meet it. In memory they take ten times as much."""


class ProcessCache:
    """Keeps all it is given until `trim`: a page needs its own processes until it is recorded."""

    def __init__(self, capacity: int = CACHED_PROCESSES, capacity_bytes: int = CACHED_BYTES) -> None:
        self._capacity = capacity
        self._capacity_bytes = capacity_bytes
        self._kept: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._bytes = 0

    def get(self, key: Key) -> Value | None:
        kept = self._kept.get(key)
        return kept[0] if kept else None

    def unknown(self, wanted: Iterable[Key]) -> list[Key]:
        """Those that are not here; the others count as wanted last."""
        missing = []
        for key in wanted:
            if key in self._kept:
                self._kept.move_to_end(key)
            else:
                missing.append(key)
        return missing

    def keep(self, key: Key, process: Value, size: int) -> None:
        """`size` is what the process takes as it is recorded, in bytes."""
        before = self._kept.get(key)
        self._bytes += size - (before[1] if before else 0)
        self._kept[key] = process, size

    def trim(self) -> None:
        """Forget what was not wanted for longest."""
        while len(self._kept) > self._capacity or self._bytes > self._capacity_bytes:
            _, (_, size) = self._kept.popitem(last=False)
            self._bytes -= size

    def clear(self) -> None:
        self._kept.clear()
        self._bytes = 0

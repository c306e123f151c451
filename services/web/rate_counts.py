"""How many hits has a key had? Counted here and at once; what others have counted is added when it is told.

A storage of the library `limits`, for its sliding-window counter. It asks nobody, so a hit costs no round
trip, and it limits whether or not there is anybody to tell: `services.rates` tells a database.

What is kept is bounded, for each policy by itself: who floods us with addresses does not push out the counts
of those who are signed in. A count that is pushed out starts from nothing, until the others' is told.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import floor
from typing import NamedTuple

from limits.aio.storage import Storage
from limits.aio.storage.base import SlidingWindowCounterSupport

CAPACITY = 20_000
"""Of each policy; a count is some 300 bytes."""


class CountKey(NamedTuple):
    """A key in one window, whose number is the time divided by the window's length."""

    key: str
    window: int


@dataclass(slots=True)
class Count:
    """`shared` is what is known to all, `unsent` what only we know, `ends_at` when nobody asks any more."""

    ends_at: float
    shared: int = 0
    unsent: int = 0

    @property
    def hits(self) -> int:
        return self.shared + self.unsent


class Told(NamedTuple):
    """What all have counted together, in this window and in the one before."""

    at: CountKey
    hits: int
    hits_before: int


class RateCounts(Storage, SlidingWindowCounterSupport):
    """`moved` and `told` are for who shares them with other processes."""

    STORAGE_SCHEME = None

    def __init__(self, *, now: Callable[[], float] = time.time, capacity: int = CAPACITY) -> None:
        super().__init__()
        self._now = now
        self._capacity = capacity
        self._kept: dict[str, OrderedDict[CountKey, Count]] = {}
        self._moved: dict[CountKey, Count] = {}

    def __len__(self) -> int:
        return sum(map(len, self._kept.values()))

    @property
    def now(self) -> float:
        return self._now()

    def moved(self, most: int) -> dict[CountKey, Count]:
        """Counts that hold what the others do not know, at most so many."""
        chosen: dict[CountKey, Count] = {}
        for at, count in self._moved.items():
            if len(chosen) == most:
                break
            chosen[at] = count
        return chosen

    def sent(self, at: CountKey, hits: int) -> None:
        """So many are known to all now."""
        if count := self._moved.get(at):
            count.unsent -= hits
            count.shared += hits
            if not count.unsent:
                del self._moved[at]

    def told(self, news: Sequence[Told]) -> None:
        """Counts only grow, so that older news changes nothing."""
        for at, hits, hits_before in news:
            self._heard(at, hits)
            self._heard(CountKey(at.key, at.window - 1), hits_before)

    def _heard(self, at: CountKey, hits: int) -> None:
        kept = self._of_policy(at.key)
        count = kept.get(at)
        if count is None:
            current = kept.get(CountKey(at.key, at.window + 1))
            if not hits or current is None:
                return
            count = kept[at] = Count(current.ends_at)
            kept.move_to_end(at, last=False)
        count.shared = max(count.shared, hits)

    async def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        before, share, current, window = self._standing(key, expiry)
        if floor(before * share + current) + amount > limit:
            return False
        at = CountKey(key, window)
        kept = self._of_policy(key)
        count = kept.get(at)
        if count is None:
            count = kept[at] = Count((window + 2) * expiry)
            self._make_room(kept)
        else:
            kept.move_to_end(at)
        count.unsent += amount
        self._moved[at] = count
        return True

    async def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        before, share, current, _ = self._standing(key, expiry)
        return before, share * expiry if before else 0.0, current, (1 + share) * expiry

    def _standing(self, key: str, expiry: int) -> tuple[int, float, int, int]:
        """Hits of the window before, how much of it still counts, hits of this one, and its number."""
        number, passed = divmod(self._now(), expiry)
        window = int(number)
        kept = self._of_policy(key)
        before, current = kept.get(CountKey(key, window - 1)), kept.get(CountKey(key, window))
        return before.hits if before else 0, 1 - passed / expiry, current.hits if current else 0, window

    def _of_policy(self, key: str) -> OrderedDict[CountKey, Count]:
        """The counts of the policy that the key begins with; the first was touched longest ago."""
        policy = key.partition("/")[0]
        kept = self._kept.get(policy)
        if kept is None:
            kept = self._kept[policy] = OrderedDict()
        return kept

    def _make_room(self, kept: OrderedDict[CountKey, Count]) -> None:
        while len(kept) > self._capacity:
            at, _ = kept.popitem(last=False)
            self._moved.pop(at, None)

    def sweep(self) -> None:
        """Forget windows that nobody asks about any more."""
        now = self._now()
        for kept in self._kept.values():
            while kept and next(iter(kept.values())).ends_at <= now:
                at, _ = kept.popitem(last=False)
                self._moved.pop(at, None)

    async def clear_sliding_window(self, key: str, expiry: int) -> None:
        raise NotImplementedError("what was counted is known to others")

    async def clear(self, key: str) -> None:
        raise NotImplementedError("what was counted is known to others")

    @property
    def base_exceptions(self) -> type[Exception]:
        return ValueError

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        raise NotImplementedError("use the sliding-window counter")

    async def get(self, key: str) -> int:
        raise NotImplementedError("use the sliding-window counter")

    async def get_expiry(self, key: str) -> float:
        raise NotImplementedError("use the sliding-window counter")

    async def check(self) -> bool:
        return True

    async def reset(self) -> int | None:
        """Forget everything that was counted here."""
        forgotten = len(self)
        self._kept.clear()
        self._moved.clear()
        return forgotten

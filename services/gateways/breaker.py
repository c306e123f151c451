"""When is a provider left alone, and how long until it is tried again?"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

Throw = Callable[[], float]
"""A throw of the dice in [0, 1)."""
dice: Throw = random.SystemRandom().random


@dataclass(frozen=True, slots=True)
class Patience:
    """Failed calls are made again after a pause with full jitter, up to twice as long each time.

    After `attempts` failed ones the provider is recorded as unavailable; the call is still tried for ever. A
    provider that is left alone was not tried: that pause begins anew and grows to `left_alone_s_max` only, or
    one that fails half of all calls would be waited for as if it failed them all.
    """

    timeout_s: float = 5.0
    attempts: int = 6
    pause_s_first: float = 0.4
    pause_s_max: float = 60.0
    left_alone_s_max: float = 15.0
    throw: Throw = dice

    def pause_s(self, attempts: int, throw: float) -> float:
        """The pause in seconds after this many failed attempts, from 1."""
        return throw * min(self.pause_s_max, self.pause_s_first * 2.0 ** min(attempts - 1, 30))


PATIENCE = Patience()


class Breaker:
    """Opens after `failures` in a row: then nobody calls, but for one try in each `rest_s` seconds.

    The rest is up to twice as long by chance, so that many processes do not knock at once.
    """

    def __init__(
        self,
        failures: int = 10,
        rest_s: float = 0.5,
        now: Callable[[], float] = time.monotonic,
        throw: Throw = dice,
    ) -> None:
        self._limit = failures
        self._rest_s = rest_s
        self._now = now
        self._throw = throw
        self._failures = 0
        self._next_try = 0.0

    @property
    def is_open(self) -> bool:
        return self._failures >= self._limit

    def admits(self) -> bool:
        """Whether a call may be made now. One that is a try also postpones the next try."""
        if not self.is_open:
            return True
        now = self._now()
        if now < self._next_try:
            return False
        self._next_try = now + self._rest_s * (1 + self._throw())
        return True

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self) -> None:
        self._failures += 1
        if self._failures == self._limit:
            self._next_try = self._now() + self._rest_s * (1 + self._throw())

"""How long is what a provider told us believed, and how often is it asked again?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from services.access.oidc_http import OidcRefused

T = TypeVar("T")
AGE_S_MAX = 3600.0
REST_S_FAILED = 2.0
REST_S_FORCED = 30.0


class Refreshed(Generic[T]):
    """A value that is fetched when it is wanted and too old, by one for all who wait.

    Whoever finds it wanting may have it fetched earlier, but not more often than once in REST_S_FORCED:
    tokens with made-up key ids must not make us hammer the provider. After a failure it rests, too.
    """

    def __init__(self, fetch: Callable[[], Awaitable[T]], now: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._now = now
        self._lock = asyncio.Lock()
        self._value: T | None = None
        self._old_at = 0.0
        self._forced_next = 0.0
        self._failed: OidcRefused | None = None
        self._failed_until = 0.0

    async def get(self) -> T:
        """The value, at most AGE_S_MAX old. Raises what fetching it raised."""
        async with self._lock:
            if self._value is not None and self._now() < self._old_at:
                return self._value
            return await self._fetched()

    async def newer(self, known: T) -> T:
        """A newer value than `known`, or `known` where the provider was asked just now."""
        async with self._lock:
            if self._value is not None and self._value is not known:
                return self._value
            if self._now() < self._forced_next:
                return known
            self._forced_next = self._now() + REST_S_FORCED
            return await self._fetched()

    async def _fetched(self) -> T:
        if self._failed is not None and self._now() < self._failed_until:
            raise OidcRefused(self._failed.reason, self._failed.message, passing=self._failed.passing)
        try:
            self._value = value = await self._fetch()
        except OidcRefused as error:
            self._failed, self._failed_until = error, self._now() + REST_S_FAILED
            raise
        self._failed, self._old_at = None, self._now() + AGE_S_MAX
        return value

"""Time and ids come in from outside: the clock and the ids of the real world, behind seams for simulation."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from hashlib import sha256
from typing import Protocol
from uuid import UUID


class Clock(Protocol):
    def now(self) -> datetime:
        """The present moment, timezone-aware UTC."""


class Ids(Protocol):
    def new(self) -> UUID:
        """A fresh UUIDv7: ids that are made later sort later, which the indexes like."""

    def nonce(self) -> bytes:
        """Twelve fresh random bytes for AES-GCM."""


class WallClock:
    """The clock on the wall."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class RandomIds:
    """UUIDv7 by RFC 9562: 48 bits of milliseconds, 12 bits of a counter within them, 62 random bits."""

    def __init__(self) -> None:
        self._last_ms = 0
        self._counter = 0

    def new(self) -> UUID:
        ms = max(time.time_ns() // 1_000_000, self._last_ms)
        self._counter = self._counter + 1 if ms == self._last_ms else 0
        if self._counter > 0xFFF:
            ms, self._counter = ms + 1, 0
        self._last_ms = ms
        tail = int.from_bytes(os.urandom(8)) & 0x3FFF_FFFF_FFFF_FFFF
        return UUID(int=(ms << 80) | (0x7 << 76) | (self._counter << 64) | (0x2 << 62) | tail)

    def nonce(self) -> bytes:
        return os.urandom(12)


def derived_id(cause: UUID, *words: str) -> UUID:
    """The id that belongs to `words` said because of `cause`: always the same, and sorted like its cause.

    The first half is that of `cause` (its time), the second of SHA-256 over all, so a UUIDv7 stays one.
    """
    digest = sha256("\x00".join((cause.hex, *words)).encode()).digest()
    tail = int.from_bytes(digest[:8]) & 0x3FFF_FFFF_FFFF_FFFF
    return UUID(int=(cause.int >> 64 << 64) | (0x2 << 62) | tail)


def key_id(*words: str) -> UUID:
    """The id of a name that others chose, such as an idempotency key: UUIDv8 from SHA-256."""
    number = int.from_bytes(sha256("\x00".join(words).encode()).digest()[:16])
    return UUID(int=number & ~(0xF << 76) & ~(0x3 << 62) | (0x8 << 76) | (0x2 << 62))

"""Time, ids and chance of a simulated system: all from one seed, and from the loop's time."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from random import Random
from uuid import UUID

from eventstore.seams import Clock
from services.simulation.loop import BOOT_SECONDS, SimulatedLoop

START = datetime(2026, 1, 1, tzinfo=UTC)


class SeededRandom:
    """Independent streams of chance by name: one more consumer does not shift the others."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._streams: dict[str, Random] = {}

    def stream(self, name: str) -> Random:
        """The stream of that name; asked for again, it goes on where it was."""
        if name not in self._streams:
            digest = sha256(f"{self.seed}\x00{name}".encode()).digest()
            self._streams[name] = Random(int.from_bytes(digest))
        return self._streams[name]


class SimulatedClock:
    """See `eventstore.seams.Clock`: what the clock of the process that asks shows."""

    def __init__(self, loop: SimulatedLoop, start: datetime = START) -> None:
        self._loop = loop
        self._start = start
        self._ahead: dict[str, float] = defaultdict(float)
        self.set_back_s: dict[str, float] = defaultdict(float)
        """By how much the clock of each process was, all in all."""

    def now(self) -> datetime:
        seconds = self._loop.time() - BOOT_SECONDS
        if self._ahead:
            seconds += self._ahead.get(self._loop.process.name, 0.0)
        return self._start + timedelta(seconds=seconds)

    def pass_by(self, seconds: float) -> None:
        """So much time goes by while all stand still, as on a machine that is suspended."""
        self._start += timedelta(seconds=seconds)

    def set_right(self, name: str) -> None:
        """Undo its jumps."""
        self._set_back(name, self._ahead.pop(name, 0.0))

    def jump(self, name: str, seconds: float) -> None:
        """Set the clock of a process forward, or back; restarts do not change that."""
        self._ahead[name] += seconds
        self._set_back(name, -seconds)

    def _set_back(self, name: str, seconds: float) -> None:
        self.set_back_s[name] += max(0.0, seconds)


class SeededIds:
    """See `eventstore.seams.Ids`: UUIDv7 like `RandomIds`, from a clock and a stream of chance."""

    def __init__(self, clock: Clock, random: Random) -> None:
        self._clock = clock
        self._random = random
        self._last_ms = 0
        self._counter = 0

    def new(self) -> UUID:
        ms = max(int(self._clock.now().timestamp() * 1000), self._last_ms)
        self._counter = self._counter + 1 if ms == self._last_ms else 0
        if self._counter > 0xFFF:
            ms, self._counter = ms + 1, 0
        self._last_ms = ms
        tail = self._random.getrandbits(62)
        return UUID(int=(ms << 80) | (0x7 << 76) | (self._counter << 64) | (0x2 << 62) | tail)

    def nonce(self) -> bytes:
        return self._random.randbytes(12)

"""The states that commands are decided on: folded from streams, kept in a bounded cache, loaded together.

A cached state may be old: the append checks its version. What is missing is loaded for all commands that
wait at that moment in one query.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

from domain.aggregates import aggregate_of
from domain.kernel import Event, Fact
from eventstore.codec import decode_event
from eventstore.log import STREAM_LIMIT, Log, StoredEvent

CACHED_STREAMS = 10_000
LOAD_MAX = 500
FOLD_MAX = 500
"""Events that are folded in one go, a few milliseconds of work: then all else of the process has its turn."""


class State(NamedTuple):
    """The state of a stream and the version that it stands at (0: the stream does not exist)."""

    version: int
    state: Any


class States:
    """`load` brings states up to date; `known` gives what is cached without asking."""

    def __init__(self, log: Log, capacity: int = CACHED_STREAMS) -> None:
        self._log = log
        self._capacity = capacity
        self._cache: OrderedDict[str, State] = OrderedDict()
        self._wanted: dict[str, asyncio.Future[State]] = {}
        self._loading: asyncio.Task[None] | None = None
        self._folded_since = 0  # the last turn of the others

    def known(self, stream: str) -> State | None:
        state = self._cache.get(stream)
        if state:
            self._cache.move_to_end(stream)
        return state

    def initial(self, stream: str) -> State:
        return State(0, aggregate_of(stream).initial)

    def forget(self) -> None:
        """After others may have appended what nobody here was told of."""
        self._cache.clear()

    def applied(self, stream: str, base: State, events: Sequence[Event]) -> None:
        """Keep the state after `events`, which were appended on `base`."""
        known = self._cache.get(stream)
        version = base.version + len(events)
        if known is None or known.version < version:
            self._keep(stream, State(version, aggregate_of(stream).fold(events, base.state)))

    def follow(self, fact: Fact) -> None:
        """Let a cached state follow what others appended, as the feed tells it."""
        known = self._cache.get(fact.stream)
        if known and known.version + 1 == fact.version:
            evolved = aggregate_of(fact.stream).evolve(known.state, fact.event)
            self._cache[fact.stream] = State(fact.version, evolved)

    async def load(self, streams: Sequence[str]) -> list[State]:
        """The present states of these streams, read from the log after what is cached."""
        loop = asyncio.get_running_loop()
        waits = [self._wanted.setdefault(stream, loop.create_future()) for stream in streams]
        if self._loading is None or self._loading.done():
            self._loading = loop.create_task(self._load_wanted())
        # shared with others: unlike gather, it leaves them whole if we are cancelled
        await asyncio.wait(waits)
        return [waited.result() for waited in waits]

    async def _load_wanted(self) -> None:
        while self._wanted:
            batch = dict(list(self._wanted.items())[:LOAD_MAX])
            for stream in batch:
                del self._wanted[stream]
            try:
                loaded = await self._read(list(batch))
            except Exception as error:  # noqa: BLE001 - handed to those who wait for it
                loaded = dict.fromkeys(batch, error)
            for stream, waiting in batch.items():
                found = loaded[stream]
                if isinstance(found, Exception):
                    waiting.set_exception(found)
                    waiting.exception()  # whoever waited may be gone: then it is nobody's loss
                else:
                    waiting.set_result(found)

    async def _read(self, streams: list[str]) -> dict[str, State | Exception]:
        """Read in pages and folded in slices, so that a stream may be as long as it likes.

        A stream that can't be read has its error: it must not hold up those that are loaded with it.
        """
        loaded = {stream: self._cache.get(stream) or self.initial(stream) for stream in streams}
        unreadable: dict[str, Exception] = {}
        while streams:
            tails = await self._log.read_streams([(stream, loaded[stream].version) for stream in streams])
            for stream, tail in zip(streams, tails, strict=True):
                try:
                    loaded[stream] = await self._folded(stream, loaded[stream], tail)
                except Exception as error:  # noqa: BLE001 - handed to those who wait for it
                    unreadable[stream] = error
            long = [s for s, tail in zip(streams, tails, strict=True) if len(tail) == STREAM_LIMIT]
            streams = [stream for stream in long if stream not in unreadable]
        for stream, state in loaded.items():
            known = self._cache.get(stream)
            if state.version and (known is None or known.version <= state.version):
                self._keep(stream, state)
        return {**loaded, **unreadable}

    async def _folded(self, stream: str, state: State, tail: Sequence[StoredEvent]) -> State:
        """The state after `tail`; now and then the others of the loop have their turn."""
        for start in range(0, len(tail), FOLD_MAX):
            part = tail[start : start + FOLD_MAX]
            state = _after(stream, state, part)
            self._folded_since += len(part)
            if self._folded_since >= FOLD_MAX:
                self._folded_since = 0
                await asyncio.sleep(0)
        return state

    def _keep(self, stream: str, state: State) -> None:
        self._cache[stream] = state
        self._cache.move_to_end(stream)
        if len(self._cache) > self._capacity:
            self._cache.popitem(last=False)


def _after(stream: str, base: State, events: Sequence[StoredEvent]) -> State:
    decoded = [decode_event(each.type, each.schema, each.data) for each in events]
    return State(base.version + len(events), aggregate_of(stream).fold(decoded, base.state))

"""The states that commands are decided on: folded from streams, kept in a bounded cache, loaded together.

A cached state may be old: the append checks its version. What is missing is loaded for all commands that
wait at that moment in one query; that of a long stream begins at its snapshot, if it has one.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

from commands.fold import Folder, State
from commands.snapshotter import Snapshotter
from domain.aggregates import aggregate_of
from domain.kernel import Event, Fact
from eventstore.log import STREAM_LIMIT, Log
from eventstore.snapshots import Snapshots

CACHED_STREAMS = 10_000
LOAD_MAX = 500
PROBE = 64
"""Events of a stream that are read before a snapshot is asked for: most streams are shorter and have none."""


class States:
    """`load` brings states up to date; `known` gives what is cached without asking.

    Without `snapshots` every stream is folded from its beginning.
    """

    def __init__(self, log: Log, snapshots: Snapshots | None = None, capacity: int = CACHED_STREAMS) -> None:
        self._log = log
        self._folder = Folder()
        self._snapshotter = Snapshotter(log, snapshots, self._folder) if snapshots else None
        self._capacity = capacity
        self._cache: OrderedDict[str, State] = OrderedDict()
        self._wanted: dict[str, asyncio.Future[State]] = {}
        self._loading: asyncio.Task[None] | None = None

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
            snapshot = max(base.snapshot, known.snapshot if known else 0)
            self._keep(stream, State(version, aggregate_of(stream).fold(events, base.state), snapshot))

    def follow(self, fact: Fact) -> None:
        """Let a cached state follow what others appended, as the feed tells it."""
        known = self._cache.get(fact.stream)
        if known and known.version + 1 == fact.version:
            evolved = aggregate_of(fact.stream).evolve(known.state, fact.event)
            self._cache[fact.stream] = State(fact.version, evolved, known.snapshot)

    async def load(self, streams: Sequence[str]) -> list[State]:
        """The present states of these streams, read from the log after what is cached."""
        if not streams:  # such as the records of a merchant who has no carriers yet
            return []
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
        limit = PROBE if self._snapshotter else STREAM_LIMIT
        while streams:
            tails = await self._log.read_contents([(each, loaded[each].version) for each in streams], limit)
            long = [each for each, tail in zip(streams, tails, strict=True) if len(tail) == limit]
            kept = await self._kept([stream for stream in long if not loaded[stream].version])
            for stream, tail in zip(streams, tails, strict=True):
                try:
                    loaded[stream] = kept.get(stream) or await self._folder.folded(
                        stream, loaded[stream], tail
                    )
                except Exception as error:  # noqa: BLE001 - handed to those who wait for it
                    unreadable[stream] = error
            streams, limit = [stream for stream in long if stream not in unreadable], STREAM_LIMIT
        for stream, state in loaded.items():
            known = self._cache.get(stream)
            if state.version and (known is None or known.version <= state.version):
                self._keep(stream, state)
        return {**loaded, **unreadable}

    async def rest(self) -> None:
        """Wait until no snapshot is being taken."""
        if self._snapshotter:
            await self._snapshotter.rest()

    async def _kept(self, streams: list[str]) -> dict[str, State]:
        """What the snapshots of these streams say."""
        return await self._snapshotter.load(streams) if self._snapshotter else {}

    def _keep(self, stream: str, state: State) -> None:
        self._cache[stream] = self._snapshotter.grown(stream, state) if self._snapshotter else state
        self._cache.move_to_end(stream)
        if len(self._cache) > self._capacity:
            self._cache.popitem(last=False)

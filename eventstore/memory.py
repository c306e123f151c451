"""The log in memory: the shipped twin of the Postgres log, for tests and simulation; same contract suite."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID

from eventstore.leaf import leaf_hash_of
from eventstore.log import (
    PAGE,
    STREAM_LIMIT,
    Append,
    Appended,
    Conflict,
    Content,
    LogIdentity,
    Outcome,
    StoredEvent,
    check_append,
)
from eventstore.seams import Clock, Ids, RandomIds, WallClock


class MemoryLog:
    """See `eventstore.log.Log`."""

    def __init__(self, clock: Clock | None = None, ids: Ids | None = None) -> None:
        self.identity = LogIdentity((ids or RandomIds()).new(), 1)
        self.events: list[StoredEvent] = []
        self.ledger: dict[tuple[str, UUID], Appended] = {}
        self.listeners: list[Callable[[int], None]] = []
        self._streams: dict[str, list[StoredEvent]] = defaultdict(list)
        self._clock = clock or WallClock()

    async def append(self, append: Append) -> Outcome:
        check_append(append)
        return self.commit(append)

    def commit(self, append: Append, recorded_at: datetime | None = None) -> Outcome:
        """Append what was checked before; `recorded_at` is the appender's time, as a rule this log's."""
        known = self.ledger.get((append.merchant, append.command_id))
        if known:
            return known
        for each in append.streams:
            existing = self._streams.get(each.stream)
            actual = existing[-1].version if existing else 0
            if actual != each.expected_version and (existing or not each.begins_anywhere):
                return Conflict(each.stream, actual)
        first = len(self.events) + 1
        self._write(append, recorded_at or self._clock.now())
        done = Appended(first, len(self.events))
        entry = Appended(first, len(self.events), True, append.fingerprint, append.answer)
        self.ledger[append.merchant, append.command_id] = entry
        if append.event_count:
            for listener in self.listeners:
                listener(len(self.events))
        return done

    def _write(self, append: Append, recorded_at: datetime) -> None:
        for each in append.streams:
            for version, new in enumerate(each.events, each.expected_version + 1):
                event = StoredEvent(
                    len(self.events) + 1,
                    each.stream,
                    version,
                    new.type,
                    new.schema,
                    new.data,
                    append.merchant,
                    append.correlation,
                    append.causation,
                    append.metadata,
                    new.event_id,
                    append.occurred_at.astimezone(UTC),
                    recorded_at,
                    b"",
                )
                event = event._replace(leaf_hash=leaf_hash_of(event))
                self.events.append(event)
                self._streams[each.stream].append(event)

    async def read(self, after: int, limit: int = PAGE) -> list[StoredEvent]:
        return self.events[after : after + limit]

    async def read_streams(
        self, wanted: Sequence[tuple[str, int]], limit: int = STREAM_LIMIT
    ) -> list[list[StoredEvent]]:
        return [self.rest_of(name, after, limit) for name, after in wanted]

    async def read_contents(
        self, wanted: Sequence[tuple[str, int]], limit: int = STREAM_LIMIT
    ) -> list[list[Content]]:
        return [self.contents_of(name, after, limit) for name, after in wanted]

    def contents_of(self, stream: str, after: int, limit: int = STREAM_LIMIT) -> list[Content]:
        """The contents of what `rest_of` tells."""
        return [Content(e.version, e.type, e.schema, e.data) for e in self.rest_of(stream, after, limit)]

    def rest_of(self, stream: str, after: int, limit: int = STREAM_LIMIT) -> list[StoredEvent]:
        """The events of a stream after a version, at most `limit`."""
        events = self._streams.get(stream)
        start = max(0, after + 1 - events[0].version) if events else 0
        return events[start : start + limit] if events else []

    def last_of(self, stream: str) -> StoredEvent | None:
        """The newest event of a stream."""
        events = self._streams.get(stream)
        return events[-1] if events else None

    async def head(self) -> int:
        return len(self.events)

    async def present(self) -> tuple[LogIdentity, bool]:
        return self.identity, True

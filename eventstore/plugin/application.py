"""An application's events, recorded and selected as the library wants it, over a log of this engine."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
from eventsourcing import persistence
from eventsourcing.persistence import IntegrityError, Notification, NotSupportedError, StoredEvent

from eventstore.appender import Appender
from eventstore.connections import connect, read_identity, read_parameters
from eventstore.log import Append, Conflict, LogIdentity, NewEvent, Outcome, StreamAppend
from eventstore.plugin.background import LoopThread
from eventstore.plugin.errors import library_errors
from eventstore.plugin.recorder import QUERIES, VERSION_MAX, IdType, Recorder, version_range
from eventstore.plugin.subscription import Subscription
from eventstore.seams import RandomIds

# Streams have a category here, ids of the library have none.
PREFIX = "aggregate-"


class ApplicationRecorder(Recorder, persistence.ApplicationRecorder):
    """Appends through one appender for all threads, reads through a pool; `close` it after use."""

    def __init__(self, database_url: str, *, id_type: IdType = "uuid", pool_size: int = 5) -> None:
        super().__init__(database_url, id_type=id_type, pool_size=pool_size)
        self._ids = RandomIds()
        self._thread = LoopThread("tillroll-appender")
        try:
            with library_errors():
                self._identity = self._thread.run(_find_log(database_url))
                self._appender = Appender(database_url, self._identity)
                self._thread.run(self._appender.start())
        except Exception:
            self.close()
            raise
        self._thread.at_end(self._appender.stop)

    def close(self) -> None:
        """Finish what is being appended, and close all connections."""
        self._thread.close()
        super().close()

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        if kwargs.get("tracking") is not None:
            raise NotSupportedError("this recorder keeps no tracking records")
        return self._insert(stored_events, self._appender.append)

    def _insert(
        self, stored_events: Sequence[StoredEvent], append: Callable[[Append], Coroutine[Any, Any, Outcome]]
    ) -> Sequence[int] | None:
        """Have `append` append the events; their positions, in the order of `stored_events`."""
        if not stored_events:
            return None
        streams = _by_stream(stored_events)
        new = Append(
            self._ids.new(), "", "", "", datetime.now(UTC),
            tuple(self._stream_append(stream, events) for stream, events in streams.items()),
        )  # fmt: skip
        with library_errors():
            outcome = self._thread.run(append(new))
        if isinstance(outcome, Conflict):
            raise IntegrityError(f"{outcome.stream} stands at version {outcome.actual_version}")
        positions = {
            id(event): position
            for position, event in enumerate(
                (event for events in streams.values() for event in events), outcome.first_position
            )
        }
        return [positions[id(event)] for event in stored_events]

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        query = QUERIES.select_backwards if desc else QUERIES.select_forwards
        stream = {"stream": f"{PREFIX}{originator_id}"}
        rows = self._fetch(query.sql, stream | version_range(gt, lte, limit))
        return [StoredEvent(self._originator(row[0].removeprefix(PREFIX)), *row[1:]) for row in rows]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        arguments = {
            "first": (start or 0) + (not inclusive_of_start),
            "last": VERSION_MAX if stop is None else stop,
            "topics": list(topics) or None,
            "limit": limit,
        }
        rows = self._fetch(QUERIES.select_notifications.sql, arguments)
        return [Notification(self._originator(row[0].removeprefix(PREFIX)), *row[1:]) for row in rows]

    def max_notification_id(self) -> int | None:
        return int(self._fetch(QUERIES.read_max_position.sql, {})[0][0]) or None

    def subscribe(
        self, gt: int | None = None, topics: Sequence[str] = ()
    ) -> persistence.Subscription[persistence.ApplicationRecorder]:
        with library_errors():
            listening = psycopg.connect(autocommit=True, **read_parameters(self._database_url))
        return Subscription(self, listening, gt, topics)

    def _stream_append(self, stream: str, events: list[StoredEvent]) -> StreamAppend:
        first = events[0].originator_version
        if [event.originator_version for event in events] != list(range(first, first + len(events))):
            raise IntegrityError(f"the new versions of {stream} do not follow one another")
        new = tuple(NewEvent(event.topic, 1, event.state, self._ids.new()) for event in events)
        return StreamAppend(stream, first - 1, new, begins_anywhere=True)


def _by_stream(stored_events: Sequence[StoredEvent]) -> dict[str, list[StoredEvent]]:
    streams: dict[str, list[StoredEvent]] = {}
    for event in stored_events:
        streams.setdefault(f"{PREFIX}{event.originator_id}", []).append(event)
    return streams


async def _find_log(database_url: str) -> LogIdentity:
    connection = await connect(database_url)
    try:
        identity, _ = await read_identity(connection)
    finally:
        await connection.close()
    return identity

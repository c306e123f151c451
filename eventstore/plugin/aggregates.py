"""Where are snapshots? In a table beside the log, by aggregate and version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from eventsourcing import persistence
from eventsourcing.persistence import StoredEvent

from eventstore.plugin.recorder import QUERIES, IdType, Recorder, version_range


class AggregateRecorder(Recorder, persistence.AggregateRecorder):
    """Records of one purpose (`snapshots`): one a version, and versions need not follow one another."""

    tables = QUERIES.create_aggregate_records.sql

    def __init__(self, database_url: str, *, purpose: str, id_type: IdType = "uuid") -> None:
        super().__init__(database_url, id_type=id_type)
        self._purpose = purpose

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> None:
        """Insert all or none. Raises IntegrityError where a version is there already."""
        if not stored_events:
            return
        arguments = {
            "purpose": self._purpose,
            "originators": [str(event.originator_id) for event in stored_events],
            "versions": [event.originator_version for event in stored_events],
            "topics": [event.topic for event in stored_events],
            "states": [event.state for event in stored_events],
        }
        self._fetch(QUERIES.insert_records.sql, arguments)

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        query = QUERIES.select_records_backwards if desc else QUERIES.select_records_forwards
        arguments = {"purpose": self._purpose, "originator": str(originator_id)}
        rows = self._fetch(query.sql, arguments | version_range(gt, lte, limit))
        return [StoredEvent(self._originator(row[0]), *row[1:]) for row in rows]

"""How far is a projection in the applications it follows? As it wrote in one transaction with its effects."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from eventsourcing import persistence
from eventsourcing.persistence import Tracking
from psycopg.rows import TupleRow

from eventstore.plugin.recorder import QUERIES, Recorder


class TrackingRecorder(Recorder, persistence.TrackingRecorder):
    """A materialised view is a subclass: its `tables`, and methods that change them in `tracked`."""

    tables = QUERIES.create_tracking.sql

    def insert_tracking(self, tracking: Tracking) -> None:
        """Raises IntegrityError unless it is higher than what is tracked of that application."""
        self._fetch(QUERIES.insert_tracking.sql, _arguments(tracking))

    def max_tracking_id(self, application_name: str) -> int | None:
        rows = self._fetch(QUERIES.read_max_tracking_id.sql, {"application": application_name})
        return int(rows[0][0]) if rows else None

    @contextmanager
    def tracked(self, tracking: Tracking) -> Iterator[psycopg.Connection[TupleRow]]:
        """A transaction that begins with `tracking`: what else is done in it is done once, or not at all.

        Raises IntegrityError, before anything is done, for what was tracked already.
        """
        with self.connection() as connection, connection.transaction():
            connection.execute(QUERIES.insert_tracking.sql.encode(), _arguments(tracking))
            yield connection


def _arguments(tracking: Tracking) -> dict[str, Any]:
    return {"application": tracking.application_name, "notification_id": tracking.notification_id}

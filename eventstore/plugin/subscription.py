"""Notifications as they are recorded: what is in the log first, then what comes, woken by the log itself."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import psycopg
from eventsourcing.persistence import ApplicationRecorder, ListenNotifySubscription
from psycopg.rows import TupleRow

# How long a stopped subscription may still listen; it also looks for itself as often.
LISTEN_SECONDS = 0.2


class Subscription(ListenNotifySubscription[ApplicationRecorder]):
    """An iterator that blocks for more; `stop` it, or use it as a context manager."""

    def __init__(
        self,
        recorder: ApplicationRecorder,
        connection: psycopg.Connection[TupleRow],
        gt: int | None,
        topics: Sequence[str],
    ) -> None:
        # Listen first, then look: nothing that is recorded in between is missed.
        connection.execute("LISTEN tillroll_events")
        super().__init__(recorder, gt, topics)
        self._connection = connection
        self._listener = threading.Thread(target=self._listen, name="tillroll-listener", daemon=True)
        self._listener.start()

    def __exit__(self, *args: object, **kwargs: Any) -> None:
        super().__exit__(*args, **kwargs)
        self._listener.join()

    def _listen(self) -> None:
        try:
            with self._connection as connection:
                while not self._has_been_stopped:
                    for _ in connection.notifies(timeout=LISTEN_SECONDS, stop_after=1):
                        self._has_been_notified.set()
        except psycopg.Error as error:
            self._thread_error = self._thread_error or error
            self.stop()

"""How is an event processed once? What it led to is appended in the call that also writes how far we are.

The appender's batches know nothing of tracking. So these appends go alone, one after the other as events do,
over a connection of their own, and take their turn with the batches in `append_batch` itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from struct import pack
from typing import Any

from eventsourcing import persistence
from eventsourcing.persistence import StoredEvent, Tracking

from eventstore.appender import passes
from eventstore.connections import connect
from eventstore.line import Line
from eventstore.log import Append, LogIdentity, LogUnavailable, Outcome, check_append
from eventstore.plugin.application import ApplicationRecorder
from eventstore.plugin.recorder import QUERIES, IdType
from eventstore.plugin.tracking import TrackingRecorder
from eventstore.seams import WallClock
from eventstore.wire import RowTypes, call_append, decode_outcomes, encode_batch, prepare_append

_STATEMENT = b"append_tracked_call"
_PREPARE = b"PREPARE append_tracked_call AS SELECT * FROM append_tracked($1, $2, $3, $4, $5, $6, $7)"


class ProcessRecorder(TrackingRecorder, ApplicationRecorder, persistence.ProcessRecorder):
    """An application's log that also tracks the applications which its events come from."""

    tables = QUERIES.create_append_tracked.sql

    def __init__(self, database_url: str, *, id_type: IdType = "uuid", pool_size: int = 5) -> None:
        super().__init__(database_url, id_type=id_type, pool_size=pool_size)
        self._sender = _TrackedSender(database_url, self._identity)
        self._thread.at_end(self._sender.close)

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        """Insert events and, in the same transaction, `tracking`; IntegrityError if either may not be."""
        tracking: Tracking | None = kwargs.pop("tracking", None)
        if tracking is None:
            return super().insert_events(stored_events, **kwargs)
        if not stored_events:
            self.insert_tracking(tracking)
            return None
        return self._insert(stored_events, lambda append: self._sender.append(append, tracking))


class _TrackedSender:
    """One connection to the log, opened when it is needed, for appends that wait for their turn."""

    def __init__(self, database_url: str, identity: LogIdentity) -> None:
        self._database_url = database_url
        self._identity = identity
        self._clock = WallClock()
        self._turn = asyncio.Lock()
        self._line: Line | None = None
        self._types = RowTypes(0, 0, 0)
        self._closed = False

    async def close(self) -> None:
        """Answer those whose turn is before this, and refuse those after it."""
        async with self._turn:
            self._closed = True
            await self._hang_up()

    async def append(self, append: Append, tracking: Tracking) -> Outcome:
        """Append with `tracking`. A lost connection is tried anew once: the ledger knows if it was done."""
        check_append(append)
        async with self._turn:
            if self._closed:
                raise LogUnavailable("the recorder is closed")
            try:
                return await self._send(append, tracking)
            except Exception as error:
                if not passes(error):
                    raise
                await self._hang_up()
            return await self._send(append, tracking)

    async def _send(self, append: Append, tracking: Tracking) -> Outcome:
        if self._line is None:
            self._line = await self._open()
        name, number = tracking.application_name.encode(), pack(">q", tracking.notification_id)
        batch = encode_batch([append], self._identity.epoch, self._clock.now(), self._types)
        result = await call_append(self._line, (name, number, *batch), _STATEMENT)
        return decode_outcomes([append], result)[0]

    async def _open(self) -> Line:
        connection = await connect(self._database_url, self._identity)
        self._types = await prepare_append(connection)
        await connection.execute(_PREPARE)
        return Line(connection)

    async def _hang_up(self) -> None:
        line, self._line = self._line, None
        if line:
            await line.close()

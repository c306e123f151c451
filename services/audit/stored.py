"""What of a stored event can't be read, once somebody altered it, and how is all else had the same?

A time that no calendar of ours has (`infinity`, the year 20000) comes as the first or the last that there is.
The rows are read again for it: so as long as nobody altered one, nobody waits for that.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TypeAlias

import orjson
from psycopg import AsyncConnection, AsyncCursor, DataError
from psycopg.rows import TupleRow
from psycopg.types.datetime import TimestamptzBinaryLoader, TimestamptzLoader

from domain.kernel import Event, Fact
from eventstore.codec import UnknownEvent, decode
from eventstore.log import StoredEvent

NO_EVENT = (UnknownEvent, ValueError, TypeError, AttributeError, LookupError)
"""What decoding raises: a newer version of the code wrote it, or somebody altered it."""
NO_TIME = datetime.max.replace(tzinfo=UTC)
Connection: TypeAlias = AsyncConnection[TupleRow]


class Unreadable(Event):
    """Stands for an event that is none to this version of the code."""


def is_no_event(stored: StoredEvent) -> str:
    """What to say of one that can't be read."""
    return (
        f"position {stored.position} is no {stored.type} that this version of Tillroll knows: a newer one"
        " wrote it, or somebody altered it (`tillroll verify` tells)"
    )


def decoded(stored: StoredEvent) -> Fact:
    """The fact of a stored event; where it can't be read, of `Unreadable`, with the columns that it has."""
    if NO_TIME not in (stored.occurred_at, stored.recorded_at):
        with suppress(*NO_EVENT):
            return decode(stored)
    position, stream, version, _, _, _, merchant, correlation, causation, _, event_id, *times, _ = stored
    ids = merchant, correlation, causation, event_id
    return Fact(position, stream, version, Unreadable(), *ids, times[0], times[1])


class _Text(TimestamptzLoader):
    def load(self, data: Any) -> datetime:
        try:
            return super().load(data)
        except DataError:
            return NO_TIME


class _Binary(TimestamptzBinaryLoader):
    def load(self, data: Any) -> datetime:
        try:
            return super().load(data)
        except DataError:
            return NO_TIME


async def fetch(
    connection: Connection, text: str, arguments: Mapping[str, Any], *, binary: bool = False
) -> list[TupleRow]:
    """The rows of a statement, planned for these arguments; none for one that has no result."""
    try:
        return await _rows(connection.cursor(binary=binary), text, arguments)
    except DataError as error:
        if error.sqlstate:  # the server's: of what was asked
            raise
    again = connection.cursor(binary=binary)
    again.adapters.register_loader("timestamptz", _Text)
    again.adapters.register_loader("timestamptz", _Binary)
    return await _rows(again, text, arguments)


async def _rows(cursor: AsyncCursor[TupleRow], text: str, arguments: Mapping[str, Any]) -> list[TupleRow]:
    async with cursor:
        await cursor.execute(text.encode(), arguments, prepare=False)
        return await cursor.fetchall() if cursor.description else []


def unreadable(stored: StoredEvent, event: Event | None) -> list[str]:
    """The names of the columns that could not be read; `event` is what was decoded of it."""
    found = [] if event is not None else ["data"]
    try:
        readable = isinstance(orjson.loads(stored.metadata), dict)
    except ValueError:
        readable = False
    if not readable:
        found.append("metadata")
    return found + [name for name in ("occurred_at", "recorded_at") if getattr(stored, name) == NO_TIME]

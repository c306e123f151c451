"""What do the tests of the log append? Small appends with ids of their own, on streams of a few names."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

from eventstore.log import Append, Appended, Conflict, Log, NewEvent, Outcome, StoredEvent, StreamAppend
from eventstore.seams import RandomIds

IDS = RandomIds()
MOMENT = datetime(2018, 3, 4, 5, 6, 7, 891_011, tzinfo=UTC)


class StillClock:
    """It is always the same moment, so that two logs stamp alike."""

    def now(self) -> datetime:
        return MOMENT


def events(count: int, *, data: bytes = b'{"quantity":1}') -> tuple[NewEvent, ...]:
    return tuple(NewEvent("StockReceived", 1, data, IDS.new()) for _ in range(count))


def to_stream(stream: str, expected_version: int = 0, count: int = 1) -> StreamAppend:
    return StreamAppend(stream, expected_version, events(count))


def an_append(
    *streams: StreamAppend,
    command_id: UUID | None = None,
    merchant: str = "m1",
    fingerprint: bytes = b"fingerprint",
    answer: bytes = b"answer",
) -> Append:
    return Append(
        command_id or IDS.new(), merchant, "correlation", "causation", MOMENT, streams, b'{"actor":"test"}',
        fingerprint, answer,
    )  # fmt: skip


async def append_all(log: Log, appends: Iterable[Append]) -> list[Outcome]:
    """All at the same time."""
    return await asyncio.gather(*(log.append(each) for each in appends))


async def appended(log: Log, append: Append) -> Appended:
    outcome = await log.append(append)
    assert isinstance(outcome, Appended), outcome
    return outcome


async def refused(log: Log, append: Append) -> Conflict:
    outcome = await log.append(append)
    assert isinstance(outcome, Conflict), outcome
    return outcome


async def whole(log: Log) -> list[StoredEvent]:
    """Every event, read page by page."""
    found: list[StoredEvent] = []
    while page := await log.read(len(found), 7):
        found += page
    return found

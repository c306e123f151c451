"""What a log is asked and what it answers: the shapes that the Postgres log and its twin share.

A warning: the fields of `StoredEvent`, their order in the leaf hash and the names of event types are the
storage format.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

MAX_APPEND_EVENTS = 5_000
MAX_DATA_BYTES = 1 << 20
MAX_APPEND_BYTES = 32 << 20
MAX_NAME_CHARACTERS = 500
MAX_SCHEMA = 32_767
MAX_VERSION = 1 << 60
PAGE = 2_000
STREAM_LIMIT = 10_000


class NewEvent(NamedTuple):
    """An encoded event on its way into the log; `data` is JSON text."""

    type: str
    schema: int
    data: bytes
    event_id: UUID


class StoredEvent(NamedTuple):
    """One row of the log, as stored; times are timezone-aware UTC."""

    position: int
    stream: str
    version: int
    type: str
    schema: int
    data: bytes
    merchant: str
    correlation: str
    causation: str
    metadata: bytes
    event_id: UUID
    occurred_at: datetime
    recorded_at: datetime
    leaf_hash: bytes


class Content(NamedTuple):
    """Of a stored event, what a stream's state is folded from."""

    version: int
    type: str
    schema: int
    data: bytes


@dataclass(frozen=True, slots=True)
class StreamAppend:
    """Events for one stream, which must stand at `expected_version` (0: it must not exist).

    `begins_anywhere`: a stream that does not exist may begin with any version (logs of other frameworks).
    """

    stream: str
    expected_version: int
    events: tuple[NewEvent, ...]
    begins_anywhere: bool = False


@dataclass(frozen=True, slots=True)
class Append:
    """One command's events, atomic over its streams, and the ledger's entry for it.

    `command_id` is unique per merchant: a repeated one gets its first outcome. `fingerprint` tells whether
    the repeated command is the same one. `answer` is kept for it, and is all there is for a command that
    decided nothing.
    """

    command_id: UUID
    merchant: str
    correlation: str
    causation: str
    occurred_at: datetime
    streams: tuple[StreamAppend, ...] = ()
    metadata: bytes = b"{}"
    fingerprint: bytes = b""
    answer: bytes = b""

    @property
    def event_count(self) -> int:
        count = 0
        for each in self.streams:  # a generator would cost three times as much, twice an append
            count += len(each.events)
        return count


@dataclass(frozen=True, slots=True)
class Appended:
    """Done, at these positions; `first > last` where there were no events.

    `repeated` says that it was done before, by the same command id: then `fingerprint` and `answer` are
    those of the first time.
    """

    first_position: int
    last_position: int
    repeated: bool = False
    fingerprint: bytes = b""
    answer: bytes = b""


@dataclass(frozen=True, slots=True)
class Conflict:
    """Nothing was appended: `stream` stands at `actual_version`, not where the append expected it."""

    stream: str
    actual_version: int


Outcome = Appended | Conflict


class InvalidAppend(ValueError):
    """The append itself is malformed: a stream twice, a name that can't be stored, too much at once."""


class LogUnavailable(Exception):
    """The log could not be reached in time; whether the append was done is unknown: send it again."""


class LogDamaged(Exception):
    """An event is missing, or can't be read: somebody altered the log. `position`, where it is known, else
    0."""

    expected = True

    def __init__(self, what: str, position: int = 0) -> None:
        where = f"position {position} " if position else ""
        super().__init__(
            f"{where}{what}: the log was altered; `tillroll verify` says all that is wrong with it"
        )
        self.position = position


class EpochChanged(Exception):
    """The log was restored or promoted: mint a new epoch (`tillroll migrate --new-epoch`) before writing."""


@dataclass(frozen=True, slots=True)
class LogIdentity:
    """Which log, and which of its lives; both stand in every message and position token."""

    log_id: UUID
    epoch: int

    @property
    def name(self) -> str:
        return f"{self.log_id.hex[:12]}.{self.epoch}"

    def token(self, position: int) -> str:
        """The position token that a command answers with, for example `0190c3f2a1b4.1.17`."""
        return f"{self.name}.{position}"

    def position_of(self, token: str) -> int:
        """The position of a token; ValueError if it is malformed or of another log or epoch."""
        name, _, position = token.rpartition(".")
        if not position.isascii() or not position.isdigit() or len(position) > 18:
            raise ValueError(f"{token!r} is not a position token")
        if name != self.name:
            raise ValueError(f"{token!r} is a position of another log or epoch; this is {self.name}")
        return int(position)


class Log(Protocol):
    """The event log: append, read, follow. Implemented by `PostgresLog` and by `MemoryLog`."""

    identity: LogIdentity

    async def append(self, append: Append) -> Outcome:
        """Append atomically, or say why not. Raises InvalidAppend, LogUnavailable, EpochChanged."""

    async def read(self, after: int, limit: int = PAGE) -> list[StoredEvent]:
        """Up to `limit` events with positions after `after`, in order, without a gap.

        Raises LogDamaged where there is one, or an event can't be read.
        """

    async def read_streams(
        self, wanted: Sequence[tuple[str, int]], limit: int = STREAM_LIMIT
    ) -> list[list[StoredEvent]]:
        """For each (stream, after version) the rest of that stream, at most `limit` events of each."""

    async def read_contents(
        self, wanted: Sequence[tuple[str, int]], limit: int = STREAM_LIMIT
    ) -> list[list[Content]]:
        """Of the events of `read_streams` their contents only: in less than half the time."""

    async def head(self) -> int:
        """The highest position, 0 for an empty log."""

    async def present(self) -> tuple[LogIdentity, bool]:
        """The identity that the store has now, and whether its epoch was minted on this very server.

        Writes are taken only while that is this log's own `identity`, and the second is true.
        """


@dataclass(slots=True)
class Batch:
    """Appends that go to the log in one call: each stream, and each command, stands in it once."""

    appends: list[Append] = field(default_factory=list)
    streams: set[str] = field(default_factory=set)
    commands: set[tuple[str, UUID]] = field(default_factory=set)
    size: int = 0

    def takes(self, append: Append, size: int = 0) -> bool:
        """Take `append` unless a stream of it, or its command, is in the batch, or it would be too large."""
        command = (append.merchant, append.command_id)
        if command in self.commands or (self.appends and self.size + size > MAX_APPEND_BYTES):
            return False
        for each in append.streams:
            if each.stream in self.streams:
                return False
        self.appends.append(append)
        self.streams.update([each.stream for each in append.streams])
        self.commands.add(command)
        self.size += size
        return True


def check_append(append: Append) -> int:
    """The size of an append in bytes; raises InvalidAppend for what must never reach the database."""
    for name in (append.merchant, append.correlation, append.causation):
        _check_name(name)
    if append.occurred_at.tzinfo is None:
        raise InvalidAppend("occurred_at needs a time zone")
    size = len(append.metadata) + len(append.answer) + len(append.fingerprint)
    for each in append.streams:
        size += _check_stream(each)
    if len(append.streams) > 1 and len({each.stream for each in append.streams}) < len(append.streams):
        raise InvalidAppend("a stream stands in an append once")
    if append.event_count > MAX_APPEND_EVENTS or size > MAX_APPEND_BYTES:
        raise InvalidAppend(
            f"an append holds at most {MAX_APPEND_EVENTS} events and {MAX_APPEND_BYTES} bytes"
        )
    return size


def _check_stream(each: StreamAppend) -> int:
    category, dash, rest = each.stream.partition("-")
    lowest = -MAX_VERSION if each.begins_anywhere else 0
    if not (category and dash and rest and each.events) or not lowest <= each.expected_version <= MAX_VERSION:
        raise InvalidAppend(f"stream {each.stream!r}: a name like order-1, a version from 0, events")
    _check_name(each.stream)
    size = 0
    for event in each.events:
        _check_name(event.type)
        if not event.type or not 0 <= event.schema <= MAX_SCHEMA or len(event.data) > MAX_DATA_BYTES:
            raise InvalidAppend(
                f"stream {each.stream!r}: an event has a type, a schema from 0 to {MAX_SCHEMA}"
                f" and at most {MAX_DATA_BYTES} bytes"
            )
        size += len(event.data)
    return size


def _check_name(name: str) -> None:
    """Postgres stores no NUL and no lone surrogate in a text, and indexes no long one."""
    if len(name) > MAX_NAME_CHARACTERS or "\x00" in name or not (name.isascii() or _is_unicode(name)):
        raise InvalidAppend(
            f"{name[:50]!r}: a name has at most {MAX_NAME_CHARACTERS} characters, no NUL, no lone surrogate"
        )


def _is_unicode(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True

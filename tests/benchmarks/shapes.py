"""What is appended in the append benchmark: three events of 300 bytes to a new stream, with the full row."""

from __future__ import annotations

import itertools
import os
from datetime import UTC, datetime
from uuid import UUID, SafeUUID

from eventstore.log import Append, NewEvent, StreamAppend
from eventstore.seams import RandomIds

EVENTS = 3
DATA = b'{"note":"' + b"x" * 289 + b'"}'
METADATA = (
    b'{"actor":"user:0190c3f2-a1b4-7000-8000-5c2f6d1e9a77","command":"PlaceOrder",'
    b'"trace":"00-0af7651916cd43dd8448"}'
)
MERCHANT = "merchant-0190c3f2"
TYPE = "OrderPlaced"
OCCURRED = datetime(2018, 1, 1, 12, tzinfo=UTC)

_START = (RandomIds().new().int >> 64 << 64) | os.getpid() << 40
"""Of this process: another may be started in the same millisecond."""
_numbers = itertools.count(1)
_set = object.__setattr__


def enough(writers: int, seconds: float) -> int:
    """How many appends to have ready before the clock starts: more than anybody can do."""
    return int(seconds * min(80_000, 8_000 * writers))


def next_id() -> UUID:
    """Ids in the order of their making, as UUIDv7 are; the same source for every contender, and a cheap one.

    Without `UUID.__init__` and its checks, which would take a third of the time in which ours appends.
    """
    made = object.__new__(UUID)
    _set(made, "int", _START + next(_numbers))
    _set(made, "is_safe", SafeUUID.unknown)
    return made


def stream_name(number: UUID) -> str:
    return f"order-0190c3f2.{number.hex}"


def make_append() -> Append:
    command = next_id()
    events = tuple(NewEvent(TYPE, 1, DATA, next_id()) for _ in range(EVENTS))
    cause = command.hex
    return Append(
        command, MERCHANT, cause, cause, OCCURRED, (StreamAppend(stream_name(command), 0, events),), METADATA,
        b"f" * 32,
    )  # fmt: skip

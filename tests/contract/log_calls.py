"""Which append is a wish, and what became of it: a call with its answer, or none, and when."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from uuid import UUID

from eventstore.log import Append, Conflict, NewEvent, Outcome, StreamAppend
from tests.contract.appends import MOMENT
from tests.contract.log_plan import MERCHANTS, POISON, STREAMS, Wish

Key = tuple[str, UUID]
POISON_TYPE = "Poison"


@dataclass(frozen=True)
class Raised:
    """An answer that is an error: which one."""

    name: str
    text: str = ""


Answer = Outcome | Raised


@dataclass(eq=False)
class Call:
    """An append on its way. No answer: it was lost, and whether the append was done is not known."""

    door: int
    append: Append
    began: float = 0
    ended: float = math.inf
    answer: Answer | None = None

    @property
    def key(self) -> Key:
        return self.append.merchant, self.append.command_id

    def __str__(self) -> str:
        streams = " ".join(
            f"{each.stream}@{each.expected_version}{'*' if each.begins_anywhere else ''}+{len(each.events)}"
            for each in self.append.streams
        )
        name = f"{self.append.merchant}/{self.append.command_id.int}"
        return (
            f"door {self.door}  {name} {self.append.fingerprint.decode()} [{streams}] -> {told(self.answer)}"
        )


def told(answer: Answer | None) -> str:
    match answer:
        case None:
            return "no answer"
        case Raised(name, text):
            return f"{name} {text}"
        case Conflict(stream, version):
            return f"conflict, {stream} is at {version}"
    again = f", as the first time, of {answer.fingerprint.decode()}" if answer.repeated else ""
    return f"done at {answer.first_position}..{answer.last_position}{again}"


class Drafts:
    """Makes appends of wishes; ids count up, so that a plan makes the same ones in each run."""

    def __init__(self) -> None:
        self.sent: list[Append] = []
        self._events = 0

    def append(self, wish: Wish, versions: dict[str, int]) -> Append:
        """What is wished, where streams stand at `versions`."""
        earlier = (
            self.sent[-1 - wish.again % len(self.sent)] if wish.again is not None and self.sent else None
        )
        if earlier and not wish.other:
            return earlier
        number = len(self.sent) + 1
        name = b"c%d" % number
        append = Append(
            earlier.command_id if earlier else UUID(int=number),
            MERCHANTS[wish.merchant],
            "correlation", "causation", MOMENT,
            tuple(self._stream(*each, wish, versions) for each in wish.streams),
            b'{"number":%d}' % number, name, b"answer to " + name,
        )  # fmt: skip
        append = _spoilt(append, wish.spoilt)
        self.sent.append(append)
        return append

    def _stream(self, index: int, off: int, count: int, wish: Wish, versions: dict[str, int]) -> StreamAppend:
        name = STREAMS[index]
        expected = versions.get(name, 0) + off
        kind = POISON_TYPE if wish.spoilt == POISON else "StockReceived"
        events = tuple(self._event(kind) for _ in range(count))
        return StreamAppend(name, expected if wish.anywhere else max(0, expected), events, wish.anywhere)

    def _event(self, kind: str) -> NewEvent:
        self._events += 1
        return NewEvent(kind, 1, b'{"quantity":%d}' % self._events, UUID(int=1 << 64 | self._events))


def _spoilt(append: Append, how: str) -> Append:
    good = StreamAppend("order-1", 0, (NewEvent("StockReceived", 1, b"{}", UUID(int=1 << 65)),))
    match how:
        case "no category":
            return replace(append, streams=(*append.streams, replace(good, stream="-1")))
        case "a stream twice":
            return replace(append, streams=(good, *append.streams, good))
        case "a NUL":
            return replace(append, causation="\x00")
        case "no events":
            return replace(append, streams=(*append.streams, StreamAppend("order-none", 0, ())))
    return append


def is_poison(append: Append) -> bool:
    return any(event.type == POISON_TYPE for each in append.streams for event in each.events)

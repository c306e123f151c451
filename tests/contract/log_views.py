"""Is what a reader saw in the middle of a round a state that the log had then?

A reader sees at least what was known to be there when it asked (an append that was answered, an event that
somebody read), and of several streams what they were at one and the same moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eventstore.leaf import leaf_hash_of
from eventstore.log import Log, StoredEvent
from tests.contract.log_calls import Raised
from tests.contract.log_plan import STREAMS, Look

Found = Any
"""A page, several streams, the head, or `Raised`."""
Rows = Sequence[StoredEvent]


@dataclass(frozen=True)
class Sight:
    """What a look found, and the position that was known to be there when it began."""

    look: Look
    known: int
    found: Found

    @property
    def after(self) -> int:
        return max(0, self.known - self.look.back)

    @property
    def reaches(self) -> int:
        """The highest position that it found."""
        match self.found:
            case int(head):
                return head
            case [*_, StoredEvent(position=last)]:
                return last
        return 0

    def check(self, rows: Rows) -> None:
        assert not isinstance(self.found, Raised), self
        if self.look.streams:
            moments = range(self.known, len(rows) + 1)
            assert any(self.found == _streams(rows[:head], self.look) for head in moments), self
        elif self.look.limit:
            check_page(rows, self.after, self.look.limit, self.known, self.found)
        else:
            assert self.known <= self.found <= len(rows), self

    def __str__(self) -> str:
        where = f"door {self.look.door}  knows {self.known}, reads"
        if isinstance(self.found, Raised):
            return f"{where} -> {self.found.name} {self.found.text}"
        if self.look.streams:
            found = [list(map(_name, own)) for own in self.found]
            return f"{where} streams {self.look.streams} -> {found}"
        if self.look.limit:
            return f"{where} {self.look.limit} after {self.after} -> {list(map(_name, self.found))}"
        return f"{where} the head -> {self.found}"


async def look(log: Log, wanted: Look, known: int) -> Found:
    """Ask what is wanted of the log."""
    if wanted.streams:
        return await log.read_streams([(STREAMS[index], after) for index, after in wanted.streams])
    if wanted.limit:
        return await log.read(max(0, known - wanted.back), wanted.limit)
    return await log.head()


def _streams(rows: Rows, wanted: Look) -> list[list[StoredEvent]]:
    return [
        [event for event in rows if event.stream == STREAMS[index] and event.version > after]
        for index, after in wanted.streams
    ]


def check_page(rows: Rows, after: int, limit: int, known: int, page: Rows) -> None:
    """A page is a piece of the log, and no shorter than what was known allows."""
    end = after + len(page)
    assert page == rows[after:end], f"after {after}: {list(map(_name, page))}"
    assert min(limit, known - after) <= len(page) <= limit, f"after {after}: a page of {len(page)}"


def check_whole(rows: Rows) -> None:
    """Positions 1..n, versions one after another in each stream, and leaf hashes those of the rows."""
    versions: dict[str, int] = {}
    for position, event in enumerate(rows, 1):
        assert event.position == position, f"at {position} stands {_name(event)}"
        before = versions.get(event.stream, event.version - 1)
        assert event.version == before + 1, f"after version {before} comes {_name(event)}"
        versions[event.stream] = event.version
        assert event.leaf_hash == leaf_hash_of(event), f"the leaf hash of {_name(event)}"


def _name(event: StoredEvent) -> str:
    return f"{event.position}:{event.stream}@{event.version}"

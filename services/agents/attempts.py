"""How is it known that something ends the process of agents? What they begin is counted before it is begun.

Whoever takes a place finds what was begun there and never ended. It goes over that in ever smaller parts,
each of them counted, until a part is one event: which is parked, once that alone has ended its process
several times. A worker that lives counts its first page, and no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from eventstore.partitions import Partitions
from eventstore.shares import Place
from eventstore.statements import Statements

DIVISOR, ALONE, ATTEMPTS_MAX = 20, 2, 7
"""A page of 400 events ends a process, then a part of 20 does, then one of its events alone, five times: by
then it is no chance. (Of 1,000 histories, with 130 deaths each, one had three by chance.)"""
ENDS = "its handler, or a command of it, ends the process, again and again"


def after_part(attempts: int) -> int:
    """How often what comes next was begun, once a part has ended as it should: what was alone was not it."""
    return min(attempts, ALONE)


def part_of(page: int, attempts: int) -> int:
    """How much is begun at once where a page was begun so often, and not ended."""
    return int(max(1, page // DIVISOR**attempts))


class _Begun(NamedTuple):
    first: int
    last: int
    resuming: bool
    position: int
    attempts: int

    def concerns(self, part: Partitions) -> bool:
        return self.first <= part.last and part.first <= self.last


class Attempts:
    """Of the agents of one process. Pages count apart from what is resumed: commands that are sent again."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self._found: list[_Begun] = []
        self._ours: dict[int, _Begun] = {}
        """What we began ourselves, by its first partition: if it did not end, infrastructure has failed."""

    async def load(self) -> None:
        """Look what was begun."""
        self._found = [_Begun(*row) for row in await self._statements.run("load_attempts")]

    def of_page(self, place: Place) -> int:
        """How often a page was begun where the place stands, and not ended."""
        found = self._of(place, resuming=False)
        return max((each.attempts for each in found if each.position == place.position), default=0)

    def of_resuming(self, place: Place) -> tuple[int, int]:
        """The position of the reaction with which a part was begun, and how often; (0, 0) if none was."""
        found = self._of(place, resuming=True)
        return max(((each.position, each.attempts) for each in found), key=lambda it: it[1], default=(0, 0))

    async def count(
        self, places: Sequence[Place], position: int, attempts: int, *, resuming: bool = False
    ) -> None:
        """Something is begun there, as often as `attempts` says with this time; 0 once it has ended."""
        begun = {"resuming": resuming, "position": position, "attempts": attempts}
        ranges = [(place.partitions.first, place.partitions.last) for place in places]
        firsts, lasts = map(list, zip(*ranges, strict=True))
        self._ours.update(
            {first: _Begun(first, last, resuming, position, attempts) for first, last in ranges}
        )
        await self._statements.run("count_attempts", firsts=firsts, lasts=lasts, **begun)

    async def withdraw(self) -> None:
        """Nothing that we began has ended our process: we leave by ourselves."""
        ours = [each for each in self._ours.values() if each.attempts]
        if ours:
            columns = map(list, zip(*ours, strict=True))
            names = ("firsts", "lasts", "resumings", "positions", "attempts")
            await self._statements.run("withdraw_attempts", **dict(zip(names, columns, strict=True)))
            self._ours.clear()

    def _of(self, place: Place, *, resuming: bool) -> list[_Begun]:
        """What begins with the place is of whoever had it last; else its last holder had more than it."""
        first = place.partitions.first
        found = [each for each in self._found if each.first == first] or self._found
        return [
            each
            for each in found
            if each.resuming == resuming and each.concerns(place.partitions)
            if self._ours.get(each.first) != each
        ]

"""How are events of the log read by their positions? In stretches: seldom one by one, never very many."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence

from eventstore.log import PAGE, StoredEvent

MUCH_BETWEEN = 50
"""As many events are read, and dropped, in the time of another round trip to the database."""


async def read_those(
    read: Callable[[int, int], Awaitable[list[StoredEvent]]], positions: Sequence[int]
) -> list[StoredEvent]:
    """The events at these ascending positions, by a log's, or a feed's, `read`."""
    found = []
    for stretch in _stretches(positions):
        wanted = frozenset(stretch)
        first, last = stretch[0], stretch[-1]
        found += [each for each in await read(first - 1, last - first + 1) if each.position in wanted]
    return found


def _stretches(positions: Sequence[int]) -> Iterator[list[int]]:
    stretch: list[int] = []
    for position in positions:
        if stretch and (position - stretch[-1] > MUCH_BETWEEN or position - stretch[0] >= PAGE):
            yield stretch
            stretch = []
        stretch.append(position)
    if stretch:
        yield stretch

"""Does a search for what is about an order find all of it? An event that was altered may not say so any more.

What an event is about stands in its data. But the streams of an order, of its payments, its parcels, its
allocation and its pick lists are about nothing else: each event of theirs must be found, or one of them can't
be read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence

from domain.aggregates import OF_AN_ORDER, PARTS
from domain.streams import stream_name, stream_parts
from services.audit.filters import EventFilter
from services.audit.folding import CannotFold
from services.audit.history import History, Step

_OF_ITS_NAME = sorted(each for each in OF_AN_ORDER if PARTS[each] == PARTS["order"])
"""The categories of streams that have the order's name: known, although none of their events is found."""


async def whole_steps(
    history: History, searches: Sequence[EventFilter], position: int
) -> AsyncIterator[Step]:
    """All steps of some searches up to a position. Raises CannotFold at its end if an event of an order that
    is searched for is not among them."""
    found: Counter[str] = Counter()
    async for step in history.streams(searches, 0, position):
        found.update(event.stream for event in step.events)
        yield step
    # a search for the deadlines of a cart or a product names these, and no order
    asked = {wanted.order for wanted in searches if wanted.order is not None}
    names = {name for name in asked if name.startswith("order-")}
    if not names:
        return
    named = (stream_name(category, *stream_parts(name)) for name in names for category in _OF_ITS_NAME)
    for stream in sorted({*named, *found}):
        if stream.partition("-")[0] not in OF_AN_ORDER:
            continue
        length = await history.length(stream, position)
        if length > found[stream]:
            raise CannotFold(
                f"of the {length} events of {stream} up to position {position} {found[stream]} are found by"
                " what they are about: a newer version wrote the others, or somebody altered them (`tillroll"
                " verify` tells), or the index of the history"
            )

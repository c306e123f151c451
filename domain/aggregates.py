"""All aggregates by the category of their streams, and all event types by their stored name."""

from __future__ import annotations

from functools import cache
from typing import Any
from urllib.parse import unquote

from domain.contexts import exported, module_of
from domain.kernel import Command, Decider, Event
from domain.streams import stream_name

AnyDecider = Decider[Any, Any, Any]

AGGREGATES: dict[str, AnyDecider] = {each.category: each for each in exported("domain", "AGGREGATES")}

PARTS: dict[str, tuple[str, ...]] = {each.category: each.parts for each in AGGREGATES.values()}
"""Category -> what the parts of its streams' names are."""

OF_AN_ORDER = frozenset({"order", *(each.category for each in AGGREGATES.values() if each.of_order)})
"""The categories of streams that are of one order each: its own, and those of its payments, its parcels …"""

EVENT_TYPES: dict[str, type[Event]] = {
    event.__name__: event for each in AGGREGATES.values() for event in each.events
}

COMMAND_TYPES: dict[str, type[Command]] = {
    f"{each.category}.{command.__name__}": command
    for each in AGGREGATES.values()
    for command in each.commands
}


def aggregate_of(stream: str) -> AnyDecider:
    """The decider whose state the stream holds; KeyError for an unknown category."""
    return AGGREGATES[stream.partition("-")[0]]


@cache
def categories_of(context: str) -> frozenset[str]:
    """The categories of the streams that are a context's own."""
    module = module_of("domain", context)
    assert module, f"there is no context {context}"
    return frozenset(each.category for each in module.AGGREGATES)


def checked_stream(name: str) -> str:
    """A name that somebody typed, if a stream can have it. Raises ValueError, with the name that was meant.

    A name with a part that is not encoded is nobody's: whoever asks by it would hear that there is nothing.
    """
    category, _, rest = name.partition("-")
    wanted = PARTS.get(category)
    if wanted is None:
        raise ValueError(f"{name} is no stream: these begin with {'-, '.join(sorted(PARTS))}-")
    parts = rest.split(".", len(wanted) - 1)
    if len(parts) < len(wanted) or not all(parts):
        raise ValueError(f"{name} is no stream: say {category}-{'.'.join(wanted).upper()}")
    meant = stream_name(category, *map(unquote, parts))
    if meant != name:
        raise ValueError(f"{name} is no stream, as its parts are percent-encoded: the stream is {meant}")
    return name

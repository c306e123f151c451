"""A stream's state, and how it is folded from stored events without keeping the loop from all others."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from domain.aggregates import aggregate_of
from eventstore.codec import decode_event
from eventstore.log import Content

FOLD_MAX = 500
"""Events that are folded in one go, a few milliseconds of work: then all else of the process has its turn."""


class State(NamedTuple):
    """The state of a stream and the version that it stands at (0: the stream does not exist).

    `snapshot` is the version of the last snapshot that is known of it, 0 if none is.
    """

    version: int
    state: Any
    snapshot: int = 0


class Folder:
    """Folds for all loads of a process; they count together towards the others' turn."""

    def __init__(self) -> None:
        self._folded_since = 0  # the last turn of the others

    async def folded(self, stream: str, state: State, tail: Sequence[Content]) -> State:
        """The state after `tail`; now and then the others of the loop have their turn."""
        for start in range(0, len(tail), FOLD_MAX):
            part = tail[start : start + FOLD_MAX]
            state = _after(stream, state, part)
            self._folded_since += len(part)
            if self._folded_since >= FOLD_MAX:
                self._folded_since = 0
                await asyncio.sleep(0)
        return state


def _after(stream: str, base: State, events: Sequence[Content]) -> State:
    decoded = [decode_event(each.type, each.schema, each.data) for each in events]
    folded = aggregate_of(stream).fold(decoded, base.state)
    return State(base.version + len(events), folded, base.snapshot)

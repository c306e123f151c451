"""Is each snapshot that a load would begin at what the fold of its stream gives?

One in another form, or of an event that the log does not hold, is never begun at: it is passed over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from commands.fold import Folder, State
from domain.aggregates import AGGREGATES, aggregate_of
from eventstore.codec import UnknownEvent
from eventstore.log import STREAM_LIMIT, Log, LogDamaged
from eventstore.snapshots import PostgresSnapshots, Snapshot, decode_state, form_of
from services.context import ProcessContext

PAGE = 200


async def verify_snapshots(context: ProcessContext, wrong: Callable[[str], None]) -> int:
    """How many were checked; `wrong` is told of each that is not the state of its version."""
    snapshots = PostgresSnapshots(context.pool)
    checked, after = 0, ""
    while page := await snapshots.page(after, PAGE):
        known = [each.stream for each in page if each.stream.partition("-")[0] in AGGREGATES]
        wanted = [(stream, form_of(aggregate_of(stream))) for stream in known]
        for stream, snapshot in (await snapshots.load(wanted)).items():
            checked += 1
            if not await _is_right(context.log, snapshot):
                wrong(
                    f"the snapshot of {stream} is not its state at version {snapshot.version}: delete its row"
                    " from `snapshots`, on which nothing depends, and restart who may have loaded it"
                )
        after = page[-1].stream
    return checked


async def _is_right(log: Log, snapshot: Snapshot) -> bool:
    aggregate = aggregate_of(snapshot.stream)
    try:
        kept: Any = decode_state(aggregate, snapshot.state)
        folded = await _folded(log, snapshot)
    except (ValueError, UnknownEvent, LogDamaged):
        return True  # what can't be read nobody begins at; and such events were told of
    return bool(folded.state == kept)


async def _folded(log: Log, snapshot: Snapshot) -> State:
    """The state at the snapshot's version, from the first event."""
    folder, state = Folder(), State(0, aggregate_of(snapshot.stream).initial)
    while (left := snapshot.version - state.version) > 0:
        (events,) = await log.read_contents([(snapshot.stream, state.version)], min(left, STREAM_LIMIT))
        state = await folder.folded(snapshot.stream, state, events)
    return state

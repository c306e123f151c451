"""How do long streams get their snapshots? In the background, from the log, when they have grown by enough.

Off the way of commands, best effort: what fails is tried again when the stream has grown by as much again.
The state is folded from what is stored, not from what a command had in hand: that may be personal and plain.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog

from commands.fold import Folder, State
from domain.aggregates import aggregate_of
from eventstore.log import STREAM_LIMIT, Log
from eventstore.snapshots import (
    SNAPSHOT_BYTES_MAX,
    Snapshot,
    Snapshots,
    decode_state,
    encode_state,
    form_of,
)

SNAPSHOT_EVENTS = 500
WAITING_MAX = 1_000
logger = structlog.get_logger()


class Snapshotter:
    """Reads snapshots, and takes them: `grown` is told of each state that somebody folded."""

    def __init__(self, log: Log, snapshots: Snapshots, folder: Folder, every: int = SNAPSHOT_EVENTS) -> None:
        self._log = log
        self._snapshots = snapshots
        self._folder = folder
        self._every = every
        self._due: dict[str, None] = {}
        self._taking: asyncio.Task[None] | None = None

    async def load(self, streams: Sequence[str]) -> dict[str, State]:
        """The states of those streams that have a snapshot which counts, as old as it may be."""
        if not streams:
            return {}
        try:
            wanted = [(stream, form_of(aggregate_of(stream))) for stream in streams]
            found = await self._snapshots.load(wanted)
        except Exception as error:  # noqa: BLE001 - then the stream is folded from its beginning
            logger.warning("snapshots_not_read", error=str(error))
            return {}
        return {stream: state for stream, each in found.items() if (state := _state_of(each))}

    def grown(self, stream: str, state: State) -> State:
        """The state, having noted that the stream is due for a snapshot if it has grown by enough."""
        if state.version - state.snapshot < self._every:
            return state
        if len(self._due) < WAITING_MAX:
            self._due[stream] = None
        if self._taking is None or self._taking.done():
            self._taking = asyncio.get_running_loop().create_task(self._take_due())
        return state._replace(snapshot=state.version)

    async def rest(self) -> None:
        """Wait until nothing is due."""
        while self._taking and not self._taking.done():
            await asyncio.wait([self._taking])

    async def _take_due(self) -> None:
        while self._due:
            stream = next(iter(self._due))
            try:
                await self._take(stream)
            except Exception as error:  # noqa: BLE001 - nothing depends on it
                logger.warning("snapshot_not_taken", stream=stream, error=str(error))
            self._due.pop(stream, None)

    async def _take(self, stream: str) -> None:
        aggregate = aggregate_of(stream)
        base = (await self.load([stream])).get(stream) or State(0, aggregate.initial)
        state = await self._folded(stream, base)
        if state.version - base.version < self._every:
            return  # another process was faster
        encoded = encode_state(aggregate, state.state)
        if len(encoded) <= SNAPSHOT_BYTES_MAX:
            ((last,),) = await self._log.read_streams([(stream, state.version - 1)], 1)
            await self._snapshots.keep(
                Snapshot(stream, state.version, last.leaf_hash, form_of(aggregate), encoded)
            )

    async def _folded(self, stream: str, state: State) -> State:
        """The present state."""
        while True:
            (tail,) = await self._log.read_contents([(stream, state.version)])
            state = await self._folder.folded(stream, state, tail)
            if len(tail) < STREAM_LIMIT:
                return state


def _state_of(snapshot: Snapshot) -> State | None:
    try:
        state: Any = decode_state(aggregate_of(snapshot.stream), snapshot.state)
    except ValueError as error:
        logger.warning("snapshot_not_readable", stream=snapshot.stream, error=str(error))
        return None
    return State(snapshot.version, state, snapshot.version)

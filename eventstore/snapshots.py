"""The state of a long stream at some version, so that loading begins there and not at the first event.

Not authoritative. A snapshot counts only in the form that this code folds and writes, and only if the log
holds the very event that it is of: after a restore that event may be another, or none.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from typing import Any, NamedTuple, Protocol

import orjson
from psycopg.rows import TupleRow
from pydantic import TypeAdapter

from domain.aggregates import AnyDecider
from eventstore.memory import MemoryLog
from eventstore.queries import load_queries
from eventstore.statements import Pool

SNAPSHOT_BYTES_MAX = 1 << 20
"""A larger state is not kept: to write it again and again would cost more than to fold."""
_QUERIES = load_queries("eventstore", "snapshots.sql")


class Snapshot(NamedTuple):
    """The state of `stream`, as JSON text, after the event `version`, whose leaf hash is `leaf_hash`."""

    stream: str
    version: int
    leaf_hash: bytes
    form: str
    state: bytes


class Snapshots(Protocol):
    """Where snapshots are kept: the last one of each stream."""

    async def load(self, wanted: Sequence[tuple[str, str]]) -> dict[str, Snapshot]:
        """By stream, those of the (stream, form) that there are, of events that the log holds."""

    async def keep(self, snapshot: Snapshot) -> None:
        """Keep it instead of the one before, unless that is of a later event of the log, in the same form."""


class MemorySnapshots:
    """The twin of `PostgresSnapshots`, beside a log in memory."""

    def __init__(self, log: MemoryLog) -> None:
        self.kept: dict[str, Snapshot] = {}
        self._log = log

    async def load(self, wanted: Sequence[tuple[str, str]]) -> dict[str, Snapshot]:
        found = {}
        for stream, form in wanted:
            snapshot = self.kept.get(stream)
            if snapshot and snapshot.form == form and await self._is_of_the_log(snapshot):
                found[stream] = snapshot
        return found

    async def keep(self, snapshot: Snapshot) -> None:
        before = self.kept.get(snapshot.stream)
        if (
            before is None
            or before.version < snapshot.version
            or before.form != snapshot.form
            or not await self._is_of_the_log(before)
        ):
            self.kept[snapshot.stream] = snapshot

    async def _is_of_the_log(self, snapshot: Snapshot) -> bool:
        (events,) = await self._log.read_streams([(snapshot.stream, snapshot.version - 1)], 1)
        return bool(events) and events[0].leaf_hash == snapshot.leaf_hash


class PostgresSnapshots:
    """Snapshots in the table `snapshots`, beside the log."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def load(self, wanted: Sequence[tuple[str, str]]) -> dict[str, Snapshot]:
        arguments = {"streams": [stream for stream, _ in wanted], "forms": [form for _, form in wanted]}
        rows = await self._fetch(_QUERIES.load_snapshots.sql, arguments)
        return {row[0]: Snapshot._make(row) for row in rows}

    async def keep(self, snapshot: Snapshot) -> None:
        await self._fetch(_QUERIES.keep_snapshot.sql, snapshot._asdict())

    async def page(self, after: str, limit: int) -> list[Snapshot]:
        """All that are kept, also such as do not count, in the order of their streams."""
        rows = await self._fetch(_QUERIES.page_of_snapshots.sql, {"after": after, "limit": limit})
        return [Snapshot._make(row) for row in rows]

    async def _fetch(self, sql: str, arguments: dict[str, Any]) -> list[TupleRow]:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(sql.encode(), arguments, prepare=True, binary=True)
            return await cursor.fetchall() if cursor.description else []


@cache
def _adapter(aggregate: AnyDecider) -> TypeAdapter[Any]:
    return TypeAdapter(type(aggregate.initial))


@cache
def form_of(aggregate: AnyDecider) -> str:
    """The form of an aggregate's snapshots: the version of its `evolve`, and the shape of its state."""
    shape = orjson.dumps(_adapter(aggregate).json_schema(), option=orjson.OPT_SORT_KEYS)
    return f"{aggregate.evolve_version}.{sha256(shape).hexdigest()[:16]}"


def encode_state(aggregate: AnyDecider, state: Any) -> bytes:
    return _adapter(aggregate).dump_json(state)


def decode_state(aggregate: AnyDecider, state: bytes) -> Any:
    """Raises ValueError for what can't be read."""
    return _adapter(aggregate).validate_json(state)

"""Is the log still the one that was sealed, and which is the first position that is another one?

What is compared fits in a page: leaf hashes that are known, tiles that lead to a root that was signed, and
the log's own. Where a page differs it is read again, row by row, to say where.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from psycopg.rows import TupleRow

from eventstore.merkle import HASH_BYTES, hashes_in
from services.audit.tiles import Connection, TreeDamaged, fetch, read_trusted
from services.audit.tree import TILE, TILE_BYTES, Edge, tile_root

PATROL = 16
"""Tiles that are compared with the log in each turn: of 256 leaves."""


class LogAltered(Exception):
    """The log is not what was sealed any more; `position` is the first that is known to be other."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(reason)
        self.position = position
        self.reason = reason


class Page(NamedTuple):
    """Leaf hashes, one after the other; when the first that is new was recorded, in seconds since 1970."""

    leaves: bytes
    length: int
    oldest: float | None


async def read_page(connection: Connection, after: int, sealed: bytes, limit: int) -> Page:
    """Up to `limit` leaf hashes after a position, the first of which were sealed as `sealed`.

    Raises LogAltered where one is another, is missing, or is no hash.
    """
    known = len(sealed) // HASH_BYTES
    ((joined, count, last, oldest, whole),) = await fetch(
        connection, "read_leaves", after=after, sealed=after + known, limit=limit
    )
    if not whole or (count and last != after + count) or joined[: len(sealed)] != sealed:
        rows = await fetch(connection, "read_each_leaf", after=after, limit=limit)
        raise _first_other(after, hashes_in(sealed), rows)
    return Page(joined, count, oldest)


def _first_other(after: int, sealed: Sequence[bytes], rows: Sequence[TupleRow]) -> LogAltered:
    for index in range(max(len(sealed), len(rows))):
        position = after + index + 1
        if index >= len(rows):
            return LogAltered(position, f"events up to {after + len(sealed)} were sealed, and are gone")
        found, leaf, timed = rows[index]
        if found != position:
            return LogAltered(position, f"the events {position} to {found - 1} are missing")
        if index < len(sealed) and leaf != sealed[index]:
            return LogAltered(position, f"the event {position} is not the one that was sealed")
        if leaf is None or len(leaf) != HASH_BYTES or not timed:
            return LogAltered(position, f"the event {position} has no leaf hash, or was recorded at no time")
    return LogAltered(after + 1, f"the events after {after} were others for a moment")


async def refuse_before_first(connection: Connection) -> None:
    """Raises LogAltered for an event before the first: no proof and no reader would show it."""
    rows = await fetch(connection, "read_before_first")
    if rows:
        raise LogAltered(rows[0][0], f"an event stands at {rows[0][0]}, before the first one")


async def refuse_stray_tiles(connection: Connection) -> None:
    """Raises LogAltered for a tile where the tree has still to grow."""
    for level, number in await fetch(connection, "read_stray_tiles"):
        position = number * TILE ** (level + 1) + 1
        raise LogAltered(
            position, f"a tile stands there that nobody signed: level {level}, number {number} in seal_tiles"
        )


class Patrol:
    """Compares the stored tiles with the root that was signed, and the log with them, round after round."""

    def __init__(self, start: int = 0) -> None:
        """`start`: at which tile, so that a sealer that starts often comes by all of them."""
        self._next = start

    async def some(self, connection: Connection, edge: Edge) -> bool:
        """Compare some further tiles; whether a round has ended. Raises LogAltered."""
        await refuse_before_first(connection)
        count = edge.size // TILE
        if self._next >= count:
            self._next = 0
        first = self._next
        last = min(first + PATROL, count, (first // TILE + 1) * TILE)
        if first < last:
            await compare_tiles(connection, edge, first, last)
        self._next = last
        return last >= count

    async def all(self, connection: Connection, edge: Edge, suspect: int) -> None:
        """A whole round, and first of all where position `suspect` is. Raises LogAltered."""
        suspected = (max(suspect, 1) - 1) // TILE
        if suspected < edge.size // TILE:
            await compare_tiles(connection, edge, suspected, suspected + 1)
        self._next = 0
        while not await self.some(connection, edge):
            pass


async def compare_tiles(connection: Connection, edge: Edge, first: int, last: int) -> None:
    """Full tiles of leaves from number `first` up to `last`, which have one tile above them. Raises
    LogAltered."""
    try:
        above = await read_trusted(connection, edge, 1, first // TILE)
    except TreeDamaged as damaged:
        raise LogAltered(first * TILE + 1, str(damaged)) from None
    rows = await fetch(connection, "read_full_tiles", level=0, after=first - 1, limit=last - first)
    stored: dict[int, bytes] = dict(rows)
    for number in range(first, last):
        at = number % TILE * HASH_BYTES
        hashes = stored.get(number, b"")
        if len(hashes) != TILE_BYTES or tile_root(hashes) != above[at : at + HASH_BYTES]:
            raise await _tile_altered(connection, number, hashes)
    sealed = b"".join(stored[number] for number in range(first, last))
    await read_page(connection, first * TILE, sealed, len(sealed) // HASH_BYTES)


async def _tile_altered(connection: Connection, number: int, hashes: bytes) -> LogAltered:
    """The hash in a tile that is not the log's is the one that was altered, unless both were."""
    after = number * TILE
    what = f"the stored tile of the events {after + 1} to {after + TILE} is not the one that was signed"
    if len(hashes) == TILE_BYTES:
        try:
            await read_page(connection, after, hashes, TILE)
        except LogAltered as altered:
            return LogAltered(altered.position, what)
    return LogAltered(after + 1, what)

"""Where do the hashes of a proof come from? From the stored tiles; one statement fetches all that it
takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from eventstore.merkle import (
    HASH_BYTES,
    Range,
    hashes_in,
    perfect_nodes,
    root_of_range,
)
from eventstore.queries import load_queries
from services.audit.tree import TILE, TILE_BYTES, Edge, Place, place_of, tile_root, widths_of

QUERIES = load_queries("services.audit", "seals.sql")
LEVELS = 8
"""Of tiles: room for 2**64 leaves."""
Key = tuple[int, int]
"""A tile: level and number."""
Connection = AsyncConnection[TupleRow]


class TreeDamaged(Exception):
    """The stored tree does not give what was signed: somebody altered it, or the log."""

    expected = True


async def fetch(connection: Connection, query: str, **arguments: Any) -> list[TupleRow]:
    """The rows of a statement of `seals.sql`."""
    sql: str = getattr(QUERIES, query).sql
    cursor = await connection.execute(sql.encode(), arguments, binary=True)
    return await cursor.fetchall() if cursor.description else []


async def read_tiles(connection: Connection, wanted: Iterable[Key]) -> dict[Key, list[bytes]]:
    """The hashes of these tiles, as far as each goes. A partial one may go further than what was sealed."""
    keys = sorted(set(wanted))
    rows = await fetch(
        connection,
        "read_tiles",
        levels=[level for level, _ in keys],
        numbers=[number for _, number in keys],
    )
    return {(level, number): _hashes(joined) for level, number, joined in rows}


def _hashes(joined: bytes) -> list[bytes]:
    return hashes_in(joined[: len(joined) // HASH_BYTES * HASH_BYTES])


async def read_edge(connection: Connection, size: int) -> Edge:
    """The right edge of the stored tree of `size` leaves. Raises TreeDamaged where hashes of it are
    missing."""
    widths = widths_of(size)
    keys = [(level, size >> (8 * (level + 1))) for level in range(len(widths))]
    tiles = await read_tiles(connection, keys)
    partial = [tiles[key][:width] for key, width in zip(keys, widths, strict=True)]
    try:
        return Edge(size, partial)
    except ValueError:
        raise TreeDamaged(f"the tree of {size} leaves is not all there: rows of it are missing") from None


async def read_trusted(connection: Connection, edge: Edge, level: int, number: int) -> bytes:
    """The hashes of a tile, which lead to the root of the tree with this edge. Raises TreeDamaged."""
    if number == edge.size >> (8 * (level + 1)):
        return b"".join(edge.partial[level]) if level < len(edge.partial) else b""
    hashes = b"".join((await read_tiles(connection, [(level, number)]))[level, number])
    above = await read_trusted(connection, edge, level + 1, number // TILE)
    at = number % TILE * HASH_BYTES
    if len(hashes) != TILE_BYTES or tile_root(hashes) != above[at : at + HASH_BYTES]:
        raise TreeDamaged(f"the stored tile {tile_path(level, number)} does not lead to the root")
    return hashes


async def hashes_of(connection: Connection, ranges: Sequence[Range]) -> list[bytes]:
    """The root over each range of a proof. Raises TreeDamaged where hashes of it are missing."""
    places = {node: place_of(node) for each in ranges for node in perfect_nodes(*each)}
    tiles = await read_tiles(connection, {(place.level, place.number) for place in places.values()})
    found = {node: _hash_at(tiles, place) for node, place in places.items()}
    return [root_of_range(start, end, found.__getitem__) for start, end in ranges]


def _hash_at(tiles: Mapping[Key, list[bytes]], place: Place) -> bytes:
    hashes = tiles[place.level, place.number][place.offset : place.offset + place.width]
    if len(hashes) != place.width:
        raise TreeDamaged(f"hashes of level {place.level}, tile {place.number} are missing")
    return tile_root(b"".join(hashes))


def tile_path(level: int, number: int, width: int = TILE) -> str:
    """`0/x001/x234/067`, and `.p/17` behind it for a partial tile of 17 hashes (C2SP tlog-tiles)."""
    parts = [f"{number % 1000:03}"]
    while number := number // 1000:
        parts.append(f"x{number % 1000:03}")
    return f"{level}/" + "/".join(reversed(parts)) + ("" if width == TILE else f".p/{width}")


def parse_tile_path(path: str) -> tuple[int, int, int]:
    """(level, number, width) of such a path; ValueError for any other, also for one that is written
    otherwise."""
    level, _, rest = path.partition("/")
    name, dot, width = rest.partition(".p/")
    digits = name.replace("x", "").replace("/", "")
    number = (level, digits, width or str(TILE))
    if not all(each.isascii() and each.isdigit() and len(each) < 19 for each in number):
        raise ValueError(f"{path!r} is no tile: write LEVEL/NUMBER, such as 0/x001/234 or 1/000.p/17")
    found = int(level), int(digits), int(width) if dot else TILE
    if not (found[0] < LEVELS and 1 <= found[2] <= TILE and tile_path(*found) == path):
        raise ValueError(f"{path!r} is no tile: write LEVEL/NUMBER, such as 0/x001/234 or 1/000.p/17")
    return found

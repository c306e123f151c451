"""How does the tree grow, and where in its tiles is a hash that a proof needs?

C2SP tlog-tiles: a tile is 256 hashes of one level, and the root over a full one stands in the level above. So
level L holds the roots of 256**L leaves each. Full tiles never change; the partial ones at the right edge are
all that a growing tree must keep.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from eventstore.merkle import HASH_BYTES, Frontier, Node, hashes_in

TILE = 256
TILE_BYTES = TILE * HASH_BYTES
_BITS = 8


class Tile(NamedTuple):
    """A full tile: `root` is that over its `hashes` (8,192 bytes)."""

    level: int
    number: int
    hashes: bytes
    root: bytes


class Place(NamedTuple):
    """Where a node's hash is had: over `width` hashes from `offset` on, in a tile."""

    level: int
    number: int
    offset: int
    width: int


def place_of(node: Node) -> Place:
    """The tile that a perfect node's hash is made from, and the part of it."""
    level, index = node
    tile_level, height = divmod(level, _BITS)
    first = index << height
    return Place(tile_level, first // TILE, first % TILE, 1 << height)


def widths_of(size: int) -> list[int]:
    """How many hashes the partial tile of each level has, from level 0 up, in a tree of so many leaves."""
    widths = []
    while size:
        widths.append(size % TILE)
        size //= TILE
    return widths


def tile_root(hashes: bytes) -> bytes:
    """The root over the hashes of a full tile, or a perfect part of it, which lie one after the other."""
    while len(hashes) > HASH_BYTES:
        pairs = range(0, len(hashes), 2 * HASH_BYTES)
        hashes = b"".join([sha256(b"\x01" + hashes[at : at + 2 * HASH_BYTES]).digest() for at in pairs])
    return hashes


class Edge:
    """The right edge of a tree: its partial tiles, level 0 first. At most 255 hashes a level."""

    def __init__(self, size: int = 0, partial: Sequence[Sequence[bytes]] = ()) -> None:
        """Raises ValueError unless `partial` has as many hashes a level as a tree of `size` leaves."""
        if [len(each) for each in partial] != widths_of(size):
            raise ValueError(f"these are not the partial tiles of a tree of {size} leaves")
        self.size = size
        self._partial = [list(each) for each in partial]

    @property
    def partial(self) -> list[list[bytes]]:
        """The hashes of the partial tile of each level."""
        return self._partial

    def grow(self, leaves: bytes) -> list[Tile]:
        """Let the tree grow by leaf hashes, one after the other; the tiles that became full, in an order to
        store them.

        Tiles are hashed as they lie in memory: a million leaves take a second so, and three one by one.
        """
        full: list[Tile] = []
        size = self.size + len(leaves) // HASH_BYTES
        joined = b"".join(self._partial[0]) + leaves if self._partial else leaves
        whole = len(joined) // TILE_BYTES * TILE_BYTES
        number = self.size // TILE
        for start in range(0, whole, TILE_BYTES):
            tile = Tile(
                0, number, joined[start : start + TILE_BYTES], tile_root(joined[start : start + TILE_BYTES])
            )
            full.append(tile)
            number += 1
            self._put(1, tile.root, number, full)
        if size and not self._partial:
            self._partial.append([])
        if self._partial:
            self._partial[0] = hashes_in(joined[whole:])
        self.size = size
        return full

    def _put(self, level: int, each: bytes, count: int, full: list[Tile]) -> None:
        """The next hash of a level above the leaves, which has `count` then."""
        while len(self._partial) <= level:
            self._partial.append([])
        hashes = self._partial[level]
        hashes.append(each)
        if len(hashes) == TILE:
            joined = b"".join(hashes)
            tile = Tile(level, count // TILE - 1, joined, tile_root(joined))
            full.append(tile)
            hashes.clear()
            self._put(level + 1, tile.root, count // TILE, full)

    def frontier(self) -> Frontier:
        """The same tree by its perfect parts."""
        peaks: list[bytes] = []
        for hashes in reversed(self._partial):
            inside = Frontier()
            inside.extend(hashes)
            peaks.extend(inside.peaks)
        return Frontier(self.size, peaks)

    def root(self) -> bytes:
        """The root hash of the tree as it is."""
        return self.frontier().root()

    def copy(self) -> Edge:
        """One that grows by itself."""
        return Edge(self.size, self._partial)


class Grown(NamedTuple):
    """How a tree grew from `before` leaves on: the tiles that became full, and its edge then."""

    before: int
    tiles: Sequence[Tile]
    edge: Edge

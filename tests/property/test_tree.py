"""A tree that is kept by its tiles is the tree of its leaves, however it grew."""

from __future__ import annotations

from collections import defaultdict
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.merkle import hashes_in, root_of
from services.audit.tree import TILE, Edge, place_of, widths_of

LEAVES = [sha256(number.to_bytes(4)).digest() for number in range(TILE * TILE + 700)]


def test_the_example_of_the_specification() -> None:
    """A tree of 70,000 leaves: 273 full tiles and one of 112 at level 0, one and one of 17, one of 1."""
    assert widths_of(70_000) == [112, 17, 1]
    assert widths_of(256) == [0, 1]
    assert widths_of(0) == []


def test_a_large_tree_has_the_root_of_its_leaves_and_its_tiles() -> None:
    edge = Edge()
    tiles = edge.grow(b"".join(LEAVES))
    assert edge.root() == root_of(LEAVES)
    assert [len(each) for each in edge.partial] == widths_of(len(LEAVES))
    numbers = defaultdict(list)
    for tile in tiles:
        numbers[tile.level].append(tile.number)
        width = TILE ** (tile.level + 1)
        assert tile.root == root_of(LEAVES[tile.number * width : (tile.number + 1) * width])
        assert root_of(hashes_in(tile.hashes)) == tile.root
    assert numbers == {0: list(range(258)), 1: [0]}


@given(st.lists(st.integers(0, 600), max_size=5))
def test_it_does_not_matter_in_which_steps_it_grew(steps: list[int]) -> None:
    edge, size = Edge(), 0
    for step in steps:
        edge = Edge(edge.size, edge.copy().partial)
        edge.grow(b"".join(LEAVES[size : size + step]))
        size += step
        assert (edge.size, edge.root()) == (size, root_of(LEAVES[:size]))


@given(st.integers(0, 30), st.integers(0, 1 << 40))
def test_a_node_lies_in_one_tile(level: int, index: int) -> None:
    place = place_of((level, index))
    assert place.offset % place.width == 0
    assert place.offset + place.width <= TILE
    first_leaf = (place.number * TILE + place.offset) * TILE**place.level
    assert first_leaf == index << level
    assert place.width * TILE**place.level == 1 << level


@pytest.mark.parametrize(("size", "widths"), [(1, []), (1, [0]), (256, [256]), (256, [0]), (2, [1])])
def test_an_edge_has_as_many_hashes_as_its_size_says(size: int, widths: list[int]) -> None:
    with pytest.raises(ValueError, match="not the partial tiles"):
        Edge(size, [LEAVES[:width] for width in widths])

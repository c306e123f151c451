"""How can a state hold many entries, be a value, and yet cost little to change? Versions share most of it.

A small map is one dict, a leaf. A leaf that gets too large becomes a branch: a tuple of nodes, one for each
value of the next bits of a key's hash. A change copies one leaf and the branches above it, and no node is
ever changed in place: whoever holds a map has it as it was.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, ItemsView, Iterator, Mapping
from itertools import chain
from types import GenericAlias
from typing import Annotated, Any, Generic, TypeAlias, TypeVar, get_args

from pydantic import AfterValidator, GetCoreSchemaHandler, WrapSerializer

BITS = 5
WIDTH = 1 << BITS
LEAF_MAX = 32
HASH_BITS = sys.hash_info.width

K = TypeVar("K")
V = TypeVar("V")
Node: TypeAlias = "dict[Any, Any] | tuple[Node, ...]"
_NOTHING: dict[Any, Any] = {}
_set = object.__setattr__


class PersistentMap(Mapping[K, V]):
    """A map whose changes, `including` and `without`, give another one; `PersistentMap()` is empty.

    A change copies no more of a million entries than of forty, but for two or three branches. Equal to any
    mapping with the same entries.
    """

    __slots__ = ("_root", "_size")
    _root: Node
    _size: int

    def __init__(self, root: Node = _NOTHING, size: int = 0) -> None:
        _set(self, "_root", root)
        _set(self, "_size", size)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name}: a map is not changed in place")

    def including(self, key: K, value: V) -> PersistentMap[K, V]:
        return PersistentMap(_including(self._root, key, value, 0), self._size + (key not in self))

    def without(self, key: K) -> PersistentMap[K, V]:
        return PersistentMap(_without(self._root, key, 0), self._size - 1) if key in self else self

    def __getitem__(self, key: K) -> V:
        value: V = _leaf(self._root, key)[key]
        return value

    def get(self, key: K, default: Any = None) -> Any:
        return _leaf(self._root, key).get(key, default)

    def __contains__(self, key: object) -> bool:
        return key in _leaf(self._root, key)

    def __iter__(self) -> Iterator[K]:
        return chain.from_iterable(_leaves(self._root))

    def __len__(self) -> int:
        return self._size

    def items(self) -> ItemsView[K, V]:
        return _Items(self, self._root)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> Any:
        """As JSON it is an object, as any mapping is."""
        entries: Any = GenericAlias(dict, get_args(source))
        return handler.generate_schema(
            Annotated[entries, AfterValidator(_from_dict), WrapSerializer(_to_dict)]
        )

    def __repr__(self) -> str:
        return f"PersistentMap({dict(self.items())!r})"


class Draft(Generic[K, V]):
    """A map on its way through many changes; `done` makes a map of it. What it began with stays as it was.

    Of keys that come and go in between, the map is told nothing.
    """

    __slots__ = ("_before", "_changes")

    def __init__(self, before: PersistentMap[K, V]) -> None:
        self._before = before
        self._changes: dict[K, V | None] = {}

    def get(self, key: K) -> V | None:
        value: V | None = self._changes[key] if key in self._changes else self._before.get(key)
        return value

    def put(self, key: K, value: V | None) -> None:
        """None takes the key away."""
        self._changes[key] = value

    def done(self) -> PersistentMap[K, V]:
        after = self._before
        for key, value in self._changes.items():
            after = after.without(key) if value is None else after.including(key, value)
        return after


class _Items(ItemsView[K, V]):
    """Leaf by leaf: the inherited one looks up every key."""

    def __init__(self, entries: PersistentMap[K, V], root: Node) -> None:
        super().__init__(entries)
        self._root = root

    def __iter__(self) -> Iterator[tuple[K, V]]:
        return chain.from_iterable(leaf.items() for leaf in _leaves(self._root))


def _from_dict(entries: dict[K, V]) -> PersistentMap[K, V]:
    made: PersistentMap[K, V] = PersistentMap()
    for key, value in entries.items():
        made = made.including(key, value)
    return made


def _to_dict(entries: PersistentMap[Any, Any], serialize: Callable[[dict[Any, Any]], Any]) -> Any:
    return serialize(dict(entries.items()))


def _leaf(node: Node, key: object) -> dict[Any, Any]:
    """Where the key is, if it is anywhere."""
    bits = hash(key)
    while isinstance(node, tuple):
        node = node[bits % WIDTH]
        bits >>= BITS
    return node


def _leaves(node: Node) -> Iterator[dict[Any, Any]]:
    if isinstance(node, tuple):
        for child in node:
            yield from _leaves(child)
    else:
        yield node


def _including(node: Node, key: object, value: object, depth: int) -> Node:
    if isinstance(node, dict):
        # keys of one and the same hash can't be told apart by more of its bits
        if len(node) < LEAF_MAX or key in node or depth >= HASH_BITS:
            return {**node, key: value}
        node = _split(node, depth)
    at = (hash(key) >> depth) % WIDTH
    return _replaced(node, at, _including(node[at], key, value, depth + BITS))


def _without(node: Node, key: object, depth: int) -> Node:
    if isinstance(node, dict):
        return {other: value for other, value in node.items() if other != key}
    at = (hash(key) >> depth) % WIDTH
    left = _replaced(node, at, _without(node[at], key, depth + BITS))
    return left if any(left) else _NOTHING


def _replaced(branch: tuple[Node, ...], at: int, child: Node) -> tuple[Node, ...]:
    return (*branch[:at], child, *branch[at + 1 :])


def _split(leaf: dict[Any, Any], depth: int) -> tuple[Node, ...]:
    children: list[dict[Any, Any]] = [{} for _ in range(WIDTH)]
    for key, value in leaf.items():
        children[(hash(key) >> depth) % WIDTH][key] = value
    return tuple(child or _NOTHING for child in children)

"""How is a follower's work divided? By the hash of a key into 64 partitions, of which a worker has a range.

A warning: `partition_of` is a storage format. Checkpoints say up to where each partition was taken, so
another hash would take some keys twice and others never.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise

PARTITIONS = 64


@dataclass(frozen=True, slots=True, order=True)
class Partitions:
    """A range of partitions, `first` and `last` included."""

    first: int
    last: int

    def __post_init__(self) -> None:
        assert 0 <= self.first <= self.last < PARTITIONS, self

    def __len__(self) -> int:
        return self.last - self.first + 1

    def __contains__(self, partition: int) -> bool:
        return self.first <= partition <= self.last

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"

    def overlaps(self, other: Partitions) -> bool:
        return self.first <= other.last and other.first <= self.last

    def within(self, other: Partitions | None) -> bool:
        return other is not None and other.first <= self.first and self.last <= other.last


WHOLE = Partitions(0, PARTITIONS - 1)


def partition_of(key: str) -> int:
    """Which partition a key belongs to: the same in every process, for ever."""
    return blake2b(key.encode(), digest_size=1).digest()[0] % PARTITIONS


def share(index: int, count: int) -> Partitions | None:
    """What the worker at `index` of `count` has; None where there are more workers than partitions.

    The shares of all cover every partition once, and differ by one partition at most.
    """
    first, after = PARTITIONS * index // count, PARTITIONS * (index + 1) // count
    return Partitions(first, after - 1) if first < after else None


def cut(whole: Partitions, wanted: Partitions) -> list[Partitions]:
    """The parts of `whole` before, in and after `wanted`, as far as there are any."""
    edges = sorted({whole.first, wanted.first, wanted.last + 1, whole.last + 1})
    inside = [edge for edge in edges if whole.first <= edge <= whole.last + 1]
    return [Partitions(edge, after - 1) for edge, after in pairwise(inside)]


def runs(ranges: Iterable[Partitions]) -> list[list[Partitions]]:
    """Those that adjoin, together; each run in order."""
    found: list[list[Partitions]] = []
    for each in sorted(ranges):
        if found and found[-1][-1].last + 1 == each.first:
            found[-1].append(each)
        else:
            found.append([each])
    return found


def covered(ranges: Sequence[Partitions]) -> int:
    """How many partitions these ranges, which never overlap, have together."""
    return sum(map(len, ranges))

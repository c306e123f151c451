"""What may happen to a log in one round: callers, followers and readers at once, a bus that lies, a fault.

Everything is said relative to what is known when the round begins (a version off by one, a command sent
before), so that a plan means something whatever came of the rounds before it.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

DOORS = 4
"""Ways to the same log: two in this process (a feed stands at the first), two that may be other processes."""
STREAMS = ("order-1", "order-2", "stock-1")
MERCHANTS = ("m1", "m2")
INVALID = ("no category", "a stream twice", "a NUL", "no events")
POISON = "poison"
"""An append that is well-formed, and that the database itself refuses."""
READERS, FED = DOORS, 2
"""Followers: one that reads the log through each door, and some on one feed."""


@dataclass(frozen=True)
class Wish:
    """One append. `again` is a command sent before (counted back from the last), `other` its id with other
    content, or of another merchant.

    `streams`: which one, how far off its version is expected, how many events.
    """

    streams: tuple[tuple[int, int, int], ...]
    merchant: int
    again: int | None = None
    other: bool = False
    anywhere: bool = False
    spoilt: str = ""


@dataclass(frozen=True)
class Caller:
    """Sends one wish after another through one door."""

    door: int
    wishes: tuple[Wish, ...]


@dataclass(frozen=True)
class Look:
    """A page `back` events from the head, some streams together, or the head alone (`limit` 0)."""

    door: int
    back: int
    limit: int
    streams: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Steps:
    """A follower takes pages of these sizes, one after another."""

    follower: int
    limits: tuple[int, ...]


@dataclass(frozen=True)
class Fault:
    """Struck after so many answers of the round and some milliseconds more."""

    kind: str
    after: int
    milliseconds: int


@dataclass(frozen=True)
class Round:
    """All of it at the same time. `bus`: what becomes of each event that is published, in turn."""

    callers: tuple[Caller, ...] = ()
    looks: tuple[Look, ...] = ()
    steps: tuple[Steps, ...] = ()
    bus: tuple[str, ...] = ("pass",)


def tuples(of: st.SearchStrategy[object], low: int, high: int) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(of, min_size=low, max_size=high).map(tuple)


_OFF = st.sampled_from([0, 0, 0, 0, 0, -1, 1, 2])
_STREAM = st.tuples(st.integers(0, len(STREAMS) - 1), _OFF, st.integers(1, 3))
_DOOR = st.sampled_from([0, 0, 0, 1, 2, 2, 3])
_STREAMS = st.lists(_STREAM, min_size=1, max_size=3, unique_by=lambda stream: stream[0]).map(tuple)
WISHES = st.builds(
    Wish,
    _STREAMS | _STREAMS | _STREAMS | st.just(()),
    st.integers(0, len(MERCHANTS) - 1),
    st.sampled_from([None] * 8 + [0, 0, 1, 2, 3, 6]),
    st.sampled_from([False, False, True]),
    st.sampled_from([False] * 7 + [True]),
    st.sampled_from([""] * 24 + [*INVALID, *[POISON] * 4]),
)
CALLERS = tuples(st.builds(Caller, _DOOR, tuples(WISHES, 1, 3)), 1, 5)
_LIMIT = st.sampled_from([1, 2, 3, 5, 2_000])
LOOKS = tuples(
    st.builds(Look, _DOOR, st.integers(0, 12), st.just(0) | _LIMIT)
    | st.builds(
        Look, _DOOR, st.just(0), st.just(0),
        tuples(st.tuples(st.integers(0, len(STREAMS) - 1), st.integers(-1, 5)), 1, 4),
    ),
    0, 4,
)  # fmt: skip
STEPS = st.lists(
    st.builds(Steps, st.integers(0, READERS + FED - 1), tuples(_LIMIT, 1, 4)),
    max_size=4,
    unique_by=lambda steps: steps.follower,
).map(tuple)
BUS = tuples(st.sampled_from(["pass", "pass", "drop", "twice", "hold", "old"]), 1, 6)
ROUNDS = st.builds(Round, CALLERS, LOOKS, STEPS, BUS)
QUIET_ROUNDS = st.builds(Round, st.just(()), LOOKS, STEPS, BUS)


def faults(*kinds: str) -> st.SearchStrategy[Fault]:
    return st.builds(Fault, st.sampled_from(kinds), st.integers(0, 6), st.integers(0, 3))

"""What may followers ask of what they keep? Any statement, in a small universe, so that they meet.

A new statement needs a strategy here, and `FILES` a new file; what the simulation never meets stands in
`UNMET`, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from eventstore.queries import load_queries
from services.simulation.places import At, CheckpointRow
from services.simulation.tables import Tables
from tests.contract.appends import MOMENT

FILES = (
    ("eventstore", "checkpoints.sql"),
    ("eventstore", "shares.sql"),
    ("services.agents", "agents.sql"),
    ("services.gateways", "gateways.sql"),
    ("services", "scheduler.sql"),
    ("projections", "projector.sql"),
)
_OPERATOR = (
    "an operator's retry or skip, on a transaction of its own: no process of the simulation asks for it"
)
UNMET = {
    "read_checkpoints": "the status page reads it from the pool",
    "lock_places": _OPERATOR,
    "load_parked": _OPERATOR,
    "skip_parked": _OPERATOR,
    "unpark": _OPERATOR,
    "tell_error": _OPERATOR,
    "fence": _OPERATOR,
    "sweep_ledger": "the simulated log keeps its own ledger, and nothing of it is ever old enough",
}
SQL: dict[str, str] = {}
WHERE: dict[str, tuple[str, str]] = {}
for _package, _file in FILES:
    _queries = load_queries(_package, _file)
    for _name in _queries.available_queries:
        if not _name.endswith("_cursor"):
            SQL[_name] = getattr(_queries, _name).sql
            WHERE[_name] = _package, _file


def parameters(name: str) -> set[str]:
    return set(re.findall(r"%\((\w+)\)s", SQL[name]))


class Steady:
    """A clock that goes on only between statements."""

    def __init__(self) -> None:
        self._moment = MOMENT

    def now(self) -> datetime:
        return self._moment

    def tick(self) -> None:
        self._moment += timedelta(milliseconds=1)


@dataclass(frozen=True)
class Step:
    """A statement; `relaxed`: on a connection whose commits do not wait for the disk.

    `fits`: with the lease and the position that its checkpoint has, whatever the arguments say.
    """

    name: str
    arguments: dict[str, Any]
    relaxed: bool = False
    fits: bool = False

    def fitted(self, tables: Tables) -> Step:
        if not self.fits:
            return self
        known = self._places_of_some(tables) if "followers" in self.arguments else self._places_of_one(tables)
        if self.name == "take" or not known:
            return self
        return replace(self, arguments={**self.arguments, **_those(known, self.arguments)})

    def _places_of_some(self, tables: Tables) -> dict[str, Any]:
        """All places; or those that stand where the first one stands, if they are to move together."""
        rows = sorted(tables.checkpoints.rows.items())
        if "was" not in self.arguments or not rows:
            return _columns_of(rows)
        was = rows[0][1].position
        return {**_columns_of([each for each in rows if each[1].position == was]), "was": was}

    def _places_of_one(self, tables: Tables) -> dict[str, Any]:
        """All of the follower's places that stand where the first one stands; and that one alone."""
        rows = tables.of(self.arguments.get("follower", ""))
        if not rows:
            return {}
        ((_, first), row), *_ = rows
        together = [each for each in rows if each[1].position == row.position]
        where = "was" if "was" in self.arguments else "position"
        alone = {"first": first, "last": row.last, "lease": row.lease, where: row.position}
        columns = _columns_of(together)
        if self.name != "finish":
            del columns["positions"]  # of something else
        return {**columns, **alone}


def _columns_of(rows: Sequence[tuple[At, CheckpointRow]]) -> dict[str, Any]:
    """A run of each follower: wherever they stand, which a worker would look at before."""
    return {
        "followers": [follower for (follower, _), _ in rows],
        "firsts": [first for (_, first), _ in rows],
        "lasts": [row.last for _, row in rows],
        "leases": [row.lease for _, row in rows],
        "positions": [row.position for _, row in rows],
        "runs": [("agents", "gateway", "relay").index(follower) for (follower, _), _ in rows],
    }


def _those(known: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in known.items() if name in wanted}


AGENTS, KEYS, NAMES, CLOCKS = ("order", "payment"), ("k1", "k2"), ("pay", "ship"), ("wall", "c1", "c2", "")
STREAMS = ("payment-1", "payment-2", "payment-3", "payment-4", "payment-5", "payment-none")
PLACES = st.integers(0, 6)
FOLLOWERS = st.sampled_from(["agents", "gateway", "relay"])
PARKERS = st.sampled_from(["agent:order", "agent:payment", "scheduler"])
AGENT, KEY, CLOCK = st.sampled_from(AGENTS), st.sampled_from(KEYS), st.sampled_from(CLOCKS)
LIMITS = st.sampled_from([0, 1, 2, 100, 100, 100])
PARKED_KEYS = st.sampled_from([*KEYS, *(" ".join(each) for each in product(AGENTS, KEYS, NAMES))])
WHOSE = st.tuples(AGENT, KEY, st.sampled_from(NAMES))
WEBHOOK = st.tuples(st.sampled_from(["payment", "carrier"]), st.sampled_from(["w1", "w2", "w3"]))
TEXT, BYTES = st.sampled_from(["", "a", "ß"]), st.sampled_from([b"", b"{}", b"\x00\xff"])
MOMENTS = st.sampled_from([MOMENT + timedelta(hours=hours) for hours in (0, 1, 2, 9)])
SECONDS = st.sampled_from([-1000.0, 1000.0])
ATTEMPTS = st.integers(0, 2)
LEASE_SECONDS = st.sampled_from([-1.0, 1000.0])


def _due(whose: tuple[str, str, str], hours: int) -> datetime:
    """No two deadlines are due in one moment: the statement does not say which is first, then."""
    return MOMENT + timedelta(hours=hours, seconds=AGENTS.index(whose[0]), minutes=KEYS.index(whose[1])) + (
        timedelta(milliseconds=NAMES.index(whose[2]))
    )  # fmt: skip


DUE = st.tuples(WHOSE, st.integers(0, 3)).map(lambda each: (*each[0], _due(*each)))
ASKED = st.tuples(DUE, TEXT).map(lambda each: (*each[0][:-1], each[1], each[0][-1]))


def _columns(
    names: str, rows: st.SearchStrategy[Any], unique_by: Any = None
) -> st.SearchStrategy[dict[str, Any]]:
    """Arrays of these names, from rows."""
    columns = names.split()

    def turned(found: Sequence[tuple[Any, ...]]) -> dict[str, Any]:
        return {name: [row[at] for row in found] for at, name in enumerate(columns)}

    return st.lists(rows, max_size=3, unique_by=unique_by).map(turned)


def _with(
    *parts: st.SearchStrategy[dict[str, Any]], **scalars: st.SearchStrategy[Any]
) -> st.SearchStrategy[dict[str, Any]]:
    def merged(found: Iterable[dict[str, Any]]) -> dict[str, Any]:
        return {name: value for each in found for name, value in each.items()}

    return st.tuples(st.fixed_dictionaries(scalars), *parts).map(merged)


def _flat(*parts: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    def flattened(found: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(one for each in found for one in (each if isinstance(each, tuple) else (each,)))

    return st.tuples(*parts).map(flattened)


def _list(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(values, max_size=3)


_HELD: dict[str, st.SearchStrategy[Any]] = {"follower": FOLLOWERS, "lease": st.integers(0, 2)}
_MOVE: dict[str, st.SearchStrategy[Any]] = {**_HELD, "was": PLACES, "position": PLACES}
_PARKED = st.tuples(PARKERS, PARKED_KEYS, PLACES, TEXT)

WORKER = st.integers(1, 4)
TEAMS = st.lists(st.sampled_from(["agents", "gateway"]), max_size=2, unique=True)
RANGE = st.sampled_from([(0, 63), (0, 31), (32, 63), (16, 47), (0, 0), (63, 63)])
_RANGED = _flat(RANGE, st.integers(0, 2), PLACES)
_ALONE = {"first": st.sampled_from([0, 16, 32]), "last": st.sampled_from([31, 47, 63])}
_PLACE = _flat(FOLLOWERS, st.sampled_from([0, 16, 32]), st.sampled_from([31, 47, 63]), st.integers(0, 2))

ARGUMENTS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "join_workers": _with(known_as=TEXT, teams=TEAMS, seconds=SECONDS),
    "stay": _with(worker=WORKER, seconds=SECONDS),
    "leave": _with(worker=WORKER),
    "read_team": _with(teams=TEAMS),
    "take": _with(
        # of one follower a worker wants one range
        _columns("followers firsts lasts", _flat(FOLLOWERS, RANGE), unique_by=lambda row: row[0]),
        worker=WORKER,
        seconds=SECONDS,
    ),
    "renew": _with(_columns("followers firsts lasts leases", _PLACE), seconds=SECONDS),
    "release": _columns("followers firsts lasts leases", _PLACE),
    "release_all": _with(worker=WORKER),
    "merge": _columns(
        "followers firsts lasts leases positions runs",
        _flat(_PLACE, PLACES, st.just(0)),
        unique_by=lambda row: row[:2],
    ),
    "create_checkpoint": _with(follower=FOLLOWERS, position=PLACES),
    "take_lease": _with(follower=FOLLOWERS, seconds=LEASE_SECONDS),
    "renew_lease": _with(**_HELD, seconds=LEASE_SECONDS),
    "release_lease": _with(**_HELD),
    "move_checkpoint": _with(**_MOVE, done=PLACES),
    "load_processes": _columns("agents keys", st.tuples(AGENT, KEY)),
    "load_parked_keys": _with(followers=_list(PARKERS)),
    "load_unfinished": _with(agents=_list(AGENT), done=st.integers(0, 3), position=PLACES),
    "load_attempts": st.just({}),
    "count_attempts": _with(
        _columns("firsts lasts", RANGE), resuming=st.booleans(), position=st.integers(0, 1), attempts=ATTEMPTS
    ),
    "withdraw_attempts": _columns(
        "firsts lasts resumings positions attempts", _flat(RANGE, st.booleans(), st.integers(0, 1), ATTEMPTS)
    ),
    "record_reactions": _with(
        _columns("process_agents keys states", st.tuples(AGENT, KEY, BYTES)),
        _columns(
            "reaction_agents reaction_positions reaction_events reaction_keys rule_versions"
            " reaction_commands",
            st.tuples(AGENT, PLACES, st.just(UUID(int=1)), KEY, st.integers(1, 2), BYTES),
        ),
        _columns("withdrawn_agents withdrawn_keys withdrawn_names", WHOSE),
        _columns(
            "deadline_agents deadline_keys deadline_names due_at deadline_merchants deadline_correlations"
            " deadline_clocks deadline_causes",
            _flat(DUE, TEXT, TEXT, CLOCK, TEXT),
        ),
        _columns("parked_agents parked_keys parked_positions parked_errors", _PARKED),
        _columns("firsts lasts leases", _flat(RANGE, st.integers(0, 2)), unique_by=lambda row: row[0]),
        follower=FOLLOWERS, was=PLACES, position=PLACES, done=st.sampled_from([0] * 9 + [6]),
        resend=st.booleans(),
    ),
    "finish": _with(_columns("firsts lasts leases positions", _RANGED), follower=FOLLOWERS),
    "end_resuming": _with(
        _columns("agents positions", st.tuples(AGENT, PLACES)), **_HELD, **_ALONE, position=PLACES
    ),
    "park": _with(
        _columns("positions errors", st.tuples(PLACES, TEXT)),
        **_HELD, **_ALONE, parker=PARKERS, key=PARKED_KEYS,
    ),
    "load_calls": _with(gateway=AGENT),
    "keep_place": _with(
        _columns("positions correlations attempts next_at", st.tuples(PLACES, TEXT, ATTEMPTS, MOMENTS)),
        **_MOVE, gateway=AGENT, closed=_list(PLACES),
    ),
    "load_moments": _with(streams=st.lists(st.sampled_from(STREAMS), max_size=6)),
    "receive_webhooks": _with(
        _columns("providers ids streams correlations bodies", _flat(WEBHOOK, TEXT, TEXT, BYTES)),
        seconds=SECONDS,
    ),
    "due_webhooks": _with(seconds=SECONDS, limit=LIMITS),
    "release_webhooks": st.just({}),
    "settle_webhooks": _with(
        _columns("matched_providers matched_ids", WEBHOOK),
        # of one that is put off twice it is not said for how long
        _columns(
            "postponed_providers postponed_ids attempts pauses",
            _flat(WEBHOOK, ATTEMPTS, SECONDS),
            unique_by=lambda row: row[:2],
        ),
    ),
    "due_deadlines": _with(now=MOMENTS, limit=LIMITS),
    "forget_deadlines": _columns("agents keys names causes due_at", ASKED),
    "park_deadlines": _columns("agents keys names errors", _flat(WHOSE, TEXT)),
    "read_live": st.just({}),
    "add_generation": _with(model=st.sampled_from(["orders", "sales"]), version=ATTEMPTS, live=st.booleans()),
    "add_checkpoint": _with(follower=FOLLOWERS),
    "read_attempts": _with(followers=_list(FOLLOWERS)),
    "read_parked": _with(followers=_list(PARKERS)),
    "count_attempt": _with(**_ALONE, follower=FOLLOWERS, position=PLACES, attempts=ATTEMPTS),
    "begin_page": _with(
        _columns("followers firsts lasts leases", _flat(FOLLOWERS, RANGE, st.integers(0, 2))),
        was=PLACES, position=PLACES,
    ),
    "wait_for_turn": _with(key=TEXT),
    "park_page": _with(
        _columns("keys positions errors", st.tuples(PARKED_KEYS, PLACES, TEXT)), follower=PARKERS
    ),
    "announce": _with(moved=TEXT),
    "set_business_clocks": _columns("clocks moments", st.tuples(CLOCK, MOMENTS)),
}  # fmt: skip


def _step(name: str) -> st.SearchStrategy[Step]:
    mostly = st.integers(0, 3).map(bool)
    return st.builds(Step, st.just(name), ARGUMENTS[name], mostly, mostly)


BEGUN = tuple(Step("create_checkpoint", {"follower": name, "position": 0}) for name in ("agents", "gateway"))
"""What a history begins with, so that there is something to move."""
_CHECKPOINTS = "take_lease renew_lease release_lease move_checkpoint"
_LOADS = "load_processes load_parked_keys load_unfinished"
AREAS = (
    " ".join(ARGUMENTS),
    f"{_CHECKPOINTS} {_LOADS} record_reactions finish end_resuming park",
    f"{_LOADS} record_reactions record_reactions record_reactions end_resuming park",
    "load_attempts count_attempts count_attempts withdraw_attempts",
    f"{_CHECKPOINTS} load_calls keep_place load_moments set_business_clocks",
    "receive_webhooks due_webhooks release_webhooks settle_webhooks",
    "due_deadlines due_deadlines record_reactions record_reactions set_business_clocks forget_deadlines",
    "due_deadlines record_reactions park_deadlines",
    "take release merge begin_page begin_page begin_page count_attempt count_attempt read_attempts",
    "read_live add_generation add_checkpoint park_page park_page read_parked wait_for_turn announce",
)
"""Statements that have rows in common; a history stays in one of these, so that they meet often."""


_ALL = [list(each) for each in zip(*product(AGENTS, KEYS), strict=True)]
LAST = (
    *(Step("load_unfinished", {"agents": list(AGENTS), "done": at, "position": 5}) for at in range(5)),
    *(
        Step("due_deadlines", {"now": MOMENT + timedelta(hours=hours), "limit": limit})
        for hours, limit in product((0, 1, 9), (1, 100))
    ),
    *(Step("load_calls", {"gateway": agent}) for agent in AGENTS),
    Step("load_processes", {"agents": _ALL[0], "keys": _ALL[1]}),
    Step("load_parked_keys", {"followers": ["agent:order", "scheduler"]}),
    Step("load_attempts", {}),
    Step("load_moments", {"streams": list(STREAMS)}),
    Step("read_live", {}),
    Step("read_attempts", {"followers": ["agents", "gateway", "relay"]}),
    Step("due_webhooks", {"seconds": 1000.0, "limit": 100}),
)
"""What a history ends with: whatever it has left is asked for."""


PARKED_UNFINISHED = [
    Step(
        "record_reactions",
        {name: [] for name in parameters("record_reactions")}
        | {"follower": "agents", "was": 0, "position": 2, "done": 0, "resend": False}
        | {"reaction_agents": ["order", "order"], "reaction_positions": [1, 2]}
        | {"reaction_events": [UUID(int=1)] * 2, "reaction_keys": ["k1", "k2"]}
        | {"rule_versions": [1, 1], "reaction_commands": [b"{}", b"{}"]},
        fits=True,
    ),
    Step(
        "park",
        {"follower": "agents", "first": 0, "last": 63, "lease": 0, "positions": [1], "errors": ["a"]}
        | {"parker": "agent:order", "key": "k1"},
    ),
]
"""Seldom found by chance: what is parked is the very reaction that is not carried out."""


def histories(*others: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """Steps of one area, with others between them."""

    def of_area(names: str) -> st.SearchStrategy[list[Any]]:
        steps = st.sampled_from(names.split()).flatmap(_step)
        return st.lists(st.one_of(*[steps] * 5, *others), min_size=10, max_size=60)

    return st.sampled_from(AREAS).flatmap(of_area)

"""What may a crash of the server take from the followers? Exactly a suffix of the commits that did not wait.

The model is naive: a copy of all tables before each commit that may be lost.
"""

from __future__ import annotations

from typing import Any

import psycopg
from hypothesis import event, given, settings
from hypothesis import strategies as st

from eventstore.memory import MemoryLog
from services.simulation.tables import Tables
from tests.contract.follower_steps import BEGUN, SQL, Steady, Step, histories

CRASHES = st.integers(0, 4)
Snapshot = dict[str, dict[Any, Any]]
RELAXED = {name for name, sql in SQL.items() if "set_config('synchronous_commit', 'off'" in sql}


def _copy(tables: Tables) -> Snapshot:
    return {name: dict(table.rows) for name, table in tables.by_name.items()}


def _waits(step: Step) -> bool:
    """Whether the commit waits for the disk; that of `keep_place` does where the checkpoint stays."""
    if step.name == "keep_place":
        return bool(step.arguments["position"] <= step.arguments["was"])
    return not (step.relaxed or step.name in RELAXED)


class Model:
    """`before[-n]` is what was there before the last n of the commits that are not on the disk."""

    def __init__(self) -> None:
        self.clock = Steady()
        self.tables = Tables(MemoryLog(), self.clock)
        self.before: list[Snapshot] = []

    def run(self, wish: Step) -> None:
        self.clock.tick()
        step = wish.fitted(self.tables)
        before, unsynced = _copy(self.tables), self.tables.unsynced
        try:
            self.tables.run(step.name, step.arguments, relaxed=step.relaxed)
        except psycopg.Error:
            assert _copy(self.tables) == before, "an error changes nothing"
            assert self.tables.unsynced == unsynced
            return
        waits = _waits(step)
        wrote = self.tables.unsynced != unsynced or _copy(self.tables) != before
        if wrote:
            self.before = [] if waits else [*self.before, before]
        assert self.tables.unsynced == len(self.before), step

    def crash(self, lost: int) -> None:
        event(f"lost: {min(lost, len(self.before))} of {len(self.before)}")
        taken = self.before[-lost:] if lost else []
        expected = taken[0] if taken else _copy(self.tables)
        self.tables.crash(lost)
        assert _copy(self.tables) == expected
        self.before = []
        assert not self.tables.unsynced


@given(histories(CRASHES))
@settings(max_examples=300, deadline=None)
def test_a_crash_takes_back_a_suffix(steps: list[Step | int]) -> None:
    model = Model()
    for step in (*BEGUN, *steps):
        if isinstance(step, Step):
            model.run(step)
        else:
            model.crash(step)
    model.crash(len(model.before))


def test_what_only_reads_brings_nothing_to_the_disk() -> None:
    tables = Tables(MemoryLog(), Steady())
    tables.run("create_checkpoint", {"follower": "relay", "position": 0})
    moved = {"follower": "relay", "lease": 0, "was": 0, "position": 7, "done": 7}
    tables.run("move_checkpoint", moved)
    tables.run("load_parked_keys", {"followers": ["agent:order"]})
    tables.run("release_webhooks", {})
    tables.crash(1)
    assert tables.checkpoints.rows["relay", 0].position == 0


def test_what_waits_for_the_disk_brings_all_before_it_there() -> None:
    tables = Tables(MemoryLog(), Steady())
    tables.run("create_checkpoint", {"follower": "relay", "position": 0})
    tables.run("move_checkpoint", {"follower": "relay", "lease": 0, "was": 0, "position": 7, "done": 7})
    tables.run("create_checkpoint", {"follower": "agents", "position": 0})
    tables.run("renew_lease", {"follower": "agents", "lease": 0, "seconds": 1.0}, relaxed=True)
    tables.crash(99)
    assert tables.checkpoints.rows["relay", 0].position == 7
    assert tables.checkpoints.rows["agents", 0].leased_until is None


def test_a_call_that_is_closed_where_the_checkpoint_stays_is_not_open_again() -> None:
    """The next move would not notice that the crash took it back: it compares positions."""
    tables = Tables(MemoryLog(), Steady())
    tables.run("create_checkpoint", {"follower": "gateway", "position": 0})
    usual = {"follower": "gateway", "lease": 0, "gateway": "payment", "closed": []}
    none: dict[str, Any] = {"positions": [], "correlations": [], "attempts": [], "next_at": []}
    opened = {"positions": [5], "correlations": ["c"], "attempts": [0], "next_at": [Steady().now()]}
    tables.run("keep_place", {**usual, **opened, "was": 0, "position": 7})
    tables.run("keep_place", {**usual, **none, "was": 7, "position": 7, "closed": [5]})
    tables.crash(99)
    assert tables.checkpoints.rows["gateway", 0].position == 7
    assert not tables.calls.rows

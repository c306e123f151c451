"""What projectors keep, in memory: the twin of the statements in `projector.sql`, name by name, and of those
that merge the rows of read models: what was merged is kept as it came, in the order of the commits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from psycopg import DatabaseError, DataError
from psycopg.errors import UniqueViolation

from eventstore.partitions import WHOLE
from eventstore.seams import Clock
from eventstore.statements import Rows
from projections.page import Follow
from projections.read_model import ReadModel
from projections.session import MOVED, Call
from services.simulation.places import At, CheckpointRow, Places
from services.simulation.table import Table, Undo

REFUSED = "refused"
"""A statement whose rows the database takes for wrong, whatever they are."""
_SETTINGS = ("off", "off", "off", "off", "force_generic_plan", "30s")


class GenerationRow(NamedTuple):
    """Its key in the table is (read model, generation)."""

    version: int
    live: bool


class AttemptRow(NamedTuple):
    last: int
    position: int
    attempts: int


class Projected(Places):
    """Each method is a statement, but for `make_missing`."""

    def __init__(self, changed: Callable[[Undo], None], clock: Clock) -> None:
        super().__init__(changed, clock)
        self.parked: Table[tuple[str, str, int], str] = Table(changed)
        self.read_models: Table[tuple[str, int], GenerationRow] = Table(changed)
        self.attempts: Table[At, AttemptRow] = Table(changed)
        self.merged: Table[int, Call] = Table(changed)
        """What was merged into the tables of all generations."""
        self._merges = 0

    def merged_into(self, model: str, generation: int) -> Iterator[Call]:
        rows = self.merged.rows.values()
        return (each for each in rows if (each.model, each.generation) == (model, generation))

    def merge_rows(self, call: Call) -> Rows:
        """Any statement of a read model's own."""
        if call.name == REFUSED:
            raise DataError(f"{call.model} has made rows that do not fit")
        self._merges += 1
        self.merged.put(self._merges, call)
        return ()

    def make_missing(self, models: Iterable[ReadModel]) -> Rows:
        """See `projections.generations.make_missing`, a transaction with its registry locked."""
        live = {name for name, *_ in self.read_live()}
        for model in models:
            if model.name not in live:
                ((number,),) = self.add_generation(model.name, model.version, live=True)
                self.add_checkpoint(Follow(model, number).follower)
        return ()

    # ---- projector.sql

    def read_live(self) -> Rows:
        return [
            (name, number, row.version) for (name, number), row in self.read_models.rows.items() if row.live
        ]

    def add_generation(self, model: str, version: int, live: bool) -> Rows:
        others = {number: row for (other, number), row in self.read_models.rows.items() if other == model}
        if live and any(row.live for row in others.values()):
            raise UniqueViolation(f"{model} has a live generation already")
        number = max(others, default=0) + 1
        self.read_models.insert((model, number), GenerationRow(version, live))
        return ((number,),)

    def add_checkpoint(self, follower: str) -> Rows:
        self.checkpoints.insert((follower, WHOLE.first), CheckpointRow(0, 0))
        return ()

    def read_attempts(self, followers: Sequence[str]) -> Rows:
        found: dict[At, int] = {}
        for (follower, first), attempt in self.attempts.rows.items():
            for at, row in self.of(follower) if follower in followers else ():
                if attempt.position == row.position and first <= row.last and attempt.last >= at[1]:
                    found[at] = max(found.get(at, 0), attempt.attempts)
        return [(*at, times) for at, times in found.items()]

    def read_parked(self, followers: Sequence[str]) -> Rows:
        return list(dict.fromkeys((f, key) for f, key, _ in self.parked.rows if f in followers))

    def count_attempt(self, follower: str, first: int, last: int, position: int, attempts: int) -> Rows:
        self.attempts.upsert((follower, first), AttemptRow(last, position, attempts))
        return ()

    def begin_page(
        self,
        followers: Sequence[str],
        firsts: Sequence[int],
        lasts: Sequence[int],
        leases: Sequence[int],
        was: int,
        position: int,
    ) -> Rows:
        moved = 0
        for follower, first, last, lease in zip(followers, firsts, lasts, leases, strict=True):
            row = self.checkpoints.get((follower, first))
            if row is not None and (row.last, row.lease, row.position) == (last, lease, was):
                there = row._replace(position=position, done=position)
                moved += self.checkpoints.update((follower, first), there)
        if moved < len(followers):
            error = DatabaseError("these partitions are moved by another worker")
            error.sqlstate = MOVED
            raise error
        return ((*_SETTINGS, b""),)

    def wait_for_turn(self, key: str) -> Rows:
        return ((b"",),)  # a transaction is alone on the server, whatever it does

    def park_page(
        self, follower: str, keys: Sequence[str], positions: Sequence[int], errors: Sequence[str]
    ) -> Rows:
        for key, position, error in zip(keys, positions, errors, strict=True):
            self.parked.add((follower, key, position), error)
        return ()

    def announce(self, moved: str) -> Rows:
        return ((b"",),)  # to readers, of whom there are none

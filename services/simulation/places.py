"""Where followers stand in memory, and who shares their work: the twin of `checkpoints.sql`, `shares.sql`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from psycopg.errors import CheckViolation

from eventstore.partitions import WHOLE, Partitions, cut
from eventstore.seams import Clock
from eventstore.statements import Rows
from services.simulation.table import Table, Undo

At = tuple[str, int]
"""The key of a checkpoint: the follower and the first of its partitions."""


class CheckpointRow(NamedTuple):
    position: int
    done: int
    last: int = WHOLE.last
    lease: int = 0
    leased_until: datetime | None = None
    worker: int | None = None


class WorkerRow(NamedTuple):
    teams: tuple[str, ...]
    alive_until: datetime


class Places:
    """Each method is a statement."""

    def __init__(self, changed: Callable[[Undo], None], clock: Clock) -> None:
        self._clock = clock
        self.checkpoints: Table[At, CheckpointRow] = Table(changed)
        self.workers: Table[int, WorkerRow] = Table(changed)
        self._workers = 0

    def of(self, follower: str) -> list[tuple[At, CheckpointRow]]:
        """Its checkpoints, in order."""
        return sorted([each for each in self.checkpoints.rows.items() if each[0][0] == follower], key=_place)

    def _in(self, seconds: float) -> datetime:
        return self._clock.now() + timedelta(seconds=seconds)

    def _is_free(self, row: CheckpointRow) -> bool:
        return row.leased_until is None or row.leased_until < self._clock.now()

    # ---- checkpoints.sql

    def create_checkpoint(self, follower: str, position: int) -> Rows:
        self.checkpoints.add((follower, 0), CheckpointRow(position, position))
        return ()

    def take_lease(self, follower: str, seconds: float) -> Rows:
        free = [(at, row) for at, row in self.of(follower) if self._is_free(row)]
        for at, row in free:
            self.checkpoints.put(at, row._replace(lease=row.lease + 1, leased_until=self._in(seconds)))
        return [(row.lease + 1, row.position, row.done) for _, row in free]

    def renew_lease(self, follower: str, lease: int, seconds: float) -> Rows:
        held = [(at, row) for at, row in self.of(follower) if row.lease == lease]
        for at, row in held:
            self.checkpoints.put(at, row._replace(leased_until=self._in(seconds)))
        return [(lease,) for _ in held]

    def release_lease(self, follower: str, lease: int) -> Rows:
        for at, row in self.of(follower):
            if row.lease == lease:
                self.checkpoints.put(at, row._replace(leased_until=None))
        return ()

    def move_checkpoint(self, follower: str, lease: int, was: int, position: int, done: int) -> Rows:
        return ((position, "off"),) * self._move(follower, lease, was, position, done)

    def _move(self, follower: str, lease: int, was: int, position: int, done: int) -> int:
        """How many checkpoints moved: one, of a follower that has one worker."""
        held = [(at, row) for at, row in self.of(follower) if (row.lease, row.position) == (lease, was)]
        for at, row in held:
            self._put(at, row._replace(position=position, done=done))
        return len(held)

    def _parts(
        self, follower: str, firsts: Sequence[int], lasts: Sequence[int], leases: Sequence[int], position: int
    ) -> list[tuple[At, CheckpointRow]]:
        """Of these those that are as their worker thinks."""
        found = []
        for first, last, lease in zip(firsts, lasts, leases, strict=True):
            row = self.checkpoints.get((follower, first))
            if row is not None and (row.last, row.lease, row.position) == (last, lease, position):
                found.append(((follower, first), row))
        return found

    def _lock(self, rows: Iterable[tuple[At, CheckpointRow]]) -> None:
        """FOR UPDATE: what is locked is written down, though nothing of it changes."""
        for at, row in rows:
            self.checkpoints.put(at, row)
        self.checkpoints.touched.clear()

    def _put(self, at: At, row: CheckpointRow) -> None:
        if row.done > row.position:
            raise CheckViolation(f"{at} would have done more than it took")
        self.checkpoints.put(at, row)

    # ---- shares.sql

    def join_workers(self, known_as: str, teams: Sequence[str], seconds: float) -> Rows:
        self._workers += 1  # as a sequence: no crash takes it back
        self.workers.put(self._workers, WorkerRow(tuple(teams), self._in(seconds)))
        return ((self._workers,),)

    def stay(self, worker: int, seconds: float) -> Rows:
        row = self.workers.get(worker)
        if row is None:
            return ()
        self.workers.put(worker, row._replace(alive_until=self._in(seconds)))
        return ((worker,),)

    def leave(self, worker: int) -> Rows:
        self.release_all(worker)
        dead = self._in(-3600)
        for number, row in list(self.workers.rows.items()):
            if number == worker or row.alive_until < dead:
                self.workers.delete(number)
        return ()

    def read_team(self, teams: Sequence[str]) -> Rows:
        now = self._clock.now()
        living = sorted((number, row) for number, row in self.workers.rows.items() if row.alive_until > now)
        found: dict[str, list[int]] = {}
        for number, row in living:
            for team in row.teams:
                if team in teams:
                    found.setdefault(team, []).append(number)
        return list(found.items())

    def take(
        self,
        followers: Sequence[str],
        firsts: Sequence[int],
        lasts: Sequence[int],
        worker: int,
        seconds: float,
    ) -> Rows:
        taken = []
        for follower, first, last in sorted(zip(followers, firsts, lasts, strict=True)):
            wanted = Partitions(first, last)
            for at, row in self.of(follower):
                whole = Partitions(at[1], row.last)
                if self._is_free(row) and whole.first <= wanted.last and wanted.first <= whole.last:
                    ours = row._replace(lease=row.lease + 1, leased_until=self._in(seconds), worker=worker)
                    for part in cut(whole, wanted):
                        kept = ours if part.within(wanted) else row
                        self.checkpoints.put((follower, part.first), kept._replace(last=part.last))
                        if part.within(wanted):
                            taken.append(
                                (follower, part.first, part.last, ours.lease, row.position, row.done)
                            )
        return taken

    def renew(
        self,
        followers: Sequence[str],
        firsts: Sequence[int],
        lasts: Sequence[int],
        leases: Sequence[int],
        seconds: float,
    ) -> Rows:
        return [
            at
            for at, row in self._held(followers, firsts, lasts, leases)
            if self.checkpoints.update(at, row._replace(leased_until=self._in(seconds)))
        ]

    def release(
        self, followers: Sequence[str], firsts: Sequence[int], lasts: Sequence[int], leases: Sequence[int]
    ) -> Rows:
        for at, row in self._held(followers, firsts, lasts, leases):
            self.checkpoints.update(at, row._replace(leased_until=None, worker=None))
        return ()

    def release_all(self, worker: int) -> Rows:
        for at, row in list(self.checkpoints.rows.items()):
            if row.worker == worker:
                self.checkpoints.put(at, row._replace(leased_until=None, worker=None))
        return ()

    def merge(
        self,
        followers: Sequence[str],
        firsts: Sequence[int],
        lasts: Sequence[int],
        leases: Sequence[int],
        positions: Sequence[int],
        runs: Sequence[int],
    ) -> Rows:
        named = zip(self._rows_of(followers, firsts, lasts, leases), positions, runs, strict=True)
        found = [
            (run, at, row)
            for (at, row), position, run in named
            if row is not None and row.position == position
        ]
        if len(found) < len(runs):
            self._lock((at, row) for _, at, row in found)
            return ()
        return [self._merge([each for each in found if each[0] == run]) for run in sorted(set(runs))]

    def _merge(self, run: Sequence[tuple[int, At, CheckpointRow]]) -> tuple[int, int, int]:
        (_, at, first), *rest = sorted(run, key=lambda each: each[1])
        rows = [row for _, _, row in run]
        last, lease = max(row.last for row in rows), 1 + max(row.lease for row in rows)
        for _, other, _ in rest:
            self.checkpoints.delete(other)
        self.checkpoints.put(at, first._replace(last=last, lease=lease, done=min(row.done for row in rows)))
        return at[1], last, lease

    def _held(
        self, followers: Sequence[str], firsts: Sequence[int], lasts: Sequence[int], leases: Sequence[int]
    ) -> Iterable[tuple[At, CheckpointRow]]:
        rows = self._rows_of(followers, firsts, lasts, leases)
        return [(at, row) for at, row in rows if row is not None]

    def _rows_of(
        self, followers: Sequence[str], firsts: Sequence[int], lasts: Sequence[int], leases: Sequence[int]
    ) -> Iterable[tuple[At, CheckpointRow | None]]:
        """What still is as it is named, under that lease."""
        for follower, first, last, lease in zip(followers, firsts, lasts, leases, strict=True):
            row = self.checkpoints.get((follower, first))
            held = row is not None and (row.last, row.lease) == (last, lease)
            yield (follower, first), row if held else None


def _place(each: tuple[At, CheckpointRow]) -> At:
    return each[0]

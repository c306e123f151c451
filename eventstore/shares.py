"""Who follows which partitions? Workers share them without a leader, through leases in Postgres.

Each worker sees who lives and computes its own share. It gives back what is not in its share, between two
pages, and takes of it what nobody holds, cutting checkpoints where the shares meet. All arrive at the same
division, since they compute it from the same list; while they differ about who lives, the leases and the
compare-and-set of each page decide. Each step is one named statement, so the simulation's twin has it, too.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Protocol, TypeVar

from eventstore.checkpoints import LEASE_SECONDS, LeaseLost
from eventstore.partitions import Partitions, runs, share
from eventstore.statements import Database, Rows, Statements
from eventstore.tasks import finish


@dataclass(slots=True)
class Place:
    """Where a follower stands in a range of partitions, under a lease that is held.

    `counted` says that the first page that was begun here was counted, where that is done.
    """

    follower: str
    partitions: Partitions
    lease: int
    position: int
    done: int
    counted: bool = False


class Held(Protocol):
    """What is said of a place that is held."""

    @property
    def follower(self) -> str: ...
    @property
    def partitions(self) -> Partitions: ...
    @property
    def lease(self) -> int: ...
    @property
    def position(self) -> int: ...


H = TypeVar("H", bound=Held)
Lease = tuple[str, int, int]
"""By which a checkpoint is held: its follower, its first partition and the number."""


def lease_of(held: Held) -> Lease:
    return held.follower, held.partitions.first, held.lease


def share_statements(database: Database) -> Statements:
    """What all here is done with."""
    return database.statements("eventstore", "shares.sql")


def worker_name(pid: int) -> str:
    """How people know a worker of this machine."""
    return f"{socket.gethostname()}:{pid}"


class Worker:
    """One of those who share the work of some `teams`: names of what is followed, with its version."""

    def __init__(self, statements: Statements, teams: Sequence[str]) -> None:
        self._statements = statements
        self._teams = list(teams)
        self.number = 0
        """By which the database knows it; 0 while it has not joined."""
        self._turn = asyncio.Lock()
        self._shares: dict[str, Partitions | None] = {}

    def share_of(self, team: str) -> Partitions | None:
        """Its own partitions, as far as it knows; none until it has looked."""
        return self._shares.get(team)

    async def join(self) -> None:
        """Be one of those who share, the last of them."""
        async with self._turn:
            await finish(self._join())  # who is cancelled meanwhile has a number to leave with
            await self._see()

    async def look(self, held: Sequence[H]) -> list[H]:
        """Say that we live, renew what we hold, and see who else lives; what of it is not ours any more.

        To be called several times a lease. Nothing happens while we have not joined.
        """
        async with self._turn:
            if not self.number:
                return []
            if not await self._statements.run("stay", worker=self.number, seconds=LEASE_SECONDS):
                await finish(self._join())  # we were thought dead for long, and swept away
            held = list(held)
            renewed = await self._statements.run("renew", **_named(held), seconds=LEASE_SECONDS)
            await self._see()
        return [each for each in held if (each.follower, each.partitions.first) not in renewed]

    async def give_back(self) -> None:
        """Let go of all that we hold."""
        await self._statements.run("release_all", worker=self.number)

    async def leave(self) -> None:
        """Let the others have our share, and what we hold. If that fails, they have it once we seem dead."""
        await finish(self._leave())

    async def _leave(self) -> None:
        async with self._turn:
            number, self.number, self._shares = self.number, 0, {}
            await self._statements.run("leave", worker=number)

    async def is_alone(self) -> bool:
        """Whether nobody else shares any of its work."""
        return all(set(workers) <= {self.number} for _, workers in await self._read())

    async def _join(self) -> None:
        joining = {"known_as": worker_name(os.getpid()), "teams": self._teams, "seconds": LEASE_SECONDS}
        ((self.number,),) = await self._statements.run("join_workers", **joining)

    async def _see(self) -> None:
        self._shares = {
            team: share(workers.index(self.number), len(workers))
            for team, workers in await self._read()
            if self.number in workers
        }

    async def _read(self) -> Rows:
        return await self._statements.run("read_team", teams=self._teams)


async def take(statements: Statements, wanted: Mapping[str, Partitions], worker: int) -> list[Place]:
    """Take of each follower the partitions that are wanted, as far as nobody holds them."""
    if not wanted:
        return []
    rows = await statements.run(
        "take",
        followers=list(wanted),
        firsts=[each.first for each in wanted.values()],
        lasts=[each.last for each in wanted.values()],
        worker=worker,
        seconds=LEASE_SECONDS,
    )
    return [Place(follower, Partitions(first, last), *rest) for follower, first, last, *rest in rows]


def ours_beside(held: Iterable[H], taken: Sequence[Held]) -> list[H]:
    """What is held but for what was lost without our noticing: what was taken since overlaps it."""
    anew: dict[str, list[Partitions]] = {}
    for each in taken:
        anew.setdefault(each.follower, []).append(each.partitions)
    return [each for each in held if not any(map(each.partitions.overlaps, anew.get(each.follower, ())))]


async def release(statements: Statements, held: Sequence[Held]) -> None:
    if held:
        await statements.run("release", **_named(held))


def adjoining(held: Iterable[H]) -> list[list[H]]:
    """Those of one follower that adjoin and stand at one position, two or more, together and in order."""

    def place(each: H) -> tuple[str, int]:
        return each.follower, each.position

    found = []
    for _, together in groupby(sorted(held, key=place), place):
        by_range = {each.partitions: each for each in together}
        found += [[by_range[each] for each in run] for run in runs(by_range) if len(run) > 1]
    return found


async def merge(statements: Statements, runs_: Sequence[Sequence[Held]]) -> list[tuple[Partitions, int]]:
    """Make one checkpoint of each run (see `adjoining`): its partitions and its lease.

    Raises LeaseLost, with nothing changed, where one of them is another's by now.
    """
    held = [each for run in runs_ for each in run]
    rows = await statements.run(
        "merge",
        **_named(held),
        positions=[each.position for each in held],
        runs=[number for number, run in enumerate(runs_) for _ in run],
    )
    if len(rows) < len(runs_):
        raise LeaseLost("some of these partitions are followed by another worker now")
    return [(Partitions(first, last), lease) for first, last, lease in rows]


def _named(held: Sequence[Held]) -> dict[str, list[Any]]:
    return {
        "followers": [each.follower for each in held],
        "firsts": [each.partitions.first for each in held],
        "lasts": [each.partitions.last for each in held],
        "leases": [each.lease for each in held],
    }

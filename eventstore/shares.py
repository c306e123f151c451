"""Who follows which partitions? Workers share them without a leader, through leases in Postgres.

Each worker sees who lives and computes its own share. It gives back what is not in its share, between two
pages, and takes of it what nobody holds, cutting checkpoints where the shares meet. All arrive at the same
division, since they compute it from the same list; while they differ about who lives, the leases and the
compare-and-set of each page decide.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple, Protocol, TypeVar

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from eventstore.checkpoints import LEASE_SECONDS, LeaseLost
from eventstore.partitions import Partitions, cut, runs, share
from eventstore.queries import load_queries
from eventstore.statements import Pool

Connection = AsyncConnection[TupleRow]
_QUERIES = load_queries("eventstore", "shares.sql")


class Place(NamedTuple):
    """Where a follower stands in a range of partitions, under a lease that is held."""

    follower: str
    partitions: Partitions
    lease: int
    position: int
    done: int


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


def worker_name(pid: int) -> str:
    """How people know a worker of this machine."""
    return f"{socket.gethostname()}:{pid}"


class Worker:
    """One of those who share the work of some `teams`: names of what is followed, with its version."""

    def __init__(self, pool: Pool, teams: Sequence[str]) -> None:
        self._pool = pool
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
        async with self._turn, self._pool.connection() as connection:
            await self._join(connection)
            await self._see(connection)

    async def look(self, held: Sequence[Held]) -> None:
        """Say that we live, renew what we hold, and see who else lives; nothing while we have not joined.

        To be called several times a lease.
        """
        async with self._turn:
            if not self.number:
                return
            async with self._pool.connection() as connection:
                if not await run(connection, "stay", worker=self.number, seconds=LEASE_SECONDS):
                    await self._join(connection)  # we were thought dead for long, and swept away
                await run(connection, "renew", seconds=LEASE_SECONDS, **_named(held))
                await self._see(connection)

    async def give_back(self) -> None:
        """Let go of all that we hold."""
        async with self._pool.connection() as connection:
            await run(connection, "release_all", worker=self.number)

    async def leave(self) -> None:
        """Let the others have our share, and what we hold. If that fails, they have it once we seem dead."""
        async with self._turn:
            number, self.number, self._shares = self.number, 0, {}
            async with self._pool.connection() as connection:
                await run(connection, "release_all", worker=number)
                await run(connection, "leave", worker=number)

    async def is_alone(self) -> bool:
        """Whether nobody else shares any of its work."""
        async with self._pool.connection() as connection:
            return all(set(workers) <= {self.number} for _, workers in await self._read(connection))

    async def _join(self, connection: Connection) -> None:
        name = worker_name(os.getpid())
        rows = await run(connection, "join_workers", name=name, teams=self._teams, seconds=LEASE_SECONDS)
        self.number = rows[0][0]

    async def _see(self, connection: Connection) -> None:
        self._shares = {
            team: share(workers.index(self.number), len(workers))
            for team, workers in await self._read(connection)
            if self.number in workers
        }

    async def _read(self, connection: Connection) -> list[TupleRow]:
        return await run(connection, "read_team", teams=self._teams)


async def take(connection: Connection, wanted: Mapping[str, Partitions], worker: int) -> list[Place]:
    """Take of each follower the partitions that are wanted, as far as nobody holds them."""
    if not wanted:
        return []
    async with connection.transaction():
        free = await run(
            connection,
            "lock_free",
            followers=list(wanted),
            firsts=[each.first for each in wanted.values()],
            lasts=[each.last for each in wanted.values()],
        )
        parts = [
            (follower, first, cut(Partitions(first, last), wanted[follower]))
            for follower, first, last in free
        ]
        await _cut(connection, [each for each in parts if len(each[2]) > 1])
        ours = [
            (follower, part.first)
            for follower, _, cuts in parts
            for part in cuts
            if part.within(wanted[follower])
        ]
        rows = await run(
            connection,
            "take",
            followers=[follower for follower, _ in ours],
            firsts=[first for _, first in ours],
            seconds=LEASE_SECONDS,
            worker=worker,
        )
    return [Place(follower, Partitions(first, last), *rest) for follower, first, last, *rest in rows]


async def _cut(connection: Connection, wholes: Sequence[tuple[str, int, list[Partitions]]]) -> None:
    parts = [(follower, first, part) for follower, first, cuts in wholes for part in cuts[1:]]
    if not parts:
        return
    await run(
        connection,
        "add_parts",
        followers=[follower for follower, _, _ in parts],
        wholes=[whole for _, whole, _ in parts],
        firsts=[part.first for _, _, part in parts],
        lasts=[part.last for _, _, part in parts],
    )
    await run(
        connection,
        "resize",
        followers=[follower for follower, _, _ in wholes],
        firsts=[first for _, first, _ in wholes],
        lasts=[cuts[0].last for _, _, cuts in wholes],
        leases=[0] * len(wholes),
    )


async def release(connection: Connection, held: Sequence[Held]) -> None:
    if held:
        await run(connection, "release", **_named(held))


def adjoining(held: Iterable[H]) -> list[list[H]]:
    """Those of one follower that adjoin and stand at one position, two or more, together and in order."""

    def place(each: H) -> tuple[str, int]:
        return each.follower, each.position

    found = []
    for _, together in groupby(sorted(held, key=place), place):
        by_range = {each.partitions: each for each in together}
        found += [[by_range[each] for each in run_] for run_ in runs(by_range) if len(run_) > 1]
    return found


async def merge(connection: Connection, runs_: Sequence[Sequence[Held]]) -> list[tuple[Partitions, int]]:
    """Make one checkpoint of each run (see `adjoining`): its partitions and its lease.

    Raises LeaseLost, with nothing changed, where one of them is another's by now.
    """
    merged = [
        (Partitions(run_[0].partitions.first, run_[-1].partitions.last), 1 + max(each.lease for each in run_))
        for run_ in runs_
    ]
    held = [each for run_ in runs_ for each in run_]
    rest = [each for run_ in runs_ for each in run_[1:]]
    async with connection.transaction():
        places = {**_named(held), "lasts": _lasts(held), "positions": [each.position for each in held]}
        if len(await run(connection, "lock_held", **places)) < len(held):
            raise LeaseLost("some of these partitions are followed by another worker now")
        await run(
            connection,
            "remove_parts",
            followers=[each.follower for each in rest],
            firsts=[each.partitions.first for each in rest],
        )
        await run(
            connection,
            "resize",
            followers=[run_[0].follower for run_ in runs_],
            firsts=[partitions.first for partitions, _ in merged],
            lasts=[partitions.last for partitions, _ in merged],
            leases=[lease for _, lease in merged],
        )
    return merged


def _named(held: Sequence[Held]) -> dict[str, list[Any]]:
    return {
        "followers": [each.follower for each in held],
        "firsts": [each.partitions.first for each in held],
        "leases": [each.lease for each in held],
    }


def _lasts(held: Sequence[Held]) -> list[int]:
    return [each.partitions.last for each in held]


async def run(connection: Connection, query: str, **arguments: Any) -> list[TupleRow]:
    """The rows of a statement of `shares.sql`; none for one that has no result."""
    cursor = await connection.execute(getattr(_QUERIES, query).sql.encode(), arguments)
    return await cursor.fetchall() if cursor.description else []

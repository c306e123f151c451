"""Is a generation that was built anew the same as the one that serves, row by row? Asked before the switch.

Both must stand at one position in one snapshot. So the old one's checkpoints are locked for the moment that
the new one needs to come up with it; then a snapshot is taken, the locks go, and the old one moves on while
the rows of that snapshot are compared.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import psycopg
from psycopg import sql

from eventstore.statements import Pool
from projections.fold import Fold
from projections.generations import Connection, live_generations, lock_checkpoints
from projections.read_model import ReadModel, table_of

LOOKS, LOOK_SECONDS = 50, 0.02
"""How often, and how long apart, the two are looked for at one position."""
LOCK_TIMEOUT = "2s"
TIMEOUT = "1h"
"""Of one statement: the rows of a large table are compared by one, at some 150,000 a second."""
EXAMPLES_MAX = 3


@dataclass(frozen=True, slots=True)
class Compared:
    """At which position two generations were compared, and each way in which they differ; or why not."""

    position: int = 0
    differences: tuple[str, ...] = ()
    why_not: str = ""


async def compare_beside(pool: Pool, fold: Fold, model: ReadModel, number: int) -> Compared:
    """The live generation beside generation `number`, which `fold` moves, and may move on meanwhile."""
    async with pool.connection() as looking:
        for _ in range(LOOKS):
            try:
                old, why_not = await _together(pool, fold, model, looking)
            except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
                why_not = "its checkpoints could not be locked"
            if not why_not:
                try:
                    return Compared(fold.position, await _differences(looking, model, old, number))
                finally:
                    await looking.rollback()
            await asyncio.sleep(LOOK_SECONDS)
    return Compared(why_not=why_not)


async def _together(pool: Pool, fold: Fold, model: ReadModel, looking: Connection) -> tuple[int, str]:
    """The live generation's number, with a snapshot on `looking` where both stand together; else why not."""
    async with pool.connection() as connection, connection.transaction():
        await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'".encode())
        old = (await live_generations(connection))[model.name]
        if old.version != model.version:
            return (
                old.number,
                f"the old generation is of version {old.version}, the new one of {model.version}",
            )
        positions = set(await lock_checkpoints(connection, model.follower(old.number)))
        if max(positions) > fold.position:
            await fold.until(max(positions), model.name)
        if positions != {fold.position}:
            return old.number, f"the old generation is behind, at {min(positions):,} of {fold.position:,}"
        await looking.execute(b"BEGIN ISOLATION LEVEL REPEATABLE READ")
        await looking.execute(f"SET LOCAL statement_timeout = '{TIMEOUT}'".encode())
        # the first statement takes the snapshot, and the locks hold until it has
        await live_generations(looking)
    return old.number, ""


async def _differences(looking: Connection, model: ReadModel, old: int, new: int) -> tuple[str, ...]:
    found = []
    for table in model.tables:
        these, those = (sql.Identifier("public", table_of(table, each)) for each in (old, new))
        surplus, examples = await differing(looking, these, those)
        missing, more = await differing(looking, those, these)
        if surplus or missing:
            found.append(
                f"{table}: {surplus:,} rows of the old generation are not in the new one, {missing:,} of the"
                f" new one not in the old; for example {', '.join(dict.fromkeys((*examples, *more)))}"
            )
    return tuple(found)


async def differing(
    connection: Connection, these: sql.Identifier, those: sql.Identifier
) -> tuple[int, list[str]]:
    """How many of these rows are not among those, and a few by their first two columns."""
    query = sql.SQL(
        "SELECT *, count(*) OVER () FROM (SELECT * FROM {} EXCEPT ALL SELECT * FROM {}) AS d LIMIT {}"
    ).format(these, those, sql.Literal(EXAMPLES_MAX))
    rows = await (await connection.execute(query)).fetchall()
    return (rows[0][-1] if rows else 0), [f"({row[0]}, {row[1]})" for row in rows]

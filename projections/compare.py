"""Are the read models what the log says? All are folded anew, beside the live ones, and compared by row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from eventstore.codec import decode
from eventstore.keyring import Keyring
from eventstore.log import Log
from eventstore.statements import Pool
from projections.advance import HANDLERS_OWN, Advancer, Follow, Work, said
from projections.fold import PAGE, Progress, no_progress
from projections.generations import Connection, live_generations, run
from projections.read_model import ReadModel, statement, table_of
from projections.read_models import READ_MODELS

SHADOW = "shadow"
EXAMPLES_MAX = 3
TEMP_BUFFERS = "128MB"
_ALWAYS_THE_INDEX = b"SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off"
_AS_USUAL = b"RESET enable_seqscan; RESET enable_hashjoin; RESET enable_mergejoin"


@dataclass(slots=True)
class Compared:
    """How many read models were compared, and each way in which one differs from the fold of the log."""

    read_models: int = 0
    differences: list[str] = field(default_factory=list)


async def compare(
    pool: Pool,
    log: Log,
    keyring: Keyring,
    names: Iterable[str] | None = None,
    progress: Progress = no_progress,
    *,
    models: dict[str, ReadModel] = READ_MODELS,
) -> Compared:
    """Compare the live generations with a fold of the log up to the very position that they stand at.

    The last part of the fold and the comparison see one snapshot, so that the system may go on meanwhile.
    Nothing that others see is touched, and nothing stays.
    """
    compared = Compared()
    async with pool.connection() as connection:
        shadows = _Shadows(connection, log, keyring, compared, progress)
        try:
            await shadows.make([models[name] for name in (models if names is None else names)])
            positions = await shadows.live_positions()
            await shadows.fold(min(positions.values(), default=0))
            await connection.execute(b"BEGIN ISOLATION LEVEL REPEATABLE READ")
            await shadows.compare()
        finally:
            if not connection.closed:
                await connection.rollback()
                await connection.execute(b"DISCARD TEMP; RESET search_path; " + _AS_USUAL)
    return compared


class _Shadows:
    """A generation of each read model in temporary tables of one connection."""

    def __init__(
        self, connection: Connection, log: Log, keyring: Keyring, compared: Compared, progress: Progress
    ) -> None:
        self._connection = connection
        self._log = log
        self._compared = compared
        self._progress = progress
        self._advancer = Advancer(connection, keyring, decode)
        self._follows: list[Follow] = []

    async def make(self, models: Iterable[ReadModel]) -> None:
        with suppress(psycopg.errors.InvalidParameterValue):  # it was set before, on this connection
            await self._connection.execute(f"SET temp_buffers = '{TEMP_BUFFERS}'".encode())
        await self._connection.execute(b"SET search_path = pg_temp, public; " + _ALWAYS_THE_INDEX)
        for model in models:
            await self._connection.execute(statement(model.name, "create_tables", SHADOW))
            self._follows.append(Follow(model, SHADOW))

    async def live_positions(self) -> dict[str, int]:
        """Where each live read model stands; those that there are none of are a difference."""
        positions: dict[str, int] = dict(await run(self._connection, "read_positions"))
        for follow in tuple(self._follows):
            if follow.model.name not in positions:
                self._give_up(follow, "was never made; is the projector running?")
        return {follow.model.name: positions[follow.model.name] for follow in self._follows}

    async def compare(self) -> None:
        """In the snapshot of the open transaction: fold the rest, each to where its live one stands."""
        positions = await self.live_positions()
        for end in sorted(set(positions.values())):
            await self.fold(end, {name for name, position in positions.items() if position >= end})
        await self._connection.execute(_AS_USUAL)
        live = await live_generations(self._connection)
        for follow in self._follows:
            for table in follow.model.tables:
                await self._compare_table(follow, table, live[follow.model.name].number)
            self._compared.read_models += 1

    async def fold(self, end: int, names: set[str] | None = None) -> None:
        """Move all that are named, who stand at one position, to `end`."""
        while follows := [each for each in self._follows if names is None or each.model.name in names]:
            position = follows[0].position
            events = await self._log.read(position, min(PAGE, end - position)) if position < end else []
            if not events:
                return
            await self._merge(await self._advancer.prepare(follows, events))
            for follow in follows:
                follow.position = events[-1].position
            self._progress("read models", events[-1].position, end)

    async def _merge(self, works: Sequence[Work]) -> None:
        healthy = [work for work in works if not work.failure]
        try:
            async with self._connection.pipeline(), self._connection.transaction():
                for work in healthy:
                    await self._advancer.merge(work)
        except HANDLERS_OWN:
            for work in healthy:  # one of them is to blame
                try:
                    async with self._connection.transaction():
                        await self._advancer.merge(work)
                except HANDLERS_OWN as error:
                    work.failure = error
        for work in works:
            if work.failure:
                why = said(work.failure, private=True)
                self._give_up(work.follow, f"cannot be folded from the log: {why}")

    def _give_up(self, follow: Follow, difference: str) -> None:
        self._follows.remove(follow)
        self._compared.differences.append(f"{follow.model.name}: {difference}")

    async def _compare_table(self, follow: Follow, table: str, generation: int) -> None:
        live = sql.Identifier("public", table_of(table, generation))
        folded = sql.Identifier("pg_temp", table_of(table, SHADOW))
        surplus, examples = await self._except(live, folded)
        missing, more = await self._except(folded, live)
        if surplus or missing:
            self._compared.differences.append(
                f"{table}: at position {follow.position}, {surplus} rows are not what the log says, {missing}"
                f" that it says are not there; for example {', '.join(dict.fromkeys((*examples, *more)))}"
            )

    async def _except(self, these: sql.Identifier, those: sql.Identifier) -> tuple[int, list[str]]:
        """How many of these rows are not among those, and a few by their first two columns."""
        query = sql.SQL(
            "SELECT *, count(*) OVER () FROM (SELECT * FROM {} EXCEPT ALL SELECT * FROM {}) AS d LIMIT {}"
        ).format(these, those, sql.Literal(EXAMPLES_MAX))
        rows = await (await self._connection.execute(query)).fetchall()
        return (rows[0][-1] if rows else 0), [f"({row[0]}, {row[1]})" for row in rows]

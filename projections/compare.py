"""Are the read models what the log says? All are folded anew, beside the live ones, and compared by row.

What a person had a live one skip, the fold leaves out, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from eventstore.codec import decode
from eventstore.keyring import Keyring
from eventstore.log import Log, StoredEvent
from eventstore.partitions import PARTITIONS, Partitions, covered
from eventstore.statements import Pool, undone
from projections.advance import HANDLERS_OWN, Advancer, said
from projections.beside import TIMEOUT, differing
from projections.fold import PAGE, Progress, no_progress
from projections.generations import Connection, live_generations, run
from projections.page import Follow, Work
from projections.read_model import ReadModel, statement, table_of
from projections.read_models import READ_MODELS
from projections.session import PostgresSession

SHADOW = "shadow"
TEMP_BUFFERS = "128MB"
_ALWAYS_THE_INDEX = b"SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off"
Ranges = list[tuple[Partitions, int]]
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
    """Compare the live generations with a fold of the log up to the very positions that they stand at.

    Partitions of one read model may stand at several: of each those facts are folded that it has taken. The
    last part of the fold and the comparison see one snapshot, so that the system may go on meanwhile.
    Nothing that others see is touched, and nothing stays.
    """
    compared = Compared()
    async with pool.connection() as connection:
        shadows = _Shadows(connection, log, keyring, compared, progress)
        async with undone(connection, b"DISCARD TEMP; RESET search_path; " + _AS_USUAL):
            await shadows.make([models[name] for name in (models if names is None else names)])
            ranges = await shadows.live_ranges()
            await shadows.fold(min((at for each in ranges.values() for _, at in each), default=0))
            await connection.execute(b"BEGIN ISOLATION LEVEL REPEATABLE READ")
            await connection.execute(f"SET LOCAL statement_timeout = '{TIMEOUT}'".encode())
            await shadows.compare()
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
        self._session = PostgresSession(connection)
        self._advancer = Advancer(self._session, keyring, decode)
        self._models: dict[str, ReadModel] = {}
        self._follows: list[Follow] = []
        self._skipped: dict[str, set[int]] = {}

    async def make(self, models: Iterable[ReadModel]) -> None:
        with suppress(psycopg.errors.InvalidParameterValue):  # it was set before, on this connection
            await self._connection.execute(f"SET temp_buffers = '{TEMP_BUFFERS}'".encode())
        await self._connection.execute(b"SET search_path = pg_temp, public; " + _ALWAYS_THE_INDEX)
        for model in models:
            await self._connection.execute(statement(model.name, "create_tables", SHADOW))
            self._models[model.name] = model
            self._follows.append(Follow(model, SHADOW))
        self._skipped = await self._read_skipped()

    async def _read_skipped(self) -> dict[str, set[int]]:
        """By read model, what its live generation leaves out."""
        skipped: dict[str, set[int]] = {}
        for name, position in await run(self._connection, "read_skipped"):
            skipped.setdefault(name, set()).add(position)
        return skipped

    async def live_ranges(self) -> dict[str, Ranges]:
        """Where each live read model stands, in which partitions; those that have none are a difference."""
        found: dict[str, Ranges] = {}
        for name, first, last, position in await run(self._connection, "read_ranges"):
            found.setdefault(name, []).append((Partitions(first, last), position))
        for follow in tuple(self._follows):
            ranges = found.get(follow.model.name, [])
            if not ranges:
                self._give_up(follow.model, "was never made; is the projector running?")
            elif covered([each for each, _ in ranges]) != PARTITIONS:
                self._give_up(follow.model, f"its checkpoints do not cover {PARTITIONS} partitions")
        return {name: found[name] for name in self._models}

    async def compare(self) -> None:
        """In the snapshot of the open transaction: fold the rest, each to where its live one stands."""
        skipped = await self._read_skipped()
        for name, model in tuple(self._models.items()):
            if skipped.get(name) != self._skipped.get(name):
                self._give_up(model, "what it skips was changed meanwhile: compare it again")
        ranges = await self.live_ranges()
        begun = self._follows[0].position if self._follows else 0
        self._follows = [
            Follow(model, SHADOW, position=begun, partitions=each)
            for name, model in self._models.items()
            for each, _ in ranges[name]
        ]
        ends = {(name, each): end for name, of_one in ranges.items() for each, end in of_one}
        for end in sorted(set(ends.values())):
            await self.fold(end, ends)
        await self._connection.execute(_AS_USUAL)
        live = await live_generations(self._connection)
        for name, model in self._models.items():
            where = "/".join(str(at) for at in sorted({end for _, end in ranges[name]}))
            for table in model.tables:
                await self._compare_table(table, live[name].number, where)
            self._compared.read_models += 1

    async def fold(self, end: int, ends: Mapping[tuple[str, Partitions], int] | None = None) -> None:
        """Move all, who stand at one position, to `end`; if they have ends of their own, all who reach it."""
        while follows := [
            each for each in self._follows if ends is None or ends[each.model.name, each.partitions] >= end
        ]:
            position = follows[0].position
            events = await self._log.read(position, min(PAGE, end - position)) if position < end else []
            if not events:
                return
            await self._merge(await self._prepare(follows, events))
            for follow in follows:
                follow.position = events[-1].position
            self._progress("read models", events[-1].position, end)

    async def _prepare(self, follows: Sequence[Follow], events: Sequence[StoredEvent]) -> list[Work]:
        """All make of the page what they do together, but for those who skip some of it."""
        works = await self._advancer.prepare(follows, events)
        here = {event.position for event in events}
        for number, follow in enumerate(follows):
            if skipped := here & self._skipped.get(follow.model.name, set()):
                rest = [event for event in events if event.position not in skipped]
                (works[number],) = await self._advancer.prepare([follow], rest)
        return works

    async def _merge(self, works: Sequence[Work]) -> None:
        healthy = [work for work in works if not work.failure]
        try:
            async with self._connection.pipeline(), self._connection.transaction():
                for work in healthy:
                    await self._session.execute(work.merges)
        except HANDLERS_OWN:
            for work in healthy:  # one of them is to blame
                try:
                    async with self._connection.transaction():
                        await self._session.execute(work.merges)
                except HANDLERS_OWN as error:
                    work.failure = error
        for work in works:
            if work.failure:
                why = said(work.failure, private=True)
                self._give_up(work.follow.model, f"cannot be folded from the log: {why}")

    def _give_up(self, model: ReadModel, difference: str) -> None:
        if self._models.pop(model.name, None):
            self._follows = [each for each in self._follows if each.model.name != model.name]
            self._compared.differences.append(f"{model.name}: {difference}")

    async def _compare_table(self, table: str, generation: int, where: str) -> None:
        live = sql.Identifier("public", table_of(table, generation))
        folded = sql.Identifier("pg_temp", table_of(table, SHADOW))
        surplus, examples = await differing(self._connection, live, folded)
        missing, more = await differing(self._connection, folded, live)
        if surplus or missing:
            self._compared.differences.append(
                f"{table}: at position {where}, {surplus} rows are not what the log says, {missing}"
                f" that it says are not there; for example {', '.join(dict.fromkeys((*examples, *more)))}"
            )

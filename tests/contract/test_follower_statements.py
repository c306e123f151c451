"""Is what followers keep in memory what they keep in Postgres, whatever they ask in whatever order?

Each statement runs on both. Its rows, its error, whether it wrote and whether its commit waits for the disk
must be the same, and in the end the contents of all tables. The clock of the memory stands still in a
statement; Postgres has the wall's, so that all that is relative to it is far from it.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, event, example, given, settings
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from eventstore.connections import read_parameters
from eventstore.log import StreamAppend
from eventstore.memory import MemoryLog
from eventstore.postgres import PostgresLog
from eventstore.statements import PostgresDatabase, Rows
from projections.session import MOVED, Call, PostgresSession
from services.simulation.tables import Tables
from tests.contract.appends import StillClock, an_append, appended, events
from tests.contract.follower_steps import (
    ARGUMENTS,
    BEGUN,
    LAST,
    PARKED_UNFINISHED,
    SQL,
    STREAMS,
    UNMET,
    WHERE,
    Steady,
    Step,
    histories,
    parameters,
)

METADATA = (b"{}", b'{"clock":"wall"}', b'{"clock":"c1"}', b'{"clock":null}', b'{"clock":""}')
ORDERED_BY = {"load_attempts": 0, "load_unfinished": 1, "load_calls": 2, "due_deadlines": 7}
"""The column by which a statement says it orders its rows."""
CONTENTS: dict[str, tuple[str, Callable[[Tables, datetime], list[Any]]]] = {
    "checkpoints": (
        "follower, first_partition, last_partition, position, done, lease, worker, leased_until > now()",
        lambda kept, now: [
            (*key, at.last, at.position, at.done, at.lease, at.worker, _is_after(at.leased_until, now))
            for key, at in kept.checkpoints.rows.items()
        ],
    ),
    "workers": (
        "worker, teams, alive_until > now()",
        lambda kept, now: [
            (number, row.teams, row.alive_until > now) for number, row in kept.workers.rows.items()
        ],
    ),
    "agent_processes": (
        "agent, key, state",
        lambda kept, _: [(*key, state) for key, state in kept.processes.rows.items()],
    ),
    "reactions": (
        "agent, position, commands, key, resend",
        lambda kept, _: [(*key, *row) for key, row in kept.reactions.rows.items()],
    ),
    "agent_attempts": (
        "first_partition, last_partition, resuming, position, attempts",
        lambda kept, _: [(first, *row) for first, row in kept.agent_attempts.rows.items()],
    ),
    "deadlines": (
        "agent, key, name, merchant, correlation, clock, causation, due_at",
        lambda kept, _: [(*key, *row) for key, row in kept.deadlines.rows.items()],
    ),
    "business_clocks": ("clock, now", lambda kept, _: list(kept.business_clocks.rows.items())),
    "provider_calls": (
        "gateway, position, attempts, next_at",
        lambda kept, _: [(*key, *row) for key, row in kept.calls.rows.items()],
    ),
    "webhook_inbox": (
        (
            "provider, webhook_id, stream, correlation, body, attempts, matched_at IS NOT NULL,"
            " round(extract(epoch FROM next_at - now()) / 1000)::integer"
        ),
        lambda kept, now: [
            (*key, *row[:4], row.matched, round((row.next_at - now) / timedelta(seconds=1000)))
            for key, row in kept.inbox.rows.items()
        ],
    ),
    "parked": (
        "follower, key, position, error",
        lambda kept, _: [(*key, error) for key, error in kept.parked.rows.items()],
    ),
    "read_models": (
        "name, generation, version, live",
        lambda kept, _: [(*key, *row) for key, row in kept.read_models.rows.items()],
    ),
    "projection_attempts": (
        "follower, first_partition, last_partition, position, attempts",
        lambda kept, _: [(*at, *row) for at, row in kept.attempts.rows.items()],
    ),
}
"""What the two must have in common in the end. Columns that only people read are left out."""


def _hashable(row: Any) -> Any:
    return tuple(tuple(each) if isinstance(each, list) else each for each in row)


def _is_after(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and moment > now


class Watched(AsyncConnection[TupleRow]):
    """Tells of the last statement whether it wrote, and whether its commit waits for the disk."""

    last = False, True

    async def execute(self, *statement: Any, **how: Any) -> Any:
        if not isinstance(statement[0], bytes) or statement[0].startswith((b"SET ", b"RESET ")):
            return await super().execute(*statement, **how)  # it sets up the connection, or is of these tests
        async with self.transaction():
            cursor = await super().execute(*statement, **how)
            found = await super().execute(
                "SELECT pg_current_xact_id_if_assigned() IS NOT NULL,"
                " current_setting('synchronous_commit') <> 'off'"
            )
            Watched.last = await found.fetchone()  # type: ignore[assignment]
        return cursor


class Both:
    """A database and its twin, with the same events."""

    def __init__(self, pool: AsyncConnectionPool[Watched], log: MemoryLog) -> None:
        self._pool = pool
        self._database = PostgresDatabase(pool)  # type: ignore[arg-type]
        self._log = log

    async def begin(self) -> None:
        """Empty on both sides."""
        self.clock = Steady()
        self.tables = Tables(self._log, self.clock)
        self.unsynced = 0
        async with self._pool.connection() as connection:
            await connection.execute("; ".join(f"DELETE FROM {table}" for table in CONTENTS))
            await connection.execute("ALTER TABLE workers ALTER COLUMN worker RESTART")

    async def step(self, wish: Step) -> None:
        self.clock.tick()
        step = self._said(wish.fitted(self.tables))
        theirs = await self._ask_postgres(step)
        ours = self._ask_twin(step)
        event(f"{step.name}: {'error' if isinstance(theirs, type) else 'rows' if theirs else 'none'}")
        assert _comparable(step.name, ours) == _comparable(step.name, theirs), step
        if not isinstance(theirs, type):
            self._compare_commits(step)

    def _said(self, step: Step) -> Step:
        """Not fewer webhooks than are due, if it is not said which of them would be first."""
        if step.name != "due_webhooks":
            return step
        due = sorted(row.next_at for row in self.tables.inbox.rows.values() if not row.matched)
        limit = step.arguments["limit"]
        said = not 0 < limit < len(due) or due[limit - 1] < due[limit]
        return step if said else replace(step, arguments={**step.arguments, "limit": 100})

    async def _ask_postgres(self, step: Step) -> Rows | type[psycopg.Error]:
        statements = self._database.statements(*WHERE[step.name])
        try:
            if not step.relaxed:
                return await statements.run(step.name, **step.arguments)
            async with statements.relaxed() as relaxed:
                return await relaxed.run(step.name, **step.arguments)
        except psycopg.Error as error:
            return type(error)

    def _ask_twin(self, step: Step) -> Rows | type[psycopg.Error]:
        try:
            return self.tables.run(step.name, step.arguments, relaxed=step.relaxed)
        except psycopg.Error as error:
            return type(error)

    def _compare_commits(self, step: Step) -> None:
        """What did not write has nothing to bring to the disk, nor what was written before it."""
        wrote, waits = Watched.last
        if wrote:
            self.unsynced = 0 if waits else self.unsynced + 1
        assert self.tables.unsynced == self.unsynced, step

    async def compare(self) -> None:
        async with self._pool.connection() as connection:
            for table, (columns, twins) in CONTENTS.items():
                cursor = await connection.execute(f"SELECT {columns} FROM {table}")
                theirs = Counter(map(_hashable, await cursor.fetchall()))
                assert Counter(twins(self.tables, self.clock.now())) == theirs, table


def _comparable(name: str, found: Rows | type[psycopg.Error]) -> Any:
    """Rows as the statement promises them: in which order, or in none."""
    if isinstance(found, type):
        return found
    by = ORDERED_BY.get(name)
    return Counter(map(_hashable, found)), [row[by] for row in found] if by is not None else None


@pytest.fixture
async def both(database: str) -> AsyncIterator[Both]:
    twin = MemoryLog(StillClock())
    async with await PostgresLog.connect(database, StillClock()) as log:
        for stream, metadata in zip(STREAMS, METADATA, strict=False):
            append = replace(an_append(StreamAppend(stream, 0, events(1))), metadata=metadata)
            assert await appended(log, append) == await appended(twin, append)
    pool = AsyncConnectionPool(
        min_size=1,
        max_size=1,
        open=False,
        connection_class=Watched,
        kwargs={"autocommit": True, **read_parameters(database)},
    )
    async with pool:
        yield Both(pool, twin)


@given(steps=histories())
@example(steps=PARKED_UNFINISHED)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_twin_is_what_postgres_is(both: Both, steps: list[Step]) -> None:
    await both.begin()
    for step in (*BEGUN, *steps, *LAST):
        await both.step(step)
    await both.compare()


def a_page(*more: Call, lease: int = 0) -> list[Call]:
    """The agents' place moves from 0 to 5, and something is parked; and more."""
    place = {"followers": ["agents"], "firsts": [0], "lasts": [63], "leases": [lease]}
    parked = {"follower": "agents", "keys": ["k1"], "positions": [3], "errors": ["why"]}
    return [Call("begin_page", {**place, "was": 0, "position": 5}), Call("park_page", parked), *more]


async def test_a_page_is_written_as_a_whole(both: Both, database: str) -> None:
    """On both sides, or on neither; and its commit need not wait for the disk."""
    await both.begin()
    for step in BEGUN:
        assert await both._ask_postgres(step) == both._ask_twin(step)
    second = Call("add_checkpoint", {"follower": "agents"})
    parameters_ = {"autocommit": True, **read_parameters(database)}
    async with await psycopg.AsyncConnection.connect(**parameters_) as connection:
        session = PostgresSession(connection)
        for page, state in ((a_page(second), "23505"), (a_page(lease=1), MOVED), (a_page(), None)):
            assert await state_of(session, page) == twins_state(both.tables, page) == state
            await both.compare()
    assert both.tables.unsynced == 1
    assert both.tables.checkpoints.rows["agents", 0].position == 5


async def state_of(session: PostgresSession, page: list[Call]) -> str | None:
    """The SQLSTATE of what is said against it."""
    try:
        await session.write(page)
    except psycopg.Error as error:
        return error.sqlstate
    return None


def twins_state(tables: Tables, page: list[Call]) -> str | None:
    try:
        tables.write(page)
    except psycopg.Error as error:
        return error.sqlstate
    return None


def test_each_statement_has_a_twin_or_a_reason() -> None:
    assert set(ARGUMENTS).isdisjoint(UNMET)
    assert set(SQL) == {*ARGUMENTS, *UNMET}
    assert not [name for name in UNMET if hasattr(Tables, name)], "then it is compared, too"


@pytest.mark.parametrize("name", sorted(ARGUMENTS))
def test_a_twin_takes_what_the_statement_takes(name: str) -> None:
    """All of its parameters, and no other."""
    explicit = inspect.signature(getattr(Tables, name)).parameters
    others = [each.name for each in explicit.values() if each.kind is each.VAR_KEYWORD]
    mine = set(explicit) - {"self", *others}
    wanted = parameters(name)
    assert mine <= wanted if others else mine == wanted
    scalars = [each for each in mine if not str(explicit[each].annotation).startswith("Sequence")]
    arguments: dict[str, Any] = {each: 0 if each in scalars else [] for each in wanted}
    arguments |= {each: value for each, value in _ALL_HELD.items() if each in wanted}
    for missing in wanted - mine:
        with pytest.raises(KeyError, match=missing):
            _some_tables().run(name, {k: v for k, v in arguments.items() if k != missing})


_ALL_HELD = {"firsts": [0], "lasts": [63], "leases": [0]}


def _some_tables() -> Tables:
    tables = Tables(MemoryLog(), Steady())
    tables.run("create_checkpoint", {"follower": 0, "position": 0})
    return tables

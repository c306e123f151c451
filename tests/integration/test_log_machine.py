"""Does the Postgres log stand the machine of logs, with several processes at it and kill -9 of anything?

Each mutant is a database with one mistake that event stores are known to make: the machine must find it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import Phase
from hypothesis.stateful import rule
from psycopg_pool.base import AttemptWithBackoff

from eventstore import feed as feed_module
from services.embedded import PostgresServer
from tests.contract.log_machine import LogMachine
from tests.contract.log_plan import ROUNDS, Fault, Round, faults
from tests.contract.log_trial import is_found, stands
from tests.integration.log_system import TEMPLATE, PostgresSystem
from tests.planted import in_turns

KINDS = ("postgres", "writer", "postgres and writer", "backend", "caller")


class PostgresLogMachine(LogMachine):
    @rule(plan=ROUNDS, fault=faults(*KINDS))
    def trouble(self, plan: Round, fault: Fault) -> None:
        self.do(self._play(plan, fault))


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresSystem]:
    with pytest.MonkeyPatch.context() as patch, asyncio.Runner() as runner:
        patch.setattr(feed_module, "HEAD_SECONDS", 0.05)
        patch.setattr(AttemptWithBackoff, "INITIAL_DELAY", 0.02)
        patch.setattr(AttemptWithBackoff, "DELAY_BACKOFF", 1.2)
        system = PostgresSystem(PostgresServer(tmp_path_factory.mktemp("model"), fsync=False), runner)
        runner.run(system.start())
        yield system
        runner.run(system.stop())


@pytest.fixture
def system(trial: PostgresSystem) -> Iterator[PostgresSystem]:
    yield trial
    trial.mutation = ()


def test_the_log_in_postgres_is_as_it_should_be(system: PostgresSystem) -> None:
    stands(lambda: PostgresLogMachine(system), examples=12, steps=8, phases=[Phase.explicit, Phase.generate])


NO_VERSIONS = ("append_exceptions", "WHERE checked.expected <> checked.actual", "WHERE false")
NO_LEDGER = ("append_batch", "FROM unnest(p_appends) AS a;", "FROM unnest(p_appends) AS a WHERE false;")
REPEATED_AGAIN = ("append_batch", "WHERE c.command_id = asked.command_id AND", "WHERE false AND")
HALF_A_CONFLICT = (
    "append_batch",
    "WHERE e.append <> ALL (refused)",
    "WHERE e.append <> ALL (refused) OR e.version = 1",
)
SEQUENCE = ("append_batch", "SELECT head_before + e.number,", "SELECT nextval('public.loose'),")
OTHER_POSITION = (
    "append_batch",
    "head_before + a.events_before + a.event_count, a.answer",
    "head_before + a.events_before + a.event_count + 1, a.answer",
)


def changed(system: PostgresSystem, function: str, old: str, new: str) -> str:
    """The function with a mistake in it."""
    with psycopg.connect(system.server.dsn_for(TEMPLATE)) as connection:
        row = connection.execute("SELECT pg_get_functiondef(%s::regproc)", (function,)).fetchone()
    assert row
    assert row[0].count(old) == 1
    return str(row[0]).replace(old, new)


MUTANTS = {
    "versions are not compared": NO_VERSIONS,
    "the ledger is not kept": NO_LEDGER,
    "a repeated command is not known again": REPEATED_AGAIN,
    "a conflict leaves the streams that are new": HALF_A_CONFLICT,
    "positions from a sequence": SEQUENCE,
    "the ledger has another position": OTHER_POSITION,
}


@pytest.mark.parametrize("mutant", in_turns(tuple(MUTANTS)))
def test_a_function_that_is_wrong_is_found(system: PostgresSystem, mutant: str) -> None:
    system.mutation = ["CREATE SEQUENCE loose", changed(system, *MUTANTS[mutant])]
    is_found(lambda: PostgresLogMachine(system), examples=20, steps=8)


def test_an_answer_before_the_commit_is_durable_is_found(system: PostgresSystem) -> None:
    # what was answered waits in memory, for a writer that is in no hurry
    off = "ALTER DATABASE %I SET synchronous_commit = off"
    system.mutation = [f"DO $$ BEGIN EXECUTE format('{off}', current_database()); END $$"]
    system.run(system.execute("postgres", "ALTER SYSTEM SET wal_writer_delay = '10s'"))
    system.run(system.execute("postgres", "SELECT pg_reload_conf()"))
    try:
        is_found(lambda: PostgresLogMachine(system), examples=20, steps=8)
    finally:
        system.run(system.execute("postgres", "ALTER SYSTEM RESET wal_writer_delay"))
        system.run(system.execute("postgres", "SELECT pg_reload_conf()"))

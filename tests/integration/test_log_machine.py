"""Does the Postgres log stand the state machine of logs, with several processes at it, and kill -9 of anything?

Each mutant is a database, or a part of the appender, with one mistake that event stores are known to make: the
machine must find it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import Phase
from hypothesis.stateful import rule

from eventstore import appender as appender_module
from eventstore import feed as feed_module
from services.embedded import PostgresServer
from tests.contract.log_machine import LogMachine, is_found, stands
from tests.contract.log_plan import ROUNDS, Fault, Round, faults
from tests.integration.log_system import PostgresSystem

KINDS = ("postgres", "writer", "postgres and writer", "backend", "caller")


class PostgresLogMachine(LogMachine):
    @rule(plan=ROUNDS, fault=faults(*KINDS))
    def trouble(self, plan: Round, fault: Fault) -> None:
        self.do(self._play(plan, fault))


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresSystem]:
    with pytest.MonkeyPatch.context() as patch, asyncio.Runner() as runner:
        patch.setattr(feed_module, "HEAD_SECONDS", 0.05)
        system = PostgresSystem(PostgresServer(tmp_path_factory.mktemp("model"), fsync=False), runner)
        runner.run(system.start())
        yield system
        runner.run(system.stop())


@pytest.fixture
def system(trial: PostgresSystem) -> Iterator[PostgresSystem]:
    yield trial
    trial.mutation = ()


def test_the_log_in_postgres_is_as_it_should_be(system: PostgresSystem) -> None:
    stands(lambda: PostgresLogMachine(system), examples=25, steps=8, phases=[Phase.explicit, Phase.generate])

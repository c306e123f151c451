"""Which real servers do the tests share? One Postgres and one NATS; each test has a database of its own.

The fixtures are plain ones that drive a loop of their own, so that tests of any loop scope may use them. They
start servers from the main thread, because a server dies with the thread that started it.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import nats
import psycopg
import pytest

from eventstore.roles import Role, let_in
from eventstore.schema import migrate
from services.embedded import NatsServer, PostgresServer
from services.settings import Settings

T = TypeVar("T")
TEMPLATE = "template_tillroll"
LAST_LINES = 12
_numbers = itertools.count(1)


class FailuresAtOnce:
    """Says what failed when it does, too: a run that is cut short has said it."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if report.failed and reporter is not None:
            reporter.line(f"\nFAILED at {report.when}: {report.nodeid}", red=True)
            reporter.line("\n".join(report.longreprtext.splitlines()[-LAST_LINES:]))


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # of several processes, in the one that prints
        config.pluginmanager.register(FailuresAtOnce(config))


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end outside of any test's loop."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


@pytest.fixture(scope="session")
def servers_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tillroll-test-") as directory:
        yield Path(directory)


@pytest.fixture(scope="session", autouse=True)
def one_key_for_the_roles(servers_dir: Path) -> Iterator[None]:
    """Roles are the whole server's, and so are their passwords: all settings of tests make the same."""
    os.environ["TILLROLL_DATABASE_ROLES_FILE"] = str(servers_dir / "database_roles.key")
    yield
    del os.environ["TILLROLL_DATABASE_ROLES_FILE"]


@pytest.fixture
def as_role(database: str) -> Callable[[Role], str]:
    """The DSN of the test's database for a role."""
    return Settings(database_url=database).url


@pytest.fixture(scope="session")
def postgres_server(servers_dir: Path) -> Iterator[PostgresServer]:
    """One Postgres for all tests. Not durable: what it holds is worth nothing after them."""
    server = PostgresServer(servers_dir, fsync=False)
    run(server.start())
    yield server
    run(server.stop())


@pytest.fixture(scope="session")
def nats_server(servers_dir: Path) -> Iterator[NatsServer]:
    server = NatsServer(servers_dir)
    run(server.start())
    yield server
    run(server.stop())


@pytest.fixture(scope="session")
def migrated_template(postgres_server: PostgresServer) -> str:
    """The name of a database in the present schema, to copy."""
    _on_server(postgres_server, f"CREATE DATABASE {TEMPLATE}")
    template = postgres_server.dsn_for(TEMPLATE)
    migrate(template)
    let_in(template, Settings(database_url=template).role_passwords())
    return TEMPLATE


@pytest.fixture
def database(postgres_server: PostgresServer, migrated_template: str) -> Iterator[str]:
    """The DSN of a fresh, migrated database. All such databases share one log id: they are copies."""
    with _copied(postgres_server, migrated_template) as copy:
        yield copy


@pytest.fixture(scope="module")
def modules_database(postgres_server: PostgresServer, migrated_template: str) -> Iterator[str]:
    """As `database`, one for all tests of a module."""
    with _copied(postgres_server, migrated_template) as copy:
        yield copy


@contextmanager
def _copied(server: PostgresServer, template: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    # by way of the log, as is the default, it takes 15 times as long
    _on_server(server, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    yield server.dsn_for(name)
    _on_server(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty_database(postgres_server: PostgresServer) -> Iterator[str]:
    """The DSN of a fresh database with nothing in it."""
    name = f"test_{next(_numbers)}"
    _on_server(postgres_server, f"CREATE DATABASE {name}")
    yield postgres_server.dsn_for(name)
    _on_server(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def nats_url(nats_server: NatsServer) -> Iterator[str]:
    """The URL of a NATS without any stream."""
    yield nats_server.url
    run(_delete_streams(nats_server.url))


async def _delete_streams(url: str) -> None:
    connection = await nats.connect(url)
    jetstream = connection.jetstream()
    for stream in await jetstream.streams_info():
        await jetstream.delete_stream(stream.config.name)
    await connection.close()


def _on_server(server: PostgresServer, statement: str) -> None:
    with psycopg.connect(server.dsn_for("postgres"), autocommit=True) as connection:
        connection.execute(statement)

"""Is the log append-only by the database itself, and is its schema what the migrations and the code say?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.rows import TupleRow

from eventstore.log import StoredEvent
from eventstore.postgres import PostgresLog
from eventstore.schema import MigrationChanged, migrate, migrations
from tests.contract.appends import an_append, appended, to_stream, whole

CHANGES = (
    "UPDATE events SET data = 'x'",
    "UPDATE events SET position = position + 100",
    "DELETE FROM events",
    "DELETE FROM events WHERE position = 1",
    "TRUNCATE events",
    "INSERT INTO events SELECT * FROM events ON CONFLICT (position) DO UPDATE SET data = 'x'",
    "MERGE INTO events USING (SELECT 1) AS one ON position = 1 WHEN MATCHED THEN DELETE",
)


@pytest.fixture
def connection(database: str) -> Iterator[psycopg.Connection[TupleRow]]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize("role", ["origin", "replica", "local"])
async def test_what_is_written_stays(
    database: str, connection: psycopg.Connection[TupleRow], role: str
) -> None:
    async with await PostgresLog.connect(database) as log:
        await appended(log, an_append(to_stream("order-1", 0, 3)))
        before = await whole(log)
        connection.execute(f"SET session_replication_role = {role}".encode())
        for change in CHANGES:
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
                connection.execute(change.encode())
        assert await whole(log) == before


def test_the_columns_are_the_fields(connection: psycopg.Connection[TupleRow]) -> None:
    columns = connection.execute(
        "SELECT column_name FROM information_schema.columns"
        " WHERE table_name = 'events' ORDER BY ordinal_position"
    )
    assert tuple(name for (name,) in columns) == StoredEvent._fields


async def test_people_can_read_it_in_sql(database: str, connection: psycopg.Connection[TupleRow]) -> None:
    async with await PostgresLog.connect(database) as log:
        await appended(log, an_append(to_stream("order-1")))
    found = connection.execute("SELECT data ->> 'quantity', metadata ->> 'actor' FROM events_readable")
    assert found.fetchall() == [("1", "test")]


def test_migrating_twice_changes_nothing(empty_database: str) -> None:
    assert migrate(empty_database) == [name for name, _ in migrations()]
    identity = _identity(empty_database)
    assert migrate(empty_database) == []
    assert _identity(empty_database) == identity


async def test_two_may_migrate_at_once(empty_database: str) -> None:
    run = await asyncio.gather(*(asyncio.to_thread(migrate, empty_database) for _ in range(3)))
    assert sorted(map(len, run)) == [0, 0, len(migrations())]
    assert _identity(empty_database)[1] == 1


def test_a_migration_that_changed_is_refused(database: str, connection: psycopg.Connection[TupleRow]) -> None:
    connection.execute("UPDATE migrations SET sha256 = 'other' WHERE name = '0001_log.sql'")
    with pytest.raises(MigrationChanged, match=r"0001_log\.sql"):
        migrate(database)


def test_a_migration_that_fails_leaves_nothing(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = [*migrations(), ("9999_broken.sql", "CREATE TABLE half (); SELECT no_such_function()")]
    monkeypatch.setattr("eventstore.schema.migrations", lambda: broken)
    with pytest.raises(psycopg.errors.UndefinedFunction):
        migrate(empty_database)
    with psycopg.connect(empty_database) as connection:
        found = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert found == (0,)


def _identity(database: str) -> TupleRow:
    with psycopg.connect(database) as connection:
        found = connection.execute("SELECT log_id, epoch FROM log").fetchone()
    assert found is not None
    return found

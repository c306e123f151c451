"""Whose turn is it to append? Nobody's who may not; and what else can a reader of the database hold up?"""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from eventstore.log import Append, NewEvent, StreamAppend
from eventstore.postgres import PostgresLog
from eventstore.roles import ROLES, Role
from eventstore.schema import migrate
from services.settings import Settings
from tests.contract.appends import IDS, MOMENT, an_append, appended, to_stream

AsRole = Callable[[Role], str]
APPEND = "SELECT head_after FROM append_batch(1, now(), '{}', '{}', '{}')"
TAKEN = (
    "LOCK TABLE append_turn IN ACCESS SHARE MODE",
    "LOCK TABLE append_turn IN EXCLUSIVE MODE",
    "SELECT FROM append_turn",
    "INSERT INTO append_turn DEFAULT VALUES",
    "DROP TABLE append_turn",
)
HELD_UP = (
    "SELECT pg_advisory_lock(7246171, 1)",
    "SELECT pg_advisory_lock_shared(1)",
    "SELECT pg_try_advisory_lock(1)",
    "SELECT pg_advisory_xact_lock(7246170)",
    "SELECT pg_advisory_unlock_all()",
    "SELECT lo_create(0)",
    "SELECT lo_creat(-1)",
    "SELECT lo_from_bytea(0, 'x')",
    "SELECT lowrite(0, 'x')",
    "CREATE TEMP TABLE mine (n integer)",
)


@pytest.mark.parametrize("role", ROLES)
def test_nobody_takes_the_turn_but_by_appending(as_role: AsRole, role: Role) -> None:
    with psycopg.connect(as_role(role), autocommit=True) as connection:
        for statement in TAKEN:
            with pytest.raises(InsufficientPrivilege), connection.transaction():
                connection.execute(statement.encode())


def test_an_advisory_lock_keeps_nobody_from_appending(database: str, as_role: AsRole) -> None:
    with (
        psycopg.connect(database, autocommit=True) as holder,
        psycopg.connect(as_role("write"), autocommit=True) as appender,
    ):
        holder.execute("SELECT pg_advisory_lock(7246171, 'events'::regclass::oid::integer)")
        appender.execute("SET lock_timeout = '200ms'")
        assert appender.execute(APPEND).fetchone() == (0,)


def test_the_turn_is_kept_until_the_commit(database: str, as_role: AsRole) -> None:
    with (
        psycopg.connect(database, autocommit=True) as other,
        psycopg.connect(as_role("write")) as appender,
    ):
        appender.execute(APPEND)
        with pytest.raises(psycopg.errors.LockNotAvailable), other.transaction():
            other.execute("LOCK TABLE append_turn IN EXCLUSIVE MODE NOWAIT")
        appender.commit()
        with other.transaction():
            other.execute("LOCK TABLE append_turn IN EXCLUSIVE MODE NOWAIT")


@pytest.mark.parametrize("role", ["query", "access"])
def test_who_reads_holds_nothing_up(migrated_template: str, empty_database: str, role: Role) -> None:
    """In a database that was migrated itself: what anybody may do in it is not copied from a template."""
    migrate(empty_database)
    with psycopg.connect(Settings(database_url=empty_database).url(role), autocommit=True) as connection:
        for statement in HELD_UP:
            with pytest.raises(InsufficientPrivilege):
                connection.execute(statement.encode())


async def test_text_that_holds_nothing_of_jsonb_stays_readable(database: str) -> None:
    told = rb'{"reason":"\u0000no\u0000\u0000funds \\u0000 \\\u0000"}'
    event = NewEvent("PaymentDeclined", 1, told, IDS.new())
    async with await PostgresLog.connect(database) as log:
        await appended(log, an_append(to_stream("order-1")))
        stream = StreamAppend("payment-1", 0, (event,))
        await appended(log, Append(IDS.new(), "m1", "c", "c", MOMENT, (stream,), b"{}", b"", b""))
    with psycopg.connect(database) as connection:
        found = connection.execute("SELECT data FROM events_readable ORDER BY position").fetchall()
    assert [data for (data,) in found] == [
        {"quantity": 1},
        {"reason": "\ufffdno\ufffd\ufffdfunds \\u0000 \\\ufffd"},
    ]

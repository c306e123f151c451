"""Brings a database to the present schema: numbered migrations, each run once, all under one lock."""

from __future__ import annotations

from collections.abc import Collection
from hashlib import sha256
from importlib.resources import files

import psycopg

from eventstore.roles import NotPermitted
from eventstore.seams import Ids, RandomIds

_LOCK = 7246170
_HAS_TURN = (
    "SELECT FROM pg_class WHERE relname = 'append_turn' AND relnamespace = current_schema()::regnamespace"
)
_TAKE_TURN = "LOCK TABLE append_turn IN EXCLUSIVE MODE"
_TAKE_TURN_OF_LOG_ALONE = "SELECT pg_advisory_xact_lock(7246171, 'events'::regclass::oid::integer)"
"""A log that is made without what stands around it (`only`) has `append_batch` as it was first."""
_MINT = """
INSERT INTO log (log_id, epoch, system_identifier, timeline)
SELECT %(log_id)s, 1, control.system_identifier, checkpoint.timeline_id
FROM pg_control_system() AS control, pg_control_checkpoint() AS checkpoint
ON CONFLICT (only_row) DO UPDATE SET
    epoch = greatest(log.epoch + 1, extract(epoch FROM now() - timestamptz '2020-01-01 00:00Z')::integer),
    system_identifier = excluded.system_identifier,
    timeline = excluded.timeline, minted_at = now()
"""
"""A new epoch is the seconds since 2020, and no small number: a back-up that is restored twice must not
begin again the epoch that it began the first time."""


class MigrationChanged(Exception):
    """A migration that was run before reads differently now; add a new one instead."""


def migrations() -> list[tuple[str, str]]:
    """(name, SQL) of all migrations, in order."""
    folder = files("eventstore") / "migrations"
    found = [each for each in folder.iterdir() if each.name.endswith(".sql")]
    return [(each.name, each.read_text()) for each in sorted(found, key=lambda each: each.name)]


def read_epoch(database_url: str) -> int:
    """The epoch of the log in a database that is migrated."""
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT epoch FROM log").fetchone()
    assert row is not None
    return int(row[0])


def migrate(
    database_url: str, *, new_epoch: bool = False, ids: Ids | None = None, only: Collection[str] = ()
) -> list[str]:
    """Run what was not run yet; the names of what was run. `new_epoch` mints one (after a restore).

    `only` names the migrations to run; none: all. Raises NotPermitted where who runs it may do too little.
    """
    ids = ids or RandomIds()
    run: list[str] = []
    with psycopg.connect(database_url, autocommit=True) as connection, connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY, sha256 text NOT NULL,"
            " run_at timestamptz NOT NULL DEFAULT now())"
        )
        known: dict[str, str] = dict(connection.execute("SELECT name, sha256 FROM migrations").fetchall())
        for name, sql in migrations():
            digest = sha256(sql.encode()).hexdigest()
            if known.get(name, digest) != digest:
                raise MigrationChanged(f"{name} was changed after it was run on this database")
            if name not in known and (not only or name in only):
                try:
                    connection.execute(sql.encode())
                except psycopg.errors.InsufficientPrivilege as refused:
                    raise NotPermitted(f"{name}: {refused.diag.message_primary}") from refused
                connection.execute("INSERT INTO migrations VALUES (%s, %s)", (name, digest))
                run.append(name)
        empty = connection.execute("SELECT FROM log").fetchone() is None
        if empty or new_epoch:
            # no append of the epoch before may come to its end after this
            whole = connection.execute(_HAS_TURN).fetchone() is not None
            connection.execute(_TAKE_TURN if whole else _TAKE_TURN_OF_LOG_ALONE)
            connection.execute(_MINT, {"log_id": ids.new()})
    return run

"""Where does an application's persistence stand? In a schema of its own, with what its recorders need."""

from __future__ import annotations

import re

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from eventstore.plugin.application import ApplicationRecorder
from eventstore.plugin.recorder import Recorder
from eventstore.schema import migrate

LOG_MIGRATION = "0001_log.sql"
APPLICATION_NAME_MAX = 56  # of the 63 bytes of a name in Postgres
_LOCK = 7246173
"""Applications that start at once make their tables one after the other: IF NOT EXISTS alone may fail."""


def schema_of(application: str) -> str:
    """The schema of an application. Raises OSError for a name that is too long."""
    plain = re.sub(r"[^a-z0-9_]", "_", application.lower()) or "stored"
    if len(plain) > APPLICATION_NAME_MAX:
        raise OSError(f"the application's name {application!r} is too long for a schema's")
    return f"{plain}_events"


def in_schema(database_url: str, schema: str) -> str:
    """The URL of the same database, whose unqualified names are those of this schema."""
    options = conninfo_to_dict(database_url).get("options") or ""
    return make_conninfo(database_url, options=f"{options} -c search_path={schema}")


def create_tables(database_url: str, schema: str, kind: type[Recorder]) -> None:
    """Make what recorders of this class need and is not there: the log, and all `tables` of its bases."""
    url = in_schema(database_url, schema)
    _run_alone(url, sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)).as_string())
    if issubclass(kind, ApplicationRecorder):
        migrate(url, only=(LOG_MIGRATION,))
    _run_alone(url, *(each.__dict__.get("tables", "") for each in reversed(kind.__mro__)))


def _run_alone(database_url: str, *statements: str) -> None:
    """Run what is not empty, in one transaction that nobody else runs at the time."""
    with psycopg.connect(database_url) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        for each in filter(None, statements):
            connection.execute(each.encode())

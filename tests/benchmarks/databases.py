"""Where do the benchmarks keep what they measure? In databases of a server that they start themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from eventstore.schema import migrate
from services.embedded import PostgresServer


@asynccontextmanager
async def serving(directory: Path) -> AsyncIterator[PostgresServer]:
    """An embedded Postgres as the system runs it, fsync on, stopped at the end."""
    server = PostgresServer(directory)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def make_database(server: PostgresServer, name: str, *, migrated: bool = True) -> str:
    """The DSN of a new database, with a log in it if `migrated`."""
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    if migrated:
        migrate(server.dsn_for(name))
    return server.dsn_for(name)

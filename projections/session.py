"""What does moving read models ask of the database? On Postgres, a connection; the simulation has its twin.

A page is many statements in one transaction, so `eventstore/statements.py` is not enough: what stands in
`projector.sql` is asked for by name, and so are the statements that merge the rows of a read model.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NamedTuple, Protocol

import psycopg

from eventstore.statements import Database, PostgresDatabase, Rows
from projections.columns import take_columns
from projections.generations import Connection, drop_others, make_missing, run, sole_builder, sql_of
from projections.read_model import ReadModel, statement

MOVED = "TR001"
"""The SQLSTATE of a page that is not its worker's to move."""


class Call(NamedTuple):
    """A statement of `projector.sql`; or of the `.sql` of a read model, for that generation of its tables."""

    name: str
    arguments: Mapping[str, Any]
    model: str = ""
    generation: int | str = 0


class Session(Protocol):
    """A connection of one projector. Whatever it does raises psycopg.Error."""

    async def make_ready(self, models: Iterable[ReadModel]) -> None:
        """Have a live generation of each read model, and no others that nobody builds."""

    async def run(self, name: str, **arguments: Any) -> Rows:
        """The rows of a statement of `projector.sql`, a transaction of its own; none if it has no result."""

    async def write(self, calls: Sequence[Call]) -> None:
        """All of these in one transaction and one round trip; after an error nothing has changed.

        The first, `begin_page`, is an error with the SQLSTATE `MOVED` if others move what it names.
        """


class ReadModelDatabase(Database, Protocol):
    """Where read models are, and all who move them."""

    def session(self) -> AbstractAsyncContextManager[Session]:
        """A connection of one's own."""


class PostgresReadModels(PostgresDatabase):
    """See `ReadModelDatabase`."""

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        async with self._pool.connection() as connection:
            yield PostgresSession(connection)


class PostgresSession:
    """See `Session`; on a connection in autocommit mode."""

    def __init__(self, connection: Connection) -> None:
        take_columns(connection)
        self._connection = connection

    async def make_ready(self, models: Iterable[ReadModel]) -> None:
        models = tuple(models)
        await make_missing(self._connection, models)
        for model in models:
            async with sole_builder(self._connection, model.name) as alone:
                if alone:  # else a rebuild is running, which clears up by itself
                    await drop_others(self._connection, model)

    async def run(self, name: str, **arguments: Any) -> Rows:
        return await run(self._connection, name, **arguments)

    async def write(self, calls: Sequence[Call]) -> None:
        connection = self._connection
        try:
            async with connection.pipeline():
                await connection.execute(b"BEGIN")
                await self.execute(calls)
                await connection.execute(b"COMMIT")
        except psycopg.Error:
            if not connection.closed:
                await connection.rollback()
            raise
        except BaseException:
            # cancelled where the server waits for more of it: what the page has locked would stay so
            await connection.close()
            raise

    async def execute(self, calls: Iterable[Call]) -> None:
        """In whatever transaction is open."""
        for name, arguments, model, generation in calls:
            sql = statement(model, name, generation) if model else sql_of(name)
            await self._connection.execute(sql, arguments, prepare=True)

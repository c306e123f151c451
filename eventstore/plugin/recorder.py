"""What has each recorder? A pool of connections to its schema, and the tables that its class names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Literal
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from eventstore.connections import read_parameters
from eventstore.plugin.errors import library_errors
from eventstore.queries import load_queries

IdType = Literal["uuid", "text"]
VERSION_MAX = (1 << 63) - 1
QUERIES = load_queries("eventstore", "plugin.sql")


class Recorder:
    """`close` it after use."""

    tables: ClassVar[str] = ""
    """Statements that make what this class needs beside what its bases do, if it is not there yet."""

    def __init__(self, database_url: str, *, id_type: IdType = "uuid", pool_size: int = 5) -> None:
        self._database_url = database_url
        self._id_type = id_type
        self._pool = ConnectionPool(
            kwargs={"autocommit": True, **read_parameters(database_url)},
            min_size=0,
            max_size=pool_size,
            check=ConnectionPool.check_connection,
            open=True,
        )

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[TupleRow]]:
        """An autocommit connection in the schema; psycopg's errors are raised as the library's."""
        with library_errors(), self._pool.connection() as connection:
            yield connection

    def _fetch(self, sql: str, arguments: dict[str, Any]) -> list[TupleRow]:
        with self.connection() as connection:
            cursor = connection.execute(sql.encode(), arguments, prepare=True, binary=True)
            return cursor.fetchall() if cursor.description else []

    def _originator(self, text: str) -> UUID | str:
        return UUID(text) if self._id_type == "uuid" else text


def version_range(gt: int | None, lte: int | None, limit: int | None) -> dict[str, int | None]:
    """The arguments of a statement that selects versions, from those of the library."""
    return {
        "after": -VERSION_MAX if gt is None else gt,
        "until": VERSION_MAX if lte is None else lte,
        "limit": limit,
    }

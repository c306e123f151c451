"""Which of the library's errors is an error of ours, or of the database?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from eventsourcing.persistence import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    PersistenceError,
    ProgrammingError,
)
from psycopg_pool import PoolTimeout

from eventstore.log import EpochChanged, InvalidAppend, LogUnavailable

# The first that fits counts, so the base classes come last.
_MEANINGS: tuple[tuple[type[Exception], type[PersistenceError]], ...] = (
    (InvalidAppend, DataError),
    (LogUnavailable, OperationalError),
    (EpochChanged, OperationalError),
    (PoolTimeout, OperationalError),
    (psycopg.OperationalError, OperationalError),
    (psycopg.DataError, DataError),
    (psycopg.IntegrityError, IntegrityError),
    (psycopg.InternalError, InternalError),
    (psycopg.ProgrammingError, ProgrammingError),
    (psycopg.NotSupportedError, NotSupportedError),
    (psycopg.DatabaseError, DatabaseError),
    (psycopg.InterfaceError, InterfaceError),
    (psycopg.Error, PersistenceError),
)


@contextmanager
def library_errors() -> Iterator[None]:
    """Raise the library's error classes for ours and psycopg's."""
    try:
        yield
    except Exception as error:
        for ours, theirs in _MEANINGS:
            if isinstance(error, ours):
                raise theirs(str(error)) from error
        raise

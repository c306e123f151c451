"""Is this the master key of this log? A check value is recorded at first, and compared ever after."""

from __future__ import annotations

import hmac
from typing import Any

from cryptography.exceptions import InvalidTag
from psycopg import AsyncConnection

from eventstore.keyring import unwrapped
from eventstore.queries import load_queries

_QUERIES = load_queries("eventstore", "keys.sql")


class WrongMasterKey(Exception):
    """The key is not the one that the log's personal data was sealed under, or it is gone."""


async def is_recorded(connection: AsyncConnection[Any]) -> bool:
    """Whether the log is bound to a master key: then a new one must not be made up."""
    cursor = await connection.execute("SELECT to_regclass('master_key') IS NOT NULL")
    row = await cursor.fetchone()
    if not row or not row[0]:
        return False
    recorded, wrapped = await _read(connection)
    return bool(recorded or wrapped)


async def prove(connection: AsyncConnection[Any], master_key: bytes) -> None:
    """Record it if it is the first of this log. Raises WrongMasterKey if another was before."""
    recorded, wrapped = await _read(connection)
    if recorded is None:
        if wrapped and not _opens(master_key, *wrapped):  # of a log older than its check value
            raise WrongMasterKey
        await connection.execute(_QUERIES.record_check_value.sql, {"check_value": check_value(master_key)})
        recorded, _ = await _read(connection)  # another process may have been first
    if not hmac.compare_digest(bytes(recorded or b""), check_value(master_key)):
        raise WrongMasterKey


def check_value(master_key: bytes) -> bytes:
    return hmac.digest(master_key, b"tillroll master key", "sha256")


async def _read(connection: AsyncConnection[Any]) -> tuple[bytes | None, list[bytes] | None]:
    row = await (await connection.execute(_QUERIES.read_check_value.sql)).fetchone()
    assert row is not None
    return row[0], row[1]


def _opens(master_key: bytes, subject: bytes, wrapped: bytes) -> bool:
    try:
        unwrapped(master_key, subject.decode(), wrapped)
    except InvalidTag:
        return False
    return True

"""The master key of the log, from its file; another one than the log's is refused before it does harm."""

from __future__ import annotations

from typing import Any

import psycopg

from eventstore.master_key import WrongMasterKey, is_recorded, prove
from services.settings import Settings


class KeyRefused(Exception):
    """With this key personal data could not be read; nothing was done."""

    expected = True


async def master_key_of_log(settings: Settings, connection: psycopg.AsyncConnection[Any]) -> bytes:
    """The key in its file, which is made up for a log that has none yet. Raises KeyRefused."""
    path = settings.data_dir / settings.master_key_file
    if not path.exists() and await is_recorded(connection):
        raise KeyRefused(
            f"{path} is gone, and this log's personal data can't be read without it: put it back"
        )
    master_key = settings.master_key()
    try:
        await prove(connection, master_key)
    except WrongMasterKey:
        raise KeyRefused(f"{path} is not the key of this log: put it back") from None
    return master_key


async def prove_master_key(settings: Settings) -> None:
    """On a database that is migrated: have the log bound to the key, or raise KeyRefused."""
    assert settings.database_url
    async with await psycopg.AsyncConnection.connect(settings.database_url) as connection:
        await master_key_of_log(settings, connection)


async def refuse_wrong_master_key(settings: Settings) -> None:
    """On any database: KeyRefused if the log is bound to another key. No key is made up or recorded."""
    assert settings.database_url
    async with await psycopg.AsyncConnection.connect(settings.database_url) as connection:
        if await is_recorded(connection):
            await master_key_of_log(settings, connection)

"""Does every command refuse a master key that is not the log's, and does a fresh log remember its own?"""

from __future__ import annotations

import asyncio
from pathlib import Path

import psycopg
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from eventstore.keyring import Keyring, PostgresKeyStore
from eventstore.postgres import PostgresLog
from services.context import open_context
from services.master_key import KeyRefused, prove_master_key
from services.migrate_console import migrate_database
from services.settings import Settings


@pytest.fixture
def settings(database: str, nats_url: str, tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, database_url=database, nats_url=nats_url)


def key_file(settings: Settings) -> Path:
    return settings.data_dir / settings.master_key_file


async def refused_everywhere(settings: Settings, reason: str) -> None:
    with pytest.raises(KeyRefused, match=reason):
        await prove_master_key(settings)
    with pytest.raises(KeyRefused, match=reason):
        await migrate_database(settings, new_epoch=True, as_json=False)
    with pytest.raises(KeyRefused, match=reason):
        async with open_context(settings, "test", follow=False):
            pytest.fail("it was opened")


async def test_a_lost_key_is_not_made_up_anew(settings: Settings) -> None:
    await prove_master_key(settings)
    kept = key_file(settings).read_bytes()
    key_file(settings).unlink()
    await refused_everywhere(settings, "master.key is gone.*put it back")
    assert not key_file(settings).exists()
    key_file(settings).write_bytes(kept)
    async with open_context(settings, "test", follow=False):
        pass


async def test_another_key_is_refused(settings: Settings, tmp_path: Path) -> None:
    await prove_master_key(settings)
    other = settings.model_copy(update={"data_dir": tmp_path / "other"})
    other.master_key()
    await refused_everywhere(other, "master.key is not the key of this log: put it back")


async def test_of_two_first_keys_one_is_the_logs(settings: Settings, tmp_path: Path) -> None:
    each = [settings.model_copy(update={"data_dir": tmp_path / str(number)}) for number in range(4)]
    for one in each:
        one.master_key()
    outcomes = await asyncio.gather(*map(prove_master_key, each), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["KeyRefused"] * 3 + ["NoneType"]


async def test_a_log_from_before_is_bound_to_the_key_that_opens_its_data(
    settings: Settings, database: str, tmp_path: Path
) -> None:
    async with await PostgresLog.connect(database) as log:
        await Keyring(settings.master_key(), PostgresKeyStore(log.pool)).ensure(["somebody"])
    other = settings.model_copy(update={"data_dir": tmp_path / "other"})
    await refused_everywhere(other, "is gone")
    other.master_key()
    await refused_everywhere(other, "is not the key")
    await prove_master_key(settings)


async def test_the_check_value_is_no_key(settings: Settings, database: str) -> None:
    await prove_master_key(settings)
    with psycopg.connect(database) as connection:
        (value,) = connection.execute("SELECT check_value FROM master_key").fetchone() or (b"",)
    assert value
    assert value != settings.master_key()
    AESGCM(value)  # of a key's length, so the comparison above means something


async def test_migrate_makes_up_no_key(empty_database: str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, database_url=empty_database)
    await migrate_database(settings, new_epoch=False, as_json=False)
    assert not key_file(settings).exists()

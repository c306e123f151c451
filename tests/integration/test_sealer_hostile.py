"""What does the sealer do where the log, its own tables, or the directory outside is not what it left?"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege, UniqueViolation

from eventstore.checkpoints import LeaseLost, holding
from eventstore.roles import Role
from eventstore.schema import migrate
from eventstore.tasks import end_tasks
from services.audit import sealer as module
from services.audit.altered import LogAltered
from services.audit.directory import Unreadable
from services.audit.proofs import State, read_state
from tests.integration.sealed import Sealed, as_superuser, sealed
from tests.patience import HANGS

OTHER = "UPDATE events SET leaf_hash = sha256(leaf_hash) WHERE position = {}"
TILE_TOO = """UPDATE seal_tiles SET hashes = overlay(hashes PLACING
    (SELECT leaf_hash FROM events WHERE position = {0}) FROM {0} * 32 - 31) WHERE level = 0 AND number = 0"""


@pytest.fixture
async def log(database: str, tmp_path: Path) -> AsyncIterator[Sealed]:
    """700 events under two checkpoints."""
    async with sealed(database, tmp_path) as found:
        for count in (600, 100):
            await found.grow(count)
            await found.seal()
        yield found


async def state(log: Sealed) -> State:
    async with log.pool.connection() as connection:
        return await read_state(connection)


async def sizes(log: Sealed) -> list[int]:
    async with log.pool.connection() as connection:
        cursor = await connection.execute("SELECT size FROM seal_checkpoints ORDER BY epoch, size")
        return [size for (size,) in await cursor.fetchall()]


async def refused(log: Sealed) -> LogAltered:
    """Why another sealer does not begin."""
    with pytest.raises(LogAltered) as altered:
        await log.again().begin()
    return altered.value


# --- a new epoch ---


async def next_epoch(log: Sealed) -> None:
    """Begin one, with a sealer of it."""
    migrate(log.database, new_epoch=True)
    async with sealed(log.database, log.settings.data_dir):
        pass


async def seal_anew(log: Sealed, position: int) -> None:
    """An event is other, and all was sealed anew, which only who has the key can do."""
    await as_superuser(
        log.database, OTHER.format(position), "CREATE TABLE kept AS TABLE seal_checkpoints",
        "DELETE FROM seal_checkpoints", "DELETE FROM seal_tiles",
    )  # fmt: skip
    kept = log.directory.rename(log.directory.with_name("away"))
    again = log.again()
    await again.begin()
    await again.seal()
    kept.rename(log.directory)


async def forge_the_tree(log: Sealed, position: int) -> None:
    """An event is other, and the stored tree with its unsigned root is made to fit."""
    await seal_anew(log, position)
    await as_superuser(
        log.database,
        "UPDATE kept SET root = (SELECT root FROM seal_checkpoints WHERE size = 700) WHERE size = 700",
        "DELETE FROM seal_checkpoints",
        "INSERT INTO seal_checkpoints SELECT * FROM kept",
    )


async def test_a_new_epoch_does_not_sign_a_root_that_nobody_signed(log: Sealed) -> None:
    await forge_the_tree(log, 690)
    with pytest.raises(LogAltered, match="says something else"):
        await next_epoch(log)


async def test_nor_where_the_old_directory_was_taken_away(log: Sealed) -> None:
    await forge_the_tree(log, 690)
    shutil.rmtree(log.directory)
    with pytest.raises(LogAltered, match="says something else"):
        await next_epoch(log)


async def test_nor_an_altered_log_whose_checkpoints_are_gone(log: Sealed) -> None:
    await as_superuser(
        log.database, OTHER.format(5),
        *(f"DELETE FROM {table}" for table in ("seal_checkpoints", "seal_tiles", "seal_keys")),
    )  # fmt: skip
    with pytest.raises(LogAltered, match="knows of no checkpoint"):
        await next_epoch(log)


async def test_nor_what_another_key_signed_that_nothing_outside_vouches_for(log: Sealed) -> None:
    shutil.rmtree(log.directory)
    (log.settings.data_dir / log.settings.seal_key_file).unlink()
    with pytest.raises(LogAltered, match="nothing outside of the database vouches"):
        await next_epoch(log)


async def test_a_new_key_goes_on_where_the_old_directory_vouches_for_the_old_one(log: Sealed) -> None:
    (log.settings.data_dir / log.settings.seal_key_file).unlink()
    await next_epoch(log)
    assert await sizes(log) == [600, 700, 700]


async def test_a_log_that_is_restored_is_shorter_and_no_other(log: Sealed) -> None:
    await restore(log)
    await next_epoch(log)
    assert await sizes(log) == [600, 600]


async def test_a_log_that_is_restored_and_altered_is_refused(log: Sealed) -> None:
    await restore(log)
    await as_superuser(log.database, OTHER.format(590))
    with pytest.raises(LogAltered) as altered:
        await next_epoch(log)
    assert altered.value.position == 590


async def restore(log: Sealed) -> None:
    """As a back-up had it that was taken at 650 events."""
    await as_superuser(
        log.database, "DELETE FROM events WHERE position > 650",
        "DELETE FROM seal_checkpoints WHERE size > 600",
    )  # fmt: skip


# --- halts ---


async def test_a_halt_stays_whatever_the_clocks_say_and_its_position_gets_no_worse(log: Sealed) -> None:
    for position in (300, 7, 500):
        await log.sealer.halt(LogAltered(position, f"the event {position} is other"))
    await as_superuser(
        log.database, "UPDATE seal_checkpoints SET signed_at = now() + interval '1 day' WHERE size = 700"
    )
    halt = (await state(log)).halt
    assert halt
    assert (halt.position, halt.size) == (7, 700)


async def test_a_halt_ends_only_once_all_was_compared_again(log: Sealed) -> None:
    await as_superuser(
        log.database, "CREATE TABLE kept AS SELECT * FROM events WHERE position IN (20, 300)",
        OTHER.format(20), OTHER.format(300),
    )  # fmt: skip
    await log.sealer.halt(LogAltered(20, "the event 20 is other"))
    mend = """UPDATE events AS e SET leaf_hash = k.leaf_hash FROM kept AS k
              WHERE (e.position, k.position) = ({0}, {0})"""
    await as_superuser(log.database, mend.format(20))
    assert (await refused(log)).position == 300
    assert (await state(log)).halt
    await as_superuser(log.database, mend.format(300))
    await log.again().begin()
    assert (await state(log)).halt is None


async def test_a_halt_that_lasts_is_recorded_once(log: Sealed) -> None:
    for _ in range(3):
        await log.sealer.halt(LogAltered(3, "the event 3 is other"))
    async with log.pool.connection() as connection:
        rows = await (await connection.execute("SELECT size, position FROM seal_halts")).fetchall()
    assert rows == [(700, 3)]


# --- rows that are none ---


@pytest.mark.parametrize(
    ("statement", "position"),
    [
        ("UPDATE events SET leaf_hash = leaf_hash || '\\x00' WHERE position = 5", 5),
        ("UPDATE events SET leaf_hash = '' WHERE position = 300", 300),
        ("DELETE FROM events WHERE position = 77", 77),
        ("UPDATE events SET recorded_at = '-infinity' WHERE position = 12", 12),
        ("UPDATE events SET recorded_at = 'infinity' WHERE position = 702", 702),
        ("UPDATE events SET recorded_at = '-infinity' WHERE position = 701", 701),
        ("UPDATE events SET leaf_hash = '\\x01' WHERE position = 703", 703),
        ("DELETE FROM events WHERE position = 702", 702),
        ("UPDATE events SET position = 0 WHERE position = 705", 0),
        ("UPDATE events SET position = -9 WHERE position = 705", -9),
    ],
)
async def test_a_row_that_is_none_is_placed(log: Sealed, statement: str, position: int) -> None:
    await log.grow(5)
    await as_superuser(log.database, statement)
    with pytest.raises(LogAltered) as altered:
        await turns(log)
    assert altered.value.position == position
    assert (await state(log)).uncovered_s >= 0


async def turns(log: Sealed) -> None:
    await log.sealer.seal()
    for _ in range(3):
        await log.sealer.patrol()


# --- the tree in the database ---


async def test_the_patrol_believes_no_tile_that_does_not_lead_to_the_root(log: Sealed) -> None:
    await as_superuser(log.database, OTHER.format(5), TILE_TOO.format(5))
    with pytest.raises(LogAltered, match="the events 1 to 256 is not the one that was signed") as altered:
        await turns(log)
    assert altered.value.position == 1


async def test_a_tile_that_was_put_there_before_its_time_is_no_loop(
    log: Sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SEAL_SECONDS", 0.01)
    monkeypatch.setattr(module, "HALT_SECONDS", 0.05)
    running = asyncio.create_task(log.again().run())
    await asyncio.sleep(0.1)
    await as_superuser(
        log.database, "INSERT INTO seal_tiles SELECT 0, 2, root, hashes FROM seal_tiles WHERE number = 1"
    )
    await log.grow(100)
    async with asyncio.timeout(HANGS):
        while not (halt := (await state(log)).halt):
            await asyncio.sleep(0.02)
    await end_tasks(running)
    assert (halt.position, halt.size) == (513, 700)
    assert "nobody signed" in halt.reason


# --- two at once ---


async def test_of_two_futures_the_database_takes_one(log: Sealed) -> None:
    one, other = log.again(), log.again()
    await one.begin()
    await other.begin()
    await log.grow(5)
    await one.seal()
    await as_superuser(log.database, OTHER.format(703))
    await log.grow(1)
    with pytest.raises(UniqueViolation):
        await other.seal()
    assert await sizes(log) == [600, 700, 705]
    assert (await refused(log)).position == 513  # of the last tile, which is copied out nowhere


async def test_who_has_lost_the_lease_signs_nothing(log: Sealed) -> None:
    await log.grow(5)
    async with holding(log.log.database, module.FOLLOWER) as place:
        sealing = log.again()
        sealing._place = place
        await sealing.begin()
        await as_superuser(log.database, "UPDATE checkpoints SET lease = lease + 1 WHERE follower = 'sealer'")
        with pytest.raises(LeaseLost):
            await sealing.seal()
    assert await sizes(log) == [600, 700]


# --- the directory outside ---


async def test_a_directory_that_was_never_written_is_empty_and_one_that_cannot_be_read_is_not(
    log: Sealed,
) -> None:
    note = log.directory / "checkpoint"
    kept = note.read_bytes()
    for spoil in (spoiled_by_text, spoiled_by_folder, spoiled_by_another_key):
        spoil(note)
        with pytest.raises(Unreadable, match="Put the directory back as it was"):
            await log.again().begin()
        with pytest.raises(Unreadable):
            await log.copies.copy()
        shutil.rmtree(note) if note.is_dir() else note.unlink()
        note.write_bytes(kept)
    shutil.rmtree(log.directory)
    await log.again().begin()


def spoiled_by_text(note: Path) -> None:
    note.write_text("no note")


def spoiled_by_folder(note: Path) -> None:
    note.unlink()
    note.mkdir()


def spoiled_by_another_key(note: Path) -> None:
    text = note.read_text()
    note.write_text(text.replace("tillroll", "another"))


async def test_what_the_directory_contradicts_is_placed_by_its_tiles(log: Sealed) -> None:
    await seal_anew(log, 300)
    assert (await refused(log)).position == 300
    migrate(log.database, new_epoch=True)
    with pytest.raises(LogAltered) as altered:
        async with sealed(log.database, log.settings.data_dir):
            pass
    assert altered.value.position == 300


async def test_nobody_empties_what_was_sealed(log: Sealed, as_role: Callable[[Role], str]) -> None:
    tables = ("seal_tiles", "seal_checkpoints", "seal_keys", "seal_cosignatures", "seal_halts")
    async with await psycopg.AsyncConnection.connect(log.database, autocommit=True) as connection:
        for table in tables:
            with pytest.raises(InsufficientPrivilege, match="append-only"):
                await connection.execute(f"TRUNCATE {table} CASCADE".encode())

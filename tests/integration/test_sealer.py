"""Does the sealer sign what the log holds, take up where it stopped, and halt where the log was altered?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from eventstore.merkle import HASH_BYTES, hashes_in, root_of, verify_consistency, verify_inclusion
from eventstore.roles import Role
from eventstore.schema import migrate
from eventstore.tasks import end_tasks
from services.audit import sealer as module
from services.audit.notes import Checkpoint, Note
from services.audit.outside import NotCopied
from services.audit.proofs import consistency, inclusion
from services.audit.sealer import KeyRefused, LogAltered, signer_of
from services.audit.tiles import fetch, read_tiles, tile_path
from services.audit.tree import TILE
from tests.integration.sealed import Sealed, as_superuser, sealed
from tests.patience import HANGS

TABLES = ("seal_tiles", "seal_checkpoints", "seal_keys", "seal_cosignatures", "seal_halts")


@pytest.fixture
async def log(database: str, tmp_path: Path) -> AsyncIterator[Sealed]:
    async with sealed(database, tmp_path) as found:
        yield found


async def checkpoints(log: Sealed) -> list[Checkpoint]:
    async with log.pool.connection() as connection:
        rows = await fetch(connection, "read_notes", after=0, epoch=log.log.identity.epoch, limit=1000)
    return [Note.parse(note).checkpoint(log.signer.key) for _, note in rows]


async def test_each_checkpoint_is_the_root_of_the_log_as_it_was(log: Sealed) -> None:
    sizes = []
    for count in (1, 2, 252, 1, 1, 600, 3000, 77):
        await log.grow(count)
        sizes.append(await log.seal())
    leaves = [event.leaf_hash for event in await log.events()]
    found = await checkpoints(log)
    assert [each.size for each in found] == sizes
    assert [each.root for each in found] == [root_of(leaves[:size]) for size in sizes]
    assert log.note().checkpoint(log.signer.key) == found[-1]


async def test_where_nothing_came_nothing_is_signed(log: Sealed) -> None:
    await log.seal()
    await log.grow(3)
    await log.seal()
    await log.seal()
    assert [each.size for each in await checkpoints(log)] == [3]


async def test_pages_are_sealed_one_after_the_other(log: Sealed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE", 300)
    await log.grow(1000)
    assert await log.sealer.seal()
    assert await log.seal() == 1000
    leaves = [event.leaf_hash for event in await log.events()]
    assert [each.size for each in await checkpoints(log)] == [300, 600, 900, 1000]
    assert (await checkpoints(log))[-1].root == root_of(leaves)


async def test_it_takes_up_where_another_one_stopped(log: Sealed) -> None:
    for count in (1, 255, 10, 600):
        await log.grow(count)
        again = log.again()
        await again.begin()
        await again.seal()
    leaves = [event.leaf_hash for event in await log.events()]
    assert [each.root for each in await checkpoints(log)] == [
        root_of(leaves[:size]) for size in (1, 256, 266, 866)
    ]


async def test_the_directory_is_a_tiled_log(log: Sealed) -> None:
    await log.grow(700)
    await log.seal()
    await log.grow(80)
    await log.seal()
    leaves = [event.leaf_hash for event in await log.events()]
    tiles = log.directory / "tile"
    for number in range(3):
        kept = (tiles / tile_path(0, number)).read_bytes()
        assert hashes_in(kept) == leaves[number * TILE : (number + 1) * TILE]
    assert hashes_in((tiles / "0/003.p/12").read_bytes()) == leaves[768:780]
    roots = [root_of(leaves[number * TILE : (number + 1) * TILE]) for number in range(3)]
    assert hashes_in((tiles / "1/000.p/3").read_bytes()) == roots
    assert not (tiles / "0/002.p").exists(), "the full tile stands for its partial ones"
    assert (log.directory / "checkpoints").read_text().count(log.signer.key.name) == 4
    assert (log.directory / "key").read_text() == f"{log.signer.key}\n"


async def test_a_directory_that_was_lost_is_filled_again(log: Sealed) -> None:
    await log.grow(300)
    await log.seal()
    kept = files(log)
    for path in kept:
        path.unlink()
    await log.copies.copy()
    assert files(log) == kept


async def test_a_tile_that_was_lost_is_put_back(log: Sealed) -> None:
    await log.grow(700)
    await log.seal()
    kept = files(log)
    (log.directory / "tile/0/001").unlink()
    async with sealed(log.database, log.settings.data_dir) as again:
        await again.copies.copy()
        assert files(again) == kept


async def test_an_altered_log_does_not_reach_the_evidence_against_it(log: Sealed) -> None:
    await log.grow(300)
    await log.sealer.seal()
    log.forget()
    await as_superuser(log.database, "UPDATE events SET leaf_hash = sha256(leaf_hash) WHERE position = 290")
    with pytest.raises(NotCopied, match="not the one that was signed"):
        await log.copies.copy()
    assert files(log) == {}


async def test_what_was_signed_is_copied_whatever_the_database_says_by_then(log: Sealed) -> None:
    await log.grow(300)
    leaves = b"".join(event.leaf_hash for event in await log.events())
    await log.sealer.seal()
    await as_superuser(
        log.database,
        "UPDATE events SET leaf_hash = sha256(leaf_hash)",
        "UPDATE seal_tiles SET hashes = sha256(hashes) || substr(hashes, 33)",
    )
    assert await log.copies.copy()
    assert (log.directory / "tile/0/000").read_bytes() == leaves[: 256 * HASH_BYTES]


def files(log: Sealed) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in log.directory.rglob("*") if path.is_file()}


async def test_proofs_from_tiles_verify_at_every_checkpoint(log: Sealed) -> None:
    for count in (3, 300, 1000):
        await log.grow(count)
        await log.seal()
    leaves = [event.leaf_hash for event in await log.events()]
    sizes = (3, 303, 1303)
    async with log.pool.connection() as connection:
        for size in sizes:
            for index in {0, 2, size // 2, size - 1}:
                leaf, proof = await inclusion(connection, index, size)
                assert leaf == leaves[index]
                verify_inclusion(index, size, leaf, proof, root_of(leaves[:size]))
        for first, second in ((3, 303), (3, 1303), (303, 1303), (303, 303)):
            proof = await consistency(connection, first, second)
            roots = root_of(leaves[:first]), root_of(leaves[:second])
            verify_consistency(first, second, *roots, proof)


@pytest.mark.parametrize(
    ("statement", "position"),
    [
        ("DELETE FROM events WHERE position = 300", 300),
        ("DELETE FROM events WHERE position > 290", 291),
        ("UPDATE events SET leaf_hash = sha256(leaf_hash) WHERE position = 297", 297),
        ("UPDATE events SET leaf_hash = '\\x00' WHERE position = 258", 258),
    ],
)
async def test_it_halts_at_once_where_the_newest_events_were_altered(
    log: Sealed, statement: str, position: int
) -> None:
    await log.grow(300)
    await log.seal()
    await as_superuser(log.database, statement)
    await log.grow(5) if "DELETE" not in statement else None
    with pytest.raises(LogAltered) as altered:
        await log.sealer.seal()
    assert altered.value.position == position
    assert len(await checkpoints(log)) == 1


async def test_its_patrol_comes_by_what_was_altered_long_ago(log: Sealed) -> None:
    await log.grow(2000, 4000)
    await log.seal()
    for _ in range(5):
        await log.sealer.patrol()
    await as_superuser(log.database, "UPDATE events SET leaf_hash = sha256(leaf_hash) WHERE position = 4321")
    with pytest.raises(LogAltered) as altered:
        await a_round(log)
    assert altered.value.position == 4321


async def a_round(log: Sealed) -> None:
    for _ in range(4):
        await log.sealer.patrol()


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM seal_tiles WHERE level = 0 AND number = 1",
        "UPDATE seal_tiles SET root = sha256(root) WHERE number = 0",
        "UPDATE seal_checkpoints SET root = sha256(root)",
        "UPDATE seal_checkpoints SET note = replace(note, '700', '699')",
        "DELETE FROM events WHERE position > 650",
        "UPDATE events SET leaf_hash = sha256(leaf_hash) WHERE position = 690",
        "DELETE FROM seal_checkpoints WHERE size = 700",
        "DELETE FROM seal_checkpoints",
    ],
)
async def test_it_does_not_begin_on_what_it_did_not_sign(log: Sealed, statement: str) -> None:
    await log.grow(600)
    await log.seal()
    await log.grow(100)
    await log.seal()
    await as_superuser(log.database, statement)
    with pytest.raises(LogAltered):
        await log.again().begin()


async def test_a_halt_is_recorded_and_ends_when_the_log_is_right_again(
    log: Sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HALT_SECONDS", 0.05)
    monkeypatch.setattr(module, "SEAL_SECONDS", 0.05)
    await log.grow(600)
    await log.seal()
    await as_superuser(
        log.database,
        "CREATE TABLE kept AS SELECT * FROM events WHERE position = 7",
        "UPDATE events SET leaf_hash = sha256(leaf_hash) WHERE position = 7",
    )
    running = asyncio.create_task(log.again().run())
    try:
        await until(lambda: halts(log))
        await log.grow(1)
        await asyncio.sleep(0.5)
        assert (await halts(log))[0][0] == 7
        assert [each.size for each in await checkpoints(log)] == [600]
        await as_superuser(
            log.database, "UPDATE events AS e SET leaf_hash = k.leaf_hash FROM kept AS k WHERE e.position = 7"
        )
        await log.grow(1)

        async def sealed_again() -> bool:
            return (await checkpoints(log))[-1].size == 602

        await until(sealed_again)
    finally:
        await end_tasks(running)


async def halts(log: Sealed) -> list[tuple[int, str]]:
    async with log.pool.connection() as connection:
        rows = await (await connection.execute("SELECT position, reason FROM seal_halts")).fetchall()
    return [(position, reason) for position, reason in rows]


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(HANGS):
        while not await condition():
            await asyncio.sleep(0.02)


async def test_a_new_epoch_is_another_log_that_begins_with_the_same_tree(log: Sealed, tmp_path: Path) -> None:
    await log.grow(300)
    await log.seal()
    migrate(log.database, new_epoch=True)
    async with sealed(log.database, tmp_path) as new:
        while await new.copies.copy():
            pass
        assert new.directory != log.directory
        then, now = log.note().checkpoint(log.signer.key), new.note().checkpoint(new.signer.key)
        assert (then.size, then.root) == (now.size, now.root)
        assert then.origin != now.origin
        await new.grow(20)
        await new.seal()
        leaves = [event.leaf_hash for event in await new.events()]
        assert (await checkpoints(new))[-1].root == root_of(leaves)


async def test_two_sealers_at_once_do_no_harm(log: Sealed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEAL_SECONDS", 0.01)
    running = [asyncio.create_task(log.again().run()) for _ in range(3)]
    for count in (1, 300, 7, 20, 600) * 2:
        await log.grow(count)
        await asyncio.sleep(0.05)

    async def all_sealed() -> bool:
        found = await checkpoints(log)
        return bool(found) and found[-1].size == 1856

    await until(all_sealed)
    assert not [each for each in running if each.done()]
    await end_tasks(*running)
    leaves = [event.leaf_hash for event in await log.events()]
    assert all(each.root == root_of(leaves[: each.size]) for each in await checkpoints(log))
    await log.again().begin()


async def test_another_key_does_not_sign_on(log: Sealed, tmp_path: Path) -> None:
    key = tmp_path / "secrets" / "seal.key"
    key.rename(tmp_path / "kept.key")
    with pytest.raises(KeyRefused, match="is gone"):
        await signer_of(log.settings, log.log.identity, log.pool)
    log.settings.seal_key()
    with pytest.raises(KeyRefused, match="is not the key"):
        await signer_of(log.settings, log.log.identity, log.pool)


@pytest.mark.parametrize("role", ["write", "project", "query", "audit", "seal"])
async def test_nobody_changes_what_was_sealed(
    log: Sealed, as_role: Callable[[Role], str], role: Role
) -> None:
    await log.grow(300)
    await log.seal()
    async with await psycopg.AsyncConnection.connect(as_role(role), autocommit=True) as connection:
        for table in TABLES:
            for statement in (f"UPDATE {table} SET epoch = 1", f"DELETE FROM {table}", f"TRUNCATE {table}"):
                with pytest.raises((InsufficientPrivilege, psycopg.errors.UndefinedColumn)):
                    await connection.execute(statement.encode())
        if role != "seal":
            with pytest.raises(InsufficientPrivilege):
                await connection.execute("INSERT INTO seal_keys VALUES (7, 'mine')")


async def test_the_sealer_sees_no_more_than_hashes(log: Sealed, as_role: Callable[[Role], str]) -> None:
    await log.grow(1)
    async with await psycopg.AsyncConnection.connect(as_role("seal"), autocommit=True) as connection:
        for column in ("data", "stream", "merchant", "metadata"):
            with pytest.raises(InsufficientPrivilege):
                await connection.execute(f"SELECT {column} FROM events".encode())


async def test_a_partial_tile_is_read_as_far_as_it_goes(log: Sealed) -> None:
    await log.grow(300)
    await log.seal()
    async with log.pool.connection() as connection:
        tiles = await read_tiles(connection, [(0, 0), (0, 1), (1, 0), (2, 0), (0, 9)])
    assert {key: len(hashes) for key, hashes in tiles.items()} == {
        (0, 0): 256, (0, 1): 44, (1, 0): 1, (2, 0): 0, (0, 9): 0,
    }  # fmt: skip

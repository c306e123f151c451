"""Does the directory outside hold what it should after a crash, a lost disk, or somebody's hand?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from nats.js.client import JetStreamContext

from eventstore.tasks import end_tasks
from services.audit import directory as module
from services.audit import outside
from services.audit.directory import Unreadable
from services.audit.notes import notes_in
from services.audit.outside import NotCopied
from services.audit.proofs import State, read_state
from services.audit.tree import Tile
from tests.integration.sealed import Sealed, as_superuser, copies_of, sealed
from tests.patience import HANGS


@pytest.fixture
async def log(database: str, tmp_path: Path) -> AsyncIterator[Sealed]:
    async with sealed(database, tmp_path) as found:
        yield found


async def state(log: Sealed) -> State:
    async with log.pool.connection() as connection:
        return await read_state(connection)


async def sealed_once_more(log: Sealed, *counts: int) -> list[int]:
    """The sizes in `checkpoints`, after each count was appended and sealed."""
    for count in counts:
        await log.grow(count)
        await log.seal()
    notes = notes_in((log.directory / "checkpoints").read_text())
    return [each.checkpoint(log.signer.key).size for each in notes]


async def test_a_torn_note_goes_wherever_it_was_torn(log: Sealed) -> None:
    assert await sealed_once_more(log, 1, 1) == [1, 2]
    path = log.directory / "checkpoints"
    content = path.read_bytes()
    sizes = [1, 2]
    for missing in range(1, len(content) // 2, 11):
        whole = path.read_bytes()
        path.write_bytes(whole[:-missing])
        sizes = [*sizes[:-1], *(sizes[-1:] if missing == 1 else []), sizes[-1] + 1]
        assert await sealed_once_more(log, 1) == sizes


async def test_the_file_of_checkpoints_is_bounded(log: Sealed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHECKPOINTS_BYTES_MAX", 500)
    monkeypatch.setattr(module, "CHECKPOINTS_FILES_MAX", 2)
    last = (await sealed_once_more(log, *[1] * 20))[-1]
    older = sorted(log.directory.glob("checkpoints.*"))
    assert len(older) == 2
    assert all(each.stat().st_size < 1000 for each in (*older, log.directory / "checkpoints"))
    found = [
        each.checkpoint(log.signer.key).size
        for path in (*older, log.directory / "checkpoints")
        for each in notes_in(path.read_text())
    ]
    assert found == list(range(found[0], last + 1))


async def test_a_crash_before_the_first_checkpoint_had_its_name_is_no_end(log: Sealed) -> None:
    await sealed_once_more(log, 5)
    (log.directory / "checkpoint").unlink()
    await log.again().begin()
    assert await sealed_once_more(log, 3) == [5, 8]


async def test_tiles_that_a_loss_of_power_cut_short_are_filled_in_again(log: Sealed) -> None:
    await sealed_once_more(log, 700)
    tiles = [log.directory / "tile" / "0" / name for name in ("000", "001")]
    before = [each.read_bytes() for each in tiles]
    tiles[0].write_bytes(before[0][:4096])
    tiles[1].unlink()
    await log.again().begin()
    log.forget()
    await sealed_once_more(log, 1)
    assert [each.read_bytes() for each in tiles] == before


async def test_a_tile_outside_that_differs_is_evidence_and_stays(log: Sealed) -> None:
    await log.grow(700)
    await log.sealer.seal()
    tile = log.directory / "tile/0/001"
    tile.parent.mkdir(parents=True)
    tile.write_bytes(bytes(8192))
    with pytest.raises(Unreadable, match="is not the tile that was signed"):
        await log.copies.copy()
    assert tile.read_bytes() == bytes(8192)
    assert not (log.directory / "checkpoint").exists()
    assert [each.name for each in tile.parent.iterdir() if each.name.startswith(".")] == []


async def test_what_a_killed_sealer_had_staged_goes_with_the_next(log: Sealed) -> None:
    await sealed_once_more(log, 700)
    left = [log.directory / "tile" / name for name in ("0/.002.1", "0/x001/.000.1", "1/.000.1")]
    for each in left:
        each.parent.mkdir(exist_ok=True)
        each.write_bytes(bytes(8192))
    tiles = sorted(log.directory.rglob("tile/0/0*"))
    await log.again().begin()
    log.forget()
    assert await sealed_once_more(log, 300) == [700, 1000]
    assert list(log.directory.rglob(".*")) == []
    assert set(tiles) <= {*log.directory.rglob("tile/0/0*"), log.directory / "tile/0/002.p"}


async def test_no_tile_has_its_name_before_its_root_was_checked(
    log: Sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    await log.grow(700)
    await log.sealer.seal()
    log.forget()
    await as_superuser(log.database, "UPDATE events SET leaf_hash = sha256(leaf_hash) WHERE position = 690")
    seen: list[str] = []
    stage = module.Directory.stage

    def look(self: module.Directory, tiles: list[Tile]) -> list[tuple[int, int]]:
        staged = stage(self, tiles)
        seen.extend(path.name for path in log.directory.rglob("*") if path.is_file())
        return staged

    monkeypatch.setattr(module.Directory, "stage", look)
    with pytest.raises(NotCopied):
        await log.copies.copy()
    assert len(seen) == 2
    assert all(name.startswith(".") for name in seen)


async def test_what_a_place_holds_does_not_depend_on_the_others(
    log: Sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NATS hangs, and somebody has spoiled the directory: the webhook has it all the same."""
    monkeypatch.setattr(outside, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(outside, "TELL_SECONDS", 0.2)
    posted: list[str] = []

    async def take(request: web.Request) -> web.Response:
        posted.append(await request.text())
        return web.Response(status=204)

    async def hangs() -> JetStreamContext:
        await asyncio.sleep(3600)
        raise AssertionError

    app = web.Application()
    app.router.add_post("/seals", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    copies = copies_of(
        log.settings,
        log.log,
        log.pool,
        log.signer,
        jetstream=hangs,
        bucket="b",
        webhook_url=f"http://{host}:{port}/seals",
    )
    log.directory.mkdir(parents=True)
    (log.directory / "checkpoint").write_text("spoiled")
    running = asyncio.create_task(copies.run())
    try:
        for count in (3, 400):
            await log.grow(count)
            await log.sealer.seal()
            assert (await state(log)).uncovered_events == count
            copies.wake()
            async with asyncio.timeout(HANGS):
                while (await state(log)).outside < log.sealer.size:
                    await asyncio.sleep(0.02)
        assert f"\n{log.sealer.size}\n" in posted[-1]
        assert (await state(log)).uncovered_events == 0
    finally:
        await end_tasks(running)
        await runner.cleanup()


async def test_what_is_signed_and_stands_nowhere_outside_is_not_covered(log: Sealed) -> None:
    await log.grow(5)
    await log.seal()
    await log.grow(7)
    await log.sealer.seal()
    await asyncio.sleep(0.2)
    found = await state(log)
    assert (found.size, found.outside, found.uncovered_events) == (12, 5, 7)
    assert found.uncovered_s >= 0.2

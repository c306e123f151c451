"""Where do checkpoints go, out of the reach of who may alter the database? To a directory, to NATS, to a
webhook.

The directory is a whole tiled log of C2SP (tlog-tiles), which any web server can serve to existing tools:

(one for each epoch of the log, as what follows a restore is another tree)

    checkpoint              the last one, replaced as a whole
    checkpoints             all of them, one after the other
    key                     the verifier key
    tile/0/x001/234         hash tiles, and 0/x001/234.p/17 partial ones

Copying never holds up the sealer: it comes after, takes up where the directory stands, and puts back what is
missing.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import aiohttp
import nats.errors
import structlog
from nats.js.api import KeyValueConfig
from nats.js.client import JetStreamContext
from nats.js.errors import Error as JetStreamError
from nats.js.errors import NotFoundError
from nats.js.kv import KeyValue

from eventstore.log import LogIdentity
from eventstore.statements import Pool
from eventstore.tasks import TaskGroup
from services.audit.notes import Note, VerifierKey, WrongNote
from services.audit.tiles import fetch, read_edge, read_tiles, tile_path
from services.audit.tree import TILE, Edge
from services.context import ProcessContext
from services.embedded.directory import sync_directory
from services.settings import Settings

NOTES = 1_000
TILES = 64
RETRY_SECONDS = 2.0
TELL_SECONDS = 5.0
KV_HISTORY = 64
AWAY = (nats.errors.Error, JetStreamError, aiohttp.ClientError, OSError, TimeoutError)
logger = structlog.get_logger()


class Directory:
    """A tiled log in files. What it lacks is written; what is there is not looked at again."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def last(self) -> Note | None:
        """Its checkpoint; None where there is none, or it is none."""
        with suppress(OSError, WrongNote, UnicodeDecodeError):
            return Note.parse((self._path / "checkpoint").read_text())
        return None

    def missing(self, since: int, size: int) -> Iterator[tuple[int, int]]:
        """Level and number of each full tile that is not there: of those that came since a size."""
        level = 0
        while size := size // TILE:
            since //= TILE
            for number in range(since, size):
                if not self._tile(level, number, TILE).exists():
                    yield level, number
            level += 1

    def put_tile(self, level: int, number: int, hashes: bytes) -> None:
        """A full tile; its partial ones go."""
        path = self._tile(level, number, TILE)
        _write(path, hashes)
        partial = path.with_name(f"{path.name}.p")
        if partial.is_dir():
            for each in partial.iterdir():
                each.unlink()
            partial.rmdir()

    def put_edge(self, edge: Edge) -> None:
        """The partial tiles of a tree."""
        for level, hashes in enumerate(edge.partial):
            if hashes:
                number = edge.size >> (8 * (level + 1))
                _write(self._tile(level, number, len(hashes)), b"".join(hashes))

    def put_notes(self, notes: Sequence[str], key: VerifierKey) -> None:
        """Checkpoints that are new, the last of which is the log's now."""
        self._path.mkdir(parents=True, exist_ok=True)
        with (self._path / "checkpoints").open("a") as file:
            file.writelines(f"{note}\n" for note in notes)
            file.flush()
            os.fsync(file.fileno())
        if not (self._path / "key").exists():
            _write(self._path / "key", f"{key}\n".encode())
        _write(self._path / "checkpoint", notes[-1].encode(), durable=True)

    def _tile(self, level: int, number: int, width: int) -> Path:
        return self._path / "tile" / tile_path(level, number, width)


def _write(path: Path, content: bytes, *, durable: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with partial.open("wb") as file:
        file.write(content)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    partial.replace(path)
    if durable:
        sync_directory(path.parent)


class Copies:
    """`run` copies each checkpoint out, once it was told by `wake`; what is away gets it later."""

    def __init__(
        self,
        pool: Pool,
        directory: Directory,
        key: VerifierKey,
        epoch: int,
        *,
        jetstream: Callable[[], Awaitable[JetStreamContext]] | None = None,
        bucket: str = "",
        webhook_url: str | None = None,
    ) -> None:
        self._pool = pool
        self._directory = directory
        self._key = key
        self._epoch = epoch
        self._jetstream = jetstream
        self._bucket = bucket
        self._webhook_url = webhook_url
        self._kv: KeyValue | None = None
        self._new = asyncio.Event()
        self._filled = 0
        self._latest = ""
        self._told = asyncio.Event()

    async def last(self) -> Note | None:
        """The checkpoint that the directory holds."""
        return await asyncio.to_thread(self._directory.last)

    def wake(self) -> None:
        """There is a new one."""
        self._new.set()

    async def run(self) -> None:
        self._new.set()
        async with TaskGroup() as tasks:
            tasks.create_task(self._fill_directory())
            tasks.create_task(self._tell())

    async def _fill_directory(self) -> None:
        while True:
            await self._new.wait()
            self._new.clear()
            try:
                while await self.copy():
                    pass
            except OSError as error:
                logger.warning("checkpoint_not_copied", error=str(error))
                await asyncio.sleep(RETRY_SECONDS)
                self._new.set()

    async def copy(self) -> bool:
        """Bring the directory up to some further checkpoints; False where it has them all."""
        after = self._known(await self.last())
        async with self._pool.connection() as connection:
            rows = await fetch(connection, "read_notes", after=after, epoch=self._epoch, limit=NOTES)
            if not rows:
                return False
            size, latest = rows[-1]
            since = self._filled if after else 0
            missing = await asyncio.to_thread(lambda: list(self._directory.missing(since, size)))
            for start in range(0, len(missing), TILES):
                tiles = await read_tiles(connection, missing[start : start + TILES])
                await asyncio.to_thread(self._put_tiles, tiles)
            edge = await read_edge(connection, size)
        await asyncio.to_thread(self._directory.put_edge, edge)
        await asyncio.to_thread(self._directory.put_notes, [note for _, note in rows], self._key)
        self._filled, self._latest = size, latest
        self._told.set()
        return True

    def _known(self, last: Note | None) -> int:
        try:
            return last.checkpoint(self._key).size if last else 0
        except WrongNote:
            return 0

    def _put_tiles(self, tiles: dict[tuple[int, int], list[bytes]]) -> None:
        for (level, number), hashes in tiles.items():
            self._directory.put_tile(level, number, b"".join(hashes))

    async def _tell(self) -> None:
        """The latest one to NATS and to the webhook; those in between are not missed, as each covers all
        before."""
        while True:
            await self._told.wait()
            self._told.clear()
            try:
                await self.tell(self._latest)
            except AWAY as error:
                logger.warning("checkpoint_not_told", error=str(error) or type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)
                self._told.set()

    async def tell(self, note: str) -> None:
        """Raises one of AWAY."""
        if self._jetstream:
            async with asyncio.timeout(TELL_SECONDS):
                self._kv = self._kv or await _bucket(await self._jetstream(), self._bucket)
                await self._kv.put("checkpoint", note.encode())
        if self._webhook_url:
            patience = aiohttp.ClientTimeout(total=TELL_SECONDS)
            headers = {"Content-Type": "text/plain; charset=utf-8"}
            async with (
                aiohttp.ClientSession(timeout=patience, raise_for_status=True) as http,
                http.post(self._webhook_url, data=note.encode(), headers=headers, allow_redirects=False),
            ):
                pass


async def _bucket(jetstream: JetStreamContext, name: str) -> KeyValue:
    try:
        return await jetstream.key_value(name)
    except NotFoundError:
        return await jetstream.create_key_value(KeyValueConfig(bucket=name, history=KV_HISTORY))


def bucket_of(origin: str) -> str:
    """The name of the key-value bucket for a log's checkpoints, which has the characters that NATS allows."""
    return "tillroll_seals_" + "".join(each if each.isalnum() and each.isascii() else "_" for each in origin)


def directory_of(settings: Settings, identity: LogIdentity) -> Path:
    """Where the checkpoints of an epoch are copied to."""
    return settings.data_dir / settings.seal_directory / identity.name


def open_copies(context: ProcessContext, pool: Pool, key: VerifierKey) -> Copies:
    """The copies that the settings ask for."""
    settings, identity = context.settings, context.log.identity
    return Copies(
        pool,
        Directory(directory_of(settings, identity)),
        key,
        identity.epoch,
        jetstream=context.bus.jetstream if settings.seal_kv else None,
        bucket=bucket_of(key.name),
        webhook_url=settings.seal_webhook_url,
    )

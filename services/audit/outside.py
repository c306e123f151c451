"""Where do checkpoints go, out of the reach of who may alter the database? To files, to NATS, to a webhook.

Copying never holds up the sealer: it comes after, takes up where the directory stands, and puts back what is
missing. Nothing is copied but what leads to a root that was signed: an altered log shall not reach the
evidence against it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
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
from eventstore.merkle import HASH_BYTES
from eventstore.statements import Pool
from eventstore.tasks import TaskGroup
from services.audit.directory import Directory
from services.audit.notes import Checkpoint, Note, VerifierKey, signed_by
from services.audit.tiles import Connection, Key, TreeDamaged, fetch, read_edge, read_tiles
from services.audit.tree import TILE, Edge
from services.context import ProcessContext
from services.settings import Settings

NOTES = 1_000
TILES = 64
LEAVES = 65_536
"""How far a step goes, unless one checkpoint goes further."""
RETRY_SECONDS = 2.0
TELL_SECONDS = 5.0
KV_HISTORY = 64
AWAY = (nats.errors.Error, JetStreamError, aiohttp.ClientError, OSError, TimeoutError)
logger = structlog.get_logger()


class NotCopied(Exception):
    """What is stored does not lead to what was signed; the directory stays as it is."""


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
        self._edge: Edge | None = None
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
            except (OSError, NotCopied) as error:
                logger.warning("checkpoint_not_copied", error=str(error))
                await asyncio.sleep(RETRY_SECONDS)
                self._new.set()

    async def copy(self) -> bool:
        """Bring the directory up to some further checkpoints; False where it has them all. Raises
        NotCopied."""
        noted = signed_by(await self.last(), self._key)
        async with self._pool.connection() as connection:
            if self._edge is None or (noted.size if noted else 0) < self._edge.size:
                self._edge = await self._begin(connection, noted)
            rows = await fetch(
                connection, "read_notes", after=self._edge.size, epoch=self._epoch, limit=NOTES
            )
            if not rows:
                return False
            bound = self._edge.size + LEAVES
            notes = [note for size, note in rows if size <= bound] or [rows[0][1]]
            await self._grow(connection, self._edge.copy(), notes, noted)
        self._latest = notes[-1]
        self._told.set()
        return True

    async def _begin(self, connection: Connection, noted: Checkpoint | None) -> Edge:
        """The tree that the directory holds, or none, if it is not whole: what is there is not written
        again."""
        size = noted.size if noted else 0
        whole: bool = await asyncio.to_thread(self._directory.is_whole, size)
        if noted and whole:
            with suppress(TreeDamaged):
                edge = await read_edge(connection, size)
                if edge.root() == noted.root:
                    return edge
        return Edge()

    async def _grow(
        self, connection: Connection, edge: Edge, notes: Sequence[str], noted: Checkpoint | None
    ) -> None:
        """Up to the last of these notes, if the tiles lead to its root."""
        signed = [Note.parse(note).checkpoint(self._key) for note in notes]
        last = signed[-1]
        new, full = await self._put_tiles(connection, edge, last.size)
        if edge.root() != last.root:
            await asyncio.to_thread(self._directory.take_back, new)
            raise NotCopied(f"the stored tree of {last.size} events is not the one that was signed")
        unknown = noted.size if noted else 0
        further = [note for note, each in zip(notes, signed, strict=True) if each.size > unknown]
        await asyncio.to_thread(self._directory.forget_partial, full)
        await asyncio.to_thread(self._directory.put_edge, edge)
        if further:
            await asyncio.to_thread(self._directory.put_notes, further, self._key)
        self._edge = edge

    async def _put_tiles(self, connection: Connection, edge: Edge, size: int) -> tuple[list[Key], list[Key]]:
        """Let the tree grow to a size; the full tiles that are new in the directory, and all that became
        full."""
        new: list[Key] = []
        full: list[Key] = []
        while edge.size < size:
            first = edge.size // TILE
            beyond = min(first + TILES, -(-size // TILE))
            tiles = await read_tiles(connection, [(0, number) for number in range(first, beyond)])
            leaves = b"".join(each for _, hashes in sorted(tiles.items()) for each in hashes)
            leaves = leaves[edge.size % TILE * HASH_BYTES : (size - first * TILE) * HASH_BYTES]
            if not leaves:
                raise NotCopied(f"leaf hashes after {edge.size} are gone")
            grown = await asyncio.to_thread(edge.grow, leaves)
            full += [(tile.level, tile.number) for tile in grown]
            new += [
                (tile.level, tile.number)
                for tile in await asyncio.to_thread(self._directory.put_tiles, grown)
            ]
        return new, full

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

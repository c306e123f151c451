"""Where do checkpoints go, out of the reach of who may alter the database? To files, to NATS, to a webhook.

Copying never holds up the sealer: it comes after, takes up where each place stands, and puts back what is
missing. One place that is away is none of the others' concern. Nothing is copied but what leads to a root
that was signed: an altered log shall not reach the evidence against it.
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
from services.audit.directory import Directory, Unreadable
from services.audit.notes import Checkpoint, Note, VerifierKey, WrongNote
from services.audit.past import Past
from services.audit.proofs import read_cosigned
from services.audit.tiles import Connection, Key, TreeDamaged, fetch, read_edge, read_tiles
from services.audit.tree import TILE, Edge, Grown
from services.audit.witness import witnesses_in
from services.context import ProcessContext
from services.settings import Settings

NOTES = 1_000
TILES = 64
LEAVES = 65_536
"""How far a step goes, unless one checkpoint goes further."""
GROWN_MAX = 4
"""Checkpoints of which the tiles are kept until they are copied: of more, they are read and hashed again."""
RETRY_SECONDS = 2.0
TELL_SECONDS = 5.0
COSIGNED_SECONDS = 5.0
"""How often is looked for cosignatures, where nothing is sealed."""
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
        past: Past,
        key: VerifierKey,
        epoch: int,
        *,
        jetstream: Callable[[], Awaitable[JetStreamContext]] | None = None,
        bucket: str = "",
        webhook_url: str | None = None,
        witnesses: Sequence[VerifierKey] = (),
    ) -> None:
        self.directory = directory
        self.past = past
        self._pool = pool
        self._key = key
        self._epoch = epoch
        self._jetstream = jetstream
        self._bucket = bucket
        self._webhook_url = webhook_url
        self._witnesses = witnesses
        self._edge: Edge | None = None
        self._grown: dict[int, Grown] = {}
        self._told: dict[str, int] = {}
        self._new: list[asyncio.Event] = []

    def wake(self, grown: Grown | None = None) -> None:
        """There is a new one, of a tree that grew so."""
        if grown:
            self._grown[grown.before] = grown
        if len(self._grown) > GROWN_MAX:
            del self._grown[next(iter(self._grown))]
        for each in self._new:
            each.set()

    async def run(self) -> None:
        self._new.clear()
        async with TaskGroup() as tasks:
            tasks.create_task(self._follow("directory", self._fill))
            if self._jetstream:
                tasks.create_task(self._follow("nats", lambda: self._tell("nats", self._put, self._has)))
            if self._webhook_url:
                tasks.create_task(self._follow("webhook", lambda: self._tell("webhook", self._post)))

    async def _follow(self, place: str, bring: Callable[[], Awaitable[None]]) -> None:
        """Bring one place up to date, each time that there is something new, for itself alone."""
        new = asyncio.Event()
        new.set()
        self._new.append(new)
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(COSIGNED_SECONDS):
                    await new.wait()
            new.clear()
            try:
                await bring()
            except (*AWAY, NotCopied, Unreadable, TreeDamaged) as error:
                logger.warning("checkpoint_not_copied", place=place, error=str(error) or type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)
                new.set()

    async def _fill(self) -> None:
        while await self.copy():
            pass
        await self.copy_cosigned()

    async def copy(self) -> bool:
        """Bring the directory up to some further checkpoints; False where it has them all.

        Raises NotCopied, Unreadable, OSError.
        """
        noted = await asyncio.to_thread(self.directory.signed, self._key)
        async with self._pool.connection() as connection:
            if self._edge is None or (noted.size if noted else 0) < self._edge.size:
                self._edge = await self._begin(connection, noted)
            rows = await fetch(
                connection, "read_notes", after=self._edge.size, epoch=self._epoch, limit=NOTES
            )
            if rows:
                bound = self._edge.size + LEAVES
                notes = [note for size, note in rows if size <= bound] or [rows[0][1]]
                await self._grow(connection, self._edge.copy(), notes, noted)
            await self._note_copy(connection, "directory", self._edge.size)
            return bool(rows)

    async def copy_cosigned(self) -> None:
        """The last checkpoint that witnesses cosigned, with what they said. Raises Unreadable, OSError."""
        async with self._pool.connection() as connection:
            signed = await read_cosigned(connection, self._epoch, self._key, self._witnesses)
        if signed and signed.checkpoint.size <= (self._edge.size if self._edge else 0):
            await asyncio.to_thread(self.directory.put_cosigned, signed.note)

    async def _begin(self, connection: Connection, noted: Checkpoint | None) -> Edge:
        """The tree that the directory holds, or none, if it is not whole: what is there is not written
        again."""
        size = noted.size if noted else 0
        await asyncio.to_thread(self.directory.sweep, size)
        whole: bool = await asyncio.to_thread(self.directory.is_whole, size)
        if noted and whole:
            try:
                edge = await read_edge(connection, size)
            except TreeDamaged as damaged:
                raise NotCopied(str(damaged)) from None
            if edge.root() != noted.root:
                raise NotCopied(f"the stored tree of {size} events is not the one in {self.directory}")
            return edge
        return Edge()

    async def _grow(
        self, connection: Connection, edge: Edge, notes: Sequence[str], noted: Checkpoint | None
    ) -> None:
        """Up to the last of these notes, if the tiles lead to its root."""
        try:
            signed = [Note.parse(note).checkpoint(self._key) for note in notes]
        except WrongNote as wrong:
            raise NotCopied(f"a stored checkpoint: {wrong}") from None
        last = signed[-1]
        staged: list[Key] = []
        try:
            edge = await self._stage(connection, edge, last, staged)
            await asyncio.to_thread(self.directory.publish, staged)
        except BaseException:
            await asyncio.to_thread(self.directory.discard, staged)
            raise
        unknown = noted.size if noted else 0
        further = [note for note, each in zip(notes, signed, strict=True) if each.size > unknown]
        await asyncio.to_thread(self.directory.put_edge, edge)
        await asyncio.to_thread(self.directory.forget_partial, staged)
        if further:
            await asyncio.to_thread(self.directory.put_notes, further, self._key)
        self._edge = edge

    async def _stage(self, connection: Connection, edge: Edge, signed: Checkpoint, staged: list[Key]) -> Edge:
        """Let the tree grow, as the sealer did or from what is stored; tiles that became full are staged."""
        while edge.size < signed.size:
            grown = self._grown.pop(edge.size, None)
            if grown and grown.edge.size <= signed.size:
                edge, tiles = grown.edge, grown.tiles
            else:
                leaves = await _leaves(connection, edge, signed.size)
                tiles = await asyncio.to_thread(edge.grow, leaves)
            staged += await asyncio.to_thread(self.directory.stage, tiles)
        if edge.root() != signed.root:
            raise NotCopied(f"the stored tree of {signed.size} events is not the one that was signed")
        return edge

    async def _tell(
        self,
        place: str,
        tell: Callable[[str], Awaitable[None]],
        has: Callable[[str], Awaitable[bool]] | None = None,
    ) -> None:
        """The latest one; those in between are not missed, as each covers all before. Where it was told
        already, only if the place `has` it no more. Raises one of AWAY."""
        async with self._pool.connection() as connection:
            rows = await fetch(connection, "read_last_note", epoch=self._epoch)
        if not rows:
            return
        ((size, note),) = rows
        if self._told.get(place) == size and (has is None or await has(note)):
            return
        try:
            Note.parse(note).checkpoint(self._key)
        except WrongNote as wrong:
            raise NotCopied(f"the stored checkpoint of {size} events: {wrong}") from None
        await tell(note)
        async with self._pool.connection() as connection:
            await self._note_copy(connection, place, size)

    async def _note_copy(self, connection: Connection, place: str, size: int) -> None:
        if size and self._told.get(place) != size:
            await fetch(connection, "add_copy", place=place, epoch=self._epoch, size=size)
            self._told[place] = size

    async def _put(self, note: str) -> None:
        assert self._jetstream is not None
        async with asyncio.timeout(TELL_SECONDS):
            bucket = await _bucket(await self._jetstream(), self._bucket)
            await bucket.put("checkpoint", note.encode())

    async def _has(self, note: str) -> bool:
        """Whether NATS still holds it: it may have been wiped."""
        assert self._jetstream is not None
        async with asyncio.timeout(TELL_SECONDS):
            try:
                bucket = await (await self._jetstream()).key_value(self._bucket)
                return (await bucket.get("checkpoint")).value == note.encode()
            except NotFoundError:
                return False

    async def _post(self, note: str) -> None:
        assert self._webhook_url is not None
        patience = aiohttp.ClientTimeout(total=TELL_SECONDS)
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        async with (
            aiohttp.ClientSession(timeout=patience, raise_for_status=True) as http,
            http.post(self._webhook_url, data=note.encode(), headers=headers, allow_redirects=False),
        ):
            pass


async def _leaves(connection: Connection, edge: Edge, size: int) -> bytes:
    """Some of the stored leaf hashes after those of a tree, up to a size."""
    first = edge.size // TILE
    beyond = min(first + TILES, -(-size // TILE))
    tiles = await read_tiles(connection, [(0, number) for number in range(first, beyond)])
    leaves = b"".join(each for _, hashes in sorted(tiles.items()) for each in hashes)
    leaves = leaves[edge.size % TILE * HASH_BYTES : (size - first * TILE) * HASH_BYTES]
    if not leaves:
        raise NotCopied(f"leaf hashes after {edge.size} are gone")
    return leaves


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


def past_of(settings: Settings, identity: LogIdentity) -> Past:
    """Where those of the epochs before were copied to."""
    return Past(settings.data_dir / settings.seal_directory, identity)


def open_copies(context: ProcessContext, pool: Pool, key: VerifierKey) -> Copies:
    """The copies that the settings ask for."""
    settings, identity = context.settings, context.log.identity
    return Copies(
        pool,
        Directory(directory_of(settings, identity)),
        past_of(settings, identity),
        key,
        identity.epoch,
        jetstream=context.bus.jetstream if settings.seal_kv else None,
        bucket=bucket_of(key.name),
        webhook_url=settings.seal_webhook_url,
        witnesses=witnesses_in(settings.seal_witnesses),
    )

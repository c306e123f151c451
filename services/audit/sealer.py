"""The sealer: follows the log, builds the Merkle tree over its leaf hashes, and signs it once a second.

It never signs a tree that does not begin with the one that it signed last: the tree only ever grows from the
hashes that were signed, and where the log shows other ones, it halts, says where, and looks again until they
are back. It reads nothing of an event but its leaf hash, beside the write path; `tillroll verify` and the
stand-alone verifier recompute those. A restored log begins a new epoch, and so a new origin: what was signed
before stays true of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Protocol

import structlog
from psycopg.errors import UniqueViolation

from eventstore.checkpoints import Checkpoint as Place
from eventstore.checkpoints import holding
from eventstore.log import LogIdentity
from eventstore.merkle import HASH_BYTES, hashes_in
from eventstore.postgres import make_pool
from eventstore.seams import Clock
from eventstore.statements import Pool
from eventstore.tasks import TaskGroup
from services.audit.notes import Note, Signer, WrongNote, signed_by
from services.audit.outside import open_copies
from services.audit.tiles import Connection, TreeDamaged, fetch, read_edge
from services.audit.tree import TILE, Edge, Tile
from services.context import ProcessContext
from services.settings import Settings

FOLLOWER = "sealer"
SEAL_SECONDS = 0.8
"""So that a checkpoint covers an event within a second, also with what it takes to make one."""
PAGE = 32_768
PATROL = 16
"""Tiles that are compared with the log in each turn: of 256 leaves."""
HALT_SECONDS = 5.0
logger = structlog.get_logger()


class LogAltered(Exception):
    """The log is not what was sealed any more; `position` is the first that is known to be other."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(reason)
        self.position = position
        self.reason = reason


class KeyRefused(Exception):
    """Another key signed before; nothing was done."""

    expected = True


class Outside(Protocol):
    """Where the last checkpoint stands that was copied out of the database."""

    async def last(self) -> Note | None: ...
    def wake(self) -> None: ...


def origin_of(settings: Settings, identity: LogIdentity) -> str:
    """The first line of a log's checkpoints, in this epoch."""
    return f"{settings.seal_origin}/{identity.name}"


async def signer_of(settings: Settings, identity: LogIdentity, pool: Pool) -> Signer:
    """The key that signs this epoch, made at its first start. Raises KeyRefused where another one signed."""
    path = settings.data_dir / settings.seal_key_file
    async with pool.connection() as connection:
        rows = await fetch(connection, "read_key", epoch=identity.epoch)
        if rows and not path.exists():
            raise KeyRefused(f"{path} is gone, which signs this log's checkpoints: put it back")
        signer = Signer(origin_of(settings, identity), settings.seal_key())
        await fetch(connection, "add_key", epoch=identity.epoch, key=str(signer.key))
        ((known,),) = await fetch(connection, "read_key", epoch=identity.epoch)
    if known != str(signer.key):
        raise KeyRefused(
            f"{path} is not the key of this log's checkpoints, or TILLROLL_SEAL_ORIGIN was changed: {known}"
            " signed them; put it back, or begin a new epoch (`tillroll migrate --new-epoch`)"
        )
    return signer


class Sealer:
    """`run` until it is cancelled. Two of them do no harm: both make the same tree of the same log."""

    def __init__(self, pool: Pool, signer: Signer, epoch: int, clock: Clock, outside: Outside) -> None:
        self._pool = pool
        self._signer = signer
        self._epoch = epoch
        self._clock = clock
        self._outside = outside
        self._edge = Edge()
        self._patrolled = -1

    @property
    def size(self) -> int:
        """How many events are sealed."""
        return self._edge.size

    async def run(self, place: Place | None = None) -> None:
        """Seal on, through halts. `place` is where the sealer stands, if that is to be shown."""
        while True:
            try:
                await self.begin()
                while True:
                    await self._turn(place)
            except LogAltered as altered:
                await self._halt(altered)
                if place:
                    place.check()
            except UniqueViolation:
                logger.info("sealed_by_another")  # who took over has signed this tree, too

    async def begin(self) -> None:
        """Take up the tree that was signed last. Raises LogAltered where it is not there any more."""
        async with self._pool.connection() as connection:
            rows = await fetch(connection, "read_last_checkpoint")
            self._edge = Edge()
            if rows:
                ((size, epoch, root, note, _),) = rows
                await self._take_up(connection, size, root)
                if epoch == self._epoch:
                    self._check_note(note, size, root)
                else:  # an epoch begins with what the one before has left, under its own name
                    await self._keep(connection, self._edge, (), self._clock.now())
            await self._compare_outside(connection)
            ((*_, halted, _, _),) = await fetch(connection, "read_state")
        if halted:  # where the log was altered it looks first
            self._patrolled = (halted - 1) // TILE - 1
        await self.patrol()

    async def _take_up(self, connection: Connection, size: int, root: bytes) -> None:
        doubtful = size - size % TILE + 1
        try:
            self._edge = await read_edge(connection, size)
        except TreeDamaged as damaged:
            raise LogAltered(doubtful, str(damaged)) from None
        if self._edge.root() != root:
            raise LogAltered(doubtful, f"the tree of the first {size} events is not the one that was signed")

    def _check_note(self, note: str, size: int, root: bytes) -> None:
        try:
            signed = Note.parse(note).checkpoint(self._signer.key)
        except WrongNote as wrong:
            raise LogAltered(size, f"the stored checkpoint of {size} events: {wrong}") from None
        if (signed.size, signed.root) != (size, root):
            raise LogAltered(size, f"the stored checkpoint of {size} events says something else")

    async def _compare_outside(self, connection: Connection) -> None:
        """What was copied out was signed by us: the tree here must begin with that one."""
        signed = signed_by(await self._outside.last(), self._signer.key)
        if signed is None:
            return
        if signed.size > self.size:
            raise LogAltered(
                self.size + 1,
                f"a checkpoint of {signed.size} events was signed, and the database knows of {self.size}: it"
                " was put back to an older state; after a restore, begin a new epoch",
            )
        try:
            then = await read_edge(connection, signed.size)
        except TreeDamaged as damaged:
            raise LogAltered(1, str(damaged)) from None
        if then.root() != signed.root:
            raise LogAltered(
                1, f"the checkpoint of {signed.size} events that was copied out has another root"
            )

    async def _turn(self, place: Place | None) -> None:
        started = asyncio.get_running_loop().time()
        was = self.size
        more = await self.seal()
        if place:
            place.check()
            if self.size > place.position:
                await place.move(self.size)
        if self.size > was:
            self._outside.wake()
        if not more:
            await self.patrol()
            taken = asyncio.get_running_loop().time() - started
            await asyncio.sleep(max(0.0, SEAL_SECONDS - taken))

    async def seal(self) -> bool:
        """Sign what has come, up to a page; whether there may be more. Raises LogAltered.

        The leaves of the last partial tile are read again, and must be those that were signed.
        """
        known = self._edge.partial[0] if self._edge.partial else []
        after = self.size - len(known)
        async with self._pool.connection() as connection:
            ((joined, count, last, oldest, whole),) = await fetch(
                connection, "read_leaves", after=after, sealed=self.size, limit=len(known) + PAGE
            )
            _check_page(after, len(known), count, last, whole=whole)
            sealed = len(known) * HASH_BYTES
            _compare(after, known, hashes_in(joined[:sealed]))
            if count == len(known):
                return False
            grown = self._edge.copy()
            tiles = grown.grow(joined[sealed:])
            await self._keep(connection, grown, tiles, oldest)
        self._edge = grown
        return bool(count == len(known) + PAGE)

    async def _keep(
        self, connection: Connection, grown: Edge, tiles: Sequence[Tile], oldest: datetime
    ) -> None:
        root, now = grown.root(), self._clock.now()
        note = self._signer.sign(grown.size, root)
        async with connection.transaction():
            if tiles:
                await fetch(
                    connection,
                    "add_tiles",
                    levels=[tile.level for tile in tiles],
                    numbers=[tile.number for tile in tiles],
                    roots=[tile.root for tile in tiles],
                    hashes=[tile.hashes for tile in tiles],
                )
            await fetch(
                connection,
                "add_checkpoint",
                size=grown.size,
                epoch=self._epoch,
                root=root,
                note=str(note),
                signed_at=now,
                oldest_s=max(0.0, (now - oldest).total_seconds()),
            )

    async def patrol(self) -> None:
        """Compare some tiles with the log, round after round. Raises LogAltered at the first that differs."""
        async with self._pool.connection() as connection:
            rows = await fetch(connection, "read_full_tiles", level=0, after=self._patrolled, limit=PATROL)
            if not rows:
                self._patrolled = -1
                return
            after = rows[0][0] * TILE
            ((joined, *_),) = await fetch(
                connection, "read_leaves", after=after, sealed=0, limit=len(rows) * TILE
            )
        sealed = b"".join(hashes for _, hashes in rows)
        if joined != sealed:
            leaves = hashes_in(joined)
            _compare(after, hashes_in(sealed), leaves)
            raise LogAltered(after + len(leaves) + 1, f"the log ends at {after + len(leaves)}")
        self._patrolled = rows[-1][0]

    async def _halt(self, altered: LogAltered) -> None:
        logger.error("sealer_halts", position=altered.position, reason=altered.reason)
        async with self._pool.connection() as connection:
            ((*_, position, reason, _),) = await fetch(connection, "read_state")
            if (position, reason) != (altered.position, altered.reason):
                await fetch(connection, "add_halt", position=altered.position, reason=altered.reason)
        await asyncio.sleep(HALT_SECONDS)


def _check_page(after: int, known: int, count: int, last: int | None, *, whole: bool) -> None:
    """The page has no gap, holds at least what was sealed, and hashes only."""
    if count < known:
        raise LogAltered(after + count + 1, f"events up to {after + known} were sealed, and are gone")
    if count and last != after + count:
        raise LogAltered(after + 1, f"events between {after} and {last} are missing")
    if not whole:
        raise LogAltered(after + 1, f"leaf hashes between {after + 1} and {last} are none")


def _compare(after: int, sealed: Sequence[bytes], leaves: Sequence[bytes]) -> None:
    for index, (then, now) in enumerate(zip(sealed, leaves, strict=False)):
        if then != now:
            position = after + index + 1
            raise LogAltered(position, f"the event {position} is not the one that was sealed")


async def run_sealer(
    context: ProcessContext, persist: Callable[[str, Callable[[], Awaitable[None]]], Awaitable[None]]
) -> None:
    """The process: one seals, others stand by; what is signed is copied out of the database meanwhile."""
    settings, identity = context.settings, context.log.identity
    async with make_pool(settings.url("seal"), max_size=3) as pool, TaskGroup() as tasks:
        signer = await signer_of(settings, identity, pool)
        copies = open_copies(context, pool, signer.key)

        async def work() -> None:
            async with holding(context.log.database, FOLLOWER) as place:
                sealing = Sealer(pool, signer, identity.epoch, context.clock, copies)
                async with TaskGroup() as inner:
                    inner.create_task(copies.run())
                    inner.create_task(sealing.run(place))

        tasks.create_task(persist("sealer", work))

"""The sealer: follows the log, builds the Merkle tree over its leaf hashes, and signs it once a second.

It never signs a tree that does not begin with the one that it signed last: the tree only ever grows from the
hashes that were signed, and where the log shows other ones, it halts, says where, and looks again until they
are back. It reads nothing of an event but its leaf hash, beside the write path; `tillroll verify` and the
stand-alone verifier recompute those. A restored log begins a new epoch, and so a new origin: what was signed
before stays true of it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import structlog
from psycopg.errors import UniqueViolation

from eventstore.checkpoints import Checkpoint as Place
from eventstore.checkpoints import LeaseLost, holding
from eventstore.log import LogIdentity
from eventstore.merkle import HASH_BYTES
from eventstore.postgres import make_pool
from eventstore.seams import Clock
from eventstore.statements import Pool
from eventstore.tasks import TaskGroup
from services.audit.altered import LogAltered, Patrol, read_page, refuse_stray_tiles
from services.audit.directory import Directory, Unreadable
from services.audit.notes import Note, Signer, WrongNote
from services.audit.outside import open_copies
from services.audit.past import Past, authenticated, compare_held, compare_past, locate
from services.audit.proofs import read_key
from services.audit.tiles import Connection, TreeDamaged, fetch, read_edge
from services.audit.tree import TILE, Edge, Grown, Tile
from services.context import ProcessContext
from services.settings import Settings

FOLLOWER = "sealer"
SEAL_SECONDS = 0.8
"""So that a checkpoint covers an event within a second, also with what it takes to make one."""
PAGE = 32_768
HALT_SECONDS = 5.0
logger = structlog.get_logger()


class KeyRefused(Exception):
    """Another key signed before; nothing was done."""

    expected = True


class Outside(Protocol):
    """What was copied out of the database, in this epoch and in those before."""

    directory: Directory
    past: Past

    def wake(self, grown: Grown) -> None: ...


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
    """`run` until it is cancelled. Two of them do no harm: of two that grew from one checkpoint the database
    takes one, and of two processes that which has the lease."""

    def __init__(self, pool: Pool, signer: Signer, epoch: int, clock: Clock, outside: Outside) -> None:
        self._pool = pool
        self._signer = signer
        self._epoch = epoch
        self._clock = clock
        self._outside = outside
        self._place: Place | None = None
        self._edge = Edge()
        self._grown_from: int | None = None
        self._patrol = Patrol()

    @property
    def size(self) -> int:
        """How many events are sealed."""
        return self._edge.size

    async def run(self, place: Place | None = None) -> None:
        """Seal on, through halts. `place` is where the sealer stands, if that is to be shown: with its
        lease."""
        self._place = place
        while True:
            try:
                await self.begin()
                while True:
                    await self._turn(place)
            except LogAltered as altered:
                await self.halt(altered)
                await asyncio.sleep(HALT_SECONDS)
            except Unreadable as unreadable:
                logger.warning("sealer_waits", reason=str(unreadable))
                await asyncio.sleep(HALT_SECONDS)
            if place:
                place.check()

    async def begin(self) -> None:
        """Take up the tree that was signed last. Raises LogAltered where it is not there any more, Unreadable
        where nobody can tell."""
        async with self._pool.connection() as connection:
            rows = await fetch(connection, "read_last_checkpoint")
            self._edge, self._grown_from = Edge(), None
            epoch = rows[0][1] if rows else None
            await refuse_stray_tiles(connection)
            if rows:
                await self._take_up(connection, *rows[0][:4])
            await self._compare_outside(connection, epoch)
            ((_, _, _, _, _, _, halted, _, position, *_),) = await fetch(connection, "read_state")
            self._patrol = Patrol(secrets.randbelow(self.size // TILE + 1))
            if halted:
                await self._end_halt(connection, position)
            else:
                await self._patrol.some(connection, self._edge)
            if rows and epoch != self._epoch:  # an epoch begins with what the one before has left
                await self._keep(connection, self._edge, (), 0.0)

    async def _take_up(self, connection: Connection, size: int, epoch: int, root: bytes, note: str) -> None:
        if epoch == self._epoch:
            self._check_note(note, size, root)
            self._grown_from = size
        doubtful = size - size % TILE + 1
        try:
            self._edge = await read_edge(connection, size)
        except TreeDamaged as damaged:
            raise LogAltered(doubtful, str(damaged)) from None
        if self._edge.root() != root:
            await self._locate(connection, epoch, size)
            raise LogAltered(doubtful, f"the tree of the first {size} events is not the one that was signed")
        if epoch != self._epoch:
            directory = self._outside.past.directory(epoch)
            stored = await read_key(connection, epoch)
            key = authenticated(note, size, root, directory, stored, self._signer.key)
            await compare_past(connection, directory, key, size, root)

    async def _locate(self, connection: Connection, epoch: int, size: int) -> None:
        """Raises LogAltered where the tiles outside tell it."""
        ours = epoch == self._epoch
        directory = self._outside.directory if ours else self._outside.past.directory(epoch)
        await locate(connection, directory, size)

    def _check_note(self, note: str, size: int, root: bytes) -> None:
        try:
            signed = Note.parse(note).checkpoint(self._signer.key)
        except WrongNote as wrong:
            raise LogAltered(size, f"the stored checkpoint of {size} events: {wrong}") from None
        if (signed.size, signed.root) != (size, root):
            raise LogAltered(size, f"the stored checkpoint of {size} events says something else")

    async def _compare_outside(self, connection: Connection, epoch: int | None) -> None:
        """What was copied out was signed by us: the tree here must begin with that one."""
        before = await asyncio.to_thread(self._outside.past.last) if epoch is None else None
        if before is not None:
            raise LogAltered(
                1, f"the database knows of no checkpoint, and {before} holds some of this log: put the tables"
                " seal_* back as they were",
            )  # fmt: skip
        signed = await asyncio.to_thread(self._outside.directory.signed, self._signer.key)
        if signed is None:
            return
        if signed.size > self.size or epoch != self._epoch:
            raise LogAltered(
                min(self.size, signed.size) + 1,
                f"a checkpoint of {signed.size} events was signed, and the database knows of {self.size}: it"
                " was put back to an older state; after a restore, begin a new epoch",
            )
        await compare_held(connection, self._outside.directory, signed)

    async def _end_halt(self, connection: Connection, position: int) -> None:
        """All that was sealed, and what comes next, must be as it should be."""
        await self._patrol.all(connection, self._edge, position)
        after, sealed = self._partial()
        await read_page(connection, after, sealed, len(sealed) // HASH_BYTES + PAGE)
        await fetch(
            connection, "add_halt", position=None,
            reason=f"the events 1 to {self.size} were compared again, and are as they were sealed",
        )  # fmt: skip

    async def _turn(self, place: Place | None) -> None:
        started = asyncio.get_running_loop().time()
        try:
            more = await self.seal()
        except UniqueViolation:
            await self._give_way()
            more = False
        if place:
            place.check()
            if self.size > place.position:
                await place.move(self.size)
        if not more:
            await self.patrol()
            taken = asyncio.get_running_loop().time() - started
            await asyncio.sleep(max(0.0, SEAL_SECONDS - taken))

    async def _give_way(self) -> None:
        """Another one has signed, and its tree is taken up; or something is in the way that is no tree."""
        logger.info("sealed_by_another")
        was = self.size
        await self.begin()
        if self.size == was:
            raise LogAltered(
                was + 1,
                f"something stands in the way of the checkpoint that comes after that of {was} events",
            )

    def _partial(self) -> tuple[int, bytes]:
        """The leaves of the last partial tile, and the position that they come after."""
        known = b"".join(self._edge.partial[0]) if self._edge.partial else b""
        return self.size - len(known) // HASH_BYTES, known

    async def seal(self) -> bool:
        """Sign what has come, up to a page; whether there may be more. Raises LogAltered.

        The leaves of the last partial tile are read again, and must be those that were signed.
        """
        after, sealed = self._partial()
        known = len(sealed) // HASH_BYTES
        async with self._pool.connection() as connection:
            page = await read_page(connection, after, sealed, known + PAGE)
            if page.length == known:
                return False
            grown = self._edge.copy()
            tiles = grown.grow(page.leaves[len(sealed) :])
            waited = self._clock.now().timestamp() - page.oldest if page.oldest is not None else 0.0
            await self._keep(connection, grown, tiles, max(0.0, waited))
        self._outside.wake(Grown(self.size, tiles, grown))
        self._edge = grown
        return page.length == known + PAGE

    async def _keep(
        self, connection: Connection, grown: Edge, tiles: Sequence[Tile], oldest_s: float
    ) -> None:
        root = grown.root()
        note = self._signer.sign(grown.size, root)
        async with connection.transaction():
            await self._hold_lease(connection)
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
                grown_from=self._grown_from,
                root=root,
                note=str(note),
                signed_at=self._clock.now(),
                oldest_s=oldest_s,
            )
        self._grown_from = grown.size

    async def _hold_lease(self, connection: Connection) -> None:
        """Until the transaction ends. Raises LeaseLost."""
        if self._place:
            ((lease,),) = await fetch(connection, "hold_lease", lease=self._place.lease)
            if lease is None:
                raise LeaseLost("another sealer has taken over")

    async def patrol(self) -> None:
        """Compare some tiles with the log, round after round. Raises LogAltered at the first that differs."""
        async with self._pool.connection() as connection:
            await self._patrol.some(connection, self._edge)

    async def halt(self, altered: LogAltered) -> None:
        """Record what was found; what is known already is not recorded again."""
        logger.error("sealer_halts", position=altered.position, reason=altered.reason)
        async with self._pool.connection() as connection:
            await fetch(connection, "add_halt", position=altered.position, reason=altered.reason)


async def run_sealer(
    context: ProcessContext, persist: Callable[[str, Callable[[], Awaitable[None]]], Awaitable[None]]
) -> None:
    """The process: one seals, others stand by; what is signed is copied out of the database meanwhile."""
    settings, identity = context.settings, context.log.identity
    async with make_pool(settings.url("seal"), max_size=5) as pool, TaskGroup() as tasks:
        signer = await signer_of(settings, identity, pool)
        copies = open_copies(context, pool, signer.key)

        async def work() -> None:
            async with holding(context.log.database, FOLLOWER) as place:
                sealing = Sealer(pool, signer, identity.epoch, context.clock, copies)
                async with TaskGroup() as inner:
                    inner.create_task(copies.run())
                    inner.create_task(sealing.run(place))

        tasks.create_task(persist("sealer", work))

"""Is the log still what was signed? For `verify`: against a checkpoint from outside, else against the stored
one.

Whoever may alter the log in the database may alter the stored checkpoint, too: only one that was kept outside
tells. Where the trees differ, the stored tiles say at which position, if they lead to the signed root
themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from psycopg.rows import TupleRow

from eventstore.merkle import HASH_BYTES, Frontier
from eventstore.statements import Pool
from services.audit.notes import Checkpoint, Note, VerifierKey, WrongNote, notes_in
from services.audit.proofs import read_key, read_signed, read_state
from services.audit.tiles import Connection, TreeDamaged, fetch, read_tiles
from services.audit.tree import TILE

TILES = 16
NO_HASH = bytes(HASH_BYTES)
"""Stands for what is none: no event has it."""
Wrong = Callable[[str], None]


class SealedTree:
    """Takes the log's leaf hashes, as they are stated, in order; `finish` tells what differs from the
    checkpoints."""

    def __init__(self, checkpoints: Iterable[Checkpoint]) -> None:
        self._due = sorted(checkpoints, key=lambda each: each.size)
        self._tree = Frontier()
        self._good = Frontier()
        self._other: Checkpoint | None = None

    @property
    def agreed(self) -> int:
        """How many events have a root that was signed."""
        return self._good.size

    def take(self, leaf: bytes) -> None:
        """The leaf hash of the next event."""
        if not self._due:
            return
        self._tree.append(leaf if len(leaf or b"") == HASH_BYTES else NO_HASH)
        while self._due and self._due[0].size <= self._tree.size:
            checkpoint = self._due.pop(0)
            if self._tree.root() != checkpoint.root:
                self._other, self._due = checkpoint, []  # all that follow are other, too
                return
            self._good = self._tree.copy()

    async def finish(self, pool: Pool, wrong: Wrong) -> None:
        """Once the whole log was taken."""
        for checkpoint in self._due[-1:]:
            wrong(
                f"the log ends at {self._tree.size}, but a checkpoint of {checkpoint.size} events was signed:"
                f" {self._tree.size + 1} and those after it are gone"
            )
        if self._other:
            async with pool.connection() as connection:
                wrong(await self._placed(connection, self._good, self._other))

    async def _placed(self, connection: Connection, good: Frontier, other: Checkpoint) -> str:
        """Where the log parts from what was signed, as narrowly as can be said."""
        sealed, first = good.copy(), 0
        while sealed.size < other.size:
            page = await _tiles(connection, sealed.size, other.size)
            if not page:
                break
            rows = await fetch(connection, "read_each_leaf", after=sealed.size, limit=len(page))
            first = first or _first_difference(sealed.size, page, rows)
            sealed.extend(page)
        if first and sealed.size == other.size and sealed.root() == other.root:
            return f"position {first} is not the event that was sealed: altered from there on"
        span = f"positions {good.size + 1} to {other.size}"
        return f"{span} do not have the root that was signed: something among them was altered"


async def _tiles(connection: Connection, after: int, size: int) -> list[bytes]:
    """Sealed leaf hashes after a position, as the stored full tiles have them; of a partial one, the log's
    own."""
    first = after // TILE
    tiles = await read_tiles(connection, [(0, number) for number in range(first, first + TILES)])
    hashes = [each for _, tile in sorted(tiles.items()) for each in tile]
    return hashes[after - first * TILE : size - first * TILE]


def _first_difference(after: int, sealed: list[bytes], rows: Sequence[TupleRow]) -> int:
    for index, each in enumerate(sealed):
        if index >= len(rows) or rows[index][:2] != (after + index + 1, each):
            return after + index + 1
    return 0


def checkpoints_of(files: Iterable[Path], key: str) -> list[Checkpoint]:
    """The checkpoints in these files; `key` is the log's verifier key, or a file that holds it. Raises
    WrongNote."""
    path = Path(key)
    known = VerifierKey.parse(path.read_text() if path.is_file() else key)
    return [_checkpoint(note, known, file) for file in files for note in _notes(file)]


def _notes(file: Path) -> list[Note]:
    try:
        return notes_in(file.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise WrongNote(f"{file} can't be read: {error}") from None


def _checkpoint(note: Note, key: VerifierKey, file: Path) -> Checkpoint:
    try:
        return note.checkpoint(key)
    except WrongNote as wrong:
        raise WrongNote(f"{file}: {wrong}") from None


async def stored_checkpoints(pool: Pool, wrong: Wrong) -> list[Checkpoint]:
    """The last one that the database holds, if its signature is good. `wrong` is told of one that is not, and
    of a halt."""
    async with pool.connection() as connection:
        state = await read_state(connection)
        if state.halt:
            wrong(
                f"the sealer halted at {state.halt.at:%Y-%m-%d %H:%M:%S}, when {state.halt.size} events were"
                f" sealed, on position {state.halt.position}: {state.halt.reason}"
            )
        try:
            signed = await read_signed(connection)
            key = signed and await read_key(connection, signed.epoch)
            return [Note.parse(signed.note).checkpoint(key)] if signed and key else []
        except (TreeDamaged, WrongNote) as error:
            wrong(f"the stored checkpoint: {error}")
            return []

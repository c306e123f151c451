"""Does a new epoch begin with what was signed in the one before?

A new epoch signs anew whatever the database holds. So what was signed before is believed only by keys that
stand outside of it: the one in the directory of that epoch, or the sealer's own. A log that was restored may
be shorter than what was signed; it may not be another one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from eventstore.log import LogIdentity
from services.audit.altered import LogAltered, read_page
from services.audit.directory import Directory, Unreadable
from services.audit.notes import Checkpoint, Note, VerifierKey, WrongNote
from services.audit.tiles import Connection, TreeDamaged, read_edge
from services.audit.tree import TILE, Edge

_ALIKE = "the log is not the one whose checkpoint of {} events stands in {}"


class Past:
    """The directories of a log's epochs before this one."""

    def __init__(self, root: Path, identity: LogIdentity) -> None:
        self._root = root
        self._identity = identity

    def directory(self, epoch: int) -> Directory:
        """That of an epoch, whether it was ever written or not."""
        return Directory(self._root / LogIdentity(self._identity.log_id, epoch).name)

    def last(self) -> Directory | None:
        """Of the last epoch before this one that anything was copied of. Raises Unreadable."""
        written = (epoch for epoch in self._epochs() if self.directory(epoch).was_written())
        epoch = max(written, default=None)
        return None if epoch is None else self.directory(epoch)

    def _epochs(self) -> Iterator[int]:
        log, _, _ = self._identity.name.rpartition(".")
        try:
            names = [each.name for each in self._root.iterdir()] if self._root.exists() else []
        except OSError as error:
            raise Unreadable(f"{self._root} can't be read: {error.strerror}") from None
        for name in names:
            before, _, epoch = name.rpartition(".")
            with suppress(ValueError):
                if before == log and int(epoch) < self._identity.epoch:
                    yield int(epoch)


def authenticated(
    note: str, size: int, root: bytes, directory: Directory, stored: VerifierKey | None, own: VerifierKey
) -> VerifierKey:
    """The key of the epoch before, by which its stored checkpoint is good. Raises LogAltered, Unreadable."""
    key = directory.key()
    if key is None:
        if stored is None or stored.public != own.public:
            raise LogAltered(
                1,
                f"nothing outside of the database vouches for its checkpoint of {size} events: another key"
                f" signed it, which should stand in {directory}/key; put that directory back, or at least"
                " the key, as an auditor has it",
            )
        key = stored
    try:
        signed = Note.parse(note).checkpoint(key)
    except WrongNote as wrong:
        raise LogAltered(1, f"the stored checkpoint of {size} events: {wrong}") from None
    if (signed.size, signed.root) != (size, root):
        raise LogAltered(1, f"the stored checkpoint of {size} events says something else")
    return key


async def compare_past(
    connection: Connection, directory: Directory, key: VerifierKey, size: int, root: bytes
) -> None:
    """The tree of `size` events is a beginning of what stands outside, or goes on from it.

    Raises LogAltered, Unreadable.
    """
    held = await asyncio.to_thread(directory.signed, key)
    if held is None:
        return
    if held.size <= size:
        await compare_held(connection, directory, held)
    elif (await asyncio.to_thread(directory.edge, size)).root() != root:
        await locate(connection, directory, size)
        raise LogAltered(1, _ALIKE.format(held.size, directory))


async def compare_held(connection: Connection, directory: Directory, held: Checkpoint) -> None:
    """The stored tree begins with that of a checkpoint outside. Raises LogAltered, Unreadable."""
    try:
        then = await read_edge(connection, held.size)
    except TreeDamaged:
        then = Edge()
    if then.root() != held.root:
        await locate(connection, directory, held.size)
        raise LogAltered(1, _ALIKE.format(held.size, directory))


async def locate(connection: Connection, directory: Directory, size: int) -> None:
    """Raises LogAltered for the first event that is not the one in the tiles outside."""
    for number in range(-(-size // TILE)):
        width = min(TILE, size - number * TILE)
        with suppress(Unreadable):  # where a tile is gone, the next ones tell
            sealed = b"".join(await asyncio.to_thread(directory.tile, 0, number, width))
            await read_page(connection, number * TILE, sealed, width)

"""What does an auditor take away to check alone? A checkpoint, and proofs that lead to its root.

A proof is checked here before it is given: one that does not lead to what was signed would say nothing but
that the stored tree was altered, which is said instead.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import TupleRow

from eventstore.merkle import (
    WrongProof,
    consistency_ranges,
    inclusion_ranges,
    verify_consistency,
    verify_inclusion,
)
from services.audit.notes import Checkpoint, Note, Signature, VerifierKey, WrongNote, witnessed_at
from services.audit.tiles import Connection, TreeDamaged, fetch, hashes_of, read_edge, read_trusted


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint with what witnesses said of it. `epoch` is the life of the log that it is of."""

    checkpoint: Checkpoint
    epoch: int
    note: str


@dataclass(frozen=True, slots=True)
class Inclusion:
    """That an event is in the tree of a checkpoint."""

    position: int
    leaf_hash: bytes
    proof: list[bytes]
    signed: Signed

    def text(self) -> str:
        """The proof with its checkpoint, as C2SP tlog-proof: all that is needed to check it, beside the
        event."""
        lines = ("c2sp.org/tlog-proof@v1", f"index {self.position - 1}", *map(encoded, self.proof))
        return "".join(f"{line}\n" for line in lines) + "\n" + self.signed.note


@dataclass(frozen=True, slots=True)
class Consistency:
    """That the tree of the second checkpoint begins with that of the first."""

    first: Signed
    second: Signed
    proof: list[bytes]


@dataclass(frozen=True, slots=True)
class Halt:
    """The sealer found the log other than it had been sealed, at `position` first, when `size` events were
    sealed. It lasts until all of them were found right again."""

    at: datetime
    size: int
    position: int
    reason: str


@dataclass(frozen=True, slots=True)
class State:
    """How far the log is sealed. What no checkpoint covers that stands outside of the database is by nothing
    proved yet: `uncovered_events` after `outside`, the first recorded `uncovered_s` seconds ago.
    `waited_s_max` is how long an event had to wait at most to be signed, of those that the last 3,600
    checkpoints cover."""

    head: int
    size: int
    outside: int
    signed_at: datetime | None
    uncovered_events: int
    uncovered_s: float
    waited_s_max: float
    halt: Halt | None


def encoded(raw: bytes) -> str:
    """Base64, as notes and proofs have it."""
    return base64.b64encode(raw).decode()


async def read_signed(connection: Connection, size: int | None = None) -> Signed | None:
    """The smallest checkpoint of this epoch that covers so many events, the last for None."""
    return _signed(await fetch(connection, "read_checkpoint", size=size))


async def read_exactly(connection: Connection, size: int) -> Signed | None:
    """The checkpoint of so many events, of an epoch before if need be; None where there is none."""
    return _signed(await fetch(connection, "read_exact_checkpoint", size=size))


def _signed(rows: list[TupleRow]) -> Signed | None:
    if not rows:
        return None
    ((size, epoch, root, note, key, cosignatures),) = rows
    checkpoint = checked_note(note, size, key and VerifierKey.parse(key))
    if checkpoint.root != root:
        raise TreeDamaged(f"the stored checkpoint of {size} events says something else")
    return Signed(checkpoint, epoch, note + "".join(f"{line}\n" for line in cosignatures))


def checked_note(note: str, size: int, key: VerifierKey | None) -> Checkpoint:
    """What a stored note says, if the key of its epoch signed that. Raises TreeDamaged."""
    if key is None:
        raise TreeDamaged(f"the key is gone that signed the checkpoint of {size} events")
    try:
        checkpoint = Note.parse(note).checkpoint(key)
    except WrongNote as wrong:
        raise TreeDamaged(f"the stored checkpoint of {size} events: {wrong}") from None
    if checkpoint.size != size:
        raise TreeDamaged(f"the stored checkpoint of {size} events says something else")
    return checkpoint


async def read_cosigned(
    connection: Connection, epoch: int, key: VerifierKey, witnesses: Sequence[VerifierKey]
) -> Signed | None:
    """The last checkpoint of an epoch that one of these witnesses cosigned, with what they said of it.

    All is checked again. Raises TreeDamaged.
    """
    keys = {str(witness): witness for witness in witnesses}
    rows = await fetch(connection, "read_cosignatures", epoch=epoch, keys=list(keys))
    if not rows:
        return None
    size, note = rows[0][:2]
    checkpoint = checked_note(note, size, key)
    lines = [line for _, _, witness, line in rows if _cosigned(keys[witness], line, checkpoint)]
    return Signed(checkpoint, epoch, note + "".join(f"{line}\n" for line in lines)) if lines else None


def _cosigned(witness: VerifierKey, line: str, checkpoint: Checkpoint) -> bool:
    try:
        witnessed_at(witness, Signature.parse(line), checkpoint.body)
    except WrongNote:
        return False
    return True


async def read_key(connection: Connection, epoch: int) -> VerifierKey | None:
    """By which the checkpoints of an epoch are checked; None before its sealer began."""
    rows = await fetch(connection, "read_key", epoch=epoch)
    return VerifierKey.parse(rows[0][0]) if rows else None


async def find_event(connection: Connection, event_id: UUID, merchant: str) -> int | None:
    """The position of a merchant's event; None where there is none of that id."""
    return (await fetch(connection, "find_event", event_id=event_id, merchant=merchant))[0][0]  # type: ignore[no-any-return]


async def inclusion(connection: Connection, index: int, size: int) -> tuple[bytes, list[bytes]]:
    """The leaf hash at an index, and its proof in the tree of `size` leaves."""
    leaf, *proof = await hashes_of(connection, [(index, index + 1), *inclusion_ranges(index, size)])
    return leaf, proof


async def consistency(connection: Connection, first: int, second: int) -> list[bytes]:
    """The proof that the tree of `second` leaves begins with that of `first`."""
    return await hashes_of(connection, consistency_ranges(first, second))


async def read_proved(connection: Connection, signed: Signed, level: int, number: int) -> bytes:
    """The hashes of a tile, which lead to the root of the checkpoint. Raises TreeDamaged."""
    checkpoint = signed.checkpoint
    edge = await read_edge(connection, checkpoint.size)
    if edge.root() != checkpoint.root:
        raise TreeDamaged(f"the tree of {checkpoint.size} events has another root")
    return await read_trusted(connection, edge, level, number)


async def prove_inclusion(connection: Connection, position: int, signed: Signed) -> Inclusion:
    """Of an event that the checkpoint covers. Raises TreeDamaged."""
    checkpoint = signed.checkpoint
    leaf, proof = await inclusion(connection, position - 1, checkpoint.size)
    try:
        verify_inclusion(position - 1, checkpoint.size, leaf, proof, checkpoint.root)
    except WrongProof as wrong:
        raise TreeDamaged(f"position {position} in the tree of {checkpoint.size} events: {wrong}") from None
    return Inclusion(position, leaf, proof, signed)


async def prove_consistency(connection: Connection, first: Signed, second: Signed) -> Consistency:
    """Of two checkpoints, the smaller first. Raises TreeDamaged."""
    one, two = first.checkpoint, second.checkpoint
    proof = await consistency(connection, one.size, two.size)
    try:
        verify_consistency(one.size, two.size, one.root, two.root, proof)
    except WrongProof as wrong:
        raise TreeDamaged(f"from {one.size} to {two.size} events: {wrong}") from None
    return Consistency(first, second, proof)


async def read_halt(connection: Connection) -> Halt | None:
    """That the log was found altered, if it still is."""
    rows = await fetch(connection, "read_halt")
    return Halt(*rows[0]) if rows else None


async def read_state(connection: Connection) -> State:
    """How far the log is sealed."""
    (row,) = await fetch(connection, "read_state")
    head, size, _, signed_at, outside, uncovered_s, halted_at, sealed, position, reason, waited_s_max = row
    halt = Halt(halted_at, sealed, position, reason) if halted_at else None
    uncovered = max(0, head - outside)
    return State(head, size, outside, signed_at, uncovered, uncovered_s or 0.0, waited_s_max or 0.0, halt)

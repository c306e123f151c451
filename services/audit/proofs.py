"""What does an auditor take away to check alone? A checkpoint, and proofs that lead to its root.

A proof is checked here before it is given: one that does not lead to what was signed would say nothing but
that the stored tree was altered, which is said instead.
"""

from __future__ import annotations

import base64
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
from services.audit.notes import Checkpoint, Note, VerifierKey
from services.audit.tiles import Connection, TreeDamaged, fetch, hashes_of


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
    """The sealer found the log other than it had been sealed, at `position` first."""

    at: datetime
    position: int
    reason: str


@dataclass(frozen=True, slots=True)
class State:
    """How far the log is sealed. Events after `size` are younger than the last checkpoint, and by nothing
    proved yet: `uncovered_events` of them, the first recorded `uncovered_s` seconds ago. `waited_s_max` is
    how long an event had to wait at most, of those that the last 3,600 checkpoints cover."""

    head: int
    size: int
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
    ((size, epoch, _, note, cosignatures),) = rows
    checkpoint = Checkpoint.parse(Note.parse(note).body)
    if checkpoint.size != size:
        raise TreeDamaged(f"the stored checkpoint of {size} events says something else")
    return Signed(checkpoint, epoch, note + "".join(f"{line}\n" for line in cosignatures))


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


async def read_state(connection: Connection) -> State:
    """How far the log is sealed."""
    (row,) = await fetch(connection, "read_state")
    head, size, _, signed_at, uncovered_s, halted_at, position, reason, waited_s_max = row
    halt = Halt(halted_at, position, reason) if halted_at and _lasts(halted_at, signed_at) else None
    return State(head, size, signed_at, max(0, head - size), uncovered_s or 0.0, waited_s_max or 0.0, halt)


def _lasts(halted_at: datetime, signed_at: datetime | None) -> bool:
    """Nothing was signed since."""
    return signed_at is None or signed_at < halted_at

"""Whose word on our checkpoints counts? Witnesses that the settings name sign what they saw, and it stands in
the note.

A witness keeps the last checkpoint that it saw of each log, and cosigns another one only if it is consistent
with that (C2SP tlog-cosignature): so nobody can be shown a log that it was not shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from services.audit.notes import (
    COSIGNATURE,
    SIGNATURES_MAX,
    Note,
    Signature,
    VerifierKey,
    WrongNote,
    witnessed_at,
)
from services.audit.proofs import Signed
from services.audit.tiles import Connection, fetch


class UnknownWitness(Exception):
    """The settings do not name who signed."""


def witnesses_in(setting: str) -> tuple[VerifierKey, ...]:
    """The witnesses of TILLROLL_SEAL_WITNESSES: verifier keys with spaces between. Raises WrongNote."""
    keys = tuple(map(VerifierKey.parse, setting.split()))
    if len(keys) >= SIGNATURES_MAX:
        raise WrongNote(
            f"TILLROLL_SEAL_WITNESSES names {len(keys)}:"
            f" a note has room for {SIGNATURES_MAX - 1} beside the log"
        )
    for key in keys:
        if key.kind != COSIGNATURE:
            raise WrongNote(f"TILLROLL_SEAL_WITNESSES: {key.name} is the key of a log, not of a witness")
    return keys


def checked(
    signed: Signed, line: str, witnesses: Sequence[VerifierKey], now: datetime
) -> tuple[VerifierKey, datetime]:
    """The witness whose cosignature of a checkpoint the line is, and when it signed.

    Raises WrongNote where it is none, is wrong, or is of a time to come; UnknownWitness where nobody knows
    who it is.
    """
    signature = Signature.parse(line.strip())
    for witness in witnesses:
        if (witness.name, witness.id) == (signature.name, signature.key_id):
            at = witnessed_at(witness, signature, Note.parse(signed.note).body)
            if at > now.timestamp() + _AHEAD_SECONDS:
                raise WrongNote("the cosignature is of a time to come: set the witness's clock")
            return witness, datetime.fromtimestamp(at, UTC)
    raise UnknownWitness(f"{signature.name} is no witness of this log")


_AHEAD_SECONDS = 300


async def keep(connection: Connection, signed: Signed, line: str, witness: VerifierKey, at: datetime) -> None:
    """Add a cosignature to its checkpoint; the first of a witness stays."""
    await fetch(
        connection,
        "add_cosignature",
        size=signed.checkpoint.size,
        epoch=signed.epoch,
        witness=str(witness),
        line=line.strip(),
        witnessed_at=at,
    )

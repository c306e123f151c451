"""Who holds checkpoints of a small log, or of a forked one, and runs the verifier on files of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from eventstore.leaf import leaf_hash_of
from eventstore.log import StoredEvent
from eventstore.merkle import consistency_proof, inclusion_proof, root_of
from services.audit import verifier
from services.audit.lines import line_of
from services.audit.notes import Note, Signer

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SIGNER = Signer("tillroll/x.1", bytes(range(32)))


def an_event(position: int, what: str) -> StoredEvent:
    bare = StoredEvent(
        position=position, stream=f"order-m1.{position}", version=1, type="OrderPlaced", schema=1,
        data=what.encode(), merchant="m1", correlation="c", causation="c", metadata=b"{}",
        event_id=UUID(int=position), occurred_at=AT, recorded_at=AT, leaf_hash=bytes(32),
    )  # fmt: skip
    return bare._replace(leaf_hash=leaf_hash_of(bare))


@dataclass
class Log:
    """Events that somebody signs, and what can be had of it."""

    events: list[StoredEvent]
    leaves: list[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.leaves = [each.leaf_hash for each in self.events]

    def note(self, size: int, signer: Signer = SIGNER) -> Note:
        return signer.sign(size, root_of(self.leaves[:size]))

    def consistency(self, first: int, second: int) -> str:
        proof = [base64.b64encode(each).decode() for each in consistency_proof(first, self.leaves[:second])]
        notes = {
            name: {"note": str(self.note(size))} for name, size in (("first", first), ("second", second))
        }
        return json.dumps({**notes, "proof": proof})

    def inclusion(self, position: int, size: int) -> str:
        hashes = inclusion_proof(position - 1, self.leaves[:size])
        lines = [base64.b64encode(each).decode() for each in hashes]
        return "\n".join(
            ["c2sp.org/tlog-proof@v1", f"index {position - 1}", *lines, "", str(self.note(size))]
        )


TRUE = Log([an_event(number, f"true {number}") for number in range(1, 21)])
FORKED = Log([*TRUE.events[:4], *(an_event(number, f"forged {number}") for number in range(5, 21))])


@dataclass
class Auditor:
    """Who has files in a folder, and runs the verifier on them."""

    place: Path
    capsys: pytest.CaptureFixture[str]

    def file(self, name: str, text: str | bytes) -> str:
        file = self.place / name
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return str(file)

    def export(self, events: Sequence[StoredEvent]) -> str:
        return self.file("events.ndjson", b"".join(map(line_of, events)))

    def tiles(self, log: Log) -> str:
        directory = self.place / "tile" / "0" / "000.p"
        directory.mkdir(parents=True)
        (directory / str(len(log.leaves))).write_bytes(b"".join(log.leaves))
        return str(self.place)

    def run(self, *arguments: str, key: str = str(SIGNER.key)) -> tuple[int, str]:
        code = verifier.main([*arguments, "--key", key])
        told = self.capsys.readouterr()
        return code, told.out + told.err


def held(auditor: Auditor, *notes: Note) -> list[str]:
    paths = [auditor.file(f"{number}.checkpoint", str(note)) for number, note in enumerate(notes)]
    return [word for path in paths for word in ("--checkpoint", path)]

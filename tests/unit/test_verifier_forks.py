"""Does the verifier believe what the log's own key signed? As far as it fits all that the auditor holds."""

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
from services.audit.notes import Note, Signer, WrongNote, cosign

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


@pytest.fixture
def auditor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Auditor:
    return Auditor(tmp_path, capsys)


def held(auditor: Auditor, *notes: Note) -> list[str]:
    paths = [auditor.file(f"{number}.checkpoint", str(note)) for number, note in enumerate(notes)]
    return [word for path in paths for word in ("--checkpoint", path)]


@pytest.mark.parametrize("partial", [False, True])
def test_tiles_of_a_fork_contradict_the_checkpoint_of_before(auditor: Auditor, partial: bool) -> None:
    """All of it is signed with the log's own key: export, tiles and the newest checkpoint fit each other."""
    asked = [auditor.export(FORKED.events), *held(auditor, TRUE.note(10), FORKED.note(20))]
    asked += ["--tiles", auditor.tiles(FORKED), *(["--partial"] if partial else [])]
    code, said = auditor.run(*asked)
    assert code == 1
    assert "positions 1 to 10: the log was forked: that checkpoint contradicts the one of 20" in said


def test_a_fork_without_tiles_is_found_too(auditor: Auditor) -> None:
    code, said = auditor.run(auditor.export(FORKED.events), *held(auditor, TRUE.note(10), FORKED.note(20)))
    assert code == 1
    assert "positions 1 to 10" in said


def test_a_proof_of_growth_begins_at_what_the_auditor_holds(auditor: Auditor) -> None:
    grown = auditor.file("grown.json", FORKED.consistency(10, 20))
    code, said = auditor.run(*held(auditor, TRUE.note(10)), "--consistency", grown)
    assert (code, "a checkpoint of 10 events, which is none of yours" in said) == (2, True)
    grown = auditor.file("grown.json", TRUE.consistency(10, 20))
    code, said = auditor.run(*held(auditor, TRUE.note(10)), "--consistency", grown)
    assert (code, "from 10 to 20 events it only grew" in said) == (0, True)
    code, said = auditor.run(*held(auditor, TRUE.note(10), FORKED.note(20)), "--consistency", grown)
    assert (code, "two signed checkpoints of that size contradict" in said) == (1, True)
    assert auditor.run(*held(auditor, TRUE.note(10)))[0] == 2, "there is nothing to compare"


def test_one_event_is_proved_by_its_line_and_its_proof(auditor: Auditor) -> None:
    proof = auditor.file("event.proof", TRUE.inclusion(7, 10))
    asked = [*held(auditor, TRUE.note(10)), "--partial", "--proof", proof]
    code, said = auditor.run(auditor.export([TRUE.events[6]]), *asked)
    assert (code, "✓ 1 events are as they were signed" in said) == (0, True)
    assert auditor.run(auditor.export([FORKED.events[6]]), *asked)[0] == 1
    code, said = auditor.run(auditor.export(TRUE.events[6:8]), *asked)
    assert (code, "position 8: a partial export needs --tiles, or a --proof" in said) == (2, True)


def test_a_proof_for_a_checkpoint_of_somebody_else_s_is_none(auditor: Auditor) -> None:
    forged = auditor.file("event.proof", FORKED.inclusion(7, 10))
    asked = ["--partial", "--proof", forged, *held(auditor, TRUE.note(10))]
    code, said = auditor.run(auditor.export([FORKED.events[6]]), *asked)
    assert (code, "is none of yours" in said) == (2, True)
    younger = auditor.file("younger.proof", TRUE.inclusion(15, 20))
    grown = auditor.file("grown.json", TRUE.consistency(10, 20))
    asked = [*held(auditor, TRUE.note(10)), "--partial", "--proof", younger, "--consistency", grown]
    assert auditor.run(auditor.export([TRUE.events[14]]), *asked)[0] == 0


def test_what_no_checkpoint_covers_is_not_counted_as_proved(auditor: Auditor) -> None:
    asked = [*held(auditor, TRUE.note(10)), "--partial", "--tiles", auditor.tiles(TRUE)]
    code, said = auditor.run(auditor.export(FORKED.events[12:15]), *asked)
    assert code == 0
    assert "✓ 0 events are as they were signed" in said
    assert "3 younger ones are under no checkpoint yet" in said


def test_a_note_of_one_epoch_is_none_of_another(auditor: Auditor) -> None:
    """The name in a signature's line is signed by nobody; the first line of the text is."""
    next_epoch = Signer("tillroll/x.2", bytes(range(32)))
    note = str(TRUE.note(20))
    body, _, line = note.rpartition("\n\n")
    signature = base64.b64decode(line.split()[2])[4:]
    relabelled = f"{body}\n\n— {next_epoch.key.name} " + (
        base64.b64encode(next_epoch.key.id + signature).decode() + "\n"
    )
    path = auditor.file("monday.checkpoint", relabelled)
    code, said = auditor.run(auditor.export(TRUE.events), "--checkpoint", path, key=str(next_epoch.key))
    assert (code, "of the log tillroll/x.1, and the key of tillroll/x.2" in said) == (2, True)
    with pytest.raises(WrongNote, match=r"of the log tillroll/x\.1"):
        Note.parse(relabelled).checkpoint(next_epoch.key)


def test_a_witness_tells_how_far_it_has_seen(auditor: Auditor) -> None:
    private = bytes(range(1, 33))
    old, new = TRUE.note(10), TRUE.note(20)
    seen = Note(old.body, (*old.signatures, cosign("w.example", private, old.body, 1_770_000_000)))
    key = str(verifier_key("w.example", private))
    asked = [auditor.export(TRUE.events), *held(auditor, seen, new), "--witness", key]
    code, said = auditor.run(*asked)
    assert (code, "w.example has seen the log of 10 events" in said) == (0, True)
    other = str(verifier_key("v.example", private))
    assert auditor.run(*asked[:-1], other)[0] == 2


def verifier_key(name: str, private: bytes) -> object:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from services.audit.notes import COSIGNATURE, VerifierKey

    public = Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
    return VerifierKey(name, COSIGNATURE, public)


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--proof", "c2sp.org/tlog-proof@v1\n\n"),
        ("--proof", "index 7"),
        ("--consistency", "[]"),
        ("--consistency", "{}"),
        ("--consistency", "no json"),
        ("--tiles", ""),
    ],
)
def test_what_can_not_be_read_is_no_alteration(auditor: Auditor, option: str, text: str) -> None:
    asked = [auditor.export(TRUE.events), *held(auditor, TRUE.note(10)), option, auditor.file("given", text)]
    code, said = auditor.run(*asked)
    assert (code, "it can't be checked" in said) == (2, True)

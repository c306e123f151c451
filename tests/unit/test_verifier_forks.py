"""Does the verifier believe what the log's own key signed? As far as it fits all that the auditor holds."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from services.audit.notes import Note, Signer, WrongNote, cosign
from tests.unit.auditing import FORKED, TRUE, Auditor, Log, held


@pytest.fixture
def auditor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Auditor:
    return Auditor(tmp_path, capsys)


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
    assert (code, "✓ 1 event is as it was signed" in said) == (0, True)
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
    assert "nothing is proved of them: 3" in said


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


def test_a_younger_checkpoint_that_a_proof_leads_to_covers_events_too(auditor: Auditor) -> None:
    grown = auditor.file("grown.json", TRUE.consistency(10, 15))
    asked = [*held(auditor, TRUE.note(10)), "--consistency", grown]
    code, said = auditor.run(auditor.export(TRUE.events), *asked)
    assert (code, "✓ 15 events are as they were signed" in said) == (0, True), said
    assert "nothing is proved of them: 5" in said
    code, said = auditor.run(auditor.export([*TRUE.events[:11], *FORKED.events[11:]]), *asked)
    assert (code, "positions 11 to 15" in said) == (1, True), said
    code, said = auditor.run(auditor.export(TRUE.events[:12]), *asked)
    assert (code, "✓ 10 events are as they were signed" in said) == (0, True), "exported before it was signed"
    asked += ["--tiles", auditor.tiles(Log(TRUE.events[:10]))]
    assert auditor.run(auditor.export(TRUE.events), *asked)[0] == 0
    assert auditor.run(auditor.export([*TRUE.events[:11], *FORKED.events[11:]]), *asked)[0] == 1


def test_the_younger_checkpoint_is_written_to_be_kept_from_now_on(auditor: Auditor) -> None:
    kept = auditor.place / "kept.checkpoint"
    grown = auditor.file("grown.json", TRUE.consistency(10, 20))
    asked = [*held(auditor, TRUE.note(10)), "--consistency", grown, "--keep", str(kept)]
    code, said = auditor.run(*asked)
    assert (code, f"{kept}: the checkpoint of 20 events" in said) == (0, True), said
    assert kept.read_text() == str(TRUE.note(20))
    code, said = auditor.run(auditor.export(TRUE.events), "--checkpoint", str(kept))
    assert (code, "✓ 20 events" in said) == (0, True)
    code, said = auditor.run(*asked)
    assert (code, f"{kept} is there already" in said) == (2, True)
    assert auditor.run(*asked[:-1], str(auditor.place / "none" / "kept"))[0] == 2


def test_no_checkpoint_is_kept_that_contradicts_what_is_held(auditor: Auditor) -> None:
    kept = auditor.place / "kept.checkpoint"
    forged = json.loads(TRUE.consistency(10, 20))
    forged["second"] = json.loads(FORKED.consistency(10, 20))["second"]
    grown = auditor.file("grown.json", json.dumps(forged))
    asked = [*held(auditor, TRUE.note(10)), "--consistency", grown, "--keep", str(kept)]
    assert auditor.run(*asked)[0] == 1
    assert not kept.exists()
    assert (
        auditor.run(auditor.export(TRUE.events), *held(auditor, TRUE.note(10)), "--keep", str(kept))[0] == 2
    )

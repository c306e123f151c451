"""Notes are those of C2SP: its own example verifies, and whatever is written otherwise is refused."""

from __future__ import annotations

import pytest

from services.audit.notes import (
    COSIGNATURE,
    Checkpoint,
    Note,
    Signature,
    Signer,
    VerifierKey,
    WrongNote,
    cosign,
    notes_in,
    witnessed_at,
)
from services.audit.outside import bucket_of
from services.audit.tiles import parse_tile_path, tile_path
from services.audit.verifier import Key, checkpoints_in
from services.audit.witness import witnesses_in

EXAMPLE_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE = (
    "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg"
    "1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
"""Both from c2sp.org/signed-note, section "Example"."""
SIGNER = Signer("tillroll/0190c3f2a1b4.1", bytes(range(32)))
NOTE = SIGNER.sign(17, bytes(32))


def test_the_example_of_the_specification_verifies() -> None:
    key, note = VerifierKey.parse(EXAMPLE_KEY), Note.parse(EXAMPLE)
    assert str(key) == EXAMPLE_KEY
    assert str(note) == EXAMPLE
    (signature,) = note.signatures
    assert (signature.name, signature.key_id) == (key.name, key.id)
    assert key.verifies(signature.signature, note.body.encode())
    assert not key.verifies(signature.signature, b"Another message.\n")


def test_what_is_signed_is_read_by_us_and_by_the_verifier() -> None:
    assert NOTE.checkpoint(SIGNER.key) == Checkpoint("tillroll/0190c3f2a1b4.1", 17, bytes(32))
    (seen,) = checkpoints_in(str(NOTE), Key.parse(str(SIGNER.key)))
    assert (seen.size, seen.root) == (17, bytes(32))
    assert notes_in(f"{NOTE}\n{NOTE}\n") == [NOTE, NOTE]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n17\n", "\n18\n"),
        ("\n17\n", "\n017\n"),
        ("\n17\n", "\n17\nmore\n"),
        ("tillroll/", "other/"),
        ("— ", "- "),
        ("\n\n", "\n"),
        ("=\n", "=\r\n"),
        ("AAAA=\n", "AAAB=\n"),
    ],
)
def test_a_note_that_was_altered_is_refused(old: str, new: str) -> None:
    with pytest.raises(WrongNote):
        Note.parse(str(NOTE).replace(old, new)).checkpoint(SIGNER.key)


def test_another_key_of_the_same_name_does_not_count() -> None:
    other = Signer(SIGNER.key.name, bytes(32))
    with pytest.raises(WrongNote, match="not signed by"):
        NOTE.checkpoint(other.key)


def test_no_more_witnesses_are_named_than_a_note_has_room_for() -> None:
    keys = [str(VerifierKey(f"w{n}", COSIGNATURE, Signer("w", bytes(32)).key.public)) for n in range(64)]
    room = witnesses_in(" ".join(keys[:63]))
    lines = tuple(cosign(each.name, bytes(32), NOTE.body, 1_700_000_000) for each in room)
    full = Note(NOTE.body, (*NOTE.signatures, *lines))
    assert Note.parse(str(full)) == full
    with pytest.raises(WrongNote, match="names 64: a note has room for 63"):
        witnesses_in(" ".join(keys))


def test_a_cosignature_is_of_one_checkpoint_one_witness_and_one_time() -> None:
    witness_key = Signer("w", bytes(32)).key
    witness = VerifierKey("w", COSIGNATURE, witness_key.public)
    signed = cosign("w", bytes(32), NOTE.body, 1_700_000_000)
    assert Signature.parse(signed.line) == signed
    assert witnessed_at(witness, signed, NOTE.body) == 1_700_000_000
    later = Signature("w", witness.id, (1_700_000_001).to_bytes(8) + signed.signature[8:])
    for each, key, body in (
        (signed, witness, NOTE.body + "more\n"),
        (later, witness, NOTE.body),
        (signed, witness_key, NOTE.body),
        (Signature("w", witness.id, signed.signature[:-1]), witness, NOTE.body),
    ):
        with pytest.raises(WrongNote):
            witnessed_at(key, each, body)


@pytest.mark.parametrize(
    "text", ["", "a+b", "a+00000000+AAAA", EXAMPLE_KEY[:-1], EXAMPLE_KEY.replace("5", "6", 1), f" {EXAMPLE}"]
)
def test_what_is_no_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(WrongNote):
        VerifierKey.parse(text)


@pytest.mark.parametrize(
    ("level", "number", "width", "path"),
    [
        (0, 0, 256, "0/000"),
        (0, 1234067, 256, "0/x001/x234/067"),
        (1, 999, 17, "1/999.p/17"),
        (7, 1000, 255, "7/x001/000.p/255"),
    ],
)
def test_tiles_have_the_paths_of_the_specification(level: int, number: int, width: int, path: str) -> None:
    assert tile_path(level, number, width) == path
    assert parse_tile_path(path) == (level, number, width)


def test_a_bucket_has_a_name_that_nats_takes() -> None:
    assert bucket_of("example.com/till/0190c3f2a1b4.1") == "tillroll_seals_example_com_till_0190c3f2a1b4_1"

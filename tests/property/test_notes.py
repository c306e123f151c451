"""No text breaks the parsers of notes and of tiles' paths; what they take is written just so."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.audit.notes import Checkpoint, Note, Signature, VerifierKey, WrongNote, notes_in
from services.audit.tiles import parse_tile_path, tile_path


@given(st.text(max_size=200))
def test_no_text_breaks_the_parsers(text: str) -> None:
    for parse in (Note.parse, Signature.parse, Checkpoint.parse, VerifierKey.parse, notes_in):
        try:
            parse(text)
        except WrongNote:
            continue


@given(st.text(alphabet="0123456789x/.p-٣", max_size=20))
def test_a_path_is_read_only_as_it_is_written(path: str) -> None:
    try:
        found = parse_tile_path(path)
    except ValueError:
        return
    assert tile_path(*found) == path

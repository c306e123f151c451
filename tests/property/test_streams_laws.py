"""Can any two things ever share a stream, and does any stream's name fit a NATS subject?"""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from domain.streams import stream_name, stream_parts

text = st.text(st.characters(codec="utf-8") | st.sampled_from(".*>-% \t\n~_/"), min_size=1, max_size=8)
parts = st.lists(text, min_size=1, max_size=4).map(tuple)


@given(names=parts)
def test_reads_back_the_parts(names: tuple[str, ...]) -> None:
    assert stream_parts(stream_name("stock", *names)) == names


@given(one=parts, other=parts)
def test_different_parts_never_share_a_stream(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert (one == other) == (stream_name("stock", *one) == stream_name("stock", *other))


@given(names=parts)
def test_a_name_fits_a_subject_and_keeps_its_parts_apart(names: tuple[str, ...]) -> None:
    name = stream_name("stock", *names)
    assert re.fullmatch(r"stock-[A-Za-z0-9_~%.]+", name)
    assert name.count("-") == 1
    assert name.count(".") == len(names) - 1
    assert ".." not in name

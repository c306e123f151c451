"""Is every cursor either one that a list gave, or refused as the caller's mistake?"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from services.web.pagination import PageRequest, as_date, as_datetime, as_int, as_str, cursor_of
from services.web.problems import Problem

PARSERS = (as_datetime, as_date, as_int, as_str)
names = st.text(st.characters(codec="utf-8", exclude_characters="\x00"))
edges = st.sampled_from(
    ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-02-30", 2**63, -(2**63)]
)
keys = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | names | edges


@given(
    at=st.datetimes(timezones=st.just(UTC)),
    day=st.dates(),
    number=st.integers(-(2**63), 2**63 - 1),
    name=names,
)
def test_a_cursor_gives_its_keys_back(at: datetime, day: date, number: int, name: str) -> None:
    cursor = cursor_of("o", at, day, number, name)
    assert PageRequest(cursor=cursor).after("o", *PARSERS) == (at, day, number, name)


@given(held=keys | st.dictionaries(names, keys) | st.lists(keys).map(lambda held: ["o", *held]), first=keys)
def test_what_no_list_gave_is_the_callers_mistake(held: Any, first: Any) -> None:
    for told in (held, ["o", first]):
        cursor = urlsafe_b64encode(orjson.dumps(told)).decode()
        for parsers in (PARSERS, *((parser,) for parser in PARSERS)):
            with suppress(Problem):
                parsed = PageRequest(cursor=cursor).after("o", *parsers) or ()
                assert all(-(2**63) <= key < 2**63 for key in parsed if isinstance(key, int))

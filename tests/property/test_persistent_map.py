"""Is a persistent map a dict in all that it answers, and does no version of it ever change?"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.persistent_map import LEAF_MAX, Draft, PersistentMap


@dataclass(frozen=True)
class Key:
    """A key with a hash of our choice."""

    name: int
    hashed: int

    def __hash__(self) -> int:
        return self.hashed


hashes = st.sampled_from(
    [
        lambda number: number,
        lambda number: -number,
        lambda number: number << 5,
        lambda number: number << 57,
        lambda number: number % 3,
        lambda number: 7,
        lambda number: hash(str(number)),
    ]
)
changes = st.lists(
    st.tuples(st.booleans(), st.integers(0, 150), st.integers(1, 3 * LEAF_MAX), st.integers()),
    max_size=12,
)
"""Whether to put or to take away, from which number on, how many, and which value to put."""


@given(hashed=hashes, changes=changes)
def test_it_is_a_dict_and_every_version_stays_as_it_was(hashed, changes) -> None:  # type: ignore[no-untyped-def]
    model: dict[Key, int] = {}
    versions = [(PersistentMap[Key, int](), dict(model))]
    for put, first, count, value in changes:
        entries = versions[-1][0]
        for number in range(first, first + count):
            key = Key(number, hashed(number))
            if put:
                model[key] = value
                entries = entries.including(key, value)
            else:
                model.pop(key, None)
                entries = entries.without(key)
            assert (key in entries, len(entries)) == (put, len(model))
        versions.append((entries, dict(model)))
    for entries, expected in versions:
        assert entries == expected
        assert len(entries) == len(expected)
        assert set(entries) == set(expected)
        assert dict(entries.items()) == expected
        assert all(entries[key] == entries.get(key) == expected[key] for key in expected)


@given(numbers=st.permutations(range(2 * LEAF_MAX)), hashed=hashes)
def test_which_way_it_came_about_makes_no_difference(numbers, hashed) -> None:  # type: ignore[no-untyped-def]
    one, other = PersistentMap[Key, int](), PersistentMap[Key, int]()
    for number in numbers:
        one = one.including(Key(number, hashed(number)), number)
    for number in range(4 * LEAF_MAX):
        other = other.including(Key(number, hashed(number)), number)
    for number in range(2 * LEAF_MAX, 4 * LEAF_MAX):
        other = other.without(Key(number, hashed(number)))
    assert one == other
    assert one != other.without(Key(0, hashed(0)))


def test_what_is_not_there_is_missed_and_nothing_can_be_put_in_place() -> None:
    entries = PersistentMap[str, int]().including("a", 1)
    assert repr(entries) == "PersistentMap({'a': 1})"
    assert entries.without("b") is entries
    assert not entries.without("a")
    with pytest.raises(KeyError):
        entries["b"]
    with pytest.raises(TypeError):
        entries["b"] = 2  # type: ignore[index]
    with pytest.raises(AttributeError):
        entries._size = 2  # type: ignore[misc]


@given(hashed=hashes, before=st.integers(0, 3 * LEAF_MAX), changes=changes)
def test_a_draft_is_a_dict_and_what_it_began_with_stays(hashed, before, changes) -> None:  # type: ignore[no-untyped-def]
    keys = [Key(number, hashed(number)) for number in range(before)]
    began = Draft(PersistentMap[Key, int]())
    for key in keys:
        began.put(key, 0)
    base = began.done()
    model, draft = dict.fromkeys(keys, 0), Draft(base)
    for put, first, count, value in changes:
        for number in range(first, first + count):
            key = Key(number, hashed(number))
            draft.put(key, value if put else None)
            if put:
                model[key] = value
            else:
                model.pop(key, None)
            assert draft.get(key) == model.get(key)
    assert all(draft.get(key) == model.get(key) for key in keys)
    assert (draft.done(), len(draft.done())) == (model, len(model))
    assert base == dict.fromkeys(keys, 0)

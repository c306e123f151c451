"""Does a load from a snapshot give what the fold of everything gives, at any version of any history?"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.fold import Folder, State
from commands.snapshotter import Snapshotter
from commands.states import States
from domain.aggregates import AGGREGATES
from domain.inventory import StockReceived
from domain.kernel import Event, Refused
from eventstore.codec import decode_event, encode, subject_of
from eventstore.keyring import Keyring, MemoryKeyStore
from eventstore.log import Append, StreamAppend
from eventstore.memory import MemoryLog
from eventstore.seams import RandomIds
from eventstore.snapshots import MemorySnapshots, decode_state, encode_state
from tests.strategies import runs_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PEOPLE = ("São Paulo", "ana@example.com")
"""What no snapshot may hold: a city and an address of the strategies' people."""
each_aggregate = pytest.mark.parametrize("category", sorted(AGGREGATES))


def history(category: str, data: st.DataObject) -> list[Event]:
    aggregate = AGGREGATES[category]
    state, events = aggregate.initial, []
    for command in data.draw(runs_of(aggregate)):
        try:
            decided = aggregate.decide(command, state)
        except Refused:
            continue
        state = aggregate.fold(decided, state)
        events.extend(decided)
    return events


@each_aggregate
@given(data=st.data())
def test_a_load_by_way_of_any_snapshot_is_the_fold_of_all(category: str, data: st.DataObject) -> None:
    asyncio.run(_load_by_way_of_snapshots(category, history(category, data)))


async def _load_by_way_of_snapshots(category: str, events: list[Event]) -> None:
    aggregate, stream = AGGREGATES[category], f"{category}-1"
    log, ids, keyring = MemoryLog(), RandomIds(), Keyring(bytes(32), MemoryKeyStore())
    snapshots = MemorySnapshots(log)
    snapshotter = Snapshotter(log, snapshots, Folder(), every=1)
    folded = State(0, aggregate.initial)
    for version, event in enumerate(events, 1):
        await keyring.ensure(filter(None, [subject_of(event)]))
        new = encode(event, ids, keyring)
        await log.append(
            Append(UUID(int=version), "m", "c", "c", NOW, (StreamAppend(stream, version - 1, (new,)),))
        )
        stored = decode_event(new.type, new.schema, new.data)
        folded = State(version, aggregate.fold([stored], folded.state))
        snapshotter.grown(stream, folded)
        await snapshotter.rest()
        kept = snapshots.kept[stream]
        assert not any(person.encode() in kept.state for person in PEOPLE)
        loaded = await snapshotter.load([stream])
        assert loaded == {stream: folded._replace(snapshot=version)}


@each_aggregate
@given(data=st.data())
def test_a_state_goes_on_from_its_snapshot_as_it_would_have_gone(category: str, data: st.DataObject) -> None:
    """From a snapshot at any version, the rest of the history leads to the same state."""
    aggregate = AGGREGATES[category]
    events = history(category, data)
    at = data.draw(st.integers(0, len(events)))
    kept = encode_state(aggregate, aggregate.fold(events[:at]))
    resumed: Any = decode_state(aggregate, kept)
    assert aggregate.fold(events[at:], resumed) == aggregate.fold(events)


@pytest.mark.parametrize("grown", [63, 64, 65, 499, 500, 501, 1_300])
async def test_states_load_the_same_with_snapshots_and_without(grown: int) -> None:
    """Around the sizes where a load asks for a snapshot, and where one is taken."""
    log, ids, keyring = MemoryLog(), RandomIds(), Keyring(bytes(32), MemoryKeyStore())
    snapshots = MemorySnapshots(log)
    stream = "stock-1"
    new = tuple(
        encode(StockReceived(sku="a", warehouse="w", quantity=n), ids, keyring) for n in range(1, grown + 1)
    )
    await log.append(Append(ids.new(), "m", "c", "c", NOW, (StreamAppend(stream, 0, new),)))
    for _ in range(2):
        states = States(log, snapshots)
        (loaded,) = await states.load([stream])
        (plain,) = await States(log).load([stream])
        assert (loaded.version, loaded.state) == (plain.version, plain.state)
        await states.rest()
    assert bool(snapshots.kept) == (grown >= 500)

"""Are snapshots kept, and believed only where the log holds the very event that they are of?"""

from __future__ import annotations

import pytest

from eventstore.log import Log, StoredEvent
from eventstore.memory import MemoryLog
from eventstore.postgres import PostgresLog
from eventstore.snapshots import MemorySnapshots, PostgresSnapshots, Snapshot, Snapshots
from tests.contract.appends import an_append, appended, to_stream

STREAM, FORM = "stock-1", "1.form"


@pytest.fixture
def snapshots(log: Log) -> Snapshots:
    if isinstance(log, PostgresLog):
        return PostgresSnapshots(log.pool)
    assert isinstance(log, MemoryLog)
    return MemorySnapshots(log)


@pytest.fixture
async def events(log: Log) -> list[StoredEvent]:
    await appended(log, an_append(to_stream(STREAM, 0, 9)))
    (events,) = await log.read_streams([(STREAM, 0)])
    return events


def of(event: StoredEvent, form: str = FORM) -> Snapshot:
    return Snapshot(event.stream, event.version, event.leaf_hash, form, b'{"on_hand":%d}' % event.version)


async def found(snapshots: Snapshots, form: str = FORM) -> Snapshot | None:
    return (await snapshots.load([(STREAM, form)])).get(STREAM)


async def test_what_is_kept_is_found_by_stream_and_form(
    snapshots: Snapshots, events: list[StoredEvent]
) -> None:
    assert await snapshots.load([]) == {}
    assert await found(snapshots) is None
    await snapshots.keep(of(events[4]))
    assert await snapshots.load([("stock-2", FORM), (STREAM, FORM)]) == {STREAM: of(events[4])}
    assert await found(snapshots, "2.form") is None


async def test_the_later_one_stays_whoever_is_last(snapshots: Snapshots, events: list[StoredEvent]) -> None:
    for at in (4, 6, 5):
        await snapshots.keep(of(events[at]))
    assert await found(snapshots) == of(events[6])


async def test_another_form_takes_the_place(snapshots: Snapshots, events: list[StoredEvent]) -> None:
    await snapshots.keep(of(events[6], "1.older"))
    await snapshots.keep(of(events[4]))
    assert await found(snapshots) == of(events[4])
    assert await found(snapshots, "1.older") is None


@pytest.mark.parametrize("lost", ["ahead of the log", "another event"])
async def test_an_event_that_the_log_does_not_hold_is_not_believed(
    lost: str, snapshots: Snapshots, events: list[StoredEvent]
) -> None:
    """A log that was restored ended earlier, and went on with other events."""
    ahead = of(events[8])._replace(version=12)
    other = of(events[8])._replace(leaf_hash=events[7].leaf_hash)
    await snapshots.keep(ahead if lost == "ahead of the log" else other)
    assert await found(snapshots) is None
    await snapshots.keep(of(events[4]))
    assert await found(snapshots) == of(events[4]), "and it makes room for one that is earlier"

"""Does a read that leaves some types out prove that nothing is missing, and hold no more than it may?"""

from __future__ import annotations

from collections.abc import AsyncIterator

import psycopg
import pytest

from eventstore.ahead import Ahead
from eventstore.codec import UnknownEvent
from eventstore.keyring import Keyring, MemoryKeyStore
from eventstore.log import LogDamaged, NewEvent, StoredEvent, StreamAppend
from eventstore.postgres import PostgresLog
from projections.rebuild import rebuild
from tests.contract.appends import IDS, an_append, appended, to_stream

TYPES = ("Kept", "Left", "Left", "Kept", "Left") * 4
DATA = b'{"quantity":1}'


@pytest.fixture
async def log(database: str) -> AsyncIterator[PostgresLog]:
    """Twenty events, of which every other is `Left`, more or less."""
    events = tuple(NewEvent(type_, 1, DATA, IDS.new()) for type_ in TYPES)
    async with await PostgresLog.connect(database) as log:
        await appended(log, an_append(StreamAppend("order-1", 0, events)))
        yield log


def kept(after: int, end: int) -> list[int]:
    return [at for at in range(after + 1, end + 1) if TYPES[at - 1] == "Kept" or at == end]


@pytest.mark.parametrize(("after", "end"), [(0, 20), (0, 1), (1, 3), (4, 9), (19, 20)])
async def test_it_gives_what_is_wanted_and_the_last_event(log: PostgresLog, after: int, end: int) -> None:
    whole = await log.read(0, 20)
    assert await log.read_range(after, end, {"Left"}) == [whole[at - 1] for at in kept(after, end)]
    assert await log.read_range(after, end) == whole[after:end]


async def test_a_page_ends_where_its_data_would_be_too_much(log: PostgresLog) -> None:
    assert [each.position for each in await log.read_range(0, 20, {"Left"}, 2 * len(DATA))] == kept(0, 5)
    assert [each.position for each in await log.read_range(3, 20, {"Left"}, 1)] == [4]


@pytest.mark.parametrize("gone", [2, 3, 4, 10])
async def test_a_gap_is_noticed_also_among_what_is_left_out(
    log: PostgresLog, database: str, gone: int
) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("ALTER TABLE events DISABLE TRIGGER ALL")
        connection.execute("DELETE FROM events WHERE position = %s", (gone,))
    assert [each.position for each in await log.read_range(gone, 20, {"Left"})] == kept(gone, 20)
    with pytest.raises(LogDamaged, match="is missing") as damaged:
        await log.read_range(1, 10, {"Left"})
    assert damaged.value.position == gone


@pytest.mark.parametrize("time", ["-infinity", "infinity", "20000-01-01"])
async def test_an_event_whose_time_is_none_is_placed(log: PostgresLog, database: str, time: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("ALTER TABLE events DISABLE TRIGGER ALL")
        connection.execute("UPDATE events SET recorded_at = %s WHERE position = 7", (time,))
        connection.execute("UPDATE events SET occurred_at = %s WHERE position = 9", (time,))
    assert len(await log.read(0, 6)) == 6
    for read in (log.read(0), log.read(3, 5), log.read_range(5, 20)):
        with pytest.raises(LogDamaged, match="has no time") as damaged:
            await read
        assert damaged.value.position == 7


async def test_past_the_head_is_a_gap(log: PostgresLog) -> None:
    with pytest.raises(LogDamaged, match="is missing"):
        await log.read_range(10, 21)


async def test_pages_come_one_ahead_and_all_of_them(log: PostgresLog) -> None:
    asked: list[int] = []

    async def read(after: int) -> list[StoredEvent]:
        asked.append(after)
        return await log.read_range(after, min(after + 7, 20), {"Left"})

    found: list[int] = []
    async with Ahead(read, 0, 20) as pages:
        while page := await pages.next():
            found += [each.position for each in page]
    assert asked == [0, 7, 14]
    assert found == [*kept(0, 7), *kept(7, 14), *kept(14, 20)]


async def test_who_leaves_early_leaves_nothing_behind(log: PostgresLog) -> None:
    async with Ahead(lambda after: log.read_range(after, after + 1), 0, 20) as pages:
        assert [each.position for each in await pages.next()] == [1]
    async with Ahead(lambda after: log.read_range(after, 21), 0, 21) as pages:
        with pytest.raises(LogDamaged, match="is missing"):
            await pages.next()


async def test_a_rebuild_halts_at_what_it_does_not_know(
    log: PostgresLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the read model would not want it: who can tell?"""
    monkeypatch.setattr("projections.rebuild.NEAR", 0)  # the log is short
    await appended(log, an_append(to_stream("stock-1")))
    with pytest.raises(UnknownEvent):
        await rebuild(log.pool, log, Keyring(bytes(32), MemoryKeyStore()), "orders")

"""Does a reader get each event once, in order, by position and by stream?"""

from __future__ import annotations

import pytest

from eventstore.log import STREAM_LIMIT, Log
from tests.contract.appends import an_append, append_all, appended, to_stream, whole


@pytest.fixture
async def filled(log: Log) -> Log:
    return await fill(log)


async def fill(log: Log) -> Log:
    await append_all(log, [an_append(to_stream(f"order-{number}", 0, 3)) for number in range(10)])
    return log


async def test_an_empty_log(log: Log) -> None:
    assert await log.head() == 0
    assert await log.read(0) == []
    assert await log.read_streams([("order-1", 0)]) == [[]]
    assert await log.read_streams([]) == []
    assert await log.present() == (log.identity, True)


async def test_pages_follow_one_another(filled: Log) -> None:
    first = await filled.read(0, 20)
    second = await filled.read(20, 20)
    assert [event.position for event in first + second] == list(range(1, 31))
    assert await filled.read(30, 20) == []
    assert await filled.read(99, 20) == []
    assert await filled.head() == 30


async def test_streams_are_read_together_in_the_order_asked(filled: Log) -> None:
    wanted = [
        ("order-7", 0),
        ("order-none", 0),
        ("order-3", 2),
        ("order-3", 0),
        ("order-4", 3),
        ("order-5", 99),
    ]
    found = await filled.read_streams(wanted)
    assert [[event.version for event in events] for events in found] == [
        [1, 2, 3],
        [],
        [3],
        [1, 2, 3],
        [],
        [],
    ]
    assert {event.stream for event in found[0]} == {"order-7"}
    assert found[3][2:] == found[2]


async def test_contents_are_those_of_the_same_events(filled: Log) -> None:
    wanted = [("order-7", 0), ("order-none", 0), ("order-3", 2), ("order-3", 0), ("order-5", 99)]
    for limit in (STREAM_LIMIT, 2):
        events = await filled.read_streams(wanted, limit)
        assert await filled.read_contents(wanted, limit) == [
            [(each.version, each.type, each.schema, each.data) for each in rest] for rest in events
        ]


async def test_a_name_is_taken_as_it_is(log: Log) -> None:
    for name in ("order-a", "order-A", "order-á", "order-%41", "order-a ", "stock-a-b"):
        await appended(log, an_append(to_stream(name)))
    assert [len(each) for each in await log.read_streams([("order-a", 0), ("order-A", 0)])] == [1, 1]
    assert len({event.stream for event in await whole(log)}) == 6


async def test_who_appended_reads_it_at_once(log: Log) -> None:
    for version in range(20):
        done = await appended(log, an_append(to_stream("order-1", version)))
        assert await log.head() >= done.last_position
        (events,) = await log.read_streams([("order-1", version)])
        assert [event.position for event in events] == [done.last_position]

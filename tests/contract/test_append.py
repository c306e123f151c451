"""Does an append do all or nothing, where it expects its streams, at positions without a gap?"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta, timezone

import pytest

from eventstore.leaf import leaf_hash_of
from eventstore.log import (
    MAX_APPEND_BYTES,
    MAX_APPEND_EVENTS,
    MAX_DATA_BYTES,
    Append,
    Appended,
    Conflict,
    InvalidAppend,
    Log,
    NewEvent,
    StreamAppend,
)
from tests.contract.appends import (
    IDS,
    MOMENT,
    an_append,
    append_all,
    appended,
    events,
    refused,
    to_stream,
    whole,
)


async def test_positions_and_versions_have_no_gap(log: Log) -> None:
    assert await appended(log, an_append(to_stream("order-1", 0, 2))) == Appended(1, 2)
    assert await appended(log, an_append(to_stream("order-2", 0, 1))) == Appended(3, 3)
    assert await appended(log, an_append(to_stream("order-1", 2, 3))) == Appended(4, 6)
    found = await whole(log)
    assert [event.position for event in found] == [1, 2, 3, 4, 5, 6]
    assert [(event.stream, event.version) for event in found] == [
        ("order-1", 1), ("order-1", 2), ("order-2", 1), ("order-1", 3), ("order-1", 4), ("order-1", 5),
    ]  # fmt: skip


async def test_a_row_is_what_was_appended(log: Log) -> None:
    append = an_append(to_stream("order-ü.1", 0, 1))
    await appended(log, append)
    (event,) = await log.read(0)
    (new,) = append.streams[0].events
    assert (event.stream, event.version, event.type, event.schema) == ("order-ü.1", 1, new.type, new.schema)
    assert (event.data, event.metadata, event.event_id) == (new.data, append.metadata, new.event_id)
    assert (event.merchant, event.correlation, event.causation) == ("m1", "correlation", "causation")
    assert event.occurred_at == MOMENT
    assert event.occurred_at.utcoffset() == event.recorded_at.utcoffset() == timedelta(0)


async def test_a_moment_of_another_zone_is_kept_in_utc(log: Log) -> None:
    there = MOMENT.astimezone(timezone(timedelta(hours=-3)))
    await appended(log, replace(an_append(to_stream("order-1")), occurred_at=there))
    (event,) = await log.read(0)
    assert event.occurred_at == MOMENT
    assert event.occurred_at.utcoffset() == timedelta(0)


async def test_a_conflict_says_where_the_stream_stands_and_leaves_nothing(log: Log) -> None:
    await appended(log, an_append(to_stream("order-1", 0, 2)))
    assert await refused(log, an_append(to_stream("order-1", 0))) == Conflict("order-1", 2)
    assert await refused(log, an_append(to_stream("order-1", 3))) == Conflict("order-1", 2)
    assert await refused(log, an_append(to_stream("order-2", 1))) == Conflict("order-2", 0)
    assert await log.head() == 2
    assert await appended(log, an_append(to_stream("order-2"))) == Appended(3, 3)


async def test_a_conflict_fails_only_its_own_append(log: Log) -> None:
    await appended(log, an_append(to_stream("order-taken")))
    good = [an_append(to_stream(f"order-{number}", 0, number % 3 + 1)) for number in range(40)]
    bad = [an_append(to_stream("order-taken", 7)) for _ in range(10)]
    mixed: list[Append] = [
        each for number in range(10) for each in (*good[number * 4 : number * 4 + 4], bad[number])
    ]
    outcomes = dict(zip((each.command_id for each in mixed), await append_all(log, mixed), strict=True))
    assert all(outcomes[each.command_id] == Conflict("order-taken", 1) for each in bad)
    found = await whole(log)
    assert len(found) == 1 + sum(each.event_count for each in good)
    for each in good:
        outcome = outcomes[each.command_id]
        assert isinstance(outcome, Appended)
        rows = found[outcome.first_position - 1 : outcome.last_position]
        assert [row.event_id for row in rows] == [new.event_id for new in each.streams[0].events]


async def test_several_streams_are_appended_together(log: Log) -> None:
    both = an_append(to_stream("order-1", 0, 2), to_stream("stock-1", 0, 1))
    assert await appended(log, both) == Appended(1, 3)
    assert [(event.stream, event.version) for event in await whole(log)] == [
        ("order-1", 1), ("order-1", 2), ("stock-1", 1),
    ]  # fmt: skip


async def test_one_wrong_version_of_several_leaves_nothing(log: Log) -> None:
    await appended(log, an_append(to_stream("stock-1")))
    assert await refused(
        log, an_append(to_stream("order-1", 0, 2), to_stream("stock-1", 0))
    ) == Conflict("stock-1", 1)  # fmt: skip
    assert await refused(
        log, an_append(to_stream("stock-1", 5), to_stream("order-1", 5))
    ) == Conflict("stock-1", 1)  # fmt: skip
    assert await log.head() == 1
    assert await log.read_streams([("order-1", 0)]) == [[]]


async def test_of_many_who_expect_the_same_version_one_wins(log: Log) -> None:
    outcomes = await append_all(log, [an_append(to_stream("stock-1")) for _ in range(32)])
    assert outcomes.count(Appended(1, 1)) == 1
    assert outcomes.count(Conflict("stock-1", 1)) == 31
    assert await log.head() == 1


async def test_every_leaf_hash_verifies(log: Log) -> None:
    await append_all(log, [an_append(to_stream(f"order-{number}", 0, 3)) for number in range(20)])
    await appended(log, an_append(to_stream("order-1", 3, 2), to_stream("order-ß", 0, 1)))
    long = StreamAppend("order-long", 0, events(2, data=b'"' + b"x" * 20_000 + b'"'))
    await appended(log, an_append(long))
    found = await whole(log)
    assert len(found) == 65
    assert all(len(event.leaf_hash) == 32 and event.leaf_hash == leaf_hash_of(event) for event in found)
    assert len({event.leaf_hash for event in found}) == len(found)


async def test_a_version_beyond_a_thousand_keeps_its_hash(log: Log) -> None:
    for version in range(0, 6_000, 2_000):
        await appended(log, an_append(to_stream("order-1", version, 2_000)))
    (found,) = await log.read_streams([("order-1", 5_990)])
    assert [event.version for event in found] == list(range(5_991, 6_001))
    assert all(event.leaf_hash == leaf_hash_of(event) for event in found)


async def test_a_stream_may_begin_anywhere_if_it_is_said_so(log: Log) -> None:
    for stream, version in (("order-1", -1), ("order-2", 6), ("order-3", 0)):
        free = StreamAppend(stream, version, events(2), begins_anywhere=True)
        await appended(log, an_append(free))
        assert await refused(log, an_append(free)) == Conflict(stream, version + 2)
        (found,) = await log.read_streams([(stream, version)])
        assert [event.version for event in found] == [version + 1, version + 2]
        assert all(event.leaf_hash == leaf_hash_of(event) for event in found)
        assert await log.read_streams([(stream, version - 1), (stream, -9)]) == [found, found]
        onwards = StreamAppend(stream, version + 2, events(1), begins_anywhere=True)
        await appended(log, an_append(onwards))
        (rest,) = await log.read_streams([(stream, version + 2)])
        assert [event.version for event in rest] == [version + 3]


LARGE = b"x" * MAX_DATA_BYTES
INVALID = {
    "no category": an_append(to_stream("order")),
    "no rest": an_append(to_stream("order-")),
    "no name": an_append(to_stream("")),
    "a NUL in the stream": an_append(to_stream("order-\x00")),
    "a lone surrogate in the stream": an_append(to_stream("order-\ud800")),
    "a stream that no index holds": an_append(to_stream("order-" + "x" * 3_000)),
    "a NUL in the merchant": an_append(to_stream("order-1"), merchant="\x00"),
    "a NUL in the type": an_append(StreamAppend("order-1", 0, (NewEvent("a\x00", 1, b"{}", IDS.new()),))),
    "no type": an_append(StreamAppend("order-1", 0, (NewEvent("", 1, b"{}", IDS.new()),))),
    "a schema that is no small number": an_append(
        StreamAppend("order-1", 0, (NewEvent("A", 1 << 40, b"{}", IDS.new()),))
    ),
    "a stream twice": an_append(to_stream("order-1"), to_stream("order-1", 1)),
    "a version below zero": an_append(to_stream("order-1", -1)),
    "a stream without events": an_append(to_stream("order-1", 0, 0)),
    "too many events": an_append(to_stream("order-1", 0, MAX_APPEND_EVENTS + 1)),
    "too large an event": an_append(StreamAppend("order-1", 0, events(1, data=LARGE + b"x"))),
    "too large at all": an_append(
        StreamAppend("order-1", 0, events(MAX_APPEND_BYTES // MAX_DATA_BYTES + 1, data=LARGE))
    ),
    "a moment without a zone": replace(
        an_append(to_stream("order-1")), occurred_at=MOMENT.replace(tzinfo=None)
    ),
}


@pytest.mark.parametrize("append", INVALID.values(), ids=INVALID.keys())
async def test_an_invalid_append_is_refused(log: Log, append: Append) -> None:
    with pytest.raises(InvalidAppend):
        await log.append(append)
    assert await log.head() == 0


async def test_the_largest_allowed_append_is_done(log: Log) -> None:
    many = an_append(to_stream("order-1", 0, MAX_APPEND_EVENTS))
    large = an_append(StreamAppend("order-2", 0, events(20, data=LARGE)))
    for append, outcome in zip((many, large), await append_all(log, [many, large]), strict=True):
        assert isinstance(outcome, Appended)
        assert outcome.last_position - outcome.first_position + 1 == append.event_count

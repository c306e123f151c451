"""Does a repeated command get its first outcome, whatever happened since, never a conflict with itself?"""

from __future__ import annotations

from dataclasses import replace

from eventstore.log import Appended, Conflict, Log
from tests.contract.appends import IDS, an_append, append_all, appended, refused, to_stream


async def test_a_repeated_command_gets_its_first_outcome(log: Log) -> None:
    first = an_append(to_stream("order-1", 0, 2), fingerprint=b"\x00\xff", answer=b'{"order":1}')
    assert await appended(log, first) == Appended(1, 2)
    assert await appended(log, first) == Appended(1, 2, True, b"\x00\xff", b'{"order":1}')
    assert await log.head() == 2


async def test_also_when_its_stream_has_moved_on(log: Log) -> None:
    first = an_append(to_stream("order-1"))
    await appended(log, first)
    await appended(log, an_append(to_stream("order-1", 1, 5)))
    assert await appended(log, first) == Appended(1, 1, True, b"fingerprint", b"answer")


async def test_also_when_it_asks_for_something_else_now(log: Log) -> None:
    first = an_append(to_stream("order-1"), fingerprint=b"one", answer=b"first")
    await appended(log, first)
    other = replace(first, streams=(to_stream("order-2", 9),), fingerprint=b"two", answer=b"second")
    assert await appended(log, other) == Appended(1, 1, True, b"one", b"first")
    assert await log.read_streams([("order-2", 0)]) == [[]]


async def test_a_command_without_events_is_kept(log: Log) -> None:
    await appended(log, an_append(to_stream("order-1", 0, 3)))
    nothing = an_append(answer=b"nothing to do")
    done = await appended(log, nothing)
    assert (done.first_position, done.last_position, done.repeated) == (4, 3, False)
    assert await appended(log, nothing) == Appended(4, 3, True, b"fingerprint", b"nothing to do")
    assert await log.head() == 3


async def test_a_command_without_events_may_be_the_first(log: Log) -> None:
    assert await appended(log, an_append()) == Appended(1, 0)
    assert await appended(log, an_append(to_stream("order-1"))) == Appended(1, 1)


async def test_a_refused_command_may_try_again(log: Log) -> None:
    await appended(log, an_append(to_stream("order-1")))
    again = an_append(to_stream("order-1", 0))
    assert await refused(log, again) == Conflict("order-1", 1)
    assert await appended(log, replace(again, streams=(to_stream("order-1", 1),))) == Appended(2, 2)


async def test_sent_many_times_at_once_it_is_done_once(log: Log) -> None:
    command = an_append(to_stream("order-1", 0, 3))
    outcomes = await append_all(log, [command] * 20)
    assert outcomes.count(Appended(1, 3)) == 1
    assert outcomes.count(Appended(1, 3, True, b"fingerprint", b"answer")) == 19
    assert await log.head() == 3


async def test_repeated_among_others_it_moves_nobody(log: Log) -> None:
    old = [an_append(to_stream(f"order-{number}", 0, 2)) for number in range(10)]
    await append_all(log, old)
    new = [an_append(to_stream(f"stock-{number}", 0, 1 + number % 2)) for number in range(10)]
    wrong = [an_append(to_stream(f"order-{number}", 9)) for number in range(10)]
    mixed = [each for three in zip(old, new, wrong, strict=True) for each in three]
    outcomes = await append_all(log, mixed)
    assert all(isinstance(each, Appended) and each.repeated for each in outcomes[0::3])
    assert all(each == Conflict(f"order-{number}", 2) for number, each in enumerate(outcomes[2::3]))
    for append, outcome in zip(new, outcomes[1::3], strict=True):
        assert isinstance(outcome, Appended)
        rows = await log.read(outcome.first_position - 1, append.event_count)
        assert [row.event_id for row in rows] == [each.event_id for each in append.streams[0].events]
    # what the ledger keeps of an append beside refused ones is right too
    for outcome, kept in zip(outcomes[1::3], await append_all(log, new), strict=True):
        assert isinstance(outcome, Appended)
        assert kept == replace(outcome, repeated=True, fingerprint=b"fingerprint", answer=b"answer")


async def test_each_merchant_has_command_ids_of_its_own(log: Log) -> None:
    same = IDS.new()
    ours = an_append(to_stream("order-m1.1"), command_id=same, merchant="m1", answer=b"ours")
    theirs = an_append(to_stream("order-m2.1"), command_id=same, merchant="m2", answer=b"theirs")
    outcomes = await append_all(log, [ours, theirs])
    assert sorted(each.first_position for each in outcomes if isinstance(each, Appended)) == [1, 2]
    assert not any(each.repeated for each in outcomes if isinstance(each, Appended))
    assert (await appended(log, ours)).answer == b"ours"
    assert (await appended(log, theirs)).answer == b"theirs"

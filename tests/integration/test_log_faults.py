"""What becomes of appends when connections die, callers go away, or the log begins another life?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

from eventstore.log import Append, Appended, EpochChanged, LogUnavailable, NewEvent, StreamAppend
from eventstore.postgres import PostgresLog
from eventstore.schema import migrate
from services.embedded import PostgresServer
from tests.contract.appends import IDS, an_append, append_all, appended, to_stream, whole

Connection = psycopg.AsyncConnection[TupleRow]
APPENDING = "application_name = 'tillroll' AND query LIKE '%append_batch%' AND datname = current_database()"
WAITING = f"SELECT count(*) FROM pg_stat_activity WHERE {APPENDING} AND wait_event = 'relation'"
COMMITTED = f"SELECT count(*) FROM pg_stat_activity WHERE {APPENDING} AND wait_event = 'SyncRep'"
KILL = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {APPENDING}"
KILL_ALL = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE application_name = 'tillroll' AND datname = current_database()
"""


@pytest.fixture
async def log(database: str) -> AsyncIterator[PostgresLog]:
    async with await PostgresLog.connect(database) as log:
        yield log


@pytest.fixture
async def beside(database: str) -> AsyncIterator[Connection]:
    """A connection of somebody else's."""
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        yield connection


@asynccontextmanager
async def appends_held(beside: Connection) -> AsyncIterator[None]:
    """Nobody can append meanwhile."""
    async with await psycopg.AsyncConnection.connect(
        beside.info.dsn, password=beside.info.password
    ) as holder:
        await holder.execute("LOCK TABLE append_turn IN EXCLUSIVE MODE")
        yield


async def until_waiting(beside: Connection, batches: int) -> None:
    while await _number(beside, WAITING) != batches:
        await asyncio.sleep(0.005)


async def _number(beside: Connection, query: str) -> int:
    row = await (await beside.execute(query.encode())).fetchone()
    assert row is not None
    return int(row[0])


async def test_nothing_is_lost_or_doubled_when_connections_are_killed(
    log: PostgresLog, beside: Connection
) -> None:
    appends = [an_append(to_stream(f"order-{number}", 0, 3)) for number in range(600)]
    queue = iter(appends)
    outcomes: dict[str, Appended] = {}

    async def write() -> None:
        for append in queue:
            outcomes[append.streams[0].stream] = await appended(log, append)

    writing = asyncio.gather(*(write() for _ in range(16)))
    killed = 0
    for done in range(0, len(appends), 50):
        while len(outcomes) < done:
            await asyncio.sleep(0)
        killed += await _number(beside, KILL)
    await writing
    assert killed > 2
    found = await whole(log)
    assert len(found) == 3 * len(appends)
    for append in appends:
        outcome = outcomes[append.streams[0].stream]
        rows = found[outcome.first_position - 1 : outcome.last_position]
        assert [row.event_id for row in rows] == [new.event_id for new in append.streams[0].events]


async def test_an_answer_lost_after_the_commit_is_asked_for_again(
    log: PostgresLog, beside: Connection
) -> None:
    # A commit that waits for a standby is done already; killing it then loses nothing but the answer.
    await beside.execute("SET synchronous_commit = local")
    await beside.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    try:
        await beside.execute("SELECT pg_reload_conf()")
        append = asyncio.create_task(log.append(an_append(to_stream("order-1", 0, 2))))
        while await _number(beside, COMMITTED) == 0:
            await asyncio.sleep(0.005)
        assert await _number(beside, KILL) == 1
        assert await append == Appended(1, 2, True, b"fingerprint", b"answer")
    finally:
        await beside.execute("ALTER SYSTEM RESET synchronous_standby_names")
        await beside.execute("SELECT pg_reload_conf()")
    assert await appended(log, an_append(to_stream("order-2"))) == Appended(3, 3)


async def test_a_batch_killed_while_it_waits_is_sent_again(log: PostgresLog, beside: Connection) -> None:
    async with appends_held(beside):
        first = asyncio.create_task(log.append(an_append(to_stream("order-1"))))
        await until_waiting(beside, 1)
        assert await _number(beside, KILL) == 1
        await until_waiting(beside, 1)
    assert await first == Appended(1, 1)


async def test_idle_connections_that_were_killed_are_replaced(log: PostgresLog, beside: Connection) -> None:
    await append_all(log, [an_append(to_stream(f"order-{number}")) for number in range(40)])
    await asyncio.gather(*(log.read(0) for _ in range(8)))
    assert await _number(beside, KILL_ALL) > 1
    while await _number(beside, KILL_ALL) > 0:
        await asyncio.sleep(0.005)
    assert await log.head() == 40
    assert len(await log.read(0)) == 40
    assert await appended(log, an_append(to_stream("order-new"))) == Appended(41, 41)


def _of_no_id(append: Append) -> Append:
    return replace(append, streams=(StreamAppend("order-bad", 0, (NewEvent("A", 1, b"{}", None),)),))  # type: ignore[arg-type]


def _refused_by_the_database(append: Append) -> Append:
    return replace(
        append, streams=(StreamAppend("order-bad", 0, (NewEvent("Poison", 1, b"{}", IDS.new()),)),)
    )


@pytest.mark.parametrize(
    ("spoil", "error"),
    [(_of_no_id, AttributeError), (_refused_by_the_database, psycopg.errors.CheckViolation)],
    ids=["in the client", "in the database"],
)
async def test_a_poison_append_fails_alone(
    log: PostgresLog, beside: Connection, spoil: Callable[[Append], Append], error: type[Exception]
) -> None:
    await beside.execute("ALTER TABLE events ADD CHECK (type <> 'Poison')")
    good = [an_append(to_stream(f"order-{number}", 0, 2)) for number in range(20)]
    bad = spoil(an_append())
    tasks = [asyncio.create_task(log.append(each)) for each in [*good[:10], bad, *good[10:]]]
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(outcomes.pop(10), error)
    assert all(isinstance(each, Appended) for each in outcomes)
    assert [event.position for event in await whole(log)] == list(range(1, 41))
    assert await appended(log, an_append(to_stream("order-after"))) == Appended(41, 41)


async def test_an_append_whose_caller_went_away_is_not_sent(log: PostgresLog, beside: Connection) -> None:
    async with appends_held(beside):
        in_flight = [asyncio.create_task(log.append(an_append(to_stream("order-1"))))]
        await until_waiting(beside, 1)
        in_flight.append(asyncio.create_task(log.append(an_append(to_stream("order-2")))))
        await until_waiting(beside, 2)
        waiting = asyncio.create_task(log.append(an_append(to_stream("order-gone"))))
        staying = asyncio.create_task(log.append(an_append(to_stream("order-3"))))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    assert waiting.cancelled()
    await asyncio.gather(*in_flight, staying)
    assert {event.stream for event in await whole(log)} == {"order-1", "order-2", "order-3"}


async def test_an_append_in_flight_is_done_though_its_caller_went_away(
    log: PostgresLog, beside: Connection
) -> None:
    append = an_append(to_stream("order-1"))
    async with appends_held(beside):
        task = asyncio.create_task(log.append(append))
        await until_waiting(beside, 1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert await appended(log, an_append(to_stream("order-2"))) == Appended(2, 2)
    assert await appended(log, append) == Appended(1, 1, True, b"fingerprint", b"answer")


async def test_closing_finishes_what_waits(database: str) -> None:
    log = await PostgresLog.connect(database)
    tasks = [asyncio.create_task(log.append(an_append(to_stream(f"order-{n}")))) for n in range(300)]
    await asyncio.sleep(0)
    await log.close()
    assert all(isinstance(each, Appended) for each in await asyncio.gather(*tasks))
    with pytest.raises(LogUnavailable):
        await log.append(an_append(to_stream("order-late")))


async def test_closing_does_not_wait_for_ever(
    database: str, beside: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventstore.appender.STOP_SECONDS", 0.05)
    log = await PostgresLog.connect(database)
    async with appends_held(beside):
        tasks = [
            asyncio.create_task(log.append(an_append(to_stream("order-1", version)))) for version in range(9)
        ]
        await until_waiting(beside, 2)
        await log.close()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(each, LogUnavailable) for each in outcomes)


async def test_who_waits_hears_of_it_when_the_appender_is_cancelled(
    log: PostgresLog, beside: Connection
) -> None:
    async with appends_held(beside):
        tasks = [
            asyncio.create_task(log.append(an_append(to_stream("order-1", version)))) for version in range(9)
        ]
        await until_waiting(beside, 2)
        for worker in log._appender._tasks:
            worker.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(each, LogUnavailable) for each in outcomes)


async def test_a_log_that_stays_away_is_unavailable(
    log: PostgresLog, database: str, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventstore.appender.RETRY_SECONDS", 0.2)
    append = an_append(to_stream("order-1"))
    name = sql.Identifier(str(conninfo_to_dict(database)["dbname"]))
    with psycopg.connect(postgres_server.dsn_for("postgres"), autocommit=True) as other:
        other.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
        with pytest.raises(LogUnavailable):
            await log.append(append)
        other.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))
    assert await appended(log, append) == Appended(1, 1)


async def test_a_standby_is_not_the_fault_of_an_append(
    log: PostgresLog, beside: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventstore.appender.RETRY_SECONDS", 0.2)
    append = an_append(to_stream("order-1"))
    name = sql.Identifier(beside.info.dbname)
    await beside.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(name))
    with pytest.raises(LogUnavailable, match="read-only"):
        await log.append(append)
    await beside.execute(sql.SQL("ALTER DATABASE {} RESET default_transaction_read_only").format(name))
    assert await appended(log, append) == Appended(1, 1)


async def test_a_cancelled_appender_can_still_be_closed(database: str) -> None:
    log = await PostgresLog.connect(database)
    await appended(log, an_append(to_stream("order-1")))
    for worker in log._appender._tasks:
        worker.cancel()
    await asyncio.gather(*log._appender._tasks, return_exceptions=True)
    with pytest.raises(LogUnavailable):
        await log.append(an_append(to_stream("order-2")))
    await log.close()


async def test_a_log_of_another_epoch_is_not_written(log: PostgresLog, database: str) -> None:
    done = await appended(log, an_append(to_stream("order-1")))
    token = log.identity.token(done.last_position)
    assert log.identity.position_of(token) == 1
    migrate(database, new_epoch=True)
    for append in (an_append(to_stream("order-2")), an_append()):
        with pytest.raises(EpochChanged):
            await log.append(append)
    async with await PostgresLog.connect(database) as restored:
        assert restored.identity == replace(log.identity, epoch=restored.identity.epoch)
        assert restored.identity.epoch > log.identity.epoch
        with pytest.raises(ValueError, match="another log or epoch"):
            restored.identity.position_of(token)
        assert await appended(restored, an_append(to_stream("order-2"))) == Appended(2, 2)


async def test_an_appender_does_not_reconnect_to_another_epoch(
    log: PostgresLog, beside: Connection, database: str
) -> None:
    await appended(log, an_append(to_stream("order-1")))
    migrate(database, new_epoch=True)
    await beside.execute(KILL.encode())
    with pytest.raises(EpochChanged, match="new-epoch"):
        await log.append(an_append(to_stream("order-2")))


@pytest.mark.parametrize("column", ["system_identifier", "timeline"])
async def test_a_restored_server_needs_a_new_epoch(database: str, beside: Connection, column: str) -> None:
    await beside.execute(f"UPDATE log SET {column} = {column} + 1".encode())
    async with await PostgresLog.connect(database) as log:
        with pytest.raises(EpochChanged, match="restored or promoted"):
            await log.append(an_append(to_stream("order-1")))
    migrate(database, new_epoch=True)
    async with await PostgresLog.connect(database) as log:
        assert await appended(log, an_append(to_stream("order-1"))) == Appended(1, 1)

"""Does a process recorder write events and how far it came both or neither, whatever dies or competes?"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from time import sleep
from uuid import UUID, uuid4

import psycopg
import pytest
from eventsourcing.persistence import (
    IntegrityError,
    OperationalError,
    ProgrammingError,
    StoredEvent,
    Tracking,
)
from eventsourcing.utils import Environment

from eventstore.plugin import Factory, ProcessRecorder
from eventstore.plugin.tables import LOG_MIGRATION, in_schema
from eventstore.schema import migrate

SCHEMA = "payroll_events"
DIE = """
    CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_terminate_backend(pg_backend_pid());
        PERFORM pg_sleep(60);
        RETURN new;
    END $$
"""
TRACKED_CALLS = """
    SELECT {} FROM pg_stat_activity
    WHERE datname = current_database() AND query LIKE '%append_tracked%' AND pid <> pg_backend_pid()
"""


def stored(originator: UUID, version: int) -> StoredEvent:
    return StoredEvent(originator, version, "topic", b"state")


def upstream(notification_id: int) -> Tracking:
    return Tracking("upstream", notification_id)


class Payroll:
    """Processes of one application: `recorders` of their own on one database."""

    def __init__(self, database_url: str, opened: ExitStack) -> None:
        self.url = in_schema(database_url, SCHEMA)
        self._opened = opened
        self._env = Environment("payroll", {"TILLROLL_DATABASE_URL": database_url})

    def recorder(self) -> ProcessRecorder:
        return self._opened.enter_context(Factory(self._env)).process_recorder()

    def execute(self, *statements: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursors = [connection.execute(statement.encode()) for statement in statements]
            return cursors[-1].fetchall() if cursors[-1].description else []


@pytest.fixture
def payroll(empty_database: str) -> Iterator[Payroll]:
    with ExitStack() as opened:
        yield Payroll(empty_database, opened)


def test_tracking_that_is_refused_leaves_no_event(payroll: Payroll) -> None:
    recorder = payroll.recorder()
    assert recorder.insert_events([stored(uuid4(), 1), stored(uuid4(), 1)], tracking=upstream(5)) == [1, 2]
    for late in (5, 4):
        with pytest.raises(IntegrityError, match="processed already"):
            recorder.insert_events([stored(uuid4(), 1)], tracking=upstream(late))
        with pytest.raises(IntegrityError, match="processed already"):
            recorder.insert_events([], tracking=upstream(late))
    assert recorder.max_notification_id() == 2
    assert recorder.insert_events([stored(uuid4(), 1)], tracking=Tracking("another", 5)) == [3]


def test_events_that_conflict_leave_no_tracking(payroll: Payroll) -> None:
    recorder, one = payroll.recorder(), uuid4()
    recorder.insert_events([stored(one, 1)])
    for wrong in ([stored(one, 1)], [stored(one, 3)], [stored(uuid4(), 1), stored(one, 1)]):
        with pytest.raises(IntegrityError, match="version 1"):
            recorder.insert_events(wrong, tracking=upstream(1))
    assert recorder.max_tracking_id("upstream") is None
    assert recorder.max_notification_id() == 1
    assert recorder.insert_events([stored(one, 2)], tracking=upstream(1)) == [2]


@pytest.mark.parametrize("table", ["events", "tracking", "commands"])
def test_a_crash_in_between_leaves_neither(payroll: Payroll, table: str) -> None:
    recorder = payroll.recorder()
    recorder.insert_events([stored(uuid4(), 1)], tracking=upstream(1))
    trigger = f"CREATE TRIGGER die BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION die()"
    payroll.execute(DIE, trigger)
    with pytest.raises(OperationalError):
        recorder.insert_events([stored(uuid4(), 1)], tracking=upstream(2))
    payroll.execute(f"DROP TRIGGER die ON {table}")
    assert (recorder.max_tracking_id("upstream"), recorder.max_notification_id()) == (1, 1)
    assert recorder.insert_events([stored(uuid4(), 1)], tracking=upstream(2)) == [2]


def test_an_answer_lost_after_the_commit_is_asked_for_again(payroll: Payroll) -> None:
    recorder, one = payroll.recorder(), uuid4()
    committed = TRACKED_CALLS + " AND wait_event = 'SyncRep'"
    # A commit that waits for a standby is done already; killing it then loses nothing but the answer.
    try:
        payroll.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()")
        while payroll.execute("SHOW synchronous_standby_names") != [("nobody",)]:
            sleep(0.005)
        with ThreadPoolExecutor(1) as threads:
            answer = threads.submit(recorder.insert_events, [stored(one, 1)], tracking=upstream(1))
            while payroll.execute(committed.format("count(*)")) == [(0,)]:
                sleep(0.005)
            assert payroll.execute(committed.format("pg_terminate_backend(pid)")) == [(True,)]
            assert answer.result() == [1]
    finally:
        payroll.execute("ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")
    assert (recorder.max_tracking_id("upstream"), recorder.max_notification_id()) == (1, 1)


def test_a_connection_that_was_killed_is_replaced(payroll: Payroll) -> None:
    recorder = payroll.recorder()
    recorder.insert_events([stored(uuid4(), 1)], tracking=upstream(1))
    assert payroll.execute(TRACKED_CALLS.format("pg_terminate_backend(pid)")) == [(True,)]
    while payroll.execute(TRACKED_CALLS.format("count(*)")) != [(0,)]:
        sleep(0.005)
    assert recorder.insert_events([stored(uuid4(), 1)], tracking=upstream(2)) == [2]


def test_of_competing_processes_one_processes_each_event(payroll: Payroll) -> None:
    recorders, last = [payroll.recorder() for _ in range(3)], 60

    def process(recorder: ProcessRecorder) -> list[int]:
        done = []
        for number in count((recorder.max_tracking_id("upstream") or 0) + 1):
            if number > last:
                return done
            try:
                recorder.insert_events([stored(uuid4(), 1), stored(uuid4(), 1)], tracking=upstream(number))
                done.append(number)
            except IntegrityError:
                assert recorder.has_tracking_id("upstream", number)
        raise AssertionError

    with ThreadPoolExecutor(6) as threads:
        done = [number for each in threads.map(process, recorders * 2) for number in each]
    assert sorted(done) == list(range(1, last + 1))
    found = recorders[0].select_notifications(None, 1_000)
    assert [each.id for each in found] == list(range(1, 2 * last + 1))
    assert recorders[0].max_tracking_id("upstream") == last


def test_processed_and_other_events_take_turns(payroll: Payroll) -> None:
    recorder, each = payroll.recorder(), 100
    with ThreadPoolExecutor(8) as threads:
        processing = threads.submit(
            lambda: [
                recorder.insert_events([stored(uuid4(), 1)], tracking=upstream(n + 1)) for n in range(each)
            ]
        )
        other = list(threads.map(lambda _: recorder.insert_events([stored(uuid4(), 1)]), range(each)))
    ids = [number for numbers in (*processing.result(), *other) for number in numbers or ()]
    assert sorted(ids) == list(range(1, 2 * each + 1))


def test_of_copies_of_an_aggregate_one_is_processed(payroll: Payroll) -> None:
    recorder, one = payroll.recorder(), uuid4()

    def process(number: int) -> bool:
        try:
            recorder.insert_events([stored(one, 1)], tracking=Tracking(f"upstream {number}", 1))
        except IntegrityError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(process, range(8)))
    assert sum(outcomes) == 1
    tracked = [recorder.has_tracking_id(f"upstream {number}", 1) for number in range(8)]
    assert tracked == outcomes


def test_a_log_that_began_another_life_is_not_written(payroll: Payroll) -> None:
    recorder = payroll.recorder()
    recorder.insert_events([stored(uuid4(), 1)], tracking=upstream(1))
    migrate(payroll.url, new_epoch=True, only=(LOG_MIGRATION,))
    with pytest.raises(OperationalError, match="epoch"):
        recorder.insert_events([stored(uuid4(), 1)], tracking=upstream(2))
    assert payroll.recorder().insert_events([stored(uuid4(), 1)], tracking=upstream(2)) == [2]


def test_what_is_done_with_tracking_is_done_once_or_not_at_all(payroll: Payroll) -> None:
    recorder = payroll.recorder()
    payroll.execute("CREATE TABLE paid (amount integer)")
    effects = 0

    def pay(number: int, *amounts: str) -> None:
        nonlocal effects
        with recorder.tracked(upstream(number)) as connection:
            for amount in amounts:
                effects += 1
                connection.execute(f"INSERT INTO paid VALUES ({amount})".encode())

    pay(1, "100")
    with pytest.raises(ProgrammingError):
        pay(2, "200", "nonsense")
    with pytest.raises(IntegrityError):
        pay(1, "100")
    assert effects == 3
    assert payroll.execute("SELECT amount FROM paid") == [(100,)]
    assert recorder.max_tracking_id("upstream") == 1

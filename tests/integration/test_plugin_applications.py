"""Do snapshots, projections, systems and our deciders run in applications of the library, and end well?"""

from __future__ import annotations

import gc
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep
from typing import Any, ClassVar
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

import psycopg
import pytest
from eventsourcing.application import AggregateNotFoundError, Application, ProcessingEvent
from eventsourcing.domain import Aggregate, DomainEventProtocol, event
from eventsourcing.persistence import IntegrityError, OperationalError, StoredEvent, Tracking
from eventsourcing.projection import EventSourcedProjection, EventSourcedProjectionRunner
from eventsourcing.system import MultiThreadedRunner, ProcessApplication, SingleThreadedRunner, System
from eventsourcing.utils import Environment

from domain.inventory import STOCK, ReceiveStock, ReserveStock, Stock, StockReceived
from domain.kernel import Event
from eventstore.plugin import ApplicationRecorder, Factory, Recorded, TrackingRecorder
from tests.patience import HANGS

Variables = dict[str, str]
KEPT = {"sku": "mug", "warehouse": "main"}


class Till(Aggregate):
    @event("Opened")
    def __init__(self, name: str) -> None:
        self.name = name
        self.sold_cents = 0

    @classmethod
    def create_id(cls, name: str) -> UUID:
        return uuid5(NAMESPACE_URL, name)

    @event("Sold")
    def sell(self, cents: int) -> None:
        self.sold_cents += cents


class Tills(Application[UUID]):
    snapshotting_intervals: ClassVar[dict[Any, int]] = {Till: 10}

    def sell(self, till_id: UUID, cents: int) -> None:
        till: Till = self.repository.get(till_id)
        till.sell(cents)
        self.save(till)

    def versions_of_snapshots(self, till_id: UUID) -> list[int]:
        assert self.snapshots is not None
        return [each.originator_version for each in self.snapshots.get(till_id)]


class Takings(ProcessApplication[UUID]):
    """Adds up what all tills sold, in one till of its own."""

    TOTAL = Till.create_id("total")

    def policy(
        self, domain_event: DomainEventProtocol[UUID], processing_event: ProcessingEvent[UUID]
    ) -> None:
        if isinstance(domain_event, Till.Sold):  # type: ignore[attr-defined]
            total = self.total() or Till("total")
            total.sell(domain_event.cents)
            processing_event.collect_events(total)

    def total(self) -> Till | None:
        found: Till | None = self.repository.get(self.TOTAL) if self.TOTAL in self.repository else None
        return found


@pytest.fixture(params=["uuid", "text"])
def variables(empty_database: str, request: pytest.FixtureRequest) -> Variables:
    return {
        "PERSISTENCE_MODULE": "eventstore",
        "TILLROLL_DATABASE_URL": empty_database,
        "ORIGINATOR_ID_TYPE": request.param,
    }


@pytest.fixture
def texts(empty_database: str) -> Variables:
    return {
        "PERSISTENCE_MODULE": "eventstore",
        "TILLROLL_DATABASE_URL": empty_database,
        "ORIGINATOR_ID_TYPE": "text",
    }


def test_snapshots_are_taken_and_loaded_from(variables: Variables) -> None:
    till = Till("one")
    with Tills(env=variables) as tills:
        tills.save(till)
        for cents in range(1, 35):
            tills.sell(till.id, cents)
        assert tills.versions_of_snapshots(till.id) == [10, 20, 30]
    with Tills(env=variables) as tills:
        # what a snapshot says is believed: the events before it are not read
        damaged: Till = tills.repository.get(till.id, version=30)
        damaged.sold_cents = -1
        with psycopg.connect(variables["TILLROLL_DATABASE_URL"]) as connection:
            connection.execute("DELETE FROM tills_events.aggregate_records WHERE version = 30")
        assert tills.snapshots is not None
        tills.snapshots.put([Till.Snapshot.take(damaged)])
        again: Till = tills.repository.get(till.id)
        assert (again.sold_cents, again.version) == (-1 + 30 + 31 + 32 + 33 + 34, 35)
        assert tills.repository.get(till.id, version=29).sold_cents == sum(range(29))


def test_a_snapshot_is_no_event(variables: Variables) -> None:
    till = Till("one")
    with Tills(env=variables) as tills:
        tills.save(till)
        tills.take_snapshot(till.id)
        with pytest.raises(IntegrityError):
            tills.take_snapshot(till.id)
        assert tills.recorder.max_notification_id() == 1
        assert tills.versions_of_snapshots(uuid4()) == []


@pytest.mark.parametrize("runner_class", [SingleThreadedRunner, MultiThreadedRunner])
def test_a_system_of_applications_runs(variables: Variables, runner_class: type) -> None:
    with runner_class(System([[Tills, Takings]]), env=variables) as runner:
        tills, takings = runner.get(Tills), runner.get(Takings)
        till = Till("one")
        tills.save(till)
        with ThreadPoolExecutor(4) as threads:
            others = [Till(f"{number}") for number in range(20)]
            list(threads.map(tills.save, others))
        for other in others:
            tills.sell(other.id, 5)
        last = tills.recorder.max_notification_id()
        takings.recorder.wait("Tills", last, timeout=HANGS)
        total = takings.total()
        assert total is not None
        assert total.sold_cents == 100
        assert takings.recorder.max_tracking_id("Tills") == last


def _stock_of(stock: Stock | None, events: Iterable[Recorded]) -> Stock | None:
    for each in events:
        stock = STOCK.evolve(stock or STOCK.initial, each.event)  # type: ignore[arg-type]
    return stock


class Deliveries(Application[str]):
    """Goods that came in, as our decider of stock says it."""

    def receive(self, quantity: int) -> int:
        stock = self.stock()
        decided = STOCK.decide(ReceiveStock(**KEPT, quantity=quantity), stock or STOCK.initial)
        recordings = self.save(*self.recorded("stock-m1.mug.main", decided))
        return recordings[-1].notification.id

    def stock(self, id_: str = "stock-m1.mug.main") -> Stock | None:
        try:
            return self.repository.get(id_, projector_func=_stock_of)  # type: ignore[type-var,return-value]
        except AggregateNotFoundError:
            return None

    def recorded(self, id_: str, events: Iterable[Event]) -> list[Recorded]:
        at = len(self.recorder.select_events(id_))
        return [Recorded(id_, at + number, each) for number, each in enumerate(events, 1)]


class Shop(Deliveries, EventSourcedProjection[str]):
    """Moves what came in to its shelf, and holds a tenth of it for a standing order."""

    SHELF = "stock-m1.mug.shop"

    def policy(self, domain_event: Any, processing_event: ProcessingEvent[str]) -> None:
        assert isinstance(domain_event.event, StockReceived)
        stock, number = self.stock(self.SHELF) or STOCK.initial, domain_event.originator_version
        place = {"sku": "mug", "warehouse": "shop"}
        received = STOCK.decide(ReceiveStock(**place, quantity=domain_event.event.quantity), stock)
        for each in received:
            stock = STOCK.evolve(stock, each)
        held = STOCK.decide(
            ReserveStock(
                **place,
                order_id=f"standing-{number}",
                quantity=domain_event.event.quantity // 10,
                expires_at="2030-01-01T00:00:00Z",
                now="2029-01-01T00:00:00Z",
            ),
            stock,
        )
        processing_event.collect_events(*self.recorded(self.SHELF, (*received, *held)))


def test_our_deciders_run_in_a_projection_that_is_resumed(texts: Variables) -> None:
    for number in (1, 2):
        with EventSourcedProjectionRunner(
            application_class=Deliveries, projection_class=Shop, env=texts
        ) as runner:
            runner.app.receive(100)
            runner.wait(runner.app.receive(50), timeout=HANGS)
            shelf = runner.projection.stock(Shop.SHELF)
            assert shelf is not None
            assert shelf.available == number * 135
            assert shelf == _fold(runner.projection.recorder, Shop.SHELF)


def _fold(recorder: ApplicationRecorder, stream: str) -> Stock | None:
    mapper = Factory(Environment("any", {"TILLROLL_DATABASE_URL": "unused"})).mapper()
    return _stock_of(None, map(mapper.to_domain_event, recorder.select_events(stream)))  # type: ignore[arg-type]


def appenders() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("tillroll")]


def connections(database_url: str) -> int:
    with psycopg.connect(database_url) as connection:
        query = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )
        (row,) = connection.execute(query).fetchall()
        return int(row[0])


@pytest.fixture
def all_released(empty_database: str) -> Iterator[None]:
    """After the test no thread of ours runs, and Postgres serves no connection to its database."""
    yield
    gc.collect()
    assert appenders() == []
    while connections(empty_database):
        sleep(0.005)


@pytest.mark.usefixtures("all_released")
def test_close_releases_everything(variables: Variables) -> None:
    before = set(threading.enumerate())
    with Factory(Environment("till", variables)) as factory:
        recorders = (factory.process_recorder(), factory.application_recorder())
        for recorder in recorders:
            recorder.insert_events([StoredEvent(uuid4(), 1, "topic", b"state")])
            assert recorder.max_notification_id()
        recorders[0].insert_events([StoredEvent(uuid4(), 1, "topic", b"state")], tracking=Tracking("up", 1))
        with recorders[0].subscribe() as subscription:
            next(subscription)
        factory.tracking_recorder().insert_tracking(Tracking("up", 2))
        factory.aggregate_recorder("snapshots").select_events(uuid4())
    factory.close()
    assert set(threading.enumerate()) <= before


@pytest.mark.usefixtures("all_released")
def test_an_application_that_nobody_closed_ends_with_its_last_reference(variables: Variables) -> None:
    tills = Tills(env=variables)
    till = Till("one")
    tills.save(till)
    tills.sell(till.id, 5)
    assert appenders() == ["tillroll-appender"]
    del tills


def test_a_closed_recorder_says_so(variables: Variables) -> None:
    with Factory(Environment("till", variables)) as factory:
        recorder = factory.process_recorder()
    new = [StoredEvent(uuid4(), 1, "topic", b"state")]
    for tracking in (None, Tracking("upstream", 1)):
        with pytest.raises(OperationalError, match="closed"):
            recorder.insert_events(new, tracking=tracking)
    with pytest.raises(OperationalError, match="closed"):
        recorder.max_tracking_id("upstream")
    recorder.close()


@pytest.mark.usefixtures("all_released")
def test_what_is_appended_while_it_closes_is_answered(variables: Variables) -> None:
    with Factory(Environment("till", variables)) as factory:
        recorder = factory.process_recorder()
        ids: list[int] = []

        def write(writer: int) -> None:
            for number in range(1, 1_000_000):
                tracking = Tracking(f"upstream {writer}", number) if writer % 2 else None
                new = [StoredEvent(uuid4(), 1, "topic", b"state")]
                ids.extend(recorder.insert_events(new, tracking=tracking) or ())

        with ThreadPoolExecutor(8) as threads:
            writing = [threads.submit(write, writer) for writer in range(8)]
            while len(ids) < 100:
                sleep(0.001)
            recorder.close()
            for each in writing:
                assert isinstance(each.exception(), OperationalError)
        assert factory.application_recorder().max_notification_id() >= len(ids)  # type: ignore[operator]


def test_applications_that_start_at_once_all_start(variables: Variables) -> None:
    factories = [Factory(Environment("till", variables)) for _ in range(6)]
    makers = [make for each in factories for make in (each.process_recorder, each.aggregate_recorder)]
    with ThreadPoolExecutor(len(makers)) as threads:
        for made in [threads.submit(make) for make in makers]:
            made.result()
    for each in factories:
        each.close()


class Ledger(TrackingRecorder):
    tables = "CREATE TABLE IF NOT EXISTS ledger (amount integer)"


def test_a_class_of_ones_own_is_named_by_its_topic(texts: Variables) -> None:
    topic = f"{__name__}:Ledger"
    with Factory(Environment("till", texts | {"TRACKING_RECORDER_TOPIC": topic})) as factory:
        assert type(factory.tracking_recorder()) is Ledger
    variables = {"APPLICATION_RECORDER_TOPIC": topic, "PROCESS_RECORDER_TOPIC": topic}
    with Factory(Environment("till", texts | variables)) as factory:
        for make in (factory.application_recorder, factory.process_recorder):
            with pytest.raises(OSError, match="Ledger"):
                make()


@pytest.mark.usefixtures("all_released")
def test_the_example_of_the_document_runs_twice(empty_database: str) -> None:
    text = (Path(__file__).parents[2] / "docs" / "plugin.md").read_text()
    (example,) = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    (printed,) = re.findall(r"^It prints `(.*?)`", text, re.MULTILINE)
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-X", "dev", "-c", example],
            env={**os.environ, "TILLROLL_DATABASE_URL": empty_database},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{printed}\n", "")

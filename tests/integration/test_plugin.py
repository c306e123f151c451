"""Does an application of the `eventsourcing` library save, load and follow on this engine as it should?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import psycopg
import pytest
from eventsourcing.application import AggregateNotFoundError, Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import (
    DataError,
    InfrastructureFactory,
    IntegrityError,
    JSONTranscoder,
    MapperDeserialisationError,
    NotSupportedError,
    ProgrammingError,
    StoredEvent,
    Tracking,
)

import eventstore
from domain.inventory import STOCK, AdjustStock, ReceiveStock, Stock, StockReceived
from domain.order import OrderPlaced
from domain.personal import Customer
from eventstore.leaf import leaf_hash_of
from eventstore.log import StoredEvent as LogRow
from eventstore.plugin import ApplicationRecorder, Mapper, Recorded


class Dog(Aggregate):
    """The library's kind of aggregate, with events in its methods."""

    @event("Registered")
    def __init__(self, name: str) -> None:
        self.name = name
        self.tricks: list[str] = []

    @event("TrickAdded")
    def add_trick(self, trick: str) -> None:
        self.tricks.append(trick)


class Kennel(Application[UUID]):
    def register(self, name: str) -> UUID:
        dog = Dog(name)
        self.save(dog)
        return dog.id

    def dog(self, dog_id: UUID) -> Dog:
        found: Dog = self.repository.get(dog_id)
        return found


@pytest.fixture
def environment(empty_database: str) -> dict[str, str]:
    return {"PERSISTENCE_MODULE": "eventstore", "TILLROLL_DATABASE_URL": empty_database}


@pytest.fixture
def kennel(environment: dict[str, str]) -> Iterator[Kennel]:
    with Kennel(env=environment) as kennel:
        yield kennel


@pytest.fixture
def recorder(kennel: Kennel) -> ApplicationRecorder:
    assert isinstance(kennel.recorder, ApplicationRecorder)
    return kennel.recorder


def stored(
    originator: UUID | str, version: int, topic: str = "topic", state: bytes = b"\x00state"
) -> StoredEvent:
    return StoredEvent(originator, version, topic, state)


def test_the_library_finds_the_factory(environment: dict[str, str]) -> None:
    factory: InfrastructureFactory = InfrastructureFactory.construct(environment)
    assert isinstance(factory, eventstore.Factory)
    factory.close()


def test_without_a_log_or_its_address_it_says_so(environment: dict[str, str]) -> None:
    with pytest.raises(ProgrammingError):
        Kennel(env=environment | {"CREATE_TABLE": "no"})
    del environment["TILLROLL_DATABASE_URL"]
    with pytest.raises(OSError, match="TILLROLL_DATABASE_URL"):
        Kennel(env=environment)


def test_an_aggregate_is_saved_and_loaded(kennel: Kennel) -> None:
    dog_id = kennel.register("Fido")
    dog = kennel.dog(dog_id)
    dog.add_trick("roll over")
    dog.add_trick("play dead")
    (first, second) = kennel.save(dog)
    assert (first.notification.id, second.notification.id) == (2, 3)
    again = kennel.dog(dog_id)
    assert (again.name, again.tricks, again.version) == ("Fido", ["roll over", "play dead"], 3)
    assert kennel.repository.get(dog_id, version=2).tricks == ["roll over"]
    with pytest.raises(AggregateNotFoundError):
        kennel.dog(uuid4())


def test_a_second_application_finds_what_the_first_left(environment: dict[str, str], kennel: Kennel) -> None:
    dog_id = kennel.register("Fido")
    with Kennel(env=environment) as other:
        assert other.dog(dog_id).name == "Fido"


def test_applications_have_logs_of_their_own(environment: dict[str, str], kennel: Kennel) -> None:
    kennel.register("Fido")

    class Pound(Kennel):
        pass

    with Pound(env=environment) as pound:
        assert pound.recorder.max_notification_id() is None
        pound.register("Stray")
        assert pound.recorder.max_notification_id() == 1
    assert kennel.recorder.max_notification_id() == 1


def test_of_two_copies_the_second_to_save_conflicts(kennel: Kennel) -> None:
    dog_id = kennel.register("Fido")
    one, other = kennel.dog(dog_id), kennel.dog(dog_id)
    one.add_trick("sit")
    other.add_trick("fetch")
    kennel.save(one)
    with pytest.raises(IntegrityError):
        kennel.save(other)
    assert kennel.dog(dog_id).tricks == ["sit"]


def test_several_aggregates_are_saved_together_or_not_at_all(kennel: Kennel) -> None:
    dog_id = kennel.register("Fido")
    stale, fresh = kennel.dog(dog_id), kennel.dog(dog_id)
    fresh.add_trick("sit")
    kennel.save(fresh)
    stale.add_trick("fetch")
    new = Dog("Rex")
    with pytest.raises(IntegrityError):
        kennel.save(new, stale)
    with pytest.raises(AggregateNotFoundError):
        kennel.dog(new.id)
    assert kennel.recorder.max_notification_id() == 2


def test_the_notification_log_is_in_order(kennel: Kennel) -> None:
    ids = [kennel.register(f"dog {number}") for number in range(12)]
    notifications = kennel.notification_log.select(start=1, limit=10)
    assert [each.id for each in notifications] == list(range(1, 11))
    assert [each.originator_id for each in notifications] == ids[:10]
    assert [each.id for each in kennel.notification_log.select(start=11, limit=10)] == [11, 12]
    assert kennel.notification_log["1,10"].id == "1,10"


def test_threads_share_batches_without_a_gap(kennel: Kennel) -> None:
    with ThreadPoolExecutor(16) as threads:
        ids = list(threads.map(kennel.register, map(str, range(200))))
    found = kennel.recorder.select_notifications(None, 1_000)
    assert [each.id for each in found] == list(range(1, 201))
    assert {each.originator_id for each in found} == set(ids)


def test_selecting_by_version_and_by_position(recorder: ApplicationRecorder) -> None:
    one, other = uuid4(), uuid4()
    assert recorder.insert_events([]) is None
    assert recorder.insert_events([stored(one, 1, "a"), stored(one, 2, "b"), stored(other, 0, "c")]) == [
        1,
        2,
        3,
    ]
    assert [each.originator_version for each in recorder.select_events(one)] == [1, 2]
    assert recorder.select_events(one, desc=True, limit=1) == [stored(one, 2, "b")]
    assert recorder.select_events(one, gt=1) == [stored(one, 2, "b")]
    assert recorder.select_events(one, lte=1) == [stored(one, 1, "a")]
    assert recorder.select_events(other) == [stored(other, 0, "c")]
    assert recorder.select_events(uuid4()) == []
    select: Callable[..., list[int]] = lambda *a, **k: [n.id for n in recorder.select_notifications(*a, **k)]  # noqa: E731
    assert select(None, 10) == [1, 2, 3]
    assert select(2, 10) == [2, 3]
    assert select(2, 10, inclusive_of_start=False) == [3]
    assert select(1, 10, stop=2) == [1, 2]
    assert select(None, 2) == [1, 2]
    assert select(None, 10, topics=["a", "c"]) == [1, 3]


def test_ids_are_given_in_the_order_of_the_events(recorder: ApplicationRecorder) -> None:
    one, other = uuid4(), uuid4()
    mixed = [stored(one, 1), stored(other, 1), stored(one, 2), stored(other, 2)]
    ids = recorder.insert_events(mixed)
    assert ids is not None
    found = {
        each.id: (each.originator_id, each.originator_version) for each in recorder.select_notifications(1, 9)
    }
    assert [found[number] for number in ids] == [
        (each.originator_id, each.originator_version) for each in mixed
    ]


def test_what_does_not_follow_is_an_integrity_error(recorder: ApplicationRecorder) -> None:
    one = uuid4()
    recorder.insert_events([stored(one, 5)])
    for wrong in ([stored(one, 5)], [stored(one, 4)], [stored(one, 7)], [stored(one, 6), stored(one, 6)]):
        with pytest.raises(IntegrityError):
            recorder.insert_events(wrong)
    assert recorder.insert_events([stored(one, 6)]) == [2]


def test_what_can_not_be_stored_is_a_data_error(recorder: ApplicationRecorder) -> None:
    with pytest.raises(DataError):
        recorder.insert_events([stored(uuid4(), 1, "a\x00b")])
    with pytest.raises(NotSupportedError):
        recorder.insert_events([stored(uuid4(), 1)], tracking=Tracking("other", 1))


def test_a_subscription_has_what_was_and_what_comes(kennel: Kennel, recorder: ApplicationRecorder) -> None:
    first = kennel.register("Fido")
    with recorder.subscribe() as subscription:
        assert next(subscription).originator_id == first
        with ThreadPoolExecutor(1) as threads:
            coming = threads.submit(next, subscription)
            second = kennel.register("Rex")
            assert coming.result().originator_id == second
    with recorder.subscribe(gt=1) as subscription:
        assert next(subscription).originator_id == second


def test_its_rows_verify_like_any_others(empty_database: str, kennel: Kennel) -> None:
    kennel.register("Fido")
    with psycopg.connect(empty_database, options="-c timezone=UTC") as connection:
        (row,) = connection.execute("SELECT * FROM kennel_events.events").fetchall()
        event = LogRow(*row)
        assert event.leaf_hash == leaf_hash_of(event)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM kennel_events.events")


def _stock_of(stock: Stock | None, events: Iterable[Recorded]) -> Stock | None:
    for each in events:
        stock = STOCK.evolve(stock or STOCK.initial, each.event)  # type: ignore[arg-type]
    return stock


def test_deciders_run_in_an_application(environment: dict[str, str]) -> None:
    apples, kept = "stock-m1.apple.main", {"sku": "apple", "warehouse": "main"}
    with Application[str](env=environment | {"ORIGINATOR_ID_TYPE": "text"}) as stocks:
        stock = STOCK.initial
        commands: tuple[ReceiveStock | AdjustStock, ...] = (
            ReceiveStock(**kept, quantity=10),
            AdjustStock(**kept, delta=-3, reason="damage"),
        )
        for version, command in enumerate(commands, 1):
            (decided,) = STOCK.decide(command, stock)
            stocks.save(Recorded(apples, version, decided))
            stock = STOCK.evolve(stock, decided)
        assert stocks.repository.get(apples, projector_func=_stock_of) == stock  # type: ignore[type-var]
        topics = [each.topic for each in stocks.notification_log.select(1, 10)]
        assert topics == ["StockReceived/1", "StockAdjusted/1"]
        with pytest.raises(IntegrityError):
            stocks.save(Recorded(apples, 2, StockReceived(**kept, quantity=1)))


def test_a_personal_field_is_not_recorded_in_the_clear() -> None:
    plain = Customer(customer_id="c", customer_unique_id="u", zip_prefix="01000", city="sao paulo")
    placed = OrderPlaced.model_construct(order_id="o", customer=plain)  # type: ignore[call-arg]
    mapper = Mapper(JSONTranscoder())
    with pytest.raises(TypeError, match="personal"):
        mapper.to_stored_event(Recorded("order-1", 1, placed))


def test_what_the_mapper_does_not_know_it_says() -> None:
    with pytest.raises(MapperDeserialisationError, match="OrderVanished"):
        Mapper(JSONTranscoder()).to_domain_event(stored("order-1", 1, "OrderVanished/1"))

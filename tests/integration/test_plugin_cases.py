"""Do the library's own reusable cases pass on this engine, unchanged, with UUID and with text originator ids?

Each class here is one of `eventsourcing.tests`, told only what to construct. Nothing is skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import ClassVar
from uuid import UUID, uuid4

import pytest
from eventsourcing.persistence import Tracking
from eventsourcing.tests import application as applications
from eventsourcing.tests import persistence as cases
from eventsourcing.tests import projection as projections
from eventsourcing.utils import Environment

from eventstore.plugin import (
    AggregateRecorder,
    ApplicationRecorder,
    Factory,
    ProcessRecorder,
    TrackingRecorder,
)


class Uuids:
    """The test's environment, in a database of its own, for applications whose aggregates have UUIDs."""

    id_type: ClassVar[str] = "uuid"

    @pytest.fixture(autouse=True)
    def _environment(self, empty_database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        self.variables = {
            "PERSISTENCE_MODULE": "eventstore",
            "TILLROLL_DATABASE_URL": empty_database,
            "ORIGINATOR_ID_TYPE": self.id_type,
        }
        for name, value in self.variables.items():
            monkeypatch.setenv(name, value)
        self.env = Environment("Cases", self.variables)
        with ExitStack() as self.opened:
            yield

    @property
    def made(self) -> Factory:
        """A factory that is closed after the test."""
        return self.opened.enter_context(Factory(self.env))


class Texts(Uuids):
    """The same for text, and any text may be an id."""

    id_type = "text"

    def new_originator_id(self) -> UUID | str:
        return f"Caixa-é.*>/ {uuid4()}"


class Aggregates:
    def create_recorder(self) -> AggregateRecorder:
        return self.made.aggregate_recorder()


class TestAggregatesByUuid(Uuids, Aggregates, cases.AggregateRecorderTestCase): ...


class TestAggregatesByText(Texts, Aggregates, cases.AggregateRecorderTestCase): ...


class Applications:
    optional_test_insert_subscribe: Callable[[], None]

    def create_recorder(self) -> ApplicationRecorder:
        return self.made.application_recorder()

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestApplicationsByUuid(Uuids, Applications, cases.ApplicationRecorderTestCase[ApplicationRecorder]): ...


class TestApplicationsByText(Texts, Applications, cases.ApplicationRecorderTestCase[ApplicationRecorder]): ...


class ApplicationsOfProcesses(Applications):
    """A process recorder is an application recorder, too."""

    def create_recorder(self) -> ApplicationRecorder:
        return self.made.process_recorder()


class TestApplicationsOfProcessesByUuid(
    Uuids, ApplicationsOfProcesses, cases.ApplicationRecorderTestCase[ApplicationRecorder]
): ...


class TestApplicationsOfProcessesByText(
    Texts, ApplicationsOfProcesses, cases.ApplicationRecorderTestCase[ApplicationRecorder]
): ...


class TestTracking(Uuids, cases.TrackingRecorderTestCase):
    """Tracking knows no originators."""

    def create_recorder(self) -> TrackingRecorder:
        return self.made.tracking_recorder()


class TestTrackingOfProcesses(Uuids, cases.TrackingRecorderTestCase):
    """A process recorder is a tracking recorder, too."""

    def create_recorder(self) -> TrackingRecorder:
        return self.made.process_recorder()


class Processes:
    def create_recorder(self) -> ProcessRecorder:
        return self.made.process_recorder()


class TestProcessesByUuid(Uuids, Processes, cases.ProcessRecorderTestCase): ...


class TestProcessesByText(Texts, Processes, cases.ProcessRecorderTestCase): ...


class NonInterleaving:
    def create_recorder(self) -> ApplicationRecorder:
        return self.made.application_recorder()


class TestNonInterleavingByUuid(Uuids, NonInterleaving, cases.NonInterleavingNotificationIDsBaseCase): ...


class TestNonInterleavingByText(Texts, NonInterleaving, cases.NonInterleavingNotificationIDsBaseCase): ...


class TestFactory(Uuids, cases.InfrastructureFactoryTestCase[Factory]):
    """The factory hands the type of ids on, and knows nothing of them."""

    def expected_factory_class(self) -> type[Factory]:
        return Factory

    def expected_aggregate_recorder_class(self) -> type[AggregateRecorder]:
        return AggregateRecorder

    def expected_application_recorder_class(self) -> type[ApplicationRecorder]:
        return ApplicationRecorder

    def expected_tracking_recorder_class(self) -> type[TrackingRecorder]:
        return TrackingRecorder

    def tracking_recorder_subclass(self) -> type[TrackingRecorder]:
        return EventCounts

    def expected_process_recorder_class(self) -> type[ProcessRecorder]:
        return ProcessRecorder


class Example:
    expected_factory_topic = "eventstore.plugin.factory:Factory"


class TestExampleByUuid(Uuids, Example, applications.ExampleApplicationTestCase): ...


class TestExampleByText(Texts, Example, applications.ExampleApplicationTestCase): ...


# The case looks at a warning that it expects, and so it has to be one here, not an error.
@pytest.mark.filterwarnings("default:'log' is deprecated:DeprecationWarning")
class TestApplicationByUuid(Uuids, applications.ApplicationTestCase): ...


@pytest.mark.filterwarnings("default:'log' is deprecated:DeprecationWarning")
class TestApplicationByText(Texts, applications.ApplicationTestCase): ...


class EventCounts(TrackingRecorder, projections.EventCountersView):
    """The materialised view that the library's projections count in."""

    tables = "CREATE TABLE IF NOT EXISTS event_counts (kind text PRIMARY KEY, events bigint NOT NULL)"

    def get_created_event_counter(self) -> int:
        return self._count("created")

    def get_subsequent_event_counter(self) -> int:
        return self._count("subsequent")

    def incr_created_event_counter(self, tracking: Tracking) -> None:
        self._increment("created", tracking)

    def incr_subsequent_event_counter(self, tracking: Tracking) -> None:
        self._increment("subsequent", tracking)

    def _count(self, kind: str) -> int:
        with self.connection() as connection:
            query = "SELECT events FROM event_counts WHERE kind = %s"
            row = connection.execute(query, (kind,)).fetchone()
        return int(row[0]) if row else 0

    def _increment(self, kind: str, tracking: Tracking) -> None:
        with self.tracked(tracking) as connection:
            connection.execute(
                "INSERT INTO event_counts AS c VALUES (%s, 1)"
                " ON CONFLICT (kind) DO UPDATE SET events = c.events + 1",
                (kind,),
            )


class TestEventCounts(Uuids, projections.EventCountersViewTestCase):
    """A view knows no originators."""

    def construct_event_counters_view(self) -> EventCounts:
        view = self.made.tracking_recorder(EventCounts)
        assert isinstance(view, EventCounts)
        return view


class CountingProjection:
    view_class = EventCounts


class TestCountingProjectionByUuid(
    Uuids, CountingProjection, projections.AggregateEventCountersProjectionTestCase
): ...


class TestCountingProjectionByText(
    Texts, CountingProjection, projections.AggregateEventCountersProjectionTestCase
): ...


class TestTaggedDecisions(Uuids, projections.TaggedDecisionCountersProjectionTestCase):
    """Events of a DCB application have tags and no aggregates. That is another store of the library's, with
    factories of another kind: its own, in memory, is used here. The view is ours.
    """

    view_class = EventCounts

    def setUp(self) -> None:
        self.env = self.variables | {
            "PERSISTENCE_MODULE": "eventsourcing.dcb.popo",
            "MAPPER_TOPIC": "eventsourcing.dcb.msgpack:MessagePackMapper",
            "EVENTCOUNTERS_PERSISTENCE_MODULE": "eventstore",
        }


class TestEventSourcedProjectionByUuid(Uuids, projections.EventSourcedProjectionTestCase): ...


class TestEventSourcedProjectionByText(Texts, projections.EventSourcedProjectionTestCase): ...

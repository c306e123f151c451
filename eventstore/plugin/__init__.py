"""The `eventsourcing` library on this engine: `PERSISTENCE_MODULE=eventstore`, `TILLROLL_DATABASE_URL=…`.

Each application has a log of its own: the same tables and the same function, in a schema of its own. The
topic is the event's type, the state its opaque data; notification ids are positions, so they have no gaps and
are in the order of commits. Snapshots and tracking records stand beside it.
"""

from eventstore.plugin.aggregates import AggregateRecorder
from eventstore.plugin.application import ApplicationRecorder
from eventstore.plugin.factory import Factory
from eventstore.plugin.mapper import Mapper, Recorded
from eventstore.plugin.process import ProcessRecorder
from eventstore.plugin.tracking import TrackingRecorder

__all__ = [
    "AggregateRecorder",
    "ApplicationRecorder",
    "Factory",
    "Mapper",
    "ProcessRecorder",
    "Recorded",
    "TrackingRecorder",
]

"""The `eventsourcing` library on this engine: `PERSISTENCE_MODULE=eventstore`, `TILLROLL_DATABASE_URL=…`.

Each application has a log of its own: the same tables and the same function, in a schema of its own. The
topic is the event's type, the state its opaque data; notification ids are positions, so they have no gaps and
are in the order of commits.
"""

from eventstore.plugin.factory import Factory
from eventstore.plugin.mapper import Mapper, Recorded
from eventstore.plugin.recorder import ApplicationRecorder

__all__ = ["ApplicationRecorder", "Factory", "Mapper", "Recorded"]

"""The `eventsourcing` library on this engine: `PERSISTENCE_MODULE=eventstore`, `TILLROLL_DATABASE_URL=…`.

Each application has a log of its own: the same tables and the same function, in a schema of its own. The
topic is the event's type, the state its opaque data; notification ids are positions, so they have no gaps and
are in the order of commits. Snapshots and tracking records stand beside it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
_MODULES = {
    "AggregateRecorder": "aggregates",
    "ApplicationRecorder": "application",
    "Factory": "factory",
    "Mapper": "mapper",
    "ProcessRecorder": "process",
    "Recorded": "mapper",
    "TrackingRecorder": "tracking",
}


def __getattr__(name: str) -> Any:
    """Each is loaded when it is asked for: whoever imports anything of `eventstore` imports this, too, and
    all of it, with the domain that its mapper knows, takes a second."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)

"""The event log. `PERSISTENCE_MODULE=eventstore` makes it the store of an `eventsourcing` application."""

# The library looks for exactly one factory in the module that it is told.
from eventstore.plugin.factory import Factory

__all__ = ["Factory"]

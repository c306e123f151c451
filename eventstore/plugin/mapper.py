"""How do events become rows of an application's log? The library's own as it maps them; ours by their codec.

An application may hold our deciders' events too: `Recorded` is such an event with its place in an aggregate.
It is stored under its type's name and schema, never under a module path, and read back through the upcasters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eventsourcing import persistence
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import MapperDeserialisationError, StoredEvent

from domain.kernel import Event
from domain.personal import Erased, Sealed
from eventstore.codec import decode_event, personal_fields

# A topic of the library holds a module and a class, `module:Class`; one of ours `Type/schema`.
_BETWEEN = "/"


@dataclass(frozen=True)
class Recorded:
    """One of our events as the library sees it (its `DomainEventProtocol`)."""

    originator_id: str
    originator_version: int
    event: Event


class Mapper(persistence.Mapper[Any]):
    """The library's mapper, which knows our events as well. Personal fields must be sealed before."""

    def to_stored_event(self, domain_event: DomainEventProtocol[Any]) -> StoredEvent:
        if not isinstance(domain_event, Recorded):
            return super().to_stored_event(domain_event)
        event = domain_event.event
        kind = type(event)
        for name in personal_fields(kind):
            if not isinstance(getattr(event, name), Sealed | Erased):
                raise TypeError(f"{kind.__name__}.{name} is personal: seal it before it is recorded")
        state = kind.__pydantic_serializer__.to_json(event, exclude_defaults=True)
        if self.compressor:
            state = self.compressor.compress(state)
        if self.cipher:
            state = self.cipher.encrypt(state)
        topic = f"{kind.__name__}{_BETWEEN}{kind.schema_version}"
        return StoredEvent(domain_event.originator_id, domain_event.originator_version, topic, state)

    def to_domain_event(self, stored_event: StoredEvent) -> DomainEventProtocol[Any]:
        name, between, schema = stored_event.topic.partition(_BETWEEN)
        if not between:
            return super().to_domain_event(stored_event)
        state = stored_event.state
        try:
            if self.cipher:
                state = self.cipher.decrypt(state)
            if self.compressor:
                state = self.compressor.decompress(state)
            event = decode_event(name, int(schema), state)
        except Exception as error:
            raise MapperDeserialisationError(f"{stored_event.topic}: {error}") from error
        return Recorded(str(stored_event.originator_id), stored_event.originator_version, event)

"""Events to stored bytes and back: JSON, schema versions with upcasters, sealed personal fields.

A warning: this file is the storage format. An event class that changes gets a higher `schema_version`, an
upcaster from the version before (`eventstore/upcasters.py`), and samples (`tests/unit/test_events.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, lru_cache, partial
from typing import Any, get_args

import orjson

from domain.aggregates import EVENT_TYPES
from domain.kernel import Event, Fact, Value
from domain.personal import Erased, PersonalField, Sealed
from eventstore.keyring import Keyring
from eventstore.log import NewEvent, StoredEvent
from eventstore.seams import Ids
from eventstore.upcasters import UPCASTERS, Upcaster


class UnknownEvent(Exception):
    """An event of a type or schema that this version of the code does not know: a newer one wrote it."""


Read = Callable[[bytes], Event]


class Schemas(dict[tuple[str, int], Read]):
    """(type, schema) -> how its stored bytes are read: at once, or through upcasters if the schema is old.

    To look up a type or schema of the future raises UnknownEvent. A dict, as it is asked for every event.
    """

    def __init__(
        self, kinds: Mapping[str, type[Event]], upcasters: Mapping[tuple[str, int], Upcaster]
    ) -> None:
        """Raises ValueError unless there is an upcaster from each schema of the past, and from no other."""
        past = {(name, schema) for name, kind in kinds.items() for schema in range(1, kind.schema_version)}
        for name, schema in sorted(past ^ upcasters.keys()):
            wrong = "has no upcaster" if (name, schema) in past else "has an upcaster, but is not of the past"
            raise ValueError(f"schema {schema} of {name} {wrong}")
        for name, kind in kinds.items():
            self[name, kind.schema_version] = kind.__pydantic_validator__.validate_json
        for name, schema in past:
            steps = [upcasters[name, step] for step in range(schema, kinds[name].schema_version)]
            self[name, schema] = partial(_upcast, steps, kinds[name])

    def __missing__(self, key: tuple[str, int]) -> Read:
        name, schema = key
        raise UnknownEvent(f"{name} of schema {schema} is not known here; a newer version wrote it")


def _upcast(steps: Sequence[Upcaster], kind: type[Event], data: bytes) -> Event:
    fields = orjson.loads(data)
    for step in steps:
        fields = step(fields)
    # as JSON again, whose rules are not those of Python values: what is new is read as what was stored
    return kind.__pydantic_validator__.validate_json(orjson.dumps(fields))  # type: ignore[no-any-return]


SCHEMAS = Schemas(EVENT_TYPES, UPCASTERS)


def decode_event(type_: str, schema: int, data: bytes) -> Event:
    """The event of stored bytes; raises UnknownEvent for a type or schema of the future."""
    return SCHEMAS[type_, schema](data)


@cache
def personal_fields(event_type: type[Event]) -> dict[str, type[Value]]:
    """The personal fields of an event class: by name, what a field holds when it is plain."""
    fields = event_type.model_fields.items()
    return {
        name: _plain_kind(field.annotation)
        for name, field in fields
        if any(isinstance(m, PersonalField) for m in field.metadata)
    }


def _plain_kind(annotation: Any) -> type[Value]:
    """Of the three forms that a personal field takes, the one that is neither sealed nor erased."""
    kind: type[Value]
    _sealed, kind, _erased = get_args(annotation)
    return kind


def subject_of(event: Event) -> str | None:
    """The data subject whose key the event's personal fields need; None if it has none."""
    return getattr(event, "subject", None) if personal_fields(type(event)) else None


def encode(event: Event, ids: Ids, keyring: Keyring) -> NewEvent:
    """Seal, then serialise. The subject's key must be loaded (`Keyring.ensure`)."""
    for name in personal_fields(type(event)):
        value = getattr(event, name)
        if not isinstance(value, Sealed | Erased):
            event = event.model_copy(update={name: keyring.seal(event.subject, value, ids)})  # type: ignore[attr-defined]
    kind = type(event)
    data = kind.__pydantic_serializer__.to_json(event, exclude_defaults=True)
    return NewEvent(kind.__name__, kind.schema_version, data, ids.new())


@lru_cache(maxsize=8192)
def _metadata(metadata: bytes) -> tuple[str, str]:
    fields = orjson.loads(metadata)
    return fields.get("actor", ""), fields.get("clock", "wall")


_fact: Callable[[tuple[Any, ...]], Fact] = partial(tuple.__new__, Fact)


def decode(stored: StoredEvent) -> Fact:
    """The fact of a stored event; personal fields stay sealed."""
    (
        position, stream, version, type_, schema, data, merchant, correlation, causation, metadata, event_id,
        occurred_at, recorded_at, _,
    ) = stored  # fmt: skip
    event = SCHEMAS[type_, schema](data)
    actor, clock = _metadata(metadata)
    return _fact((
        position, stream, version, event, merchant, correlation, causation, event_id, occurred_at,
        recorded_at, actor, clock,
    ))  # fmt: skip


def subjects_in(facts: Iterable[Fact]) -> set[str]:
    """The data subjects whose keys opening these facts needs."""
    return {subject for fact in facts if (subject := subject_of(fact.event))}


def opened(event: Event, keyring: Keyring) -> Event:
    """The event with its personal fields plain, or `Erased`; the keys must be loaded (`Keyring.load`)."""
    update = {}
    for name, kind in personal_fields(type(event)).items():
        value = getattr(event, name)
        if isinstance(value, Sealed):
            update[name] = keyring.open(event.subject, value, kind)  # type: ignore[attr-defined]
    return event.model_copy(update=update) if update else event


def known_part(events: Sequence[StoredEvent], schemas: Schemas = SCHEMAS) -> Sequence[StoredEvent]:
    """The page up to the first event of a type or schema that this code does not know.

    Raises UnknownEvent where that is the very first: then a newer worker must go on.
    """
    for index, event in enumerate(events):
        if (event.type, event.schema) not in schemas:
            if index == 0:
                raise UnknownEvent(f"{event.type} of schema {event.schema} at {event.position} is not known")
            return events[:index]
    return events

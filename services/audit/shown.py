"""How is an event shown to an auditor? As JSON with its envelope; what is personal opened, sealed or erased.

Keys are looked up anew for every page: what was erased a moment ago is erased here, whatever a cache holds.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag

from domain.kernel import Event
from domain.personal import Erased, Sealed
from eventstore.codec import decode_event, personal_fields, subject_of
from eventstore.keyring import Keyring
from eventstore.log import StoredEvent
from services.audit.filters import actor_of
from services.audit.stored import NO_EVENT, unreadable


class Opening:
    """What the personal fields of events show. `open_` is for who has the permission: else they stay sealed,
    and only whether they are erased is told."""

    def __init__(self, keyring: Keyring, *, open_: bool) -> None:
        self._keyring = keyring
        self.open = open_

    async def events(self, stored: Sequence[StoredEvent]) -> list[Event | None]:
        """The decoded events; None for one that can't be: a newer version of the code wrote it, or somebody
        altered it."""
        events = [_decoded(each) for each in stored]
        keys = await self._keys(event for event in events if event is not None)
        return [None if event is None else self._shown(event, keys) for event in events]

    async def _keys(self, events: Iterable[Event]) -> Keyring:
        keys = self._keyring.anew()
        if subjects := {subject for event in events if (subject := subject_of(event))}:
            await keys.load(subjects)
        return keys

    def _shown(self, event: Event, keys: Keyring) -> Event:
        update = {}
        for name, kind in personal_fields(type(event)).items():
            value = getattr(event, name)
            if isinstance(value, Sealed):
                with suppress(ValueError, InvalidTag):  # altered, it stays as it is
                    plain = keys.open(event.subject, value, kind)  # type: ignore[attr-defined]
                    if self.open or isinstance(plain, Erased):
                        update[name] = plain
        return event.model_copy(update=update) if update else event


def _decoded(stored: StoredEvent) -> Event | None:
    try:
        return decode_event(stored.type, stored.schema, stored.data)
    except NO_EVENT:
        return None


def _object(stored: bytes) -> dict[str, Any]:
    """As it stands, if it is a JSON object; else its bytes."""
    with suppress(ValueError):
        found = orjson.loads(stored)
        if isinstance(found, dict):
            return found
    return {"bytes": base64.b64encode(stored).decode()}


def envelope(stored: StoredEvent, event: Event | None) -> dict[str, Any]:
    """An event as JSON values, with all that the log knows of it."""
    return {
        "position": stored.position,
        "event_id": str(stored.event_id),
        "stream": stored.stream,
        "version": stored.version,
        "type": stored.type,
        "schema": stored.schema,
        "merchant": stored.merchant,
        "actor": actor_of(stored.metadata),
        "correlation": stored.correlation,
        "causation": stored.causation,
        "occurred_at": stored.occurred_at.isoformat(),
        "recorded_at": stored.recorded_at.isoformat(),
        "metadata": _object(stored.metadata),
        "data": _object(stored.data) if event is None else event.model_dump(mode="json"),
        "unreadable": unreadable(stored, event),
        "leaf_hash": stored.leaf_hash.hex(),
    }


async def envelopes(stored: Sequence[StoredEvent], opening: Opening) -> list[dict[str, Any]]:
    """As `envelope`, of a page."""
    events = await opening.events(stored)
    return [envelope(each, event) for each, event in zip(stored, events, strict=True)]

"""Which events does somebody ask for, and by which keys does the index of the log's history know them?

A filter's conditions all hold at once. Those on columns are checked by the database; what stands inside of an
event (who gave the command, whose personal data it is, which order it is about) is checked here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any
from urllib.parse import unquote

import orjson

from domain.streams import order_stream, stream_parts
from eventstore.log import StoredEvent

KEYED = ("order", "correlation", "causation", "subject", "merchant", "actor", "type")
"""What the index knows, the rarest first: the first that is asked for leads the search. How far that comes
tells how often that one is met; so a merchant's own leads before what all merchants have."""
_PLAIN = re.compile(r"[\w.:+=%~-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class EventFilter:
    """What to look for; None: whatever it is. Times are from (inclusive) and until (exclusive), with a zone.

    `order` is the stream of an order: of all events about it, in whichever stream; that of anything else
    finds the deadlines that were asked for of it. `subject` is the pseudonym of a person: of the events that
    hold personal data of it.
    """

    stream: str | None = None
    type: str | None = None
    merchant: str | None = None
    actor: str | None = None
    correlation: str | None = None
    causation: str | None = None
    subject: str | None = None
    order: str | None = None
    occurred_from: datetime | None = None
    occurred_until: datetime | None = None
    recorded_from: datetime | None = None
    recorded_until: datetime | None = None

    def keys(self) -> list[int]:
        """The keys that a block must hold events of, the rarest first."""
        return [key_of(kind, wanted) for kind in KEYED if (wanted := getattr(self, kind)) is not None]

    def bound_to(self, merchant: str) -> EventFilter | None:
        """The same as asked by who sees one merchant's events; None where only another's could fit.

        What is another's is not even looked for: how long that takes would tell how much there is of it.
        """
        others = self.merchant not in (None, merchant)
        of_others = self.order is not None and stream_parts(self.order)[0] != merchant
        return None if others or of_others else replace(self, merchant=merchant)

    @property
    def timed(self) -> bool:
        times = (self.occurred_from, self.occurred_until, self.recorded_from, self.recorded_until)
        return any(time is not None for time in times)

    def arguments(self) -> dict[str, Any]:
        """Of the statements that look for events; `…_has` must stand somewhere in the stored bytes."""
        named = {each.name: getattr(self, each.name) for each in fields(self)}
        order_id = unquote(self.order.partition(".")[2]) if self.order else None
        return named | {
            "data_has": _plain(self.subject or order_id),
            "metadata_has": _plain(self.actor),
        }

    def keeps(self, event: StoredEvent) -> bool:
        """Whether what stands inside of the event is as asked for; the columns were checked before."""
        return (
            (self.actor is None or actor_of(event.metadata) == self.actor)
            and (self.subject is None or subject_of(event) == self.subject)
            and (self.order is None or order_of(event) == self.order)
        )


def key_of(kind: str, text: str) -> int:
    """The key of the index: 64 bits, signed."""
    return int.from_bytes(blake2b(f"{kind}\0{text}".encode(), digest_size=8).digest(), signed=True)


@lru_cache(maxsize=8192)
def actor_of(metadata: bytes) -> str:
    """Who gave the command, as the log names it: `user:ID`, `key:ID`, `agent:order`."""
    actor = _object(metadata).get("actor")
    return actor if isinstance(actor, str) else ""


def subject_of(event: StoredEvent) -> str | None:
    """The pseudonym of the person whom the event is about, whichever version of the code knows its type."""
    return _text(_object(event.data).get("subject"))


def order_of(event: StoredEvent) -> str | None:
    """The stream of the order that the event is about. A deadline tells it by the key it was asked with."""
    if b'"order_id"' not in event.data and event.type != "DeadlineReached":
        return None
    told = _object(event.data)
    order_id = _text(told.get("order_id"))
    return order_stream(event.merchant, order_id) if order_id is not None else _text(told.get("key"))


def keys_in(event: StoredEvent) -> Iterator[int]:
    """All keys that the index knows the event by."""
    yield key_of("merchant", event.merchant)
    yield key_of("type", event.type)
    yield key_of("correlation", event.correlation)
    yield key_of("causation", event.causation)
    yield key_of("actor", actor_of(event.metadata))
    if (order := order_of(event)) is not None:
        yield key_of("order", order)
    if (subject := subject_of(event)) is not None:
        yield key_of("subject", subject)


def _plain(text: str | None) -> bytes | None:
    """The bytes that stand for it in any JSON; None where that depends on who wrote it."""
    return text.encode() if text and _PLAIN.fullmatch(text) else None


def _object(text: bytes) -> dict[str, Any]:
    """What is no JSON object holds nothing that could be asked for."""
    try:
        told = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return told if isinstance(told, dict) else {}


def _text(told: Any) -> str | None:
    return told if isinstance(told, str) else None

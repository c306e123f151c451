"""What does an event say of itself, in a line and for machines? Never what is personal."""

from __future__ import annotations

from typing import Any

import orjson

from domain.contexts import exported
from domain.kernel import Fact
from eventstore.codec import personal_fields
from eventstore.log import StoredEvent
from services.audit.stored import Unreadable

TELLING = (
    "total_cents", "amount_cents", "currency", "quantity", "delta", "sku", "reason", "kind", "note", "type",
    "provider_reference", "capture_id", "refund_id", "tracking_number", "scan_id", "attempts", "happened_at",
    *exported("domain", "TELLING"),
)  # fmt: skip
"""The fields that a person wants to see in the line, in this order: shared ones, then those of a context."""
LINE_MAX = 120
_LISTS = ("lines", "portions", "adjustments", "terms")
"""What is too long for a tree; the event's own page tells it."""


def said(fact: Fact, stored: StoredEvent) -> tuple[str, dict[str, Any]]:
    """A line about the event, and what it holds but for personal fields and lists."""
    event = fact.event
    hidden = {*personal_fields(type(event)), *_LISTS}
    fields = event.model_dump(mode="json", exclude_defaults=True, exclude=hidden)
    tried = b"failed_tries" in stored.metadata and not isinstance(event, Unreadable)
    metadata = orjson.loads(stored.metadata) if tried else {}
    details = {
        "event_id": fact.event_id,
        "type": stored.type,
        "stream": fact.stream,
        "version": fact.version,
        "actor": fact.actor,
        "causation": fact.causation,
        "recorded_at": fact.recorded_at.isoformat(),
        **({"failed_tries": metadata["failed_tries"]} if metadata.get("failed_tries") else {}),
        "data": fields,
    }
    told = " ".join(f"{name} {fields[name]}" for name in TELLING if fields.get(name) not in (None, ""))
    line = f"{stored.type} {told}".rstrip()
    return (line if len(line) <= LINE_MAX else line[: LINE_MAX - 1] + "…"), details

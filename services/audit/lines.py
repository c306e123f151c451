"""How does an event leave for an auditor? As a line of JSON that `verifier.py` reads: its docstring has the
form."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import orjson

from eventstore.log import StoredEvent


def line_of(event: StoredEvent) -> bytes:
    """Every column that the leaf hash covers, and that hash; with the line's end."""
    members = {
        "position": event.position,
        "stream": event.stream,
        "version": event.version,
        "type": event.type,
        "schema": event.schema,
        "event_id": str(event.event_id),
        "occurred_at": _moment(event.occurred_at),
        "recorded_at": _moment(event.recorded_at),
        "merchant": event.merchant,
        "correlation": event.correlation,
        "causation": event.causation,
        "metadata": base64.b64encode(event.metadata).decode(),
        "data": base64.b64encode(event.data).decode(),
        "leaf_hash": base64.b64encode(event.leaf_hash).decode(),
    }
    return (
        orjson.dumps(members) + b"\n"
    )  # a copy: what orjson answers keeps a buffer of many times its length


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")

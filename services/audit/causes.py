"""Why is something so? The tree of causes: who gave a command, what it made, and what that led to.

A command leads to events, an event to reactions of agents, calls of gateways and deadlines, and each of those
to commands and events again. Only what is stored links them; where a link is missing, the tree says so.
`causes_tree` makes it of what `causes_read` finds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Kind = Literal["asked", "command", "event", "reaction", "call", "webhook", "deadline", "missing"]
DEPTH_MAX = 100
"""Nodes of a branch; no order comes near it, and parsers of JSON know limits of their own."""


@dataclass(slots=True)
class Cause:
    """A node: what it is, in words; for machines, `details`; what it led to.

    `missing` says what is not stored about how it came to be. `wanted`: it is what was asked about.
    """

    id: str
    kind: Kind
    title: str
    details: dict[str, Any] = field(default_factory=dict)
    position: int | None = None
    at: datetime | None = None
    missing: str = ""
    wanted: bool = False
    led_to: list[Cause] = field(default_factory=list)

    def walk(self, depth: int = 0) -> Iterator[tuple[int, Cause]]:
        """It and all below it, each with how deep it is."""
        pending = [(depth, self)]
        while pending:
            at, each = pending.pop()
            yield at, each
            pending += [(at + 1, child) for child in reversed(each.led_to)]

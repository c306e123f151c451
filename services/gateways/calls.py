"""Which calls are open, and what has the table of them not been told yet?

Most calls are answered within milliseconds. The table `provider_calls` only hears of those that are still
open when the checkpoint passes them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from domain.kernel import Fact


@dataclass(slots=True)
class Call:
    """A request of ours that has no recorded outcome yet.

    `doubtful`: it may have been made already, by us or by a worker before us, so the provider is asked first.
    `left_alone`: how often nobody was asked, as the provider had failed others. `kept`: the table has a row.
    """

    fact: Fact
    doubtful: bool
    next_at: datetime
    attempts: int = 0
    left_alone: int = 0
    kept: bool = False
    told_unavailable: bool = False

    @property
    def failures(self) -> int:
        """How often there was no answer, whoever it was that did not get it."""
        return self.attempts + self.left_alone


@dataclass(slots=True)
class OpenCalls:
    """All open calls of a gateway, by position."""

    _calls: dict[int, Call] = field(default_factory=dict)
    _changed: dict[int, Call] = field(default_factory=dict)
    _gone: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._calls)

    def open(self, call: Call) -> None:
        self._calls[call.fact.position] = call
        if not call.kept:
            self._changed[call.fact.position] = call

    def postponed(self, call: Call) -> None:
        self._changed[call.fact.position] = call

    def close(self, call: Call) -> None:
        del self._calls[call.fact.position]
        self._changed.pop(call.fact.position, None)
        if call.kept:
            self._gone.append(call.fact.position)

    def changes(self) -> dict[str, Any]:
        """What the table is to be told, as arguments of `keep_place`; told once."""
        changed, self._changed = list(self._changed.values()), {}
        closed, self._gone = self._gone, []
        for call in changed:
            call.kept = True
        return {
            "positions": [call.fact.position for call in changed],
            "correlations": [call.fact.correlation for call in changed],
            "attempts": [call.attempts for call in changed],
            "next_at": [call.next_at for call in changed],
            "closed": closed,
        }

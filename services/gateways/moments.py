"""When does what a provider tells happen, in business time, and on which clock?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from eventstore.seams import Clock
from eventstore.statements import Database


@dataclass(frozen=True, slots=True)
class Moment:
    """What the next event of a stream takes over: whose it is, what it belongs to, its clock and its time."""

    merchant: str
    correlation: str
    clock: str
    occurred_at: datetime


class Moments:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._statements = database.statements("services.gateways", "gateways.sql")
        self._clock = clock

    async def of(self, streams: Iterable[str]) -> dict[str, Moment]:
        """The present moment of each of these streams that exists.

        Live trade: now. Played history: its checkout's business clock, but never before the stream's own
        newest event, which the clock may not have reached yet.
        """
        rows = await self._statements.run("load_moments", streams=sorted(set(streams)))
        now = self._clock.now()
        return {
            stream: Moment(
                merchant,
                correlation,
                clock,
                now if clock == "wall" else max(occurred_at, business_now or occurred_at),
            )
            for stream, merchant, correlation, occurred_at, clock, business_now in rows
        }

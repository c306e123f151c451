"""What does a worker hold that stood still for longer than its leases?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from eventstore.checkpoints import LEASE_SECONDS, LeaseLost
from eventstore.memory import MemoryLog
from eventstore.sharing import Sharing
from eventstore.statements import Rows
from services.simulation.clock import SeededIds
from services.simulation.tables import Tables


class Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


class Line:
    """To the tables; `slow_at` is the statement before which all leases end."""

    def __init__(self, clock: Hands) -> None:
        self._clock = clock
        self._tables = Tables(MemoryLog(clock, SeededIds(clock, Random(1))), clock)
        self.slow_at = ""

    async def run(self, name: str, **arguments: Any) -> Rows:
        if name == self.slow_at:
            self._clock.at += timedelta(seconds=LEASE_SECONDS + 1)
        return self._tables.run(name, arguments)


async def test_what_is_taken_anew_stands_instead_of_what_was_lost() -> None:
    clock = Hands()
    line = Line(clock)
    await line.run("create_checkpoint", follower="agents", position=0)
    ours, others = Sharing(line, "agents"), Sharing(line, "agents")  # type: ignore[arg-type]
    await ours.join()
    await others.join()
    for _ in range(3):
        for each in (ours, others):
            await each._look()
            await each.refresh()
    assert len(ours.places) == 1
    await others.leave()
    line.slow_at = "take"
    for _ in range(2):
        await ours._look()
        await ours.refresh()
    firsts = [each.partitions.first for each in ours.places]
    assert len(set(firsts)) == len(firsts) > 0


async def test_what_was_cut_is_not_held_any_more() -> None:
    """Else who stood still would believe in the whole for ever, and nobody move what fell free."""
    clock = Hands()
    line = Line(clock)
    await line.run("create_checkpoint", follower="agents", position=0)
    ours, others = Sharing(line, "agents"), Sharing(line, "agents")  # type: ignore[arg-type]
    await ours.join()
    await ours.refresh()
    clock.at += timedelta(seconds=LEASE_SECONDS + 1)
    await ours._worker.look([])  # it lives, but has renewed nothing
    await others.join()
    (taken,) = await others.refresh()
    assert taken.partitions.first > 0
    await ours._look()
    with pytest.raises(LeaseLost):
        ours.check()

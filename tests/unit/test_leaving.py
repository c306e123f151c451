"""Does who is told to end in the moment when it has got something, give it back?"""

from __future__ import annotations

import asyncio
from typing import Any

from eventstore.checkpoints import holding
from eventstore.shares import Worker
from eventstore.statements import Rows, Statements
from eventstore.tasks import end_tasks


class SlowToAnswer:
    """What is run is committed at once; its rows come later."""

    def __init__(self, **rows: Rows) -> None:
        self._rows = rows
        self.ran: list[tuple[str, dict[str, Any]]] = []
        self.committed = asyncio.Event()

    def statements(self, package: str, *files: str) -> Statements:
        return self  # type: ignore[return-value]

    async def run(self, name: str, **arguments: Any) -> Rows:
        self.ran.append((name, arguments))
        if name in self._rows:
            self.committed.set()
        await asyncio.sleep(0.01)
        return self._rows.get(name, ())


async def test_a_lease_that_was_given_in_that_moment_is_given_back() -> None:
    database = SlowToAnswer(take_lease=[(7, 0, 0)])

    async def follow() -> None:
        async with holding(database, "relay"):
            raise AssertionError("it was told to end")

    following = asyncio.create_task(follow())
    await database.committed.wait()
    await end_tasks(following)
    assert following.cancelled()
    assert database.ran[-1] == ("release_lease", {"follower": "relay", "lease": 7})


async def test_a_worker_who_joined_in_that_moment_leaves() -> None:
    database = SlowToAnswer(join_workers=[(3,)])
    worker = Worker(database.statements("eventstore"), ["agents"])

    async def work() -> None:
        try:
            await worker.join()
        finally:
            await worker.leave()

    working = asyncio.create_task(work())
    await database.committed.wait()
    await end_tasks(working)
    assert working.cancelled()
    assert database.ran[-1] == ("leave", {"worker": 3})

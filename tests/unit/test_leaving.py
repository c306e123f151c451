"""Does who is told to end in the moment when it has got something, give it back?"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from eventstore import checkpoints
from eventstore.checkpoints import holding
from eventstore.shares import Worker
from eventstore.statements import Rows, Statements
from eventstore.tasks import end_tasks


class SlowToAnswer:
    """What is run is committed at once; its rows come later: by name those of the first run, and so on."""

    def __init__(self, **rows: list[Rows]) -> None:
        self._rows = rows
        self.ran: list[tuple[str, dict[str, Any]]] = []
        self.committed = asyncio.Event()
        """That for which the last rows are."""

    def statements(self, package: str, *files: str) -> Statements:
        return self  # type: ignore[return-value]

    async def run(self, name: str, **arguments: Any) -> Rows:
        self.ran.append((name, arguments))
        rows = self._rows.get(name)
        found = rows.pop(0) if rows else ()
        if rows == []:
            self.committed.set()
        await asyncio.sleep(0.01)
        return found


@pytest.mark.parametrize("not_free", [0, 1])
async def test_a_lease_that_was_given_in_that_moment_is_given_back(
    not_free: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "LEASE_SECONDS", 0.1)
    database = SlowToAnswer(take_lease=[*[()] * not_free, [(7, 0, 0)]])

    async def follow() -> None:
        async with holding(database, "relay"):
            raise AssertionError("it was told to end")

    following = asyncio.create_task(follow())
    await database.committed.wait()
    await end_tasks(following)
    assert following.cancelled()
    assert database.ran[-1] == ("release_lease", {"follower": "relay", "lease": 7})


@pytest.mark.parametrize("numbers", [[3], [3, 4]], ids=["joins", "was thought dead and joins again"])
async def test_a_worker_who_joined_in_that_moment_leaves(numbers: list[int]) -> None:
    database = SlowToAnswer(join_workers=[[(number,)] for number in numbers])
    worker = Worker(database.statements("eventstore"), ["agents"])

    async def work() -> None:
        try:
            await worker.join()
            await worker.look([])
        finally:
            await worker.leave()

    working = asyncio.create_task(work())
    await database.committed.wait()
    await end_tasks(working)
    assert working.cancelled()
    assert database.ran[-1] == ("leave", {"worker": numbers[-1]})

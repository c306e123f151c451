"""Does one deadline that cannot be appended leave its neighbours alone?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from commands.executor import Context, Done, Executor, TooMuchContention
from domain.kernel import Group
from eventstore.log import LogUnavailable
from eventstore.seams import WallClock
from services.scheduler import Scheduler
from tests.integration.trade import NOW, trading

DEADLINES = """
INSERT INTO deadlines
SELECT 'order', 'k' || n, 'late', 'm1', 'c1', 'wall', 'cause', %s FROM generate_series(1, 5) AS n
"""


class Failing(Executor):
    """An executor that the log fails for some deadlines, as often as is said."""

    failures: dict[str, Exception]

    async def execute(self, group: Group, context: Context, answer: bytes = b"") -> Done:
        command: Any = group.targets[0].command
        if failure := self.failures.pop(command.key, None):
            raise failure
        return await super().execute(group, context, answer)


async def test_a_deadline_that_fails_comes_again_and_its_neighbours_are_forgotten(database: str) -> None:
    async with trading(database) as trade:
        async with trade.log.pool.connection() as connection:
            await connection.execute(DEADLINES, (NOW - timedelta(days=1),))
        trade.executor.__class__ = Failing
        assert isinstance(trade.executor, Failing)
        trade.executor.failures = {"k2": LogUnavailable("away"), "k4": TooMuchContention("busy")}
        scheduler = Scheduler(trade.executor, trade.log.pool, WallClock())
        assert await scheduler.reach() == 3
        async with trade.log.pool.connection() as connection:
            left = await (await connection.execute("SELECT key FROM deadlines ORDER BY key")).fetchall()
        assert left == [("k2",), ("k4",)]
        assert await scheduler.reach() == 2
        assert (await trade.types()).count("DeadlineReached") == 5
        assert await scheduler.reach() == 0

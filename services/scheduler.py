"""The scheduler: appends `DeadlineReached` when a deadline that an agent asked for has come.

Live deadlines run on the wall clock; those of played history on the business clock of their checkout.
"""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import structlog
from psycopg_pool import AsyncConnectionPool

from commands.executor import Context, Executor, TooMuchContention
from domain.deadline import ReachDeadline
from domain.kernel import one
from domain.streams import deadline_stream
from eventstore.log import LogUnavailable
from eventstore.queries import load_queries
from eventstore.seams import Clock, key_id
from eventstore.tasks import TaskGroup

BATCH = 500
POLL_SECONDS = 0.25
EXPECTED = (psycopg.Error, OSError, TimeoutError, LogUnavailable, TooMuchContention)
_QUERIES = load_queries("services", "scheduler.sql")
logger = structlog.get_logger()


class Scheduler:
    """`run` until it is cancelled. Two schedulers do no harm: the ledger takes each deadline once."""

    def __init__(self, executor: Executor, pool: AsyncConnectionPool[Any], clock: Clock) -> None:
        self._executor = executor
        self._pool = pool
        self._clock = clock

    async def run(self) -> None:
        while True:
            try:
                reached = await self.reach()
            except EXPECTED as error:
                logger.warning("scheduler_waits", error=str(error))
                reached = 0
            if reached < BATCH:
                await asyncio.sleep(POLL_SECONDS)

    async def reach(self) -> int:
        """Append what is due, then forget what was appended; how many those were. The others come again."""
        async with self._pool.connection() as connection:
            arguments = {"now": self._clock.now(), "limit": BATCH}
            rows = await (await connection.execute(_QUERIES.due_deadlines.sql.encode(), arguments)).fetchall()
        async with TaskGroup() as tasks:
            appending = [(row, tasks.create_task(self._append(*row))) for row in rows]
        appended = [row for row, task in appending if task.result()]
        if appended:
            await self._forget(appended)
        return len(appended)

    async def _append(
        self,
        agent: str,
        key: str,
        name: str,
        merchant: str,
        correlation: str,
        clock: str,
        cause: str,
        due_at: Any,
    ) -> bool:
        """Whether it was appended. A failure is of this deadline alone: its neighbours go on."""
        command = ReachDeadline(agent=agent, key=key, name=name, due_at=due_at)
        context = Context(
            command_id=key_id("deadline", agent, key, name, due_at.isoformat()),
            merchant=merchant,
            actor="scheduler",
            correlation=correlation,
            causation=cause,
            occurred_at=self._clock.now() if clock == "wall" else due_at,
            clock=clock,
        )
        try:
            await self._executor.execute(one(deadline_stream(merchant, agent, key, name), command), context)
        except EXPECTED as error:
            logger.warning("deadline_waits", agent=agent, key=key, name=name, error=str(error))
            return False
        return True

    async def _forget(self, rows: list[Any]) -> None:
        arguments = {
            "agents": [row[0] for row in rows],
            "keys": [row[1] for row in rows],
            "names": [row[2] for row in rows],
            "due_at": [row[7] for row in rows],
        }
        async with self._pool.connection() as connection:
            await connection.execute(_QUERIES.forget_deadlines.sql.encode(), arguments)

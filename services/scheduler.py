"""The scheduler: appends `DeadlineReached` when a deadline that an agent asked for has come.

Live deadlines run on the wall clock; those of played history on the business clock of their checkout. One
that can't be appended is parked, whatever the reason, and holds up no other.
"""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from commands.executor import Context, Executor, TooMuchContention
from domain.deadline import ReachDeadline
from domain.kernel import one
from domain.streams import deadline_stream
from eventstore.appender import passes
from eventstore.codec import UnknownEvent
from eventstore.log import EpochChanged, LogUnavailable
from eventstore.seams import Clock, key_id
from eventstore.statements import Database
from eventstore.tasks import TaskGroup
from services.agents.reactions import told

BATCH = 500
POLL_SECONDS = 0.25
FOLLOWER = "scheduler"
"""The name under which deadlines are parked, by a key that is agent, key and name with spaces between."""
logger = structlog.get_logger()


class Scheduler:
    """`run` until it is cancelled. Two schedulers do no harm: the ledger takes each deadline once."""

    def __init__(self, executor: Executor, database: Database, clock: Clock) -> None:
        self._executor = executor
        self._statements = database.statements("services", "scheduler.sql")
        self._clock = clock

    async def run(self) -> None:
        while True:
            try:
                reached = await self.reach()
            except (psycopg.Error, PoolTimeout, OSError, TimeoutError) as error:
                logger.warning("scheduler_waits", error=str(error))
                reached = 0
            if reached < BATCH:
                await asyncio.sleep(POLL_SECONDS)

    async def reach(self) -> int:
        """Append what is due, then forget what was appended; how many those were. What failed comes again,
        unless it would fail for ever."""
        rows = await self._statements.run("due_deadlines", now=self._clock.now(), limit=BATCH)
        async with TaskGroup() as tasks:
            appending = [(row, tasks.create_task(self._append(*row))) for row in rows]
        outcomes = [(row, task.result()) for row, task in appending]
        appended = [row for row, error in outcomes if error is None]
        broken = [(row, error) for row, error in outcomes if error and not _is_over_soon(error)]
        if appended:
            causes, due_at = [row[6] for row in appended], [row[7] for row in appended]
            await self._run("forget_deadlines", appended, causes=causes, due_at=due_at)
        if broken:
            errors = [told(error) for _, error in broken]
            await self._run("park_deadlines", [row for row, _ in broken], errors=errors)
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
    ) -> Exception | None:
        """What it failed by, if it did: a failure is of this deadline alone, its neighbours go on."""
        context = Context(
            command_id=key_id("deadline", agent, key, name, due_at.isoformat(), cause),
            merchant=merchant,
            actor="scheduler",
            correlation=correlation,
            causation=cause,
            occurred_at=self._clock.now() if clock == "wall" else due_at,
            clock=clock,
        )
        try:
            command = ReachDeadline(agent=agent, key=key, name=name, due_at=due_at, asked_by=cause)
            await self._executor.execute(one(deadline_stream(merchant, agent, key, name), command), context)
        except EpochChanged:
            raise  # nobody can append anything
        except Exception as error:  # noqa: BLE001 - whatever it is, the others must not suffer
            logger.warning("deadline_failed", agent=agent, key=key, name=name, error=str(error))
            return error
        return None

    async def _run(self, query: str, rows: list[Any], **arguments: list[Any]) -> None:
        which = {"agents": [row[0] for row in rows], "keys": [row[1] for row in rows]}
        await self._statements.run(query, **which, names=[row[2] for row in rows], **arguments)


def _is_over_soon(error: Exception) -> bool:
    """Whether it is the trouble of servers, other writers or a newer version, and not the deadline's own."""
    return isinstance(error, LogUnavailable | TooMuchContention | UnknownEvent) or passes(error)

"""Is everybody done with the log who follows it, and was nothing left lying? For `verify`.

A running system is always a moment behind: whoever is gets some seconds to go on, from the head of the moment
when `verify` began.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from eventstore.queries import load_queries
from projections.read_models import READ_MODELS
from services.agents.runner import FOLLOWER as AGENTS
from services.context import ProcessContext
from services.gateways.mail_runner import MailRunner
from services.gateways.registered import GATEWAYS

LOOK_SECONDS = 0.25
STILL_SECONDS = 5.0
WAIT_SECONDS_MAX = 60.0
LEFT_LYING_SECONDS = 900.0
FOLLOWERS = [AGENTS, *(each.actor for each in GATEWAYS), MailRunner.follower]
NOTHING_RUNS = "nothing runs: no process follows the log; start them (`tillroll up`), then look again"
_QUERIES = load_queries("services", "verify.sql")


@dataclass(frozen=True, slots=True)
class Due:
    """What was to be done when `verify` began: the log up to its head, and deadlines that had come."""

    head: int
    overdue: frozenset[str]


@dataclass(frozen=True, slots=True)
class Left:
    """What of it is not done yet: where each follower stands who is behind, and deadlines."""

    behind: dict[str, int]
    overdue: frozenset[str]
    alive: bool

    def __bool__(self) -> bool:
        return bool(self.behind or self.overdue)


async def read_due(context: ProcessContext) -> Due:
    return Due(await context.log.head(), await _overdue(context))


async def verify_stragglers(
    context: ProcessContext,
    due: Due,
    wrong: Callable[[str], None],
    progress: Callable[[str, int, int], None],
    patience_s: float = STILL_SECONDS,
) -> None:
    """Tell `wrong` whoever is not done with what was due, and has not moved for `patience_s` seconds."""
    left = await _wait(context, due, progress, patience_s)
    if not left.alive:
        wrong(NOTHING_RUNS)
    for follower, position in left.behind.items():
        wrong(f"{follower} is done up to {position} and does not reach {due.head}, where the log was")
    for deadline in sorted(left.overdue):
        wrong(f"the deadline {deadline} has come, and is not reached")
    for (problem,) in await _fetch(context, "read_left_lying", seconds=LEFT_LYING_SECONDS):
        wrong(problem)


async def wait_for_followers(context: ProcessContext, seconds: float = WAIT_SECONDS_MAX) -> None:
    """Until somebody follows the log: processes that were just started take a moment. At most so long."""
    due, now = Due(0, frozenset()), asyncio.get_running_loop().time
    end = now() + seconds
    while now() < end and not (await _left(context, due)).alive:  # noqa: ASYNC110 - another process does it
        await asyncio.sleep(LOOK_SECONDS)


async def _wait(
    context: ProcessContext, due: Due, progress: Callable[[str, int, int], None], patience_s: float
) -> Left:
    """Until all is done, or nobody has moved for some seconds, or a minute is over; what is left then."""
    now = asyncio.get_running_loop().time
    left, moved, end = await _left(context, due), now(), now() + WAIT_SECONDS_MAX
    while left and left.alive and now() < min(end, moved + patience_s):
        progress("followers", min(left.behind.values(), default=due.head), due.head)
        await asyncio.sleep(LOOK_SECONDS)
        before, left = left, await _left(context, due)
        moved = now() if left != before else moved
    return left


async def _left(context: ProcessContext, due: Due) -> Left:
    places = await _fetch(context, "read_places", followers=FOLLOWERS, read_models=list(READ_MODELS))
    return Left(
        behind={follower: done for follower, done, _ in places if done < due.head},
        overdue=due.overdue & await _overdue(context) if due.overdue else due.overdue,
        alive=any(alive for _, _, alive in places),
    )


async def _overdue(context: ProcessContext) -> frozenset[str]:
    rows = await _fetch(context, "read_overdue", now=context.clock.now())
    return frozenset(deadline for (deadline,) in rows)


async def _fetch(context: ProcessContext, query: str, **arguments: Any) -> list[Any]:
    async with context.pool.connection() as connection:
        cursor = await connection.execute(getattr(_QUERIES, query).sql.encode(), arguments)
        return await cursor.fetchall()

"""Who carries out what agents command? In order for each agent and key, all others side by side.

A command that can't be carried out parks its key, and what waits behind it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from commands.executor import Context, Executor, TooMuchContention
from domain.kernel import Fact, Group
from domain.streams import stream_parts
from eventstore.checkpoints import LeaseLost
from eventstore.codec import UnknownEvent
from eventstore.feed import Feed
from eventstore.log import EpochChanged, LogUnavailable
from eventstore.partitions import partition_of
from eventstore.reading import read_those
from eventstore.seams import Clock, derived_id
from eventstore.shares import Place
from eventstore.sharing import Sharing
from eventstore.statements import Database, Rows
from eventstore.tasks import TaskGroup
from services.agents.agent import Agent, belonging, order_key
from services.agents.reactions import WAITS, Key, decode_groups, parker, told

HALT_SECONDS = 1.0
INFRASTRUCTURE = (psycopg.Error, PoolTimeout, OSError, TimeoutError, EpochChanged)
FOLLOWER = "agents"
logger = structlog.get_logger()


class Sender:
    """What a runner of agents does about their commands; `_parked` are the keys whose commands wait."""

    def __init__(
        self, agents: Sequence[Agent], feed: Feed, executor: Executor, database: Database, clock: Clock
    ) -> None:
        self._agents = {agent.name: agent for agent in agents}
        self._feed = feed
        self._executor = executor
        self._database = database
        self._statements = database.statements("services.agents", "agents.sql")
        self._clock = clock
        self._parked: set[Key] = set()
        self._shared: Sharing

    async def _carry_out(self, commands: Sequence[tuple[Agent, Fact, str, tuple[Group, ...]]]) -> None:
        """Commands of one agent and key in order, all others side by side; returns when all have answered."""
        by_key: dict[Key, list[tuple[Agent, Fact, tuple[Group, ...]]]] = {}
        for agent, fact, key, groups in commands:
            by_key.setdefault((agent.name, key), []).append((agent, fact, groups))
        async with TaskGroup() as tasks:
            for reactions in by_key.values():
                tasks.create_task(self._in_order(reactions))

    async def _in_order(self, reactions: list[tuple[Agent, Fact, tuple[Group, ...]]]) -> None:
        for number, (agent, fact, groups) in enumerate(reactions):
            try:
                for ordinal, group in enumerate(groups):
                    await self._execute(group, self._context(agent, fact, group, ordinal))
            except INFRASTRUCTURE:
                raise
            except Exception as error:
                logger.exception("command_failed", agent=agent.name, position=fact.position)
                positions = [waiting.position for _, waiting, _ in reactions[number:]]
                await self._park(agent, order_key(fact), positions, told(error))
                return

    async def _park(self, agent: Agent, key: str, positions: list[int], error: str) -> None:
        """A command that can't be carried out holds up its own key, and nothing else."""
        self._parked.add((agent.name, key))
        parked = {"positions": positions, "errors": [error, *[WAITS] * (len(positions) - 1)]}
        place = self._shared.place_of(partition_of(key))
        rows = await self._statements.run("park", **only(place), parker=parker(agent.name), key=key, **parked)
        check(rows)

    async def _execute(self, group: Group, context: Context) -> None:
        while True:
            try:
                done = await self._executor.execute(group, context)
            except (LogUnavailable, TooMuchContention) as error:
                logger.warning("command_delayed", actor=context.actor, error=str(error))
                await asyncio.sleep(0.5)
                continue
            except UnknownEvent as error:  # of a newer process: not the key's fault, and mended by an upgrade
                logger.error("halted", error=str(error), remedy="start the newer version of this process")  # noqa: TRY400
                await asyncio.sleep(HALT_SECONDS)
                continue
            if done.refused and not done.repeated:
                logger.info("command_refused", actor=context.actor, rule=done.refused.rule)
            return

    def _context(self, agent: Agent, fact: Fact, group: Group, ordinal: int) -> Context:
        correlation, clock = belonging(fact)
        return Context(
            command_id=derived_id(UUID(fact.event_id), "agent", agent.name, str(ordinal)),
            merchant=merchant_in(group.targets[0].stream),
            actor=f"agent:{agent.name}",
            correlation=correlation,
            causation=fact.event_id,
            # played history stands still at its fact until its checkout is at rest
            occurred_at=self._clock.now() if clock == "wall" else fact.occurred_at,
            clock=clock,
        )

    async def _send(self, rows: Rows, parked: frozenset[Key]) -> None:
        """The commands of recorded reactions, but behind what was not parked before and is by now."""
        facts = await read_those(self._feed.read, sorted({position for _, position, _, _ in rows}))
        fact_at = {stored.position: self._feed.fact(stored) for stored in facts}
        commands = []
        for name, position, key, recorded in rows:
            if (name, key) in self._parked - parked:
                await self._park(self._agents[name], key, [position], WAITS)
            else:
                commands.append((self._agents[name], fact_at[position], key, decode_groups(recorded)))
        await self._carry_out(commands)


def merchant_in(stream: str) -> str:
    """Whose the stream is: a checkout over several merchants makes orders at each of them."""
    return stream_parts(stream)[0]


def only(place: Place) -> dict[str, Any]:
    first, last = place.partitions.first, place.partitions.last
    return {"follower": FOLLOWER, "first": first, "last": last, "lease": place.lease}


def check(rows: Rows) -> None:
    if not rows[0][0]:
        raise LeaseLost(f"some partitions of {FOLLOWER} are followed by another worker now")

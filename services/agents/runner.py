"""Runs the agents of a process side by side: takes pages of the log, records what each agent makes of them,
then carries out what they command. Pages, checkpoint and statement are shared, since their cost is.

A reaction is recorded once, with the checkpoint, before its commands are sent. After a crash the recorded
commands are sent again, with the same ids: the ledger knows those that were done.
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
from eventstore.checkpoints import Checkpoint, LeaseLost, holding
from eventstore.codec import UnknownEvent, known_part
from eventstore.feed import Feed
from eventstore.log import EpochChanged, LogUnavailable, StoredEvent
from eventstore.pace import Pace
from eventstore.seams import Clock, derived_id
from eventstore.statements import Database
from eventstore.tasks import TaskGroup
from services.agents.agent import Agent, order_key
from services.agents.cache import CACHED_PROCESSES, ProcessCache
from services.agents.reactions import WAITS, Key, PageOfReactions, decode_groups, parker

PAGE = 400
PAGE_SECONDS = 0.025
HALT_SECONDS = 1.0
INFRASTRUCTURE = (psycopg.Error, PoolTimeout, OSError, TimeoutError, EpochChanged)
FOLLOWER = "agents"
logger = structlog.get_logger()


class AgentRunner:
    """Follows the log for some agents. `run` ends only by an error or by being cancelled."""

    def __init__(
        self,
        agents: Sequence[Agent],
        feed: Feed,
        executor: Executor,
        database: Database,
        clock: Clock,
        capacity: int = CACHED_PROCESSES,
    ) -> None:
        self._agents = {agent.name: agent for agent in agents}
        self._feed = feed
        self._executor = executor
        self._database = database
        self._statements = self._relaxed = database.statements("services.agents", "agents.sql")
        self._clock = clock
        self._interested: dict[str, list[Agent]] = {}
        for agent in agents:
            for kind in agent.interests:
                self._interested.setdefault(kind.__name__, []).append(agent)
        self._processes = ProcessCache(capacity)
        self._parked: set[Key] = set()

    async def run(self) -> None:
        """Its commits do not wait for the disk: every command's own append comes later in the write-ahead log
        and does wait, so a reaction is durable before anything that follows from it."""
        async with (
            holding(self._database, FOLLOWER) as checkpoint,
            self._statements.relaxed() as statements,
        ):
            self._relaxed = statements
            await self._follow(checkpoint)

    async def _follow(self, checkpoint: Checkpoint) -> None:
        self._processes.clear()
        self._executor.states.forget()  # another worker may have led meanwhile
        self._parked = await self._parked_keys()
        await self._resume(checkpoint)
        pace = Pace(PAGE_SECONDS)
        while True:
            page = await self._feed.page(checkpoint.position, PAGE)
            checkpoint.check()
            if page:
                await pace.turn()
                try:
                    known = known_part(await self._feed.page(checkpoint.position, PAGE))
                except UnknownEvent as error:
                    logger.error("halted", error=str(error), remedy="start the newer version of this process")  # noqa: TRY400
                    await asyncio.sleep(HALT_SECONDS)
                    continue
                await self._take(checkpoint, known)
                if checkpoint.position >= self._feed.head:
                    await self._finish(checkpoint)  # else the next page's record says it

    async def _take(self, checkpoint: Checkpoint, page: Sequence[StoredEvent]) -> None:
        heard = [
            (self._feed.fact(stored), self._interested[stored.type])
            for stored in page
            if stored.type in self._interested
        ]
        keyed = [
            (agent, fact, order_key(fact))
            for fact, agents in heard
            for agent in agents
            if _concerns(agent, fact)
        ]
        await self._load({(agent.name, key) for agent, _, key in keyed})
        reactions = PageOfReactions()
        for agent, fact, key in keyed:
            if fact.category == agent.context:
                self._executor.states.follow(fact)
            whose = agent.name, key
            if whose in self._parked:
                reactions.parked.append((whose, fact.position, WAITS))
                continue
            before = reactions.processes.get(whose) or self._processes.get(whose) or agent.initial
            reactions.take(agent, fact, key, before)
            self._parked.update(whose for whose, _, _ in reactions.parked)
        position = page[-1].position
        recorded = reactions.arguments()
        await self._record(checkpoint, position, recorded)
        for (whose, process), state in zip(reactions.processes.items(), recorded["states"], strict=True):
            self._processes.keep(whose, process, len(state))
        self._processes.trim()
        await self._carry_out(reactions.commands)
        checkpoint.moved(position)

    async def _record(self, checkpoint: Checkpoint, position: int, reactions: dict[str, Any]) -> None:
        """One statement, so all of it or nothing."""
        done = checkpoint.position
        move = {"lease": checkpoint.lease, "was": checkpoint.position, "position": position, "done": done}
        rows = await self._relaxed.run("record_reactions", follower=FOLLOWER, **move, **reactions)
        if not rows[0][0]:
            raise LeaseLost(f"{FOLLOWER} are followed by another worker now")
        checkpoint.moved(position, done)

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
                    await self._execute(group, self._context(agent, fact, ordinal))
            except INFRASTRUCTURE:
                raise
            except Exception as error:
                logger.exception("command_failed", agent=agent.name, position=fact.position)
                positions = [waiting.position for _, waiting, _ in reactions[number:]]
                await self._park(agent, order_key(fact), positions, f"{type(error).__name__}: {error}")
                return

    async def _park(self, agent: Agent, key: str, positions: list[int], error: str) -> None:
        """A command that can't be carried out holds up its own key, and nothing else."""
        self._parked.add((agent.name, key))
        errors = [error, *[WAITS] * (len(positions) - 1)]
        await self._statements.run(
            "park", follower=parker(agent.name), key=key, positions=positions, errors=errors
        )

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

    def _context(self, agent: Agent, fact: Fact, ordinal: int) -> Context:
        return Context(
            command_id=derived_id(UUID(fact.event_id), "agent", agent.name, str(ordinal)),
            merchant=fact.merchant,
            actor=f"agent:{agent.name}",
            correlation=fact.correlation,
            causation=fact.event_id,
            # played history stands still at its fact until its checkout is at rest
            occurred_at=self._clock.now() if fact.clock == "wall" else fact.occurred_at,
            clock=fact.clock,
        )

    async def _resume(self, checkpoint: Checkpoint) -> None:
        """Send again the commands of reactions that were recorded, but perhaps not carried out."""
        names = list(self._agents)
        rows = await self._relaxed.run(
            "load_unfinished", agents=names, done=checkpoint.done, position=checkpoint.position
        )
        if rows:
            logger.info("reactions_resumed", count=len(rows))
        for start in range(0, len(rows), PAGE):
            commands = []
            for name, position, recorded in rows[start : start + PAGE]:
                (stored,) = await self._feed.read(position - 1, 1)
                fact = self._feed.fact(stored)
                key = order_key(fact)
                if (name, key) not in self._parked:  # else it waits until somebody retries it
                    commands.append((self._agents[name], fact, key, decode_groups(recorded)))
            await self._carry_out(commands)
        await self._relaxed.run("end_resuming", **_place(checkpoint), agents=names)
        checkpoint.moved(checkpoint.position)

    async def _finish(self, checkpoint: Checkpoint) -> None:
        await self._relaxed.run("finish", **_place(checkpoint))
        checkpoint.moved(checkpoint.position)

    async def _load(self, keys: set[Key]) -> None:
        """Have the processes of these keys in the cache, where they stay until the page is recorded."""
        unknown = self._processes.unknown(keys)
        if not unknown:
            return
        wanted = {"agents": [agent for agent, _ in unknown], "keys": [key for _, key in unknown]}
        for agent, key, state in await self._relaxed.run("load_processes", **wanted):
            initial = self._agents[agent].initial
            process = type(initial).__pydantic_validator__.validate_json(state)
            self._processes.keep((agent, key), process, len(state))

    async def _parked_keys(self) -> set[Key]:
        parkers = {parker(name): name for name in self._agents}
        rows = await self._relaxed.run("load_parked_keys", followers=list(parkers))
        return {(parkers[follower], key) for follower, key in rows}


def _concerns(agent: Agent, fact: Fact) -> bool:
    """A deadline is for the agent that asked for it."""
    return fact.category != "deadline" or fact.event.agent == agent.name  # type: ignore[attr-defined]


def _place(checkpoint: Checkpoint) -> dict[str, Any]:
    return {"follower": FOLLOWER, "lease": checkpoint.lease, "position": checkpoint.position}

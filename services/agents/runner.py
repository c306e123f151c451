"""Runs the agents of a process side by side: takes pages of the log, records what each agent makes of them,
then carries out what they command. Pages, checkpoint and statement are shared, since their cost is.

A reaction is recorded once, with the checkpoint, before its commands are sent. After a crash the recorded
commands are sent again, with the same ids: the ledger knows those that were done. Several workers share the
agents by the hash of `order_key`, which is also what processes and parked keys are known by.
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
from eventstore.checkpoints import LeaseLost
from eventstore.codec import UnknownEvent, known_part
from eventstore.feed import Feed
from eventstore.log import EpochChanged, LogUnavailable, StoredEvent
from eventstore.pace import Pace
from eventstore.partitions import PARTITIONS, covered, partition_of
from eventstore.seams import Clock, derived_id
from eventstore.shares import Place
from eventstore.sharing import Sharing, sharing
from eventstore.statements import Database, Rows
from eventstore.tasks import TaskGroup
from services.agents.agent import Agent, order_key
from services.agents.cache import CACHED_PROCESSES, ProcessCache
from services.agents.reactions import WAITS, Key, PageOfReactions, decode_groups, parker, told

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
        self._pace = Pace(PAGE_SECONDS)
        self._shared: Sharing

    async def run(self) -> None:
        """Its commits do not wait for the disk: every command's own append comes later in the write-ahead log
        and does wait, so a reaction is durable before anything that follows from it."""
        async with sharing(self._database, FOLLOWER) as shared, self._statements.relaxed() as statements:
            self._relaxed, self._shared = statements, shared
            while True:
                try:
                    await self._turns()
                except UnknownEvent as error:
                    logger.error("halted", error=str(error), remedy="start the newer version of this process")  # noqa: TRY400
                    await shared.stand_aside()

    async def _turns(self) -> None:
        """Look what is ours, then move it for a while."""
        await self._look()
        loop = asyncio.get_running_loop()
        until = loop.time() + self._shared.look_seconds
        while (seconds := until - loop.time()) > 0:
            await self._turn(seconds)

    async def _look(self) -> None:
        """Bring what is ours to our share of the partitions; what we took is resumed."""
        await self._finish(self._shared.misfits)
        taken = await self._shared.refresh()
        if taken:
            self._processes.clear()
            self._executor.states.forget()  # another worker may have led meanwhile
            self._parked = await self._parked_keys()
        for place in taken:
            await self._resume(place)

    async def _turn(self, seconds: float) -> None:
        """A page for each of those who move together; but who has come up with those before it joins them."""
        if not self._shared.places:
            await asyncio.sleep(seconds)
        wait_seconds = seconds  # for the last: if nothing is known that comes after it, nobody can move
        for group, end in self._shared.groups():
            await self._move(group, end, wait_seconds)
            wait_seconds = 0.0
            if group[0].position == end:
                break

    async def _move(self, group: Sequence[Place], end: int | None, wait_seconds: float) -> None:
        """Move over a page, which may have to be waited for, but not past `end`."""
        position = group[0].position
        limit = PAGE if end is None else min(PAGE, end - position)
        page = await self._feed.page(position, limit, wait_seconds)
        self._shared.check()
        if page:
            await self._pace.turn()
            await self._take(group, known_part(await self._feed.page(position, limit)))
            if group[0].position >= self._feed.head:
                await self._finish(group)  # else the next page's record says it

    async def _take(self, group: Sequence[Place], page: Sequence[StoredEvent]) -> None:
        keyed = self._heard(group, page)
        await self._load({(agent.name, key) for agent, _, key in keyed})
        reactions = PageOfReactions()
        for agent, fact, key in keyed:
            whose = agent.name, key
            if whose in self._parked:
                reactions.parked.append((whose, fact.position, WAITS))
                continue
            before = reactions.processes.get(whose) or self._processes.get(whose) or agent.initial
            reactions.take(agent, fact, key, before)
            self._parked.update(whose for whose, _, _ in reactions.parked)
        position = page[-1].position
        recorded = reactions.arguments()
        await self._record(group, position, recorded)
        for (whose, process), state in zip(reactions.processes.items(), recorded["states"], strict=True):
            self._processes.keep(whose, process, len(state))
        self._processes.trim()
        await self._carry_out(reactions.commands)
        for place in group:
            place.done = position

    def _heard(self, group: Sequence[Place], page: Sequence[StoredEvent]) -> list[tuple[Agent, Fact, str]]:
        """What is for whom in these places; the states that commands are decided on follow all of it."""
        keyed = []
        whole = covered([place.partitions for place in group]) == PARTITIONS
        for stored in page:
            for agent in self._interested.get(stored.type, ()):
                fact = self._feed.fact(stored)
                if fact.category == agent.context:
                    self._executor.states.follow(fact)
                if _concerns(agent, fact):
                    key = order_key(fact)
                    if whole or _is_in(group, partition_of(key)):
                        keyed.append((agent, fact, key))
        return keyed

    async def _record(self, group: Sequence[Place], position: int, reactions: dict[str, Any]) -> None:
        """One statement, so all of it or nothing. What was recorded before it is done by now."""
        was = group[0].position
        move = {"was": was, "position": position, "done": was}
        rows = await self._relaxed.run(
            "record_reactions", follower=FOLLOWER, **_held(group), **move, **reactions
        )
        _check(rows)
        for place in group:
            place.position, place.done = position, was

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
                await self._park(agent, order_key(fact), positions, told(error))
                return

    async def _park(self, agent: Agent, key: str, positions: list[int], error: str) -> None:
        """A command that can't be carried out holds up its own key, and nothing else."""
        self._parked.add((agent.name, key))
        parked = {"positions": positions, "errors": [error, *[WAITS] * (len(positions) - 1)]}
        place = self._shared.place_of(partition_of(key))
        rows = await self._statements.run(
            "park", **_only(place), parker=parker(agent.name), key=key, **parked
        )
        _check(rows)

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

    async def _resume(self, place: Place) -> None:
        """Send again the commands of reactions that were recorded, but perhaps not carried out."""
        found = await self._relaxed.run(
            "load_unfinished", agents=list(self._agents), done=place.done, position=place.position
        )
        rows = [row for row in found if partition_of(row[2]) in place.partitions]
        before = frozenset(self._parked)
        if rows:
            logger.info("reactions_resumed", count=len(rows))
        for start in range(0, len(rows), PAGE):
            commands = []
            for name, position, key, recorded in rows[start : start + PAGE]:
                (stored,) = await self._feed.read(position - 1, 1)
                fact = self._feed.fact(stored)
                if (name, key) in self._parked - before:  # an earlier one has failed by now
                    await self._park(self._agents[name], key, [position], WAITS)
                else:
                    commands.append((self._agents[name], fact, key, decode_groups(recorded)))
            await self._carry_out(commands)
        resumed = {"agents": [row[0] for row in rows], "positions": [row[1] for row in rows]}
        await self._relaxed.run("end_resuming", **_only(place), position=place.position, **resumed)
        place.done = place.position

    async def _finish(self, places: Sequence[Place]) -> None:
        if places:
            positions = [place.position for place in places]
            await self._relaxed.run("finish", follower=FOLLOWER, **_held(places), positions=positions)

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


def _is_in(places: Sequence[Place], partition: int) -> bool:
    return any(partition in place.partitions for place in places)


def _held(places: Sequence[Place]) -> dict[str, list[int]]:
    return {
        "firsts": [place.partitions.first for place in places],
        "lasts": [place.partitions.last for place in places],
        "leases": [place.lease for place in places],
    }


def _only(place: Place) -> dict[str, Any]:
    first, last = place.partitions.first, place.partitions.last
    return {"follower": FOLLOWER, "first": first, "last": last, "lease": place.lease}


def _check(rows: Rows) -> None:
    if not rows[0][0]:
        raise LeaseLost(f"some partitions of {FOLLOWER} are followed by another worker now")

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

import structlog

from commands.executor import Executor
from domain.kernel import Fact
from eventstore.codec import UnknownEvent, known_part
from eventstore.feed import Feed
from eventstore.log import StoredEvent
from eventstore.pace import Pace
from eventstore.partitions import PARTITIONS, covered, partition_of
from eventstore.seams import Clock
from eventstore.shares import Place
from eventstore.sharing import sharing
from eventstore.statements import Database, Rows
from eventstore.tasks import finish
from services.agents.agent import Agent, order_key
from services.agents.attempts import ATTEMPTS_MAX, ENDS, Attempts, after_part, part_of
from services.agents.cache import CACHED_PROCESSES, ProcessCache
from services.agents.reactions import WAITS, Key, PageOfReactions, parker
from services.agents.sender import FOLLOWER, INFRASTRUCTURE, Sender, check, only

__all__ = ["FOLLOWER", "AgentRunner"]

PAGE = 400
PAGE_SECONDS = 0.025
logger = structlog.get_logger()


class AgentRunner(Sender):
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
        super().__init__(agents, feed, executor, database, clock)
        self._relaxed = self._statements
        self._attempts = Attempts(self._statements)
        self._interested: dict[str, list[Agent]] = {}
        for agent in agents:
            for kind in agent.interests:
                self._interested.setdefault(kind.__name__, []).append(agent)
        self._processes = ProcessCache(capacity)
        self._pace = Pace(PAGE_SECONDS)

    async def run(self) -> None:
        """Its commits do not wait for the disk: every command's own append comes later in the write-ahead log
        and does wait, so a reaction is durable before anything that follows from it."""
        async with sharing(self._database, FOLLOWER) as shared, self._statements.relaxed() as statements:
            self._relaxed, self._shared = statements, shared
            try:
                await self._go_on()
            finally:
                try:
                    await finish(self._attempts.withdraw())
                except INFRASTRUCTURE as error:
                    logger.warning("attempts_not_withdrawn", error=str(error))

    async def _go_on(self) -> None:
        while True:
            try:
                await self._turns()
            except UnknownEvent as error:
                logger.error("halted", error=str(error), remedy="start the newer version of this process")  # noqa: TRY400
                await self._shared.stand_aside()

    async def _turns(self) -> None:
        """Look what is ours, then move it for a while."""
        await self._look()
        loop = asyncio.get_running_loop()
        until = loop.time() + self._shared.look_seconds
        while (seconds := until - loop.time()) > 0:
            await self._turn(seconds)

    async def _look(self) -> None:
        """Bring what is ours to our share of the partitions; what we took is resumed, and with care where
        whoever had it did not live to end it."""
        await self._finish(self._shared.misfits)
        taken = await self._shared.refresh()
        if taken:
            self._processes.clear()
            self._executor.states.forget()  # another worker may have led meanwhile
            self._parked = await self._parked_keys()
            await self._attempts.load()
        for place in taken:
            await self._resume(place)
            await self._go_carefully(place)

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
            known = known_part(await self._feed.page(position, limit))
            await self._count_first(group)
            await self._take(group, known)
            if group[0].position >= self._feed.head:
                await self._finish(group)  # else the next page's record says it

    async def _count_first(self, group: Sequence[Place]) -> None:
        """Count a worker's first page before any agent sees it. Later ones are the next worker's."""
        begun = [place for place in group if not place.counted]
        if begun:
            await self._attempts.count(begun, begun[0].position, 1)
        for place in begun:
            place.counted = True

    async def _go_carefully(self, place: Place) -> None:
        """Over a page that ended the process of a worker: in ever smaller parts, each counted."""
        start, attempts = place.position, self._attempts.of_page(place)
        until = start + PAGE
        while attempts and place.position < min(until, await self._feed.log_head()):
            page = await self._feed.page(place.position, part_of(PAGE, attempts))
            self._shared.check()
            if page and attempts >= ATTEMPTS_MAX:
                await self._put_aside(place, known_part(page[:1]))
                attempts = 0
            elif page:
                known = known_part(page)
                await self._attempts.count([place], place.position, attempts + 1)
                await self._take([place], known)
                attempts = after_part(attempts)
        if place.position > start:
            await self._finish([place])  # perhaps there is no other page to say it

    async def _put_aside(self, place: Place, page: Sequence[StoredEvent]) -> None:
        """Park an event for all agents that hear it, since nobody can tell which of them ends the process."""
        reactions = PageOfReactions()
        for agent, fact, key in self._heard([place], page):
            logger.error("ends_the_process", agent=agent.name, key=key, position=fact.position)
            whose = agent.name, key
            reactions.parked.append((whose, fact.position, WAITS if whose in self._parked else ENDS))
        self._parked.update(whose for whose, _, _ in reactions.parked)
        await self._record([place], page[-1].position, reactions.arguments())
        place.done = place.position

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
                if agent.owns(fact.stream):
                    self._executor.states.follow(fact)
                if agent.concerns(fact):
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
        check(rows)
        for place in group:
            place.position, place.done = position, was

    async def _resume(self, place: Place) -> None:
        """Send again the commands of reactions that were recorded, but perhaps not carried out."""
        found = await self._relaxed.run(
            "load_unfinished", agents=list(self._agents), done=place.done, position=place.position
        )
        rows = [row for row in found if partition_of(row[2]) in place.partitions]
        if rows:
            logger.info("reactions_resumed", count=len(rows))
            await self._resend(place, rows)
        resumed = {"agents": [row[0] for row in rows], "positions": [row[1] for row in rows]}
        await self._relaxed.run("end_resuming", **only(place), position=place.position, **resumed)
        place.done = place.position

    async def _resend(self, place: Place, rows: Rows) -> None:
        """With care from where that has ended the process of a worker."""
        parked = frozenset(self._parked)
        at, attempts = self._attempts.of_resuming(place)
        before, rest = [row for row in rows if row[1] < at], [row for row in rows if row[1] >= at]
        await self._send_in_parts(place, before, parked, 0)
        if attempts >= ATTEMPTS_MAX:
            for name, position, key, _ in [row for row in rest if row[1] == at]:
                logger.error("ends_the_process", agent=name, key=key, position=position)
                await self._park(self._agents[name], key, [position], ENDS)
            rest, attempts = [row for row in rest if row[1] > at], 0
        await self._send_in_parts(place, rest, parked, attempts)
        await self._attempts.count([place], place.position, 0, resuming=True)

    async def _send_in_parts(self, place: Place, rows: Rows, parked: frozenset[Key], attempts: int) -> None:
        size = part_of(PAGE, attempts)
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            await self._attempts.count([place], part[0][1], attempts + 1, resuming=True)
            await self._send(part, parked)
            attempts = after_part(attempts)

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


def _is_in(places: Sequence[Place], partition: int) -> bool:
    return any(partition in place.partitions for place in places)


def _held(places: Sequence[Place]) -> dict[str, list[int]]:
    return {
        "firsts": [place.partitions.first for place in places],
        "lasts": [place.partitions.last for place in places],
        "leases": [place.lease for place in places],
    }

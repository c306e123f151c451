"""Parts of a system, each with a bug in it: of a kind that has been made before."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any
from unittest.mock import patch

from commands.executor import Context
from domain.kernel import Fact
from eventstore.feed import Feed
from eventstore.log import PAGE, Append, Appended, Conflict, Outcome, StoredEvent
from eventstore.memory import MemoryLog
from eventstore.partitions import WHOLE
from eventstore.shares import Place
from eventstore.statements import Rows
from eventstore.tasks import TaskGroup
from services.agents.agent import Agent
from services.agents.runner import AgentRunner
from services.agents.sender import only
from services.gateways.gateway import Unavailable
from services.gateways.inbox import Inbox, _Settled
from services.gateways.runner import GatewayRunner
from services.scheduler import Scheduler
from services.simulation.node import Node
from services.simulation.places import At, CheckpointRow
from services.simulation.tables import Tables

# ---- the log


class ForgetfulLog(MemoryLog):
    """The ledger is not consulted: a command that is sent again is done again."""

    def commit(self, append: Append, recorded_at: datetime | None = None) -> Outcome:
        self.ledger.pop((append.merchant, append.command_id), None)
        return super().commit(append, recorded_at)


class TrustingLog(MemoryLog):
    """The expected version is not compared with the stream's."""

    def commit(self, append: Append, recorded_at: datetime | None = None) -> Outcome:
        outcome = super().commit(append, recorded_at)
        if not isinstance(outcome, Conflict):
            return outcome
        moved = tuple(
            replace(each, expected_version=self.last_version(each.stream)) for each in append.streams
        )
        return super().commit(replace(append, streams=moved), recorded_at)

    def last_version(self, stream: str) -> int:
        last = self.last_of(stream)
        return last.version if last else 0


class HastyLog(MemoryLog):
    """Positions are taken outside the transaction: a conflict burns one."""

    burnt = 0

    def commit(self, append: Append, recorded_at: datetime | None = None) -> Outcome:
        before = len(self.events)
        outcome = super().commit(append, recorded_at)
        if isinstance(outcome, Conflict):
            self.burnt += 1
        self.events[before:] = [
            each._replace(position=each.position + self.burnt) for each in self.events[before:]
        ]
        if isinstance(outcome, Appended):
            return replace(outcome, last_position=outcome.last_position + self.burnt)
        return outcome


class EventfulLog(MemoryLog):
    """A command that decided nothing leaves no entry in the ledger."""

    def commit(self, append: Append, recorded_at: datetime | None = None) -> Outcome:
        outcome = super().commit(append, recorded_at)
        if isinstance(outcome, Appended) and outcome.first_position > outcome.last_position:
            del self.ledger[append.merchant, append.command_id]
        return outcome


class HalfLog(MemoryLog):
    """An append over several streams is not atomic: what comes before the conflict stays."""

    def commit(self, append: Append, recorded_at: datetime | None = None) -> Outcome:
        outcome = super().commit(append, recorded_at)
        if isinstance(outcome, Conflict) and append.streams[0].stream != outcome.stream:
            super().commit(replace(append, streams=append.streams[:1]), recorded_at)
        return outcome


# ---- what followers keep


class UnfencedTables(Tables):
    """The compare-and-set of a page is forgotten: a worker that woke up late takes it again."""

    def _move(self, follower: str, lease: int, was: int, position: int, done: int) -> bool:
        place = self.checkpoints.get((follower, 0))
        return place is not None and super()._move(follower, place.lease, place.position, position, done)

    def _parts(self, follower: str, firsts: Sequence[int], *_: Any) -> list[tuple[At, CheckpointRow]]:
        return [(at, row) for at, row in self.of(follower) if at[1] in firsts]

    def record_reactions(self, **page: Any) -> Rows:
        for agent, at in zip(page["reaction_agents"], page["reaction_positions"], strict=True):
            self.reactions.delete((agent, at))
        return super().record_reactions(**page)


class CarelessTables(Tables):
    """The calls that are open are not written down with the checkpoint."""

    def keep_place(self, **page: Any) -> Rows:
        nothing: dict[str, Any] = dict.fromkeys(("positions", "correlations", "attempts", "next_at"), ())
        return super().keep_place(**{**page, **nothing})


class LosingTables(Tables):
    """Appends are answered before they are on the disk: a crash of the server takes the last one back."""

    def crash(self, lost: int) -> None:
        log = self._log
        if log.events:
            last = next(reversed(log.ledger))
            for event in log.events[log.ledger[last].first_position - 1 :]:
                log._streams[event.stream].pop()
            del log.events[log.ledger.pop(last).first_position - 1 :]
        super().crash(lost)


class HastyDeadlines(Tables):
    """Due deadlines are forgotten when they are read, before they are appended."""

    def due_deadlines(self, now: datetime, limit: int) -> Rows:
        due = super().due_deadlines(now, limit)
        for agent, key, name, *_ in due:
            self.deadlines.delete((agent, key, name))
        return due


# ---- followers


class TrustingFeed(Feed):
    """A jump of the positions is taken for the next event."""

    def _take(self, event: StoredEvent) -> None:
        if event.position > self.head:
            self._keep(event)
            self._announce()

    async def page(self, *which: Any) -> list[StoredEvent]:
        page = await super().page(*which)
        if not page:
            await asyncio.sleep(0.1)  # where events are missing it would spin
        return page


class TrustingNode(Node):
    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.feed = TrustingFeed(self.log, self.bus)


class ForgetfulRunner(AgentRunner):
    """What was decided and perhaps not carried out is not resumed."""

    async def _resume(self, place: Place) -> None:
        await self._finish([place])


class FreshIdsRunner(AgentRunner):
    """A command that is sent again has another id."""

    def _context(self, agent: Agent, fact: Fact, ordinal: int) -> Context:
        return replace(super()._context(agent, fact, ordinal), command_id=self._executor._ids.new())


class HastyGateway(GatewayRunner):
    """Where no answer came, the provider is taken to have said no."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        caller, gateway = self._caller, self.gateway
        outcome = caller._outcome

        async def hasty(call: Any) -> Any:
            try:
                return await outcome(call)
            except Unavailable as error:
                return gateway.refused(call.fact, await caller._state(call.fact), None, str(error))

        caller._outcome = hasty  # type: ignore[method-assign]


class DroppingInbox(Inbox):
    """A webhook is acknowledged before it is kept."""

    async def receive(self, provider: str, webhook_id: str, body: bytes) -> None:
        import asyncio

        asyncio.ensure_future(super().receive(provider, webhook_id, body)).add_done_callback(
            lambda kept: kept.cancelled() or kept.exception()
        )


class SettlingInbox(Inbox):
    """A webhook counts as matched, whatever came of it."""

    async def _append_all(self, webhooks: Sequence[Any], moment: Any, settled: _Settled) -> None:
        settled.matched.extend(webhooks)
        await super()._append_all(webhooks, moment, _Settled())


class EagerScheduler(Scheduler):
    """Deadlines are reached a minute early."""

    async def reach(self) -> int:
        clock = self._clock

        class Ahead:
            def now(self) -> datetime:
                from datetime import timedelta

                return clock.now() + timedelta(days=1)

        self._clock = Ahead()
        try:
            return await super().reach()
        finally:
            self._clock = clock


class HurriedRunner(AgentRunner):
    """Commands of one key are carried out side by side."""

    async def _carry_out(self, commands: Sequence[Any]) -> None:
        async with TaskGroup() as tasks:
            for agent, fact, _, groups in commands:
                tasks.create_task(self._in_order([(agent, fact, groups)]))


class EarlyDoneRunner(AgentRunner):
    """What is resumed counts as done before it is carried out."""

    async def _resume(self, place: Place) -> None:
        nothing: dict[str, Any] = {"agents": [], "positions": []}
        await self._relaxed.run("end_resuming", **only(place), position=place.position, **nothing)
        await super()._resume(place)


class RememberingRunner(AgentRunner):
    """Who leads again goes on with the processes of its last time."""

    async def _look(self) -> None:
        with patch.object(self._processes, "clear", lambda: None):
            await super()._look()


class SureGateway(GatewayRunner):
    """What may have been called for is not asked for first."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        carry_out = self._caller.carry_out

        async def sure(call: Any) -> None:
            call.doubtful = False
            await carry_out(call)

        self._caller.carry_out = sure  # type: ignore[method-assign]


class StaleGateway(GatewayRunner):
    """A cached state is believed, whether or not it knows of the request."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        caller, gateway = self._caller, self.gateway

        async def is_over(call: Any) -> bool:
            known = None if call.doubtful else caller._executor.states.known(call.fact.stream)
            state = known.state if known else await caller._state(call.fact)
            unwanted = not call.doubtful and gateway.unwanted(call.fact.event, state)
            return gateway.answered(call.fact.event, state) or unwanted

        caller._is_over = is_over  # type: ignore[method-assign]


class HastyInbox(Inbox):
    """A webhook that matches nothing is done with."""

    async def _match(self, batch: Sequence[Any]) -> _Settled:
        settled = await super()._match(batch)
        settled.matched += [webhook for webhook, _, _ in settled.postponed]
        settled.postponed.clear()
        return settled


class DeafFeed(Feed):
    """The log is not asked for its head: what the bus loses last is not noticed."""

    async def _listen_while_light(self) -> None:
        while True:
            await self._behind.wait()
            self._behind.clear()
            with suppress(OSError):
                while await self._read_on() == PAGE:
                    pass


class DeafNode(Node):
    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.feed = DeafFeed(self.log, self.bus)


# ---- partitions


class RangelessTables(Tables):
    """What a worker writes names the lease and not the range: who stood still while a part of it was cut off
    believes in the whole, and takes that part again."""

    def renew(
        self,
        followers: Sequence[str],
        firsts: Sequence[int],
        lasts: Sequence[int],
        leases: Sequence[int],
        seconds: float,
    ) -> Rows:
        rows = [self.checkpoints.get(at) for at in zip(followers, firsts, strict=True)]
        known = [row.last if row else last for row, last in zip(rows, lasts, strict=True)]
        return super().renew(followers, firsts, known, leases, seconds)

    def _parts(
        self, follower: str, firsts: Sequence[int], lasts: Sequence[int], leases: Sequence[int], position: int
    ) -> list[tuple[At, CheckpointRow]]:
        known = [row.last for first in firsts if (row := self.checkpoints.get((follower, first)))]
        same = len(known) == len(lasts)
        return super()._parts(follower, firsts, known if same else lasts, leases, position)


class GreedyRunner(AgentRunner):
    """A worker takes the facts of all partitions, whoever has them."""

    def _heard(self, group: Sequence[Place], page: Sequence[StoredEvent]) -> list[tuple[Agent, Fact, str]]:
        return super()._heard([replace(each, partitions=WHOLE) for each in group], page)


class SelfishRunner(AgentRunner):
    """What another worker left behind is not resumed."""

    async def _resume(self, place: Place) -> None:
        await (super()._resume(place) if place.partitions == WHOLE else self._finish([place]))

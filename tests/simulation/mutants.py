"""Bugs, planted one at a time: does the simulator find them?

Each is a small change of production's code, of a kind that has been made before: each names what it breaks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from unittest.mock import patch

from commands.executor import Context
from domain import stock
from domain.kernel import Fact, Group, Reaction, one
from domain.order import OrderCancelled
from domain.payment import PaymentCaptured, RequestVoid
from domain.shipment import ShipmentDispatched
from domain.streams import payment_stream
from eventstore.feed import Feed
from eventstore.log import Append, Appended, Conflict, Outcome, StoredEvent
from eventstore.memory import MemoryLog
from eventstore.partitions import WHOLE
from eventstore.shares import Place
from eventstore.statements import Rows
from services.agents.agent import Agent
from services.agents.inventory import INVENTORY_AGENT
from services.agents.payment import PAYMENT_AGENT
from services.agents.runner import AgentRunner
from services.gateways.gateway import Unavailable
from services.gateways.inbox import Inbox, _Settled
from services.gateways.runner import GatewayRunner
from services.processes import AGENTS
from services.scheduler import Scheduler
from services.simulation.node import Node
from services.simulation.places import At, CheckpointRow
from services.simulation.system import Parts
from services.simulation.tables import Tables


@dataclass(frozen=True)
class Mutant:
    """`parts` with the bug in it; `planted` puts it where no part can be exchanged."""

    name: str
    parts: Parts
    faults: str = "all"
    planted: Callable[[], AbstractContextManager[Any]] = nullcontext


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


# ---- partitions


class RangelessTables(Tables):
    """The compare-and-set of a page names the lease and not the range: the cut off parts are taken twice."""

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


# ---- rules


def _agents(*changed: Agent) -> tuple[Agent, ...]:
    by_name = {agent.name: agent for agent in changed}
    return tuple(by_name.get(agent.name, agent) for agent in AGENTS)


def _void_always(process: Any, fact: Fact) -> Reaction[Any]:
    """Release and refund swapped: what was captured is voided, where it should be refunded."""
    reaction = PAYMENT_AGENT.react(process, fact)
    if isinstance(fact.event, PaymentCaptured) and reaction.commands:
        payment_id = fact.event.payment_id
        void = one(payment_stream(fact.merchant, payment_id), RequestVoid(payment_id=payment_id))
        return replace(reaction, commands=(void,))
    return reaction


def _keep_stock(process: Any, fact: Fact) -> Reaction[Any]:
    """A cancelled order keeps its stock."""
    reaction = INVENTORY_AGENT.react(process, fact)
    return replace(reaction, commands=()) if isinstance(fact.event, OrderCancelled) else reaction


def _wrong_merchant(process: Any, fact: Fact) -> Reaction[Any]:
    """Stock is booked out of another merchant's warehouse."""
    reaction = INVENTORY_AGENT.react(process, fact)
    if not isinstance(fact.event, ShipmentDispatched):
        return reaction
    groups = (
        Group(tuple(replace(t, stream=t.stream.replace("-m2.", "-m1.")) for t in group.targets))
        for group in reaction.commands
    )
    return replace(reaction, commands=tuple(groups))


@contextmanager
def _promising() -> Iterator[None]:
    """Stock is promised without a look at what is there."""

    def promise(command: Any, _: stock.Stock, promised: Any, __: Any) -> tuple[Any, ...]:
        return (promised,)

    with patch.object(stock, "_promise", promise):
        yield


MUTANTS = (
    Mutant("the ledger is not consulted", Parts(log=ForgetfulLog)),
    Mutant("versions are not checked", Parts(log=TrustingLog)),
    Mutant("a conflict burns a position", Parts(log=HastyLog)),
    Mutant("an append over streams is not atomic", Parts(log=HalfLog)),
    Mutant("pages are not fenced", Parts(tables=UnfencedTables), "all,pause=0.3"),
    Mutant("open calls are not kept", Parts(tables=CarelessTables), "all,crash=0.2"),
    Mutant(
        "deadlines are forgotten before they are appended",
        Parts(tables=HastyDeadlines),
        "all,unanswered=0.05",
    ),
    Mutant("a follower trusts a jump", Parts(node=TrustingNode)),
    Mutant("decided commands are not resumed", Parts(agent_runner=ForgetfulRunner)),
    Mutant("a resumed command has a new id", Parts(agent_runner=FreshIdsRunner)),
    Mutant("no answer is taken for a no", Parts(gateway_runner=HastyGateway)),
    Mutant("webhooks are acknowledged before they are kept", Parts(inbox=DroppingInbox)),
    Mutant("webhooks are settled whatever came of them", Parts(inbox=SettlingInbox)),
    Mutant("captured money is voided", Parts(agents=_agents(replace(PAYMENT_AGENT, react=_void_always)))),
    Mutant(
        "a cancelled order keeps its stock",
        Parts(agents=_agents(replace(INVENTORY_AGENT, react=_keep_stock))),
    ),
    Mutant(
        "stock goes out of another's warehouse",
        Parts(agents=_agents(replace(INVENTORY_AGENT, react=_wrong_merchant))),
    ),
    Mutant("stock is promised that is not there", Parts(), planted=_promising),
    Mutant("a page names no range", Parts(tables=RangelessTables), "all,pause=0.3,crash=0.1"),
    Mutant("a worker takes the facts of others", Parts(agent_runner=GreedyRunner)),
    Mutant("what others left is not resumed", Parts(agent_runner=SelfishRunner), "all,crash=0.2"),
)

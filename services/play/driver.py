"""Plays planned checkouts through the running system, each on a business clock of its own, many side by side.

A checkout's clock moves only when the checkout is at rest: no agent or gateway has an event of it before it,
no call is out, no webhook waits, no world has anything to tell, no deadline is due; and nothing was appended
since the last look. The worlds are asked before the database is: what left a world is in the inbox by then.
Everything the driver does has an id made from the plan, so a play that was killed can simply be run again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby, islice
from typing import TypeVar

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from commands.executor import Context, Done
from domain.kernel import Command, Group, Target, one
from domain.order import CancelOrder, StartPreparation
from domain.streams import order_stream
from eventstore.log import LogUnavailable
from eventstore.queries import load_queries
from eventstore.seams import key_id
from services.agents.runner import FOLLOWER as AGENTS
from services.context import ProcessContext
from services.gateways.registered import GATEWAYS
from services.play.plan import (
    Advance,
    Cancel,
    CheckoutPlan,
    MerchantOrder,
    Place,
    Prepare,
    Setup,
    Stage,
    Step,
)
from services.play.story import Tell, wire_time
from services.play.worlds import Worlds

SIDE_BY_SIDE = 600
TICK_SECONDS = 0.1
FOLLOWERS = [AGENTS, *(each.actor for each in GATEWAYS)]
GROUP_MAX = 200
APPENDS_SIDE_BY_SIDE = 200
_QUERIES = load_queries("services.play", "play.sql")
_SCHEDULER = load_queries("services", "scheduler.sql")
AWAY = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, OSError, TimeoutError)
logger = structlog.get_logger()
T = TypeVar("T")


@dataclass(slots=True)
class Checkout:
    """A checkout in play: its plan, the step that comes next, and where it was seen last."""

    plan: CheckoutPlan
    next_step: int = 0
    position: int = 0
    seen_position: int = -1

    @property
    def step(self) -> Step:
        return self.plan.steps[self.next_step]


@dataclass(frozen=True, slots=True)
class Observation:
    """What one look at the system found."""

    busy: frozenset[str]
    followed: int
    head: int


@dataclass(slots=True)
class Report:
    """How the play went: commands that were refused are listed, as (checkout, what, why)."""

    checkouts: int = 0
    orders: int = 0
    done: int = 0
    """Of the commands, those that had not been carried out by an earlier run of the same play."""
    refused: list[tuple[str, str, str]] = field(default_factory=list)


class Driver:
    """`set_up` the catalogue, then `play` the checkouts."""

    def __init__(
        self,
        context: ProcessContext,
        worlds: Worlds,
        side_by_side: int = SIDE_BY_SIDE,
        per_second: float = float("inf"),
    ) -> None:
        """At most `side_by_side` checkouts are in play at once, and `per_second` are begun."""
        self._context = context
        self._worlds = worlds
        self._side_by_side = side_by_side
        self._per_second = per_second
        self._begun = 0
        self._started = 0.0
        self._at_end = False
        self._active: dict[str, Checkout] = {}
        self._observed = 0
        self.report = Report()

    async def set_up(self, stage: Stage, at: datetime, progress: Callable[[int], None]) -> None:
        """Carry out one stage of the catalogue: runs of one merchant's commands are one append."""
        appends: list[Awaitable[object]] = []
        for merchant, run in groupby(stage.setups, key=lambda setup: setup.merchant):
            while setups := list(islice(run, GROUP_MAX)):
                appends.append(self._set_up(stage.name, merchant, setups, at))
                progress(len(setups))
            if len(appends) >= APPENDS_SIDE_BY_SIDE:
                await asyncio.gather(*appends)
                appends.clear()
        await asyncio.gather(*appends)

    async def _set_up(self, stage: str, merchant: str, setups: list[Setup], at: datetime) -> None:
        group = Group(tuple(Target(setup.stream, setup.command) for setup in setups))
        words = ("play", stage, setups[0].stream, setups[-1].stream)
        await self._execute(group, self._command_context(merchant, words, "catalogue", at), stage)

    async def play(self, plans: Iterable[CheckoutPlan], progress: Callable[[int], None]) -> Report:
        """Play all plans; `progress` is told how many checkouts ended."""
        waiting = iter(plans)
        self._observed = await keep_trying(self._context.log.head)
        self._started = asyncio.get_running_loop().time()
        while True:
            await self._admit(waiting)
            if self._at_end and not self._active:
                return self.report
            started = asyncio.get_running_loop().time()
            observation = await self._observe()
            ended = await self._move_on(observation)
            if ended:
                progress(ended)
            spent = asyncio.get_running_loop().time() - started
            await asyncio.sleep(max(0.0, TICK_SECONDS - spent))

    async def _admit(self, waiting: Iterator[CheckoutPlan]) -> None:
        """Begin new checkouts while there is room; their scenarios and keys are made together."""
        fresh: list[CheckoutPlan] = []
        due = self._per_second * (asyncio.get_running_loop().time() - self._started + TICK_SECONDS)
        room = min(self._side_by_side - len(self._active), due - self._begun)
        while len(fresh) < room and not self._at_end:
            plan = next(waiting, None)
            if plan is None:
                self._at_end = True
            else:
                fresh.append(plan)
        self._begun += len(fresh)
        if not fresh:
            return
        payments = [scenario for plan in fresh for scenario in plan.payment_scenarios]
        shipments = [scenario for plan in fresh for scenario in plan.carrier_scenarios]
        await self._worlds.tell_scenarios(payments, shipments)
        await keep_trying(
            lambda: self._context.keyring.ensure(o.place.subject for plan in fresh for o in plan.orders)
        )
        begun = [Checkout(plan) for plan in fresh]
        self._active |= {each.plan.checkout_id: each for each in begun}
        await self._act(begun)

    async def _observe(self) -> Observation:
        told = await self._worlds.outstanding()
        busy = set(told)
        followed = head = 0
        rows = await keep_trying(self._look)
        for kind, checkout, position in rows:
            match kind:
                case "event":
                    if known := self._active.get(checkout):
                        known.position = max(known.position, position)
                case "followed":
                    followed = position
                case "head":
                    head = position
                case _:
                    busy.add(checkout)
        self._observed = max(self._observed, head)
        return Observation(frozenset(busy), followed, head)

    async def _look(self) -> list[tuple[str, str, int]]:
        async with self._context.pool.connection() as connection:
            cursor = await connection.execute(
                _QUERIES.observe.sql.encode(), {"after": self._observed, "followers": FOLLOWERS}, prepare=True
            )
            return await cursor.fetchall()

    async def _move_on(self, observation: Observation) -> int:
        """Let every checkout that is at rest take its next step; how many came to their end."""
        moving, ended = [], 0
        for name, checkout in list(self._active.items()):
            still = checkout.seen_position == checkout.position
            checkout.seen_position = checkout.position
            if not still or name in observation.busy or checkout.position > observation.followed:
                continue
            checkout.next_step += 1
            if checkout.next_step < len(checkout.plan.steps):
                moving.append(checkout)
            else:
                del self._active[name]
                self.report.checkouts += 1
                ended += 1
        await self._act(moving)
        return ended

    async def _act(self, checkouts: list[Checkout]) -> None:
        """Set the clocks of these checkouts to their steps, then do what the steps say."""
        if not checkouts:
            return
        moments = {each.plan.checkout_id: each.step.at for each in checkouts}
        held_up = await keep_trying(lambda: self._deadlines_before(moments))
        for checkout in checkouts:
            if checkout.plan.checkout_id in held_up:  # a deadline comes first: this step is taken after it
                checkout.next_step -= 1
            checkout.seen_position = -1
        moments |= held_up
        await keep_trying(lambda: self._set_clocks(moments))
        await self._worlds.set_clocks({name: wire_time(moment) for name, moment in moments.items()})
        ready = (each for each in checkouts if each.plan.checkout_id not in held_up)
        await asyncio.gather(*(self._do(each) for each in ready if not isinstance(each.step.action, Advance)))

    async def _deadlines_before(self, moments: dict[str, datetime]) -> dict[str, datetime]:
        arguments = {"clocks": list(moments), "moments": list(moments.values())}
        async with self._context.pool.connection() as connection:
            cursor = await connection.execute(_QUERIES.first_deadlines.sql.encode(), arguments)
            return dict(await cursor.fetchall())

    async def _set_clocks(self, moments: dict[str, datetime]) -> None:
        arguments = {"clocks": list(moments), "moments": list(moments.values())}
        async with self._context.pool.connection() as connection:
            await connection.execute(_SCHEDULER.set_business_clocks.sql.encode(), arguments)

    async def _do(self, checkout: Checkout) -> None:
        action = checkout.step.action
        for order in checkout.plan.orders[:1] if isinstance(action, Tell) else checkout.plan.orders:
            own = order_stream(order.merchant, order.place.order_id)
            stream = action.stream if isinstance(action, Tell) else own
            command = self._asked(checkout.step, order)
            words = ("play", order.merchant, order.place.order_id, str(checkout.next_step))
            context = self._command_context(
                order.merchant, words, checkout.plan.checkout_id, checkout.step.at
            )
            done = await self._command(stream, command, context, checkout.plan.checkout_id)
            checkout.position = max(checkout.position, done.position)
            self.report.orders += isinstance(checkout.step.action, Place)

    def _asked(self, step: Step, order: MerchantOrder) -> Command:
        order_id = order.place.order_id
        match step.action:
            case Place():
                return order.place
            case Prepare():
                return StartPreparation(order_id=order_id)
            case Tell(command=command):
                return command
            case Cancel(reason=reason, note=note):
                return CancelOrder(order_id=order_id, reason=reason, note=note)
            case _:
                raise AssertionError(f"{step.action} is no command")

    async def _command(self, stream: str, command: Command, context: Context, what: str) -> Done:
        return await self._execute(one(stream, command), context, what)

    async def _execute(self, group: Group, context: Context, what: str) -> Done:
        done = await keep_trying(lambda: self._context.executor.execute(group, context))
        self.report.done += not done.repeated
        if done.refused:
            kind = type(group.targets[0].command).__name__
            self.report.refused.append((what, kind, done.refused.message))
        return done

    def _command_context(
        self, merchant: str, words: tuple[str, ...], correlation: str, at: datetime
    ) -> Context:
        return Context(
            command_id=key_id(*words),
            merchant=merchant,
            actor="play",
            correlation=correlation,
            causation=":".join(words),
            occurred_at=at,
            clock=correlation,
        )


async def keep_trying(work: Callable[[], Awaitable[T]]) -> T:
    """Do it again and again while the database is away; so it must do no harm to do it twice."""
    while True:
        try:
            return await work()
        except (*AWAY, LogUnavailable) as error:
            logger.warning("play_waits", error=str(error))
            await asyncio.sleep(0.3)

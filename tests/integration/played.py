"""Planned trade played in one process for tests: the four agents on a real log, and two small worlds.

The worlds say what the plans' scenarios hold, as the gateways would record it; no network, no clock but the
checkouts' own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from commands.executor import Context
from domain.carrier import LabelVoidRequested, RecordCarrierShipment, Scan, ShipmentRequested
from domain.kernel import Command, Fact, Group, Target, one
from domain.order import CancelOrder, StartPreparation
from domain.payment import (
    AuthorizationRequested,
    CaptureRequested,
    Movement,
    RecordProviderPayment,
    RefundRequested,
    VoidRequested,
)
from domain.streams import order_stream
from eventstore.codec import decode
from eventstore.keyring import Keyring, PostgresKeyStore
from eventstore.seams import key_id
from eventstore.tasks import end_tasks
from projections.runner import ProjectionRunner
from projections.session import PostgresReadModels
from services.play.plan import (
    Cancel,
    CheckoutPlan,
    MerchantOrder,
    Place,
    Prepare,
    Step,
    plan_catalogue,
    plan_checkouts,
)
from services.play.rows import OlistRows
from tests.integration.trade import Trade, agents_running, trading

LONG_AGO = datetime(2016, 1, 1, tzinfo=UTC)
TURNS_MAX = 6000
AT_ONCE = 100
_REST = "SELECT coalesce(min(done), 0) FROM checkpoints WHERE follower LIKE %(followers)s"


@dataclass(slots=True)
class Account:
    """A payment as its provider knows it."""

    request: Fact
    authorize: dict[str, Any]
    captures: list[Movement] = field(default_factory=list)
    refunds: list[Movement] = field(default_factory=list)
    voided_at: datetime | None = None

    def told(self, now: datetime) -> RecordProviderPayment:
        event: Any = self.request.event
        outcome, known_at = self.authorize["outcome"], moment(self.authorize["told_at"])
        authorized = outcome == "authorized" and known_at is not None and known_at <= now
        return RecordProviderPayment(
            payment_id=event.payment_id,
            provider_reference=f"ref {event.payment_id}",
            status="authorized" if authorized else "pending",
            amount_cents=event.amount_cents,
            happened_at=moment(self.authorize["happened_at"]) if authorized else None,
            captures=tuple(self.captures),
            refunds=tuple(self.refunds),
            voided=self.voided_at is not None,
            voided_at=self.voided_at,
        )


@dataclass(slots=True)
class Parcel:
    """A shipment as its carrier knows it."""

    request: Fact
    facts: list[dict[str, Any]]
    voided: bool = False

    def told(self, now: datetime) -> RecordCarrierShipment:
        event: Any = self.request.event
        shipment = event.shipment_id
        return RecordCarrierShipment(
            shipment_id=shipment,
            carrier="mail",
            tracking_number=f"track {shipment}",
            voided=self.voided,
            scans=tuple(
                Scan(scan_id=f"{shipment} {n}", type=each["type"], happened_at=moment(each["happened_at"]))
                for n, each in enumerate(self.facts)
                if (told_at := moment(each["told_at"])) and told_at <= now
            ),
        )


class Providers:
    """Hear what is requested of them in the log, and say all that is due on each checkout's clock."""

    def __init__(self, plans: Sequence[CheckoutPlan]) -> None:
        self.clocks: dict[str, datetime] = {}
        self._authorize = {s["payment_id"]: s["authorize"] for p in plans for s in p.payment_scenarios}
        self._facts = {s["shipment_id"]: s["facts"] for p in plans for s in p.carrier_scenarios}
        self._open: dict[str, Account | Parcel] = {}
        self._told: dict[str, Command] = {}

    def hear(self, fact: Fact) -> None:
        stream, now = fact.stream, self.clocks.get(fact.correlation)
        known: Any = self._open.get(stream)
        match fact.event:
            case AuthorizationRequested(amount_cents=cents) if cents:
                account = self._open[stream] = Account(fact, self._authorize[stream])
                self._told[stream] = account.told(LONG_AGO)  # pending: nothing to say yet
            case CaptureRequested(capture_id=reference, amount_cents=cents) if known:
                known.captures.append(movement(reference, cents, now))
            case RefundRequested(refund_id=reference, amount_cents=cents) if known:
                known.refunds.append(movement(reference, cents, now))
            case VoidRequested() if known:
                known.voided_at = now
            case ShipmentRequested():
                self._open[stream] = Parcel(fact, self._facts[stream])
            case LabelVoidRequested():
                known.voided = True

    def news(self) -> list[tuple[Fact, Command]]:
        """What each has to say that it did not say before, with the request that it answers."""
        news: list[tuple[Fact, Command]] = []
        for stream, each in self._open.items():
            told = each.told(self.clocks[each.request.correlation])
            if self._told.get(stream) != told:
                self._told[stream] = told
                news.append((each.request, told))
        return news


def moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def movement(reference: str, cents: int, now: datetime | None) -> Movement:
    return Movement(reference=reference, amount_cents=cents, succeeded=True, happened_at=now)


class Play:
    """Sets up and plays a dataset: the first step of every checkout, then the second of each, and on."""

    def __init__(self, trade: Trade, rows: OlistRows, keyring: Keyring) -> None:
        self._trade = trade
        self._rows = rows
        self._plans = list(plan_checkouts(rows, keyring.subject))
        self._providers = Providers(self._plans)
        self._heard = 0
        self._room = asyncio.Semaphore(AT_ONCE)

    async def set_up(self) -> None:
        for stage in plan_catalogue(self._rows).stages():
            groups: dict[str, list[Target]] = {}
            for setup in stage.setups:
                groups.setdefault(setup.merchant, []).append(Target(setup.stream, setup.command))
            await asyncio.gather(
                *(self._do(m, Group(tuple(each)), "catalogue", LONG_AGO) for m, each in groups.items())
            )

    async def play(self) -> None:
        for number in range(max((len(plan.steps) for plan in self._plans), default=0)):
            moving = [plan for plan in self._plans if number < len(plan.steps)]
            self._providers.clocks |= {plan.checkout_id: plan.steps[number].at for plan in moving}
            await asyncio.gather(*(self._step(plan, plan.steps[number]) for plan in moving))
            await self._settle()

    async def _step(self, plan: CheckoutPlan, step: Step) -> None:
        for order in plan.orders:
            if command := _asked(step, order):
                stream = order_stream(order.merchant, order.place.order_id)
                await self._do(order.merchant, one(stream, command), plan.checkout_id, step.at)

    async def _settle(self) -> None:
        """Until the agents are done, and neither world has anything to say to what they did."""
        while True:
            await at_rest(self._trade, "agents")
            for stored in await self._trade.log.read(self._heard, 100_000):
                self._heard = stored.position
                self._providers.hear(decode(stored))
            if not (news := self._providers.news()):
                return
            await asyncio.gather(*(self._say(request, command) for request, command in news))

    async def _say(self, request: Fact, command: Command) -> None:
        now = self._providers.clocks[request.correlation]
        await self._do(request.merchant, one(request.stream, command), request.correlation, now)

    async def _do(self, merchant: str, group: Group, checkout: str, at: datetime) -> None:
        words = (group.targets[0].stream, *(target.command.model_dump_json() for target in group.targets))
        context = Context(key_id(*words), merchant, "play", checkout, "play", at, clock=checkout)
        async with self._room:  # thousands at once would wait for a connection longer than any may
            done = await self._trade.executor.execute(group, context)
        assert done.refused is None, (words, done.refused)


def _asked(step: Step, order: MerchantOrder) -> Command | None:
    order_id = order.place.order_id
    match step.action:
        case Place():
            return order.place
        case Prepare():
            return StartPreparation(order_id=order_id)
        case Cancel(reason=reason, note=note):
            return CancelOrder(order_id=order_id, reason=reason, note=note)
    return None


async def at_rest(trade: Trade, followers: str) -> None:
    """Wait until all these followers are done with the whole log."""
    done = head = -1
    for _ in range(TURNS_MAX):
        head = await trade.log.head()
        async with trade.log.pool.connection() as connection:
            row = await (await connection.execute(_REST, {"followers": followers})).fetchone()
        done = row[0] if row else -1
        if done >= head == await trade.log.head():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{followers} is at {done} of {head}")


@asynccontextmanager
async def projected(trade: Trade, keyring: Keyring) -> AsyncIterator[None]:
    """The read models follow the log, and have caught up with it."""
    running = asyncio.create_task(
        ProjectionRunner(trade.feed, PostgresReadModels(trade.log.pool), keyring).run()
    )
    try:
        await _made(trade)
        await at_rest(trade, "projection:%")
        yield
    finally:
        await end_tasks(running)
        (result,) = await asyncio.gather(running, return_exceptions=True)
        assert isinstance(result, asyncio.CancelledError), result


async def _made(trade: Trade) -> None:
    """Wait until the runner has made the tables; all of them are made in one transaction."""
    for _ in range(TURNS_MAX):
        async with trade.log.pool.connection() as connection:
            row = await (await connection.execute("SELECT count(*) FROM read_models")).fetchone()
        if row and row[0]:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("no read models were made")


def some_of(rows: OlistRows, count: int) -> OlistRows:
    """The first orders, with all that is theirs."""
    ids = {each.order_id for each in rows.orders[:count]}
    items = tuple(each for each in rows.items if each.order_id in ids)
    products, sellers = {each.product_id for each in items}, {each.seller_id for each in items}
    return replace(
        rows,
        orders=rows.orders[:count],
        items=items,
        products=tuple(each for each in rows.products if each.product_id in products),
        sellers=tuple(each for each in rows.sellers if each.seller_id in sellers),
        payments=tuple(each for each in rows.payments if each.order_id in ids),
        reviews=tuple(each for each in rows.reviews if each.order_id in ids),
    )


@asynccontextmanager
async def played(database: str, rows: OlistRows) -> AsyncIterator[Trade]:
    """The dataset played to its end, and the read models of that."""
    async with trading(database) as trade:
        keyring = Keyring(bytes(32), PostgresKeyStore(trade.log.pool))
        play = Play(trade, rows, keyring)
        await play.set_up()
        async with agents_running(trade):
            await play.play()
        async with projected(trade, keyring):
            yield trade

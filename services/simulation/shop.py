"""Who sends commands in a simulation: customers and staff, who ask again until they are answered.

Each command keeps its id however often it is sent, and to whichever door. What was answered is remembered, so
that the end can tell whether the log kept its word.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any, TypeVar

import orjson
import psycopg

from commands.executor import Context, Done, TooMuchContention
from commands.personal import sealed, subject_of
from domain.carrier.carriers import AddCarrier, PublishRateCard
from domain.carrier.rates import Band, RateCard, Service, Zone
from domain.inventory import ReceiveStock
from domain.kernel import Command, Group, Target, one
from domain.order import CancelOrder, Line, PlaceOrder, Portion, StartPreparation, Terms
from domain.personal import Customer
from domain.streams import carriers_stream, order_stream, payment_stream, shipment_stream, stock_stream
from eventstore.log import LogUnavailable
from eventstore.seams import key_id
from eventstore.tasks import TaskGroup
from services.simulation import desk
from services.simulation.clock import START
from services.simulation.early import early_event
from services.simulation.faults import Faults
from services.simulation.goods import Step, steps_of
from services.simulation.node import Node
from services.simulation.outside import Outside
from services.simulation.plan import Plan, PlannedDelivery, PlannedGoods, PlannedOrder, PlannedRefusal
from services.worlds.webhooks import Post

T = TypeVar("T")
PATIENCE_SECONDS = 4.0
PAUSE_SECONDS = 0.3
TOLD_AT, PARCEL_TOLD_AT = START + timedelta(days=1), START + timedelta(days=2)
"""On the clocks of checkouts, which the plan moves: when the payment's fact is due, the parcel's first."""
PREPARATIONS = 5
LATE_MS_MAX = 6_000
WORLD_OF = {"payment": "payment-world", "carrier": "carrier-world"}
_PASSING = (LogUnavailable, TooMuchContention, psycopg.Error, OSError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Sent:
    """A command, and where the log stood when it was sent for the first time."""

    group: Group
    head: int


@dataclass(slots=True)
class Answered:
    """What the shop has sent, and what it was told of it: by the names of its commands."""

    sent: dict[str, Sent] = field(default_factory=dict)
    done: dict[str, Done] = field(default_factory=dict)


class Shop:
    """Plays a plan. `ask(process, work, timeout)` has work done in one of `doors`, or in a world; `posts`
    take webhooks to our inboxes, by provider; `head` tells where the log stands."""

    def __init__(
        self,
        plan: Plan,
        ask: Callable[..., Awaitable[Any]],
        doors: tuple[str, ...],
        posts: Mapping[str, Post],
        head: Callable[[], int],
        choose: Callable[[], float],
    ) -> None:
        self._plan = plan
        self._head = head
        self._ask = ask
        self._posts = posts
        self._doors = doors
        self._choose = choose
        self.answered = Answered()

    async def trade(self, faults: Faults) -> None:
        """Until all that was planned is sent and answered."""
        await self.misbehave(faults)
        async with TaskGroup() as tasks:
            tasks.create_task(self._choose_carriers("m2"))
            for delivery in self._plan.deliveries:
                tasks.create_task(self._deliver(delivery))
            for order in self._plan.orders:
                tasks.create_task(self._order(order))
            for goods in self._plan.goods:
                tasks.create_task(self._handle(goods))

    async def call_off(self, merchant: str, order_id: str) -> None:
        """What staff does with an order that will not end by itself."""
        command = CancelOrder(order_id=order_id, reason="staff")
        group = one(order_stream(merchant, order_id), command)
        await self._send(f"off {order_id}", merchant, order_id, lambda _: _ready(group))

    async def misbehave(self, faults: Faults) -> None:
        """Have the worlds do so from now on."""
        requests = ("timeout_before", "timeout_after", "error_500", "late_answer")
        webhooks = ("webhook_duplicate", "webhook_reorder", "webhook_delay", "webhook_drop")
        rates = dict.fromkeys(requests, faults.provider) | dict.fromkeys(webhooks, faults.webhook)
        wanted = {"seed": int(self._choose() * 2**32), "rates": rates, "delay_ms_max": LATE_MS_MAX}
        for world in WORLD_OF.values():
            await self._control(world, "PUT", "/control/faults", wanted)

    async def _choose_carriers(self, merchant: str) -> None:
        """The merchant ships with carriers of its own; the cheapest service of them takes no parcel."""
        refused = {"refused": ["swift/express"]}
        await self._control("carrier-world", "PUT", "/control/carriers", refused)
        stream = carriers_stream(merchant)
        commands: list[Command] = []
        for name, services in _CARRIERS.items():
            card = RateCard(currency="BRL", effective_from=START, services=services)
            publish = PublishRateCard(carrier=name, expected_version=0, card=card, now=START)
            commands += [AddCarrier(carrier=name), publish]
        group = Group(tuple(Target(stream, command) for command in commands))
        await self._send(f"carriers {merchant}", merchant, "carriers", lambda _: _ready(group))

    async def _deliver(self, delivery: PlannedDelivery) -> None:
        await asyncio.sleep(delivery.at_s)
        command = ReceiveStock(
            sku=delivery.sku, warehouse="main", quantity=delivery.quantity, reference=delivery.reference
        )
        group = one(stock_stream(delivery.merchant, delivery.sku, "main"), command)
        await self._send(delivery.reference, delivery.merchant, delivery.reference, lambda _: _ready(group))

    async def _handle(self, goods: PlannedGoods) -> None:
        """Step by step; what can't be sent stays where it is, and nothing follows of it."""
        await asyncio.sleep(goods.at_s)
        for number, step in enumerate(steps_of(goods)):
            name = f"{goods.name} {number}"
            done = await self._send(name, goods.merchant, goods.name, _made_once(step))
            if done.refused:
                return
            await asyncio.sleep(self._choose())

    async def _order(self, order: PlannedOrder) -> None:
        await asyncio.sleep(order.at_s)
        await self._tell_worlds(order)

        async def place(node: Node) -> Group:
            return one(order_stream(order.merchant, order.order_id), await _placing(node, order))

        async with TaskGroup() as tasks:
            for _ in range(2 if order.twice else 1):
                name = f"place {order.order_id}"
                tasks.create_task(self._send(name, order.merchant, order.order_id, place))
        async with TaskGroup() as tasks:
            tasks.create_task(self._move_clocks(order))
            if order.cancel_after_s is not None:
                tasks.create_task(self._cancel(order, order.cancel_after_s))
            if order.prepare_after_s is not None:
                tasks.create_task(self._prepare(order, order.prepare_after_s))
            if order.looked_into_after_s is not None:
                tasks.create_task(self._look_into(order, order.looked_into_after_s))

    async def _cancel(self, order: PlannedOrder, after_s: float) -> None:
        await asyncio.sleep(after_s)
        group = one(
            order_stream(order.merchant, order.order_id),
            CancelOrder(order_id=order.order_id, reason="customer"),
        )
        await self._send(f"cancel {order.order_id}", order.merchant, order.order_id, lambda _: _ready(group))

    async def _prepare(self, order: PlannedOrder, after_s: float) -> None:
        """Staff looks now and then whether it is confirmed: until then it is told no."""
        group = one(order_stream(order.merchant, order.order_id), StartPreparation(order_id=order.order_id))
        for number in range(PREPARATIONS):
            await asyncio.sleep(after_s)
            name = f"prepare {number} {order.order_id}"
            await self._send(name, order.merchant, order.order_id, lambda _: _ready(group))

    async def _look_into(self, order: PlannedOrder, after_s: float) -> None:
        await asyncio.sleep(after_s)
        for number, step in enumerate(desk.steps_of(order)):
            name = f"look {number} {order.order_id}"
            await self._send(name, order.merchant, order.order_id, _made_once(step))
            await asyncio.sleep(self._choose())

    async def _send(
        self, name: str, merchant: str, correlation: str, group_of: Callable[[Node], Awaitable[Group]]
    ) -> Done:
        """Again and again with the same id, to any door, until there is an answer."""

        async def work(node: Node) -> Done:
            context = Context(
                command_id=key_id("shop", merchant, name),
                merchant=merchant,
                actor="user:shop",
                correlation=f"checkout-{correlation}",
                causation=name,
                occurred_at=node.clock.now(),
                fingerprint=name.encode(),
            )
            group = await group_of(node)
            self.answered.sent.setdefault(f"{merchant} {name}", Sent(group, head))
            return await node.executor.execute(group, context, orjson.dumps({"name": name}))

        head = self._head()
        done = await self._insist(lambda: self._doors[int(self._choose() * len(self._doors))], work)
        known = self.answered.done.setdefault(f"{merchant} {name}", done)
        assert known.position == done.position, f"{name} was answered twice, and not alike"
        return done

    async def _insist(self, where: Callable[[], str], work: Callable[[Any], Awaitable[T]]) -> T:
        while True:
            try:
                return await self._ask(where(), work, PATIENCE_SECONDS)  # type: ignore[no-any-return]
            except _PASSING:
                await asyncio.sleep(PAUSE_SECONDS * (1 + self._choose()))

    # ---- the outside, as the plan has it

    async def _tell_worlds(self, order: PlannedOrder) -> None:
        checkout = f"checkout-{order.order_id}"
        if order.early:
            await self._tell_early(order)
        if order.refusal:
            await self._plan_refusals(order, order.refusal)
        if order.payment_fate != "at_once":
            outcome = {"late": "authorized", "never": "never"}.get(order.payment_fate, "declined")
            lines = [
                {
                    "payment_id": payment_stream(order.merchant, payment_id),
                    "checkout": checkout,
                    "authorize": {"outcome": outcome, "told_at": TOLD_AT},
                }
                for payment_id in payment_ids(order)
            ]
            await self._control("payment-world", "PUT", "/control/scenarios", *lines)
        if order.payment_fate == "declined":
            await self._control("payment-world", "POST", "/control/clock", {"clocks": {checkout: TOLD_AT}})
        if order.parcel_fate != "delivered":
            parcel = {
                "shipment_id": shipment_stream(order.merchant, order.order_id),
                "checkout": checkout,
                "facts": [
                    {"type": kind, "told_at": PARCEL_TOLD_AT + timedelta(hours=number)}
                    for number, kind in enumerate(_SCANS[order.parcel_fate])
                ],
            }
            await self._control("carrier-world", "PUT", "/control/scenarios", parcel)

    async def _tell_early(self, order: PlannedOrder) -> None:
        """Of a payment that we know nothing of, and that nothing has become of: it is only to be kept."""
        stream = payment_stream(order.merchant, payment_ids(order)[0])
        checkout = f"checkout-{order.order_id}"
        told = early_event(stream, checkout, order.merchant)
        for _ in count():
            if await self._posts["payment"](told):
                return
            await asyncio.sleep(PAUSE_SECONDS)

    async def _plan_refusals(self, order: PlannedOrder, refusal: PlannedRefusal) -> None:
        async def work(outside: Outside) -> None:
            for payment_id in payment_ids(order):
                stream = payment_stream(order.merchant, payment_id)
                outside.refusals.plan(stream, refusal.change, refusal.times)

        await self._insist(lambda: WORLD_OF["payment"], work)

    async def _move_clocks(self, order: PlannedOrder) -> None:
        """Time goes on for the checkout: what the worlds have to tell becomes due."""
        checkout = f"checkout-{order.order_id}"
        moments: list[tuple[str, datetime]] = [("payment-world", TOLD_AT)]
        moments += [("carrier-world", PARCEL_TOLD_AT + timedelta(hours=hours)) for hours in range(3)]
        for world, moment in moments:
            await asyncio.sleep(order.told_after_s)
            await self._control(world, "POST", "/control/clock", {"clocks": {checkout: moment}})

    async def _control(self, world: str, method: str, path: str, *lines: Any) -> None:
        body = b"\n".join(orjson.dumps(line, option=orjson.OPT_UTC_Z) for line in lines)

        async def work(outside: Outside) -> None:
            status, content = await outside.answer(method, path, body, None)
            assert status in (200, 500), content

        await self._insist(lambda: world, work)


_ANYWHERE = (Zone(zone="all", regions=("*",)),)


def _service(name: str, cents: int, days: int) -> Service:
    bands = (Band(zone="all", up_to_g=10**6, cents=cents),)
    return Service(service=name, days=days, zones=_ANYWHERE, bands=bands)


_CARRIERS = {
    "swift": (_service("express", 500, 1), _service("calm", 600, 5)),
    "post": (_service("parcel", 900, 4),),
}
_SCANS = {
    "told": ("collected", "in_transit", "delivered"),
    "returned": ("collected", "returned"),
    "exception": ("collected", "exception", "delivered"),
    "never": (),
}


def payment_ids(order: PlannedOrder) -> list[str]:
    return [f"{order.order_id}.{number}" for number in range(1, len(order.parts) + 1)]


async def _ready(group: Group) -> Group:
    return group


def _made_once(step: Step) -> Callable[[Node], Awaitable[Group]]:
    """However often it is sent, it says the same."""
    made: list[Group] = []

    async def group_of(node: Node) -> Group:
        if not made:
            group = await step(node)
            made[:] = made or [group]
        return made[0]

    return group_of


async def _placing(node: Node, order: PlannedOrder) -> PlaceOrder:
    subject = subject_of(node.keyring, order.merchant, order.order_id)
    person = Customer(
        customer_id=order.order_id, customer_unique_id=order.order_id, zip_prefix="01310", city="São Paulo"
    )
    return PlaceOrder(
        order_id=order.order_id,
        checkout_id=f"checkout-{order.order_id}",
        subject=subject,
        customer=await sealed(node.keyring, node.ids, subject, person),
        ship_to_state="SP",
        currency="BRL",
        lines=tuple(
            Line(line=number, sku=line.sku, quantity=line.quantity, unit_price_cents=line.unit_price_cents)
            for number, line in enumerate(order.lines, 1)
        ),
        portions=tuple(
            Portion(payment_id=payment_id, method="credit_card", amount_cents=cents, sequence=number)
            for number, (payment_id, cents) in enumerate(zip(payment_ids(order), order.parts, strict=True), 1)
        ),
        terms=Terms(reservation_valid_s=order.valid_s[0], authorization_valid_s=order.valid_s[1]),
    )

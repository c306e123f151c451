"""Who sends commands in a simulation: customers and staff, who ask again until they are answered.

Each command keeps its id however often it is sent, and to whichever door. What was answered is remembered, so
that the end can tell whether the log kept its word.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any, TypeVar

import orjson
import psycopg

from commands.executor import Context, Done, TooMuchContention
from domain.carrier.carriers import AddCarrier, PublishRateCard
from domain.carrier.rates import Band, RateCard, Service, Zone
from domain.inventory import ReceiveStock
from domain.kernel import Command, Group, Target, one
from domain.order import CancelOrder
from domain.streams import carriers_stream, order_stream, payment_stream, stock_stream
from eventstore.log import LogUnavailable
from eventstore.seams import key_id
from eventstore.tasks import TaskGroup
from services.simulation import (
    billing,
    catalogue,
    changes,
    dispatch,
    handling,
    pauses,
    placing,
    rules,
    scenarios,
    shopping,
)
from services.simulation.acts import Act, Look, Step, as_it_is, at_once, made_once
from services.simulation.clock import START
from services.simulation.early import early_event
from services.simulation.faults import Faults
from services.simulation.goods import steps_of
from services.simulation.node import Node
from services.simulation.outside import Outside
from services.simulation.plan import (
    BY_RULES,
    Plan,
    PlannedDelivery,
    PlannedGoods,
    PlannedOffer,
    PlannedOrder,
    PlannedPause,
    PlannedShopping,
)
from services.simulation.scenarios import CARRIER_WORLD, PAYMENT_WORLD, Request
from services.worlds.webhooks import Post

T = TypeVar("T")
PATIENCE_SECONDS = 4.0
PAUSE_SECONDS = 0.3
LOOKS, LOOK_SECONDS = 12, 2.0
"""Then nobody waits for the right moment any more."""
LATE_MS_MAX = 6_000
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
        self.minds: dict[str, list[shopping.Mind]] = {}
        """What shoppers were shown, by checkout: of each of their pages."""

    async def trade(self, faults: Faults) -> None:
        """Until all that was planned is sent and answered."""
        await self.misbehave(faults)
        async with TaskGroup() as tasks:
            tasks.create_task(self._choose_carriers("m2"))
            if every_s := self._plan.rules_change_every_s:
                acts = rules.acts_of(BY_RULES, every_s)
                tasks.create_task(self._play(acts, BY_RULES, BY_RULES, "checkout-rules"))
            for delivery in self._plan.deliveries:
                tasks.create_task(self._deliver(delivery))
            for orders in self._checkouts():
                tasks.create_task(self._check_out(orders))
            for goods in self._plan.goods:
                tasks.create_task(self._handle(goods))
            if self._plan.offers:
                for merchant in ("m1", "m2"):
                    tasks.create_task(
                        self._play(catalogue.opening(merchant), merchant, merchant, "checkout-offers")
                    )
            for offer in self._plan.offers:
                tasks.create_task(self._offer(offer))
            for kind in ("warehouse", "carrier"):
                tasks.create_task(self._pause([each for each in self._plan.pauses if each.kind == kind]))
            for acts, name, merchant in self._of_parcels():
                tasks.create_task(self._play(acts, name, merchant, name))

    def _checkouts(self) -> Iterable[list[PlannedOrder]]:
        """The orders of each: one, or one a merchant."""
        found: dict[str, list[PlannedOrder]] = {}
        for order in self._plan.orders:
            found.setdefault(order.checkout, []).append(order)
        return found.values()

    async def call_off(self, order: PlannedOrder) -> None:
        """What staff does with an order that will not end by itself."""
        command = CancelOrder(order_id=order.order_id, reason="staff")
        step = as_it_is(one(order_stream(order.merchant, order.order_id), command))
        await self._send(f"off {order.order_id}", order.merchant, order.checkout, step)

    async def see_to(self, evening: int) -> None:
        """What staff finds undone, of orders of which it has begun to do something."""
        for order in self._plan.orders:
            for act in handling.left_undone(order, evening):
                if await self._insist(self._any_door, act.look):
                    await self._act(order, [act])

    async def misbehave(self, faults: Faults) -> None:
        """Have the worlds do so from now on."""
        requests = ("timeout_before", "timeout_after", "error_500", "late_answer")
        webhooks = ("webhook_duplicate", "webhook_reorder", "webhook_delay", "webhook_drop")
        rates = dict.fromkeys(requests, faults.provider) | dict.fromkeys(webhooks, faults.webhook)
        wanted = {"seed": int(self._choose() * 2**32), "rates": rates, "delay_ms_max": LATE_MS_MAX}
        for world in (PAYMENT_WORLD, CARRIER_WORLD):
            await self._control((world, "PUT", "/control/faults", (wanted,)))

    # ---- what staff does with goods and parcels

    async def _choose_carriers(self, merchant: str) -> None:
        """The merchant ships with carriers of its own; the cheapest service of them takes no parcel."""
        refused = {"refused": ["swift/express"]}
        await self._control((CARRIER_WORLD, "PUT", "/control/carriers", (refused,)))
        stream = carriers_stream(merchant)
        commands: list[Command] = []
        for name, services in _CARRIERS.items():
            card = RateCard(currency="BRL", effective_from=START, services=services)
            publish = PublishRateCard(carrier=name, expected_version=0, card=card, now=START)
            commands += [AddCarrier(carrier=name), publish]
        group = Group(tuple(Target(stream, command) for command in commands))
        await self._send(f"carriers {merchant}", merchant, "checkout-carriers", as_it_is(group))

    async def _deliver(self, delivery: PlannedDelivery) -> None:
        await asyncio.sleep(delivery.at_s)
        command = ReceiveStock(
            sku=delivery.sku,
            warehouse=delivery.warehouse,
            quantity=delivery.quantity,
            reference=delivery.reference,
        )
        stream = stock_stream(delivery.merchant, delivery.sku, delivery.warehouse)
        step = as_it_is(one(stream, command))
        name = delivery.reference
        await self._send(name, delivery.merchant, f"checkout-{name}", step)

    async def _handle(self, goods: PlannedGoods) -> None:
        """Step by step; what can't be sent stays where it is, and nothing follows of it."""
        await asyncio.sleep(goods.at_s)
        for number, step in enumerate(steps_of(goods)):
            name = f"{goods.name} {number}"
            done = await self._send(name, goods.merchant, f"checkout-{goods.name}", made_once(step))
            if done.refused:
                return
            await asyncio.sleep(self._choose())

    async def _offer(self, offer: PlannedOffer) -> None:
        await asyncio.sleep(offer.at_s)
        await self._play(catalogue.acts_of(offer), offer.name, offer.merchant, f"checkout-{offer.name}")

    async def _pause(self, paused: Sequence[PlannedPause]) -> None:
        for pause in paused:
            await self._play(pauses.acts_of(pause), pause.name, pause.merchant, f"checkout-{pause.name}")

    def _of_parcels(self) -> Iterator[tuple[Iterator[Act], str, str]]:
        """Manifests and invoices: acts, a name, and whose they are."""
        for manifest in self._plan.manifests:
            yield dispatch.acts_of(manifest, self._plan.orders), manifest.name, manifest.merchant
        for invoice in self._plan.invoices:
            yield billing.acts_of(invoice, self._plan.orders), invoice.name, invoice.merchant

    # ---- what customers do, and staff with their orders

    async def _check_out(self, orders: Sequence[PlannedOrder]) -> None:
        await asyncio.sleep(orders[0].at_s)
        for order in orders:
            await self._tell_worlds(order)
        bought = {order.merchant for order in orders if order.is_placed}
        if not (cart := orders[0].cart):
            await self._place(orders[0])
        elif cart.shopping is None:
            await self._complete_cart(orders)
        else:
            bought = await self._go_shopping(orders, cart.shopping)
        async with TaskGroup() as tasks:
            for order in orders:
                if order.merchant in bought:
                    tasks.create_task(self._live(order))

    async def _place(self, order: PlannedOrder) -> None:
        step = made_once(partial(placing.placing, order=order))
        async with TaskGroup() as tasks:
            for _ in range(2 if order.twice else 1):
                name = f"place {order.order_id}"
                tasks.create_task(self._send(name, order.merchant, order.checkout, step))

    async def _complete_cart(self, orders: Sequence[PlannedOrder]) -> None:
        """Who has more than one line misreads the total at first."""
        cart, checkout = orders[0].cart, orders[0].checkout
        assert cart
        fill = [Act(0.0, "fill", placing.filling(orders))]
        if len(orders[0].lines) > 1:
            fill.append(Act(self._choose(), "misread", placing.claiming(orders, misread=True)))
        await self._play(fill, cart.cart_id, cart.merchant, checkout)

        async def press(name: str) -> None:
            claim = Act(self._choose(), name, placing.claiming(orders))
            await self._play([claim], cart.cart_id, cart.merchant, checkout)
            if cart.fate != "left":
                await self._insist(self._any_door, partial(placing.finish, cart=cart))

        presses = {"abandoned": (), "pressed_twice": ("claim 1", "claim 2")}.get(cart.fate, ("claim 1",))
        async with TaskGroup() as tasks:
            for name in presses:
                tasks.create_task(press(name))

    async def _go_shopping(self, orders: Sequence[PlannedOrder], plan: PlannedShopping) -> set[str]:
        """Of which merchants something was bought. Who presses twice does so on two pages."""
        cart, checkout = orders[0].cart, orders[0].checkout
        assert cart
        till = _Till(self, cart.cart_id, cart.merchant, checkout)
        await self._wait_for(partial(shopping.is_open, orders=orders), LOOK_SECONDS / 2)
        mind = await shopping.fill(till, orders, plan)
        bought: set[str] = set()

        async def page(number: int) -> None:
            mine = mind.copy()
            self.minds.setdefault(checkout, []).append(mine)
            await asyncio.sleep(plan.thinks_s + self._choose())
            if not await shopping.press(till, orders, mine, f"claim {number}", accepts=plan.accepts):
                return
            bought.update(mine.merchants)
            if cart.fate != "left":
                await self._insist(self._any_door, partial(placing.finish, cart=cart))

        async with TaskGroup() as tasks:
            for offer in plan.meanwhile:
                tasks.create_task(self._offer(offer))
            for number in range(2 if cart.fate == "pressed_twice" else 1):
                tasks.create_task(page(number))
        return bought

    async def _live(self, order: PlannedOrder) -> None:
        async with TaskGroup() as tasks:
            tasks.create_task(self._outside(order))
            for acts in changes.rows_of(order):
                tasks.create_task(self._act(order, acts))
            if order.picked_after_s is not None and (order.merchant == BY_RULES or order.short_units):
                tasks.create_task(self._act(order, dispatch.picking_of(order)))

    async def _act(self, order: PlannedOrder, acts: Iterable[Act]) -> None:
        await self._play(acts, order.order_id, order.merchant, order.checkout)

    async def _play(self, acts: Iterable[Act], about: str, merchant: str, correlation: str) -> None:
        """One after the other, whatever is answered."""
        for act in acts:
            await asyncio.sleep(act.after_s)
            if act.look is not at_once:
                await self._wait_for(act.look, act.after_s)
            await self._send(f"{act.name} {about}", merchant, correlation, made_once(act.step))

    async def _wait_for(self, look: Look, every_s: float) -> None:
        for _ in range(LOOKS):
            if await self._insist(self._any_door, look):
                return
            await asyncio.sleep(every_s)

    # ---- how

    def _any_door(self) -> str:
        return self._doors[int(self._choose() * len(self._doors))]

    async def _send(self, name: str, merchant: str, correlation: str, step: Step) -> Done:
        """Again and again with the same id, to any door, until there is an answer."""

        async def work(node: Node) -> Done:
            context = Context(
                command_id=key_id("shop", merchant, name),
                merchant=merchant,
                actor=placing.ACTOR,
                correlation=correlation,
                causation=name,
                occurred_at=node.clock.now(),
                fingerprint=name.encode(),
            )
            group = await step(node)
            self.answered.sent.setdefault(f"{merchant} {name}", Sent(group, head))
            return await node.executor.execute(group, context, orjson.dumps({"name": name}))

        head = self._head()
        done = await self._insist(self._any_door, work)
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
        if order.early:
            await self._tell_early(order)
        if order.refusal:
            await self._plan_refusals(order)
        for request in scenarios.told_before(order):
            await self._control(request)

    async def _tell_early(self, order: PlannedOrder) -> None:
        """Of a payment that we know nothing of, and that nothing has become of: it is only to be kept."""
        stream = payment_stream(order.merchant, order.payment_ids[0])
        told = early_event(stream, order.checkout, order.merchant)
        for _ in count():
            if await self._posts["payment"](told):
                return
            await asyncio.sleep(PAUSE_SECONDS)

    async def _plan_refusals(self, order: PlannedOrder) -> None:
        refusal = order.refusal
        assert refusal

        async def work(outside: Outside) -> None:
            for payment_id in order.payment_ids:
                stream = payment_stream(order.merchant, payment_id)
                outside.refusals.plan(stream, refusal.change, refusal.times)

        await self._insist(lambda: PAYMENT_WORLD, work)

    async def _outside(self, order: PlannedOrder) -> None:
        """The bank, then the carrier, then the bank again; what else people want comes between."""
        await self._move_clocks(order, scenarios.payment_of(order))
        await self._act(order, changes.edit_of(order))
        await self._act(order, handling.acts_of(order))
        await self._move_clocks(order, scenarios.parcel_of(order))
        await self._move_clocks(order, scenarios.edit_paid_of(order))
        if order.is_disputed:
            await self._wait_for(partial(changes.is_captured, order=order), LOOK_SECONDS)
        for request in scenarios.disputes_of(order):
            await self._move_clocks(order, [request])
            await self._act(order, changes.defence_of(order))

    async def _move_clocks(self, order: PlannedOrder, requests: Iterable[Request]) -> None:
        for request in requests:
            await asyncio.sleep(order.told_after_s)
            await self._control(request)

    async def _control(self, request: Request) -> None:
        world, method, path, lines = request
        body = b"\n".join(orjson.dumps(line, option=orjson.OPT_UTC_Z) for line in lines)

        async def work(outside: Outside) -> None:
            status, content = await outside.answer(method, path, body, None)
            assert status in (200, 500), content

        await self._insist(lambda: world, work)


@dataclass(frozen=True, slots=True)
class _Till:
    """See `shopping.Till`."""

    shop: Shop
    cart_id: str
    merchant: str
    checkout: str

    async def tell(self, name: str, step: Step) -> Done:
        return await self.shop._send(f"{name} {self.cart_id}", self.merchant, self.checkout, step)

    async def look(self, work: Callable[[Node], Awaitable[T]]) -> T:
        return await self.shop._insist(self.shop._any_door, work)


_ANYWHERE = (Zone(zone="all", regions=("*",)),)


def _service(name: str, cents: int, days: int) -> Service:
    bands = (Band(zone="all", up_to_g=10**6, cents=cents),)
    return Service(service=name, days=days, zones=_ANYWHERE, bands=bands)


_CARRIERS = {
    "swift": (_service("express", 500, 1), _service("calm", 600, 5)),
    "post": (_service("parcel", 900, 4),),
}

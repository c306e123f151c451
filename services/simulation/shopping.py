"""What does a shopper do in a simulation who buys at merchants' own prices? He remembers what he was shown.

As the shop's page does, it reads what is true now where the doors read it (`commands/cart/offers.py`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Protocol, TypeVar

from commands.cart.offers import charges_of, offers_of, sold
from commands.executor import Done
from commands.personal import sealed, subject_of
from domain.cart.cart import Cart, drift
from domain.cart.commands import (
    AddItem,
    Buyer,
    ChangeItemQuantity,
    ChooseShipping,
    ClaimCheckout,
    Offer,
    Payment,
    SetContact,
    StartCheckout,
)
from domain.cart.events import CHANNEL, CartTerms, ShippingCharge
from domain.cart.orders import Drift, drift_token
from domain.kernel import Command, Group, Target, one
from domain.streams import cart_stream
from services.simulation.acts import Step, made_once
from services.simulation.catalogue import METHOD
from services.simulation.node import Node
from services.simulation.placing import CURRENCY, STATE, cart_of, contact_of, terms_of
from services.simulation.plan import PlannedOrder, PlannedShopping
from services.simulation.rules import terms_at

T = TypeVar("T")
TERMS = CartTerms(abandon_after_s=3, expire_after_s=7_200, claim_valid_s=20)
"""Who thinks for longer has left, and comes back."""
PRESSES = 4
"""Then he is tired of it."""


@dataclass(frozen=True, slots=True)
class Known:
    """A line as its shopper was shown it."""

    merchant: str
    sku: str
    unit_price_cents: int
    quantity: int


@dataclass(slots=True)
class Mind:
    """What a shopper was shown of his cart: by line, and by merchant what its shipping costs.

    `accept` takes what he was told last, of a cart that comes to `seen_cents` without that. `pressed`: by the
    names of his presses what he had in mind, and what he has if nothing of what he was told is so any more.
    """

    lines: dict[int, Known] = field(default_factory=dict)
    shipping: dict[str, int] = field(default_factory=dict)
    accept: str = ""
    seen_cents: int = 0
    before: Mind | None = None
    pressed: dict[str, list[Mind]] = field(default_factory=dict)

    @property
    def merchants(self) -> set[str]:
        return {line.merchant for line in self.lines.values()}

    def total_of(self, merchant: str) -> int:
        goods = (e.quantity * e.unit_price_cents for e in self.lines.values() if e.merchant == merchant)
        return sum(goods) + self.shipping.get(merchant, 0)

    @property
    def total_cents(self) -> int:
        return sum(map(self.total_of, self.merchants))

    def copy(self) -> Mind:
        return Mind(dict(self.lines), dict(self.shipping), self.accept, self.seen_cents)

    def put_in(self, group: Group) -> None:
        """What is sent is what was shown."""
        for command in (target.command for target in group.targets):
            match command:
                case AddItem(merchant=merchant, sku=sku, quantity=quantity, unit_price_cents=cents):
                    self.lines[len(self.lines) + 1] = Known(merchant, sku, cents, quantity)
                case ChangeItemQuantity(line=line, quantity=0):
                    del self.lines[line]
                case ChangeItemQuantity(line=line, quantity=quantity):
                    self.lines[line] = replace(self.lines[line], quantity=quantity)
                case ChooseShipping(charges=charges):
                    self.shipping = {each.merchant: each.amount_cents for each in charges}
        self.seen_cents = self.total_cents

    def hear(self, cart: Cart, told: Sequence[Drift]) -> None:
        """The page shows the cart, and with it what is not any more so."""
        self.seen_cents = cart.total_cents
        self.lines = {e.line: Known(e.merchant, e.sku, e.unit_price_cents, e.quantity) for e in cart.lines}
        self.shipping = {each.merchant: each.amount_cents for each in cart.charges}
        self.before = self.copy()
        for each in told:
            match each.kind:
                case "price":
                    self.lines[each.line] = replace(self.lines[each.line], unit_price_cents=each.now)
                case "stock" | "gone":
                    self.lines[each.line] = replace(self.lines[each.line], quantity=each.now)
                case "shipping":
                    self.shipping[each.merchant] = each.now
        self.lines = {number: line for number, line in self.lines.items() if line.quantity}
        self.accept = drift_token(told)


class Till(Protocol):
    """Whom a shopper deals with, until he is answered."""

    def tell(self, name: str, step: Step) -> Awaitable[Done]: ...
    def look(self, work: Callable[[Node], Awaitable[T]]) -> Awaitable[T]: ...


async def is_open(node: Node, orders: Sequence[PlannedOrder]) -> bool:
    """Whether all that is wanted is for sale by now."""
    places = [(order.merchant, line.sku) for order in orders for line in order.lines]
    found = await sold(node.executor.states, places, CHANNEL, CURRENCY, node.clock.now())
    return all(each.on_sale and each.unit_price_cents is not None for each in found)


async def fill(till: Till, orders: Sequence[PlannedOrder], shopping: PlannedShopping) -> Mind:
    """The cart with all that these orders are of, at the prices of now; and its shopper's mind."""
    mind = Mind()
    steps = [("fill", _filling(orders, shopping))]
    if shopping.wavers:
        steps.append(("take out of", _taking_out(orders)))
    if shopping.ships:
        steps.append(("ship", _shipping(orders)))
    for name, step in steps:
        made = made_once(step)
        done = await till.tell(name, made)
        if not done.refused:
            mind.put_in(await till.look(made))
    return mind


async def press(till: Till, orders: Sequence[PlannedOrder], mind: Mind, name: str, *, accepts: bool) -> bool:
    """Again, where he is told what is not as he saw it and accepts that. Whether he has bought."""
    for number in range(PRESSES):
        mind.pressed[f"{name} {number}"] = [mind.copy(), *([mind.before] if mind.before else [])]
        claiming = _claiming(orders, mind.seen_cents, mind.accept)
        done = await till.tell(f"{name} {number}", made_once(claiming))
        if done.refused is None:
            return True
        if done.refused.rule != "as_seen" or not accepts:
            return False
        mind.hear(*await till.look(partial(_looked, orders=orders)))
    return False


async def _cart(node: Node, orders: Sequence[PlannedOrder]) -> Cart:
    cart = cart_of(orders)
    (loaded,) = await node.executor.states.load([cart_stream(cart.merchant, cart.cart_id)])
    state: Cart = loaded.state
    return state


def _filling(orders: Sequence[PlannedOrder], shopping: PlannedShopping) -> Step:
    """What has no price there, a shop's program puts in at that of the plan."""
    cart = cart_of(orders)

    async def step(node: Node) -> Group:
        subject = subject_of(node.keyring, cart.merchant, cart.cart_id)
        contact = await sealed(node.keyring, node.ids, subject, contact_of(cart.cart_id))
        ids = {"cart_id": cart.cart_id}
        commands: list[Command] = [
            StartCheckout(**ids, merchant=cart.merchant, currency=CURRENCY, subject=subject, terms=TERMS),
            SetContact(**ids, subject=subject, contact=contact, ship_to_state=STATE),
        ]
        wanted = [(order.merchant, line) for order in orders for line in order.lines]
        places = [(merchant, line.sku) for merchant, line in wanted]
        found = await sold(node.executor.states, places, CHANNEL, CURRENCY, node.clock.now())
        for (merchant, line), known in zip(wanted, found, strict=True):
            asked = known.unit_price_cents if known.on_sale else None
            commands.append(
                AddItem(
                    **ids,
                    merchant=merchant,
                    sku=line.sku,
                    quantity=line.quantity,
                    unit_price_cents=line.unit_price_cents if asked is None else asked,
                    priced_by="caller" if asked is None else "settings",
                )
            )
        if shopping.wavers:
            more = {"merchant": cart.merchant, "sku": "something else", "unit_price_cents": 100}
            commands.append(AddItem(**ids, **more, quantity=1))
        stream = cart_stream(cart.merchant, cart.cart_id)
        return Group(tuple(Target(stream, command) for command in commands))

    return step


def _taking_out(orders: Sequence[PlannedOrder]) -> Step:
    """The last line."""
    cart, last = cart_of(orders), sum(len(order.lines) for order in orders) + 1
    stream = cart_stream(cart.merchant, cart.cart_id)

    async def step(_: Node) -> Group:
        return one(stream, ChangeItemQuantity(cart_id=cart.cart_id, line=last, quantity=0))

    return step


def _shipping(orders: Sequence[PlannedOrder]) -> Step:
    cart = cart_of(orders)

    async def step(node: Node) -> Group:
        state = await _cart(node, orders)
        charges = await charges_of(node.executor.states, state.lines, METHOD, CURRENCY)
        choose = ChooseShipping(cart_id=cart.cart_id, method=METHOD, charges=charges, priced_by="settings")
        return one(cart_stream(cart.merchant, cart.cart_id), choose)

    return step


async def _offered(
    node: Node, cart: Cart, now: datetime
) -> tuple[tuple[Offer, ...], tuple[ShippingCharge, ...]]:
    """As the door does that completes a cart."""
    states = node.executor.states
    charges: tuple[ShippingCharge, ...] = ()
    if cart.shipping_priced_by == "settings":
        charges = await charges_of(states, cart.lines, cart.method, cart.currency)
    return await offers_of(states, cart, now), charges


def _claiming(orders: Sequence[PlannedOrder], seen_cents: int, accept: str = "") -> Step:
    cart = cart_of(orders)

    async def step(node: Node) -> Group:
        now = node.clock.now()
        offers, charges = await _offered(node, await _cart(node, orders), now)
        claim = ClaimCheckout(
            cart_id=cart.cart_id,
            now=now,
            seen_total_cents=seen_cents,
            accept=accept,
            offers=offers,
            charges=charges,
            buyers=tuple([await _buyer(node, order, cart.cart_id) for order in orders]),
            payments=(Payment(name="1", method="credit_card"),),
        )
        return one(cart_stream(cart.merchant, cart.cart_id), claim)

    return step


async def _looked(node: Node, orders: Sequence[PlannedOrder]) -> tuple[Cart, Sequence[Drift]]:
    """The cart, and what his page says of it; nothing, where it is claimed by now."""
    cart = await _cart(node, orders)
    if cart.status not in ("open", "abandoned"):
        return cart, ()
    now = node.clock.now()
    offers, charges = await _offered(node, cart, now)
    claim = ClaimCheckout(
        cart_id=cart_of(orders).cart_id,
        now=now,
        seen_total_cents=cart.total_cents,
        offers=offers,
        charges=charges,
        buyers=(),
    )
    return cart, drift(claim, cart)


async def _buyer(node: Node, order: PlannedOrder, cart_id: str) -> Buyer:
    person = contact_of(cart_id).customer()
    subject = subject_of(node.keyring, order.merchant, person.customer_unique_id)
    return Buyer(
        merchant=order.merchant,
        subject=subject,
        customer=await sealed(node.keyring, node.ids, subject, person),
        terms=terms_of(order),
        allocation=await terms_at(node, order.merchant, person.zip_prefix),
    )

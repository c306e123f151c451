"""How does an order come to be placed in a simulation? As it is, or by the checkout of a cart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from commands.cart import checkout
from commands.http import Call, Parts
from commands.personal import sealed, subject_of
from domain.cart.commands import (
    AddItem,
    Buyer,
    ChangeItemQuantity,
    ClaimCheckout,
    Payment,
    SetContact,
    StartCheckout,
)
from domain.cart.events import CartTerms, Contact
from domain.kernel import Command, Group, Target, one
from domain.order import Line, PlaceOrder, Portion, Terms
from domain.personal import Customer
from domain.streams import cart_stream, order_stream
from eventstore.seams import key_id
from services.simulation.acts import Step
from services.simulation.node import Node
from services.simulation.plan import PlannedCart, PlannedOrder
from services.simulation.rules import terms_at
from services.web.access import Asked, Grant, Principal

ACTOR = "user:shop"
CURRENCY, STATE = "BRL", "SP"
CART_TERMS = CartTerms(abandon_after_s=1_800, expire_after_s=7_200, claim_valid_s=20)
_SHOP = Principal(ACTOR, "user", "shop")


def terms_of(order: PlannedOrder) -> Terms:
    return Terms(reservation_valid_s=order.valid_s[0], authorization_valid_s=order.valid_s[1])


async def placing(node: Node, order: PlannedOrder) -> Group:
    subject = subject_of(node.keyring, order.merchant, order.order_id)
    person = contact_of(order.order_id).customer()
    place = PlaceOrder(
        order_id=order.order_id,
        checkout_id=order.checkout,
        subject=subject,
        customer=await sealed(node.keyring, node.ids, subject, person),
        ship_to_state=STATE,
        currency=CURRENCY,
        lines=tuple(
            Line(line=number, sku=line.sku, quantity=line.quantity, unit_price_cents=line.unit_price_cents)
            for number, line in enumerate(order.lines, 1)
        ),
        portions=tuple(
            Portion(payment_id=payment_id, method="credit_card", amount_cents=cents, sequence=number)
            for number, (payment_id, cents) in enumerate(zip(order.payment_ids, order.parts, strict=True), 1)
        ),
        terms=terms_of(order),
        allocation=await terms_at(node, order.merchant, person.zip_prefix),
    )
    return one(order_stream(order.merchant, order.order_id), place)


def filling(orders: Sequence[PlannedOrder]) -> Step:
    """The cart with all that these orders are of. Of a line with several units, one was put in at first."""
    cart = cart_of(orders)

    async def step(node: Node) -> Group:
        subject = subject_of(node.keyring, cart.merchant, cart.cart_id)
        contact = await sealed(node.keyring, node.ids, subject, contact_of(cart.cart_id))
        ids = {"cart_id": cart.cart_id}
        commands: list[Command] = [
            StartCheckout(
                **ids, merchant=cart.merchant, currency=CURRENCY, subject=subject, terms=CART_TERMS
            ),
            SetContact(**ids, subject=subject, contact=contact, ship_to_state=STATE),
        ]
        lines = ((order.merchant, line) for order in orders for line in order.lines)
        for number, (merchant, line) in enumerate(lines, 1):
            item = {"merchant": merchant, "sku": line.sku, "unit_price_cents": line.unit_price_cents}
            commands.append(AddItem(**ids, **item, quantity=1))
            if line.quantity > 1:
                commands.append(ChangeItemQuantity(**ids, line=number, quantity=line.quantity))
        stream = cart_stream(cart.merchant, cart.cart_id)
        return Group(tuple(Target(stream, command) for command in commands))

    return step


def claiming(orders: Sequence[PlannedOrder], *, misread: bool = False) -> Step:
    """Its shopper presses: all is to be paid as planned. Who has `misread` the total is told."""
    cart = cart_of(orders)

    async def step(node: Node) -> Group:
        person = contact_of(cart.cart_id).customer()
        parts = orders[0].parts
        last = None if len(orders) > 1 else parts[-1]
        amounts = (*parts[:-1], last)
        claim = ClaimCheckout(
            cart_id=cart.cart_id,
            now=node.clock.now(),
            seen_total_cents=sum(order.total_cents for order in orders) - misread,
            buyers=tuple([await _buyer(node, order, person) for order in orders]),
            payments=tuple(
                Payment(name=str(number), method="credit_card", amount_cents=cents)
                for number, cents in enumerate(amounts, 1)
            ),
        )
        return one(cart_stream(cart.merchant, cart.cart_id), claim)

    return step


async def finish(node: Node, cart: PlannedCart) -> None:
    """What the shop's door does once a cart is claimed; done again, it changes nothing."""
    asked = Asked(_SHOP, cart.merchant, Grant("shop", frozenset()))
    call = Call(
        cast("Parts", node), asked, key_id("shop", cart.merchant, cart.cart_id), b"", b"", frozenset()
    )
    await checkout.finish(call, cart.cart_id)


def cart_of(orders: Sequence[PlannedOrder]) -> PlannedCart:
    cart = orders[0].cart
    assert cart, "these orders come of a cart"
    return cart


async def _buyer(node: Node, order: PlannedOrder, person: Customer) -> Buyer:
    subject = subject_of(node.keyring, order.merchant, person.customer_unique_id)
    customer = await sealed(node.keyring, node.ids, subject, person)
    return Buyer(merchant=order.merchant, subject=subject, customer=customer, terms=terms_of(order))


def contact_of(name: str) -> Contact:
    return Contact(customer_id=name, customer_unique_id=name, zip_prefix="01310", city="São Paulo")

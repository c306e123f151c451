"""How does a cart look to its shopper, and to who works for its merchant? As it is at this moment."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, Field

from commands.cart.checkout import contact_of
from commands.cart.door import Shopper
from commands.cart.offers import charges_of, offers_of
from domain.cart.cart import Cart, drift
from domain.cart.commands import ClaimCheckout, Offer
from domain.cart.events import ShippingCharge
from domain.cart.orders import Drift, checkout_id_of, drift_token

Status = Literal["open", "completing", "completed", "abandoned", "expired", "merged"]


class CartLineView(BaseModel):
    """Equal units of one product, at the price that the buyer saw."""

    line: int = Field(examples=[1])
    merchant: str = Field(examples=["m1"])
    sku: str = Field(examples=["MUG-RED"])
    name: str
    category: str | None
    quantity: int = Field(examples=[2])
    unit_price_cents: int = Field(examples=[4990])
    total_cents: int = Field(examples=[9980])
    warehouse: str
    waits: int = Field(
        description="units that its order will wait for, with the `changes` taken; 0 once the cart is over",
        examples=[0],
    )
    priced_by: Literal["settings", "caller"] = Field(
        description="the merchant's prices, or the shop's program"
    )


class ContactView(BaseModel):
    customer_id: str = Field(examples=["c-4711"])
    email: str
    name: str
    phone: str
    street: str
    zip_prefix: str
    city: str
    country: str
    note: str


class ShippingView(BaseModel):
    method: str = Field(examples=["standard"])
    amount_cents: int = Field(examples=[1300])


class ChangeView(BaseModel):
    """What is not as it was put into the cart. Cents of a price, shipping or total; units of stock, or
    of those that wait."""

    line: int = Field(description="0 where it is of no line")
    kind: Literal["price", "stock", "waits", "gone", "shipping", "total"]
    was: int = Field(examples=[4990])
    now: int = Field(examples=[5490])
    merchant: str = Field("", description="whose shipping it is")
    waits: int = Field(0, description="units of what it is `now` that will wait for goods to come")


class OrderOfCart(BaseModel):
    merchant: str = Field(examples=["m1"])
    order_id: str = Field(examples=["7H3K-00QM-V9XR-21AB"])
    total_cents: int = Field(examples=[12580])
    placed: bool = Field(description="whether it is known to be there")


class CartView(BaseModel):
    """A cart as it is now, with what is not any more as it was put in."""

    cart_id: str = Field(examples=["0190c3f2-a1b4-7c55-b1d2-6d2f6e1c0a11"])
    status: Status
    currency: str = Field(examples=["BRL"])
    channel: str = Field(examples=["web"])
    guest: bool = Field(description="it is nobody's; its token opens it")
    lines: list[CartLineView]
    contact: ContactView | None = Field(description="null until it is set, and once the person is erased")
    ship_to_state: str = Field(examples=["SP"])
    shipping: ShippingView | None
    items_cents: int = Field(examples=[9980])
    shipping_cents: int = Field(examples=[1300])
    total_cents: int = Field(examples=[11280])
    changes: list[ChangeView] = Field(description="what would be refused now as not `as_seen`")
    accept: str = Field(description="takes these changes, at completion; empty where there are none")
    checkout_id: str = Field(description="what its orders share")
    orders: list[OrderOfCart]
    claimed_until: datetime | None = Field(description="while it is being completed")


Offered: TypeAlias = tuple[tuple[Offer, ...], tuple[ShippingCharge, ...]]


async def offered(shopper: Shopper, cart: Cart, zip_prefix: str) -> Offered:
    """What lines and shipping cost now, and what of it is there; the parcel goes to `zip_prefix`."""
    states, now = shopper.call.parts.executor.states, shopper.call.parts.clock.now()
    charges: tuple[ShippingCharge, ...] = ()
    if cart.shipping_priced_by == "settings":
        charges = await charges_of(states, cart.lines, cart.method, cart.currency)
    return await offers_of(states, cart, now, zip_prefix), charges


async def offered_now(shopper: Shopper, cart: Cart, zip_prefix: str) -> Offered:
    """Nothing, where the cart is over, or being completed."""
    return await offered(shopper, cart, zip_prefix) if cart.status in ("open", "abandoned") else ((), ())


def changes_in(
    shopper: Shopper, cart: Cart, cart_id: str, seen_total_cents: int, now: Offered
) -> tuple[Drift, ...]:
    """What a buyer who saw this total would be told."""
    if cart.status not in ("open", "abandoned"):
        return ()
    offers, charges = now
    command = ClaimCheckout(
        cart_id=cart_id,
        now=shopper.call.parts.clock.now(),
        seen_total_cents=seen_total_cents,
        offers=offers,
        charges=charges,
        buyers=(),
    )
    return drift(command, cart)


def as_told(changes: tuple[Drift, ...]) -> dict[str, Any]:
    """Members of an answer, or of a problem."""
    return {"changes": [asdict(each) for each in changes], "accept": drift_token(changes)}


def orders_of(cart: Cart) -> list[dict[str, Any]]:
    return [
        {
            "merchant": order.merchant,
            "order_id": order.order_id,
            "total_cents": order.total_cents,
            "placed": order.merchant in cart.recorded,
        }
        for order in (cart.claim.orders if cart.claim else ())
    ]


async def view(shopper: Shopper, cart: Cart, cart_id: str) -> CartView:
    contact = await contact_of(shopper.call, cart)
    items = sum(line.total_cents for line in cart.lines)
    shipping = cart.total_cents - items
    now = await offered_now(shopper, cart, contact.zip_prefix if contact else "")
    changes = changes_in(shopper, cart, cart_id, cart.total_cents, now)
    waits = {offer.line: offer.waits for offer in now[0]}
    return CartView.model_validate(
        {
            "cart_id": cart_id,
            "status": cart.status,
            "currency": cart.currency,
            "channel": cart.channel,
            "guest": not cart.subject,
            "lines": [
                {**asdict(line), "total_cents": line.total_cents, "waits": waits.get(line.line, 0)}
                for line in cart.lines
            ],
            "contact": dict(contact) if contact else None,
            "ship_to_state": cart.ship_to_state,
            "shipping": {"method": cart.method, "amount_cents": shipping} if cart.method else None,
            "items_cents": items,
            "shipping_cents": shipping,
            "total_cents": cart.total_cents,
            **as_told(changes),
            "checkout_id": checkout_id_of(cart.merchant, cart_id),
            "orders": orders_of(cart),
            "claimed_until": cart.claim.expires_at if cart.claim and cart.status == "completing" else None,
        }
    )

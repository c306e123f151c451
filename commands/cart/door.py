"""Who is at the cart: a shop's program, a customer, or a guest with the cart's token? And may they?"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated

from fastapi import Depends, Header, Request

from commands.http import Call, Parts, WantedCall
from commands.personal import subject_of
from domain.cart.cart import Cart
from domain.merchant import Merchant
from domain.streams import cart_stream, merchant_stream, storefront_stream
from eventstore.keyring import Keyring
from services.web.access import Allowed, forbidden
from services.web.guests import GUEST, WantedShop, as_guest
from services.web.problems import not_found, unknown_merchant

CART_HEADER = "Tillroll-Cart"
PERMISSION = "carts:write"


def token_of(keyring: Keyring, merchant: str, cart_id: str) -> str:
    """A guest cart's secret. Made of the master key and kept nowhere: the log has its hash alone."""
    named = sha256(f"cart token\0{merchant}\0{cart_id}".encode()).digest()
    return urlsafe_b64encode(keyring.fingerprint(named)).decode().rstrip("=")


def digest_of(token: str) -> str:
    return sha256(token.encode()).hexdigest()


async def guest(
    request: Request,
    merchant: WantedShop,
    tillroll_cart: Annotated[
        str | None,
        Header(
            alias=CART_HEADER,
            description="the secret that the cart was started with",
            examples=["Zm9yIHlvdXIgZXllcyBvbmx5"],
        ),
    ] = None,
) -> None:
    """For the dependencies of routes that anybody may call: who asks is nobody, with a token perhaps."""
    actor = f"{GUEST}:{digest_of(tillroll_cart)[:16]}" if tillroll_cart else GUEST
    request.state.asked = as_guest(merchant, actor)
    request.state.cart_token = tillroll_cart or ""


@dataclass(frozen=True, slots=True)
class Shopper:
    """Who asks. A shop's program is `trusted`: it may say prices, and act for anybody."""

    call: Call
    is_guest: bool
    token: str

    @property
    def trusted(self) -> bool:
        return not self.is_guest and not self.call.own

    async def cart(self, cart_id: str) -> Cart:
        """The cart as it is now. Raises a 404 problem, the same for one that is not there and another's."""
        (found,) = await self.call.parts.executor.states.load([cart_stream(self.call.merchant, cart_id)])
        cart: Cart = found.state
        if cart.status == "none" or not self._may_see(cart):
            raise not_found("cart", cart_id)
        return cart

    def _may_see(self, cart: Cart) -> bool:
        if self.is_guest:
            return opens(cart, self.token)
        return self.trusted or cart.subject == self.call.own

    async def check_let_in(self) -> None:
        """A 403 problem for a guest where the merchant lets none in; 400 for an unknown merchant."""
        await self.call.settings()
        if self.is_guest:
            stream = storefront_stream(self.call.merchant)
            (storefront,) = await self.call.parts.executor.states.load([stream])
            if not storefront.state.settings.guests:
                raise forbidden(PERMISSION, self.call.merchant)

    async def merchants(self, names: list[str]) -> dict[str, Merchant]:
        """The settings of these merchants; problems where one is unknown, or who asks may not sell there."""
        for name in names:
            grant = self.call.asked.principal.grant(name)
            if name != self.call.merchant and (grant is None or PERMISSION not in grant.permissions):
                raise forbidden(PERMISSION, name)
        streams = [merchant_stream(name) for name in names]
        found = await self.call.parts.executor.states.load(streams) if streams else []
        for name, each in zip(names, found, strict=True):
            if not each.state.registered:
                raise unknown_merchant(name)
        return {name: each.state for name, each in zip(names, found, strict=True)}

    def subject(self, merchant: str, person: str) -> str:
        """Whose data it is at a merchant. Raises a 403 problem where who asks may not act for the person."""
        subject = subject_of(self.call.parts.keyring, merchant, person)
        grant = self.call.asked.principal.grant(merchant)
        if grant and grant.subject and grant.subject != subject:
            raise forbidden(f"{PERMISSION} of somebody else", merchant)
        return subject


def opens(cart: Cart, token: str) -> bool:
    """Whether the token is the cart's; one that is somebody's, or over, has none."""
    return bool(cart.token_digest) and hmac.compare_digest(cart.token_digest, digest_of(token))


async def guests_cart(call: Call, cart_id: str, token: str) -> Cart:
    """A guest's cart that somebody wants as theirs; also one that is merged. Raises a 404 problem."""
    (found,) = await call.parts.executor.states.load([cart_stream(call.merchant, cart_id)])
    cart: Cart = found.state
    if cart.status != "merged" and not opens(cart, token):
        raise not_found("cart", cart_id)
    return cart


async def shopper_of_request(request: Request, call: WantedCall) -> Shopper:
    token = getattr(request.state, "cart_token", None)
    return Shopper(call, token is not None, token or "")


async def looker_of_request(request: Request, asked: Allowed) -> Shopper:
    """Who only looks: nothing of it is repeated, so it takes no key."""
    parts: Parts = request.app.state
    return await shopper_of_request(request, Call(parts, asked, parts.ids.new(), b"", b"", frozenset()))


WantedShopper = Annotated[Shopper, Depends(shopper_of_request)]
"""The type of a route's parameter that wants it."""
WantedLooker = Annotated[Shopper, Depends(looker_of_request)]

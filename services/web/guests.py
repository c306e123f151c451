"""Who is not signed in, and comes to a shop's door: whose shop is it, and as whom do they ask?"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Header, Request

from services.web.access import HEADER, Asked, Grant, Principal, check_name
from services.web.problems import merchant_required

GUEST = "guest"


async def shop_of_request(
    tillroll_merchant: Annotated[
        str | None, Header(alias=HEADER, description="whose storefront it is", examples=["m1"])
    ] = None,
) -> str:
    """The merchant. Raises a 400 problem where none is named, 422 where none can be called so."""
    merchant = (tillroll_merchant or "").strip()
    if not merchant:
        raise merchant_required()
    check_name(merchant)
    return merchant


WantedShop = Annotated[str, Depends(shop_of_request)]
"""The type of a route's parameter that wants the merchant whose shop it is."""


def as_guest(merchant: str, actor: str = GUEST) -> Asked:
    """Nobody that is known: may nothing but what the route itself lets anybody do."""
    return Asked(Principal(actor, "user", GUEST), merchant, Grant(GUEST, frozenset()))


async def guest(request: Request, merchant: WantedShop) -> None:
    """For the dependencies of routes that anybody may call."""
    request.state.asked = as_guest(merchant)


def is_guest(asked: Asked) -> bool:
    return asked.grant is not None and asked.grant.role == GUEST

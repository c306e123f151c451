"""Whose data is a request about? The merchant in its header `Tillroll-Merchant`."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Header

from services.web.problems import Problem, merchant_required

HEADER = "Tillroll-Merchant"
LENGTH_MAX = 200


async def merchant_of_request(
    tillroll_merchant: Annotated[
        str | None, Header(alias=HEADER, description="the merchant whose data it is about", examples=["m1"])
    ] = None,
) -> str:
    """The merchant; a 400 problem where there is none. Whether it is known is for the caller to check."""
    merchant = (tillroll_merchant or "").strip()
    if not merchant:
        raise merchant_required()
    if len(merchant) > LENGTH_MAX or not merchant.isprintable():
        raise Problem(400, "merchant-unknown", f"{HEADER} must be at most {LENGTH_MAX} printable characters")
    return merchant


Merchant = Annotated[str, Depends(merchant_of_request)]
"""The type of a route's parameter that wants the merchant."""

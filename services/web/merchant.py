"""Whose data is a request about? The merchant in its header `Tillroll-Merchant`."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Depends, Header

from services.web.problems import invalid, merchant_required

HEADER = "Tillroll-Merchant"
BYTES_MAX = 100
_NAME = re.compile(r"[!-~]+", re.ASCII)


async def merchant_of_request(
    tillroll_merchant: Annotated[
        str | None, Header(alias=HEADER, description="the merchant whose data it is about", examples=["m1"])
    ] = None,
) -> str:
    """The merchant: a 400 problem where there is none, 422 for what is no name of one.

    The rule is that of other ids, in ASCII alone: HTTP says not how other characters stand in a header.
    Whether it is known is for the caller to check.
    """
    merchant = (tillroll_merchant or "").strip()
    if not merchant:
        raise merchant_required()
    if not _NAME.fullmatch(merchant):
        raise invalid(HEADER, "it holds more than printable ASCII without white space", where="header")
    if len(merchant) > BYTES_MAX or "/" in merchant or merchant.startswith("."):
        detail = f"it has at most {BYTES_MAX} characters, no slash, and no dot in front"
        raise invalid(HEADER, detail, where="header")
    return merchant


Merchant = Annotated[str, Depends(merchant_of_request)]
"""The type of a route's parameter that wants the merchant."""

"""Who looked, over HTTP: for a merchant at its own data, for the platform at all. Asking is a look, too."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, Field

from queries.models import Answer, PageOf, documented, page_of
from services.audit.looked import FIRST, Looks, Wanted, told
from services.web.access import Merchant, requires
from services.web.pagination import Page, PageRequest, as_int


class Look(Answer):
    """That somebody looked."""

    number: int = Field(examples=[17])
    looked_at: datetime
    actor: str = Field(examples=["user:0190c3f2"])
    role: str = Field(description="as which it looked", examples=["auditor"])
    merchant: str = Field(description="whose data was asked for; empty for what spans merchants")
    permission: str = Field(examples=["audit:read"])
    method: str = Field(examples=["GET"])
    route: str = Field(examples=["/v1/orders/{order_id}"])
    path: str = Field(examples=["/v1/orders/1001"])
    parameters: list[list[str]] = Field(description="of the query", examples=[[["status", "placed"]]])
    status: int = Field(examples=[200])
    outcome: str = Field(
        description="`answered`, `refused` (4xx), `failed` (5xx), `begun` (a stream of which no end is known)"
        " or `broken off` (one that was not sent whole)",
        examples=["answered"],
    )
    rows: int | None = Field(description="items, lines or events that were sent; null while it goes on")
    ended_at: datetime | None = Field(description="of a stream")


router = APIRouter(tags=["audit"], responses=documented())
Actor = Annotated[
    str | None,
    Query(max_length=200, description="who looked: `user:…` or `key:…`", examples=["user:0190c3f2"]),
]
Since = Annotated[AwareDatetime | None, Query(description="at this time or later")]
Until = Annotated[AwareDatetime | None, Query(description="before this time")]


@router.get(
    "/v1/audit/looks",
    operation_id="list_looks",
    dependencies=[requires("looks:read")],
    summary="Who looked at the merchant's data, the newest first",
)
async def list_looks(
    request: Request,
    merchant: Merchant,
    page: Page,
    actor: Actor = None,
    since: Since = None,
    until: Until = None,
) -> PageOf[Look]:
    """Reads of its history, and reads by who reaches every merchant: the platform's people, and auditors."""
    return await _page(request, page, Wanted(merchant, actor, since, until))


@router.get(
    "/v1/operator/looks",
    operation_id="list_all_looks",
    dependencies=[requires("looks:read", "platform")],
    summary="Who looked at anybody's data, the newest first",
)
async def list_all_looks(
    request: Request,
    page: Page,
    actor: Actor = None,
    since: Since = None,
    until: Until = None,
) -> PageOf[Look]:
    return await _page(request, page, Wanted(None, actor, since, until))


async def _page(request: Request, page: PageRequest, wanted: Wanted) -> PageOf[Look]:
    (before,) = page.after("number", as_int) or (FIRST,)
    looks: Looks = request.app.state.looks
    rows = await looks.seen(replace(wanted, before=int(str(before))), page.limit + 1)
    return page_of(Look, [told(row) for row in rows], page, "number", "number")

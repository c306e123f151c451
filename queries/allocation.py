"""Reads of allocations: from which warehouses an order's units come, and why."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Path, Query
from pydantic import BeforeValidator, Field

from domain.allocation.events import LINES_MAX, Candidate, WantedLine
from domain.allocation.rules import WAREHOUSES_MAX
from eventstore.queries import load_queries
from queries.dependencies import MerchantReader
from queries.models import Answer, PageOf, documented, page_of
from services.web.access import requires
from services.web.pagination import Page, as_datetime, as_str
from services.web.problems import not_found

router = APIRouter(prefix="/v1/allocations", tags=["allocations"], responses=documented())
_QUERIES = load_queries("queries", "allocation.sql")
AllocationStatus = Literal["planned", "settled", "failed", "cancelled"]


def _parsed(told: Any) -> Any:
    return orjson.loads(told) if isinstance(told, str) else told


class Allocation(Answer):
    """An order's allocation: how it stands, by which rules, and what decided."""

    order_id: str = Field(examples=["1001"])
    status: AllocationStatus
    attempts: int = Field(description="plans until one held; each refusal of stock makes another")
    settings_version: int | None = Field(description="of the rules that it was planned by")
    rule: str | None = Field(
        description="which rule decided against the next best: `only_choice` where there was no other, `name`"
        " where no rule told them apart",
        examples=["fewest_splits"],
    )
    reason: Literal["not_enough", "refused", "too_many_attempts"] | None = Field(description="why it failed")
    kept: int = Field(description="units of each SKU that stay in each warehouse")
    waits: bool = Field(description="what is not there is waited for")
    warehouses_count: int
    planned_units: int
    missing_units: int
    planned_at: datetime = Field(description="for the first time")
    ended_at: datetime | None


class AllocationPick(Answer):
    """Units of a line that come from a warehouse."""

    line: int
    warehouse: str = Field(examples=["north"])
    sku: str = Field(examples=["MUG-RED"])
    quantity: int


class AllocationDetail(Allocation):
    """With each unit's warehouse, what is missing, and the warehouses that could have been taken: what a unit
    of each scores by the rules that look at single units (0 is best), and what was known to be free there."""

    picks: list[AllocationPick]
    missing: Annotated[list[WantedLine], BeforeValidator(_parsed)]
    candidates: Annotated[list[Candidate], BeforeValidator(_parsed)]


@router.get(
    "",
    operation_id="list_allocations",
    dependencies=[requires("allocations:read")],
    summary="Allocations, newest first",
)
async def list_allocations(
    reader: MerchantReader,
    page: Page,
    status: AllocationStatus | None = None,
    is_split: Annotated[bool, Query(description="only those over several warehouses")] = False,
) -> PageOf[Allocation]:
    after_at, after_id = page.after("newest", as_datetime, as_str) or (None, None)
    arguments = {
        "status": status,
        "is_split": is_split,
        "after_at": after_at,
        "after_id": after_id,
        "limit": page.limit + 1,
    }
    rows = (await reader.rows(("allocations",), (_QUERIES.list_allocations.sql, arguments)))[0]
    return page_of(Allocation, rows, page, "newest", "planned_at", "order_id")


@router.get(
    "/{order_id}",
    operation_id="get_allocation",
    dependencies=[requires("allocations:read")],
    summary="An order's allocation, and why",
    responses=documented(404),
)
async def get_allocation(
    reader: MerchantReader, order_id: Annotated[str, Path(max_length=200, examples=["1001"])]
) -> AllocationDetail:
    key = {"order_id": order_id, "limit": LINES_MAX * WAREHOUSES_MAX}
    found, picks = await reader.rows(
        ("allocations",),
        (_QUERIES.get_allocation.sql, key),
        (_QUERIES.list_picks.sql, key),
        views=("allocations", "allocation_picks"),
    )
    if not found:
        raise not_found("allocation of order", order_id)
    return AllocationDetail.model_validate({**found[0], "picks": picks})


ROUTERS = (router,)
TAGS = ({"name": "allocations", "description": "From which warehouses orders ship, and why."},)

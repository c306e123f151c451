"""Reads of pick lists: the work of a warehouse, oldest first."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import Field

from domain.warehouse.pick_list import LINES_MAX
from eventstore.queries import load_queries
from queries.dependencies import MerchantReader
from queries.models import Answer, PageOf, documented, page_of
from services.web.access import requires
from services.web.pagination import Page, as_datetime, as_str
from services.web.problems import not_found

router = APIRouter(prefix="/v1/pick-lists", tags=["picking"], responses=documented())
_QUERIES = load_queries("queries", "warehouse.sql")
PickListStatus = Literal["released", "picking", "packed", "staged", "handed_over", "cancelled"]
Name = Annotated[str | None, Query(max_length=200)]


class PickList(Answer):
    """What of an order is fetched in one warehouse, in units, and how far it is."""

    pick_list_id: str = Field(examples=["1001.1"])
    order_id: str = Field(examples=["1001"])
    warehouse: str = Field(examples=["north"])
    status: PickListStatus
    is_held: bool = Field(description="nobody may go on with it")
    units: int
    picked_units: int
    short_units: int
    put_back_units: int = Field(description="were in hand when it was cancelled")
    packages: int | None
    location: str | None = Field(examples=["dock 2"])
    reference: str | None = Field(
        description="of the hand-over: where only a carrier told of it, its parcel", examples=["manifest 12"]
    )
    reason: Literal["order_cancelled", "staff"] | None = Field(description="why it was cancelled")
    released_at: datetime
    started_at: datetime | None
    packed_at: datetime | None
    staged_at: datetime | None
    ended_at: datetime | None = Field(description="handed over, or cancelled")


class PickListLine(Answer):
    """Units of one line of the order."""

    line: int
    sku: str = Field(examples=["MUG-RED"])
    quantity: int
    picked: int
    short: int


class PickListDetail(PickList):
    lines: list[PickListLine]


@router.get(
    "",
    operation_id="list_pick_lists",
    dependencies=[requires("picking:read")],
    summary="Pick lists, oldest first",
)
async def list_pick_lists(
    reader: MerchantReader,
    page: Page,
    warehouse: Name = None,
    status: PickListStatus | None = None,
    order_id: Name = None,
) -> PageOf[PickList]:
    """With `warehouse` and `status=released`, what waits there to be picked."""
    after_at, after_id = page.after("oldest", as_datetime, as_str) or (None, None)
    arguments = {
        "warehouse": warehouse,
        "status": status,
        "order_id": order_id,
        "after_at": after_at,
        "after_id": after_id,
        "limit": page.limit + 1,
    }
    rows = (await reader.rows(("pick_lists",), (_QUERIES.list_pick_lists.sql, arguments)))[0]
    return page_of(PickList, rows, page, "oldest", "released_at", "pick_list_id")


@router.get(
    "/{pick_list_id}",
    operation_id="get_pick_list",
    dependencies=[requires("picking:read")],
    summary="One pick list, with its lines",
    responses=documented(404),
)
async def get_pick_list(
    reader: MerchantReader, pick_list_id: Annotated[str, Path(max_length=200, examples=["1001.1"])]
) -> PickListDetail:
    key = {"pick_list_id": pick_list_id, "limit": LINES_MAX}
    found, lines = await reader.rows(
        ("pick_lists",),
        (_QUERIES.get_pick_list.sql, key),
        (_QUERIES.list_pick_list_lines.sql, key),
        views=("pick_lists", "pick_list_lines"),
    )
    if not found:
        raise not_found("pick list", pick_list_id)
    return PickListDetail.model_validate({**found[0], "lines": lines})

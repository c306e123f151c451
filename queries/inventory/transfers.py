"""Reads of transfers: what goes from one warehouse to another, what arrived, and what is missing."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import Field

from domain.inventory.transfer import LINES_MAX
from eventstore.queries import load_queries
from queries.dependencies import MerchantReader
from queries.models import Answer, PageOf, documented, page_of
from services.web.access import requires
from services.web.pagination import Page, as_datetime, as_str
from services.web.problems import not_found

router = APIRouter(prefix="/v1/transfers", tags=["transfers"], responses=documented())
_QUERIES = load_queries("queries", "inventory.sql")
_VIEWS = ("transfers", "transfer_lines", "transfer_discrepancies")
TransferStatus = Literal["planned", "shipped", "received", "cancelled"]
Name = Annotated[str | None, Query(max_length=200)]


class Transfer(Answer):
    """A transfer, in units of all its lines. What was sent arrived, was found or lost, or is on the way."""

    transfer_id: str = Field(examples=["T-3"])
    source: str = Field(examples=["main"])
    target: str = Field(examples=["north"])
    status: TransferStatus
    planned_units: int
    sent_units: int
    arrived_units: int
    found_units: int = Field(description="missing at first")
    lost_units: int
    discrepancies_count: int = Field(description="open ones")
    note: str
    planned_at: datetime
    shipped_at: datetime | None
    ended_at: datetime | None = Field(description="received, or cancelled")


class TransferUnits(Answer):
    """What was sent of one SKU, and what became of it."""

    sku: str = Field(examples=["MUG-RED"])
    planned: int
    sent: int
    arrived: int
    found: int
    lost: int
    on_the_way: int


class TransferDiscrepancy(Answer):
    """What did not add up: of how many units, and how many of them nobody has accounted for."""

    sku: str = Field(examples=["MUG-RED"])
    kind: Literal["missing", "surplus"]
    quantity: int
    open: int = Field(description="not resolved yet")
    note: str | None
    opened_at: datetime
    resolved_at: datetime | None


class TransferDetail(Transfer):
    lines: list[TransferUnits]
    discrepancies: list[TransferDiscrepancy]


@router.get(
    "",
    operation_id="list_transfers",
    dependencies=[requires("stock:read")],
    summary="Transfers, newest first",
)
async def list_transfers(
    reader: MerchantReader,
    page: Page,
    status: TransferStatus | None = None,
    source: Name = None,
    target: Name = None,
    with_discrepancies: Annotated[bool, Query(description="only those with open ones")] = False,
) -> PageOf[Transfer]:
    after_at, after_id = page.after("newest", as_datetime, as_str) or (None, None)
    arguments = {
        "status": status,
        "source": source,
        "target": target,
        "troubled": with_discrepancies,
        "after_at": after_at,
        "after_id": after_id,
        "limit": page.limit + 1,
    }
    rows = (await reader.rows(("transfers",), (_QUERIES.list_transfers.sql, arguments)))[0]
    return page_of(Transfer, rows, page, "newest", "planned_at", "transfer_id")


@router.get(
    "/{transfer_id}",
    operation_id="get_transfer",
    dependencies=[requires("stock:read")],
    summary="One transfer, with its lines and discrepancies",
    responses=documented(404),
)
async def get_transfer(
    reader: MerchantReader, transfer_id: Annotated[str, Path(max_length=200, examples=["T-3"])]
) -> TransferDetail:
    key = {"transfer_id": transfer_id, "limit": 2 * LINES_MAX}
    found, lines, discrepancies = await reader.rows(
        ("transfers",),
        (_QUERIES.get_transfer.sql, key),
        (_QUERIES.list_transfer_lines.sql, key),
        (_QUERIES.list_transfer_discrepancies.sql, key),
        views=_VIEWS,
    )
    if not found:
        raise not_found("transfer", transfer_id)
    return TransferDetail.model_validate({**found[0], "lines": lines, "discrepancies": discrepancies})

"""Reads of manifests: what was listed for a carrier to fetch, and handed over."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from eventstore.queries import load_queries
from queries.dependencies import MerchantReader
from queries.models import Answer, PageOf, documented, page_of
from services.web.access import requires
from services.web.pagination import Page, as_datetime, as_str

router = APIRouter(prefix="/v1/manifests", tags=["manifests"], responses=documented())
_QUERIES = load_queries("queries", "manifests.sql")


class Manifest(Answer):
    """Its parcels are those of `/v1/shipments?manifest_id=…`."""

    manifest_id: str = Field(examples=["2026-05-04-main-swift"])
    carrier: str
    warehouse: str
    parcels_count: int
    closed_at: datetime
    received_by: str | None
    handed_over_at: datetime | None


@router.get(
    "",
    operation_id="list_manifests",
    dependencies=[requires("shipments:read")],
    summary="Manifests, newest first",
)
async def list_manifests(
    reader: MerchantReader,
    page: Page,
    carrier: Annotated[str | None, Query(max_length=60)] = None,
    warehouse: Annotated[str | None, Query(max_length=200)] = None,
) -> PageOf[Manifest]:
    after_at, after_id = page.after("newest", as_datetime, as_str) or (None, None)
    arguments = {
        "carrier": carrier,
        "warehouse": warehouse,
        "after_at": after_at,
        "after_id": after_id,
        "limit": page.limit + 1,
    }
    rows = (await reader.rows(("manifests",), (_QUERIES.list_manifests.sql, arguments)))[0]
    return page_of(Manifest, rows, page, "newest", "closed_at", "manifest_id")

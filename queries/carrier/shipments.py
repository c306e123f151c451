"""Reads of parcels: where each is, by what its carrier said."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import Field

from eventstore.queries import load_queries
from queries.dependencies import MerchantReader
from queries.models import Answer, PageOf, documented, page_of
from services.web.access import requires
from services.web.pagination import Page, as_datetime, as_str
from services.web.problems import not_found

router = APIRouter(prefix="/v1/shipments", tags=["shipments"], responses=documented())
_QUERIES = load_queries("queries", "shipments.sql")
ShipmentStatus = Literal[
    "requested",
    "label_bought",
    "label_voided",
    "dispatched",
    "in_transit",
    "out_for_delivery",
    "delivered",
    "returned",
]


class Shipment(Answer):
    """A parcel. Its status never goes back, whatever scan comes late."""

    shipment_id: str = Field(examples=["o1"])
    order_id: str
    status: ShipmentStatus
    carrier: str | None
    tracking_number: str | None
    ship_to_state: str
    units_count: int
    dispatch_inferred: bool = Field(description="no pick-up was seen, but a later scan proves it")
    scans_count: int
    requested_at: datetime
    dispatched_at: datetime | None = Field(description="by the carrier's clock, as all that follow")
    delivered_at: datetime | None
    returned_at: datetime | None
    last_scan_at: datetime | None


class Scan(Answer):
    scan_id: str
    type: str = Field(examples=["in_transit"])
    happened_at: datetime | None
    position: int


class ShipmentDetail(Shipment):
    scans: list[Scan] = Field(description="by their own time; those without one last")


@router.get(
    "",
    operation_id="list_shipments",
    dependencies=[requires("shipments:read")],
    summary="Parcels, newest first",
)
async def list_shipments(
    reader: MerchantReader,
    page: Page,
    status: ShipmentStatus | None = None,
    order_id: Annotated[str | None, Query(max_length=200)] = None,
) -> PageOf[Shipment]:
    after_at, after_id = page.after("newest", as_datetime, as_str) or (None, None)
    arguments = {
        "status": status,
        "order_id": order_id,
        "after_at": after_at,
        "after_id": after_id,
        "limit": page.limit + 1,
    }
    rows = (await reader.rows(("shipments",), (_QUERIES.list_shipments.sql, arguments)))[0]
    return page_of(Shipment, rows, page, "newest", "requested_at", "shipment_id")


@router.get(
    "/{shipment_id}",
    operation_id="get_shipment",
    dependencies=[requires("shipments:read")],
    summary="A parcel with its scans",
    responses=documented(404),
)
async def get_shipment(
    reader: MerchantReader, shipment_id: Annotated[str, Path(max_length=200)]
) -> ShipmentDetail:
    statements = [
        (query.sql, {"shipment_id": shipment_id}) for query in (_QUERIES.get_shipment, _QUERIES.get_scans)
    ]
    found, scans = await reader.rows(("shipments",), *statements, views=("shipments", "shipment_scans"))
    if not found:
        raise not_found("shipment", shipment_id)
    return ShipmentDetail.model_validate({**found[0], "scans": scans})

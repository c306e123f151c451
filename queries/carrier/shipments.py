"""Reads of parcels: where each is, by what its carrier said."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import Field

from domain.carrier.shipment_messages import WeighedBy
from eventstore.queries import load_queries
from queries.carrier.tracking import Tracked
from queries.dependencies import MerchantReader
from queries.models import Answer, PageOf, documented, page_of
from services.web.access import Allowed, requires
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
TrackingStatus = Literal[
    "pre_transit",
    "in_transit",
    "out_for_delivery",
    "available_for_pickup",
    "delivered",
    "return_to_sender",
    "failure",
]
Trouble = Literal["no_carrier", "label_not_taken_back", "carrier_unavailable"]
_Name = Annotated[str | None, Query(max_length=200)]


class ParcelLine(Answer):
    """Units that are in a parcel: what `POST /v1/shipments/{shipment_id}/split` may name."""

    sku: str = Field(examples=["MUG-RED"])
    warehouse: str = Field(examples=["main"])
    quantity: int = Field(examples=[2])


class Shipment(Tracked):
    """A parcel. Its status never goes back, whatever scan comes late."""

    shipment_id: str = Field(examples=["o1"])
    order_id: str
    status: ShipmentStatus
    carrier: str | None = Field(description="as its label says it, once there is one")
    booked_with: str | None = Field(
        description="the merchant's carrier that it was given to, which `carrier` finds it by; null where"
        " none was chosen",
        examples=["swift"],
    )
    tracking_number: str | None
    tracking_url: str | None = Field(
        description="where its carrier shows its way, if the merchant has set a link for that carrier",
        examples=["https://track.swift.example/parcels/SW1"],
    )
    ship_to_state: str
    units_count: int
    warehouse: str | None = Field(
        description="that it leaves from; null where nobody kept what is in it", examples=["main"]
    )
    dispatch_inferred: bool = Field(description="no pick-up was seen, but a later scan proves it")
    scans_count: int
    requested_at: datetime
    dispatched_at: datetime | None = Field(description="by the carrier's clock, as all that follow")
    delivered_at: datetime | None
    returned_at: datetime | None
    last_scan_at: datetime | None
    tracking_status: TrackingStatus | None = Field(
        description="the carrier's last word by the time of its scans; a late scan never undoes a delivery"
    )
    tracking_at: datetime | None
    booking: int = Field(description="the present one, from 1")
    fallbacks_count: int = Field(description="bookings that failed, each followed by another")
    service: str | None
    choice_reason: str | None = Field(description="why this carrier and service")
    weight_g: int | None = Field(
        description="that the price was quoted on; null where something else is in it by now", examples=[9000]
    )
    weighed_by: WeighedBy | None = Field(
        description="by whom: `staff` measured it, the `catalogue` knows all or some (`catalogue_in_part`) of"
        " what is in it, or the merchant's usual `unit` stands for each"
    )
    billed_g: int | None = Field(description="what the rates count: that of the volume, if it is more")
    quoted_cents: int | None = Field(description="minor units of `currency`, as all that follow")
    label_cents: int | None = Field(description="what the carrier said that the label costs")
    billed_cents: int = Field(description="on invoices of carriers")
    currency: str | None
    promised_at: datetime | None = Field(description="by the service's days")
    manifest_id: str | None
    is_held: bool = Field(description="its order is held: it is not handed over")
    handed_over_at: datetime | None
    misdirected_count: int = Field(description="scans by a number that it does not have: of other parcels")
    called_off_at: datetime | None = Field(description="its order does not want it any more")
    trouble: Trouble | None = Field(
        description="why it does not go on: no carrier takes it, so that staff must look; or its carrier did"
        " not take a label back, or could not be reached, and is asked again"
    )
    trouble_reason: str | None = Field(description="in the carrier's words", examples=["too heavy"])
    trouble_at: datetime | None


class Scan(Answer):
    scan_id: str
    type: str = Field(examples=["in_transit"])
    happened_at: datetime | None
    position: int
    detail: str
    misdirected: bool = Field(description="by a number that this parcel does not have: it is of another one")
    carrier: str | None = Field(description="of a misdirected one")
    tracking_number: str | None


class Label(Answer):
    """A label that was bought; what came of it."""

    booking: int
    carrier: str
    service: str
    tracking_number: str
    cents: int | None
    bought_at: datetime
    voided_at: datetime | None


class Recipient(Answer):
    """Who gets it, as it stands with the order."""

    name: str
    street: str = Field(description="in lines")
    zip_prefix: str
    city: str
    state: str
    country: str = Field(description="ISO 3166-1, two letters", examples=["BR"])
    phone: str
    email: str
    note: str = Field(description="what is asked of who brings it")


class FilledShipment(Shipment):
    lines: list[ParcelLine] = Field(
        description="empty where nobody kept what is in it, or nothing is any more"
    )


class ShipmentDetail(FilledShipment):
    ship_to: Recipient | None = Field(
        description="null once the person is erased, and for who has no orders:read at the merchant"
    )
    scans: list[Scan] = Field(description="by their own time; those without one last")
    labels: list[Label]


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
    order_id: _Name = None,
    tracking_status: TrackingStatus | None = None,
    carrier: Annotated[
        str | None,
        Query(
            max_length=200, description="that it was booked with; where none was chosen, that of its label"
        ),
    ] = None,
    manifest_id: _Name = None,
    warehouse: Annotated[str | None, Query(max_length=200, description="that it leaves from")] = None,
    tracking_number: Annotated[
        str | None, Query(max_length=200, description="of any of its labels; carriers use numbers again")
    ] = None,
    unlisted: Annotated[bool, Query(description="those that stand in no manifest yet")] = False,
    troubled: Annotated[bool, Query(description="those with a `trouble`")] = False,
) -> PageOf[Shipment]:
    after_at, after_id = page.after("newest", as_datetime, as_str) or (None, None)
    arguments = {
        "status": status,
        "order_id": order_id,
        "tracking_status": tracking_status,
        "carrier": carrier,
        "manifest_id": manifest_id,
        "warehouse": warehouse,
        "tracking_number": tracking_number,
        "unlisted": unlisted or None,
        "troubled": troubled or None,
        "after_at": after_at,
        "after_id": after_id,
        "limit": page.limit + 1,
    }
    statement = (_QUERIES.list_shipments.sql, arguments)
    views = ("shipments", "shipment_labels", "tracking_links")
    rows = (await reader.rows(("shipments", "carriers"), statement, views=views))[0]
    return page_of(Shipment, rows, page, "newest", "requested_at", "shipment_id")


@router.get(
    "/{shipment_id}",
    operation_id="get_shipment",
    dependencies=[requires("shipments:read")],
    summary="A parcel with what is in it, and its scans",
    responses=documented(404),
)
async def get_shipment(
    reader: MerchantReader, asked: Allowed, shipment_id: Annotated[str, Path(max_length=200)]
) -> ShipmentDetail:
    questions = (
        _QUERIES.get_shipment,
        _QUERIES.get_recipient,
        _QUERIES.get_lines,
        _QUERIES.get_scans,
        _QUERIES.get_labels,
    )
    statements = [(query.sql, {"shipment_id": shipment_id}) for query in questions]
    views = ("shipments", "shipment_lines", "shipment_scans", "shipment_labels", "tracking_links", "orders")
    models = ("shipments", "carriers", "orders")
    found, known, lines, scans, labels = await reader.rows(models, *statements, views=views)
    if not found:
        raise not_found("shipment", shipment_id)
    may_see = asked.grant is not None and "orders:read" in asked.grant.permissions
    told = {
        "ship_to": known[0] if known and may_see else None,
        "lines": lines,
        "scans": scans,
        "labels": labels,
    }
    return ShipmentDetail.model_validate({**found[0], **told})

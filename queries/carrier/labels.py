"""Reads of labels, as they are printed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response

from eventstore.queries import load_queries
from queries.carrier.label_documents import Label, pdf, zpl
from queries.dependencies import MerchantReader, Statement
from queries.models import documented
from services.web.access import requires
from services.web.problems import not_found

router = APIRouter(prefix="/v1/shipments", tags=["shipments"])
_QUERIES = load_queries("queries", "shipments.sql")
_MAKERS = {"pdf": (pdf, "application/pdf"), "zpl": (zpl, "application/zpl")}
_READ = documented(404)
_PRINTED: dict[int | str, dict[str, Any]] = {
    **_READ,
    200: {
        **_READ[200],
        "description": "The label, byte for byte as at the first time",
        "content": {
            kind: {"schema": {"type": "string", "format": "binary"}, "example": example}
            for (_, kind), example in zip(_MAKERS.values(), ("%PDF-1.4 …", "^XA … ^XZ"), strict=True)
        },
    },
}


@router.get(
    "/{shipment_id}/label",
    operation_id="get_label",
    dependencies=[requires("orders:fulfil")],
    summary="A parcel's label, to be printed",
    response_class=Response,
    responses=_PRINTED,
)
async def get_label(
    reader: MerchantReader,
    shipment_id: Annotated[str, Path(max_length=200)],
    kind: Annotated[
        Literal["pdf", "zpl"],
        Query(alias="format", description="`zpl`: for label printers of 203 dpi"),
    ] = "pdf",
    booking: Annotated[int | None, Query(ge=1, le=10**6, description="the present one, if left out")] = None,
) -> Response:
    """With the recipient's place, until that person is erased. A label that was given back says so."""
    statement: Statement = (_QUERIES.get_label.sql, {"shipment_id": shipment_id, "booking": booking})
    views = ("shipments", "shipment_labels", "orders")
    rows = (await reader.rows(("shipments", "orders"), statement, views=views))[0]
    if not rows:
        raise not_found("label of shipment", shipment_id)
    make, media_type = _MAKERS[kind]
    headers = dict(reader.response.headers)
    return Response(make(_label(rows[0])), headers=headers, media_type=media_type)


def _label(row: dict[str, Any]) -> Label:
    place = (row["ship_to_zip_prefix"], row["ship_to_city"], row["ship_to_state"])
    erased = row["ship_to_city"] is None
    return Label(
        shipment_id=row["shipment_id"],
        order_id=row["order_id"],
        carrier=row["carrier"],
        service=row["service"],
        tracking_number=row["tracking_number"],
        recipient="" if erased else " ".join(part for part in place if part),
        bought_on=f"{row['bought_at']:%Y-%m-%d}",
        voided=row["voided_at"] is not None,
    )

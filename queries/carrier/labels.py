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
        "description": "The label, with who gets it and whom it is from as they are now",
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
    """With who gets it and where, until that person is erased, and whom it is from. A label that was given
    back says so.
    """
    statement: Statement = (_QUERIES.get_label.sql, {"shipment_id": shipment_id, "booking": booking})
    models = ("shipments", "orders", "warehouses", "merchants")
    rows = (await reader.rows(models, statement, views=(*models, "shipment_labels")))[0]
    if not rows:
        raise not_found("label of shipment", shipment_id)
    make, media_type = _MAKERS[kind]
    headers = dict(reader.response.headers)
    return Response(make(_label(rows[0])), headers=headers, media_type=media_type)


def _label(row: dict[str, Any]) -> Label:
    erased = row["ship_to_city"] is None
    return Label(
        shipment_id=row["shipment_id"],
        order_id=row["order_id"],
        carrier=row["carrier"],
        service=row["service"],
        tracking_number=row["tracking_number"],
        sender=", ".join(part for part in (row["sender"], _place(row, "sender")) if part),
        recipient=() if erased else _recipient(row),
        phone="" if erased else row["ship_to_phone"],
        note="" if erased else row["ship_to_note"],
        bought_on=f"{row['bought_at']:%Y-%m-%d}",
        voided=row["voided_at"] is not None,
    )


def _recipient(row: dict[str, Any]) -> tuple[str, ...]:
    lines = (row["ship_to_name"], *row["ship_to_street"].splitlines(), _place(row, "ship_to"))
    return tuple(line for line in lines if line)


def _place(row: dict[str, Any], of: str) -> str:
    parts = (row[f"{of}_{name}"] for name in ("zip_prefix", "city", "state", "country"))
    return " ".join(part for part in parts if part)

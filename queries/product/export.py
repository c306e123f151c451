"""The export of a catalogue: a CSV file that can be uploaded again, and comes to the same."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from domain.product.csv_file import COLUMNS, joined, written
from eventstore.queries import load_queries
from queries.dependencies import MerchantReader, Reader, Rows
from queries.models import documented
from services.web.access import requires

PAGE = 1_000
router = APIRouter(prefix="/v1/catalogue", tags=["catalogue"], responses=documented())
_QUERIES = load_queries("queries", "product_export.sql")
_EXAMPLE = ",".join(COLUMNS) + "\r\nMUG,Mug,,,kitchen,colour,MUG-RED,red,,350,,,,web BRL 4990,web,active\r\n"
MODELS, VIEWS = (
    ("products", "product_search"),
    ("products", "product_variants", "search_offers", "product_channels"),
)


@router.get(
    "/export",
    operation_id="export_catalogue",
    dependencies=[requires("catalogue:read")],
    summary="The whole catalogue as a file",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {"text/csv": {"schema": {"type": "string", "format": "binary"}, "example": _EXAMPLE}},
            "description": "CSV in UTF-8, a row a variant",
        }
    },
)
async def export_catalogue(request: Request, reader: MerchantReader) -> StreamingResponse:
    """Products that were drafted, with their variants and the prices that hold. What a spreadsheet would take
    for a formula has an apostrophe before it, which an upload takes off again.
    """
    first = await _page(reader, ("", ""))
    headers = dict(reader.response.headers) | {"Content-Disposition": 'attachment; filename="catalogue.csv"'}
    return StreamingResponse(_written(reader, first), media_type="text/csv; charset=utf-8", headers=headers)


async def _page(reader: Reader, after: tuple[str, str]) -> Rows:
    arguments = {"after_product": after[0], "after_sku": after[1], "limit": PAGE}
    return (await reader.rows(MODELS, (_QUERIES.export_variants.sql, arguments), views=VIEWS))[0]


async def _written(reader: Reader, rows: Rows) -> AsyncIterator[str]:
    """A page at a time: each is of one moment, and a product is never parted by more than a page's end."""
    yield _lines([list(COLUMNS)])
    while rows:
        yield _lines([_cells(row) for row in rows])
        last = rows[-1]
        rows = await _page(reader, (last["product_id"], last["sku"])) if len(rows) == PAGE else []


def _cells(row: dict[str, Any]) -> list[str]:
    listed = {
        "options": joined(orjson.loads(row["options"])),
        "option_values": joined(orjson.loads(row["option_values"])),
        "prices": joined(row["prices"] or ()),
        "channels": joined(row["channels"] or ()),
    }
    told = {**row, **listed}
    return [written("" if told[name] is None else str(told[name])) for name in COLUMNS]


def _lines(rows: list[list[str]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue()

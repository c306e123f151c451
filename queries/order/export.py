"""All orders that a list would show, as CSV: however many there are, it takes the memory of a page."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from queries.dependencies import MerchantReader, Reader, Rows
from queries.models import documented
from queries.order.filters import Filter
from queries.order.orders import MODELS, VIEWS, list_of
from services.web.access import asked_of, requires
from services.web.problems import Problem, problem_responses
from services.web.work import check_room_to_rest, resting

PAGE = 1000
COLUMNS = (
    "order_id", "checkout_id", "channel", "shipping_method", "placed_at", "status", "held", "payment_status",
    "fulfilment_status", "cancel_reason", "currency", "lines_count", "units_count", "items_cents",
    "shipping_cents", "adjustment_cents", "total_cents", "authorized_cents", "captured_cents",
    "refunded_cents", "customer_id", "ship_to_name", "ship_to_street", "ship_to_zip_prefix", "ship_to_city",
    "ship_to_state", "ship_to_country", "ship_to_phone", "ship_to_email", "ship_to_note",
    "dispatched_at", "delivered_at", "cancelled_at",
)  # fmt: skip
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""A cell that begins so would be carried out by a spreadsheet (OWASP, CSV injection)."""
EXAMPLE = "order_id,…,status,…,currency,…,total_cents,…\r\n1001,…,completed,…,BRL,…,12580,…\r\n"
router = APIRouter(prefix="/v1/order-export", tags=["orders"], responses=documented())


def cell(value: Any) -> str:
    """As text: times in UTC, nothing for what is unknown, and no formula."""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA) else value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def lines_of(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Rows of RFC 4180, in UTF-8."""
    text = io.StringIO()
    csv.writer(text).writerows([cell(row[name]) for name in COLUMNS] for row in rows)
    return text.getvalue().encode()


async def _page(reader: Reader, wanted: Mapping[str, Any], after: Mapping[str, Any] | None) -> Rows:
    begin = {"after_key": after and after["placed_at"], "after_id": after and after["order_id"]}
    arguments = {**wanted, **begin, "limit": PAGE}
    return (await reader.rows(MODELS, (list_of("newest", wanted), arguments), views=VIEWS))[0]


async def _lines(
    request: Request, reader: Reader, wanted: Mapping[str, Any], page: Rows
) -> AsyncIterator[bytes]:
    """Without a place in the work: it lasts as long as its reader does."""
    with request.app.state.streams.one(asked_of(request).principal.actor):
        async with resting(request):
            yield (",".join(COLUMNS) + "\r\n").encode()
            while page:
                yield lines_of(page)
                page = await _page(reader, wanted, page[-1]) if len(page) == PAGE else []


@router.get(
    "",
    operation_id="export_orders",
    dependencies=[requires("orders:manage")],
    summary="Orders as CSV, newest first",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {"text/csv": {"schema": {"type": "string", "format": "binary"}, "example": EXAMPLE}},
            "description": "a line of names, then a line an order; money is integer minor units of"
            " `currency`. A text that a spreadsheet would take for a formula has a `'` before it",
        },
        **problem_responses(429),
    },
)
async def export_orders(request: Request, reader: MerchantReader, wanted: Filter) -> StreamingResponse:
    """All that the list with the same conditions would show, in one answer that is made as it is read. Orders
    that change meanwhile are shown as they are when their turn comes.
    """
    actor = asked_of(request).principal.actor
    check_room_to_rest(request)
    if not request.app.state.streams.has_room(actor):
        raise Problem(429, "too-many-streams", "you have too many streams open: end one of them first")
    first = await _page(reader, wanted, None)
    headers = {**reader.response.headers, "Content-Disposition": 'attachment; filename="orders.csv"'}
    headers.pop("content-length", None)
    return StreamingResponse(_lines(request, reader, wanted, first), media_type="text/csv", headers=headers)

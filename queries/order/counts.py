"""How many orders are in each status? Counted up to a limit: a screen needs no more than "10,000 or more"."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field

from eventstore.queries import load_queries
from queries.dependencies import MerchantReader, Rows
from queries.models import Answer, documented
from services.web.access import requires

COUNT_MAX = 10_000
router = APIRouter(prefix="/v1/order-counts", tags=["orders"], responses=documented())
_QUERIES = load_queries("queries", "orders.sql")


class OrderCount(Answer):
    name: str = Field(examples=["confirmed"])
    orders_count: int = Field(description=f"at most {COUNT_MAX}", examples=[17])
    is_more: bool = Field(description="there are more than were counted")


class OrderCounts(Answer):
    """Orders by status; each list has the statuses that any order has."""

    status: list[OrderCount]
    payment_status: list[OrderCount]
    fulfilment_status: list[OrderCount]
    held: OrderCount


def _counts(rows: Rows) -> list[OrderCount]:
    return [
        OrderCount(
            name=row["name"],
            orders_count=min(row["orders_count"], COUNT_MAX),
            is_more=row["orders_count"] > COUNT_MAX,
        )
        for row in rows
    ]


@router.get(
    "",
    operation_id="count_orders",
    dependencies=[requires("orders:read")],
    summary="Orders by status, counted",
)
async def count_orders(reader: MerchantReader) -> OrderCounts:
    """A customer's are its own."""
    names = ("status", "payment_status", "fulfilment_status")
    statements = [
        (getattr(_QUERIES, f"count_orders_by_{name}").sql, {"most": COUNT_MAX + 1}) for name in names
    ]
    held = (_QUERIES.count_orders_held.sql, {"most": COUNT_MAX + 1})
    *by_status, held_rows = await reader.rows(("orders",), *statements, held)
    counted = dict(zip(names, map(_counts, by_status), strict=True))
    return OrderCounts(held=_counts(held_rows)[0], **counted)

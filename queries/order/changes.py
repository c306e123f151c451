"""Changes of an order: what was proposed, what it would come to, and what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import orjson
from fastapi import APIRouter, Path
from pydantic import Field

from eventstore.queries import load_queries
from queries.dependencies import MerchantReader
from queries.models import Answer, Cents, PageOf, documented, page_of
from services.web.access import requires
from services.web.pagination import Page, as_datetime, as_str
from services.web.problems import not_found

router = APIRouter(prefix="/v1/orders", tags=["orders"], responses=documented())
_QUERIES = load_queries("queries", "orders.sql")


class ChangedUnits(Answer):
    """Stock that would be reserved (`change` above zero) or released."""

    sku: str
    warehouse: str
    quantity: int = Field(description="units that the order wants then, shipped or not")
    change: int


class ChangedPayment(Answer):
    """What a payment would bring then: a new one is charged, another gives back, or captures less."""

    payment_id: str = Field(examples=["1001.two-more"])
    method: str
    amount_cents: Cents
    change_cents: Cents


class PreviewedLine(Answer):
    line: int
    sku: str
    name: str = ""
    category: str | None = None
    quantity: int
    unit_price_cents: Cents
    unit_shipping_cents: Cents = 0
    warehouse: str = "main"
    ship_by: datetime | None = None


class Preview(Answer):
    """What the change set would make of the order."""

    lines: list[PreviewedLine] = Field(description="lines that are new, or other than they are")
    removed: list[int] = Field(description="numbers of lines that go")
    units: list[ChangedUnits]
    payments: list[ChangedPayment]


class OrderChange(Answer):
    """A change set. While it is `confirmed`, what it needs is reserved and authorised."""

    change_set_id: str = Field(examples=["two-more"])
    status: Literal["proposed", "confirmed", "applied", "declined"]
    reason: str | None = Field(description="why it was declined", examples=["stock"])
    note: str
    items_change_cents: Cents
    shipping_change_cents: Cents
    change_cents: Cents = Field(description="what the order would come to more, or less")
    total_cents: Cents
    preview: Preview
    proposed_by: str
    proposed_at: datetime
    expires_at: datetime
    decided_by: str | None
    decided_at: datetime | None


@router.get(
    "/{order_id}/changes",
    operation_id="list_order_changes",
    dependencies=[requires("orders:manage")],
    summary="Changes of an order, the last first",
    responses=documented(404),
)
async def list_order_changes(
    reader: MerchantReader, page: Page, order_id: Annotated[str, Path(max_length=200)]
) -> PageOf[OrderChange]:
    after_at, after_id = page.after("proposed", as_datetime, as_str) or (None, None)
    arguments = {"order_id": order_id, "after_at": after_at, "after_id": after_id, "limit": page.limit + 1}
    order = (_QUERIES.get_order.sql, {"order_id": order_id})
    changes = (_QUERIES.list_order_changes.sql, arguments)
    found, rows = await reader.rows(("orders", "order_changes"), order, changes)
    if not found:
        raise not_found("order", order_id)
    for row in rows:
        row["preview"] = orjson.loads(row["preview"])
    return page_of(OrderChange, rows, page, "proposed", "proposed_at", "change_set_id")

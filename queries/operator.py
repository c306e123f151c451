"""Reads of the operator, across merchants: checkouts, and how far the read models are."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import Field

from eventstore.queries import load_queries
from queries.dependencies import OperatorReader, PlatformReader
from queries.models import Answer, Cents, PageOf, documented, page_of
from services.web.access import requires
from services.web.pagination import Page, as_datetime, as_str

router = APIRouter(prefix="/v1/operator", tags=["operator"], responses=documented())
_QUERIES = load_queries("queries", "operator.sql", "positions.sql")


class Checkout(Answer):
    """What was bought at once, of however many merchants."""

    checkout_id: str
    currency: str = Field(examples=["BRL"])
    status: str = Field(description="of its orders; `mixed` where they differ", examples=["completed"])
    cancel_reason: str | None
    preparing: bool
    on_account: bool
    orders_count: int
    merchants_count: int
    lines_count: int
    units_count: int
    payments_count: int
    items_cents: Cents
    shipping_cents: Cents
    adjustment_cents: Cents
    due_cents: Cents = Field(description="items and shipping")
    paid_cents: Cents = Field(description="what its payments are to pay: due and adjustments")
    authorized_cents: Cents
    captured_cents: Cents
    refunded_cents: Cents
    voided_cents: Cents
    expired_cents: Cents
    subject: str = Field(description="pseudonym of the person")
    customer_id: str | None = Field(description="null once the person is erased")
    ship_to_state: str
    placed_at: datetime
    approved_at: datetime | None
    dispatched_at: datetime | None
    delivered_at: datetime | None
    estimated_delivery_at: datetime | None


class Projection(Answer):
    """How far a read model is, and whether anyone moves it."""

    name: str = Field(examples=["orders"])
    generation: int
    version: int
    position: int
    behind: int = Field(description="events of the log that it does not show yet")
    alive: bool = Field(description="projectors hold the leases of all its partitions")
    parked_keys: int = Field(description="keys with an event that its handler failed on")
    moved_at: datetime


@router.get(
    "/checkouts",
    operation_id="list_checkouts",
    dependencies=[requires("checkouts:read", "platform")],
    summary="Checkouts of all merchants, newest first",
)
async def list_checkouts(reader: PlatformReader, page: Page) -> PageOf[Checkout]:
    keys = page.after("newest", as_datetime, as_str, as_str) or (None, None, None)
    after_at, after_id, after_currency = keys
    arguments = {
        "after_at": after_at,
        "after_id": after_id,
        "after_currency": after_currency,
        "limit": page.limit + 1,
    }
    rows = (await reader.rows(("checkouts",), (_QUERIES.list_checkouts.sql, arguments)))[0]
    return page_of(Checkout, rows, page, "newest", "placed_at", "checkout_id", "currency")


@router.get(
    "/projections",
    operation_id="list_projections",
    dependencies=[requires("system:read", "platform")],
    summary="How far each read model is",
)
async def list_projections(reader: OperatorReader) -> list[Projection]:
    rows = (await reader.rows(("merchants",), (_QUERIES.list_projections.sql, {})))[0]
    return [Projection.model_validate(row) for row in rows]

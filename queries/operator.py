"""Reads of the operator, across merchants: checkouts, how far the read models are, and what is parked."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from eventstore.queries import load_queries
from queries.dependencies import OperatorReader, PlatformReader
from queries.models import Answer, Cents, PageOf, documented, page_of
from services.web.access import requires
from services.web.pagination import Page, as_datetime, as_int, as_str
from services.web.problems import Problem

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


class ParkedKey(Answer):
    """A key of a follower that waits since its handler failed on an event; all other keys go on."""

    follower: str = Field(
        description="a generation of a read model, an agent, or `scheduler`",
        examples=["projection:orders:g1"],
    )
    key: str = Field(description="whose turn it is, in the follower's own words", examples=["m1/1001"])
    position: int = Field(
        description="the event that it stands at; 0 for a deadline, which is no event yet", examples=[17]
    )
    events_count: int = Field(description="that one, and those that wait behind it", examples=[2])
    parked_at: datetime
    error: str = Field(
        description="what the handler says; nothing personal", examples=["KeyError: 'warehouse'"]
    )


class ParkedEvent(Answer):
    """An event that a follower has not taken."""

    position: int = Field(examples=[17])
    parked_at: datetime
    error: str = Field(
        description="or that it waits behind another", examples=["queued behind a parked event"]
    )


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


@router.get(
    "/parked",
    operation_id="list_parked_keys",
    dependencies=[requires("system:read", "platform")],
    summary="Keys that wait since a handler failed",
)
async def list_parked_keys(reader: PlatformReader, page: Page) -> PageOf[ParkedKey]:
    """By follower and key. What they stand at is retried or skipped by a command."""
    follower, key = page.after("key", as_str, as_str) or (None, None)
    after = {"after_follower": follower, "after_key": key, "limit": page.limit + 1}
    rows = (await reader.rows(("merchants",), (_QUERIES.list_parked_keys.sql, after)))[0]
    return page_of(ParkedKey, rows, page, "key", "follower", "key")


@router.get(
    "/parked/events",
    operation_id="list_parked_events",
    dependencies=[requires("system:read", "platform")],
    summary="What a parked key waits with",
    responses=documented(404),
)
async def list_parked_events(
    reader: PlatformReader,
    page: Page,
    follower: Annotated[str, Query(min_length=1, max_length=1000, examples=["projection:orders:g1"])],
    key: Annotated[str, Query(min_length=1, max_length=1000, examples=["m1/1001"])],
) -> PageOf[ParkedEvent]:
    """The first is what the key stands at."""
    (after,) = page.after("position", as_int) or (-1,)
    asked = {"follower": follower, "key": key, "after_position": after, "limit": page.limit + 1}
    rows = (await reader.rows(("merchants",), (_QUERIES.list_parked_events.sql, asked)))[0]
    if not rows and page.cursor is None:
        raise Problem(404, "not-found", f"{follower} has no parked key {key}")
    return page_of(ParkedEvent, rows, page, "position", "position")

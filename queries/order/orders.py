"""Reads of orders: the list with its filters, and one with its lines, payments, parcels and timeline."""

from __future__ import annotations

from collections.abc import Mapping, Set
from datetime import datetime
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Path, Response
from pydantic import Field

from eventstore.queries import load_queries
from queries.carrier.shipments import FilledShipment
from queries.dependencies import MerchantReader, Reader, Rows
from queries.models import Answer, Cents, PageOf, as_it_is, documented, page_of
from queries.order.filters import Filter, FulfilmentStatus, PaymentStatus, Status
from queries.order.orders_own import OwnOrder, OwnOrderDetail, own_detail
from queries.payment import Payment
from services.web.access import Allowed, forbidden, requires
from services.web.pagination import Page, Parse, as_datetime, as_int, as_str
from services.web.problems import not_found

router = APIRouter(prefix="/v1/orders", tags=["orders"], responses=documented())
_QUERIES = load_queries("queries", "orders.sql")
Sort = Literal["newest", "oldest", "largest", "smallest"]
_SORTS: dict[Sort, tuple[str, str, str, Parse]] = {
    # sort: the column, what comes after it, its direction, the parser of its cursor key
    "newest": ("placed_at", "<", "DESC", as_datetime),
    "oldest": ("placed_at", ">", "ASC", as_datetime),
    "largest": ("total_cents", "<", "DESC", as_int),
    "smallest": ("total_cents", ">", "ASC", as_int),
}
LISTS = {
    sort: _QUERIES.list_orders.sql.format(key=key, beyond=beyond, direction=direction)
    for sort, (key, beyond, direction, _) in _SORTS.items()
}


def list_of(sort: Sort, wanted: Mapping[str, Any]) -> str:
    """The list with these conditions.

    A condition on another table is a join that may be begun there, only where it does not stand behind the
    guard for the case that it is not given: the planner looks for joins before it knows what is given.
    """
    text: str = LISTS[sort]
    for each in ELSEWHERE:
        if wanted[each] is not None:
            text = text.replace(f"%({each})s::text IS NULL OR ", "")
    return text


MODELS = ("orders", "order_holds", "order_tags", "order_discrepancies", "order_lines", "shipments")
"""What a list is made of: orders, and what they are found by."""
VIEWS = (*MODELS, "shipment_labels")
BESIDE = ("shipment_lines", "tracking_links")
"""Further views of theirs that an order is shown with."""
OF_STAFF = ("held", "hold", "tag", "discrepancy", "tracking_number")
ELSEWHERE = ("hold", "tag", "discrepancy", "sku", "tracking_number")
"""Conditions that another table answers."""


class Order(Answer):
    """An order: its own status, and those of its payments and parcels, which are derived."""

    order_id: str = Field(examples=["o1"])
    checkout_id: str
    channel: str = Field(description="where it was bought; empty where nobody said", examples=["shop"])
    shipping_method: str = Field(
        description="the way of shipping that was paid for; empty where nobody said", examples=["express"]
    )
    status: Status
    held: bool = Field(description="it is not fulfilled until its holds are released")
    payment_status: PaymentStatus
    fulfilment_status: FulfilmentStatus
    cancel_reason: str | None = Field(examples=["customer"])
    preparing: bool
    discrepancy: str | None = Field(
        description="a fact that contradicts the order, the last of those that nobody has resolved"
    )
    currency: str = Field(examples=["BRL"])
    lines_count: int
    units_count: int
    items_cents: Cents
    shipping_cents: Cents
    adjustment_cents: Cents = Field(description="surcharges less shortfalls; may be negative")
    total_cents: Cents = Field(examples=[2300])
    authorized_cents: Cents
    captured_cents: Cents
    refunded_cents: Cents
    voided_cents: Cents
    customer_id: str | None = Field(description="null once the person is erased, as all that is personal")
    ship_to_name: str | None
    ship_to_street: str | None = Field(description="in lines")
    ship_to_zip_prefix: str | None
    ship_to_city: str | None
    ship_to_country: str | None = Field(description="ISO 3166-1, two letters", examples=["BR"])
    ship_to_phone: str | None
    ship_to_email: str | None
    ship_to_note: str | None = Field(description="what is asked of who brings it")
    ship_to_state: str
    placed_at: datetime
    approved_at: datetime | None = Field(description="by the provider's clock; null where unknown")
    dispatched_at: datetime | None = Field(description="by the carrier's clock; null where unknown")
    delivered_at: datetime | None = Field(description="by the carrier's clock; null where unknown")
    cancelled_at: datetime | None
    completed_at: datetime | None
    estimated_delivery_at: datetime | None


class OrderLine(Answer):
    line: int
    sku: str
    name: str
    category: str | None
    quantity: int
    currency: str
    unit_price_cents: Cents
    unit_shipping_cents: Cents
    warehouse: str
    ship_by: datetime | None


class Moment(Answer):
    """Something that happened to the order, and because of what."""

    position: int
    type: str = Field(examples=["PaymentAuthorized"])
    stream: str
    occurred_at: datetime = Field(description="business time")
    happened_at: datetime | None = Field(description="by the provider's clock; null where unknown")
    recorded_at: datetime
    causation: str = Field(description="the event or request that caused it")
    actor: str
    details: dict[str, Any]


class OrderHold(Answer):
    """Why the order was, or is, not to be fulfilled."""

    hold_id: str = Field(examples=["fraud-check"])
    reason: str = Field(examples=["fraud"])
    note: str
    held_by: str = Field(examples=["user:u1"])
    held_at: datetime
    release_note: str | None
    released_by: str | None
    released_at: datetime | None = Field(description="null as long as it stands")


class Note(Answer):
    """What somebody of the merchant's wrote."""

    note_id: str
    text: str | None = Field(description="null once the customer is erased")
    written_by: str = Field(examples=["user:u1"])
    written_at: datetime


class OrderDetail(Order):
    cancel_note: str | None
    holds: list[OrderHold] = Field(description="those that stand, and those that were released")
    notes: list[Note]
    tags: list[str] = Field(examples=[["gift"]])
    lines: list[OrderLine]
    payments: list[Payment] = Field(description="empty for who has no payments:read at the merchant")
    shipments: list[FilledShipment] = Field(description="empty for who has no shipments:read at the merchant")
    timeline: list[Moment] = Field(
        description="in the order of the log; of the first thousand, those that who asks may read of"
    )


@router.get(
    "",
    operation_id="list_orders",
    dependencies=[requires("orders:read")],
    summary="Orders, newest first",
    response_model=PageOf[Order] | PageOf[OwnOrder],
)
async def list_orders(
    reader: MerchantReader,
    page: Page,
    wanted: Filter,
    sort: Sort = "newest",
) -> Response:
    """All conditions hold at once. A customer sees its own, and less of them; what is the merchant's own
    affair (`held`, `hold`, `tag`, `discrepancy`, `tracking_number`) is no condition for it.
    """
    if reader.subject and (asked_for := [each for each in OF_STAFF if wanted[each] is not None]):
        raise forbidden(f"orders:manage for the condition {asked_for[0]}", reader.merchant)
    key, _, _, parse = _SORTS[sort]
    after_key, after_id = page.after(sort, parse, as_str) or (None, None)
    arguments = {**wanted, "after_key": after_key, "after_id": after_id, "limit": page.limit + 1}
    rows = (await reader.rows(MODELS, (list_of(sort, wanted), arguments), views=VIEWS))[0]
    keys = (key, "order_id")
    if reader.subject:
        return as_it_is(reader, page_of(OwnOrder, rows, page, sort, *keys))
    return as_it_is(reader, page_of(Order, rows, page, sort, *keys))


@router.get(
    "/{order_id}",
    operation_id="get_order",
    dependencies=[requires("orders:read")],
    summary="An order with its lines, payments, parcels and timeline",
    response_model=OrderDetail | OwnOrderDetail,
    responses=documented(404),
)
async def get_order(
    reader: MerchantReader, asked: Allowed, order_id: Annotated[str, Path(max_length=200)]
) -> Response:
    """A customer is shown less. Payments, and what the timeline tells of them, are for who has
    `payments:read` as well; parcels for who has `shipments:read`.
    """
    names = (
        "get_order",
        "get_order_lines",
        "get_order_payments",
        "get_order_shipments",
        "get_order_timeline",
        "get_order_holds",
        "get_order_notes",
        "get_order_tags",
    )
    models = (
        "orders",
        "order_lines",
        "payments",
        "shipments",
        "carriers",
        "order_timeline",
        "order_holds",
        "order_notes",
        "order_tags",
    )
    statements = [(getattr(_QUERIES, name).sql, {"order_id": order_id}) for name in names]
    found, lines, payments, shipments, timeline, *handled = await reader.rows(
        models, *statements, views=(*models, *BESIDE)
    )
    if not found:
        raise not_found("order", order_id)
    parts = {"lines": lines, "payments": payments, "shipments": shipments, "timeline": timeline}
    if reader.subject:
        return as_it_is(reader, own_detail(found[0], parts))
    shown: dict[str, Any] = _allowed(parts, asked.grant.permissions if asked.grant else frozenset())
    for moment in shown["timeline"]:
        moment["details"] = orjson.loads(moment["details"])
    shown |= {"holds": handled[0], "notes": handled[1], "tags": [row["tag"] for row in handled[2]]}
    return as_it_is(reader, OrderDetail.model_validate({**found[0], **shown}))


async def own_order(reader: Reader, order_id: str) -> OwnOrderDetail:
    """An order, for the person that `reader` is bound to. Raises a 404 problem."""
    names = (
        "get_order",
        "get_order_lines",
        "get_order_payments",
        "get_order_shipments",
        "get_order_timeline",
    )
    models = ("orders", "order_lines", "payments", "shipments", "carriers", "order_timeline")
    statements = [(getattr(_QUERIES, name).sql, {"order_id": order_id}) for name in names]
    found, lines, payments, shipments, timeline = await reader.rows(
        models, *statements, views=(*models, *BESIDE)
    )
    if not found:
        raise not_found("order", order_id)
    parts = {"lines": lines, "payments": payments, "shipments": shipments, "timeline": timeline}
    return own_detail(found[0], parts)


def _allowed(parts: Mapping[str, Rows], permissions: Set[str]) -> dict[str, Rows]:
    """Without what is of payments and parcels for who may not read those."""
    hidden = {kind for kind in ("payment", "shipment") if f"{kind}s:read" not in permissions}
    shown = {name: [] if name.removesuffix("s") in hidden else rows for name, rows in parts.items()}
    timeline = [moment for moment in parts["timeline"] if moment["stream"].partition("-")[0] not in hidden]
    return shown | {"timeline": timeline}

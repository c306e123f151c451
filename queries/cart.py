"""Reads of carts for who works at the merchant, of one's own orders, and of a guest's order.

A cart itself is shown by the write side, from its own stream (`commands.cart`).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from pydantic import Field

from domain.cart.events import guest_of
from eventstore.keyring import customer_subject
from eventstore.queries import load_queries
from queries.dependencies import MerchantReader, Reader, shown_of
from queries.models import Answer, Cents, PageOf, documented, page_of
from queries.order.orders import own_order
from queries.order.orders_own import OwnOrder, OwnOrderDetail, OwnShipment
from queries.storefront import STOREFRONT_ROUTERS
from services.web.access import public, requires
from services.web.guests import WantedShop
from services.web.pagination import Page, as_date, as_datetime, as_str
from services.web.positions import WantedFreshness
from services.web.rates import limit_account, limit_sign_in

_QUERIES = load_queries("queries", "cart.sql")
EMAIL_HEADER = "Tillroll-Email"
Status = Literal["open", "completing", "completed", "abandoned", "expired", "merged"]

carts = APIRouter(prefix="/v1/carts", tags=["carts"], responses=documented())
sales = APIRouter(prefix="/v1/sales", tags=["carts"], responses=documented())
account = APIRouter(prefix="/v1/account", tags=["account"], responses=documented())
storefront = APIRouter(prefix="/v1/storefront", tags=["storefront"], responses=documented())


class CartOfList(Answer):
    """How far a cart is."""

    cart_id: str = Field(examples=["0190c3f2-a1b4-7c55-b1d2-6d2f6e1c0a11"])
    status: Status
    currency: str = Field(examples=["BRL"])
    channel: str = Field(examples=["web"])
    total_cents: Cents | None = Field(description="when it was abandoned or completed last; null before")
    orders_count: int
    missing_count: int = Field(description="orders of other merchants that could not be placed: look at it")
    started_at: datetime
    touched_at: datetime = Field(description="when its shopper last did something")
    abandoned_at: datetime | None
    completed_at: datetime | None
    expires_at: datetime | None = Field(description="if nobody touches it until then")


class CartDay(Answer):
    """What became of carts on a day, each counted on the day when it happened."""

    day: date = Field(examples=["2026-05-04"])
    started_count: int = Field(examples=[120])
    completed_count: int
    abandoned_count: int
    expired_count: int


class AccountOrder(OwnOrder):
    """An order with where its parcels are."""

    shipments: list[OwnShipment]


@carts.get(
    "", operation_id="list_carts", dependencies=[requires("carts:read")], summary="Carts, newest first"
)
async def list_carts(reader: MerchantReader, page: Page, status: Status | None = None) -> PageOf[CartOfList]:
    """A customer sees its own."""
    after_at, after_id = page.after("newest", as_datetime, as_str) or (None, None)
    arguments = {"status": status, "after_at": after_at, "after_id": after_id, "limit": page.limit + 1}
    rows = (await reader.rows(("carts",), (_QUERIES.list_carts.sql, arguments)))[0]
    return page_of(CartOfList, rows, page, "newest", "started_at", "cart_id")


@sales.get(
    "/carts",
    operation_id="list_carts_by_day",
    dependencies=[requires("carts:read")],
    summary="Carts started, completed and abandoned by day, newest first",
)
async def list_carts_by_day(
    reader: MerchantReader,
    page: Page,
    day_from: Annotated[date | None, Query(description="this day or later, UTC")] = None,
    day_to: Annotated[date | None, Query(description="this day or before")] = None,
) -> PageOf[CartDay]:
    (after_day,) = page.after("day", as_date) or (None,)
    arguments = {"day_from": day_from, "day_to": day_to, "after_day": after_day, "limit": page.limit + 1}
    rows = (await reader.rows(("carts_by_day",), (_QUERIES.list_carts_by_day.sql, arguments)))[0]
    return page_of(CartDay, rows, page, "day", "day")


@account.get(
    "/orders",
    operation_id="list_account_orders",
    dependencies=[requires("orders:read")],
    summary="One's orders with their parcels, newest first",
)
async def list_account_orders(reader: MerchantReader, page: Page) -> PageOf[AccountOrder]:
    """What an account page shows: a customer's own orders, and who carries them under which number."""
    after_at, after_id = page.after("newest", as_datetime, as_str) or (None, None)
    arguments = {"after_at": after_at, "after_id": after_id, "limit": page.limit + 1}
    statement = (_QUERIES.list_account_orders.sql, arguments)
    models = ("orders", "order_lines", "shipments", "carriers")
    views = (*models, "shipment_lines", "tracking_links")
    rows = (await reader.rows(models, statement, views=views))[0]
    return page_of(AccountOrder, rows, page, "newest", "placed_at", "order_id")


@storefront.get(
    "/orders/{order_id}",
    operation_id="look_up_order",
    dependencies=[
        public("who bought as a guest has no account: number and e-mail address say who it is"),
        Depends(limit_sign_in),
    ],
    summary="A guest's order, by its number and e-mail address",
    responses=documented(404, 429),
)
async def look_up_order(
    request: Request,
    response: Response,
    freshness: WantedFreshness,
    order_id: Annotated[str, Path(max_length=200)],
    tillroll_email: Annotated[
        str,
        Header(
            alias=EMAIL_HEADER, description="the address it was ordered with", examples=["ana@example.com"]
        ),
    ],
    merchant: WantedShop,
) -> OwnOrderDetail:
    """The same 404 for a wrong address, another's order and none at all; tries are limited by address of the
    network and by order. What is read is bound to the person whom the e-mail address stands for.
    """
    await limit_account(request, f"order {merchant} {order_id}")
    subject = customer_subject(request.app.state.keyring, merchant, guest_of(tillroll_email))
    reader = Reader(shown_of(request), merchant, freshness, response, subject)
    return await own_order(reader, order_id)


ROUTERS = (carts, sales, account, storefront, *STOREFRONT_ROUTERS)
TAGS = ({"name": "account", "description": "What a customer sees of its own."},)

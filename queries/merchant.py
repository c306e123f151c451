"""Reads of the merchant itself: who it is, and how it stands."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import Field

from eventstore.queries import load_queries
from queries.dependencies import MerchantReader, Statement
from queries.models import Answer, Cents, documented
from services.web.access import requires

router = APIRouter(prefix="/v1/merchant", tags=["merchant"], responses=documented())
_QUERIES = load_queries("queries", "merchant.sql")


class OrdersByStatus(Answer):
    placed: int = Field(0, validation_alias="orders_placed")
    reserved: int = Field(0, validation_alias="orders_reserved")
    confirmed: int = Field(0, validation_alias="orders_confirmed")
    shipped: int = Field(0, validation_alias="orders_shipped")
    completed: int = Field(0, validation_alias="orders_completed")
    cancelled: int = Field(0, validation_alias="orders_cancelled")


class Money(Answer):
    """Sums over all orders in one currency."""

    currency: str = Field(examples=["BRL"])
    ordered_cents: Cents
    authorized_cents: Cents
    captured_cents: Cents
    refunded_cents: Cents
    voided_cents: Cents
    expired_cents: Cents


class MerchantOverview(Answer):
    merchant: str = Field(examples=["m1"])
    state: str
    registered_at: datetime
    reservation_valid_s: int
    authorization_valid_s: int
    time_zone: str = Field(description="of the tz database", examples=["America/Sao_Paulo"])
    orders_count: int
    orders: OrdersByStatus
    money: list[Money]
    units_on_hand: int


@router.get(
    "",
    operation_id="get_merchant",
    dependencies=[requires("merchant:read")],
    summary="How the merchant stands",
)
async def get_merchant(reader: MerchantReader) -> MerchantOverview:
    models = ("merchants", "merchant_overview")
    names = ("get_merchant", "get_overview", "get_money")
    statements: list[Statement] = [(getattr(_QUERIES, name).sql, {}) for name in names]
    merchant, overview, money = await reader.rows(
        models, *statements, views=("merchant_overview", "merchant_money")
    )
    counts = overview[0] if overview else {"orders_count": 0, "units_on_hand": 0}
    return MerchantOverview.model_validate({**counts, **merchant[0], "orders": counts, "money": money})


ROUTERS = (router,)
TAGS = ({"name": "merchant", "description": "Who sells, and on which terms."},)

"""Key figures of trade by day, week and month, in the time zone that is asked for, or the merchant's;
currencies apart."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from eventstore.queries import load_queries
from queries.days import days_of_request
from queries.dependencies import MerchantReader, Rows
from queries.models import Answer, Cents, documented
from services.web.access import requires

WantedDays = Annotated[dict[str, Any], Depends(days_of_request(1_100))]
router = APIRouter(prefix="/v1/sales", tags=["sales"], responses=documented())
_QUERIES = load_queries("queries", "sales.sql")
Period = Literal["day", "week", "month"]


class Kpis(Answer):
    """Of a period and a currency. What became of orders counts where they were placed."""

    begins_on: date = Field(description="its first day, in the time zone; weeks begin on Monday")
    currency: str = Field(examples=["BRL"])
    orders_count: int
    units_count: int
    ordered_cents: Cents = Field(description="what the orders come to, as they were changed since")
    average_order_cents: Cents = Field(description="`ordered_cents` by `orders_count`, rounded down")
    cancelled_count: int
    cancelled_cents: Cents
    cancel_rate: float = Field(description="cancelled of placed orders, 0 to 1", examples=[0.02])
    revenue_cents: Cents = Field(description="`ordered_cents` less `cancelled_cents`, by order date")
    returned_count: int
    captured_cents: Cents = Field(description="by the day of the capture")
    refunded_cents: Cents = Field(description="by the day of the refund, whenever the order was placed")
    refunded_of_orders_cents: Cents = Field(description="by order date: refunds of this period's orders")
    deliveries_count: int
    promised_deliveries_count: int = Field(description="of which the customer was told when they come")
    late_count: int = Field(description="parcels that came later than the customer was told")
    late_rate: float | None = Field(
        description="late of promised deliveries, 0 to 1; null where none was promised", examples=[0.05]
    )


class KpisAnswer(Answer):
    time_zone: str = Field(examples=["America/Sao_Paulo"])
    period: Period
    day_from: date
    day_to: date
    items: list[Kpis] = Field(description="the last period first; none for a period without trade")


def _kpis(row: dict[str, int]) -> Kpis:
    orders, promised = row["orders_count"], row["promised_deliveries_count"]
    return Kpis.model_validate(
        {
            **row,
            "average_order_cents": row["ordered_cents"] // orders if orders else 0,
            "cancel_rate": row["cancelled_count"] / orders if orders else 0.0,
            "revenue_cents": row["ordered_cents"] - row["cancelled_cents"],
            "late_rate": row["late_count"] / promised if promised else None,
        }
    )


@router.get(
    "/kpis",
    operation_id="get_kpis",
    dependencies=[requires("sales:read")],
    summary="Key figures by day, week or month",
)
async def get_kpis(
    reader: MerchantReader,
    days: WantedDays,
    period: Period = "day",
    currency: Annotated[str | None, Query(pattern="^[A-Z]{3}$", description="ISO 4217")] = None,
) -> KpisAnswer:
    """A period at an end of the range is of the days within it. Currencies are never added up."""
    arguments = {**days, "period": period, "currency": currency}
    rows: Rows = (await reader.rows(("order_kpis",), (_QUERIES.get_kpis.sql, arguments)))[0]
    return KpisAnswer(**days, period=period, items=[_kpis(row) for row in rows])

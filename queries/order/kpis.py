"""Key figures of trade by day, week and month, in the time zone that is asked for; currencies apart."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal
from zoneinfo import available_timezones

from fastapi import APIRouter, Query
from pydantic import Field

from eventstore.queries import load_queries
from queries.dependencies import MerchantReader, Rows
from queries.models import Answer, Cents, documented
from services.web.access import requires
from services.web.problems import invalid

DAYS_MAX, DAYS_DEFAULT = 1_100, 30
router = APIRouter(prefix="/v1/sales", tags=["sales"], responses=documented())
_QUERIES = load_queries("queries", "sales.sql")
_ZONES = frozenset(available_timezones())
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
    late_count: int = Field(description="parcels that came later than the customer was told")
    late_rate: float = Field(description="late of delivered parcels, 0 to 1", examples=[0.05])


class KpisAnswer(Answer):
    time_zone: str = Field(examples=["America/Sao_Paulo"])
    period: Period
    day_from: date
    day_to: date
    items: list[Kpis] = Field(description="the last period first; none for a period without trade")


def _kpis(row: dict[str, int]) -> Kpis:
    orders, deliveries = row["orders_count"], row["deliveries_count"]
    return Kpis.model_validate(
        {
            **row,
            "average_order_cents": row["ordered_cents"] // orders if orders else 0,
            "cancel_rate": row["cancelled_count"] / orders if orders else 0.0,
            "revenue_cents": row["ordered_cents"] - row["cancelled_cents"],
            "late_rate": row["late_count"] / deliveries if deliveries else 0.0,
        }
    )


def _range(day_from: date | None, day_to: date | None) -> tuple[date, date]:
    """Raises a 422 problem for days that are too many, or none."""
    last = day_to or datetime.now(UTC).date()
    first = day_from or last - timedelta(days=DAYS_DEFAULT - 1)
    if first > last:
        raise invalid("day_to", f"it is before day_from, {first}")
    if (last - first).days >= DAYS_MAX:
        raise invalid("day_from", f"at most {DAYS_MAX} days can be asked for at once")
    return first, last


@router.get(
    "/kpis",
    operation_id="get_kpis",
    dependencies=[requires("sales:read")],
    summary="Key figures by day, week or month",
)
async def get_kpis(
    reader: MerchantReader,
    period: Period = "day",
    time_zone: Annotated[
        str, Query(max_length=60, description="of the tz database", examples=["America/Sao_Paulo"])
    ] = "UTC",
    day_from: Annotated[date | None, Query(description="its first day; 30 days if missing")] = None,
    day_to: Annotated[date | None, Query(description="its last day; today if missing")] = None,
    currency: Annotated[str | None, Query(pattern="^[A-Z]{3}$", description="ISO 4217")] = None,
) -> KpisAnswer:
    """A period at an end of the range is of the days within it. Currencies are never added up."""
    if time_zone not in _ZONES:
        raise invalid("time_zone", "it is no name of the tz database, such as America/Sao_Paulo")
    first, last = _range(day_from, day_to)
    arguments = {
        "period": period,
        "time_zone": time_zone,
        "day_from": first,
        "day_to": last,
        "currency": currency,
    }
    rows: Rows = (await reader.rows(("order_kpis",), (_QUERIES.get_kpis.sql, arguments)))[0]
    return KpisAnswer(
        time_zone=time_zone, period=period, day_from=first, day_to=last, items=[_kpis(row) for row in rows]
    )

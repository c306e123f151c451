"""Of which days is asked, and whose days? A day is one of a time zone: that which is asked for, or else the
merchant's own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import Query

from domain.time_zones import TIME_ZONES, known
from eventstore.queries import load_queries
from queries.dependencies import MerchantReader
from services.web.problems import invalid

DAYS_DEFAULT = 30
YEARS = range(1970, 2201)
_QUERIES = load_queries("queries", "merchant.sql")
_ZONE = Query(
    max_length=60, description="of the tz database; the merchant's if missing", examples=["America/Sao_Paulo"]
)


def days_of_request(days_max: int) -> Callable[..., Awaitable[dict[str, Any]]]:
    """The dependency of routes that show at most so many days: `time_zone`, `day_from` and `day_to`.

    It raises a 422 problem for an unknown time zone, and for days that are too many, or none.
    """

    async def days(
        reader: MerchantReader,
        time_zone: Annotated[str | None, _ZONE] = None,
        day_from: Annotated[date | None, Query(description="its first day; 30 days if missing")] = None,
        day_to: Annotated[date | None, Query(description="its last day; today if missing")] = None,
    ) -> dict[str, Any]:
        zone = await zone_of(reader, time_zone)
        last = day_to or datetime.now(ZoneInfo(zone)).date()
        for name, day in (("day_from", day_from), ("day_to", last)):
            if day and day.year not in YEARS:
                raise invalid(name, f"days are of the years {YEARS[0]} to {YEARS[-1]}")
        first = day_from or last - timedelta(days=DAYS_DEFAULT - 1)
        if first > last:
            raise invalid("day_to", f"it is before day_from, {first}")
        if (last - first).days >= days_max:
            raise invalid("day_from", f"at most {days_max} days can be asked for at once")
        return {"time_zone": zone, "day_from": first, "day_to": last}

    return days


async def zone_of(reader: MerchantReader, asked: str | None) -> str:
    """The name that is asked for, or the merchant's. Raises a 422 problem for one that is none."""
    if asked is not None:
        try:
            return known(asked)
        except ValueError as error:
            raise invalid("time_zone", str(error)) from None
    rows = (await reader.rows(("merchants",), (_QUERIES.get_time_zone.sql, {})))[0]
    told = rows[0]["time_zone"] if rows else "UTC"
    return told if told in TIME_ZONES else "UTC"

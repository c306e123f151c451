"""What is a moment here, and what time is it on the wall?"""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime


def _to_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:  # year 1 or 9999 with an offset
        raise ValueError("lies outside the years 1 to 9999 in UTC") from error


# RFC 3339 on the wire, an aware datetime in UTC inside
Instant = Annotated[AwareDatetime, AfterValidator(_to_utc)]


def wall_now() -> datetime:
    """The wall clock, read at the edge and handed in to every decision."""
    return datetime.now(UTC)

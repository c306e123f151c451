"""How does a list go on? By an opaque cursor that holds the sort keys of the last row shown.

Keyset pagination: the next page starts after those keys, so that rows which come or go meanwhile neither
repeat nor hide others.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any

import orjson
from fastapi import Depends, Query

from services.web.problems import invalid

LIMIT_DEFAULT, LIMIT_MAX = 50, 200
Key = str | int | datetime | date
Parse = Callable[[Any], Key]


@dataclass(frozen=True, slots=True)
class PageRequest:
    limit: int = LIMIT_DEFAULT
    cursor: str | None = None

    def after(self, order: str, *parsers: Parse) -> tuple[Key, ...] | None:
        """The keys to go on after; None for the first page.

        `order` names how the list is sorted: a cursor of another order is refused, as is a broken one, with
        a 422 problem. The parsers turn each key as JSON back into its type (`str`, `int`, `as_datetime`).
        """
        if self.cursor is None:
            return None
        try:
            raw = urlsafe_b64decode(self.cursor + "=" * (-len(self.cursor) % 4))
            name, *keys = orjson.loads(raw)
            if name != order:
                raise invalid("cursor", f"it belongs to a list sorted by {name}, this one is by {order}")
            return tuple(parse(key) for parse, key in zip(parsers, keys, strict=True))
        except (ValueError, TypeError, OverflowError):
            raise invalid("cursor", "it is not a cursor that a list gave") from None


def as_datetime(text: Any) -> datetime:
    """A parser of cursor keys."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment.astimezone(UTC)


def as_date(text: Any) -> date:
    """A parser of cursor keys."""
    return date.fromisoformat(text)


def as_int(number: Any) -> int:
    """A parser of cursor keys; what the database could not hold is refused."""
    if not isinstance(number, int) or isinstance(number, bool) or not -(2**63) <= number < 2**63:
        raise TypeError("not an integer of 64 bits")
    return number


def as_str(text: Any) -> str:
    """A parser of cursor keys."""
    if not isinstance(text, str) or "\x00" in text:
        raise TypeError("not a text")
    return text


def cursor_of(order: str, *keys: Key) -> str:
    """The cursor of a page whose last row has these sort keys."""
    return urlsafe_b64encode(orjson.dumps([order, *keys])).rstrip(b"=").decode()


def cut(rows: Sequence[Any], limit: int) -> tuple[Sequence[Any], bool]:
    """The rows of the page, and whether there are more: ask the database for `limit + 1` rows."""
    return rows[:limit], len(rows) > limit


async def page_of_request(
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX, description="rows on a page")] = LIMIT_DEFAULT,
    cursor: Annotated[
        str | None, Query(max_length=1000, description="`next_cursor` of the page before")
    ] = None,
) -> PageRequest:
    return PageRequest(limit, cursor)


Page = Annotated[PageRequest, Depends(page_of_request)]
"""The type of a route's parameter that wants the page."""

"""Which texts, ids and times does a command take from outside?

Narrower than what the domain can hold: an id must fit a path, an index and what is derived from it, and no
text may hold what a database cannot store.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

NAME_BYTES_MAX = 100
SKU_BYTES_MAX = 200
LINE_UNITS_MAX = 1_000_000
YEARS = (1970, 2200)
_CONTROL = r"\x00-\x1f\x7f"
_IN_PATH = rf"^[^\s/.{_CONTROL}][^\s/{_CONTROL}]*$"
_TRIMMED = rf"^[^\s{_CONTROL}]([^{_CONTROL}]*[^\s{_CONTROL}])?$"


def _within(bytes_max: int) -> AfterValidator:
    """The limit of an id is one of bytes: streams are named by it, and an index holds their names."""

    def check(text: str) -> str:
        if len(text.encode()) > bytes_max:
            raise ValueError(f"it is longer than {bytes_max} bytes in UTF-8")
        return text

    return AfterValidator(check)


def _as_text(value: Any) -> Any:
    """A number would pass as seconds since 1970, which nobody means."""
    if not isinstance(value, str):
        raise ValueError("a time is text, such as 2026-05-04T12:00:00Z")  # noqa: TRY004 - pydantic wants it so
    return value


def _in_utc(moment: datetime) -> datetime:
    if not YEARS[0] < moment.year < YEARS[1]:
        raise ValueError(f"the year must be after {YEARS[0]} and before {YEARS[1]}")
    return moment.astimezone(UTC)


Id = Annotated[str, Field(min_length=1, max_length=NAME_BYTES_MAX, pattern=_IN_PATH), _within(NAME_BYTES_MAX)]
"""Stands in paths: no white space, no slash, no dot to begin with; at most 100 bytes."""

PaymentName = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9_~-]+$")]
"""What tells an order's payments apart; without a dot, so that ORDER.NAME is no other order's payment."""

PAYMENT_BYTES_MAX = NAME_BYTES_MAX + 101
PaymentId = Annotated[
    str, Field(min_length=1, max_length=PAYMENT_BYTES_MAX, pattern=_IN_PATH), _within(PAYMENT_BYTES_MAX)
]
"""An order's id, a dot and a payment's name; or a provider's reference."""

Warehouse = Annotated[
    str, Field(min_length=1, max_length=NAME_BYTES_MAX, pattern=_IN_PATH), _within(NAME_BYTES_MAX)
]

Sku = Annotated[str, Field(min_length=1, max_length=SKU_BYTES_MAX, pattern=_TRIMMED), _within(SKU_BYTES_MAX)]
"""Also a category: printable, no white space at its ends; at most 200 bytes."""

Text = Annotated[str, Field(max_length=1000, pattern=r"^[^\x00]*$")]

Country = Annotated[str, Field(max_length=2, pattern=r"^([A-Z]{2})?$")]
"""ISO 3166-1, two letters; empty where nobody said."""

MethodName = Annotated[Text, Field(max_length=100)]
"""By its name in the merchant's storefront; empty where nobody said."""

Phone = Annotated[Text, Field(max_length=50)]

Reason = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")]
"""Why somebody lets something stand: not only white space."""

Moment = Annotated[AwareDatetime, BeforeValidator(_as_text), AfterValidator(_in_utc)]
"""RFC 3339 with a zone; UTC from here on."""


def whole(least: int, most: int) -> Any:
    """For `Annotated[int, whole(0, 9)]`: a JSON number without a fraction; no text, no truth value."""
    return Field(ge=least, le=most, strict=True)


class Body(BaseModel):
    """What a command's body is made of; unknown fields are refused, so that none is lost in silence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

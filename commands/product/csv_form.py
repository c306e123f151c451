"""What does a row of an uploaded catalogue say, and what is wrong with it, in which column?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from commands.fields import Body
from commands.product.body import DetailsBody, PriceAmountBody, VariantBody
from domain.product import Channel
from domain.product.csv_file import COLUMNS, parted

NEEDED = ("product_id", "name", "sku")
ERROR = "error"
"""A column that a list of failed rows has, and that is passed over when it is uploaded again."""
STATUSES = ("", "draft", "active", "archived")
_PRICE = re.compile(r"(?P<channel>[^ ]+) (?P<currency>[A-Z]{3}) (?P<cents>[0-9]{1,16})")


class RowRefused(Exception):
    """What is wrong with a row: in which column, and what to do."""

    def __init__(self, column: str, message: str) -> None:
        super().__init__(message)
        self.column = column
        self.message = message


class Row(Body):
    """A row that can be carried out."""

    product_id: str
    details: DetailsBody
    variant: VariantBody
    prices: tuple[PriceAmountBody, ...]
    channels: tuple[Channel, ...] | None
    status: str


def row_of(cells: dict[str, str]) -> Row:
    """Raises RowRefused for the first thing that is wrong."""
    for column in NEEDED:
        if not cells.get(column):
            raise RowRefused(column, f"it is empty: each row needs {', '.join(NEEDED)}")
    status = cells.get("status", "")
    if status not in STATUSES:
        raise RowRefused("status", f"{status} is no status: say draft, active or archived, or nothing")
    details = {name: cells.get(name, "") for name in ("name", "description", "brand")}
    measures = {name: _measure(name, cells) for name in ("weight_g", "length_cm", "height_cm", "width_cm")}
    variant = {"sku": cells["sku"], "gtin": cells.get("gtin") or None, **measures}
    return Row(
        product_id=_product_id(cells["product_id"]),
        details=_made(
            DetailsBody,
            {
                **details,
                "category": cells.get("category") or None,
                "options": parted(cells.get("options", "")),
            },
            "options",
        ),
        variant=_made(
            VariantBody, {**variant, "options": parted(cells.get("option_values", ""))}, "option_values"
        ),
        prices=tuple(_price(each) for each in parted(cells.get("prices", ""))),
        channels=_channels(cells["channels"]) if "channels" in cells else None,
        status=status,
    )


def _product_id(text: str) -> str:
    if len(text.encode()) > 100 or re.search(r"[\s/\x00-\x1f\x7f]", text) or text.startswith("."):
        raise RowRefused("product_id", "at most 100 bytes, no white space, no slash, no dot in front")
    return text


def _measure(name: str, cells: dict[str, str]) -> int | None:
    text = cells.get(name, "")
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise RowRefused(name, f"{text[:40]} is no whole number: write digits alone")
    return int(text)


def _price(text: str) -> PriceAmountBody:
    found = _PRICE.fullmatch(text)
    if not found:
        raise RowRefused(
            "prices", f"{text[:60]} is no price: write channel, currency and minor units, as in web EUR 1990"
        )
    price = {"channel": found["channel"], "currency": found["currency"], "price_cents": int(found["cents"])}
    made: PriceAmountBody = _made(PriceAmountBody, price, "prices")
    return made


def _channels(cell: str) -> tuple[str, ...]:
    channels = tuple(parted(cell))
    for each in channels:
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,59}", each):
            raise RowRefused("channels", f"{each[:60]} is no channel: lower case letters, digits, _ and -")
    return channels


def _made(body: type[Any], values: dict[str, Any], lists: str) -> Any:
    try:
        return body.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        column = lists if name == "options" or body is PriceAmountBody else name
        raise RowRefused(column, first["msg"].removeprefix("Value error, ")) from None


def header_of(names: Sequence[str]) -> list[str]:
    """The columns of a file, by its first row. Raises RowRefused."""
    header = [name.strip().lower() for name in names]
    for name in header:
        if name not in (*COLUMNS, ERROR):
            raise RowRefused(name[:60], f"there is no such column; there are {', '.join(COLUMNS)}")
        if header.count(name) > 1:
            raise RowRefused(name, "the column stands there twice")
    if missing := [name for name in NEEDED if name not in header]:
        raise RowRefused(missing[0], f"the first row must name the columns {', '.join(NEEDED)} at least")
    return header

"""How is each file of the Olist dataset laid out: its name, its columns, and how a value is written?

The reader and the writer work from the same tables, so that neither knows a column that the other doesn't.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from sys import intern
from typing import Any, Generic, TypeVar

from domain.money import parse_cents
from services.play.rows import (
    STATUSES,
    CustomerRow,
    ItemRow,
    OrderRow,
    PaymentRow,
    ProductRow,
    ReviewRow,
    SellerRow,
    TranslationRow,
)

ID_LENGTH_MAX = 150
"""Ids of merchant orders and payments are made from an order's id and must stay under 200."""

_AMOUNT = re.compile(r"[0-9]{1,12}(\.[0-9]+)?")
_STAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Kind:
    """How a value is read (ValueError says what is wrong with it) and written."""

    parse: Callable[[str], Any]
    write: Callable[[Any], str]


def _id(text: str) -> str:
    if not text:
        raise ValueError("it is empty")
    if len(text) > ID_LENGTH_MAX:
        raise ValueError(f"it is longer than {ID_LENGTH_MAX} characters")
    return intern(text)


def _status(text: str) -> str:
    if text not in STATUSES:
        raise ValueError(f"{text!r} is no status; known are {', '.join(sorted(STATUSES))}")
    return intern(text)


def _moment(text: str) -> datetime:
    if not _STAMP.fullmatch(text):
        raise ValueError(f"{text!r} is no time like 2017-05-28 13:59:00")
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError as error:
        raise ValueError(f"{text!r} is no time: {error}") from None


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise ValueError(f"{text!r} is no whole number")
    return int(text)


def _positive(text: str) -> int:
    number = _whole(text)
    if number == 0:
        raise ValueError("it must count from 1")
    return number


def _score(text: str) -> int:
    number = _whole(text)
    if not 1 <= number <= 5:
        raise ValueError(f"{text!r} is no score from 1 to 5")
    return number


def _amount(text: str) -> int:
    if not _AMOUNT.fullmatch(text):
        raise ValueError(f"{text!r} is no amount like 58.9")
    return parse_cents(text)


def _write_amount(cents: int) -> str:
    """As the dataset writes it, without the last zero: 5890 is `58.9`, 0 is `0.0`."""
    whole, rest = divmod(cents, 100)
    return f"{whole}.{rest:02d}".removesuffix("0")


def _write_moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _optional(kind: Kind) -> Kind:
    """An empty field is None."""
    parse, write = kind.parse, kind.write
    return Kind(
        lambda text: parse(text) if text else None, lambda value: "" if value is None else write(value)
    )


ID = Kind(_id, str)
WORD = Kind(intern, str)
TEXT = Kind(str, str)
STATUS = Kind(_status, str)
MOMENT = Kind(_moment, _write_moment)
WHOLE = Kind(_whole, str)
POSITIVE = Kind(_positive, str)
SCORE = Kind(_score, str)
AMOUNT = Kind(_amount, _write_amount)
ZIP = Kind(lambda text: intern(text.zfill(5)), str)
ZIP_AS_NUMBER = Kind(ZIP.parse, lambda zip_prefix: zip_prefix.lstrip("0") or "0")
MAYBE_ID, MAYBE_MOMENT, MAYBE_WHOLE = _optional(ID), _optional(MOMENT), _optional(WHOLE)

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Table(Generic[Row]):
    """One file. `columns` stand in the order of the row's fields, which is the file's own.

    The last row of a file must end with a line break, or it may be cut off unseen (half an amount is an
    amount too). Only the dataset's translation comes without one: its `whole_lines` is False.
    """

    name: str
    row: type[Row]
    columns: dict[str, Kind]
    byte_order_mark: bool = False
    whole_lines: bool = True


ORDERS = Table(
    "olist_orders_dataset.csv",
    OrderRow,
    {
        "order_id": ID,
        "customer_id": ID,
        "order_status": STATUS,
        "order_purchase_timestamp": MOMENT,
        "order_approved_at": MAYBE_MOMENT,
        "order_delivered_carrier_date": MAYBE_MOMENT,
        "order_delivered_customer_date": MAYBE_MOMENT,
        "order_estimated_delivery_date": MAYBE_MOMENT,
    },
)
ITEMS = Table(
    "olist_order_items_dataset.csv",
    ItemRow,
    {
        "order_id": ID,
        "order_item_id": POSITIVE,
        "product_id": ID,
        "seller_id": ID,
        "shipping_limit_date": MOMENT,
        "price": AMOUNT,
        "freight_value": AMOUNT,
    },
)
PAYMENTS = Table(
    "olist_order_payments_dataset.csv",
    PaymentRow,
    {
        "order_id": ID,
        "payment_sequential": POSITIVE,
        "payment_type": ID,
        "payment_installments": WHOLE,
        "payment_value": AMOUNT,
    },
)
CUSTOMERS = Table(
    "olist_customers_dataset.csv",
    CustomerRow,
    {
        "customer_id": ID,
        "customer_unique_id": ID,
        "customer_zip_code_prefix": ZIP_AS_NUMBER,
        "customer_city": WORD,
        "customer_state": WORD,
    },
)
PRODUCTS = Table(
    "olist_products_dataset.csv",
    ProductRow,
    {
        "product_id": ID,
        "product_category_name": MAYBE_ID,
        "product_name_lenght": MAYBE_WHOLE,  # the dataset's own spelling
        "product_description_lenght": MAYBE_WHOLE,
        "product_photos_qty": MAYBE_WHOLE,
        "product_weight_g": MAYBE_WHOLE,
        "product_length_cm": MAYBE_WHOLE,
        "product_height_cm": MAYBE_WHOLE,
        "product_width_cm": MAYBE_WHOLE,
    },
)
SELLERS = Table(
    "olist_sellers_dataset.csv",
    SellerRow,
    {
        "seller_id": ID,
        "seller_zip_code_prefix": ZIP,
        "seller_city": WORD,
        "seller_state": WORD,
    },
)
TRANSLATIONS = Table(
    "product_category_name_translation.csv",
    TranslationRow,
    {"product_category_name": ID, "product_category_name_english": ID},
    byte_order_mark=True,
    whole_lines=False,
)
REVIEWS = Table(
    "olist_order_reviews_dataset.csv",
    ReviewRow,
    {
        "review_id": ID,
        "order_id": ID,
        "review_score": SCORE,
        "review_comment_title": TEXT,
        "review_comment_message": TEXT,
        "review_creation_date": MOMENT,
        "review_answer_timestamp": MOMENT,
    },
)
GEOLOCATION = "olist_geolocation_dataset.csv"
"""Where zip prefixes lie: nothing in trade needs it, so it is not read."""

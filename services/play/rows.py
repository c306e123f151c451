"""What do the files of the Olist dataset hold, once parsed?

One slotted row a record, in the order of the file's columns. Money is in cents, stamps are UTC (the files
name no zone), zip prefixes are text of five digits. `line` is where the record begins in its file; it says
where a row came from and is no part of what it says, so rows are equal without it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar

STATUSES = frozenset(
    {"created", "approved", "invoiced", "processing", "shipped", "delivered", "unavailable", "canceled"}
)


@dataclass(frozen=True, slots=True)
class OrderRow:
    order_id: str
    customer_id: str
    status: str
    purchased_at: datetime
    approved_at: datetime | None
    carrier_at: datetime | None
    delivered_at: datetime | None
    estimated_at: datetime | None
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class ItemRow:
    """One unit of a product, sold by one seller."""

    order_id: str
    item: int
    product_id: str
    seller_id: str
    shipping_limit_at: datetime
    price_cents: int
    freight_cents: int
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class PaymentRow:
    order_id: str
    sequence: int
    method: str
    installments: int
    amount_cents: int
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class CustomerRow:
    """`customer_id` is one an order; `customer_unique_id` is the person."""

    customer_id: str
    customer_unique_id: str
    zip_prefix: str
    city: str
    state: str
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class ProductRow:
    product_id: str
    category: str | None
    name_length: int | None
    description_length: int | None
    photos: int | None
    weight_g: int | None
    length_cm: int | None
    height_cm: int | None
    width_cm: int | None
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class SellerRow:
    seller_id: str
    zip_prefix: str
    city: str
    state: str
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class TranslationRow:
    category: str
    english: str
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """Review ids are not unique in the dataset."""

    review_id: str
    order_id: str
    score: int
    title: str
    message: str
    created_at: datetime
    answered_at: datetime
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class OlistRows:
    """The whole dataset. Every item, payment and review is of an order that is here, and every order's
    customer, every item's product and seller are here too. `unread` names files that are there but not read.
    """

    orders: tuple[OrderRow, ...]
    items: tuple[ItemRow, ...]
    payments: tuple[PaymentRow, ...]
    customers: tuple[CustomerRow, ...]
    products: tuple[ProductRow, ...]
    sellers: tuple[SellerRow, ...]
    translations: tuple[TranslationRow, ...]
    reviews: tuple[ReviewRow, ...] = ()
    unread: tuple[str, ...] = ()


class OfOrder(Protocol):
    @property
    def order_id(self) -> str: ...


Row = TypeVar("Row", bound=OfOrder)


def by_order(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """The rows of each order, in the order they stand; an order without any is not in the mapping."""
    grouped: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row.order_id].append(row)
    return dict(grouped)

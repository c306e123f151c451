"""Which price held when, of each variant on each channel in each currency, and which is to come?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.kernel import Fact
from domain.product import PriceSet, PriceWithdrawn
from projections.read_model import ReadModel, Rows


@dataclass(slots=True)
class PriceKey:
    merchant: str
    product_id: str
    sku: str
    channel: str
    currency: str
    valid_from: datetime


@dataclass(slots=True)
class PriceRow:
    merchant: str
    product_id: str
    sku: str
    channel: str
    currency: str
    valid_from: datetime
    price_cents: int
    set_at: datetime


def project(facts: Sequence[Fact]) -> Rows:
    """A point that was set and withdrawn in one batch was never there."""
    prices: dict[tuple[Any, ...], PriceRow | None] = {}
    for fact in facts:
        event: Any = fact.event
        key = (fact.merchant, event.product_id, event.sku, event.channel, event.currency, event.valid_from)
        set_ = isinstance(event, PriceSet)
        prices[key] = PriceRow(*key, event.price_cents, event.set_at) if set_ else None
    return {
        "set_prices": [row for row in prices.values() if row],
        "withdraw_prices": [PriceKey(*key) for key, row in prices.items() if row is None],
    }


PRODUCT_PRICES = ReadModel("product_prices", ("product_prices",), (PriceSet, PriceWithdrawn), project)

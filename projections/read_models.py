"""Which read models are there, and which of their columns hold personal data in plain text?"""

from __future__ import annotations

from domain.kernel import Event
from domain.order import OrderPlaced
from projections.categories import CATEGORIES
from projections.checkouts import CHECKOUTS
from projections.late_deliveries import LATE_DELIVERIES
from projections.merchant_overview import MERCHANT_OVERVIEW
from projections.merchants import MERCHANTS
from projections.order_lines import ORDER_LINES
from projections.order_timeline import ORDER_TIMELINE
from projections.orders import ORDERS
from projections.payments import PAYMENTS
from projections.products import PRODUCTS
from projections.read_model import ReadModel
from projections.sales import SALES
from projections.shipments import SHIPMENTS
from projections.stock_levels import STOCK_LEVELS

READ_MODELS: dict[str, ReadModel] = {
    each.name: each
    for each in (
        ORDERS,
        ORDER_LINES,
        ORDER_TIMELINE,
        STOCK_LEVELS,
        PAYMENTS,
        SHIPMENTS,
        SALES,
        LATE_DELIVERIES,
        MERCHANT_OVERVIEW,
        MERCHANTS,
        PRODUCTS,
        CATEGORIES,
        CHECKOUTS,
    )
}

OPENED: frozenset[type[Event]] = frozenset({OrderPlaced})
"""Events whose personal fields read models see in plain text; those of every other event stay sealed."""

PERSONAL_COLUMNS: dict[str, tuple[str, ...]] = {
    table: columns for each in READ_MODELS.values() for table, columns in each.personal.items()
}
"""Table -> columns that erasing a person sets to NULL; the rows are found by `subject`."""

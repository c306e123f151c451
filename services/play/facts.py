"""What must be found once a dataset is played: each fact with its value and what it means?

Computed straight from the rows, by no code that the play itself uses for its money: an oracle, not an echo.
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal, InvalidOperation
from typing import Any

from domain.money import format_cents
from services.play.core_facts import core_facts
from services.play.fact import Facts, fact
from services.play.rows import OlistRows, OrderRow, by_order


def compute_facts(rows: OlistRows) -> Facts:
    """Facts by the keys of the dataset's oracles, and `tillroll.…` beside them."""
    return {
        **{f"olist_core.{name}": each for name, each in core_facts(rows).items()},
        **{f"olist_catalogue.{name}": each for name, each in _catalogue_facts(rows).items()},
        **{f"tillroll.{name}": each for name, each in _tillroll_facts(rows).items()},
    }


def matches(expected: Any, found: Any) -> bool:
    """Equal, where numbers are compared as numbers also as text: `3999.9` is `3999.90`."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return expected.keys() == found.keys() and all(
            matches(value, found[key]) for key, value in expected.items()
        )
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(map(matches, expected, found))
    if isinstance(expected, str) and isinstance(found, str) and expected != found:
        try:
            return Decimal(expected) == Decimal(found)
        except InvalidOperation:
            return False
    return bool(expected == found)


def _catalogue_facts(rows: OlistRows) -> Facts:
    products = rows.products
    categories = {row.category for row in products if row.category}
    translated = {row.category for row in rows.translations}
    return {
        "products": fact(len(products), "products"),
        "products_without_category": fact(
            sum(row.category is None for row in products), "products without a category"
        ),
        "products_without_dimensions": fact(
            sum(row.weight_g is None for row in products), "products without a weight"
        ),
        "products_zero_weight": fact(sum(row.weight_g == 0 for row in products), "products of weight 0"),
        "categories": fact(len(categories), "distinct categories"),
        "translations": fact(len(rows.translations), "translations of categories"),
        "categories_untranslated": fact(sorted(categories - translated), "categories without a translation"),
        "sellers": fact(len(rows.sellers), "sellers"),
        "sellers_city_numeric": fact(
            sum(row.city.isdigit() for row in rows.sellers), "sellers whose city is a number"
        ),
        "sellers_zip_leading_zero": fact(
            sum(row.zip_prefix.startswith("0") for row in rows.sellers), "sellers whose zip begins with 0"
        ),
    }


def _tillroll_facts(rows: OlistRows) -> Facts:
    """What only working agents can earn: where the money of every order ends, and how orders divide."""
    payments, items = by_order(rows.payments), by_order(rows.items)
    cents: Counter[str] = Counter()
    merchant_orders = portions = 0
    for order in rows.orders:
        paid = payments.get(order.order_id, [])
        sellers = {item.seller_id for item in items.get(order.order_id, [])}
        cents[_money_ends(order)] += sum(payment.amount_cents for payment in paid)
        merchant_orders += max(1, len(sellers))
        portions += max(1, len(sellers)) * len(paid)
    meanings = {
        "captured": "money captured and kept: of orders that were handed over and not called off",
        "refunded": "money captured and refunded: of orders called off after they were handed over",
        "voided": "money authorised and voided: of orders called off before they were handed over",
        "never_approved": "money never authorised: of orders neither approved nor handed over",
        "open": "money authorised and not yet captured: of orders still open",
    }
    return {
        **{name: fact(format_cents(cents[name]), what) for name, what in meanings.items()},
        "merchant_orders": fact(merchant_orders, "orders of one merchant; one without items is the house's"),
        "payment_portions": fact(portions, "payments of merchant orders, those of zero included"),
    }


def _money_ends(order: OrderRow) -> str:
    handed_over = (
        order.carrier_at is not None
        or order.delivered_at is not None
        or order.status in ("shipped", "delivered")
    )
    called_off = order.status in ("canceled", "unavailable")
    if handed_over:
        return "refunded" if called_off else "captured"
    if order.approved_at is None and order.status in ("created", "canceled", "unavailable"):
        return "never_approved"
    return "voided" if called_off else "open"

"""What must be true of the trade in a dataset: counts, sums and oddities of its orders, from the rows alone.

The keys are those of the dataset's oracles. Money is in decimal strings, stamps as the dataset writes them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from domain.money import format_cents
from services.play.fact import Facts, count, fact, written
from services.play.rows import ItemRow, OlistRows, PaymentRow, by_order
from services.play.stamp_facts import stamp_facts


def core_facts(rows: OlistRows) -> Facts:
    """The facts of orders, items, payments and customers, without a prefix."""
    trade = _Trade(rows, by_order(rows.items), by_order(rows.payments))
    return {
        **_sizes(rows),
        **_calendar(rows),
        **_money(rows),
        **_paid_against_due(trade),
        **_orders(trade),
        **_payments(trade),
        **_items(trade),
        **stamp_facts(rows),
        **_rankings(rows),
    }


@dataclass(frozen=True, slots=True)
class _Trade:
    rows: OlistRows
    items: dict[str, list[ItemRow]]
    payments: dict[str, list[PaymentRow]]


def _several(groups: Mapping[str, list[Any]], key: Callable[[Any], Hashable]) -> int:
    """Groups whose rows have more than one value of `key`."""
    return count(groups.values(), lambda group: len({key(row) for row in group}) > 1)


def _sizes(rows: OlistRows) -> Facts:
    people_by_customer = {row.customer_id: row.customer_unique_id for row in rows.customers}
    people = Counter(people_by_customer[order.customer_id] for order in rows.orders)
    return {
        "orders": fact(len(rows.orders), "orders"),
        "order_items": fact(len(rows.items), "items, each one unit"),
        "payments": fact(len(rows.payments), "payments"),
        "customers": fact(len(rows.customers), "customers, one an order"),
        "customers_unique": fact(
            len(set(people_by_customer.values())), "distinct people (customer_unique_id)"
        ),
        "customers_repeat": fact(count(people.values(), lambda n: n > 1), "people with more than one order"),
    }


def _calendar(rows: OlistRows) -> Facts:
    stamps = sorted(order.purchased_at for order in rows.orders)
    months = Counter(f"{at:%Y-%m}" for at in stamps)
    return {
        "orders_per_status": fact(
            dict(Counter(order.status for order in rows.orders).most_common()), "orders by source status"
        ),
        "orders_per_month": fact(dict(months), "orders by month of purchase"),
        "first_purchase": fact(written(stamps[0]) if stamps else None, "earliest purchase"),
        "last_purchase": fact(written(stamps[-1]) if stamps else None, "latest purchase"),
    }


def _money(rows: OlistRows) -> Facts:
    price = sum(item.price_cents for item in rows.items)
    freight = sum(item.freight_cents for item in rows.items)
    by_type: defaultdict[str, int] = defaultdict(int)
    for payment in rows.payments:
        by_type[payment.method] += payment.amount_cents
    counts = Counter(payment.method for payment in rows.payments)
    return {
        "sum_price": fact(format_cents(price), "sum of item prices"),
        "sum_freight": fact(format_cents(freight), "sum of item freights"),
        "sum_price_plus_freight": fact(format_cents(price + freight), "sum of prices and freights"),
        "sum_payments": fact(format_cents(sum(by_type.values())), "sum of payments"),
        "sum_payments_by_type": fact(
            {kind: format_cents(by_type[kind]) for kind in sorted(by_type)}, "sum of payments by type"
        ),
        "payments_by_type": fact(dict(counts.most_common()), "payments by type"),
    }


def _paid_against_due(trade: _Trade) -> Facts:
    differences = [
        sum(payment.amount_cents for payment in trade.payments[order_id])
        - sum(item.price_cents + item.freight_cents for item in items)
        for order_id, items in trade.items.items()
        if order_id in trade.payments
    ]
    return {
        "orders_paid_differs_gt_1c": fact(
            count(differences, lambda cents: abs(cents) > 1), "orders paid and due, over a cent apart"
        ),
        "orders_paid_over_gt_1c": fact(count(differences, lambda cents: cents > 1), "of those, paid more"),
        "orders_paid_under_gt_1c": fact(count(differences, lambda cents: cents < -1), "of those, paid less"),
        "orders_paid_differs_1c_exactly": fact(
            count(differences, lambda cents: abs(cents) == 1), "orders off by exactly one cent"
        ),
        "sum_paid_minus_due": fact(format_cents(sum(differences)), "sum of paid less due"),
    }


def _orders(trade: _Trade) -> Facts:
    empty = [order for order in trade.rows.orders if order.order_id not in trade.items]
    by_status = Counter(order.status for order in empty)
    pairs = {(item.order_id, item.seller_id) for item in trade.rows.items}
    lines = {(item.order_id, item.product_id, item.seller_id) for item in trade.rows.items}
    sizes = [len(items) for items in trade.items.values()]
    repeated = count(
        trade.items.values(), lambda items: len({item.product_id for item in items}) < len(items)
    )
    return {
        "orders_without_items": fact(len(empty), "orders without items"),
        "orders_without_items_by_status": fact(dict(by_status.most_common()), "the same by status"),
        "orders_without_payment": fact(
            count(trade.rows.orders, lambda order: order.order_id not in trade.payments),
            "orders without a payment",
        ),
        "orders_multi_item": fact(count(sizes, lambda n: n > 1), "orders of several units"),
        "max_items_in_order": fact(max(sizes, default=0), "most units in one order"),
        "orders_multi_seller": fact(
            _several(trade.items, lambda item: item.seller_id), "orders of several sellers"
        ),
        "order_seller_pairs": fact(len(pairs), "distinct (order, seller)"),
        "order_lines_grouped": fact(len(lines), "distinct (order, product, seller)"),
        "orders_same_product_repeated": fact(repeated, "orders with several units of one product"),
    }


def _payments(trade: _Trade) -> Facts:
    payments = trade.rows.payments
    sequences = [sorted(row.sequence for row in group) for group in trade.payments.values()]
    return {
        "orders_multi_payment": fact(
            count(sequences, lambda numbers: len(numbers) > 1), "orders with several payments"
        ),
        "max_payments_in_order": fact(max(map(len, sequences), default=0), "most payments on one order"),
        "orders_mixed_payment_types": fact(
            _several(trade.payments, lambda row: row.method), "orders paid by several types"
        ),
        "payments_zero_value": fact(count(payments, lambda row: row.amount_cents == 0), "payments of zero"),
        "payments_not_defined": fact(
            count(payments, lambda row: row.method == "not_defined"), "payments of type not_defined"
        ),
        "payments_installments_zero": fact(
            count(payments, lambda row: row.installments == 0), "payments in zero instalments"
        ),
        "orders_payment_seq_not_from_1": fact(
            count(sequences, lambda numbers: numbers[0] != 1), "orders whose payments don't count from 1"
        ),
        "orders_payment_seq_gap": fact(
            count(sequences, lambda numbers: numbers != list(range(1, len(numbers) + 1))),
            "orders whose payments are not numbered 1 to n",
        ),
    }


def _items(trade: _Trade) -> Facts:
    prices = [item.price_cents for item in trade.rows.items]
    sequences = [sorted(item.item for item in group) for group in trade.items.values()]
    return {
        "items_freight_zero": fact(
            count(trade.rows.items, lambda item: item.freight_cents == 0), "items without freight"
        ),
        "items_price_min_max": fact(
            [format_cents(min(prices)), format_cents(max(prices))] if prices else None,
            "lowest and highest price of an item",
        ),
        "items_seq_gap": fact(
            count(sequences, lambda numbers: numbers != list(range(1, len(numbers) + 1))),
            "orders whose items are not numbered 1 to n",
        ),
    }


def _top(amounts: Mapping[str, int], places: int) -> list[tuple[str, int]]:
    return sorted(amounts.items(), key=lambda pair: (-pair[1], pair[0]))[:places]


def _rankings(rows: OlistRows) -> Facts:
    categories = {row.product_id: row.category for row in rows.products}
    states = {row.customer_id: row.state for row in rows.customers}
    by_category: Counter[str] = Counter()
    by_seller: Counter[str] = Counter()
    for item in rows.items:
        by_category[categories[item.product_id] or "(none)"] += item.price_cents
        by_seller[item.seller_id] += item.price_cents
    by_state = Counter(states[order.customer_id] for order in rows.orders)
    return {
        "top10_categories_by_price": fact(
            {name: format_cents(cents) for name, cents in _top(by_category, 10)},
            "the ten categories of most sales by price; (none) is no category",
        ),
        "items_without_category": fact(
            count(rows.items, lambda item: categories[item.product_id] is None),
            "items of products without a category",
        ),
        "sellers_with_sales": fact(len(by_seller), "sellers who sold"),
        "top3_sellers_by_price": fact(
            {name: format_cents(cents) for name, cents in _top(by_seller, 3)},
            "the three sellers of most sales by price",
        ),
        "orders_per_state_top5": fact(
            dict(_top(by_state, 5)), "orders by the customer's state, the five highest"
        ),
    }

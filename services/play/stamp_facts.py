"""What must be true of the stamps in a dataset: which are missing, out of order, or late."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from services.play.fact import Facts, count, fact, written
from services.play.rows import OlistRows, OrderRow


def stamp_facts(rows: OlistRows) -> Facts:
    """The facts of approval, hand-over, delivery and the sellers' limits, without a prefix."""
    return {
        **_deliveries(rows),
        **_missing_stamps(rows),
        **_stamps_out_of_order(rows),
        **_shipping_limits(rows),
    }


def _deliveries(rows: OlistRows) -> Facts:
    orders = rows.orders
    dated = [
        (order.delivered_at, order.estimated_at)
        for order in orders
        if order.delivered_at and order.estimated_at
    ]
    delivered = [order for order in orders if order.status == "delivered"]
    canceled = [order for order in orders if order.status == "canceled"]
    return {
        "delivered_after_estimate": fact(
            count(dated, lambda pair: pair[0] > pair[1]), "delivered after the estimated moment"
        ),
        "delivered_after_estimate_day": fact(
            count(dated, lambda pair: pair[0].date() > pair[1].date()), "delivered after the estimated day"
        ),
        "delivered_no_customer_date": fact(
            count(delivered, lambda order: not order.delivered_at), "delivered, undated"
        ),
        "delivered_no_carrier_date": fact(
            count(delivered, lambda order: not order.carrier_at), "delivered, never handed over"
        ),
        "delivered_no_approved_at": fact(
            count(delivered, lambda order: not order.approved_at), "delivered, never approved"
        ),
        "canceled_with_delivery": fact(
            count(canceled, lambda order: bool(order.delivered_at)), "cancelled although delivered"
        ),
        "canceled_with_carrier": fact(
            count(canceled, lambda order: bool(order.carrier_at)), "cancelled although handed over"
        ),
    }


def _missing_stamps(rows: OlistRows) -> Facts:
    orders = rows.orders
    return {
        "no_approved_at": fact(count(orders, lambda order: not order.approved_at), "never approved"),
        "no_carrier_date": fact(count(orders, lambda order: not order.carrier_at), "never handed over"),
        "no_customer_date": fact(count(orders, lambda order: not order.delivered_at), "never delivered"),
        "delivered_but_no_carrier": fact(
            count(orders, lambda order: bool(order.delivered_at and not order.carrier_at)),
            "a delivery without a hand-over",
        ),
    }


def _precedes(first: datetime | None, second: datetime | None) -> bool:
    return first is not None and second is not None and first < second


_OUT_OF_ORDER: dict[str, tuple[Callable[[OrderRow], bool], str]] = {
    "approved_before_purchase": (
        lambda order: _precedes(order.approved_at, order.purchased_at),
        "approved before the purchase",
    ),
    "carrier_before_approved": (
        lambda order: _precedes(order.carrier_at, order.approved_at),
        "handed over before the approval",
    ),
    "carrier_before_purchase": (
        lambda order: _precedes(order.carrier_at, order.purchased_at),
        "handed over before the purchase",
    ),
    "delivered_before_carrier": (
        lambda order: _precedes(order.delivered_at, order.carrier_at),
        "delivered before handed over",
    ),
    "delivered_before_approved": (
        lambda order: _precedes(order.delivered_at, order.approved_at),
        "delivered before the approval",
    ),
}


def _stamps_out_of_order(rows: OlistRows) -> Facts:
    facts = {name: fact(count(rows.orders, holds), what) for name, (holds, what) in _OUT_OF_ORDER.items()}
    any_of_them = count(rows.orders, lambda order: any(holds(order) for holds, _ in _OUT_OF_ORDER.values()))
    return {
        **facts,
        "approved_equals_purchase": fact(
            count(rows.orders, lambda order: order.approved_at == order.purchased_at),
            "approved at the moment of purchase",
        ),
        "any_out_of_order": fact(any_of_them, "orders with any of their stamps out of order"),
    }


def _shipping_limits(rows: OlistRows) -> Facts:
    orders = {order.order_id: order for order in rows.orders}
    items = rows.items
    latest = max((item.shipping_limit_at for item in items), default=None)
    return {
        "items_limit_before_purchase": fact(
            count(items, lambda item: item.shipping_limit_at < orders[item.order_id].purchased_at),
            "items to be shipped before they were bought",
        ),
        "items_shipped_after_limit": fact(
            count(items, lambda item: _precedes(item.shipping_limit_at, orders[item.order_id].carrier_at)),
            "items handed over after the seller's limit",
        ),
        "shipping_limit_max": fact(written(latest) if latest else None, "latest shipping limit"),
    }

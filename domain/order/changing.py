"""What becomes of an order's money and units when its lines change? Everything adds up, to the cent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from domain.money import split_by_largest_remainder
from domain.order.state import Order
from domain.order.values import Line, PaymentChange, ProductChange, UnitsChange


def units_changed(order: Order, after: Mapping[int, Line]) -> tuple[UnitsChange, ...]:
    """By product and warehouse: how many are wanted after the change, where that is another number."""
    before, now = _units(order.lines.values()), _units(after.values())
    return tuple(
        UnitsChange(sku=sku, warehouse=warehouse, quantity=now[sku, warehouse], change=change)
        for sku, warehouse in sorted({**before, **now})
        if (change := now[sku, warehouse] - before[sku, warehouse])
    )


def _units(lines: Iterable[Line]) -> Counter[tuple[str, str]]:
    units: Counter[tuple[str, str]] = Counter()
    for line in lines:
        units[line.sku, line.warehouse] += line.quantity
    return units


Sums = tuple[int, int, int]


def products_changed(order: Order, after: Mapping[int, Line]) -> tuple[ProductChange, ...]:
    """By product and category: units, their prices and their shipping, where any of it is another sum."""
    before, now = _sold(order.lines.values()), _sold(after.values())
    none: Sums = (0, 0, 0)
    changes = []
    for key in sorted({**before, **now}, key=lambda each: (each[0], each[1] or "")):
        units, items, shipping = (
            new - old for new, old in zip(now.get(key, none), before.get(key, none), strict=True)
        )
        if units or items or shipping:
            sums = {"units_change": units, "items_change_cents": items, "shipping_change_cents": shipping}
            changes.append(ProductChange(sku=key[0], category=key[1], **sums))
    return tuple(changes)


def _sold(lines: Iterable[Line]) -> dict[tuple[str, str | None], Sums]:
    sold: dict[tuple[str, str | None], Sums] = {}
    for line in lines:
        units, items, shipping = sold.get((line.sku, line.category), (0, 0, 0))
        sold[line.sku, line.category] = (
            units + line.quantity,
            items + line.quantity * line.unit_price_cents,
            shipping + line.quantity * line.unit_shipping_cents,
        )
    return sold


def items_cents(lines: Iterable[Line]) -> int:
    return sum(line.quantity * line.unit_price_cents for line in lines)


def shipping_cents(lines: Iterable[Line]) -> int:
    return sum(line.quantity * line.unit_shipping_cents for line in lines)


def adjustment_left(order: Order, after: Mapping[int, Line]) -> int:
    """Of surcharges and shortfalls on the whole, what stays with the lines that stay: by their value."""
    kept = sum(line.total_cents for line in after.values())
    gone = sum(line.total_cents for line in order.lines.values()) - kept
    if not order.adjustment_cents or not gone:
        return order.adjustment_cents
    share = split_by_largest_remainder(abs(order.adjustment_cents), (kept, gone))[0]
    return share if order.adjustment_cents > 0 else -share


def less_money(order: Order, cents: int) -> tuple[PaymentChange, ...]:
    """`cents` less are due: first what no payment brings, then each brings less in proportion, by largest
    remainder."""
    payments = sorted(order.payments.items())
    unpaid = max(0, order.total_cents - sum(due.amount_cents for _, due in payments))
    cents = max(0, cents - unpaid)
    if not cents or not payments:
        return ()
    parts = split_by_largest_remainder(cents, [due.amount_cents for _, due in payments])
    return tuple(
        PaymentChange(
            payment_id=payment_id,
            method=due.method,
            amount_cents=due.amount_cents - part,
            change_cents=-part,
        )
        for (payment_id, due), part in zip(payments, parts, strict=True)
        if part
    )


def more_money(order: Order, cents: int, payment_id: str, method: str | None) -> tuple[PaymentChange, ...]:
    """`cents` more are due: a payment of their own brings them, unless the order is on account."""
    if not cents or order.on_account:
        return ()
    usual = next((due.method for _, due in sorted(order.payments.items())), "card")
    change = {"amount_cents": cents, "change_cents": cents}
    return (PaymentChange(payment_id=payment_id, method=method or usual, **change),)

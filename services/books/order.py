"""Does an order that is over keep what it is worth, and nothing else? From the log itself.

Each payment may balance by itself, and the order be paid twice all the same. So of all payments of an order
together, where `kept` is what was captured, less what was asked to be given back and what a bank took back:

- a completed one keeps no more than its total; and all of it was captured, unless goods came back;
- a cancelled one keeps nothing;
- of neither is anything held that nobody takes, or has asked to let go, and no stock is held for it.

Where the log has a discrepancy of the order's money, or of one of its payments, that is counted there; one of
its goods counts for its stock alone. An order is judged once its agents have seen all that happened to it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Literal, TypeAlias

from domain.carrier import ShipmentReturned
from domain.inventory import Stock
from domain.kernel import Fact
from domain.order import (
    DiscrepancyKind,
    OrderCancelled,
    OrderCompleted,
    OrderDiscrepancyOpened,
    OrderEdited,
    OrderLinesCancelled,
    OrderPlaced,
)
from domain.payment import AuthorizationRequested
from domain.streams import order_stream, stream_parts
from services.books.payment import PaymentBook

MONEY: frozenset[DiscrepancyKind] = frozenset({"not_captured", "not_refunded", "not_voided"})
OrderKey: TypeAlias = tuple[str, str]
"""Merchant and order."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What agents are done with: all up to a position, but of the streams in `parked` not all of it."""

    position: float = inf
    parked: Collection[str] = frozenset()

    def has(self, stream: str, position: int) -> bool:
        return position <= self.position and stream not in self.parked


@dataclass(slots=True)
class _Order:
    """`touched` is the position of the last event that names it; `payments` are streams."""

    ended: Literal["", "completed", "cancelled"] = ""
    touched: int = 0
    total_cents: int = 0
    on_account: bool = False
    contradicted: set[str] = field(default_factory=set)
    returned: bool = False
    payments: set[str] = field(default_factory=set)


class OrderBooks:
    """`take` every fact of orders, payments, parcels and stocks, in order, then ask for `faults`."""

    def __init__(self) -> None:
        self._orders: defaultdict[OrderKey, _Order] = defaultdict(_Order)

    def take(self, fact: Fact) -> None:
        order_id = getattr(fact.event, "order_id", "")
        if not order_id:
            return
        order = self._orders[fact.merchant, order_id]
        order.touched = fact.position
        match fact.event:
            case OrderPlaced(total_cents=cents, on_account=on_account):
                order.total_cents, order.on_account = cents, on_account
            case OrderLinesCancelled(total_cents=cents) | OrderEdited(total_cents=cents):
                order.total_cents = cents
            case OrderCompleted():
                order.ended = "completed"
            case OrderCancelled():
                order.ended = "cancelled"
            case OrderDiscrepancyOpened(kind=kind):
                order.contradicted.add(kind)
            case ShipmentReturned():
                order.returned = True
            case AuthorizationRequested():
                order.payments.add(fact.stream)

    def faults(
        self, payments: Mapping[str, PaymentBook], stocks: Mapping[str, Stock], seen: Seen
    ) -> Iterator[str]:
        """`payments` and `stocks` by their streams."""
        held = _held_by_order(stocks)
        for key, order in self._orders.items():
            stream = order_stream(*key)
            own = {name: payments[name] for name in sorted(order.payments)}
            if not order.ended or not seen.has(stream, order.touched):
                continue
            faults: list[str] = []
            if not (order.contradicted & MONEY or any(each.contradicted for each in own.values())):
                faults += _money_faults(order, own)
            if not order.contradicted - MONEY:
                faults += _stock_faults(order, held.get(key, ()))
            yield from (f"{stream}: {fault}" for fault in faults)


def _held_by_order(stocks: Mapping[str, Stock]) -> Mapping[OrderKey, list[str]]:
    """What is held for each order, or waited for, in words."""
    found: defaultdict[OrderKey, list[str]] = defaultdict(list)
    for stream, stock in stocks.items():
        merchant = stream_parts(stream)[0]
        for order_id, held in stock.held.items():
            found[merchant, order_id].append(f"{held.quantity} units of {stream} are held for it")
        for each in stock.waiting:
            found[merchant, each.order_id].append(f"it waits for {each.quantity} units of {stream}")
    return found


def _money_faults(order: _Order, payments: Mapping[str, PaymentBook]) -> Iterator[str]:
    captured = sum(each.money.captured_cents for each in payments.values())
    kept = sum(each.kept_cents for each in payments.values())
    if order.ended == "cancelled" and kept > 0:
        yield f"it is cancelled, and keeps {kept} cents of its payments"
    if order.ended == "completed" and not order.on_account:
        if kept > order.total_cents:
            yield f"it keeps {kept} cents of its payments, and comes to {order.total_cents}"
        if captured < order.total_cents and not order.returned:
            yield f"it is completed, and {captured} of {order.total_cents} cents were captured"
    for name, payment in payments.items():
        if cents := payment.forgotten_cents:
            yield f"it is {order.ended}, and {cents} cents of {name} are held that nobody has let go"


def _stock_faults(order: _Order, held: Sequence[str]) -> Iterator[str]:
    yield from (f"it is {order.ended}, and {each}" for each in held)

"""What became of each order, by our log; and what the provider and the carrier have in their own books."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

from domain.carrier import LabelBought, LabelRefused
from domain.kernel import Event, Fact
from domain.order import (
    OrderCancelled,
    OrderCompleted,
    OrderDiscrepancyOpened,
    OrderLinesCancelled,
    OrderPlaced,
)
from domain.payment import (
    AuthorizationRequested,
    PaymentCaptured,
    PaymentDiscrepancyOpened,
    PaymentMismatchOpened,
    PaymentRefunded,
)

PAGE = 1000


@dataclass(slots=True)
class OrderBook:
    """An order by our own log; `payments` are streams, as the provider knows them."""

    total_cents: int
    units: int
    ended: str = ""
    discrepancies: list[str] = field(default_factory=list)
    payments: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Books:
    """Folded from the log, event by event."""

    merchant: str
    orders: dict[str, OrderBook] = field(default_factory=dict)
    captured: Counter[str] = field(default_factory=Counter)
    refunded: Counter[str] = field(default_factory=Counter)
    mismatches: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    seen: Counter[str] = field(default_factory=Counter)
    refused: set[str] = field(default_factory=set)
    """Parcels that nobody takes, until a person books them anew."""

    def take(self, fact: Fact) -> None:
        if fact.merchant != self.merchant:
            return
        self.seen[type(fact.event).__name__] += 1
        match fact.event:
            case OrderPlaced() as event:
                units = sum(line.quantity for line in event.lines)
                self.orders[event.order_id] = OrderBook(event.total_cents, units)
            case OrderLinesCancelled(order_id=order_id, total_cents=total_cents):
                self.orders[order_id].total_cents = total_cents
            case OrderCompleted(order_id=order_id):
                self.orders[order_id].ended = "completed"
            case OrderCancelled(order_id=order_id, reason=reason):
                self.orders[order_id].ended = f"cancelled: {reason}"
            case OrderDiscrepancyOpened(order_id=order_id, kind=kind):
                self.orders[order_id].discrepancies.append(kind)
            case _:
                self._take_money(fact, fact.event)

    def _take_money(self, fact: Fact, event: Event) -> None:
        match event:
            case AuthorizationRequested(order_id=order_id):
                self.orders[order_id].payments.append(fact.stream)
            case PaymentCaptured(amount_cents=cents):
                self.captured[fact.stream] += cents
            case PaymentRefunded(amount_cents=cents):
                self.refunded[fact.stream] += cents
            case PaymentMismatchOpened(kind=kind) | PaymentDiscrepancyOpened(kind=kind):
                self.mismatches[fact.stream].append(kind)
            case LabelRefused(shipment_id=parcel):
                self.refused.add(parcel)
            case LabelBought(shipment_id=parcel):
                self.refused.discard(parcel)

    def waiting(self) -> list[str]:
        """Orders that are not over, and of which no discrepancy says why."""
        return [name for name, order in self.orders.items() if not (order.ended or order.discrepancies)]


@dataclass(frozen=True, slots=True)
class Outside:
    """What both worlds show to who asks them."""

    payments: dict[str, dict[str, Any]]
    shipments: list[dict[str, Any]]

    def captured(self, stream: str) -> int:
        return sum(each["amount_cents"] for each in self._of(stream).get("captures", ()))

    def refunded(self, stream: str) -> int:
        return sum(each["amount_cents"] for each in self._of(stream).get("refunds", ()))

    def taken_back(self, stream: str) -> int:
        """By the bank."""
        disputes = self._of(stream).get("disputes", ())
        return sum(each["amount_cents"] for each in disputes if each["status"] != "won")

    def left(self, stream: str) -> int:
        """What can be given back."""
        return self.captured(stream) - self.refunded(stream) - self.taken_back(stream)

    def _of(self, stream: str) -> dict[str, Any]:
        return self.payments.get(stream, {})

    def collected(self) -> Counter[str]:
        """Parcel (its stream) -> labels with which a carrier has taken it."""
        taken = (each for each in self.shipments if each["status"] not in ("label_bought", "voided"))
        return Counter(each["shipment_id"] for each in taken)


def ask_outside(payment_url: str, carrier_url: str) -> Outside:
    with httpx.Client(timeout=60) as http:
        payments = {each["payment_id"]: each for each in _all(http, payment_url, "payments")}
        return Outside(payments, _all(http, carrier_url, "shipments"))


def _all(http: httpx.Client, url: str, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after = ""
    while True:
        page = http.get(f"{url}/v1/{name}?limit={PAGE}{after}").raise_for_status().json()
        found += page[name]
        if page["next"] is None:
            return found
        after = f"&after={quote(page['next'], safe='')}"

"""What became of each order, by our log; and what the provider and the carrier have in their own books."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

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
from services.gateways.payment_calls import PAYMENT


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
class Account:
    """A payment at the provider, in minor units; `disputed` is what the bank has taken back, `held` what may
    still be captured."""

    intent: str
    captured: int = 0
    refunded: int = 0
    disputed: int = 0
    held: int = 0


@dataclass(frozen=True, slots=True)
class Outside:
    """What both worlds show to who asks them; payments by our streams."""

    payments: dict[str, Account]
    shipments: list[dict[str, Any]]

    def of(self, stream: str) -> Account:
        return self.payments.get(stream, Account(""))

    def collected(self) -> Counter[str]:
        """Parcel (its stream) -> labels with which a carrier has taken it."""
        taken = (each for each in self.shipments if each["status"] not in ("label_bought", "voided"))
        return Counter(each["shipment_id"] for each in taken)


def ask_outside(payment_url: str, api_key: str, carrier_url: str) -> Outside:
    with httpx.Client(timeout=60) as http:
        shipments = _shipments(http, carrier_url)
        http.headers["Authorization"] = f"Bearer {api_key}"
        return Outside(_payments(http, payment_url), shipments)


def _payments(http: httpx.Client, url: str) -> dict[str, Account]:
    refunded, disputed = Counter[str](), Counter[str]()
    for refund in _listed(http, f"{url}/v1/refunds"):
        refunded[refund["payment_intent"]] += refund["amount"]
    for dispute in _listed(http, f"{url}/v1/disputes"):
        disputed[dispute["payment_intent"]] += dispute["amount"] * (dispute["status"] != "won")
    return {
        each["metadata"].get(PAYMENT, each["id"]): Account(
            each["id"],
            each["amount_received"],
            refunded[each["id"]],
            disputed[each["id"]],
            each["amount_capturable"],
        )
        for each in _listed(http, f"{url}/v1/payment_intents")
    }


def _listed(http: httpx.Client, url: str) -> Iterator[dict[str, Any]]:
    """All that there is, in Stripe's way of turning pages."""
    after: dict[str, str] = {}
    while True:
        page = http.get(url, params={"limit": "100", **after}).raise_for_status().json()
        yield from page["data"]
        if not page["has_more"]:
            return
        after = {"starting_after": page["data"][-1]["id"]}


def _shipments(http: httpx.Client, url: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    while True:
        page = http.get(f"{url}/v1/shipments", params={"limit": "1000", **after}).raise_for_status().json()
        found += page["shipments"]
        if page["next"] is None:
            return found
        after = {"after": page["next"]}

"""Do the books balance? `tillroll verify --books` adds them up from the log itself.

Money, for each merchant and currency: authorised = captured + voided + expired + open, and paid out =
captured - refunded - disputed. Each payment must balance for itself: nothing captured that was not
authorised, nothing given back that was not captured. Stock, for each SKU and warehouse: on hand = available +
committed + unavailable, and what is committed is what is held for orders. Where a provider's fact contradicts
that, the log has a discrepancy of that payment, and it is counted, not hidden. All payments of a completed
order together must have brought what it is worth, and no more: see `services/order_books.py`.

The sums are of the events' own amounts, so that they prove aggregates and read models, and don't repeat them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from domain.aggregates import aggregate_of
from domain.inventory import Stock
from domain.kernel import Event, Fact
from domain.payment import (
    AuthorizationExpired,
    AuthorizationRequested,
    DisputeLost,
    DisputeOpened,
    DisputeWon,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDiscrepancyOpened,
    PaymentMismatchOpened,
    PaymentRefunded,
    PaymentVoided,
)
from domain.streams import stream_parts
from services.order_books import OrderBooks


@dataclass(slots=True)
class Money:
    """Minor units of one currency; `open` is what is held still."""

    authorized_cents: int = 0
    captured_cents: int = 0
    voided_cents: int = 0
    expired_cents: int = 0
    refunded_cents: int = 0
    disputed_cents: int = 0

    @property
    def open_cents(self) -> int:
        return self.authorized_cents - self.captured_cents - self.voided_cents - self.expired_cents

    @property
    def paid_out_cents(self) -> int:
        return self.captured_cents - self.refunded_cents - self.disputed_cents

    def add(self, other: Money) -> None:
        self.authorized_cents += other.authorized_cents
        self.captured_cents += other.captured_cents
        self.voided_cents += other.voided_cents
        self.expired_cents += other.expired_cents
        self.refunded_cents += other.refunded_cents
        self.disputed_cents += other.disputed_cents


@dataclass(slots=True)
class _Payment:
    """The sums of one payment; `contradicted` where the log has a discrepancy of it."""

    currency: str = ""
    money: Money = field(default_factory=Money)
    disputes: dict[str, int] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    contradicted: bool = False

    def take(self, event: Event) -> None:
        match event:
            case AuthorizationRequested(currency=currency):
                self.currency = currency
            case PaymentAuthorized(amount_cents=cents):
                self.money.authorized_cents = cents
            case PaymentCaptured(amount_cents=cents):
                self.money.captured_cents += cents
            case PaymentVoided(amount_cents=cents):
                self.money.voided_cents += cents
            case AuthorizationExpired(amount_cents=cents):
                self.money.expired_cents += cents
            case PaymentRefunded(amount_cents=cents):
                self.money.refunded_cents += cents
            case PaymentDiscrepancyOpened() | PaymentMismatchOpened():
                self.contradicted = True
            case _:
                self._take_dispute(event)

    def _take_dispute(self, event: Event) -> None:
        """A win that is told late opens nothing again, and undoes no loss."""
        match event:
            case DisputeOpened(dispute_id=dispute, amount_cents=cents):
                self._dispute(dispute, self.disputes.get(dispute, cents))
            case DisputeLost(dispute_id=dispute, amount_cents=cents):
                self.lost.add(dispute)
                self._dispute(dispute, cents)
            case DisputeWon(dispute_id=dispute) if dispute not in self.lost:
                self._dispute(dispute, 0)

    def _dispute(self, dispute: str, cents: int) -> None:
        self.disputes[dispute] = cents
        self.money.disputed_cents = sum(self.disputes.values())

    def faults(self) -> Iterator[str]:
        if self.money.open_cents < 0:
            yield f"{-self.money.open_cents} cents more were captured and let go than were authorised"
        if self.money.paid_out_cents < 0:
            yield f"{-self.money.paid_out_cents} cents more were given back than were captured"


@dataclass(slots=True)
class Balance:
    """Of one merchant in one currency."""

    merchant: str
    currency: str
    payments: int = 0
    contradicted: int = 0
    money: Money = field(default_factory=Money)

    def as_json(self) -> dict[str, Any]:
        sums = asdict(self.money) | {
            "open_cents": self.money.open_cents,
            "paid_out_cents": self.money.paid_out_cents,
        }
        named = {name: getattr(self, name) for name in ("merchant", "currency", "payments", "contradicted")}
        return named | sums


class Books:
    """`take` every fact of the log, in order, then ask for `balances` and `faults`.

    Keeps a few hundred bytes for each payment, each order and each stock.
    """

    def __init__(self) -> None:
        self._payments: dict[str, _Payment] = {}
        self._stocks: dict[str, Stock] = {}
        self._orders = OrderBooks()

    @property
    def stocks(self) -> int:
        return len(self._stocks)

    def take(self, facts: Iterable[Fact]) -> None:
        moved: dict[str, list[Event]] = defaultdict(list)
        for fact in facts:
            match fact.category:
                case "payment":
                    self._payments.setdefault(fact.stream, _Payment()).take(fact.event)
                    self._orders.take(fact.stream, fact.event)
                case "order" | "shipment":
                    self._orders.take(fact.stream, fact.event)
                case "stock":
                    moved[fact.stream].append(fact.event)
        for stream, events in moved.items():
            stock = self._stocks.get(stream, Stock())
            self._stocks[stream] = aggregate_of(stream).fold(events, stock)

    def balances(self) -> list[Balance]:
        """By merchant and currency."""
        found: dict[tuple[str, str], Balance] = {}
        for stream, payment in self._payments.items():
            key = stream_parts(stream)[0], payment.currency
            balance = found.setdefault(key, Balance(*key))
            balance.payments += 1
            balance.contradicted += payment.contradicted
            balance.money.add(payment.money)
        return [found[key] for key in sorted(found)]

    def faults(self) -> Iterator[str]:
        """What does not add up, and no discrepancy says so."""
        for stream, payment in self._payments.items():
            if not payment.contradicted:
                yield from (f"{stream}: {fault}" for fault in payment.faults())
        contradicted = {stream for stream, payment in self._payments.items() if payment.contradicted}
        disputed = {stream: payment.money.disputed_cents for stream, payment in self._payments.items()}
        yield from self._orders.faults(contradicted, disputed)
        for stream, stock in self._stocks.items():
            yield from (f"{stream}: {fault}" for fault in _stock_faults(stock))


def _stock_faults(stock: Stock) -> Iterator[str]:
    if stock.on_hand != stock.available + stock.committed + stock.unavailable:
        yield (
            f"{stock.on_hand} are on hand, and {stock.available} available, {stock.committed} committed,"
            f" {stock.unavailable} unavailable"
        )
    held = sum(each.quantity for _, each in stock.held.items())
    if stock.committed != held:
        yield f"{stock.committed} are committed, and {held} held for orders"

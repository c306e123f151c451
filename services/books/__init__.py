"""Do the books balance? `tillroll verify --books` adds them up from the log itself.

Money, for each merchant and currency: authorised = captured + voided + expired + open, and paid out =
captured - refunded - disputed. Open and paid out are what is left over, so it is these that are judged: each
payment for itself (nothing captured that was not authorised, nothing given back that was not captured,
nothing held once it was let go), and all payments of an order that is over together (`order`): what is kept
is no more than it is worth, nothing of one that was cancelled, and nothing is held that nobody has let go.
Stock, for each SKU and warehouse: on hand = available + committed + unavailable, and what is committed is
what is held for orders, none of which is over. Where a provider's fact contradicts that, the log has a
discrepancy of that payment, and it is counted, not hidden.

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
from domain.streams import stream_parts
from services.books.order import OrderBooks, Seen
from services.books.payment import Money, PaymentBook

EVERYTHING = Seen()


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
        self._payments: dict[str, PaymentBook] = {}
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
                    self._payments.setdefault(fact.stream, PaymentBook()).take(fact.event)
                case "stock":
                    moved[fact.stream].append(fact.event)
                case "order" | "shipment":
                    pass
                case _:
                    continue
            self._orders.take(fact)
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

    def faults(self, seen: Seen = EVERYTHING) -> Iterator[str]:
        """What does not add up, and no discrepancy says so; of orders of which agents have `seen` it all."""
        for stream, payment in self._payments.items():
            if not payment.contradicted:
                yield from (f"{stream}: {fault}" for fault in payment.faults())
        yield from self._orders.faults(self._payments, self._stocks, seen)
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

"""Do the books add up what the log says, and do they tell what does not add up?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from domain.carrier import ShipmentReturned
from domain.inventory import BackorderCancelled, Backordered, StockReceived, StockReleased, StockReserved
from domain.kernel import Event, Fact
from domain.order import OrderCancelled, OrderCompleted, OrderDiscrepancyOpened
from domain.payment import (
    AuthorizationExpired,
    AuthorizationRequested,
    CaptureFailed,
    CaptureRequested,
    DisputeLost,
    DisputeOpened,
    DisputeWon,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDiscrepancyOpened,
    PaymentRefunded,
    PaymentVoided,
    RefundFailed,
    RefundRequested,
    VoidFailed,
    VoidRequested,
)
from domain.streams import order_stream, payment_stream, shipment_stream, stock_stream
from services.books import Books
from services.books.order import Seen
from tests.unit.test_agents import placed
from tests.unit.test_projections_project import facts_of

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def paid(payment: str, *events: tuple[type[Event], dict[str, Any]], merchant: str = "m1") -> list[Fact]:
    stream = payment_stream(merchant, payment)
    of = {"payment_id": payment, "order_id": payment}
    return facts_of([(stream, kind(**of, **fields)) for kind, fields in events], merchant)


def asked(cents: int, currency: str = "EUR") -> tuple[type[Event], dict[str, Any]]:
    return AuthorizationRequested, {"amount_cents": cents, "currency": currency, "method": "card"}


def authorized(cents: int) -> tuple[type[Event], dict[str, Any]]:
    return PaymentAuthorized, {"amount_cents": cents, "provider_reference": "r"}


def captured(cents: int, reference: str = "c1") -> tuple[type[Event], dict[str, Any]]:
    return PaymentCaptured, {"amount_cents": cents, "capture_id": reference}


def refunded(cents: int) -> tuple[type[Event], dict[str, Any]]:
    return PaymentRefunded, {"amount_cents": cents, "refund_id": "r1"}


def books_of(*parts: list[Fact]) -> Books:
    books = Books()
    for part in parts:
        books.take(part)
    return books


def test_money_is_added_up_by_merchant_and_currency() -> None:
    books = books_of(
        paid("p1", asked(1000), authorized(1000), captured(600), (PaymentVoided, {"amount_cents": 400})),
        paid("p2", asked(500), authorized(500), captured(200), captured(100, "c2")),
        paid("p3", asked(300), authorized(300), (AuthorizationExpired, {"amount_cents": 300})),
        paid("p4", asked(900, "USD"), authorized(900)),
        paid("p5", asked(50), merchant="m2"),
    )
    assert list(books.faults()) == []
    found = {(each["merchant"], each["currency"]): each for each in (b.as_json() for b in books.balances())}
    assert set(found) == {("m1", "EUR"), ("m1", "USD"), ("m2", "EUR")}
    assert found["m1", "EUR"] == {
        "merchant": "m1", "currency": "EUR", "payments": 3, "contradicted": 0, "authorized_cents": 1800,
        "captured_cents": 900, "voided_cents": 400, "expired_cents": 300, "open_cents": 200,
        "refunded_cents": 0, "disputed_cents": 0, "paid_out_cents": 900,
    }  # fmt: skip
    assert found["m1", "USD"]["open_cents"] == 900


def test_a_dispute_takes_what_it_is_about_until_it_is_won() -> None:
    opened = (DisputeOpened, {"dispute_id": "d1", "amount_cents": 300})
    won, lost = ((kind, {"dispute_id": "d1", "amount_cents": 300}) for kind in (DisputeWon, DisputeLost))
    for events, disputed in (
        ((opened,), 300),
        ((opened, won), 0),
        ((opened, lost), 300),
        ((won, opened), 0),
        ((lost, won), 300),
    ):
        books = books_of(paid("p1", asked(1000), authorized(1000), captured(1000), *events))
        (balance,) = books.balances()
        assert (balance.money.disputed_cents, balance.money.paid_out_cents) == (disputed, 1000 - disputed)


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ((captured(700), captured(400, "c2")), "100 cents more were captured and let go"),
        ((captured(1000), (PaymentVoided, {"amount_cents": 1000})), "1000 cents more were captured"),
        ((captured(400), refunded(500)), "100 cents more were given back"),
    ],
)
def test_what_does_not_add_up_is_told_unless_the_log_has_a_discrepancy_of_it(
    events: tuple[tuple[type[Event], dict[str, Any]], ...], said: str
) -> None:
    (fault,) = books_of(paid("p1", asked(1000), authorized(1000), *events)).faults()
    assert said in fault
    assert fault.startswith("payment-m1.p1: ")
    opened = (PaymentDiscrepancyOpened, {"kind": "captured_above_authorized"})
    told = books_of(paid("p1", asked(1000), authorized(1000), *events, opened))
    assert list(told.faults()) == []
    assert told.balances()[0].contradicted == 1, "counted, and not hidden"


SECOND = AuthorizationRequested(
    payment_id="p2", order_id="o1", amount_cents=1000, currency="BRL", method="card"
)
FIRST = SECOND.model_copy(update={"payment_id": "p0"})


RETURNED = ShipmentReturned(shipment_id="o1", order_id="o1", scan_id="t", units=1)
GIVEN = RefundRequested(payment_id="p2", order_id="o1", refund_id="r", amount_cents=1000)
NOT_GIVEN = RefundFailed(payment_id="p2", order_id="o1", refund_id="r", reason="closed")


def took(payment: str, cents: int) -> Event:
    return PaymentCaptured(payment_id=payment, order_id="o1", capture_id="c", amount_cents=cents)


@pytest.mark.parametrize(
    ("money", "also", "fault"),
    [
        ([took("p0", 1000)], [], ""),
        ([took("p0", 1000), took("p2", 1000)], [], "keeps 2000 cents of its payments"),
        ([took("p0", 900)], [], "900 of 1000 cents were captured"),
        ([took("p0", 900)], [RETURNED], ""),
        ([took("p0", 900)], [OrderDiscrepancyOpened(order_id="o1", kind="not_captured")], ""),
        ([took("p0", 900), took("p2", 100)], [], ""),
        ([took("p0", 1000), took("p2", 1000), GIVEN], [], ""),
        ([took("p0", 1000), took("p2", 1000), GIVEN, NOT_GIVEN], [], "keeps 2000 cents"),
    ],
)
def test_a_completed_order_is_paid_once_by_all_its_payments(
    money: list[Any], also: list[Event], fault: str
) -> None:
    order = order_stream("m1", "o1")
    held = PaymentAuthorized(payment_id="p0", order_id="o1", amount_cents=1000, provider_reference="x")
    told = [held.model_copy(update={"payment_id": name}) for name in ("p0", "p2")]
    let_go = [VoidRequested(payment_id=name, order_id="o1") for name in ("p0", "p2")]
    paid_by = [FIRST, SECOND, *told, *money, *let_go]
    begun = [(order, placed()), *((payment_stream("m1", each.payment_id), each) for each in paid_by)]
    others = [(shipment_stream("m1", "o1") if event is RETURNED else order, event) for event in also]
    done = [*begun, *others, (order, OrderCompleted(order_id="o1"))]
    assert [fault in told for told in books_of(facts_of(done, "m1")).faults()] == ([True] if fault else [])
    assert list(books_of(facts_of(begun, "m1")).faults()) == [], "it is under way"


HELD = PaymentAuthorized(payment_id="p0", order_id="o1", amount_cents=1000, provider_reference="x")
TAKING = CaptureRequested(payment_id="p0", order_id="o1", capture_id="c", amount_cents=1000)
NOT_TAKEN = CaptureFailed(payment_id="p0", order_id="o1", capture_id="c", reason="gone")
LET_GO = VoidRequested(payment_id="p0", order_id="o1")
NOT_LET_GO = VoidFailed(payment_id="p0", order_id="o1", reason="no")
GONE = PaymentVoided(payment_id="p0", order_id="o1", amount_cents=1000)
LAPSED = AuthorizationExpired(payment_id="p0", order_id="o1", amount_cents=1000)
BACK = GIVEN.model_copy(update={"payment_id": "p0"})
PART_BACK = BACK.model_copy(update={"amount_cents": 400})
BY_HAND = PaymentRefunded(payment_id="p0", order_id="o1", refund_id="re_1", amount_cents=1000)
TAKEN_BACK = DisputeLost(payment_id="p0", order_id="o1", dispute_id="d", amount_cents=1000)
AGAINST = OrderDiscrepancyOpened(order_id="o1", kind="not_refunded")
SENT = OrderDiscrepancyOpened(order_id="o1", kind="shipped_after_cancel")
CANCELLED = OrderCancelled(order_id="o1", reason="customer")


def of_order(*events: Event) -> list[Fact]:
    """An order of 1,000 cents and payment p0 of it, and what became of them; at positions 1 to n."""
    streams = {"Order": order_stream("m1", "o1"), "Stock": stock_stream("m1", "A", "main")}
    payment = payment_stream("m1", "p0")
    begun = (placed(), FIRST, *events)
    return facts_of([(streams.get(type(each).__name__[:5], payment), each) for each in begun], "m1")


@pytest.mark.parametrize(
    ("events", "fault"),
    [
        ([HELD], "1000 cents of payment-m1.p0 are held"),
        ([HELD, LET_GO], ""),
        ([HELD, LET_GO, NOT_LET_GO], ""),  # it is asked for again, later
        ([HELD, *4 * [LET_GO, NOT_LET_GO]], "1000 cents of payment-m1.p0 are held"),
        ([HELD, *4 * [LET_GO, NOT_LET_GO], LET_GO, GONE], ""),
        ([HELD, LAPSED, *3 * [LET_GO, NOT_LET_GO]], ""),
        ([HELD, LAPSED, *4 * [LET_GO, NOT_LET_GO]], "1000 cents of payment-m1.p0 are held"),
        ([HELD, LAPSED, *4 * [LET_GO, NOT_LET_GO], AGAINST], ""),
        ([HELD, LAPSED, *4 * [LET_GO, NOT_LET_GO], LET_GO, GONE.model_copy(update={"amount_cents": 0})], ""),
        ([HELD, *4 * [LET_GO, NOT_LET_GO], AGAINST], ""),
        ([HELD, LET_GO, GONE], ""),
        ([HELD, LAPSED], ""),
        ([LET_GO], ""),
        ([HELD, TAKING], ""),
        ([HELD, TAKING, NOT_TAKEN], "1000 cents of payment-m1.p0 are held"),
        ([HELD, TAKING, took("p0", 1000)], "it is cancelled, and keeps 1000 cents"),
        ([HELD, took("p0", 600), LET_GO], "it is cancelled, and keeps 600 cents"),
        ([HELD, took("p0", 1000), BACK], ""),
        ([HELD, took("p0", 1000), BY_HAND], ""),
        ([HELD, took("p0", 1000), BACK.model_copy(update={"refund_id": "re_1"}), BY_HAND], ""),
        ([HELD, took("p0", 1000), TAKEN_BACK], ""),
        ([HELD, took("p0", 1000), PART_BACK], "it is cancelled, and keeps 600 cents"),
        ([HELD, took("p0", 1000), AGAINST], ""),
        ([HELD, took("p0", 1000), SENT], "it is cancelled, and keeps 1000 cents"),  # that is no money
    ],
)
def test_of_a_cancelled_order_nothing_is_kept_or_held(events: list[Event], fault: str) -> None:
    facts = of_order(*events, CANCELLED)
    books = books_of(facts)
    assert [fault in told for told in books.faults()] == ([True] if fault else [])
    assert list(books.faults(Seen(len(facts) - 1))) == [], "its agents have not seen the end of it"
    assert list(books.faults(Seen(parked=["order-m1.o1"]))) == [], "and never will, before a person says so"
    assert list(books.faults(Seen(len(facts), ["order-m1.o2"]))) == list(books.faults())


def test_of_a_completed_order_nothing_more_is_held() -> None:
    more = HELD.model_copy(update={"amount_cents": 1500})
    done = OrderCompleted(order_id="o1")
    (fault,) = books_of(of_order(more, took("p0", 1000), done)).faults()
    assert fault == (
        "order-m1.o1: it is completed, and 500 cents of payment-m1.p0 are held that nobody has let go"
    )
    assert list(books_of(of_order(more, took("p0", 1000), LET_GO, done)).faults()) == []


def test_what_was_let_go_is_not_held() -> None:
    part = GONE.model_copy(update={"amount_cents": 700})
    (fault,) = books_of(of_order(HELD, LET_GO, part)).faults()
    assert fault == "payment-m1.p0: it was let go, and 300 cents of it are held"


PLACE = {"sku": "A", "warehouse": "main", "order_id": "o1", "quantity": 2}
RESERVED = StockReserved(**PLACE, expires_at=NOW)
WAITS = Backordered(**PLACE, expires_at=NOW)


@pytest.mark.parametrize(
    ("events", "fault"),
    [
        ([RESERVED], "it is cancelled, and 2 units of stock-m1.A.main are held for it"),
        ([RESERVED, StockReleased(**PLACE)], ""),
        ([WAITS], "it is cancelled, and it waits for 2 units of stock-m1.A.main"),
        ([WAITS, BackorderCancelled(**PLACE, reason="released")], ""),
    ],
)
def test_nothing_is_held_for_an_order_that_is_over(events: list[Event], fault: str) -> None:
    received = StockReceived(sku="A", warehouse="main", quantity=5)
    stock, order = stock_stream("m1", "A", "main"), order_stream("m1", "o1")
    begun = [(order, placed()), *((stock, each) for each in (received, *events))]
    assert list(books_of(facts_of(begun, "m1")).faults()) == []
    found = list(books_of(facts_of([*begun, (order, CANCELLED)], "m1")).faults())
    assert found == ([f"{order}: {fault}"] if fault else [])


def test_stock_balances_at_each_place() -> None:
    stream = stock_stream("m1", "A", "main")
    place = {"sku": "A", "warehouse": "main"}
    held = StockReserved(**place, order_id="o1", quantity=2, expires_at=NOW)
    books = books_of(facts_of([(stream, each) for each in (StockReceived(**place, quantity=5), held)]))
    assert (books.stocks, list(books.faults())) == (1, [])

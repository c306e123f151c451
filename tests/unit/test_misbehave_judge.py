"""Does the judge of misbehaved trade see what it is there for? Each wrong is planted once."""

from __future__ import annotations

from typing import Any

import pytest

from domain.streams import payment_stream, shipment_stream
from tests.misbehave.books import Account, Books, OrderBook, Outside
from tests.misbehave.judge import problems_of

PAYMENT, PARCEL = payment_stream("demo", "o1.p0"), shipment_stream("demo", "o1")


def books(**of_order: Any) -> Books:
    """One order of 1,000 cents, which is completed and paid."""
    made = Books("demo")
    fields = {"total_cents": 1000, "units": 1, "ended": "completed", "payments": [PAYMENT]}
    made.orders["o1"] = OrderBook(**(fields | of_order))
    made.captured[PAYMENT] = 1000
    return made


def outside(
    *, captured: int = 1000, refunded: int = 0, held: int = 0, labels: tuple[str, ...] = ("delivered",)
) -> Outside:
    shipments = [{"shipment_id": PARCEL, "carrier": "swift", "status": status} for status in labels]
    return Outside({PAYMENT: Account("pi_1", captured, refunded, held=held)}, shipments)


def test_what_is_right_is_no_problem() -> None:
    assert problems_of(books(), outside()) == []
    assert problems_of(books(), outside(labels=("voided", "delivered"))) == []


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        (books(), outside(captured=2000), "is charged 2000"),
        (books(), outside(held=300), "300 cents of it are held"),
        (books(), outside(captured=0), "captured 1000 by our books, 0"),
        (books(ended="cancelled: customer"), outside(labels=("voided",)), "1000 cents of it are kept"),
        (books(), outside(labels=("delivered", "in_transit")), "was collected 2 times"),
        (books(), outside(labels=("voided",)), "no carrier has had it"),
        (books(), outside(labels=("delivered", "label_bought")), "paid for nothing"),
        (books(ended="cancelled: customer"), outside(), "and a carrier has it"),
        (books(ended=""), outside(), "o1 is stuck"),
        (books(total_cents=2000), outside(), "completed with 1000 captured"),
    ],
)
def test_each_wrong_is_seen(ours: Books, theirs: Outside, said: str) -> None:
    assert any(said in each for each in problems_of(ours, theirs)), problems_of(ours, theirs)


def test_a_cancelled_order_whose_money_went_back_is_right() -> None:
    ours = books(ended="cancelled: customer")
    ours.refunded[PAYMENT] = 1000
    assert problems_of(ours, outside(refunded=1000, labels=("voided",))) == []

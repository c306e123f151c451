"""Does the read model of payments say what is asked for, and what went wrong, until it is mended?"""

from __future__ import annotations

import pytest

from domain.payment import (
    AuthorizationExpired,
    CaptureFailed,
    CaptureRequested,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentEvent,
    PaymentProviderUnavailable,
    PaymentRefunded,
    PaymentVoided,
    RefundFailed,
    RefundRequested,
    VoidFailed,
)
from domain.streams import payment_stream
from projections.read_models import READ_MODELS
from tests.integration.projections_trade import Bought, open_trade
from tests.integration.test_projections import fetch, rebuild_to_nothing, running, shown

IDS = {"payment_id": "o1.1", "order_id": "o1"}
MOVED = {**IDS, "amount_cents": 2300}
ASKED, CAPTURED = CaptureRequested(**MOVED, capture_id="c"), PaymentCaptured(**MOVED, capture_id="c")
NOT_CAPTURED = CaptureFailed(**IDS, capture_id="c", reason="busy")
BACK, REFUNDED = RefundRequested(**MOVED, refund_id="r"), PaymentRefunded(**MOVED, refund_id="r")
NOT_REFUNDED = RefundFailed(**IDS, refund_id="r", reason="busy")
NOT_VOIDED = VoidFailed(**IDS, reason="too late")
AUTHORIZED = PaymentAuthorized(**MOVED, provider_reference="ref")
EXPIRED = AuthorizationExpired(**MOVED)


def away(call: str) -> PaymentProviderUnavailable:
    return PaymentProviderUnavailable(**IDS, call=call, attempts=3)


CASES: list[tuple[list[PaymentEvent], tuple[str | None, int, int]]] = [
    ([ASKED], (None, 2300, 0)),
    ([ASKED, NOT_CAPTURED], ("capture_failed", 0, 0)),
    ([NOT_CAPTURED], ("capture_failed", 0, 0)),  # it could not even be asked for
    ([ASKED, NOT_CAPTURED, CAPTURED], (None, 2300, 0)),  # a success outlasts a failure
    ([ASKED, NOT_CAPTURED, ASKED], ("capture_failed", 2300, 0)),
    ([ASKED, CAPTURED, BACK], (None, 2300, 2300)),
    ([ASKED, CAPTURED, BACK, NOT_REFUNDED], ("refund_failed", 2300, 0)),
    ([ASKED, CAPTURED, BACK, NOT_REFUNDED, REFUNDED], (None, 2300, 2300)),
    ([ASKED, away("capture")], ("capture_unavailable", 2300, 0)),
    ([ASKED, away("capture"), AUTHORIZED], ("capture_unavailable", 2300, 0)),
    ([ASKED, away("capture"), CAPTURED], (None, 2300, 0)),
    ([ASKED, away("capture"), NOT_CAPTURED], ("capture_failed", 0, 0)),
    ([away("authorize")], ("authorize_unavailable", 0, 0)),
    ([away("authorize"), AUTHORIZED], (None, 0, 0)),
    ([NOT_VOIDED], ("void_failed", 0, 0)),
    ([NOT_VOIDED, PaymentVoided(**MOVED)], (None, 0, 0)),
    ([NOT_VOIDED, EXPIRED], (None, 0, 0)),
    ([ASKED, NOT_CAPTURED, NOT_VOIDED], ("void_failed", 0, 0)),  # the last of two
    ([ASKED, NOT_CAPTURED, NOT_VOIDED, EXPIRED], ("capture_failed", 0, 0)),  # the one that is left
]


@pytest.mark.parametrize(("events", "expected"), CASES)
async def test_what_failed_is_shown_until_it_is_mended_and_is_asked_for_no_more(
    database: str, events: list[PaymentEvent], expected: tuple[str | None, int, int]
) -> None:
    model = READ_MODELS["payments"]
    placed = Bought("m1", "o1").placing()[0]
    async with open_trade(database) as trade:
        stream = payment_stream("m1", "o1.1")
        last = await trade.append("m1", [placed, *((stream, event) for event in events)])
        for page in (1, 2, 1000):
            async with running(trade, page=page, models=[model]):
                await shown(trade, last, models=1)
            query = "SELECT trouble, capture_requested_cents, refund_requested_cents FROM payments"
            assert await fetch(trade, query) == [expected], page
            await rebuild_to_nothing(trade, model)


def taken(cents: int) -> PaymentCaptured:
    return PaymentCaptured(**IDS, amount_cents=cents, capture_id="c")


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ([AUTHORIZED, taken(1300)], "partially_captured"),
        ([AUTHORIZED, taken(2300)], "captured"),
        # nothing is left that could be captured
        ([AUTHORIZED, taken(1300), PaymentVoided(**IDS, amount_cents=1000)], "captured"),
        ([AUTHORIZED, taken(1300), AuthorizationExpired(**IDS, amount_cents=1000)], "captured"),
        ([AUTHORIZED, PaymentVoided(**MOVED)], "voided"),
    ],
)
async def test_a_payment_is_captured_when_nothing_of_it_is_left(
    database: str, events: list[PaymentEvent], status: str
) -> None:
    placed = Bought("m1", "o1").placing()[0]
    async with open_trade(database) as trade:
        stream = payment_stream("m1", "o1.1")
        last = await trade.append("m1", [placed, *((stream, event) for event in events)])
        async with running(trade, models=[READ_MODELS["payments"]]):
            await shown(trade, last, models=1)
        assert await fetch(trade, "SELECT status FROM payments") == [(status,)]


async def test_an_order_of_nothing_is_captured_like_its_payment(database: str) -> None:
    bought = Bought("m1", "o1", unit_price_cents=0, unit_shipping_cents=0)
    async with open_trade(database) as trade:
        last = await trade.append("m1", bought.life())
        models = [READ_MODELS["orders"], READ_MODELS["payments"]]
        async with running(trade, models=models):
            await shown(trade, last, models=2)
        assert await fetch(trade, "SELECT payment_status FROM orders") == [("captured",)]
        assert await fetch(trade, "SELECT status FROM payments") == [("captured",)]

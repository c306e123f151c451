"""Is what a provider makes up kept as text that can be stored, shown and read again?"""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from domain.carrier import LabelBought, RecordCarrierShipment, Scan
from domain.kernel import PROVIDER_TEXT_MAX
from domain.payment import Movement, PaymentDeclined, RecordProviderPayment
from eventstore.codec import decode_event

ODD, KEPT = "no\0funds" + "x" * 2_000, "no\ufffdfunds" + "x" * (PROVIDER_TEXT_MAX - 8)


def test_text_of_the_payment_provider_is_made_to_fit() -> None:
    told = RecordProviderPayment(
        payment_id="p1",
        provider_reference=ODD,
        status="declined",
        amount_cents=1,
        reason=ODD,
        void_refused=ODD,
        captures=(Movement(reference="c\0", amount_cents=1, succeeded=False, reason=ODD),),
    )
    assert (told.provider_reference, told.reason, told.void_refused) == (KEPT, KEPT, KEPT)
    assert (told.captures[0].reference, told.captures[0].reason) == ("c\ufffd", KEPT)


def test_text_of_the_carrier_is_made_to_fit() -> None:
    told = RecordCarrierShipment(
        shipment_id="s1",
        carrier=ODD,
        tracking_number=ODD,
        booking_refused=ODD,
        void_refused=ODD,
        scans=(Scan(scan_id="t\0", type="collected"),),
    )
    assert {told.carrier, told.tracking_number, told.booking_refused, told.void_refused} == {KEPT}
    assert told.scans[0].scan_id == "t\ufffd"


def test_an_id_is_not_cut() -> None:
    with pytest.raises(ValidationError):
        Scan(scan_id="t" * 201, type="collected")


@pytest.mark.parametrize(
    ("kind", "field", "data"),
    [
        (PaymentDeclined, "reason", rb'{"payment_id":"p1","order_id":"o1","reason":"no\u0000funds"}'),
        (
            LabelBought,
            "tracking_number",
            rb'{"shipment_id":"s1","order_id":"o1","carrier":"c","tracking_number":"no\u0000funds"}',
        ),
    ],
)
def test_what_was_stored_before_is_read_as_it_would_be_stored_now(kind: Any, field: str, data: bytes) -> None:
    assert getattr(decode_event(kind.__name__, 1, data), field) == "no\ufffdfunds"

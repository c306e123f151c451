"""Provider and carrier misbehave in every way at a tenth of all calls: a small run of `make misbehave`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.misbehave.run import PLANTED, misbehave

ORDERS = 60

pytestmark = pytest.mark.slow


def test_nothing_is_charged_or_shipped_twice_and_no_order_is_stuck(tmp_path: Path) -> None:
    said: list[str] = []
    done = misbehave(tmp_path, ORDERS, rate=0.1, seed=3, per_second=10, say=said.append)
    assert done.problems == [], said[-20:]
    assert sum(done.ends.values()) == ORDERS
    assert done.found == {"refunded 77": PLANTED, "unknown_charge": PLANTED}
    for befell in ("DisputeOpened", "AuthorizationExpired", "BookingFailed", "PaymentRefunded"):
        assert done.events.get(befell, 0) > 0, f"no {befell}: the faults did not come"

"""Does one account that can't be read keep a restored log from what the providers know of all others?"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from domain.kernel import Event
from eventstore.seams import WallClock
from services.gateways.carrier import CARRIER_GATEWAY
from services.gateways.gateway import Gateway
from services.gateways.payment import PAYMENT_GATEWAY
from services.gateways.provider import Provider
from services.gateways.reconcile import reconcile
from tests.unit.test_gateways import AUTHORIZATION, PAID, SENT, SHIPMENT_REQUESTED, account, fact


class Statements:
    async def run(self, name: str, **_: Any) -> list[tuple[int]]:
        assert name == "read_requested"
        return [(1,), (2,), (3,)]


def context_with(event: Event, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A process whose log holds three requests, of one payment or parcel."""
    monkeypatch.setattr("services.gateways.reconcile.decode", lambda stored: stored)

    async def read(after: int, _: int) -> list[Any]:
        return [fact(event, after + 1)]

    database = SimpleNamespace(statements=lambda *_: Statements())
    return SimpleNamespace(log=SimpleNamespace(database=database, read=read), clock=WallClock())


@pytest.mark.parametrize(
    ("gateway", "event", "answer"),
    [
        (PAYMENT_GATEWAY, AUTHORIZATION, {"payment_id": PAID}),
        (PAYMENT_GATEWAY, AUTHORIZATION, account(amount_cents="much")),
        (PAYMENT_GATEWAY, AUTHORIZATION, account(captures=None)),
        (CARRIER_GATEWAY, SHIPMENT_REQUESTED, {"shipment_id": SENT, "scans": [{}]}),
    ],
)
async def test_an_account_that_can_not_be_read_counts_as_no_answer(
    gateway: Gateway, event: Event, answer: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def exchange(_: str, path: str, *__: object) -> tuple[int, bytes]:
        return 200, orjson.dumps({"payments": [], "next": None} if "?" in path else answer)

    found = await reconcile(context_with(event, monkeypatch), gateway, Provider(exchange), 30)
    assert (found.asked, found.unanswered, found.changed) == (3, 3, 0)

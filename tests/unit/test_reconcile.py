"""Does one account that can't be read keep a restored log from what the providers know of all others?"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from domain.aggregates import aggregate_of
from domain.kernel import Event
from eventstore.seams import WallClock
from services.gateways.carrier import CARRIER_GATEWAY
from services.gateways.gateway import Gateway
from services.gateways.payment import PAYMENT_GATEWAY
from services.gateways.provider import Provider
from services.gateways.reconcile import reconcile
from services.gateways.stripe_provider import StripeProvider
from tests.unit.test_gateways import AUTHORIZATION, PAID, SENT, SHIPMENT_REQUESTED, fact
from tests.unit.test_payment_wire import intent


class Statements:
    async def run(self, name: str, **_: Any) -> list[tuple[int]]:
        assert name == "read_requested"
        return [(1,), (2,), (3,)]


def context_with(event: Event, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A process whose log holds three requests, of one payment or parcel."""
    monkeypatch.setattr("services.gateways.reconcile.decode", lambda stored: stored)

    async def read(after: int, _: int) -> list[Any]:
        return [fact(event, after + 1)]

    async def load(streams: list[str]) -> list[Any]:
        return [SimpleNamespace(state=aggregate_of(stream).initial) for stream in streams]

    database = SimpleNamespace(statements=lambda *_: Statements())
    executor = SimpleNamespace(states=SimpleNamespace(load=load))
    log = SimpleNamespace(database=database, read=read)
    return SimpleNamespace(log=log, clock=WallClock(), executor=executor)


def ours(**fields: Any) -> dict[str, Any]:
    return intent() | {"metadata": {"payment": PAID}} | fields


@pytest.mark.parametrize(
    ("gateway", "event", "answer"),
    [
        (PAYMENT_GATEWAY, AUTHORIZATION, {"object": "payment_intent", "metadata": {"payment": PAID}}),
        (PAYMENT_GATEWAY, AUTHORIZATION, ours(amount="much")),
        (PAYMENT_GATEWAY, AUTHORIZATION, ours(metadata={"payment": PAID, "capture_1": "much k1"})),
        (CARRIER_GATEWAY, SHIPMENT_REQUESTED, {"shipment_id": SENT, "scans": [{}]}),
    ],
)
async def test_an_account_that_can_not_be_read_counts_as_no_answer(
    gateway: Gateway, event: Event, answer: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def exchange(_: str, path: str, *__: object) -> tuple[int, bytes]:
        if "/search" in path:
            return 200, orjson.dumps({"object": "search_result", "data": [answer]})
        return 200, orjson.dumps({"data": [], "has_more": False} if "?" in path else answer)

    stripe = gateway is PAYMENT_GATEWAY
    provider = StripeProvider(exchange, "sk_test_1") if stripe else Provider(exchange)
    found = await reconcile(context_with(event, monkeypatch), gateway, provider, 30)
    assert (found.asked, found.unanswered, found.changed) == (3, 3, 0)

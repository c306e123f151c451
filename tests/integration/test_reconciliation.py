"""Does the daily reconciliation find what was planted, open it once, and close what is mended?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from commands.executor import Context
from domain.kernel import Command, one
from domain.payment import (
    DisputeOpened,
    Movement,
    Payment,
    PaymentMismatchOpened,
    RecordProviderPayment,
    RequestAuthorization,
    RequestCapture,
    RequestVoid,
    ResolveDiscrepancy,
)
from domain.streams import payment_stream
from eventstore.codec import decode
from eventstore.seams import WallClock
from services.context import ProcessContext, open_context
from services.gateways.payment import PAYMENT_GATEWAY
from services.gateways.payment_calls import captured_as
from services.gateways.reconcile import Reconciled, reconcile
from services.gateways.stripe_provider import StripeProvider
from services.settings import Settings
from services.simulation.outside import Outside, Refusals
from services.worlds.payment import PAYMENT
from services.worlds.webhooks import Webhook
from tests.integration.test_worlds import INTENTS, at, charge, intent


class Nobody:
    """Takes all webhooks, and tells nobody."""

    async def __call__(self, webhook: Webhook) -> bool:
        return True

    async def close(self) -> None: ...


class Books:
    """Ours, and those of the provider's world, which is the real one without its HTTP."""

    def __init__(self, context: ProcessContext) -> None:
        self.context = context
        self.world = Outside(PAYMENT, [], Refusals(), Nobody(), WallClock().now)

    async def ours(self, payment_id: str, command: Command) -> None:
        ids = self.context.ids
        told = Context(ids.new(), "m1", "test", payment_id, "test", self.context.clock.now())
        done = await self.context.executor.execute(one(payment_stream("m1", payment_id), command), told)
        assert done.refused is None

    async def theirs(self, path: str, fields: dict[str, Any], key: str = "k") -> None:
        body = urlencode(fields).encode()
        status, answer = await self.world.answer("POST", path, body, {"Idempotency-Key": key})
        assert status == 200, answer

    async def open(self, payment_id: str, *, at_theirs: bool = True, stream: str = "") -> str:
        stream = stream or payment_stream("m1", payment_id)
        if at_theirs:
            charged = charge(stream, amount_cents=100) | {"currency": "eur"}
            await self.theirs(INTENTS, charged, stream)
        return stream

    async def paid(self, payment_id: str, *, at_theirs: bool = True) -> str:
        """Authorised at both, or by our books alone."""
        ask = RequestAuthorization(
            payment_id=payment_id, order_id="o1", amount_cents=100, currency="EUR", method="card"
        )
        await self.ours(payment_id, ask)
        stream = await self.open(payment_id, at_theirs=at_theirs)
        await self.ours(payment_id, self.told(payment_id))
        return stream

    def told(self, payment_id: str, **fields: Any) -> RecordProviderPayment:
        return RecordProviderPayment(
            payment_id=payment_id,
            provider_reference=intent(payment_stream("m1", payment_id)),
            status="authorized",
            amount_cents=100,
            **fields,
        )

    async def compare(self, days: int = 8) -> Reconciled:
        provider = StripeProvider(self.world.answer, "sk_test_1")
        return await reconcile(self.context, PAYMENT_GATEWAY, provider, days)

    async def open_kinds(self) -> dict[str, frozenset[str]]:
        facts = [decode(stored) for stored in await self.context.log.read(0, 1_000)]
        streams = sorted({f.stream for f in facts if isinstance(f.event, PaymentMismatchOpened)})
        states = await self.context.executor.states.load(streams)
        payments: list[Payment] = [each.state for each in states]
        return {
            stream.rpartition(".")[2]: payment.open_kinds
            for stream, payment in zip(streams, payments, strict=True)
        }


@pytest.fixture
async def books(database: str, nats_url: str, tmp_path: Path) -> AsyncIterator[Books]:
    settings = Settings(data_dir=tmp_path, database_url=database, nats_url=nats_url)
    async with open_context(settings, "test", follow=False) as context:
        yield Books(context)


async def test_it_finds_what_was_planted_and_opens_it_once(books: Books) -> None:
    await books.paid("honest")
    await books.paid("missing", at_theirs=False)
    differs = await books.paid("differs")
    part = {"amount_to_capture": 70, "final_capture": "false"}
    await books.theirs(at(differs, "capture"), part | {f"metadata[{captured_as('c1')}]": "70 c1"})
    await books.ours("differs", RequestCapture(payment_id="differs", capture_id="c1", amount_cents=60))
    c1 = Movement(reference="c1", amount_cents=60, succeeded=True)
    await books.ours("differs", books.told("differs", captures=(c1,)))
    await books.paid("held")
    await books.ours("held", RequestVoid(payment_id="held"))
    await books.ours("held", books.told("held", voided=True))
    await books.open("", stream="a charge of the till")
    found = await books.compare()
    assert (found.asked, found.unknown, found.differing, found.foreign) == (4, 1, 3, 1)
    opened = await books.open_kinds()
    (till,) = opened.keys() - {"missing", "differs", "held"}
    assert opened == {
        "missing": {"missing_at_provider"},
        "differs": {"captured_differs"},
        "held": {"held_after_void"},
        till: {"unknown_charge"},
    }
    again = await books.compare()
    assert (again.differing, again.foreign, again.unanswered) == (0, 0, 0)


async def test_a_dispute_of_a_payment_of_long_ago_is_found(books: Books) -> None:
    stream = await books.paid("old")
    status, _ = await books.world.answer("PUT", "/control/faults", b'{"rates": {"dispute": 1}}', {})
    assert status == 200
    await books.ours("old", RequestCapture(payment_id="old", capture_id="c1", amount_cents=100))
    await books.theirs(at(stream, "capture"), {f"metadata[{captured_as('c1')}]": "100 c1"})
    found = await books.compare(days=0)
    assert (found.asked, found.changed) == (1, 1)
    facts = [decode(stored).event for stored in await books.context.log.read(0, 1_000)]
    assert any(isinstance(event, DisputeOpened) for event in facts)
    assert (await books.compare(days=0)).changed == 0


async def test_what_is_mended_is_closed_and_what_a_person_resolved_stays_so(books: Books) -> None:
    await books.paid("late", at_theirs=False)
    await books.paid("known", at_theirs=False)
    assert (await books.compare()).differing == 2
    resolve = ResolveDiscrepancy(payment_id="known", kind="missing_at_provider", reason="paid in cash")
    await books.ours("known", resolve)
    await books.open("late")
    assert (await books.compare()).differing == 1
    assert await books.open_kinds() == {"known": frozenset(), "late": frozenset()}
    assert (await books.compare()).differing == 0

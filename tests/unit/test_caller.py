"""A call is over if the log says so, whatever a cached state says; and only who leads makes it."""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn
from uuid import uuid4

import orjson
import pytest

from commands.executor import Context, Executor
from domain.kernel import Command, Fact, one
from domain.payment import RecordProviderPayment, RequestAuthorization, RequestVoid, VoidRequested
from domain.streams import payment_stream
from eventstore.checkpoints import Checkpoint, LeaseLost
from eventstore.codec import decode
from eventstore.keyring import Keyring, MemoryKeyStore
from eventstore.memory import MemoryLog
from eventstore.seams import RandomIds, WallClock
from eventstore.statements import Database, Statements
from services.gateways.caller import Caller
from services.gateways.calls import Call
from services.gateways.moments import Moments
from services.gateways.payment import PAYMENT_GATEWAY
from services.gateways.stripe_provider import StripeProvider

STREAM = payment_stream("m1", "p1")
INTENT: dict[str, Any] = {
    "id": "pi_1",
    "object": "payment_intent",
    "amount": 100,
    "amount_received": 0,
    "currency": "eur",
    "latest_charge": "ch_1",
    "metadata": {"payment": STREAM},
    "status": "canceled",
}


class NoDatabase:
    """Live trade needs none of it."""

    def statements(self, package: str, *files: str) -> Statements:
        return self  # type: ignore[return-value]

    def run(self, name: str, **arguments: Any) -> NoReturn:
        raise AssertionError(name)


def executor_on(log: MemoryLog) -> Executor:
    return Executor(log, RandomIds(), Keyring(bytes(32), MemoryKeyStore()))


async def send(executor: Executor, command: Command) -> None:
    context = Context(uuid4(), "m1", "test", "checkout", "", WallClock().now())
    await executor.execute(one(STREAM, command), context)


def told(**changed: Any) -> RecordProviderPayment:
    fields = {"provider_reference": "pi_1", "status": "authorized", "amount_cents": 100, **changed}
    return RecordProviderPayment(payment_id="p1", **fields)


async def void_twice(log: MemoryLog, ours: Executor) -> Fact:
    """A void that was refused, as we saw it; then another worker led, and it was asked for again."""
    asked = {"order_id": "o1", "amount_cents": 100, "currency": "EUR", "method": "card"}
    await send(ours, RequestAuthorization(payment_id="p1", **asked))
    await send(ours, told())
    await send(ours, RequestVoid(payment_id="p1"))
    await send(ours, told(void_refused="not now"))
    await send(executor_on(log), RequestVoid(payment_id="p1"))
    fact = decode(log.events[-1])
    assert isinstance(fact.event, VoidRequested)
    return fact


def test_an_older_answer_is_not_taken_for_this_request() -> None:
    called: list[str] = []

    async def exchange(
        method: str, path: str, body: bytes | None, headers: dict[str, str] | None
    ) -> tuple[int, bytes]:
        called.append(f"{method} {path.rpartition('/')[2]}")
        return 200, orjson.dumps(INTENT)

    async def play() -> None:
        log, clock, database = MemoryLog(), WallClock(), NoDatabase()
        ours = executor_on(log)
        fact = await void_twice(log, ours)
        keyring = Keyring(bytes(32), MemoryKeyStore())
        moments = Moments(as_database(database), clock)
        provider = StripeProvider(exchange, "sk_test_1")
        caller = Caller(PAYMENT_GATEWAY, provider, ours, keyring, moments, clock, lambda: None)
        await caller.carry_out(Call(fact, doubtful=False, next_at=clock.now()))
        assert log.events[-1].type == "PaymentVoided"

    asyncio.run(play())
    assert called == ["POST cancel"]


def test_who_stood_still_past_its_lease_calls_nobody() -> None:
    """It knows the request only. Whoever leads has seen it called off, and takes it for never asked."""

    async def exchange(*_: object) -> NoReturn:
        raise AssertionError("the provider was called")

    async def play() -> None:
        log, clock = MemoryLog(), WallClock()
        ours = executor_on(log)
        asked = {"order_id": "o1", "amount_cents": 100, "currency": "EUR", "method": "card"}
        await send(ours, RequestAuthorization(payment_id="p1", **asked))
        fact = decode(log.events[-1])
        await send(executor_on(log), RequestVoid(payment_id="p1"))
        statements, now = as_database(NoDatabase()).statements(""), asyncio.get_running_loop().time()
        checkpoint = Checkpoint("gateway:payment", 1, 0, 0, statements, held_until=now)
        keyring = Keyring(bytes(32), MemoryKeyStore())
        moments = Moments(as_database(NoDatabase()), clock)
        provider = StripeProvider(exchange, "sk_test_1")
        caller = Caller(PAYMENT_GATEWAY, provider, ours, keyring, moments, clock, checkpoint.check_held)
        call = Call(fact, doubtful=False, next_at=clock.now())
        with pytest.raises(LeaseLost):
            await caller.carry_out(call)
        assert not call.doubtful

    asyncio.run(play())


def as_database(nothing: NoDatabase) -> Database:
    return nothing

"""Does a parked key go on when a person says so: retried, or without an event, once and on record?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import uuid4

import pytest

from commands.executor import Context, Executor
from domain.kernel import Command, Event, Fact
from domain.order import OrderCancelled, OrderConfirmed
from domain.parked import RequestParkedRetry, RequestParkedSkip
from domain.payment import PaymentVoided
from domain.permissions import PLATFORM
from eventstore.seams import RandomIds
from projections.compare import compare
from projections.order.orders import ORDERS
from projections.parking import MadeByOtherCode
from projections.read_model import ReadModel, Rows
from projections.read_models import READ_MODELS
from projections.rebuild import rebuild
from services.agents.registered import AGENTS
from services.parked_keys import Answer, CannotGoOn, ParkedKeys, request
from tests.integration.projections_trade import START, Bought, Trade, open_trade
from tests.integration.test_projections import failing_on, fetch, lives, no_differences, running, shown

FOLLOWER, KEY = "projection:orders:g1", "m1/cancelled"


def failing_at(*kinds: type[Event]) -> dict[str, ReadModel]:
    """All read models; that of orders fails on these events of the order `cancelled`."""

    def project(facts: Sequence[Fact]) -> Rows:
        for fact in facts:
            if isinstance(fact.event, kinds) and getattr(fact.event, "order_id", "") == "cancelled":
                raise RuntimeError(f"no {type(fact.event).__name__}")
        return ORDERS.project(facts)

    return {**READ_MODELS, "orders": replace(ORDERS, project=project)}


@asynccontextmanager
async def parked(
    database: str, models: dict[str, ReadModel] | None = None
) -> AsyncIterator[tuple[Trade, ParkedKeys]]:
    """Trade whose order `cancelled` is parked by the orders' read model, with a projector that runs."""
    models = models or {**READ_MODELS, "orders": failing_on("cancelled")}
    async with open_trade(database) as trade:
        last = await trade.append("m1", lives())
        async with running(trade, models=models.values()):
            await shown(trade, last)
            yield trade, ParkedKeys(trade.log.pool, trade.log, trade.keyring, AGENTS, models)


async def ask(trade: Trade, command: Command) -> int:
    """The position at which it is recorded."""
    executor = Executor(trade.log, RandomIds(), trade.keyring)
    context = Context(uuid4(), PLATFORM, "user:u1", "c", "c", START)
    done = await request(executor, command, context)
    assert not done.refused
    return done.position


async def ask_to_skip(trade: Trade, keys: ParkedKeys, reason: str = "a test order") -> int:
    first = await keys.first(FOLLOWER, KEY)
    assert first is not None
    whose = {"follower": FOLLOWER, "key": KEY}
    return await ask(trade, RequestParkedSkip(**whose, position=first, reason=reason, stands_at=first))


async def positions(trade: Trade) -> list[int]:
    return [position for (position,) in await fetch(trade, "SELECT position FROM parked ORDER BY position")]


async def test_a_parked_key_goes_on_by_the_names_that_were_told(database: str) -> None:
    async with parked(database) as (trade, _):
        keys = ParkedKeys(trade.log.pool, trade.log, trade.keyring, AGENTS)
        ((follower, key),) = await fetch(trade, "SELECT DISTINCT follower, key FROM parked")
        assert await keys.retry(follower, key) == 2
        assert await positions(trade) == []
        for name, problem in (
            (follower, "no parked key"),
            ("orders", "no parked key"),
            ("agent:order", "no parked key"),
            ("agent:nobody", "no follower agent:nobody"),
            ("nobody", "no follower nobody"),
            ("scheduler", "no parked key"),
        ):
            with pytest.raises(CannotGoOn, match=problem):
                await keys.retry(name, key)


async def test_what_a_person_skips_is_left_out_and_the_rest_of_the_key_goes_on(database: str) -> None:
    async with parked(database) as (trade, keys):
        first, second = await positions(trade)
        asked = await ask_to_skip(trade, keys)
        assert await positions(trade) == [first, second], "it is recorded, and no more"
        assert await keys.answer(asked) == Answer(asked, first, 1, "")
        assert await positions(trade) == []
        more = await trade.append("m1", Bought("m1", "more").life())
        await shown(trade, more)
        await no_differences(trade)
        assert await fetch(trade, "SELECT status FROM orders WHERE order_id = 'cancelled'") == [
            ("confirmed",)
        ]


async def test_a_skip_is_carried_out_once_however_often_and_by_how_many(database: str) -> None:
    async with parked(database, failing_at(OrderCancelled, PaymentVoided)) as (trade, keys):
        first, *rest = await positions(trade)
        asked = await ask_to_skip(trade, keys)
        answers = await asyncio.gather(*(keys.answer(asked) for _ in range(4)))
        answers.append(await keys.answer(asked))
        assert [each.skipped for each in answers] == [first] * 5
        assert await positions(trade) == rest, "the next one fails, too, and nobody said to skip it"
        assert "PaymentVoided" in answers[0].error


async def test_a_crash_between_record_and_skip_is_made_good_by_who_comes_next(database: str) -> None:
    async with parked(database) as (trade, keys):
        first, _ = await positions(trade)
        asked = await ask_to_skip(trade, keys)
        await keys.answer_all(lambda follower: follower != FOLLOWER)
        assert len(await positions(trade)) == 2, "another process's"
        await keys.answer_all(lambda follower: follower == FOLLOWER)
        assert await keys.answer(asked) == Answer(asked, first, 1, "")


async def test_a_key_is_skipped_event_by_event_but_not_what_is_sound_in_between(database: str) -> None:
    async with parked(database, failing_at(OrderConfirmed, PaymentVoided)) as (trade, keys):
        first, _, last = await positions(trade)
        answer = await keys.answer(await ask_to_skip(trade, keys))
        assert (answer.skipped, answer.went_on) == (first, 1)
        assert await fetch(trade, "SELECT position, error FROM parked") == [
            (last, "RuntimeError: no PaymentVoided")
        ]
        answer = await keys.answer(await ask_to_skip(trade, keys))
        assert (answer.skipped, answer.error) == (last, "")
        assert await fetch(trade, "SELECT status FROM orders WHERE order_id = 'cancelled'") == [
            ("cancelled",)
        ]
        await no_differences(trade)


async def test_a_retry_that_is_asked_for_goes_as_far_as_it_can(database: str) -> None:
    async with parked(database) as (trade, _):
        first, second = await positions(trade)
        whose = {"follower": FOLLOWER, "key": KEY}
        asked = await ask(trade, RequestParkedRetry(**whose, stands_at=first))
        mended = ParkedKeys(trade.log.pool, trade.log, trade.keyring, AGENTS, failing_at(PaymentVoided))
        answer = await mended.answer(asked)
        assert (answer.skipped, answer.went_on) == (None, 1)
        assert await positions(trade) == [second]
        await rebuild(trade.log.pool, trade.log, trade.keyring, "orders")
        assert await positions(trade) == []


async def test_a_skip_that_comes_after_a_retry_changes_nothing(database: str) -> None:
    async with parked(database) as (trade, keys):
        asked = await ask_to_skip(trade, keys)
        mended = ParkedKeys(trade.log.pool, trade.log, trade.keyring, AGENTS)
        assert await mended.retry("orders", KEY) == 2
        assert await keys.answer(asked) == Answer(asked, None, 0, "")
        await no_differences(trade)


async def test_a_request_is_left_to_code_of_the_version_that_is_live(database: str) -> None:
    newer = {**READ_MODELS, "orders": replace(ORDERS, version=ORDERS.version + 1)}
    async with parked(database) as (trade, older):
        first, _ = await positions(trade)
        asked = await ask_to_skip(trade, older)
        await fetch(trade, "UPDATE read_models SET version = version + 1 WHERE name = 'orders'")
        await older.answer_all(lambda follower: follower == FOLLOWER)
        assert await fetch(trade, "SELECT * FROM parked_answers") == []
        with pytest.raises(MadeByOtherCode, match="orders"):
            await older.retry("orders", KEY)
        keys = ParkedKeys(trade.log.pool, trade.log, trade.keyring, AGENTS, newer)
        assert await keys.answer(asked) == Answer(asked, first, 1, "")


async def test_a_rebuild_tries_anew_what_was_skipped(database: str) -> None:
    async with parked(database) as (trade, keys):
        await keys.answer(await ask_to_skip(trade, keys))
        late = await ask(
            trade,
            RequestParkedSkip(follower=FOLLOWER, key=KEY, position=1, reason="too late", stands_at=1),
        )
        await rebuild(trade.log.pool, trade.log, trade.keyring, "orders")
        assert await fetch(trade, "SELECT status FROM orders WHERE order_id = 'cancelled'") == [
            ("cancelled",)
        ]
        assert (await keys.answer(late)).skipped is None, "of a generation that is no more"
        await no_differences(trade)


async def test_rows_that_miss_what_nobody_skipped_are_a_difference(database: str) -> None:
    async with parked(database) as (trade, keys):
        await keys.answer(await ask_to_skip(trade, keys))
        await no_differences(trade)
        await fetch(trade, "UPDATE parked_answers SET skipped = NULL")
        (found,) = (await compare(trade.log.pool, trade.log, trade.keyring)).differences
        assert found.startswith("orders: at position")

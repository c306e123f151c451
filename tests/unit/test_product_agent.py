"""Does a scheduled price come to hold when its time has come?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from domain.deadline import DeadlineReached
from domain.kernel import Deadline, Event, Fact, Reaction, one
from domain.product import ApplyPrices, PriceSet
from domain.streams import deadline_stream, product_stream
from services.agents.product import AGENTS, ProductProcess

(AGENT,) = AGENTS
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=1)
STREAM = product_stream("m1", "MUG.1")
PLACE = {"product_id": "MUG.1", "sku": "S", "channel": "web", "currency": "EUR", "price_cents": 1}


def fact(event: Event, stream: str = STREAM) -> Fact:
    return Fact(1, stream, 1, event, "m1", "c", "x", UUID(int=1), NOON, NOON)


def reacted(event: Event, stream: str = STREAM) -> Reaction[ProductProcess]:
    return AGENT.react(ProductProcess(), fact(event, stream))


def test_a_price_to_come_asks_for_a_deadline() -> None:
    found = reacted(PriceSet(**PLACE, valid_from=LATER, set_at=NOON))
    assert found.deadlines == (Deadline(STREAM, f"price {LATER.isoformat()}", LATER),)
    assert not found.commands


def test_a_price_that_holds_at_once_asks_for_nothing() -> None:
    assert reacted(PriceSet(**PLACE, valid_from=NOON, set_at=NOON)) == Reaction(ProductProcess())


def test_at_the_deadline_what_is_due_is_applied() -> None:
    reached = DeadlineReached(agent="product", key=STREAM, name="price", due_at=LATER)
    found = reacted(reached, deadline_stream("m1", "product", STREAM, "price"))
    assert found.commands == (one(STREAM, ApplyPrices(product_id="MUG.1", now=LATER)),)
    assert AGENT.owns(STREAM)

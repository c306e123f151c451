"""Do sales come to what a merchant would count on paper, whatever comes first: the money or the cancellation?

`verify` folds with the code that it checks, so the figures are counted here from the lives themselves.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal

import pytest

from domain.order import OrderCancelled
from domain.payment import PaymentCaptured, PaymentRefunded
from domain.streams import payment_stream
from projections.read_models import READ_MODELS
from tests.integration.projections_trade import START, Bought, Step, Trade, open_trade
from tests.integration.test_projections import fetch, rebuild_to_nothing, running, shown

DAYS = 12
SALES = READ_MODELS["sales"]


@dataclass(slots=True)
class Life:
    """An order and what became of it, as (day, what, cents); the first is that it was placed."""

    bought: Bought
    reason: Literal["customer", "returned"]
    moves: list[tuple[int, str, int]] = field(default_factory=list)

    def sum(self, what: str, day: int) -> int:
        return sum(cents for on, kind, cents in self.moves if kind == what and on <= day)

    def happened(self, what: str, day: int) -> bool:
        return any(kind == what and on <= day for on, kind, _ in self.moves)

    def worth(self, day: int) -> int:
        """What it is worth to its merchant at the end of a day."""
        if not self.happened("placed", day):
            return 0
        called_off = self.happened("cancelled", day)
        paid = self.sum("captured", day) if called_off else self.bought.total_cents
        return paid - self.sum("refunded", day)

    def steps(self) -> list[tuple[int, Step]]:
        """Its moves as events, each with its day."""
        name = f"{self.bought.order_id}.1"
        ids = {"payment_id": name, "order_id": self.bought.order_id}
        stream = payment_stream(self.bought.merchant, name)
        steps: list[tuple[int, Step]] = []
        for number, (day, what, cents) in enumerate(self.moves):
            match what:
                case "placed":
                    steps.append((day, self.bought.placing()[0]))
                case "cancelled":
                    cancelled = OrderCancelled(order_id=self.bought.order_id, reason=self.reason)
                    steps.append((day, (self.bought.order, cancelled)))
                case "captured":
                    captured = PaymentCaptured(**ids, capture_id=f"c{number}", amount_cents=cents)
                    steps.append((day, (stream, captured)))
                case "refunded":
                    refunded = PaymentRefunded(**ids, refund_id=f"r{number}", amount_cents=cents)
                    steps.append((day, (stream, refunded)))
        return steps


def a_life(chance: random.Random, number: int) -> Life:
    """Money in up to three parts, given back in part or whole, and perhaps a cancellation among them."""
    currency = chance.choice(["BRL", "EUR"])
    bought = Bought("m1", f"o{number}", quantity=chance.randint(1, 3), currency=currency)
    life, left = Life(bought, chance.choice(["customer", "returned"])), bought.total_cents
    whats = [("captured", left // 3)] * chance.randint(0, 3)
    whats += [("refunded", chance.choice([left // 3, left // 5]))] * chance.randint(0, len(whats))
    if chance.random() < 0.6:
        whats.insert(chance.randint(0, len(whats)), ("cancelled", 0))
    days = sorted(chance.randrange(DAYS) for _ in range(len(whats) + 1))
    life.moves = [(day, *what) for day, what in zip(days, [("placed", 0), *whats], strict=True)]
    return life


async def live(trade: Trade, lives: list[Life], chance: random.Random) -> int:
    """Append the steps of all lives, each life's in order, the lives mixed; the last position."""
    waiting = [life.steps() for life in lives]
    last = 0
    while waiting := [steps for steps in waiting if steps]:
        day, step = chance.choice(waiting).pop(0)
        last = await trade.append("m1", [step], START + timedelta(days=day))
    return last


def on(day: int) -> date:
    return (START + timedelta(days=day)).date()


@pytest.mark.parametrize("seed", range(3))
async def test_sales_are_what_all_orders_are_worth_at_the_end_of_each_day(database: str, seed: int) -> None:
    chance = random.Random(seed)
    lives = [a_life(chance, number) for number in range(40)]
    async with open_trade(database) as trade:
        last = await live(trade, lives, chance)
        for page in (1, 5, 1000):
            async with running(trade, page=page, models=[SALES]):
                await shown(trade, last, models=1)
            net: dict[tuple[str, date], int] = {
                (currency, day): cents
                for currency, day, cents in await fetch(
                    trade, "SELECT currency, day, net_cents FROM sales_by_day"
                )
            }
            for currency in ("BRL", "EUR"):
                own = [life for life in lives if life.bought.currency == currency]
                for day in range(DAYS):
                    found = sum(net.get((currency, on(each)), 0) for each in range(day + 1))
                    assert found == sum(life.worth(day) for life in own), (page, currency, day)
            await rebuild_to_nothing(trade, SALES)


CANCELLED = ("cancelled", 0)
CASES = [  # moves of an order of 2,300, then what is cancelled, refunded, and left of it
    ([], (0, 0, 2300)),
    ([CANCELLED], (2300, 0, 0)),
    ([("captured", 2300), ("refunded", 300)], (0, 300, 2000)),
    ([("captured", 2300), ("refunded", 2300), CANCELLED], (0, 2300, 0)),
    ([CANCELLED, ("captured", 2300), ("refunded", 2300)], (0, 2300, 0)),
    ([CANCELLED, ("captured", 2300)], (0, 0, 2300)),
    ([("captured", 800), CANCELLED, ("captured", 1000), ("refunded", 1800)], (500, 1800, 0)),
]


@pytest.mark.parametrize(("moves", "expected"), CASES)
async def test_an_order_that_ends_cancelled_comes_to_captured_less_refunded(
    database: str, moves: list[tuple[str, int]], expected: tuple[int, int, int]
) -> None:
    life = Life(Bought("m1", "o1"), "customer", [(0, *move) for move in [("placed", 0), *moves]])
    async with open_trade(database) as trade:
        last = await live(trade, [life], random.Random(1))
        async with running(trade, models=[SALES]):
            await shown(trade, last, models=1)
        found = await fetch(trade, "SELECT cancelled_cents, refunded_cents, net_cents FROM sales_by_day")
        assert found == [expected]

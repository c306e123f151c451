"""Does one deadline that cannot be appended leave its neighbours alone?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from commands.executor import Context, Done, Executor, TooMuchContention
from domain.kernel import Deadline, Fact, Group
from domain.order import OrderConfirmed
from domain.parked import RequestParkedSkip
from domain.streams import parked_stream
from eventstore.log import EpochChanged, InvalidAppend, LogUnavailable
from eventstore.seams import WallClock
from services import scheduler as scheduler_module
from services.agents.reactions import PageOfReactions
from services.agents.registered import AGENTS
from services.parked_keys import Answer, ParkedKeys
from services.scheduler import Scheduler
from tests.integration.trade import NOW, Trade, agents_running, trading

DEADLINES = """
INSERT INTO deadlines
SELECT 'order', 'k' || n, 'late', 'm1', 'c1', 'wall', 'cause', %s FROM generate_series(1, 5) AS n
"""


class Failing(Executor):
    """An executor that the log fails for some deadlines, as often as is said."""

    failures: dict[str, Exception]

    async def execute(self, group: Group, context: Context, answer: bytes = b"") -> Done:
        command: Any = group.targets[0].command
        if failure := self.failures.pop(command.key, None):
            raise failure
        return await super().execute(group, context, answer)


async def fetch(trade: Trade, query: str, *arguments: Any) -> list[Any]:
    async with trade.log.pool.connection() as connection:
        cursor = await connection.execute(query.encode(), arguments)
        return list(await cursor.fetchall()) if cursor.description else []


def scheduler_that_fails(trade: Trade, **failures: Exception) -> Scheduler:
    trade.executor.__class__ = Failing
    assert isinstance(trade.executor, Failing)
    trade.executor.failures = failures
    return Scheduler(trade.executor, trade.log.database, WallClock())


async def test_a_deadline_that_fails_comes_again_and_its_neighbours_are_forgotten(database: str) -> None:
    async with trading(database) as trade:
        await fetch(trade, DEADLINES, NOW - timedelta(days=1))
        away, busy = LogUnavailable("away"), TooMuchContention("busy")
        scheduler = scheduler_that_fails(trade, k2=away, k4=busy)
        assert await scheduler.reach() == 3
        assert await fetch(trade, "SELECT key FROM deadlines ORDER BY key") == [("k2",), ("k4",)]
        assert await scheduler.reach() == 2
        assert (await trade.types()).count("DeadlineReached") == 5
        assert await scheduler.reach() == 0


@pytest.mark.parametrize(
    "failure", [InvalidAppend("too long"), psycopg.errors.ProgramLimitExceeded("index row"), KeyError("k")]
)
async def test_a_deadline_that_would_fail_for_ever_is_parked_and_fills_no_page(
    database: str, failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler_module, "BATCH", 2)
    async with trading(database) as trade:
        await fetch(trade, DEADLINES, NOW - timedelta(days=1))
        scheduler = scheduler_that_fails(trade, k1=failure, k2=failure)
        assert [await scheduler.reach() for _ in range(3)] == [0, 2, 1]
        parked = await fetch(trade, "SELECT follower, key, position, error FROM parked ORDER BY key")
        error = f"{type(failure).__name__}: {failure}"
        assert parked == [("scheduler", f"order {key} late", 0, error) for key in ("k1", "k2")]
        keys = ParkedKeys(trade.log.pool, trade.log, trade.keyring, AGENTS)
        assert await keys.retry("scheduler", "order k1 late") == 1
        assert [await scheduler.reach() for _ in range(2)] == [1, 0]
        assert await fetch(trade, "SELECT key FROM parked") == [("order k2 late",)]
        asked = await ask_to_skip(trade, "order k2 late")
        assert await keys.answer(asked) == Answer(asked, 0, 0, "")
        assert await fetch(trade, "SELECT key FROM parked") == []
        assert await fetch(trade, "SELECT key FROM deadlines") == [], "it is never reached"


async def ask_to_skip(trade: Trade, key: str) -> int:
    command = RequestParkedSkip(follower="scheduler", key=key, position=0, reason="a test", stands_at=0)
    return (await trade.command(parked_stream("scheduler"), command)).position


async def test_a_deadline_that_is_asked_for_again_is_the_later_facts(database: str) -> None:
    """Of its checkout and on its clock, whose time it is due at, just as if both facts came in one page."""
    async with trading(database) as trade:
        await fetch(trade, "INSERT INTO checkpoints (follower) VALUES ('agents')")
        statements = trade.log.database.statements("services.agents", "agents.sql")
        place = {"follower": "agents", "firsts": [0], "lasts": [63], "leases": [0], "done": 0}
        for number, whose in enumerate(("c1", "c2")):
            page = PageOfReactions()
            fact = Fact(
                1,
                "order-m.o",
                1,
                OrderConfirmed(order_id="o"),
                "m",
                whose,
                "",
                UUID(int=number),
                NOW,
                NOW,
                clock=whose,
            )
            page.deadlines["order", "k", "n"] = fact, Deadline("k", "n", NOW + timedelta(hours=number))
            moved = await statements.run(
                "record_reactions", **place, was=number, position=number + 1, **page.arguments()
            )
            assert moved == [(True,)]
        kept = await fetch(trade, "SELECT correlation, clock, causation, due_at FROM deadlines")
        assert kept == [("c2", "c2", str(UUID(int=1)), NOW + timedelta(hours=1))]


async def test_a_changed_epoch_parks_nothing(database: str) -> None:
    async with trading(database) as trade:
        await fetch(trade, DEADLINES, NOW - timedelta(days=1))
        scheduler = scheduler_that_fails(trade, k1=EpochChanged("restored"))
        with pytest.raises(ExceptionGroup) as raised:
            await scheduler.reach()
        assert isinstance(raised.value.exceptions[0], EpochChanged)
        assert await fetch(trade, "SELECT FROM parked") == []


async def test_the_deadline_of_an_order_with_a_long_name_is_reached(database: str) -> None:
    async with trading(database) as trade, agents_running(trade):
        await trade.stock("a", 1)
        await trade.place("\N{SNOWMAN}" * 33)
        await trade.rest()
        await fetch(trade, "INSERT INTO business_clocks VALUES ('c1', %s)", NOW + timedelta(hours=2))
        assert await Scheduler(trade.executor, trade.log.database, WallClock()).reach() == 1
        await trade.rest()
        assert "OrderCancelled" in await trade.types()

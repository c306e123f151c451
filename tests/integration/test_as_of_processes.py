"""Does the process of any agent stand as it stood, by the name that it is known by?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from domain.streams import stream_parts
from eventstore.codec import decode
from services.agents.agent import order_key
from services.audit import history
from services.audit.as_of import AGENTS
from services.audit.desk import Asked, Desk, NotThere
from services.audit.difference import ABSENT, applied
from services.audit.history_index import HistoryIndex
from tests.integration.test_as_of import desk_over
from tests.integration.trade import MERCHANT, Trade, agents_running, trading
from tests.integration.trade_beside import BOUGHT, LEFT, OTHER, PRICED, trade_beside

KEPT = "SELECT agent, key, state FROM agent_processes ORDER BY agent, key"
States = dict[tuple[str, str], Any]


@pytest.fixture
async def trade(database: str) -> AsyncIterator[Trade]:
    async with trading(database) as opened, agents_running(opened):
        await trade_beside(opened)
        yield opened


async def kept(trade: Trade) -> States:
    async with trade.log.pool.connection() as connection:
        rows = await (await connection.execute(KEPT.encode())).fetchall()
    return {
        (agent, key): as_json(type(AGENTS[agent].initial).model_validate_json(state))
        for agent, key, state in rows
    }


def as_json(process: Any) -> Any:
    return orjson.loads(process.model_dump_json())


async def heard(trade: Trade, position: int) -> States:
    """Of whatever an agent heard up to a position, its process: decided anew, without any index."""
    processes: dict[tuple[str, str], Any] = {}
    for fact in map(decode, await trade.log.read(0, position)):
        for agent in AGENTS.values():
            if isinstance(fact.event, agent.interests) and agent.concerns(fact):
                whose = agent.name, order_key(fact)
                reaction = agent.react(processes.get(whose, agent.initial), fact)
                processes[whose] = reaction.process
    return {whose: as_json(process) for whose, process in processes.items()}


async def asked(desk: Desk, position: int, whose: tuple[str, str]) -> Any:
    return (await desk.state(Asked(agent=whose[0], key=whose[1]), position))["state"]


@pytest.mark.parametrize("indexed", [True, False])
async def test_the_process_of_any_agent_is_what_the_agent_keeps(
    trade: Trade, database: str, *, indexed: bool
) -> None:
    head, processes = await trade.log.head(), await kept(trade)
    assert {("cart", LEFT), ("cart", BOUGHT)} < processes.keys()
    if indexed:
        await HistoryIndex(trade.log, trade.log.pool).catch_up()
    for merchant in (MERCHANT, OTHER):
        async with desk_over(database, trade, merchant=merchant, open_=False) as desk:
            for whose, state in processes.items():
                seen = state if stream_parts(whose[1])[0] == merchant else None
                assert await asked(desk, head, whose) == seen, whose


async def test_events_and_deadlines_are_found_in_steps_of_different_lengths(
    trade: Trade, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "STEP", 2)
    whose = "cart", BOUGHT
    async with desk_over(database, trade, open_=False) as desk:
        assert await asked(desk, await trade.log.head(), whose) == (await kept(trade))[whose]


async def test_as_of_any_moment_and_what_was_never_kept_is_as_it_begins(trade: Trade, database: str) -> None:
    head = await trade.log.head()
    all_that_may_be = {whose for whose in await heard(trade, head) if may_be_asked(*whose)}
    assert {("cart", LEFT), ("product", PRICED)} < all_that_may_be
    async with desk_over(database, trade, open_=False) as desk:
        for position in range(1, head + 1, 5):
            states = await heard(trade, position)
            for whose in all_that_may_be:
                assert await asked(desk, position, whose) == states.get(whose), (whose, position)


def may_be_asked(agent: str, key: str) -> bool:
    return key.partition("-")[0] in AGENTS[agent].keyed_by


async def test_what_changed_a_process_names_the_event_also_where_that_is_a_deadline(
    trade: Trade, database: str
) -> None:
    head = await trade.log.head()
    async with desk_over(database, trade, open_=False) as desk:
        state = await desk.state(Asked(agent="cart", key=LEFT), head)
        assert (state["key"], state["events"], state["made_by"]["type"]) == (LEFT, 7, "CartExpired")
        changes = await desk.changes(Asked(agent="cart", key=BOUGHT), 0, head)
        made: Any = as_json(AGENTS["cart"].initial)
        for change in changes["items"]:
            made = applied(made, change["path"], change.get("now", ABSENT))
        assert made == await asked(desk, head, ("cart", BOUGHT))
        assert "CheckoutClaimed" in {change["type"] for change in changes["items"]}
        priced = await desk.state(Asked(agent="product", key=PRICED), head)
        assert (priced["events"], priced["made_by"]["type"]) == (2, "DeadlineReached")


async def test_nobody_sees_the_processes_of_anothers_carts(trade: Trade, database: str) -> None:
    async with desk_over(database, trade, merchant="another", open_=False) as desk:
        state = await desk.state(Asked(agent="cart", key=LEFT), await trade.log.head())
        assert (state["state"], state["events"]) == (None, 0)


@pytest.mark.parametrize(
    ("agent", "key", "say"),
    [
        ("order", "cart-m.left", ("MERCHANT/ORDER_ID", "the agent cart")),
        ("inventory", "stock-m.a.main", ("no process", "MERCHANT/ORDER_ID")),
        ("cart", "m/1001", ("cart-MERCHANT.CART_ID", "the agent order")),
        ("cart", "order-m.1001", ("cart-MERCHANT.CART_ID", "the agent order")),
        ("cart", "left", ("cart-MERCHANT.CART_ID",)),
        ("cart", "cart-m.le-ft", ("the stream is cart-m.le%2Dft",)),
        ("cart", "cart-m", ("say cart-MERCHANT.CART_ID",)),
        ("product", "m/a-1", ("product-MERCHANT.SKU",)),
        ("order", "o-1", ("say MERCHANT/ORDER_ID or order-MERCHANT.ORDER_ID",)),
        ("order", "order-m.o-1", ("the stream is order-m.o%2D1",)),
        ("nobody", "m/1", ("there is no agent nobody",)),
    ],
)
def test_what_no_process_is_of_is_refused_with_what_to_say(
    agent: str, key: str, say: tuple[str, ...]
) -> None:
    with pytest.raises(NotThere) as refused:
        Asked(agent=agent, key=key).subject()
    assert all(words in refused.value.detail for words in say), refused.value.detail

"""Does "why" show what led to an event that is about no order, and what came of it: carts, prices, goods?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from commands.executor import Context
from domain.inventory import ReceiveStock
from domain.kernel import one
from domain.streams import stock_stream, stream_parts
from eventstore.log import StoredEvent
from eventstore.postgres import make_pool
from eventstore.statements import Pool
from services.agents.cart import CART_AGENT
from services.audit import causes_read
from services.audit.causes import Cause
from services.audit.causes_asked import Bound, NothingThere, bound, why_event, why_order
from tests.integration.test_database_roles import AsRole
from tests.integration.test_why_causes import events, nodes, path
from tests.integration.trade import MERCHANT, NOW, Trade, agents_running, trading
from tests.integration.trade_beside import LEFT, OTHER, PRICED, trade_beside

AFTER_DEADLINE = ["reaction", "deadline", "DeadlineReached", "reaction", "command"]
CLAIMED = ["command", "CheckoutClaimed", *AFTER_DEADLINE, "CheckoutOrderRequested", "reaction", "command"]


@pytest.fixture
async def pool(as_role: AsRole) -> AsyncIterator[Pool]:
    async with make_pool(as_role("audit")) as opened:
        yield opened


@pytest.fixture
async def trade(database: str) -> AsyncIterator[Trade]:
    async with trading(database) as opened, agents_running(opened):
        await trade_beside(opened)
        yield opened


async def the(trade: Trade, kind: str, merchant: str = MERCHANT) -> StoredEvent:
    """The last event of that type."""
    return [e for e in await trade.log.read(0, 1000) if (e.type, e.merchant) == (kind, merchant)][-1]


async def why(trade: Trade, pool: Pool, kind: str, of: str = MERCHANT, to: str = MERCHANT) -> Cause:
    async with bound(pool, Bound(to)) as connection:
        return await why_event(connection, str((await the(trade, kind, of)).position))


WAYS = {
    "CartAbandoned": ["command", "ContactSet", *AFTER_DEADLINE, "CartAbandoned"],
    "CartExpired": ["command", "ContactSet", *AFTER_DEADLINE, "CartExpired"],
    "PriceApplied": ["command", "PriceSet", *AFTER_DEADLINE, "PriceApplied"],
    "PurchaseReceived": ["command", "PurchaseReceived"],
    "OrderPlaced": [*CLAIMED, "OrderPlaced"],
}


async def test_the_way_to_an_event_is_whole(trade: Trade, pool: Pool) -> None:
    for kind, way in WAYS.items():
        tree = await why(trade, pool, kind)
        assert path(tree, kind) == way
        assert nodes(tree, "missing") == [], kind
        assert [each.details["type"] for each in nodes(tree, "event") if each.wanted] == [kind]


async def test_of_what_is_too_long_to_be_read_whole_the_way_is_followed_by_ids(
    trade: Trade, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(causes_read, "LONG", 2)
    tree = await why(trade, pool, "PriceApplied")
    assert path(tree, "PriceApplied") == ["command", "PriceSet", *WAYS["PriceApplied"][3:]]
    (deadline,) = nodes(tree, "deadline")
    assert deadline.missing == "that the agent product asked for it is told by the event alone"
    assert [each.title.split()[0] for each in nodes(tree, "missing")] == [PRICED]
    (applying,) = [each for each in nodes(tree, "reaction") if "rule_version" in each.details]
    assert "not decided again" in applying.missing
    assert "same_if_decided_again" not in applying.details


async def test_a_carts_deadline_says_who_asked_for_it_by_which_rules_and_when(
    trade: Trade, pool: Pool
) -> None:
    tree = await why(trade, pool, "CartAbandoned")
    (deadline,) = nodes(tree, "deadline")
    assert (deadline.details["name"], deadline.details["state"]) == ("abandon", "reached")
    assert deadline.details["due_at"] == "2026-03-01T13:00:00+00:00"
    assert deadline.missing == ""
    (abandoning,) = [each for each in nodes(tree, "reaction") if "rule_version" in each.details]
    assert abandoning.details["rule_version"] == CART_AGENT.rule_version
    assert abandoning.details["same_if_decided_again"]
    assert len(abandoning.details["facts"]) == 5, "what the shopper did, and that nobody came back"


async def test_what_came_of_an_event_is_shown_over_carts_orders_and_stock(trade: Trade, pool: Pool) -> None:
    led = events(await why(trade, pool, "CheckoutClaimed", to=""))
    assert {"CheckoutOrderRequested", "OrderPlaced", "StockReserved"} <= {*led.values()}
    assert {"AuthorizationRequested", "CheckoutCompleted"} <= {*led.values()}
    placed = [e for e in await trade.log.read(0, 1000) if e.type == "OrderPlaced"]
    assert {each.merchant for each in placed} == {MERCHANT, OTHER}
    assert {each.position for each in placed} <= led.keys()
    contact = (await why(trade, pool, "ContactSet")).walk()
    assert not [each for _, each in contact if each.details.get("stream") == LEFT]


async def test_the_deadline_of_a_cart_leads_both_ways(trade: Trade, pool: Pool) -> None:
    claim = [e for e in await trade.log.read(0, 1000) if e.type == "DeadlineReached" and b"claim" in e.data]
    async with bound(pool, Bound(MERCHANT)) as connection:
        tree = await why_event(connection, str(claim[0].event_id))
    assert path(tree, "DeadlineReached")[:2] == ["command", "CheckoutClaimed"]
    assert "CheckoutOrderRequested" in events(tree).values()


async def test_an_order_shows_the_cart_that_it_came_of_and_no_order_of_another_merchant(
    trade: Trade, pool: Pool
) -> None:
    placed = await the(trade, "OrderPlaced")
    for to in ("", MERCHANT):
        async with bound(pool, Bound(to)) as connection:
            tree = await why_order(connection, *stream_parts(placed.stream))
        assert path(tree, "OrderPlaced") == [*CLAIMED, "OrderPlaced"]
        assert path(tree, "CheckoutOrderRecorded")[-4:] == [
            "OrderPlaced", "reaction", "command", "CheckoutOrderRecorded",
        ]  # fmt: skip
        assert [each.details["type"] for each in nodes(tree, "event")].count("OrderPlaced") == 1
        assert not any(each.wanted for _, each in tree.walk())
        differing = [e for e in nodes(tree, "reaction") if e.details.get("same_if_decided_again") is False]
        assert differing == [], "what is not all here is not said to be decided otherwise"


async def test_a_cause_that_is_anothers_stays_hidden(trade: Trade, pool: Pool) -> None:
    requested = await the(trade, "CheckoutOrderRequested")
    tree = await why(trade, pool, "OrderPlaced", OTHER, OTHER)
    missing = {each.details["event_id"] for each in nodes(tree, "missing")}
    asking = {str(e.event_id) for e in await trade.log.read(0, 1000) if e.type == "CheckoutOrderRequested"}
    assert len(missing) == 1
    assert missing < asking
    streams = {each.details["stream"] for each in nodes(tree, "event")}
    assert {stream_parts(stream)[0] for stream in streams} == {OTHER}
    assert path(await why(trade, pool, "OrderPlaced", OTHER, ""), "OrderPlaced") == [*CLAIMED, "OrderPlaced"]
    async with bound(pool, Bound(OTHER)) as connection:
        with pytest.raises(NothingThere):
            await why_event(connection, str(requested.position))


async def test_a_cause_that_no_key_leads_to_is_found_by_its_id_so_often_and_then_said_to_be_missing(
    trade: Trade, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    cause = str((await the(trade, "PurchaseReceived")).event_id)
    stock = stock_stream(MERCHANT, "a", "main")
    command = ReceiveStock(sku="a", warehouse="main", quantity=5)
    context = Context(uuid4(), MERCHANT, "test", "c1", cause, NOW, "c1")
    await trade.executor.execute(one(stock, command), context)
    await trade.rest()
    tree = await why(trade, pool, "StockReceived")
    assert path(tree, "StockReceived") == ["command", "PurchaseReceived", "StockReceived"]
    assert len(events(tree)) == 2, "of a stock that many orders share nothing else is read"
    monkeypatch.setattr(causes_read, "CAUSES_MAX", 0)
    (missing,) = nodes(await why(trade, pool, "StockReceived"), "missing")
    assert missing.details == {"event_id": cause}

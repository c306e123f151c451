"""Does the tree of causes hold all that led to an order's events, and say what is not known?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4
from xml.etree import ElementTree

import orjson
import psycopg
import pytest
from rich.console import Console

from commands.executor import Context
from domain.inventory import SetStockRules, StockRules
from domain.kernel import Command, one
from domain.order import CancelOrder
from domain.payment import AuthorizationRequested, Movement, RecordProviderPayment, RecordUnavailable
from domain.streams import order_stream, payment_stream, stock_stream
from eventstore.codec import decode
from eventstore.postgres import make_pool
from eventstore.seams import WallClock, derived_id
from eventstore.statements import Pool
from services.agents.order import ORDER_AGENT
from services.audit import causes_read
from services.audit.causes import Cause
from services.audit.causes_asked import (
    Bound,
    NothingThere,
    bound,
    why_event,
    why_order,
    why_payment,
    why_shipment,
    why_stock,
)
from services.audit.causes_read import TrailReader
from services.audit.causes_tree import UNREADABLE
from services.audit.drawing import ASKED_ABOUT, LEGEND, OTHERWISE, as_rich, as_svg
from services.audit.why_shown import CauseNode, tree_as_json
from services.scheduler import Scheduler
from tests.integration.test_database_roles import AsRole, connected
from tests.integration.trade import MERCHANT, NOW, Trade, agents_running, trading


@pytest.fixture
async def pool(as_role: AsRole) -> AsyncIterator[Pool]:
    async with make_pool(as_role("audit")) as opened:
        yield opened


@pytest.fixture
async def trade(database: str) -> AsyncIterator[Trade]:
    """An order that was paid, prepared, shipped and delivered; another that found no stock."""
    async with trading(database) as opened, agents_running(opened):
        await opened.stock("a", 1)
        await opened.place("1")
        await opened.rest()
        await opened.provider_says("1", "authorized")
        await opened.rest()
        await opened.carrier_says("1", "collected")
        await opened.rest()
        await opened.provider_says("1", "authorized", captured=True)
        await opened.carrier_says("1", "collected", "delivered")
        await opened.rest()
        await opened.place("2")
        await opened.rest()
        yield opened


async def of_order(pool: Pool, order_id: str, merchant: str = MERCHANT, **options: int) -> Cause:
    async with bound(pool, Bound(merchant)) as connection:
        return await why_order(connection, merchant, order_id, **options)


def nodes(root: Cause, kind: str) -> list[Cause]:
    return [each for _, each in root.walk() if each.kind == kind]


def events(root: Cause) -> dict[int, str]:
    return {each.position: each.details["type"] for each in nodes(root, "event") if each.position}


def path(root: Cause, kind: str) -> list[str]:
    """From the outside to the (last) event of that type: kinds of nodes and types of events."""
    above: list[Cause] = []
    found: list[str] = []
    for depth, each in root.walk():
        above[depth:] = [each]
        if each.details.get("type") == kind:
            found = [node.details.get("type", node.kind) for node in above[1:]]
    return found


async def about(trade: Trade, order_id: str) -> dict[int, str]:
    """What the log has about an order, looked for without any index."""
    facts = [decode(stored) for stored in await trade.log.read(0, 10_000)]
    return {
        fact.position: type(fact.event).__name__
        for fact in facts
        if getattr(fact.event, "order_id", None) == order_id
        or getattr(fact.event, "key", None) == f"order-{MERCHANT}.{order_id}"
    }


async def test_an_order_has_all_that_happened_to_it(trade: Trade, pool: Pool) -> None:
    for order_id in ("1", "2"):
        assert events(await of_order(pool, order_id)) == await about(trade, order_id)


async def test_the_way_from_a_command_to_its_last_effect(trade: Trade, pool: Pool) -> None:
    tree = await of_order(pool, "1")
    assert path(tree, "StockAllocated") == [
        "command", "PaymentAuthorized", "reaction", "command", "OrderConfirmed", "reaction", "command",
        "StockAllocated",
    ]  # fmt: skip
    assert path(tree, "AuthorizationRequested") == [
        "command", "OrderPlaced", "reaction", "command", "StockReserved", "reaction", "command",
        "OrderReserved", "reaction", "command", "AuthorizationRequested",
    ]  # fmt: skip


async def test_a_reaction_says_its_rules_its_facts_and_that_it_would_be_the_same(
    trade: Trade, pool: Pool
) -> None:
    tree = await of_order(pool, "1")
    recorded = [each for each in nodes(tree, "reaction") if "rule_version" in each.details]
    assert len(recorded) == 10
    assert all(each.details["same_if_decided_again"] and not each.missing for each in recorded)
    (confirming,) = [each for each in recorded if each.led_to[0].title.startswith("ConfirmOrder")]
    known = await about(trade, "1")
    assert [known[position] for position in confirming.details["facts"]] == [
        "OrderPlaced", "StockReserved", "PaymentAuthorized",
    ]  # fmt: skip


async def test_a_reaction_that_somebody_changed_is_seen(trade: Trade, pool: Pool) -> None:
    change = (
        "UPDATE reactions SET commands = "
        "replace(encode(commands, 'escape'), 'ConfirmOrder', 'CompleteOrder')::bytea"
    )
    async with trade.log.pool.connection() as connection:
        await connection.execute(change.encode())
    tree = await of_order(pool, "1")
    changed = [e for e in nodes(tree, "reaction") if e.details.get("same_if_decided_again") is False]
    assert [each.led_to[0].title for each in changed] == ["CompleteOrder order-m.1"]
    assert as_svg(tree).decode().count(OTHERWISE) == 1, "and everybody who sees the picture sees it"


async def test_a_cause_that_its_id_alone_tells_is_decided_again_with_all_others(
    trade: Trade, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(*_: object) -> list[object]:
        return []

    monkeypatch.setattr(TrailReader, "_read_appended", nothing)
    tree = await of_order(pool, "1")
    assert "StockReserved" in events(tree).values()
    assert [e.title for e in nodes(tree, "reaction") if e.details.get("same_if_decided_again") is False] == []


async def test_an_event_of_an_order_that_somebody_altered_is_still_there(
    trade: Trade, pool: Pool, database: str
) -> None:
    kinds = {"PaymentCaptured", "ShipmentDelivered", "StockAllocated"}
    before = await of_order(pool, "1")
    altered = {position for position, kind in events(before).items() if kind in kinds}
    async with await psycopg.AsyncConnection.connect(database) as connection:
        await connection.execute("ALTER TABLE events DISABLE TRIGGER USER")
        change = "UPDATE events SET data = 'no JSON' WHERE position = ANY(%s)"
        await connection.execute(change.encode(), (list(altered),))
    tree = await of_order(pool, "1")
    unreadable = {each.position for each in nodes(tree, "event") if each.missing == UNREADABLE}
    assert unreadable == altered
    assert len(altered) == len(kinds)


async def test_a_command_that_was_refused_or_changed_nothing_is_told(trade: Trade, pool: Pool) -> None:
    tree = await of_order(pool, "2")
    told = {each.title: each.details.get("came_to", "appended") for each in nodes(tree, "command")}
    assert told["CancelOrder order-m.2"] == "appended"
    assert told["ReserveStock stock-m.a.main"] == "appended"
    assert told["ReleaseStock stock-m.a.main"] == "nothing had to change"


async def test_deadlines_say_what_set_them_and_what_became_of_them(trade: Trade, pool: Pool) -> None:
    deadlines = {e.details["name"]: e.details for e in nodes(await of_order(pool, "1"), "deadline")}
    assert {name: each["state"] for name, each in deadlines.items()} == {
        "reservation": "withdrawn",
        "authorization 1": "withdrawn",
    }
    await trade.stock("b", 5)
    await trade.place("3", sku="b")
    await trade.rest()
    waiting = {e.details["name"]: e.details for e in nodes(await of_order(pool, "3"), "deadline")}
    assert waiting["reservation"]["state"] == "waits"
    async with trade.log.pool.connection() as connection:
        now = NOW + timedelta(hours=2)
        await connection.execute("INSERT INTO business_clocks VALUES ('c1', %s)", (now,))
    assert await Scheduler(trade.executor, trade.log.database, WallClock()).reach() == 1
    await trade.rest()
    tree = await of_order(pool, "3")
    assert events(tree) == await about(trade, "3")
    assert path(tree, "OrderCancelled") == [
        "command", "OrderPlaced", "reaction", "deadline", "DeadlineReached", "reaction", "command",
        "ReservationExpired", "reaction", "command", "OrderCancelled",
    ]  # fmt: skip


async def record(trade: Trade, command: Command, what: str, failed_tries: int = 0) -> None:
    """As the gateway does: because of the request, and under an id that is made of it."""
    request = [e for e in await trade.log.read(0, 1000) if e.type == "AuthorizationRequested"][-1]
    context = Context(
        derived_id(request.event_id, "gateway", "payment", what),
        MERCHANT, "gateway:payment", "c1", str(request.event_id), NOW, "c1", failed_tries=failed_tries,
    )  # fmt: skip
    assert isinstance(decode(request).event, AuthorizationRequested)
    await trade.executor.execute(one(request.stream, command), context)


async def test_a_call_tells_its_tries_and_a_webhook_when_it_came(trade: Trade, pool: Pool) -> None:
    await trade.stock("b", 5)
    await trade.place("3", sku="b")
    await trade.rest()
    told = {"payment_id": "3", "provider_reference": "ref 3", "status": "authorized", "amount_cents": 1000}
    await record(trade, RecordUnavailable(payment_id="3", call="authorize", attempts=4), "unavailable")
    await record(trade, RecordProviderPayment.model_validate(told), "outcome", failed_tries=7)
    captured = Movement(reference="odd", amount_cents=1, succeeded=True)
    webhook = Context(uuid4(), MERCHANT, "gateway:payment", "c1", "msg_1", NOW, "c1")
    command = RecordProviderPayment.model_validate({**told, "captures": (captured,)})
    await trade.executor.execute(one(payment_stream(MERCHANT, "3"), command), webhook)
    async with trade.log.pool.connection() as connection:
        await connection.execute(
            "INSERT INTO webhook_inbox"
            " (provider, webhook_id, stream, correlation, body, attempts, matched_at)"
            " VALUES ('payment', 'msg_1', %s, 'c1', '{}', 2, now())",
            (payment_stream(MERCHANT, "3"),),
        )
        await connection.execute(
            "INSERT INTO provider_calls SELECT 'payment', position, 'c1', 3 FROM events"
            " WHERE type = 'AuthorizationRequested' AND stream = 'payment-m.3'"
        )
    await trade.rest()
    tree = await of_order(pool, "3")
    calls = {each.title: each.details for each in nodes(tree, "call")}
    assert calls["payment gateway: outcome of AuthorizationRequested"]["failed_tries"] == 7
    assert "failed_tries" not in calls["payment gateway: unavailable of AuthorizationRequested"]
    assert calls["payment gateway: no outcome yet of AuthorizationRequested"]["failed_tries"] == 3
    assert path(tree, "PaymentAuthorized")[-3:] == ["AuthorizationRequested", "call", "PaymentAuthorized"]
    (came,) = nodes(tree, "webhook")
    assert (came.details["matched_nothing"], came.missing) == (2, "")
    assert path(tree, "PaymentCaptured") == ["webhook", "PaymentCaptured"]


async def test_where_a_link_is_gone_the_tree_says_so(trade: Trade, pool: Pool) -> None:
    whole = events(await of_order(pool, "1"))
    async with trade.log.pool.connection() as connection:
        await connection.execute("DELETE FROM commands")
    tree = await of_order(pool, "1")
    assert events(tree) == whole, "it is found all the same"
    gone = [each for each in nodes(tree, "command") if "the ledger does not know it" in each.missing]
    assert "ReserveStock stock-m.a.main" in {each.title for each in gone}
    async with trade.log.pool.connection() as connection:
        await connection.execute("DELETE FROM reactions")
    tree = await of_order(pool, "1")
    assert any("is not recorded any more" in each.missing for each in nodes(tree, "reaction"))


async def test_a_payment_shows_its_causes_and_nothing_else(trade: Trade, pool: Pool) -> None:
    async with bound(pool, Bound(MERCHANT)) as connection:
        payment = await why_payment(connection, MERCHANT, "1")
        parcel = await why_shipment(connection, MERCHANT, "1")
    wanted = {each.details["type"] for each in nodes(payment, "event") if each.wanted}
    assert wanted == {"AuthorizationRequested", "PaymentAuthorized", "CaptureRequested", "PaymentCaptured"}
    assert "StockShipped" not in events(payment).values()
    assert path(payment, "CaptureRequested")[:4] == ["command", "ShipmentDispatched", "reaction", "command"]
    assert {e.details["stream"] for e in nodes(parcel, "event") if e.wanted} == {"shipment-m.1"}


async def test_an_event_is_asked_for_by_position_or_id(trade: Trade, pool: Pool) -> None:
    placed = next(stored for stored in await trade.log.read(0, 100) if stored.type == "OrderReserved")
    async with bound(pool, Bound(MERCHANT)) as connection:
        by_position = await why_event(connection, str(placed.position))
        by_id = await why_event(connection, str(placed.event_id))
        for unknown in ("999999", str(uuid4()), "nonsense", "-1", "0" * 60):
            with pytest.raises(NothingThere):
                await why_event(connection, unknown)
    assert by_id == by_position
    assert [each.position for each in nodes(by_id, "event") if each.wanted] == [placed.position]
    assert "AuthorizationRequested" in events(by_id).values(), "what it led to is there"
    assert "PaymentAuthorized" not in events(by_id).values()


async def test_what_an_event_led_to_is_found_beyond_its_own_streams(trade: Trade, pool: Pool) -> None:
    confirmed = next(stored for stored in await trade.log.read(0, 100) if stored.type == "OrderConfirmed")
    async with bound(pool, Bound(MERCHANT)) as connection:
        tree = await why_event(connection, str(confirmed.position))
    assert {"StockAllocated", "ShipmentRequested"} <= set(events(tree).values())


async def test_a_cause_that_is_not_to_be_seen_is_no_webhook(trade: Trade, pool: Pool) -> None:
    told = {"payment_id": "1", "provider_reference": "ref 1", "status": "authorized", "amount_cents": 1000}
    odd = Movement(reference="odd", amount_cents=1, succeeded=True)
    cause = str(uuid4())
    context = Context(uuid4(), MERCHANT, "gateway:payment", "c1", cause, NOW, "c1")
    command = RecordProviderPayment.model_validate({**told, "captures": (odd,)})
    await trade.executor.execute(one(payment_stream(MERCHANT, "1"), command), context)
    await trade.rest()
    (missing,) = nodes(await of_order(pool, "1"), "missing")
    assert missing.details == {"event_id": cause}
    assert "PaymentCaptured" in {each.details["type"] for each in missing.led_to}


async def test_stock_shows_what_moved_it_last(trade: Trade, pool: Pool) -> None:
    async with bound(pool, Bound(MERCHANT)) as connection:
        tree = await why_stock(connection, MERCHANT, "a", "main")
    wanted = [each.details["type"] for each in nodes(tree, "event") if each.wanted]
    assert sorted(wanted) == [
        "StockAllocated", "StockReceived", "StockReservationRefused", "StockReserved", "StockShipped",
    ]  # fmt: skip
    assert path(tree, "StockReceived") == ["command", "StockReceived"]


async def test_a_large_tree_is_cut_with_a_word(trade: Trade, pool: Pool) -> None:
    tree = await of_order(pool, "1", events_max=5)
    assert len(events(tree)) == 5
    assert tree.led_to[-1].title == "there is more: the tree was cut after 5 events"


async def waiting_for_one(trade: Trade) -> None:
    """Three orders wait for what a fourth has, and lets go: one decision fills all three."""
    stock = stock_stream(MERCHANT, "c", "main")
    rules = StockRules(backorder_limit=9, backorder_days=9)
    await trade.command(stock, SetStockRules(sku="c", warehouse="main", rules=rules))
    await trade.stock("c", 3)
    await trade.place("has", sku="c", quantity=3)
    await trade.rest()
    for order_id in ("w1", "w2", "w3"):
        await trade.place(order_id, sku="c")
        await trade.rest()
    await trade.command(order_stream(MERCHANT, "has"), CancelOrder(order_id="has", reason="customer"))
    await trade.rest()


async def test_a_decision_that_orders_share_is_there_and_their_stories_are_not(
    trade: Trade, pool: Pool
) -> None:
    await waiting_for_one(trade)
    tree = await of_order(pool, "has")
    others = [e for e in nodes(tree, "event") if e.details["data"].get("order_id", "has") != "has"]
    assert {each.details["type"] for each in others} == {"BackorderFilled"}
    assert [each.details["other_order"] for each in others] == [
        order_stream(MERCHANT, order_id) for order_id in ("w1", "w2", "w3")
    ]
    assert not any(each.led_to for each in others)
    (shared,) = [each for each in nodes(tree, "command") if each.details.get("other_orders")]
    assert (shared.details["other_orders"], shared.title) == (3, "ReleaseStock stock-m.c.main")
    assert "concerns 3 other orders, too" in as_svg(tree).decode()
    assert (await about(trade, "has")).keys() <= events(tree).keys()
    waited = await of_order(pool, "w1")
    assert path(waited, "BackorderFilled")[-4:] == [
        "OrderCancelled",
        "reaction",
        "command",
        "BackorderFilled",
    ]
    assert {each.details["stream"] for each in nodes(waited, "event")}.isdisjoint(
        {"order-m.w2", "order-m.w3"}
    )


async def test_other_orders_take_no_room_from_its_own_story(trade: Trade, pool: Pool) -> None:
    await waiting_for_one(trade)
    own = await about(trade, "has")
    tree = await of_order(pool, "has", events_max=len(own) + 1)
    assert own.items() <= events(tree).items()
    assert len(events(tree)) == len(own) + 1
    left_out = "events of other orders that came of the same decisions, and are not here: 2"
    assert tree.led_to[-1].title == left_out
    assert "the tree was cut" not in tree_as_json(tree).decode()


async def test_what_is_read_of_many_streams_at_once_is_bounded_and_said_to_be(
    trade: Trade, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(causes_read, "READ_MAX", 1)
    tree = await of_order(pool, "1")
    assert tree.led_to[-1].title == f"there is more: the tree was cut after {len(events(tree))} events"
    assert len(events(tree)) < len(await about(trade, "1"))


async def test_where_the_tree_is_cut_everybody_is_told(trade: Trade, pool: Pool) -> None:
    tree, said = await of_order(pool, "1", events_max=5), "there is more: the tree was cut after 5 events"
    with (console := Console(width=300)).capture() as told:
        console.print(as_rich(tree))
    for shown in (told.get(), as_svg(tree).decode(), tree_as_json(tree).decode()):
        assert said in shown


async def test_where_the_trail_is_cut_nobody_is_said_to_have_decided_otherwise(
    trade: Trade, pool: Pool
) -> None:
    """What an agent built on may be beyond the cut: then it can't be asked again."""
    for events_max in range(1, len(await about(trade, "1"))):
        tree = await of_order(pool, "1", events_max=events_max)
        recorded = [each for each in nodes(tree, "reaction") if "rule_version" in each.details]
        assert not [each for each in recorded if "same_if_decided_again" in each.details]
        assert all("not seen: the tree was cut" in each.missing for each in recorded), events_max
        with (console := Console(width=300)).capture() as told:
            console.print(as_rich(tree))
        assert OTHERWISE not in told.get()


OF_ONE_MERCHANT = (
    "INSERT INTO provider_calls VALUES ('payment', 5, 'c1')",
    "INSERT INTO webhook_inbox VALUES ('payment', 'w', 'payment-m.1', 'c1', '{}')",
    "INSERT INTO deadlines VALUES ('inventory', 'order-m.1', 'x', 'm', 'c1', 'c1', 'cause', now())",
)


async def test_nobody_sees_what_is_anothers(trade: Trade, pool: Pool, database: str, as_role: AsRole) -> None:
    with pytest.raises(NothingThere):
        await of_order(pool, "1", merchant="another")
    async with bound(pool, Bound("another")) as connection:
        with pytest.raises(NothingThere):
            await why_order(connection, MERCHANT, "1")
        with pytest.raises(NothingThere):
            await why_event(connection, "2")
    with connected(database) as owner:
        for statement in OF_ONE_MERCHANT:
            owner.execute(statement.encode())
    for table in ("reactions", "provider_calls", "webhook_inbox", "deadlines"):
        column = "stream" if table == "webhook_inbox" else "1"
        for merchant, seen in (("", False), ("another", False), (MERCHANT, True)):
            with connected(as_role("audit"), merchant=merchant) as connection:
                row = connection.execute(f"SELECT count({column}) > 0 FROM {table}".encode()).fetchone()
                assert row == (seen,), (table, merchant)
    with connected(as_role("audit"), reach="all") as connection:
        for column in ("body", "correlation"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"SELECT {column} FROM webhook_inbox")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT follower FROM parked_answers")


async def test_the_tree_is_drawn_for_terminals_machines_and_eyes(trade: Trade, pool: Pool) -> None:
    tree = await of_order(pool, "1")
    picture = ElementTree.fromstring(as_svg(tree))  # well-formed XML
    texts = ["".join(each.itertext()) for each in picture.iter("{http://www.w3.org/2000/svg}text")]
    drawn, legend = texts[: -len(LEGEND)], texts[-len(LEGEND) :]
    assert legend == list(LEGEND)
    assert len(drawn) == len(list(tree.walk()))
    (confirmed,) = [text for text in drawn if "7 OrderConfirmed" in text]
    assert "order-m.1 by agent:order" in confirmed, "also on paper, where no pointer is"
    decided = f"agent order, rules {ORDER_AGENT.rule_version} · because of events 2, 3, 6"
    assert any(decided in text for text in drawn)
    assert any("deadline reservation" in text and "due 2026-03-01 13:00:00" in text for text in drawn)
    assert any("OrderCompleted" in text for text in texts)
    assert b"<script" not in as_svg(tree)
    assert b"style" not in as_svg(tree), "our own policy forbids it, where it is opened at its address"
    assert b"http" not in as_svg(tree).replace(b"http://www.w3.org/2000/svg", b"")
    console = Console(width=300, record=True, file=None, quiet=False, force_terminal=False)
    with console.capture() as told:
        console.print(as_rich(tree))
    assert len(told.get().splitlines()) == len(drawn)
    assert CauseNode.model_validate_json(tree_as_json(tree)).title == "order 1 of m"
    assert b"sao paulo" not in tree_as_json(tree)
    assert "sealed" not in tree_as_json(tree).decode()


def test_what_was_asked_about_is_marked_for_whoever_sees_no_bold() -> None:
    tree = Cause("a", "asked", "event 2", led_to=[Cause("e2", "event", "B", position=2, wanted=True)])
    tree.led_to[0].led_to = [Cause("e3", "event", "C", position=3)]
    with (console := Console(width=100, force_terminal=False)).capture() as told:
        console.print(as_rich(tree))
    assert [ASKED_ABOUT in line for line in told.get().splitlines()] == [False, True, False]
    assert as_svg(tree).decode().count(f"2 B {ASKED_ABOUT}") == as_svg(tree).decode().count(ASKED_ABOUT) == 1


def test_what_others_wrote_does_not_break_the_picture() -> None:
    nasty = Cause("x", "event", "<script>&\x1b[31m\0", {"note": "]]><b>"}, 1, missing="<i>")
    picture = as_svg(Cause("asked", "asked", "a", led_to=[nasty]))
    ElementTree.fromstring(picture)
    assert b"\x1b" not in picture
    with (console := Console(width=100)).capture() as told:
        console.print(as_rich(nasty))
    assert "\x1b" not in told.get()
    assert orjson.loads(tree_as_json(nasty))["missing"] == "<i>"

"""Does the history show an auditor just the events that were asked for, and just those that may be seen?"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import psycopg
import pytest

from domain.permissions import PLATFORM, possible_at
from domain.streams import order_stream
from eventstore.log import StoredEvent
from eventstore.postgres import make_pool
from services.audit import history as history_module
from services.audit.filters import EventFilter, actor_of, order_of, subject_of
from services.audit.history import History, Reach
from services.audit.history_index import BLOCK, HistoryIndex
from services.settings import Settings
from tests.integration.api_client import listening, problem
from tests.integration.projections_trade import START, Bought, Trade, open_trade, setting_up, some_carts
from tests.integration.walls import World, world
from tests.patience import HANGS

ALL = ".*"


async def some_trade(trade: Trade, orders: int = 12) -> int:
    """Orders of two merchants, by turns, over some days."""
    last = 0
    for merchant in ("m1", "m2"):
        await trade.append(merchant, setting_up(merchant))
    for number in range(orders):
        bought = Bought(
            merchant=f"m{number % 2 + 1}",
            order_id=f"o{number}",
            person=f"p{number % 3}",
            placed_at=START + timedelta(days=number),
        )
        for step in bought.life():
            last = await trade.append(bought.merchant, [step], at=bought.placed_at)
    return last


@asynccontextmanager
async def reading(database: str, merchant: str = "") -> AsyncIterator[History]:
    async with make_pool(Settings(database_url=database).url("audit"), max_size=2) as pool:
        yield History(pool, Reach(merchant))


async def positions(history: History, wanted: EventFilter, limit: int = 500, after: int = 0) -> list[int]:
    found: list[int] = []
    head = await history.head()
    async for step in history.stream(wanted, after, head, limit):
        assert step.reached > after or step.reached == head, "each step goes on"
        found += [event.position for event in step.events]
        after = step.reached
    return found


def fits(event: StoredEvent, wanted: EventFilter) -> bool:
    """Said once more, without an index."""
    asked = {
        "stream": event.stream,
        "type": event.type,
        "merchant": event.merchant,
        "correlation": event.correlation,
        "causation": event.causation,
        "actor": actor_of(event.metadata),
        "subject": subject_of(event),
        "order": order_of(event),
    }
    same = all(getattr(wanted, name) in (None, value) for name, value in asked.items())
    times = (
        (wanted.occurred_from, wanted.occurred_until, event.occurred_at),
        (wanted.recorded_from, wanted.recorded_until, event.recorded_at),
    )
    return same and all((a is None or at >= a) and (b is None or at < b) for a, b, at in times)


def filters(events: list[StoredEvent]) -> list[EventFilter]:
    """Of each kind, and of pairs of kinds, some that find something and some that find nothing."""
    one, other, late = events[40], events[90], events[-5]
    day = timedelta(days=1)
    placed = next(event for event in events[60:] if event.type == "OrderPlaced")
    kinds: dict[str, list[Any]] = {
        "stream": [one.stream, placed.stream],
        "type": [other.type, "Nothing"],
        "merchant": [one.merchant, "nobody"],
        "correlation": [one.correlation, late.correlation],
        "causation": ["test"],
        "actor": ["tester", "nobody"],
        "subject": [subject_of(placed)],
        "order": [order_of(late), order_stream("m1", "o0")],
        "occurred_from": [START + 3 * day],
        "occurred_until": [START + 5 * day],
        "recorded_from": [other.recorded_at],
        "recorded_until": [late.recorded_at],
    }
    singles = [{name: value} for name, values in kinds.items() for value in values]
    pairs = [a | b for a, b in itertools.combinations(singles, 2) if a.keys() != b.keys()]
    return [EventFilter(**each) for each in (*singles, *pairs)]


@pytest.mark.parametrize("indexed", ["all", "half", "none"])
async def test_a_filter_finds_all_that_fits_and_nothing_else(database: str, indexed: str) -> None:
    async with open_trade(database) as trade:
        await some_trade(trade)
        events = await trade.log.read(0, 10_000)
        assert len(events) > BLOCK
        if indexed != "none":
            await HistoryIndex(trade.log, trade.log.pool).catch_up()
        if indexed == "half":
            await some_more(trade)
            events = await trade.log.read(0, 10_000)
        async with reading(database) as history:
            for wanted in filters(events):
                expected = [event.position for event in events if fits(event, wanted)]
                assert await positions(history, wanted) == expected, wanted
                assert await positions(history, wanted, 7, after=50) == [p for p in expected if p > 50], (
                    wanted
                )


async def some_more(trade: Trade) -> None:
    for number in range(100, 104):
        bought = Bought(
            merchant="m1", order_id=f"o{number}", person="p9", placed_at=START + timedelta(days=4)
        )
        await trade.append("m1", bought.life(), at=bought.placed_at)


async def test_a_person_is_found_in_events_whose_type_no_code_knows(database: str) -> None:
    """Who is in an event is told by what is stored: no version of the code makes the index another."""
    async with open_trade(database) as trade:
        await some_trade(trade)
        wanted = EventFilter(subject="subject-p1")
        async with reading(database) as history:
            before = await positions(history, wanted)
            with psycopg.connect(database, autocommit=True) as connection:
                connection.execute("ALTER TABLE events DISABLE TRIGGER USER")
                connection.execute("UPDATE events SET type = 'Later', schema = 9 WHERE position % 2 = 0")
            assert len(before) > 1
            assert await positions(history, wanted) == before
            await HistoryIndex(trade.log, trade.log.pool).catch_up()
            assert await positions(history, wanted) == before


async def test_a_step_is_bounded_and_says_how_far_it_came(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_module, "SCAN_BLOCKS", 1)
    monkeypatch.setattr(history_module, "SCAN_EVENTS", 10)
    monkeypatch.setattr(history_module, "STEPS_OF_A_PAGE", 2)
    async with open_trade(database) as trade:
        head = await some_trade(trade, 24)
        await HistoryIndex(trade.log, trade.log.pool).catch_up()
        async with reading(database) as history:
            never = EventFilter(merchant="m1", occurred_from=START + timedelta(days=99))
            found = await history.page(never, 0, head, 50)
            assert (found.events, found.reached, found.whole) == ([], 2 * BLOCK, False)
            assert await positions(history, EventFilter(type="OrderCompleted")) == [
                event.position for event in await trade.log.read(0, head) if event.type == "OrderCompleted"
            ]


async def test_how_far_a_search_comes_tells_nothing_of_others(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, bound in (("SCAN_BLOCKS", 1), ("READ_BLOCKS", 1), ("STEPS_OF_A_PAGE", 3)):
        monkeypatch.setattr(history_module, name, bound)
    async with open_trade(database) as trade:
        await trade.append("m1", [*setting_up("m1"), *Bought("m1", "o1").life()])
        for number in range(40):
            head = await trade.append("m2", Bought("m2", f"o{number}").life())
        assert head > 4 * BLOCK
        await HistoryIndex(trade.log, trade.log.pool).catch_up()
        async with reading(database, "m1") as history:
            for asked in (
                {"merchant": "m2"},
                {"merchant": "m2", "type": "OrderPlaced"},
                {"order": "order-m2.o3"},
            ):
                found = await history.page(EventFilter(**asked), 0, head, 50)
                assert (found.events, found.whole) == ([], True), asked
            for asked in ({}, {"type": "OrderPlaced"}, {"actor": "user:u1"}):
                found = await history.page(EventFilter(**asked), 0, head, 200)
                assert found.whole, "its one block, what comes behind, and the tail"
                assert {event.merchant for event in found.events} <= {"m1"}


async def test_large_events_make_small_steps(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_module, "DATA_BYTES", 1_000)
    async with open_trade(database) as trade:
        head = await some_trade(trade, 4)
        async with reading(database) as history:
            step = await history.step(EventFilter(), 0, head)
            assert 0 < len(step.events) < 20
            assert await positions(history, EventFilter()) == list(range(1, head + 1))


@pytest.mark.parametrize("step", [7, 50_000])
async def test_as_of_a_time_is_what_the_log_held_when_it_came_past_it(
    database: str, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.audit.history.MOMENT_STEP", step)
    async with open_trade(database) as trade:
        head = await some_trade(trade)
        events = await trade.log.read(0, head)
        for each in (False, True):
            if each:
                await HistoryIndex(trade.log, trade.log.pool).catch_up()
            async with reading(database, "m1") as history:
                for event in (*events[:20], events[60], events[130], events[-1]):
                    later = [e.position for e in events if e.recorded_at > event.recorded_at]
                    assert await history.position_at(event.recorded_at) == (later[0] - 1 if later else head)
                assert await history.position_at(events[0].recorded_at - timedelta(days=1)) == 0
                assert await history.position_at(events[-1].recorded_at + timedelta(days=1)) == head


async def test_clocks_that_go_back_take_nothing_back(database: str) -> None:
    """Two appenders' clocks differ: the log came past a time with the first event that is later."""
    async with open_trade(database) as trade:
        head = await some_trade(trade, 20)
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(
                "SET session_replication_role = replica; ALTER TABLE events DISABLE TRIGGER USER"
            )
            connection.execute(
                "UPDATE events SET recorded_at = timestamptz '2026-01-01Z'"
                " + (position - CASE WHEN position % 10 = 0 THEN 150 ELSE 0 END) * interval '1 second'"
            )
        events = await trade.log.read(0, head)
        await HistoryIndex(trade.log, trade.log.pool).catch_up()
        async with reading(database) as history:
            for event in events[::17]:
                first = next((e.position for e in events if e.recorded_at > event.recorded_at), head + 1)
                assert await history.position_at(event.recorded_at) == first - 1


async def test_the_index_is_the_same_however_it_came_about(database: str) -> None:
    async with open_trade(database) as trade:
        await some_trade(trade, 30)
        index = HistoryIndex(trade.log, trade.log.pool, page=2 * BLOCK)
        await asyncio.gather(index.catch_up())
        async with trade.log.pool.connection() as connection:
            text = "SELECT count(*), count(DISTINCT (key, block)), max(block), min(block) FROM history_keys"
            row = await (await connection.execute(text.encode())).fetchone()
        assert row is not None
        assert row[0] == row[1]
        assert (row[2], row[3]) == (await trade.log.head() // BLOCK - 1, 0)


@pytest.mark.parametrize("lost", ["history_blocks, history_keys", "history_blocks"])
async def test_the_index_comes_again(database: str, lost: str) -> None:
    async with open_trade(database) as trade:
        await some_trade(trade, 30)
        index = HistoryIndex(trade.log, trade.log.pool)
        await index.catch_up()
        async with trade.log.pool.connection() as connection:
            count = b"SELECT count(*) FROM history_keys"
            before = await (await connection.execute(count)).fetchone()
        with psycopg.connect(database, autocommit=True) as owner:
            owner.execute(f"TRUNCATE {lost}".encode())
        await index.catch_up()
        async with trade.log.pool.connection() as connection:
            assert await (await connection.execute(count)).fetchone() == before


@pytest.fixture
async def found(database: str, nats_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with world(database, nats_url, tmp_path) as opened:
        for merchant in ("m2", "m1"):
            last = await opened.append(merchant, setting_up(merchant))
            bought = Bought(merchant=merchant, order_id=f"of-{merchant}", person=f"p-{merchant}")
            last = await opened.append(merchant, bought.life())
        await opened.shown(await opened.key(PLATFORM), last)
        async with (
            listening(opened.app) as url,
            httpx.AsyncClient(base_url=url, timeout=HANGS) as client,
        ):
            opened.client = client
            yield opened


async def ask(found: World, path: str, secret: str, named: str = "", **query: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {secret}"} | ({"Tillroll-Merchant": named} if named else {})
    headers |= query.pop("headers", {})
    return await found.client.get(path, headers=headers, params=query)


async def test_a_merchant_sees_its_own_and_an_auditor_all(found: World) -> None:
    owner = await found.signed_in("owner", "m1")
    auditor = await found.signed_in("auditor", PLATFORM)
    own = (await ask(found, "/v1/audit/events", owner, limit=200)).json()
    assert {each["merchant"] for each in own["items"]} == {"m1"}
    assert own["next_cursor"] is None
    everything = (await ask(found, "/v1/audit/events", auditor, limit=200)).json()
    assert {each["merchant"] for each in everything["items"]} >= {"m1", "m2"}
    bound = (await ask(found, "/v1/audit/events", auditor, "m2", limit=200)).json()
    assert {each["merchant"] for each in bound["items"]} == {"m2"}
    # what another's is does not come by asking for it
    stolen = order_stream("m2", "of-m2")
    for query in ({"merchant": "m2"}, {"stream": stolen}, {"order": stolen}):
        assert (await ask(found, "/v1/audit/events", owner, **query)).json()["items"] == []
    state = (await ask(found, "/v1/audit/state/stream", owner, stream=stolen)).json()
    assert (state["events"], state["state"]) == (0, None)
    rows = (await ask(found, "/v1/audit/state/rows", owner, table="orders")).json()
    assert {each["merchant"] for each in rows["items"]} == {"m1"}
    assert (await ask(found, "/v1/audit/state/rows", owner, table="orders", key="m2/of-m2")).json()[
        "items"
    ] == []
    changes = (await ask(found, "/v1/audit/difference/rows", owner, table="orders")).json()["items"]
    assert {each["of"]["key"]["merchant"] for each in changes} == {"m1"}
    problem(await ask(found, "/v1/audit/state/rows", owner, table="checkouts"), 422, "invalid-input")
    assert (await ask(found, "/v1/audit/state/rows", auditor, table="checkouts")).json()["items"]


async def test_personal_fields_open_with_a_permission_only(found: World) -> None:
    owner = await found.signed_in("owner", "m1")
    auditor = await found.signed_in("auditor", "m1")
    problem(await ask(found, "/v1/audit/events", auditor, personal=True), 403, "forbidden")
    asked = {"type": "OrderPlaced"}
    for secret, personal in ((auditor, False), (owner, False)):
        (placed,) = (await ask(found, "/v1/audit/events", secret, personal=personal, **asked)).json()["items"]
        assert list(placed["data"]["customer"]) == ["sealed"]
    (placed,) = (await ask(found, "/v1/audit/events", owner, personal=True, **asked)).json()["items"]
    assert placed["data"]["customer"]["city"] == "São Paulo"
    rows = {"table": "orders", "key": "m1/of-m1"}
    (row,) = (await ask(found, "/v1/audit/state/rows", auditor, **rows)).json()["items"]
    assert row["ship_to_city"] == {"sealed": True}
    (row,) = (await ask(found, "/v1/audit/state/rows", owner, personal=True, **rows)).json()["items"]
    assert (row["ship_to_city"], row["customer_id"]) == ("São Paulo", "customer-of-m1")
    # erased by who may: it is so for everybody, at every moment, whatever caches hold
    with psycopg.connect(found.database, autocommit=True) as connection:
        connection.execute(
            "UPDATE data_keys SET wrapped_key = NULL, erased_at = now() WHERE subject = %s", (row["subject"],)
        )
    for secret, personal in ((auditor, False), (owner, True)):
        (placed,) = (await ask(found, "/v1/audit/events", secret, personal=personal, **asked)).json()["items"]
        assert placed["data"]["customer"] == {"erased": True}
        for more in ({}, {"key": "m1/of-m1"}):
            query = {"table": "orders", "personal": personal, **more}
            (row,) = (await ask(found, "/v1/audit/state/rows", secret, **query)).json()["items"]
            assert row["ship_to_city"] == {"erased": True}
        query = {"table": "orders", "key": "m1/of-m1", "personal": personal}
        made = (await ask(found, "/v1/audit/difference/rows", secret, **query)).json()["items"][0]
        assert made["now"]["ship_to_city"] == {"erased": True}
        state = (await ask(found, "/v1/audit/state/stream", secret, stream=placed["stream"])).json()
        assert "São" not in str(state)


async def test_pages_and_lines_hold_the_same(found: World) -> None:
    auditor = await found.signed_in("auditor", PLATFORM)
    paged: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await ask(found, "/v1/audit/events", auditor, limit=7, **cursor)).json()
        paged += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    asked = {"Accept": "application/x-ndjson"}
    answer = await ask(found, "/v1/audit/events", auditor, headers=asked)
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = [orjson.loads(line) for line in answer.text.splitlines()]
    assert [line["position"] for line in lines] == list(range(1, len(lines) + 1))
    assert paged == lines[: len(paged)]


ALTERED = {
    "OrderPlaced": ("data = 'no JSON'", ["data"]),
    "OrderConfirmed": ("data = '{\"order_id\": [1]}'", ["data"]),
    "PaymentCaptured": ("metadata = '[]'", ["metadata"]),
    "OrderShipped": ("recorded_at = 'infinity'", ["recorded_at"]),
    "OrderCompleted": ("occurred_at = '20000-01-01Z'", ["occurred_at"]),
}
"""By whoever is the database's superuser: what he changes, and what can't be read of it then."""


async def test_an_altered_event_is_shown_as_what_it_is_and_so_are_all_others(found: World) -> None:
    auditor = await found.signed_in("auditor", PLATFORM)
    before = (await ask(found, "/v1/audit/events", auditor, limit=200)).json()["items"]
    positions = {
        kind: next(each["position"] for each in before if each["type"] == kind and each["merchant"] == "m1")
        for kind in ALTERED
    }
    with psycopg.connect(found.database, autocommit=True) as connection:
        connection.execute("ALTER TABLE events DISABLE TRIGGER USER")
        for kind, (change, _) in ALTERED.items():
            text = f"UPDATE events SET {change} WHERE position = {positions[kind]}"
            connection.execute(text.encode())
    shown = (await ask(found, "/v1/audit/events", auditor, limit=200)).json()["items"]
    assert [each["position"] for each in shown] == [each["position"] for each in before]
    expected = {positions[kind]: unreadable for kind, (_, unreadable) in ALTERED.items()}
    assert {e["position"]: e["unreadable"] for e in shown if e["unreadable"]} == expected
    by_position = {each["position"]: each for each in shown}
    assert by_position[positions["OrderPlaced"]]["data"] == {"bytes": "bm8gSlNPTg=="}
    assert by_position[positions["OrderConfirmed"]]["data"] == {"order_id": [1]}
    asked = {"Accept": "application/x-ndjson"}
    answer = await ask(found, "/v1/audit/events", auditor, headers=asked)
    assert [orjson.loads(line) for line in answer.text.splitlines()] == shown
    for path, query in {
        "/v1/audit/state/rows": {"table": "orders"},
        "/v1/audit/state/stream": {"stream": by_position[positions["OrderPlaced"]]["stream"]},
        "/v1/audit/difference/rows": {"table": "orders"},
    }.items():
        told = problem(await ask(found, path, auditor, **query), 409, "cannot-fold")
        assert f"position {positions['OrderPlaced']}" in told["detail"]
    for path, query in {
        "/v1/audit/state/rows": {"table": "payments", "key": "m1/of-m1"},
        "/v1/audit/state/process": {"agent": "order", "key": "m1/of-m1"},
    }.items():
        problem(await ask(found, path, auditor, **query), 409, "cannot-fold")
    for position in positions.values():
        tree = await ask(found, f"/v1/audit/why/events/{position}", auditor, "m1")
        assert tree.status_code == 200, tree.text
    tree = await ask(found, "/v1/audit/why/orders/of-m1", auditor, "m1")
    assert tree.text.count("the event can't be read") >= len(positions) - 1
    number = {"column": "captured_cents", "order_id": "of-m1"}
    problem(await ask(found, "/v1/audit/why/numbers/orders", auditor, "m1", **number), 409, "cannot-fold")
    rows = await ask(found, "/v1/audit/state/rows", auditor, table="orders", key="m2/of-m2")
    assert len(rows.json()["items"]) == 1, "what is not altered is shown"
    with psycopg.connect(found.database, autocommit=True) as connection:
        connection.execute(
            "UPDATE events SET data = 'no JSON' WHERE type = 'OrderPlaced' AND merchant = 'm2'"
        )
    for path, query in {
        "/v1/audit/state/rows": {"table": "orders", "key": "m2/of-m2"},
        "/v1/audit/state/process": {"agent": "order", "key": "m2/of-m2"},
    }.items():
        told = problem(await ask(found, path, auditor, **query), 409, "cannot-fold")
        assert "order-m2.of%2Dm2" in told["detail"], "what does not say any more what it is about is missed"


async def test_a_process_is_asked_for_by_what_it_is_of(found: World) -> None:
    await found.append("m1", some_carts("m1"))
    owner, other = await found.signed_in("owner", "m1"), await found.signed_in("owner", "m2")
    named = {"agent": "cart", "key": "cart-m1.m1cart0"}
    state = (await ask(found, "/v1/audit/state/process", owner, **named)).json()
    assert (state["events"], state["state"]["claim"]) == (4, 1)
    changes = (await ask(found, "/v1/audit/difference/process", owner, **named)).json()["items"]
    assert {"/cart_id", "/claim"} <= {each["path"] for each in changes}
    state = (await ask(found, "/v1/audit/state/process", other, **named)).json()
    assert (state["events"], state["state"]) == (0, None), "another's is as if it were not there"
    for path in ("/v1/audit/state/process", "/v1/audit/difference/process"):
        for agent, key in (("cart", "m1/of-m1"), ("order", named["key"])):
            said = problem(await ask(found, path, owner, agent=agent, key=key), 422, "invalid-input")
            assert "names no process of the agent" in str(said)


async def test_a_process_is_not_missed_events_of_an_order_that_has_the_same_id(found: World) -> None:
    await found.append("m1", Bought(merchant="m1", order_id="same", person="p-m1").placing())
    await found.append("m1", some_carts("m1", "same"))
    await found.append("m1", Bought(merchant="m1", order_id="samecart0", person="p-m1").placing())
    owner = await found.signed_in("owner", "m1")
    for agent, key in (("cart", "cart-m1.samecart0"), ("product", "product-m1.same")):
        for path in ("/v1/audit/state/process", "/v1/audit/difference/process"):
            answer = await ask(found, path, owner, agent=agent, key=key)
            assert answer.status_code == 200, answer.text


_STREAM = "order-m1.of-m1"
NOT_ENCODED: tuple[tuple[str, dict[str, str]], ...] = (
    ("/v1/audit/events", {"stream": _STREAM}),
    ("/v1/audit/events", {"order": _STREAM}),
    ("/v1/audit/events/follow", {"order": _STREAM}),
    ("/v1/audit/state/stream", {"stream": _STREAM}),
    ("/v1/audit/state/process", {"agent": "order", "key": _STREAM}),
    ("/v1/audit/difference/stream", {"stream": _STREAM}),
    ("/v1/audit/difference/process", {"agent": "order", "key": _STREAM}),
)
"""An order that is there, by a name that is none: not to be taken for one that is not there."""


async def test_what_can_not_be_asked_for_is_said(found: World) -> None:
    auditor = await found.signed_in("auditor", PLATFORM)
    for path, query in {
        "/v1/audit/state/rows": {"table": "nothing"},
        "/v1/audit/state/stream": {"stream": "nothing-1"},
        "/v1/audit/state/process": {"agent": "nobody", "key": "order-m1.1"},
        "/v1/audit/difference/stream": {"stream": "order-m1.1", "from_position": 3, "to_position": 2},
        "/v1/audit/events": {"recorded_from": "2026-01-01T00:00:00"},
        "/v1/audit/events/follow": {"type": "OrderPlacd"},
        "/v1/audit/difference/rows": {"table": "sales_by_day", "key": "m1/1"},
    }.items():
        problem(await ask(found, path, auditor, **query), 422, "invalid-input")
    for path, wrong in NOT_ENCODED:
        told = problem(await ask(found, path, auditor, **wrong), 422, "invalid-input")
        assert "the stream is order-m1.of%2Dm1" in str(told), path
    assert (await ask(found, "/v1/audit/events", auditor, order="m1/of-m1")).json()["items"]
    named = {"agent": "order", "key": "m1/of-m1"}
    assert (await ask(found, "/v1/audit/state/process", auditor, **named)).json()["events"] > 0
    for query in (
        {"position": 10**9},
        {"at": "2130-01-01T00:00:00Z"},
        {"position": 1, "at": "2026-01-01T00:00:00Z"},
        {"column": "x", "value": "1"},
    ):
        answer = await ask(found, "/v1/audit/state/rows", auditor, table="orders", **query)
        problem(answer, 422, "invalid-input")
    for key in ("m1/", "/x", "/"):
        for path in ("/v1/audit/state/rows", "/v1/audit/difference/rows"):
            problem(await ask(found, path, auditor, table="orders", key=key), 422, "invalid-input")
    wrong = await ask(found, "/v1/audit/state/rows", auditor, table="sales_by_day", column="day", value="x")
    assert wrong.json()["items"] == []


class Followed:
    """Server-sent events, as a client reads them."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.aiter_lines()
        self.last_id = ""

    async def rest(self) -> None:
        """All that still comes; raises EOFError at the end."""
        while True:
            await self.next()

    async def next(self) -> dict[str, Any] | None:
        """The next event; None for a heart-beat."""
        data: str | None = None
        async with asyncio.timeout(HANGS):
            async for line in self._lines:
                if line.startswith("id: "):
                    self.last_id = line[4:]
                elif line.startswith("data: "):
                    data = line[6:]
                elif not line and (data or self.last_id):
                    return orjson.loads(data) if data else None
        raise EOFError


@asynccontextmanager
async def following(found: World, secret: str, last_id: str = "", **query: Any) -> AsyncIterator[Followed]:
    headers = {"Authorization": f"Bearer {secret}"} | ({"Last-Event-ID": last_id} if last_id else {})
    async with found.client.stream("GET", "/v1/audit/events/follow", headers=headers, params=query) as answer:
        assert answer.status_code == 200, await answer.aread()
        yield Followed(answer)


async def test_who_follows_gets_each_event_once_also_after_a_break(found: World) -> None:
    owner = await found.signed_in("owner", "m1")
    bought = Bought(merchant="m1", order_id="followed", person="p-m1")
    foreign = Bought(merchant="m2", order_id="followed", person="p-m2")
    steps = bought.life()
    async with following(found, owner) as first:
        await found.append("m2", foreign.placing())
        await found.append("m1", steps[:3])
        seen = [await first.next() for _ in range(3)]
        token = first.last_id
    await found.append("m1", steps[3:])
    async with following(found, owner, token) as second:
        seen += [await second.next() for _ in range(len(steps) - 3)]
    assert [each and each["type"] for each in seen] == [type(event).__name__ for _, event in steps]
    assert {each and each["merchant"] for each in seen} == {"m1"}
    async with following(found, owner, order=bought.order, type="OrderPlaced", after=0) as filtered:
        placed = await filtered.next()
        assert placed
        assert placed["data"]["order_id"] == "followed"


async def test_a_heart_beat_says_how_far_it_came_and_whether_one_still_may(found: World) -> None:
    found.app.state.heart_beat_seconds = 0.2
    user_id = await found.user("owner", "m1")
    session_id, secret = await found.session(user_id)
    async with following(found, secret, actor="nobody") as followed:
        assert await followed.next() is None
        head = await found.trade.log.head()
        assert found.trade.log.identity.position_of(followed.last_id) == head
        await found.access.sessions.end(user_id, session_id)
        with pytest.raises(EOFError):
            await followed.rest()


async def test_who_follows_is_told_when_the_server_ends(found: World) -> None:
    owner = await found.signed_in("owner", "m1")
    loop = asyncio.get_running_loop()
    async with following(found, owner, after=0) as followed:
        assert await followed.next()
        began = loop.time()
        found.app.state.news.end()
        with pytest.raises(EOFError):
            await followed.rest()
    assert loop.time() - began < 2


async def test_a_server_that_stops_does_not_wait_for_who_follows(found: World) -> None:
    owner = await found.signed_in("owner", "m1")
    loop = asyncio.get_running_loop()
    headers = {"Authorization": f"Bearer {owner}"}
    async with httpx.AsyncClient(timeout=HANGS) as client, AsyncExitStack() as server:
        url = await server.enter_async_context(listening(found.app))
        async with client.stream("GET", f"{url}/v1/audit/events/follow", headers=headers) as answer:
            lines = answer.aiter_lines()
            assert (await anext(lines)).startswith("retry: ")
            began = loop.time()
            closing = asyncio.create_task(server.aclose())
            assert [line async for line in lines if line] == [], "it ends in order, not in the middle"
        await closing
    assert loop.time() - began < 3


async def test_a_position_of_another_log_is_refused(found: World) -> None:
    owner = await found.signed_in("owner", "m1")
    headers = {"Last-Event-ID": "0190c3f2a1b4.1.17"}
    problem(await ask(found, "/v1/audit/events/follow", owner, headers=headers), 400, "foreign-position")
    problem(await ask(found, "/v1/audit/events/follow", owner, after=10**9), 422, "invalid-input")


async def test_permissions_know_of_personal_data() -> None:
    assert "personal:read" in possible_at(PLATFORM)
    assert "personal:read" in possible_at("m1")

"""Are pages of one moment, and do streams end for who may no more, and leave room for others?"""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from domain.deadline import DeadlineReached
from domain.order import OrderCancelled
from domain.permissions import PLATFORM
from domain.streams import order_stream
from eventstore.postgres import make_pool
from services.audit.desk import Asked, Desk
from services.audit.follow import Streams
from services.web.pagination import cursor_of
from tests.integration.api_client import listening, problem
from tests.integration.projections_trade import START, Bought, setting_up
from tests.integration.test_history import Followed, reading
from tests.integration.walls import World, world
from tests.patience import HANGS

NDJSON = {"Accept": "application/x-ndjson"}
LINES = ("/v1/audit/events", "/v1/audit/events/export")
LONG, BATCH = 10_000, 1_000
WAITING = "SELECT FROM pg_stat_activity WHERE usename = 'tillroll_audit' AND wait_event_type = 'Lock'"


@pytest.fixture
async def found(database: str, nats_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with world(database, nats_url, tmp_path) as opened:
        await opened.append("m1", setting_up("m1"))
        for number in range(3):
            last = await opened.append("m1", Bought("m1", f"o{number}").life())
        await opened.shown(await opened.key(PLATFORM), last)
        async with (
            listening(opened.app) as url,
            httpx.AsyncClient(base_url=url, timeout=HANGS) as client,
        ):
            opened.client = client
            yield opened


async def test_all_pages_are_of_the_moment_of_the_first(found: World) -> None:
    owner = await found.signed_in("owner", "m1")
    path, shown, moments = "/v1/audit/state/rows?table=orders&limit=1", [], set()
    page = (await found.ask("GET", path, owner)).json()
    await found.append("m1", Bought("m1", "o9").placing())
    while True:
        shown += [row["order_id"] for row in page["items"]]
        moments.add(page["position"])
        if page["next_cursor"] is None:
            break
        page = (await found.ask("GET", f"{path}&cursor={page['next_cursor']}", owner)).json()
    assert (shown, len(moments)) == (["o0", "o1", "o2"], 1)
    foreign = "0190c3f2a1b4.1.17"
    for asked, cursor in (
        (path, cursor_of("rows", '["m1","o0"]', foreign)),
        ("/v1/audit/events?limit=1", cursor_of("position", 3, foreign)),
    ):
        told = problem(await found.ask("GET", f"{asked}&cursor={cursor}", owner), 422, "invalid-input")
        assert "begin with the first page" in str(told)


@pytest.mark.parametrize("end", ["from", "to"])
async def test_a_moment_is_a_position_or_a_time(found: World, end: str) -> None:
    owner = await found.signed_in("owner", "m1")
    query = f"&{end}_position=3&{end}_at=2026-01-01T00:00:00Z"
    for what in ("rows?table=orders", f"stream?stream={order_stream('m1', 'o0')}"):
        answer = await found.ask("GET", f"/v1/audit/difference/{what}{query}", owner)
        assert f"{end}_at" in str(problem(answer, 422, "invalid-input"))


async def test_what_takes_too_long_is_given_up_with_advice(found: World) -> None:
    owner = await found.signed_in("owner", "m1")
    url = found.settings.url("audit")
    with psycopg.connect(found.database) as held:
        held.execute("LOCK TABLE kept_read_models IN ACCESS EXCLUSIVE MODE")
        async with make_pool(url, max_size=2, statement_seconds=0.3) as impatient:
            found.app.state.folding_pool = impatient
            for what in ("state", "difference"):
                answer = await found.ask("GET", f"/v1/audit/{what}/rows?table=orders", owner)
                told = problem(answer, 503, "took-too-long")
                assert "tillroll diff" in told["detail"]
                assert answer.headers["Retry-After"]


@pytest.mark.parametrize("path", LINES)
async def test_lines_break_off_when_who_reads_them_may_no_more(found: World, path: str) -> None:
    """The index is held until the key is gone: so the question was allowed, and the answer is not."""
    found.app.state.heart_beat_seconds = 0.0
    user_id = await found.user("owner", "m1")
    session_id, secret = await found.session(user_id)
    headers = {"Authorization": f"Bearer {secret}"} | NDJSON
    lines: list[str] = []

    async def read() -> None:
        async with found.client.stream("GET", f"{path}?type=OrderPlaced", headers=headers) as answer:
            lines.extend([line async for line in answer.aiter_lines()])

    with psycopg.connect(found.database) as held, psycopg.connect(found.database, autocommit=True) as beside:
        held.execute("LOCK TABLE history_blocks IN ACCESS EXCLUSIVE MODE")
        reading_lines = asyncio.create_task(read())
        async with asyncio.timeout(HANGS):
            while beside.execute(WAITING).fetchone() is None:
                await asyncio.sleep(0.05)
        await found.access.sessions.end(user_id, session_id)
        found.access.gate.forget()  # as it does by itself after a while
        held.rollback()
        with pytest.raises(httpx.RemoteProtocolError):
            await reading_lines
    assert lines == []


async def test_a_stream_of_any_length_takes_no_more_memory(found: World) -> None:
    """Of an admin, who reads the log itself, and of an owner, who reads it by its index."""
    note = "he will call back " * 60
    each = OrderCancelled(order_id="o", reason="staff", note=note)
    for batch in range(LONG // BATCH):
        orders = [order_stream("m1", f"long{batch}.{number}") for number in range(BATCH)]
        await found.append("m1", [(order, each) for order in orders])
    admin, owner = await found.signed_in("admin", PLATFORM), await found.signed_in("owner", "m1")
    for who, path in ((admin, LINES[0]), *((owner, path) for path in LINES)):
        headers = {"Authorization": f"Bearer {who}"} | NDJSON
        taken, lines = 0, 0
        tracemalloc.start()
        async with found.client.stream("GET", f"{path}?type=OrderCancelled", headers=headers) as answer:
            assert answer.status_code == 200, await answer.aread()
            async for chunk in answer.aiter_bytes():
                taken += len(chunk)
                lines += chunk.count(b"\n")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert lines >= LONG
        assert taken > LONG * len(note)
        assert peak < taken / 3, f"{peak:,} bytes at once, of {taken:,}"


@asynccontextmanager
async def following(found: World, secret: str) -> AsyncIterator[Followed]:
    headers = {"Authorization": f"Bearer {secret}"}
    path = "/v1/audit/events/follow?after=0"
    async with found.client.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200, await answer.aread()
        yield Followed(answer)


async def test_nobody_takes_all_the_streams(found: World) -> None:
    found.app.state.streams = Streams(2)
    found.app.state.heart_beat_seconds = 0.2
    owner, other = await found.signed_in("owner", "m1"), await found.signed_in("auditor", "m1")
    async with AsyncExitStack() as opened:
        both = [await opened.enter_async_context(following(found, owner)) for _ in range(2)]
        assert all([await each.next() for each in both])
        for path in (*LINES, "/v1/audit/events/follow"):
            problem(await found.ask("GET", path, owner, headers=NDJSON), 429, "too-many-streams")
        assert (await found.ask("GET", "/v1/audit/events", owner)).status_code == 200, "a page is no stream"
        async with following(found, other) as followed:
            assert await followed.next()
    async with asyncio.timeout(HANGS):
        while (await found.ask("GET", "/v1/audit/events", owner, headers=NDJSON)).status_code == 429:
            await asyncio.sleep(0.1)


async def test_a_process_hears_of_its_own_deadlines_alone(found: World) -> None:
    order = order_stream("m1", "o1")

    def reached(agent: str) -> tuple[str, DeadlineReached]:
        at = START + timedelta(days=1)
        event = DeadlineReached(agent=agent, key=order, name="reservation", due_at=at)
        return f"deadline-{agent}.{order}", event

    asked, desk = Asked(agent="inventory", key=order), None
    async with reading(found.database) as history:
        desk = Desk(found.app.state.audit_pool, found.app.state.folding_pool, found.app.state.keyring)
        before = await desk.state(asked, await history.head())
        await found.append("m1", [reached("payment")])
        assert (await desk.state(asked, await history.head()))["events"] == before["events"]
        await found.append("m1", [reached("inventory")])
        assert (await desk.state(asked, await history.head()))["events"] == before["events"] + 1


@pytest.mark.parametrize(
    ("asked", "merchant"),
    [
        (Asked(stream="order-m1.o1"), "m1"),
        (Asked(agent="order", key="order-m1.o1"), "m1"),
        (Asked(table="orders", key="m1/o1"), "m1"),
        (Asked(table="stock_levels", key="stock-m1.A.w"), "m1"),
        (Asked(stream="user-u1"), ""),
        (Asked(table="orders", key="order-m2/o1"), "order-m2"),
        (Asked(table="orders"), ""),
    ],
)
def test_whose_it_is_that_is_asked_for(asked: Any, merchant: str) -> None:
    assert asked.merchant == merchant

"""Is each look recorded before it shows anything: by auditors, and by whoever reaches every merchant?"""

from __future__ import annotations

import asyncio
import os
import pwd
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
import psycopg
import pytest
import pytest_asyncio
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

from domain.permissions import PLATFORM, audit, on_platform
from domain.user import JoinUser
from eventstore.postgres import make_pool
from eventstore.seams import WallClock
from services.access.facts import SYSTEM
from services.access.users import Wanted as Asking
from services.audit.looked import Looks, Wanted
from services.embedded import NatsServer, PostgresServer
from services.limit_settings import LimitSettings
from services.limits import harden
from services.web.access import Grant, Principal, install_rules, requires
from services.web.looked import Look, NotRecorded
from services.web.problems import install_problems
from tests.integration.api_client import problem
from tests.integration.projections_trade import Bought, setting_up
from tests.integration.system import TILLROLL
from tests.integration.walls import EVERYTHING, World, fresh_database, world
from tests.patience import HANGS

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def found(
    postgres_server: PostgresServer,
    nats_server: NatsServer,
    migrated_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    directory = tmp_path_factory.mktemp("looking")
    with fresh_database(postgres_server, migrated_template) as database:
        async with world(database, nats_server.url, directory) as opened:
            for merchant in ("m1", "m2"):
                steps = [
                    *setting_up(merchant),
                    *Bought(merchant, "o1").life(),
                    *Bought(merchant, "o2").life(),
                ]
                last = await opened.append(merchant, steps)
            await opened.shown(await opened.key(PLATFORM), last)
            yield opened


async def looks(found: World, **wanted: Any) -> list[dict[str, Any]]:
    """The newest first."""
    rows: list[dict[str, Any]] = await found.app.state.looks.seen(Wanted(**wanted), 1_000)
    return rows


async def newest(found: World) -> int:
    rows = await looks(found)
    return rows[0]["number"] if rows else 0  # type: ignore[no-any-return]


async def test_a_look_says_who_as_what_at_what_and_how_much_it_saw(found: World) -> None:
    auditor = await found.signed_in("auditor", PLATFORM)
    began = datetime.now(UTC)
    answer = await found.ask("GET", "/v1/orders?status=completed&limit=1", auditor, "m1")
    assert answer.status_code == 200
    look = (await looks(found))[0]
    assert began <= look.pop("looked_at") <= datetime.now(UTC)
    assert look.pop("number")
    assert look == {
        "actor": f"user:{await found.user('auditor', PLATFORM)}",
        "role": "auditor",
        "merchant": "m1",
        "permission": "orders:read",
        "method": "GET",
        "route": "/v1/orders",
        "path": "/v1/orders",
        "parameters": '[["status","completed"],["limit","1"]]',
        "status": 200,
        "outcome": "answered",
        "rows": 1,
        "ended_at": None,
    }


@pytest.mark.parametrize(
    ("role", "where", "path", "merchant", "expected"),
    [
        ("admin", PLATFORM, "/v1/orders/o1", "m2", ("/v1/orders/{order_id}", "m2", 200, 1)),
        ("admin", PLATFORM, "/v1/operator/checkouts", "", ("/v1/operator/checkouts", "", 200, 2)),
        ("admin", PLATFORM, "/v1/users", "m1", ("/v1/users", "m1", 200, None)),
        ("operator", PLATFORM, "/v1/operator/projections", "", ("/v1/operator/projections", "", 200, None)),
        ("auditor", PLATFORM, "/v1/orders/none", "m1", ("/v1/orders/{order_id}", "m1", 404, 0)),
        ("auditor", "m1", "/v1/orders", "", ("/v1/orders", "m1", 200, 2)),
        ("owner", "m1", "/v1/audit/erasures", "", ("/v1/audit/erasures", "m1", 200, 0)),
        ("customer", "m1", "/v1/audit/erasures", "m1", ("/v1/audit/erasures", "", 403, 0)),
    ],
)
async def test_what_is_a_look(
    found: World, role: str, where: str, path: str, merchant: str, expected: tuple[Any, ...]
) -> None:
    before = await newest(found)
    subject = "subject-p1" if role == "customer" else ""
    await found.ask("GET", path, await found.signed_in(role, where, subject=subject), merchant)
    (look,) = [each for each in await looks(found) if each["number"] > before]
    route, at, status, rows = expected
    assert (look["route"], look["merchant"], look["status"]) == (route, at, status)
    assert rows in (look["rows"], None)
    assert look["outcome"] == ("answered" if status < 400 else "refused")


@pytest.mark.parametrize(
    "asked",
    [
        "events?merchant=m1",
        "events?order=m1/o1",
        "events?stream=order-m1.o1",
        "state/stream?stream=stock-m1.A.main",
        "state/rows?table=orders&key=m1/o1",
        "state/rows?table=orders&column=merchant&value=m1",
        "platform/why/numbers/orders?merchant=m1&order_id=o1&column=captured_cents",
        "state/process?agent=order&key=m1/o1",
    ],
)
async def test_who_reaches_all_is_seen_by_the_owner_of_what_is_asked_for(found: World, asked: str) -> None:
    """Without the header that names a merchant, too."""
    auditor, owner = await found.signed_in("auditor", PLATFORM), await found.signed_in("owner", "m1")
    assert (await found.ask("GET", f"/v1/audit/{asked}", auditor)).status_code == 200
    path, _, _ = asked.partition("?")
    (newest, *_) = (await found.ask("GET", "/v1/audit/looks", owner)).json()["items"]
    assert (newest["actor"], newest["path"]) == (
        f"user:{await found.user('auditor', PLATFORM)}",
        f"/v1/audit/{path}",
    )


async def test_what_names_no_merchant_is_no_owners_to_see(found: World) -> None:
    auditor, before = await found.signed_in("auditor", PLATFORM), await newest(found)
    for asked in ("events?type=OrderPlaced", "events?stream=user-u1"):
        assert (await found.ask("GET", f"/v1/audit/{asked}", auditor)).status_code == 200
    assert [each["merchant"] for each in await looks(found) if each["number"] > before] == ["", ""]


async def test_what_names_two_merchants_is_neither_owners_to_see(found: World) -> None:
    auditor, before = await found.signed_in("auditor", PLATFORM), await newest(found)
    answer = await found.ask("GET", "/v1/audit/events?merchant=m2&order=m1/o1", auditor)
    assert answer.json()["items"] == []
    assert [each["merchant"] for each in await looks(found) if each["number"] > before] == [""]


@pytest.mark.parametrize(
    "asked",
    [
        "events?order=m1/o1",
        "events?merchant=m2&order=m1/o1",
        "events/export?stream=order-m1.o1",
        "state/rows?table=orders&key=m1/o1",
        "state/rows?table=orders&column=merchant&value=m1",
    ],
)
async def test_what_is_asked_of_one_merchant_and_names_another_is_neither_owners_to_see(
    found: World, asked: str
) -> None:
    """Nothing is shown of either, and neither may read what was asked of the other."""
    auditor, before = await found.signed_in("auditor", PLATFORM), await newest(found)
    answer = await found.ask("GET", f"/v1/audit/{asked}", auditor, "m2")
    assert answer.status_code == 200
    assert b"o1" not in answer.content
    own = await found.ask("GET", "/v1/audit/events?stream=order-m2.o1", auditor, "m2")
    assert own.json()["items"]
    looked_at = [each["merchant"] for each in await looks(found) if each["number"] > before]
    assert looked_at == ["m2", ""]


async def test_a_look_that_no_column_holds_takes_no_other_along(found: World) -> None:
    now, recorder = datetime.now(UTC), found.app.state.looks
    told = await asyncio.gather(
        *(recorder.record(a_look(now, merchant=each)) for each in ("m7", "\0", "m8")), return_exceptions=True
    )
    assert [isinstance(each, NotRecorded) for each in told] == [False, True, False]
    kept = {each["number"]: each["merchant"] for each in await looks(found)}
    assert (kept[told[0]], kept[told[2]]) == ("m7", "m8")
    auditor = await found.signed_in("auditor", PLATFORM)
    odd = await found.ask("GET", "/v1/audit/events?stream=order-%2500.1", auditor)
    assert odd.status_code == 200, "it is recorded, as of nobody"


async def test_what_is_none(found: World) -> None:
    """A merchant's own people at work, commands, and whoever is not known."""
    before = await newest(found)
    owner, admin = await found.signed_in("owner", "m1"), await found.signed_in("admin", PLATFORM)
    for path in ("/v1/orders", "/v1/stock", "/v1/merchant", "/v1/auth/me"):
        await found.ask("GET", path, owner)
    await found.ask("GET", "/v1/audit/erasures", "nobody")
    await found.ask("GET", "/health")
    await found.ask("POST", "/v1/stock/receive", admin, "m1", {"sku": "A", "quantity": 1})
    assert await newest(found) == before


async def test_who_holds_a_role_on_the_platform_looks_whatever_else_it_holds(found: World) -> None:
    """An admin who has made itself staff of a merchant is still one who reaches all of them."""
    users, address = found.access.users, "both@example.com"
    for role, where, chosen in (("admin", PLATFORM, ()), ("staff", "m1", ("orders:read",))):
        user = await users.invite(address, where, Asking(role, chosen), EVERYTHING, actor=SYSTEM, mail=False)
    await found.access.facts.of_user(user, JoinUser(user_id=user), actor=SYSTEM)
    _, token = await found.session(user)
    before = await newest(found)
    assert (await found.ask("GET", "/v1/orders", token, "m1")).status_code == 200
    (look,) = [each for each in await looks(found) if each["number"] > before]
    assert (look["actor"], look["role"], look["route"]) == (f"user:{user}", "staff", "/v1/orders")


async def test_a_key_for_auditing_looks_as_its_holder_would(found: World) -> None:
    before = await newest(found)
    assert (await found.ask("GET", "/v1/orders", await found.key("m1"), "m1")).status_code == 200
    assert await newest(found) == before, "a merchant's own program, which may do more than look"
    assert (await found.ask("GET", "/v1/orders", await found.key("m1", *audit()), "m1")).status_code == 200
    (look,) = [each for each in await looks(found) if each["number"] > before]
    assert (look["role"], look["route"], look["rows"]) == ("key", "/v1/orders", 2)


async def test_no_path_spoils_the_record_or_the_terminal_that_shows_it(found: World) -> None:
    owner, before = await found.signed_in("owner", "m1"), await newest(found)
    for odd in ("why/orders/%00", "why/orders/%1b%5b2J", "tile/%5b/x%5d", "why/orders/%C3%BC"):
        answer = await found.ask("GET", f"/v1/audit/{odd}", owner)
        assert answer.status_code in (404, 422), answer.text
    recorded = [each for each in await looks(found) if each["number"] > before]
    assert len(recorded) == 4
    assert all(each["path"].isascii() and each["path"].isprintable() for each in recorded)
    done = await asyncio.to_thread(looked, found, "--limit", "10")
    assert done.returncode == 0, done.stderr.decode()
    assert b"\x1b[2J" not in done.stdout


async def test_nothing_is_shown_of_what_cannot_be_recorded(found: World) -> None:
    auditor = await found.signed_in("auditor", PLATFORM)
    async with await psycopg.AsyncConnection.connect(found.database) as connection:
        await connection.execute("REVOKE INSERT ON looks FROM tillroll_access")
    try:
        refused = await found.ask("GET", "/v1/orders", auditor, "m1")
        problem(refused, 503, "unrecorded")
        assert "o1" not in refused.text
        owner = await found.signed_in("owner", "m1")
        assert (await found.ask("GET", "/v1/orders", owner)).status_code == 200, "others go on"
    finally:
        async with await psycopg.AsyncConnection.connect(found.database) as connection:
            await connection.execute("GRANT INSERT ON looks TO tillroll_access")
    assert (await found.ask("GET", "/v1/orders", auditor, "m1")).status_code == 200


async def test_a_slow_answer_to_who_looked_keeps_nobody_from_being_recorded(found: World) -> None:
    auditor = await found.signed_in("auditor", PLATFORM)
    async with await psycopg.AsyncConnection.connect(found.database) as connection:
        await connection.execute("LOCK TABLE look_ends")
        asked = asyncio.create_task(looks(found))
        await asyncio.sleep(0.3)
        assert (await found.ask("GET", "/v1/orders", auditor, "m1")).status_code == 200
        assert not asked.done()
        await connection.rollback()
    assert (await asked)[0]["path"] == "/v1/orders"


async def test_many_at_once_are_all_recorded(found: World) -> None:
    before, key = await newest(found), await found.key(PLATFORM)
    answers = await asyncio.gather(*(found.ask("GET", f"/v1/orders/o{n}", key, "m1") for n in range(60)))
    assert {answer.status_code for answer in answers} <= {200, 404}
    seen = [each["path"] for each in await looks(found) if each["number"] > before]
    assert sorted(seen) == sorted(f"/v1/orders/o{n}" for n in range(60))


async def test_who_looked_is_asked_by_the_merchant_and_by_the_platform_and_recorded_too(found: World) -> None:
    admin, owner = await found.signed_in("admin", PLATFORM), await found.signed_in("owner", "m1")
    for merchant in ("m1", "m2"):
        await found.ask("GET", "/v1/orders", admin, merchant)
    own = (await found.ask("GET", "/v1/audit/looks", owner)).json()["items"]
    assert {each["merchant"] for each in own} == {"m1"}
    everybodys = (await found.ask("GET", "/v1/operator/looks?limit=5", admin)).json()
    routes = [each["route"] for each in everybodys["items"]]
    assert routes[:3] == ["/v1/audit/looks", "/v1/orders", "/v1/orders"]
    assert everybodys["items"][1]["parameters"] == []
    more = await found.ask("GET", f"/v1/operator/looks?cursor={everybodys['next_cursor']}", admin)
    numbers = [each["number"] for each in (*everybodys["items"], *more.json()["items"])]
    assert numbers == sorted(set(numbers), reverse=True)
    actor = f"user:{await found.user('owner', 'm1')}"
    of_one = (await found.ask("GET", f"/v1/operator/looks?actor={actor}", admin)).json()["items"]
    assert {each["actor"] for each in of_one} == {actor}
    late = (datetime.now(UTC) + timedelta(days=1)).isoformat().replace("+00:00", "Z")
    assert (await found.ask("GET", f"/v1/audit/looks?since={late}", owner)).json()["items"] == []
    problem(await found.ask("GET", "/v1/audit/looks", owner, "m2"), 403, "forbidden")
    auditor = await found.signed_in("auditor", "m1")
    problem(await found.ask("GET", "/v1/audit/looks", auditor), 403, "forbidden")


def looked(found: World, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """`tillroll looked`, in a process of its own."""
    environment = found.settings.environment() | {"PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [*TILLROLL, "looked", *arguments], env=environment, capture_output=True, timeout=HANGS, check=False
    )


async def test_the_command_shows_them_and_is_one_itself(found: World) -> None:
    await found.ask("GET", "/v1/orders?status=placed", await found.signed_in("admin", PLATFORM), "m1")
    done = await asyncio.to_thread(looked, found, "--since", "2020-01-01", "--merchant", "m1", "--json")
    assert done.returncode == 0, done.stderr.decode()
    shown = orjson.loads(done.stdout)
    assert {each["merchant"] for each in shown} == {"m1"}
    look = (await looks(found))[0]
    console = f"console:{pwd.getpwuid(os.getuid()).pw_name}"
    assert (look["actor"], look["route"], look["rows"]) == (console, "tillroll looked", len(shown))
    told = await asyncio.to_thread(looked, found, "--merchant", "m1", "--limit", "2")
    asked = f'{console} (console) of m1: tillroll looked since="2020-01-01" limit="100"'
    assert f"{asked}: answered, {len(shown)} row" in told.stdout.decode().splitlines()[0]
    who = f'user:{await found.user("admin", PLATFORM)} (admin) of m1: GET /v1/orders status="placed"'
    assert f"{who}: answered 200, 0 rows" in told.stdout.decode().splitlines()[1]
    wrong = await asyncio.to_thread(looked, found, "--since", "yesterday")
    assert wrong.returncode == 2
    assert b"yesterday is no time: write 2026-05-04" in wrong.stderr


async def test_nobody_changes_what_was_recorded_and_only_what_is_old_goes(found: World) -> None:
    now = datetime.now(UTC)
    recorder: Looks = found.app.state.looks
    old = a_look(now - timedelta(days=40), outcome="begun", rows=None)
    numbers = [await recorder.record(each) for each in (old, a_look(now - timedelta(days=20)))]
    async with await psycopg.AsyncConnection.connect(found.settings.url("access")) as connection:
        await connection.execute(
            "INSERT INTO look_ends VALUES (%s, %s, 'answered', 7)", (numbers[0], old.looked_at)
        )
        await connection.commit()
        for statement in (
            "UPDATE looks SET actor = 'nobody'",
            f"DELETE FROM looks WHERE number = {numbers[1]}",
            "TRUNCATE looks",
            "UPDATE look_ends SET rows = 0",
            f"INSERT INTO look_ends VALUES ({numbers[1]}, now(), 'refused', 0)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await connection.execute(statement.encode())
            await connection.rollback()
    (shown,) = [each for each in await looks(found) if each["number"] == numbers[0]]
    assert (shown["outcome"], shown["rows"]) == ("answered", 7)
    assert await recorder.forget(now - timedelta(days=30)) == 1
    kept = {each["number"] for each in await looks(found)}
    assert numbers[0] not in kept
    assert numbers[1] in kept


def a_look(at: datetime, **changes: Any) -> Look:
    told: dict[str, Any] = {
        "actor": "user:u1",
        "role": "admin",
        "merchant": "m9",
        "permission": "orders:read",
    }
    told |= {"method": "GET", "route": "/v1/orders", "path": "/v1/orders", "parameters": "[]", "status": 200}
    return Look(**({"looked_at": at, "outcome": "answered", "rows": 1} | told | changes))


class PlatformGate:
    async def principal_of(self, request: Request) -> Principal:
        return Principal("key:k1", "key", "k1", platform=Grant("key", on_platform()))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def streams(found: World) -> AsyncIterator[httpx.AsyncClient]:
    """An application with answers that are streams, in front of the same table."""
    app = FastAPI()
    rule = [requires("audit:read", "platform")]

    @app.get("/v1/audit/lines", dependencies=rule)
    async def lines(fail: bool = False) -> StreamingResponse:
        async def told() -> AsyncIterator[bytes]:
            for number in range(2_000):
                yield b"{}\n" * 5
                if fail and number == 10:
                    raise RuntimeError("it broke")

        return StreamingResponse(told(), media_type="application/x-ndjson")

    @app.get("/v1/audit/news", dependencies=rule)
    async def news() -> StreamingResponse:
        async def told() -> AsyncIterator[bytes]:
            yield b": alive\n\n"
            for number in range(3):
                yield f"id: {number}\ndata: x\n\n".encode()

        return StreamingResponse(told(), media_type="text/event-stream")

    install_problems(app)
    install_rules(app)
    harden(app, LimitSettings())
    app.state.gate, app.state.clock = PlatformGate(), WallClock()
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        make_pool(found.settings.url("access"), max_size=1) as pool,
        Looks(pool, WallClock(), patience_seconds=1.0).running() as app.state.looks,
        httpx.AsyncClient(transport=transport, base_url="http://streams") as client,
    ):
        yield client


async def test_a_stream_is_recorded_when_it_begins_and_when_it_ends(
    found: World, streams: httpx.AsyncClient
) -> None:
    assert (await streams.get("/v1/audit/lines")).content.count(b"\n") == 10_000
    look = (await looks(found))[0]
    assert (look["outcome"], look["rows"], look["route"]) == ("answered", 10_000, "/v1/audit/lines")
    assert look["ended_at"] >= look["looked_at"]
    assert (await streams.get("/v1/audit/news")).content.count(b"data:") == 3
    look = (await looks(found))[0]
    assert (look["outcome"], look["rows"]) == ("answered", 3)


async def test_a_stream_that_breaks_says_how_far_it_came(found: World, streams: httpx.AsyncClient) -> None:
    await streams.get("/v1/audit/lines?fail=true")
    look = (await looks(found))[0]
    assert (look["outcome"], look["rows"]) == ("broken off", 55)


async def test_a_stream_that_cannot_be_recorded_does_not_begin(
    found: World, streams: httpx.AsyncClient
) -> None:
    async with await psycopg.AsyncConnection.connect(found.database) as connection:
        await connection.execute("LOCK TABLE looks IN ACCESS EXCLUSIVE MODE")
        began = asyncio.get_running_loop().time()
        problem(await streams.get("/v1/audit/lines"), 503, "unrecorded")
        assert asyncio.get_running_loop().time() - began < 3
    assert (await streams.get("/v1/audit/lines")).status_code == 200

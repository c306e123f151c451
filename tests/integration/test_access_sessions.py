"""Does a session go on with whom it belongs to, and does it stop at once for everybody else?"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import psycopg
import pytest

from commands.executor import Executor
from domain.user import RefreshTokenReused, SessionsEnded
from eventstore.keyring import Keyring, PostgresKeyStore
from eventstore.seams import RandomIds
from services.access.composition import Access
from services.access.users import Wanted
from services.settings import Settings
from tests.integration.access_client import CHEAP, EVERYTHING, PASSWORD, Doors, doors
from tests.integration.api_client import problem


@pytest.fixture
async def door(database: str, tmp_path: Path) -> AsyncIterator[Doors]:
    async with doors(database, tmp_path) as found:
        await found.user("ana@example.com", "m1", "owner")
        yield found


async def refresh(door: Doors, token: str) -> Any:
    return await door.post("/v1/auth/refresh", body={"refresh_token": token})


def rows(door: Doors, query: str) -> list[Any]:
    with psycopg.connect(door.database) as connection:
        return connection.execute(query.encode()).fetchall()


async def test_a_refresh_token_is_good_for_once_and_its_reuse_ends_the_family(door: Doors) -> None:
    first = await door.sign_in("ana@example.com")
    other = await door.sign_in("ana@example.com")
    second = (await refresh(door, first["refresh_token"])).json()
    third = (await refresh(door, second["refresh_token"])).json()
    assert third["session_id"] == first["session_id"]
    assert (await door.get("/v1/auth/me", third["access_token"])).status_code == 200
    for _ in range(2):
        problem(await refresh(door, first["refresh_token"]), 401, "unauthenticated")
    problem(await refresh(door, third["refresh_token"]), 401, "unauthenticated")
    problem(await door.get("/v1/auth/me", third["access_token"]), 401, "unauthenticated")
    (reused,) = await door.events(RefreshTokenReused)
    assert reused.session_id == first["session_id"]
    assert (await refresh(door, other["refresh_token"])).status_code == 200


async def test_of_two_who_refresh_at_once_never_both_live_on(door: Doors) -> None:
    for _ in range(10):
        begun = await door.sign_in("ana@example.com")
        answers = await asyncio.gather(*(refresh(door, begun["refresh_token"]) for _ in range(4)))
        assert Counter(answer.status_code for answer in answers) == {200: 1, 401: 3}
        (good,) = (answer.json() for answer in answers if answer.status_code == 200)
        problem(await refresh(door, good["refresh_token"]), 401, "unauthenticated")
        problem(await door.get("/v1/auth/me", good["access_token"]), 401, "unauthenticated")
    assert len(await door.events(RefreshTokenReused)) == 10
    counts = "SELECT DISTINCT count(*) FROM refresh_tokens GROUP BY session_id"
    assert rows(door, counts) == [(2,)]


async def test_a_made_up_token_is_nothing(door: Doors) -> None:
    for token in ("tlr_rt_x", "x", "\u00e9" * 50):
        problem(await refresh(door, token), 401, "unauthenticated")
    assert await door.events(RefreshTokenReused) == []


async def test_a_session_ends_when_idle_and_at_the_latest(door: Doors) -> None:
    idle = await door.sign_in("ana@example.com")
    door.clock.move(days=7)
    problem(await refresh(door, idle["refresh_token"]), 401, "unauthenticated")
    used = await door.sign_in("ana@example.com")
    for _ in range(5):
        door.clock.move(days=5)
        used = (await refresh(door, used["refresh_token"])).json()
    door.clock.move(days=5)
    problem(await refresh(door, used["refresh_token"]), 401, "unauthenticated")
    assert await door.events(RefreshTokenReused) == []


async def test_lists_its_own_sessions_and_ends_one(door: Doors) -> None:
    await door.user("bob@example.com", "m1", "owner")
    bob = await door.sign_in("bob@example.com")
    one, two = await door.sign_in("ana@example.com"), await door.sign_in("ana@example.com", session="cookie")
    listed = (await door.get("/v1/auth/sessions", one["access_token"])).json()
    assert {each["session_id"]: each["current"] for each in listed} == {
        one["session_id"]: True,
        two["session_id"]: False,
    }
    path = "/v1/auth/sessions/"
    problem(await door.send("DELETE", path + bob["session_id"], one["access_token"]), 404, "not-found")
    assert (await door.send("DELETE", path + two["session_id"], one["access_token"])).status_code == 200
    problem(await door.send("DELETE", path + two["session_id"], one["access_token"]), 404, "not-found")
    assert (await door.get("/v1/auth/me", bob["access_token"])).status_code == 200


async def test_signs_out_here_and_everywhere(door: Doors) -> None:
    one, two, three = [await door.sign_in("ana@example.com") for _ in range(3)]
    assert (await door.post("/v1/auth/sign-out", one["access_token"])).json() == {"ended": 1}
    problem(await door.get("/v1/auth/me", one["access_token"]), 401, "unauthenticated")
    problem(await refresh(door, one["refresh_token"]), 401, "unauthenticated")
    assert (await door.get("/v1/auth/me", two["access_token"])).status_code == 200
    assert (await door.post("/v1/auth/sign-out-everywhere", two["access_token"])).json() == {"ended": 2}
    for each in (two, three):
        problem(await door.get("/v1/auth/me", each["access_token"]), 401, "unauthenticated")
    assert [event.reason for event in await door.events(SessionsEnded)][-1] == "signed_out_everywhere"


async def test_a_cookie_is_closed_to_scripts_and_other_sites(door: Doors) -> None:
    response = await door.try_sign_in("ana@example.com", session="cookie")
    assert response.headers["cache-control"] == "no-store"
    assert response.json()["access_token"] is None
    assert response.json()["refresh_token"] is None
    cookie = SimpleCookie(response.headers["set-cookie"])["__Host-tillroll"]
    assert (cookie["secure"], cookie["httponly"], cookie["samesite"]) == (True, True, "lax")
    assert (cookie["path"], cookie["domain"]) == ("/", "")
    sent = f"__Host-tillroll={cookie.value}"
    csrf = response.json()["csrf_token"]
    me = await door.get("/v1/auth/me", Cookie=sent)
    assert me.json()["csrf_token"] == csrf
    path = "/v1/work/orders"
    assert (await door.get(path, Cookie=sent)).status_code == 200
    assert (await door.post(path, Cookie=sent, Tillroll_CSRF=csrf)).status_code == 200
    other = (await door.sign_in("ana@example.com", session="cookie"))["csrf_token"]
    for wrong in ("", "x", other, csrf[:-1]):
        problem(await door.post(path, Cookie=sent, Tillroll_CSRF=wrong), 401, "unauthenticated")
    problem(await door.post(path, Cookie=sent), 401, "unauthenticated")
    # a token in the header needs no more
    assert (await door.post(path, await door.token("ana@example.com"), Cookie=sent)).status_code == 200
    assert (await door.post("/v1/auth/sign-out", Cookie=sent, Tillroll_CSRF=csrf)).status_code == 200
    problem(await door.get(path, Cookie=sent), 401, "unauthenticated")


async def test_a_cookie_that_is_used_goes_on_and_an_idle_one_ends(door: Doors) -> None:
    response = await door.try_sign_in("ana@example.com", session="cookie")
    sent = f"__Host-tillroll={response.cookies['__Host-tillroll']}"
    for _ in range(3):
        door.clock.move(days=6)
        assert (await door.get("/v1/auth/me", Cookie=sent)).status_code == 200
    door.clock.move(days=7)
    problem(await door.get("/v1/auth/me", Cookie=sent), 401, "unauthenticated")


async def test_the_secret_of_a_cookie_is_no_token_and_the_other_way_round(door: Doors) -> None:
    token = await door.sign_in("ana@example.com")
    response = await door.try_sign_in("ana@example.com", session="cookie")
    cookie = response.cookies["__Host-tillroll"]
    problem(await door.get("/v1/auth/me", cookie), 401, "unauthenticated")
    problem(await refresh(door, cookie), 401, "unauthenticated")
    for secret in (token["access_token"], token["refresh_token"]):
        problem(await door.get("/v1/auth/me", Cookie=f"__Host-tillroll={secret}"), 401, "unauthenticated")
        problem(await door.get("/v1/auth/me", token["refresh_token"]), 401, "unauthenticated")


def another_process(door: Doors) -> Access:
    """A second process over the same database, of which the first one hears nothing."""
    ids = RandomIds()
    settings = Settings(data_dir=door.directory, database_url=door.database)
    keyring = Keyring(settings.master_key(), PostgresKeyStore(door.log.pool))
    executor = Executor(door.log, ids, keyring)
    return Access(settings, door.log, executor, keyring, door.log.pool, door.clock, ids, door.letters, CHEAP)


@pytest.mark.parametrize("what", ["revoke", "disable", "end", "demote"])
async def test_what_another_process_takes_away_stops_within_a_second(door: Doors, what: str) -> None:
    signed_in = await door.sign_in("ana@example.com")
    token, path = signed_in["access_token"], "/v1/work/orders"
    ana = await door.access.addresses.user_of("ana@example.com") or ""
    other = another_process(door)
    assert (await door.get(path, token, merchant="m1")).status_code == 200
    match what:
        case "revoke":
            await other.users.revoke(ana, "m1", EVERYTHING, actor="user:x")
        case "demote":
            wanted = Wanted("staff", ("stock:read",))
            await other.users.grant(ana, "m1", wanted, EVERYTHING, actor="user:x")
        case "disable":
            await other.users.disable(ana, EVERYTHING, actor="user:x")
        case "end":
            await other.sessions.end(ana, signed_in["session_id"])
    # it may work for a second, as it was looked up at this moment
    door.clock.move(seconds=0.999)
    assert (await door.get(path, token, merchant="m1")).status_code == 200
    door.clock.move(seconds=0.001)
    status = (await door.get(path, token, merchant="m1")).status_code
    assert status == (401 if what in ("disable", "end") else 403)
    await other.close()


async def test_what_this_process_takes_away_stops_at_once(door: Doors) -> None:
    await door.user("bob@example.com", "m1", "auditor")
    bob, ana = await door.token("bob@example.com"), await door.token("ana@example.com")
    assert (await door.get("/v1/work/orders", bob)).status_code == 200
    bob_id = await door.access.addresses.user_of("bob@example.com")
    response = await door.send("DELETE", f"/v1/users/{bob_id}/grants", ana, merchant="m1")
    assert response.status_code == 200
    problem(await door.get("/v1/work/orders", bob, merchant="m1"), 403, "forbidden")


async def test_one_looks_up_for_all_who_come_at_once(door: Doors) -> None:
    token = await door.token("ana@example.com")
    before = door.access.gate.looked_up
    answers = await asyncio.gather(*(door.get("/v1/auth/me", token) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert door.access.gate.looked_up == before + 1


async def test_who_it_is_not_is_not_told_why(door: Doors) -> None:
    answers = [
        await door.get("/v1/auth/me"),
        await door.get("/v1/auth/me", "x"),
        await door.get("/v1/auth/me", Cookie="__Host-tillroll=x"),
        await door.get("/v1/auth/me", Authorization="Basic eDp5"),
        await door.get("/v1/auth/me", "x" * 5000),
    ]
    for answer in answers:
        problem(answer, 401, "unauthenticated")
        assert answer.content == answers[0].content
        assert answer.headers["www-authenticate"].startswith("Bearer")
    no_key = await door.get("/v1/auth/me", "tlr_key_" + "0" * 32 + "_" + "0" * 64 + "_00000000")
    told = problem(no_key, 401, "unauthenticated")["detail"]
    assert told.startswith("the API key that was sent is not known")
    assert PASSWORD not in answers[0].text


@pytest.mark.parametrize("name", ["%00", "a%00b", "x" * 32, "%F0%9F%8C%8D", "0" * 33])
async def test_an_odd_name_of_a_session_is_refused(door: Doors, name: str) -> None:
    token = await door.token("ana@example.com")
    problem(await door.send("DELETE", f"/v1/auth/sessions/{name}", token), 422, "invalid-input")

"""Does whatever ends ways in end all of them, whoever is on the way in at that moment?

What is on its way is held where it waits: at the hash of a password, or before its session begins.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from domain.permissions import PLATFORM
from domain.user import PasswordChanged, RecordPasswordChange, SessionsEnded
from eventstore.log import LogUnavailable
from services.access.second_factor import code_at
from services.web.problems import Problem
from tests.integration.access_client import EVERYTHING, PASSWORD, Doors, doors
from tests.integration.api_client import problem

ANA = "ana@example.com"
NEW_PASSWORD = "a new roll of paper"
LATE_PASSWORD = "a late roll of paper"
CONFIRM = "/v1/auth/password-reset/confirm"
Answer = Coroutine[Any, Any, httpx.Response]


@pytest.fixture
async def door(database: str, tmp_path: Path) -> AsyncIterator[Doors]:
    async with doors(database, tmp_path) as found:
        await found.user(ANA, "m1", "owner")
        yield found


async def ana_of(door: Doors) -> str:
    return await door.access.addresses.user_of(ANA) or ""


async def reset_token(door: Doors) -> str:
    assert (await door.post("/v1/auth/password-reset", body={"email": ANA})).status_code == 202
    await door.access.later.settle()
    return door.letters.token(ANA)


async def confirm(door: Doors, token: str, password: str = NEW_PASSWORD) -> httpx.Response:
    return await door.post(CONFIRM, body={"token": token, "password": password})


@asynccontextmanager
async def held(
    patch: pytest.MonkeyPatch, service: object, method: str, asked: Answer
) -> AsyncIterator[asyncio.Task[httpx.Response]]:
    """`asked` has come as far as this method, and goes on after the block."""
    inner: Callable[..., Awaitable[Any]] = getattr(service, method)
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def wait(*positional: Any, **named: Any) -> Any:
        reached.set()
        await go_on.wait()
        return await inner(*positional, **named)

    patch.setattr(service, method, wait)
    task = asyncio.create_task(asked)
    await reached.wait()
    patch.setattr(service, method, inner)
    try:
        yield task
    finally:
        go_on.set()
        await task


async def test_a_change_that_waited_does_not_undo_a_reset(
    door: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    thief, token = await door.token(ANA), await reset_token(door)
    body = {"password": PASSWORD, "new_password": LATE_PASSWORD}
    change = door.post("/v1/auth/password", thief, body)
    async with held(monkeypatch, door.access.passwords, "hash", change) as late:
        assert (await confirm(door, token)).status_code == 200
    problem(await late, 401, "unauthenticated")
    problem(await door.try_sign_in(ANA, LATE_PASSWORD), 401, "sign-in-refused")
    await door.sign_in(ANA, password=NEW_PASSWORD)
    assert len(await door.events(PasswordChanged)) == 2  # as she joined, and the reset


async def test_a_second_factor_that_waited_does_not_outlive_a_reset(
    door: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    thief, token = await door.token(ANA), await reset_token(door)
    begin = door.post("/v1/auth/second-factor", thief, {"password": PASSWORD})
    async with held(monkeypatch, door.access.second_factor, "begin", begin) as late:
        assert (await confirm(door, token)).status_code == 200
    problem(await late, 401, "unauthenticated")


async def test_a_seed_of_before_a_reset_is_not_confirmed_after_it(
    door: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    thief, token = await door.token(ANA), await reset_token(door)
    begun = await door.post("/v1/auth/second-factor", thief, {"password": PASSWORD})
    code = code_at(begun.json()["seed"], door.clock.now())
    confirmed = door.post("/v1/auth/second-factor/confirm", thief, {"code": code})
    async with held(monkeypatch, door.access.second_factor, "confirm", confirmed) as late:
        assert (await confirm(door, token)).status_code == 200
    problem(await late, 422, "invalid-input")
    await door.sign_in(ANA, password=NEW_PASSWORD)


async def test_a_removal_that_waited_leaves_the_second_factor(
    door: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    thief = await door.token(ANA)
    begun = await door.post("/v1/auth/second-factor", thief, {"password": PASSWORD})
    code = code_at(begun.json()["seed"], door.clock.now())
    path = "/v1/auth/second-factor"
    codes = (await door.post(f"{path}/confirm", thief, {"code": code})).json()["recovery_codes"]
    token = await reset_token(door)
    removal = door.post(f"{path}/remove", thief, {"password": PASSWORD, "code": codes[0]})
    async with held(monkeypatch, door.access.second_factor, "remove", removal) as late:
        assert (await confirm(door, token)).status_code == 200
    problem(await late, 401, "unauthenticated")
    problem(await door.try_sign_in(ANA, NEW_PASSWORD), 401, "second-factor-required")


BEING_BEGUN = """
INSERT INTO sessions (session_id, user_id, kind, client, created_at, seen_at, idle_until, expires_at)
VALUES (%s, %s, 'token', '', %s, %s, %s, %s)
"""
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype <> 'relation'"


async def test_a_session_that_is_just_begun_ends_with_the_password(door: Doors) -> None:
    """The change waits for it, and must see it then."""
    ana, token, now = await ana_of(door), await reset_token(door), door.clock.now()
    later = now + timedelta(days=1)
    async with await psycopg.AsyncConnection.connect(door.database) as begins:
        await begins.execute("SELECT FROM credentials WHERE user_id = %s FOR SHARE", (ana,))
        await begins.execute(BEING_BEGUN, ("0" * 32, ana, now, now, later, later))
        reset = asyncio.create_task(confirm(door, token))
        async with await psycopg.AsyncConnection.connect(door.database, autocommit=True) as looks:
            while not (await (await looks.execute(WAITING)).fetchone() or (0,))[0]:
                assert not reset.done()
                await asyncio.sleep(0.01)
        await begins.commit()
    assert (await reset).status_code == 200
    assert await door.access.sessions.alive(ana) == []


async def change_password(door: Doors) -> None:
    body = {"password": PASSWORD, "new_password": NEW_PASSWORD}
    assert (await door.post("/v1/auth/password", await door.token(ANA), body)).status_code == 200


async def sign_out_everywhere(door: Doors) -> None:
    assert (await door.post("/v1/auth/sign-out-everywhere", await door.token(ANA))).status_code == 200


async def disable_and_enable(door: Doors) -> None:
    ana = await ana_of(door)
    await door.access.users.disable(ana, EVERYTHING, actor="user:x")
    await door.access.users.enable(ana, EVERYTHING, actor="user:x")


ENDS = (change_password, sign_out_everywhere, disable_and_enable)


@pytest.mark.parametrize("end", ENDS)
async def test_a_token_that_was_sent_before_is_no_way_in(
    door: Doors, end: Callable[[Doors], Awaitable[None]]
) -> None:
    token = await reset_token(door)
    await end(door)
    problem(await confirm(door, token, LATE_PASSWORD), 422, "invalid-input")
    problem(await door.try_sign_in(ANA, LATE_PASSWORD), 401, "sign-in-refused")


@pytest.mark.parametrize("end", ENDS)
async def test_a_token_that_waits_meanwhile_is_no_way_in(
    door: Doors, end: Callable[[Doors], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    reset = confirm(door, await reset_token(door), LATE_PASSWORD)
    async with held(monkeypatch, door.access.passwords, "hash", reset) as late:
        await end(door)
    problem(await late, 422, "invalid-input")


@pytest.mark.parametrize("end", ENDS)
async def test_a_sign_in_that_waits_meanwhile_begins_no_session(
    door: Doors, end: Callable[[Doors], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with held(monkeypatch, door.access.sessions, "begin", door.try_sign_in(ANA)) as late:
        await end(door)
    problem(await late, 401, "unauthenticated")
    alive = await door.access.sessions.alive(await ana_of(door))
    assert len(alive) == (1 if end is change_password else 0)  # the one that changed it


async def test_nobody_who_is_disabled_begins_or_goes_on(door: Doors) -> None:
    ana = await ana_of(door)
    await door.access.users.disable(ana, EVERYTHING, actor="user:x")
    with pytest.raises(Problem) as refused:  # as by somebody else's sign-in, where no password was proved
        await door.access.sessions.begin(ana, "test", cookie=True)
    assert refused.value.status == 401
    assert await door.access.sessions.alive(ana) == []


async def test_a_session_that_outlived_the_end_of_all_is_not_refreshed_and_ends_with_the_next(
    door: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, users = await ana_of(door), door.access.users
    one, two = await door.sign_in(ANA), await door.sign_in(ANA)

    async def stopped(*_: Any, **__: Any) -> int:
        raise ConnectionError("the process ended here")

    with monkeypatch.context() as patch:
        patch.setattr(door.access.sessions, "end_all", stopped)
        with pytest.raises(ConnectionError):
            await users.disable(ana, EVERYTHING, actor="user:x")
    body = {"refresh_token": one["refresh_token"]}
    problem(await door.post("/v1/auth/refresh", body=body), 401, "unauthenticated")
    await users.enable(ana, EVERYTHING, actor="user:x")
    for each in (one, two):
        problem(await door.get("/v1/auth/me", each["access_token"]), 401, "unauthenticated")
    await door.sign_in(ANA)
    ended = len(await door.events(SessionsEnded))
    await users.enable(ana, EVERYTHING, actor="user:x")  # who is enabled already is left in peace
    assert len(await door.events(SessionsEnded)) == ended


@pytest.mark.parametrize("way", ["change", "reset"])
async def test_sessions_end_with_the_password_though_the_log_is_away(
    door: Doors, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    other, mine, token = await door.sign_in(ANA), await door.sign_in(ANA), await reset_token(door)
    of_user = door.access.facts.of_user

    async def away(user_id: str, *commands: Any, **more: Any) -> Any:
        if any(isinstance(each, RecordPasswordChange) for each in commands):
            raise LogUnavailable("gone")
        return await of_user(user_id, *commands, **more)

    with monkeypatch.context() as patch:
        patch.setattr(door.access.facts, "of_user", away)
        body = {"password": PASSWORD, "new_password": NEW_PASSWORD}
        change = door.post("/v1/auth/password", mine["access_token"], body)
        asked = {"change": change, "reset": confirm(door, token)}
        with pytest.raises(LogUnavailable):
            await asked.pop(way)
        asked.popitem()[1].close()
    problem(await door.get("/v1/auth/me", other["access_token"]), 401, "unauthenticated")
    refresh = {"refresh_token": other["refresh_token"]}
    problem(await door.post("/v1/auth/refresh", body=refresh), 401, "unauthenticated")
    await door.sign_in(ANA, password=NEW_PASSWORD)


async def test_who_joins_may_come_again_with_a_token_that_set_nothing(
    door: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    await door.user("root@example.com", PLATFORM, "admin")
    body = {"email": "new@example.com", "role": "auditor"}
    root_token = await door.token("root@example.com")
    await door.post("/v1/platform/users", root_token, body)
    await door.access.later.settle()
    token = door.letters.token("new@example.com")

    async def stopped(*_: Any, **__: Any) -> int:
        raise ConnectionError("the process ended here")

    with monkeypatch.context() as patch:
        patch.setattr(door.access.sessions, "end_with", stopped)
        with pytest.raises(ConnectionError):
            await confirm(door, token)
    assert (await confirm(door, token)).status_code == 200
    await door.sign_in("new@example.com", password=NEW_PASSWORD)


async def test_changes_and_resets_at_once_end_with_one_password(door: Doors) -> None:
    tokens = [
        await door.access.resets.make_token(await ana_of(door), "reset", door.access.policy.password_reset)
        for _ in range(4)
    ]
    mine = [await door.token(ANA) for _ in range(4)]
    body = {"password": PASSWORD, "new_password": LATE_PASSWORD}
    answers = await asyncio.gather(
        *(confirm(door, token) for token in tokens),
        *(door.post("/v1/auth/password", each, body) for each in mine),
    )
    assert [answer.status_code for answer in answers].count(200) == 1
    assert {answer.status_code for answer in answers} <= {200, 401, 422}

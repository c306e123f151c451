"""Is a code, a recovery code or a reset token good for once, and does asking for one tell nothing?"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from domain.user import (
    PasswordChanged,
    PasswordResetRequested,
    RecoveryCodeUsed,
    SecondFactorDisabled,
    SecondFactorEnabled,
    SessionsEnded,
    UserLockedOut,
)
from services.access.second_factor import code_at
from tests.integration.access_client import EVERYTHING, PASSWORD, Doors, doors
from tests.integration.api_client import problem

NEW_PASSWORD = "a new roll of paper"


@pytest.fixture
async def door(database: str, tmp_path: Path) -> AsyncIterator[Doors]:
    async with doors(database, tmp_path) as found:
        await found.user("ana@example.com", "m1", "owner")
        yield found


async def enable(door: Doors) -> tuple[str, list[str]]:
    """The seed and the recovery codes of a second factor that counts from now on."""
    token = await door.token("ana@example.com")
    proposed = (await door.post("/v1/auth/second-factor", token, {"password": PASSWORD})).json()
    assert proposed["uri"].startswith("otpauth://totp/")
    # until it is confirmed nothing changes
    await door.sign_in("ana@example.com")
    path = "/v1/auth/second-factor/confirm"
    problem(await door.post(path, token, {"code": "000000"}), 422, "invalid-input")
    code = code_at(proposed["seed"], door.clock.now())
    response = await door.post(path, token, {"code": code})
    assert response.status_code == 200, response.text
    return proposed["seed"], response.json()["recovery_codes"]


async def test_a_code_is_wanted_and_taken_once(door: Doors) -> None:
    seed, _ = await enable(door)
    problem(await door.try_sign_in("ana@example.com"), 401, "second-factor-required")
    code = code_at(seed, door.clock.now())
    # it was taken when the factor was confirmed
    problem(await door.try_sign_in("ana@example.com", code=code), 401, "sign-in-refused")
    door.clock.move(seconds=30)
    fresh = code_at(seed, door.clock.now())
    answers = await asyncio.gather(*(door.try_sign_in("ana@example.com", code=fresh) for _ in range(3)))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 401: 2}
    problem(await door.try_sign_in("ana@example.com", code=code), 401, "sign-in-refused")
    problem(await door.try_sign_in("ana@example.com", "wrong password!", code=fresh), 401, "sign-in-refused")
    (enabled,) = await door.events(SecondFactorEnabled)
    assert enabled.recovery_codes == 10


async def test_a_clock_may_be_half_a_minute_off_and_no_more(door: Doors) -> None:
    seed, _ = await enable(door)
    door.clock.move(minutes=5)
    early = door.clock.now()
    door.clock.move(seconds=60)
    problem(await door.try_sign_in("ana@example.com", code=code_at(seed, early)), 401, "sign-in-refused")
    door.clock.move(seconds=-30)
    await door.sign_in("ana@example.com", code=code_at(seed, early))


async def test_a_seed_that_is_proposed_is_good_for_a_few_codes(door: Doors) -> None:
    token = await door.token("ana@example.com")
    begin, path = "/v1/auth/second-factor", "/v1/auth/second-factor/confirm"
    seed = (await door.post(begin, token, {"password": PASSWORD})).json()["seed"]
    right = code_at(seed, door.clock.now())
    wrong = [f"{(int(right) + 500_000 + n) % 1_000_000:06}" for n in range(20)]
    answers = await asyncio.gather(*(door.post(path, token, {"code": code}) for code in wrong))
    assert {answer.status_code for answer in answers} == {422}
    problem(await door.post(path, token, {"code": right}), 422, "invalid-input")
    seed = (await door.post(begin, token, {"password": PASSWORD})).json()["seed"]
    for code in wrong[:4]:
        problem(await door.post(path, token, {"code": code}), 422, "invalid-input")
    assert (await door.post(path, token, {"code": code_at(seed, door.clock.now())})).status_code == 200


async def test_a_seed_that_is_proposed_is_good_for_ten_minutes(door: Doors) -> None:
    body = {"password": PASSWORD}
    seed = (await door.post("/v1/auth/second-factor", await door.token("ana@example.com"), body)).json()[
        "seed"
    ]
    door.clock.move(minutes=10)
    token, code = await door.token("ana@example.com"), code_at(seed, door.clock.now())
    problem(await door.post("/v1/auth/second-factor/confirm", token, {"code": code}), 422, "invalid-input")


async def test_codes_are_not_tried_until_one_fits(door: Doors) -> None:
    await enable(door)
    for number in range(6):
        await door.try_sign_in("ana@example.com", code=f"{number:06}")
    assert len(await door.events(UserLockedOut)) == 1


async def test_a_recovery_code_is_good_for_once(door: Doors) -> None:
    _, codes = await enable(door)
    assert len(set(codes)) == 10
    await door.sign_in("ana@example.com", code=codes[3].upper())
    problem(await door.try_sign_in("ana@example.com", code=codes[3]), 401, "sign-in-refused")
    answers = await asyncio.gather(*(door.try_sign_in("ana@example.com", code=codes[4]) for _ in range(3)))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 401: 2}
    assert [event.left for event in await door.events(RecoveryCodeUsed)] == [9, 8]


async def test_a_second_factor_goes_with_proof_only(door: Doors) -> None:
    seed, codes = await enable(door)
    token = (await door.sign_in("ana@example.com", code=codes[0]))["access_token"]
    path = "/v1/auth/second-factor/remove"
    problem(await door.post(path, token, {"password": PASSWORD}), 401, "second-factor-required")
    problem(
        await door.post(path, token, {"password": "not it at all", "code": codes[1]}), 401, "sign-in-refused"
    )
    begin = {"password": PASSWORD, "code": codes[2]}
    problem(await door.post("/v1/auth/second-factor", token, begin), 409, "conflict")
    response = await door.post(path, token, {"password": PASSWORD, "code": codes[1]})
    assert response.json() == {"second_factor": False}
    await door.sign_in("ana@example.com")
    assert len(await door.events(SecondFactorDisabled)) == 1
    assert seed not in response.text


async def reset(door: Doors, email: str = "ana@example.com") -> httpx.Response:
    response = await door.post("/v1/auth/password-reset", body={"email": email})
    await door.access.later.settle()
    return response


async def confirm(door: Doors, token: str, password: str = NEW_PASSWORD) -> httpx.Response:
    body = {"token": token, "password": password}
    return await door.post("/v1/auth/password-reset/confirm", body=body)


async def test_a_reset_token_is_good_for_once_and_ends_sessions(door: Doors) -> None:
    before = await door.sign_in("ana@example.com")
    await reset(door)
    token = door.letters.token("ana@example.com")
    answers = await asyncio.gather(*(confirm(door, token) for _ in range(3)))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 422: 2}
    problem(await confirm(door, token, "yet another password"), 422, "invalid-input")
    problem(await door.get("/v1/auth/me", before["access_token"]), 401, "unauthenticated")
    problem(await door.try_sign_in("ana@example.com"), 401, "sign-in-refused")
    await door.sign_in("ana@example.com", password=NEW_PASSWORD)
    changed, requested = await door.events(PasswordChanged), await door.events(PasswordResetRequested)
    assert (len(changed), len(requested)) == (2, 1)  # one of them when she joined
    assert token not in str(await door.facts())


async def test_an_old_token_and_a_made_up_one_are_the_same(door: Doors) -> None:
    await reset(door)
    token = door.letters.token("ana@example.com")
    door.clock.move(minutes=30)
    answers = [await confirm(door, token), await confirm(door, "tlr_su_" + "x" * 43)]
    assert answers[0].content == answers[1].content
    problem(answers[0], 422, "invalid-input")


async def test_a_password_sets_the_other_tokens_aside(door: Doors) -> None:
    await reset(door)
    first = door.letters.token("ana@example.com")
    door.clock.move(minutes=2)
    await reset(door)
    assert (await confirm(door, door.letters.token("ana@example.com"))).status_code == 200
    problem(await confirm(door, first), 422, "invalid-input")


async def test_asking_tells_nothing_and_fills_no_mailbox(door: Doors) -> None:
    answers = [await reset(door), await reset(door), await reset(door, "nobody@example.com")]
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert [to for to, _, _ in door.letters.sent] == ["ana@example.com"]
    ana = await door.access.addresses.user_of("ana@example.com") or ""
    await door.access.users.disable(ana, EVERYTHING, actor="user:x")
    door.clock.move(minutes=2)
    assert (await reset(door)).content == answers[0].content
    assert len(door.letters.sent) == 1


async def test_a_reset_lets_nobody_past_a_second_factor(door: Doors) -> None:
    await enable(door)
    await reset(door)
    await confirm(door, door.letters.token("ana@example.com"))
    problem(await door.try_sign_in("ana@example.com", NEW_PASSWORD), 401, "second-factor-required")


@pytest.mark.parametrize("password", ["short", "ana@example.com 1", "aaaaaaaaaaaaaa", "x" * 250 + "y" * 50])
async def test_an_easy_password_is_refused_and_leaves_the_token(door: Doors, password: str) -> None:
    await reset(door)
    token = door.letters.token("ana@example.com")
    answer = problem(await confirm(door, token, password), 422, "invalid-input")
    assert password not in str(answer)
    assert (await confirm(door, token)).status_code == 200


async def test_changes_its_password_with_the_old_one(door: Doors) -> None:
    one, two = await door.sign_in("ana@example.com"), await door.sign_in("ana@example.com")
    path = "/v1/auth/password"
    wrong = {"password": "not it at all", "new_password": NEW_PASSWORD}
    problem(await door.post(path, one["access_token"], wrong), 401, "sign-in-refused")
    body = {"password": PASSWORD, "new_password": NEW_PASSWORD}
    assert (await door.post(path, one["access_token"], body)).status_code == 200
    assert (await door.get("/v1/auth/me", one["access_token"])).status_code == 200
    problem(await door.get("/v1/auth/me", two["access_token"]), 401, "unauthenticated")
    await door.sign_in("ana@example.com", password=NEW_PASSWORD)
    assert [event.reason for event in await door.events(SessionsEnded)][-1] == "password_changed"
